"""
In and out of the data
======================

Between training rows, and a little beyond them, a network goes on as it left them, as sure of itself as it
was there. The members of an ensemble were left in different ways, which shows in how far they disagree.
(Farther out densities return to that of the target alone: :doc:`/guide/pitfalls`.)
"""

# %%
# Rows lie between -4 and -1 and between 1 and 4; the noise is the same everywhere.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_mdn import MDNRegressor

rng = np.random.default_rng(0)
x = np.concatenate([rng.uniform(-4, -1, 300), rng.uniform(1, 4, 300)])
X, y = x[:, None], np.sin(1.5 * x) + rng.normal(0, 0.15, 600)
single = MDNRegressor(2, max_iter=80, random_state=0).fit(X, y)
ensemble = MDNRegressor(2, n_estimators=10, max_iter=80, random_state=0).fit(X, y)

# %%
# Intervals of one network and of ten, and the two parts of the variance of ten: that within members, the
# noise, and that between them, what the rows did not settle
# (:meth:`~sklearn_mdn.MixtureDistribution.variance_split`).
X_grid = np.linspace(-6, 6, 300)[:, None]
figure, axes = plt.subplots(1, 3, figsize=(11, 3.8), sharex=True, layout="constrained")
for axis, model, title in zip(axes, (single, ensemble), ("one network", "ten networks"), strict=False):
    axis.plot(x, y, ".", color="0.6", markersize=3)
    density = model.predict_distribution(X_grid)
    axis.fill_between(X_grid[:, 0], *density.interval(0.9), alpha=0.4)
    axis.plot(X_grid[:, 0], density.median())
    axis.set(title=title, ylim=(-2.5, 2.5), xlabel="x")
axes[0].set_ylabel("y, and 90 % intervals")
within, between = density.variance_split()
axes[2].semilogy(X_grid[:, 0], np.sqrt(within), label="within members")
axes[2].semilogy(X_grid[:, 0], np.sqrt(between), label="between members")
for start, stop in ((-4, -1), (1, 4)):
    axes[2].axvspan(start, stop, color="0.5", alpha=0.15, linewidth=0)
axes[2].set(title="standard deviations of ten", xlabel="x")
axes[2].legend()

# %%
# On average over the places where there are rows, in the gap, and beyond:
grid = X_grid[:, 0]
places = {
    "at the rows": (np.abs(grid) > 1) & (np.abs(grid) < 4),
    "in the gap": np.abs(grid) < 0.7,
    "beyond": np.abs(grid) > 5,
}
for name, where in places.items():
    print(
        f"{name:<12} within {np.sqrt(within[where].mean()):.2f}, between {np.sqrt(between[where].mean()):.2f}"
    )

# %%
# **Finding.** Between members there is next to nothing at the rows and a lot away from them, so that it
# tells where a prediction is a guess. It is a hint, not a guarantee: members that share their form can be
# wrong together.
