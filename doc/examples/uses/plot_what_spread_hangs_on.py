"""
What the uncertainty hangs on
=============================

Tools that explain models look at `predict`. :class:`~sklearn_mdn.DensityFunctional` predicts the deviation,
or any other number of a density, so that they explain the uncertainty of a prediction rather than the
prediction.
"""

# %%
# The mean goes by the first feature, the deviation by the second, a second mode by the third.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.inspection import PartialDependenceDisplay, permutation_importance

from sklearn_mdn import DensityFunctional, MDNRegressor

rng = np.random.default_rng(0)
names = ["level", "noise", "jump", "nothing"]
X = rng.uniform(0, 1, (1500, 4))
jump = 3.0 * (rng.uniform(size=1500) < 0.3 * (X[:, 2] > 0.6))
y = 4 * X[:, 0] + jump + (0.1 + 0.7 * X[:, 1]) * rng.normal(size=1500)
network = MDNRegressor(n_components=3, max_iter=60, n_estimators=2, random_state=0).fit(X[:1000], y[:1000])

# %%
# Four numbers of the same predicted density, each with the features that it hangs on: what a permutation of
# the feature takes from the :math:`R^2` between the number and itself.
functionals = {
    "mean": "mean",
    "deviation": "std",
    "95 % quantile": 0.95,
    "P(y > 5)": ("prob", 5.0, np.inf),
}
figure, axes = plt.subplots(1, 4, figsize=(11, 2.8), sharey=True, layout="constrained")
for axis, (title, functional) in zip(axes, functionals.items(), strict=True):
    asked = DensityFunctional.from_fitted(network, functional)
    found = permutation_importance(asked, X[1000:], asked.predict(X[1000:]), n_repeats=3, random_state=0)
    axis.barh(names, found.importances_mean)
    axis.set(title=title, xlabel="importance")

# %%
# Partial dependence of the deviation, feature by feature.
deviation = DensityFunctional.from_fitted(network, "std")
figure, axes = plt.subplots(1, 4, figsize=(11, 2.8), sharey=True, layout="constrained")
PartialDependenceDisplay.from_estimator(
    deviation, X[1000:1200], [0, 1, 2, 3], feature_names=names, grid_resolution=25, ax=axes
)
for axis in axes:
    axis.set_ylabel("deviation of y" if axis is axes[0] else "")

# %%
# **Finding.** The mean hangs on the level, the deviation on where the jumps are and on the noise. An
# explanation of the mean would not have named the noise at all.
