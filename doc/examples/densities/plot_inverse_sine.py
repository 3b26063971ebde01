"""
Three answers to one question
=============================

An inverse problem after Bishop (1994): a position *y* causes a reading *x*, and *y* is to be found from *x*.
Around *x* = 0.5 three positions cause the same reading. One Gaussian has to cover them all; a mixture
density network keeps the three apart.
"""

# %%
# The readings follow a sine on top of a line. The noise is Gaussian with standard deviation 0.05. Bishop's is
# uniform on (-0.1, 0.1), and the exact density at *x* = 0.5 is then flat from 0.15 to 0.85, without peaks.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_mdn import MDNRegressor
from sklearn_mdn.plotting import ConditionalDensityDisplay

rng = np.random.default_rng(0)


def make_readings(n_rows):
    y = rng.uniform(0, 1, n_rows)
    x = y + 0.3 * np.sin(2 * np.pi * y) + rng.normal(0, 0.05, n_rows)
    return x[:, None], y


X_train, y_train = make_readings(2000)
X_test, y_test = make_readings(1000)

# %%
# One component is a Gaussian whose mean and variance depend on *x*; five leave room for the three branches.
# The mean log-likelihood of held-out rows, which ``score`` returns, tells them apart.
models = {
    n_components: MDNRegressor(n_components, max_iter=100, random_state=0).fit(X_train, y_train)
    for n_components in (1, 5)
}
for n_components, model in models.items():
    print(f"{n_components} components: {model.score(X_test, y_test):.2f}")

# %%
# The densities as shading, with the conditional mean: for one component it is the centre of a wide
# Gaussian, for five a curve that runs between the branches. Each column is scaled to its own highest value.
X_grid, y_grid = np.linspace(0, 1, 200)[:, None], np.linspace(-0.1, 1.1, 300)
figure, axes = plt.subplots(1, 2, figsize=(10, 4.5), sharey=True, layout="constrained")
for axis, (n_components, model) in zip(axes, models.items(), strict=True):
    ConditionalDensityDisplay.from_estimator(
        model, X_test[:300], y_test[:300], levels=[], y_grid=y_grid, ax=axis
    )
    axis.plot(X_grid[:, 0], model.predict(X_grid), color="C1", label="conditional mean")
    axis.set(
        title=f"n_components={n_components}",
        xlabel="reading x",
        ylabel="position y",
        xlim=(0, 1),
        ylim=(-0.1, 1.1),
    )
    axis.legend(loc="upper left")

# %%
# At *x* = 0.5 the density has a peak near each of the positions that cause this reading without noise.
positions = np.linspace(0, 1, 10_001)
causes = positions[1:][np.diff(np.sign(positions + 0.3 * np.sin(2 * np.pi * positions) - 0.5)) != 0]
figure, axis = plt.subplots(figsize=(7, 3.5), layout="constrained")
for n_components, model in models.items():
    density = model.predict_distribution([[0.5]]).pdf(y_grid[:, None])[:, 0]
    axis.plot(y_grid, density, label=f"n_components={n_components}")
for number, cause in enumerate(causes):
    axis.axvline(cause, color="0.6", linestyle=":", label=None if number else "true positions")
axis.set(xlabel="position y", ylabel="density given x = 0.5", ylim=(0, None))
figure.legend(loc="outside upper center", ncols=3, frameon=False)

# %%
# **Finding.** The mean, which a usual regression predicts, runs between the branches, where no position
# ever is; the mixture has a peak at each of the three answers.
#
# .. rubric:: Reference
#
# Bishop, C. M. (1994). *Mixture density networks*. Technical Report NCRG/94/004, Aston University.
