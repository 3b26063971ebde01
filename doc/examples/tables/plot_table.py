"""
A table with categories and gaps
================================

Species and sex are words, some measurements are missing: the table goes into ``fit`` as it is, without
encoder, imputer or scaler.
"""

# %%
# Measurements of 342 penguins of the Palmer Archipelago (Horst, Hill and Gorman, 2020; CC0). The body mass
# is the target. Beside the gaps that the table has, sex and flipper length are missing here and there, at
# random.
import matplotlib.pyplot as plt
import numpy as np
from palmerpenguins import load_penguins
from sklearn.model_selection import train_test_split

from sklearn_mdn import MDNRegressor
from sklearn_mdn.metrics import crps, distribution_report, log_likelihood
from sklearn_mdn.plotting import DensityRidgeDisplay

penguins = load_penguins().dropna(subset=["body_mass_g"])
X, y = penguins[["species", "island", "sex", "flipper_length_mm"]], penguins["body_mass_g"]
rng = np.random.default_rng(0)
X = X.assign(**{name: X[name].mask(rng.random(len(X)) < 0.15) for name in ("flipper_length_mm", "sex")})
X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.3, random_state=0)
X_test.head()

# %%
# Columns of words are categories, each with a learned vector; a gap among them is a category of its own. In
# a column of numbers the network learns what a gap counts as.
model = MDNRegressor(n_estimators=5, max_iter=150, random_state=0).fit(X_train, y_train)
print("categories:", list(model.feature_names_in_[model.is_categorical_]))
print("gaps in:", list(model.feature_names_in_[~model.is_categorical_][model.X_gaps_]))
print(distribution_report(y_test, model.predict_distribution(X_test)))

# %%
# Birds of which all is known, and the same birds with less and less known about them: the mean
# log-likelihood (higher is better) and the CRPS (lower is better).
known = X_test.dropna()
stages = {"all known": known, "sex unknown": known.assign(sex=None)}
stages["sex and flipper unknown"] = known.assign(sex=None, flipper_length_mm=np.nan)
for name, table in stages.items():
    density = model.predict_distribution(table)
    observed = y_test[known.index].to_numpy()
    scores = log_likelihood(observed, density), crps(observed, density)
    print(f"{name:<24} log-likelihood {scores[0]:.2f}, CRPS {scores[1]:.0f} g")

# %%
# The densities of one of these birds.
bird = known.index[known["species"] == "Gentoo"][1]
grid = np.linspace(3500, 7000, 400)
figure, axis = plt.subplots(figsize=(7, 3.6), layout="constrained")
for name, table in stages.items():
    axis.plot(grid, model.predict_distribution(table.loc[[bird]]).pdf(grid), label=name)
axis.axvline(y_test[bird], color="0.5", linestyle=":", label="observed")
axis.set(xlabel="body mass (g)", ylabel="density", ylim=(0, None))
axis.legend()

# %%
# A species that training did not see is no error either: it has the vector that stands for the unknown.
lower, upper = model.predict_distribution(known.loc[[bird]].assign(species="Emperor")).interval(0.9)
print(f"an emperor penguin, as far as can be known here: {lower[0]:.0f} to {upper[0]:.0f} g")

# %%
# Densities of several birds below each other, with what was observed.
order = y_test.sort_values().index[::12]
DensityRidgeDisplay.from_estimator(model, X_test.loc[order], y_test.loc[order])

# %%
# **Finding.** A gap needs no handling. What is known of a bird is used, and the less that is, the worse is
# the score of its density.
