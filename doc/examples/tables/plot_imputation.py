"""
Gaps filled by draws
====================

Filling the gaps of a column with its mean, or with a prediction, makes a table that is tidier than the
world was. Draws from a conditional density keep the shape of what is missing.
"""

# %%
# The second column follows one of two branches of the first, which a third column tells apart only in part.
# Of the second column 40 % are missing, more often where the first is large.
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import wasserstein_distance
from sklearn.experimental import enable_iterative_imputer  # noqa: F401
from sklearn.impute import IterativeImputer, SimpleImputer

from sklearn_mdn import MDNRegressor

rng = np.random.default_rng(0)
first = rng.uniform(0, 3, 2000)
branch = rng.choice([-1, 1], 2000)
complete = np.column_stack(
    [first, branch * first + rng.normal(0, 0.2, 2000), 0.5 * branch + rng.normal(0, 1, 2000)]
)
missing = rng.random(2000) < 0.8 * first / 3
table = complete.copy()
table[missing, 1] = np.nan

# %%
# Three ways to fill them: the mean; draws of :class:`~sklearn.impute.IterativeImputer` with its Gaussian
# linear model; and draws from the density of the column given the others, learned on the rows that have it.
others = complete[:, [0, 2]]
model = MDNRegressor(4, max_iter=80, random_state=0).fit(others[~missing], table[~missing, 1])
filled = {
    "mean": SimpleImputer().fit_transform(table)[missing, 1],
    "linear draws": IterativeImputer(sample_posterior=True, random_state=0).fit_transform(table)[missing, 1],
    "draws from the density": model.sample(others[missing], random_state=0)[:, 0],
}

# %%
truth = complete[missing, 1]
figure, axes = plt.subplots(1, 4, figsize=(12, 3.6), sharex=True, sharey=True, layout="constrained")
for axis, (name, values) in zip(axes, {"what is missing": truth, **filled}.items(), strict=True):
    axis.plot(first[missing], values, ".", markersize=3, color="0.4" if values is truth else "C0")
    axis.set(title=name, xlabel="first column")
axes[0].set_ylabel("second column")

# %%
# How far the filled values are from the missing ones as a distribution (the Wasserstein distance), and what
# becomes of the standard deviation. No way of filling knows a single value: that is not what it is for.
print(f"{'missing values':<24}standard deviation {truth.std():.2f}")
for name, values in filled.items():
    print(
        f"{name:<24}standard deviation {values.std():.2f}, distance {wasserstein_distance(values, truth):.2f}"
    )

# %%
# **Finding.** Draws from the density are spread as the missing values are, in both branches; the others put
# them where nothing ever was. For an analysis, draw several times and look at how far the results differ.
