"""
A forecast fan that splits in two
=================================

A series that flips between two states has two futures. A density of the next value given the last ones,
drawn from again and again, makes paths; many paths make a fan. Folds that respect time say how good it is.
"""

# %%
# A particle between two wells. Columns are the last two values (lags), the target is the next one.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.linear_model import BayesianRidge
from sklearn.model_selection import TimeSeriesSplit, cross_val_score

from sklearn_mdn import GaussianDensity, MDNRegressor
from sklearn_mdn.metrics import log_likelihood_scorer

rng = np.random.default_rng(1)
series = [0.0, 0.0]
for _ in range(1600):
    last = series[-1]
    series.append(last + 0.3 * (last - last**3) + rng.normal(0, 0.25))
series = np.array(series)
past, future = series[:1400], series[1400:]


def lagged(values, n_lags=2):
    rows = np.lib.stride_tricks.sliding_window_view(values, n_lags + 1)
    return rows[:, :-1], rows[:, -1]


X, y = lagged(past)

# %%
# :class:`~sklearn.model_selection.TimeSeriesSplit` trains on the past of each fold alone. A linear
# autoregression is a density too, with :class:`~sklearn_mdn.GaussianDensity`.
network = MDNRegressor(2, max_iter=60, n_estimators=3, random_state=0)
models = {"network": network, "linear": GaussianDensity(BayesianRidge())}
for name, model in models.items():
    scores = cross_val_score(model, X, y, cv=TimeSeriesSplit(4), scoring=log_likelihood_scorer)
    print(f"{name:<8} log-likelihood of the next value {scores.mean():.3f} ± {scores.std() / 2:.3f}")

# %%
# Paths: each draw becomes the last lag of the next step, 2000 paths at once, for forty steps from a moment
# near the ridge between the wells.
network.fit(X, y)
start = np.flatnonzero(np.abs(future[1:160]) < 0.1)[0] + 1
paths = np.repeat(future[start - 1 : start + 1][None], 2000, axis=0)
for step in range(40):
    paths = np.column_stack([paths, network.sample(paths[:, -2:], random_state=step)[:, 0]])

# %%
figure, axes = plt.subplots(1, 2, figsize=(10, 4), width_ratios=[3, 1], sharey=True, layout="constrained")
edges = np.linspace(-2, 2, 61)
shares = np.array([np.histogram(column, edges, density=True)[0] for column in paths.T[2:]])
axes[0].pcolormesh(np.arange(0.5, 41), edges, shares.T, cmap="Blues", vmax=1.5, rasterized=True)
axes[0].plot(
    np.arange(-30, 41), series[1400 + start - 30 : 1441 + start], "k", linewidth=1, label="what happened"
)
axes[0].axvline(0, color="0.5", linestyle=":")
axes[0].set(xlabel="steps ahead", ylabel="position")
axes[0].legend(loc="upper left")
axes[1].hist(paths[:, -1], bins=edges, orientation="horizontal", color="C0", alpha=0.6)
axes[1].set(xlabel="paths after 40 steps")
share = (paths[:, -1] > 0).mean()
print(f"after 40 steps {100 * share:.0f} % of the paths are in the upper well")

# %%
# **Finding.** The fan opens into two: its middle, where a mean forecast lies, is where almost no path ends.
