"""
Rows that come in groups
========================

Several visits of each patient, several days of each shop: where new rows will come from new groups, neither
early stopping nor cross-validation may look at rows of groups that were trained on.
"""

# %%
# Forty shops with fifteen days each. Their rows are nearly alike, and sales follow what is not in the
# table: what the shop is like.
import matplotlib.pyplot as plt
import numpy as np
from sklearn.model_selection import GroupKFold, KFold

from sklearn_mdn import MDNRegressor
from sklearn_mdn.metrics import coverage, cross_val_predict_distribution, log_likelihood

rng = np.random.default_rng(0)


def make_shops(n_shops, n_days=15):
    shop = np.repeat(np.arange(n_shops), n_days)
    place, quality = rng.normal(size=(n_shops, 2)), rng.normal(size=n_shops)
    X = place[shop] + 0.02 * rng.normal(size=(len(shop), 2))
    return X, X[:, 0] + quality[shop] + 0.2 * rng.normal(size=len(shop)), shop


X, y, shop = make_shops(40)
X_new, y_new, _ = make_shops(300)

# %%
# Rows at random, or whole shops: for the folds of cross-validation, and for the rows that ``fit`` holds out
# itself (``groups``).
network = MDNRegressor(max_iter=80, random_state=0)
believed = {}
splits = {"rows": KFold(3, shuffle=True, random_state=0).split(X), "shops": GroupKFold(3).split(X, y, shop)}
for held_out, cv in splits.items():
    predicted = cross_val_predict_distribution(network, X, y, cv=list(cv))
    believed[held_out] = log_likelihood(y, predicted)
fitted = {"rows": network.fit(X, y)}
by_shops = MDNRegressor(max_iter=80, random_state=0).fit(X, y, groups=shop)
fitted["shops"] = by_shops
print("held-out score by rows:", round(believed["rows"], 2), " by shops:", round(believed["shops"], 2))
for name, model in fitted.items():
    density = model.predict_distribution(X_new)
    print(
        f"held out {name} in fit: score of new shops {model.score(X_new, y_new):.2f}, "
        f"coverage of 90 % intervals {coverage(y_new, density):.2f}"
    )

# %%
figure, axis = plt.subplots(figsize=(6.5, 3.8), layout="constrained")
grid = np.linspace(-5, 5, 400)
for name, model in fitted.items():
    axis.plot(grid, model.predict_distribution([[0.0, 0.0]]).pdf(grid), label=f"held out {name}")
axis.plot(grid, np.exp(-(grid**2) / 2.08) / np.sqrt(2.08 * np.pi), "k:", label="truth for a new shop")
axis.set(xlabel="sales of a new shop in the middle of town", ylabel="density", ylim=(0, None))
axis.legend()

# %%
# **Finding.** Rows at random promise a score that new shops do not keep, and densities that are far too
# narrow. Whole shops, in ``fit(groups=...)`` and in the folds, tell the truth.
