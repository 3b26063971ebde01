"""
A target that is often nothing
==============================

Most days have no rain, most customers no claim: one value has a probability of its own, beside a density for
the rest. ``limits`` takes a value on a bound for what lies there or beyond, so that one network says both how
likely nothing is and how much there is else.
"""

# %%
# Rain of a day, given the pressure of the air. Low pressure brings showers, which often miss the gauge, and
# at times steady rain.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_mdn import MDNRegressor
from sklearn_mdn.metrics import calibration_error, crps
from sklearn_mdn.plotting import PITDisplay

rng = np.random.default_rng(0)


def make_days(n_days):
    low = rng.uniform(0, 1, n_days)
    steady = rng.uniform(size=n_days) < 0.5 * low
    rain = np.where(steady, rng.normal(4 + 6 * low, 1.5), rng.normal(3 * low - 1.5, 1.2))
    return low[:, None], np.maximum(rain, 0)


X, y = make_days(2000)
X_new, y_new = make_days(3000)
print(f"days without rain: {100 * (y == 0).mean():.0f} %")

# %%
# The same network on the whole line, and with a bound at which rain is cut off.
network = MDNRegressor(4, max_iter=60, random_state=0)
predicted = {
    "whole line": network.fit(X, y).predict_distribution(X_new),
    "limits=(0, None)": network.set_params(limits=(0, None)).fit(X, y).predict_distribution(X_new),
}
spike = predicted["limits=(0, None)"].atoms()[1][:, 0]
dry = y_new == 0
for name, density in predicted.items():
    print(
        f"{name:<17} CRPS {crps(y_new, density):.3f} mm, "
        f"calibration error {calibration_error(y_new, density):.3f}, "
        f"probability of less than 0 mm {density.cdf(-1e-9).mean():.2f}"
    )
print(f"no rain: {dry.mean():.3f} of the days, {spike.mean():.3f} predicted")

# %%
# Its probability of no rain follows the pressure, and the rest is a density with its two answers.
figure, axes = plt.subplots(1, 3, figsize=(10, 3.4), layout="constrained")
edges = np.linspace(0, 1, 11)
centres, parts = 0.5 * (edges[1:] + edges[:-1]), np.digitize(X_new[:, 0], edges[1:-1])
order = np.argsort(X_new[:, 0])
axes[0].bar(centres, [dry[parts == i].mean() for i in range(10)], 0.08, color="0.8", label="observed")
axes[0].plot(X_new[order, 0], spike[order], label="predicted")
axes[0].set(xlabel="depth of the low", ylabel="share of days without rain")
axes[0].legend()
heights, day = np.linspace(0.01, 14, 400), np.abs(X_new[:, 0] - 0.8).argmin()
one = predicted["limits=(0, None)"][day]
near = np.abs(X_new[:, 0] - 0.8) < 0.1
axes[1].hist(
    y_new[near & ~dry],
    np.arange(0, 14.5, 0.5),
    color="0.8",
    weights=np.full((near & ~dry).sum(), 2 / near.sum()),
)
axes[1].plot(heights, one.pdf(heights), label="density")
axes[1].plot([0, 0], [0, spike[day]], linewidth=3, label="probability of 0")
axes[1].set(xlabel="mm of rain in a deep low", ylabel="density, probability")
axes[1].legend()
for color, (name, density) in zip(("0.6", "C0"), predicted.items(), strict=True):
    bars = {"color": color, "alpha": 0.6}
    PITDisplay.from_predictions(y_new, density, name=name, ax=axes[2], bar_kw=bars)

# %%
# **Finding.** Cut off at the bound, the network says how often there is no rain to a few hundredths in every
# tenth of the days, and its histogram is flat. On the whole line it puts a fifth of its probability below 0
# mm, where no day can be, and its histogram shows it.
