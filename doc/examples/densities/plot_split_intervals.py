"""
Intervals that split in two
===========================

Where a target follows one of two branches, and nothing in the row says which, the smallest set that holds
90 % of its density is two intervals. They part where the branches do.
"""

# %%
# Two branches that leave each other halfway, and noise around each of them.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_mdn import MDNRegressor
from sklearn_mdn.metrics import coverage, hdr_coverage

rng = np.random.default_rng(0)


def make_branches(n_rows):
    x = rng.uniform(0, 1, n_rows)
    gap = 2 * np.maximum(x - 0.35, 0)
    return x[:, None], rng.choice([-1, 1], n_rows) * gap + rng.normal(0, 0.12, n_rows)


X_train, y_train = make_branches(1500)
X_test, y_test = make_branches(2000)
model = MDNRegressor(n_components=3, max_iter=80, random_state=0).fit(X_train, y_train)

# %%
# :meth:`~sklearn_mdn.MixtureDistribution.hdr` of a :class:`~sklearn_mdn.MixtureDistribution` has the pieces
# of the highest-density region of each row, padded with NaN where a row has fewer than others.
# :meth:`~sklearn_mdn.MixtureDistribution.interval` runs from the 5 % to the 95 % quantile, the gap
# included.
X_grid = np.linspace(0, 1, 90)[:, None]
density = model.predict_distribution(X_grid)
regions, _ = density.hdr(0.9)
lower, upper = density.interval(0.9)

figure, axes = plt.subplots(1, 2, figsize=(10, 4.2), sharex=True, sharey=True, layout="constrained")
for axis in axes:
    axis.plot(X_test[:400, 0], y_test[:400], ".", color="0.6", markersize=3, label="rows")
axes[0].fill_between(X_grid[:, 0], lower, upper, alpha=0.4, label="central interval, 90 %")
half = np.diff(X_grid[:2, 0]) / 2
for x, pieces in zip(X_grid[:, 0], regions, strict=True):
    for low, high in pieces[~np.isnan(pieces[:, 0])]:
        axes[1].fill_between([x - half[0], x + half[0]], low, high, color="C1", alpha=0.4, linewidth=0)
axes[1].fill_between([], [], [], color="C1", alpha=0.4, label="highest-density region, 90 %")
for axis in axes:
    axis.set(xlabel="x", ylabel="y")
    axis.legend(loc="upper left")

# %%
# Both hold the share of rows that they promise. The regions are much shorter where there is a gap.
density = model.predict_distribution(X_test)
regions, _ = density.hdr(0.9)
lower, upper = density.interval(0.9)
right = X_test[:, 0] > 0.7
print(f"coverage: regions {hdr_coverage(y_test, density):.2f}, intervals {coverage(y_test, density):.2f}")
length_of_regions = np.nansum(regions[..., 1] - regions[..., 0], axis=1)[right].mean()
length_of_intervals = (upper - lower)[right].mean()
print(f"length for x > 0.7: regions {length_of_regions:.2f}, intervals {length_of_intervals:.2f}")

# %%
# **Finding.** At the same coverage the regions are about a third as long as the intervals where the
# branches are far apart, because they leave out the gap, in which nothing ever is.
