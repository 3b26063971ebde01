"""
How many to order
=================

A newsvendor pays for each copy and is paid for each that is sold. The best order is no mean and no most
likely value: it is the action of least expected loss under the density of demand.
"""

# %%
# Demand goes by the weekday and by whether there is a match, which the vendor does not know beforehand: on
# match days it jumps.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_mdn import MDNRegressor

rng = np.random.default_rng(0)


def make_days(n_days):
    day = rng.integers(0, 7, n_days)
    match = rng.uniform(size=n_days) < np.where(day >= 5, 0.5, 0.1)
    demand = 40 + 5 * day + 60 * match + (4 + 2 * match) * rng.normal(size=n_days)
    return day[:, None].astype(float), demand.round()


X_train, y_train = make_days(2000)
X_test, y_test = make_days(4000)
network = MDNRegressor(n_components=3, max_iter=60, random_state=0).fit(X_train, y_train)

# %%
# `argmin_expected` takes the loss of an action where y comes, and candidates. The order itself, where the
# loss has its kink, is known to it.
COST, PRICE = 1.0, 2.5


def loss(order, demand):
    return COST * order - PRICE * np.minimum(order, demand)


week = np.arange(7.0)[:, None]
density = network.predict_distribution(week)
orders = {
    "least expected loss": density.argmin_expected(loss, np.arange(20, 160)),
    "mean": density.mean().round(),
    "most likely": density.mode().round(),
}
of_day = X_test[:, 0].astype(int)
earned = {name: -loss(order[of_day], y_test).mean() for name, order in orders.items()}
for name, gain in earned.items():
    print(f"{name:<22}{gain:6.1f} a day")

# %%
# For this loss the best order is also a quantile, at (price - cost) / price; a contract that is no
# straight line has none, and needs the search.
print(f"quantile at {(PRICE - COST) / PRICE:.1f}:", density.ppf((PRICE - COST) / PRICE).round(0))


def contract(order, demand):
    bonus = np.where(demand <= order, 40.0, 0.0)  # for never being sold out
    return loss(order, demand) - bonus


with_bonus = density.argmin_expected(contract, np.arange(20, 160))
print("orders with a bonus:", with_bonus.astype(int))

# %%
# Orders in front of the densities of demand.
grid = np.linspace(20, 150, 400)
figure, axes = plt.subplots(1, 2, figsize=(10, 3.6), sharey=True, layout="constrained")
for axis, day in zip(axes, (2, 6), strict=True):
    axis.fill_between(grid, density[day].pdf(grid), alpha=0.3, color="0.5")
    for i, (name, order) in enumerate(orders.items()):
        axis.axvline(order[day], color=f"C{i}", label=name)
    axis.axvline(with_bonus[day], color="C3", linestyle="--", label="with a bonus")
    axis.set(title=f"day {day}", xlabel="demand", ylim=(0, None))
axes[0].set_ylabel("density")
axes[0].legend(fontsize="small")

# %%
# **Finding.** At the weekend the mean is a demand that never comes. Which of the two peaks to order for is a
# question of prices, and the density answers it for any of them.
