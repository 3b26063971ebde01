"""
A survey with sample weights
============================

A survey that asks one group far more often than another shows a population that does not exist. Weights put
it right, in the fit and in the scores.
"""

# %%
# Half of the population lives in town, but nine of ten answers come from there; who answered from where was
# not kept, only the weight that the survey gave to each answer. In town the hours spent on the way fall
# with age, in the country they do not.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_mdn import MDNRegressor
from sklearn_mdn.metrics import log_likelihood

rng = np.random.default_rng(0)


def ask(n_rows, share_in_town):
    age, town = rng.uniform(20, 80, n_rows), rng.random(n_rows) < share_in_town
    hours = np.where(town, 6 - 0.05 * age, 9.0) + rng.normal(0, 0.8, n_rows)
    return age[:, None], hours, np.where(town, 0.5 / share_in_town, 0.5 / (1 - share_in_town))


X_survey, y_survey, weight = ask(2000, share_in_town=0.9)
X_true, y_true, _ = ask(2000, share_in_town=0.5)
plain = MDNRegressor(3, max_iter=60, random_state=0).fit(X_survey, y_survey)
weighted = MDNRegressor(3, max_iter=60, random_state=0).fit(X_survey, y_survey, sample_weight=weight)

# %%
# The density at the age of 50 with and without weights, and the share of the country that each believes in.
hours = np.linspace(0, 12, 400)
figure, axis = plt.subplots(figsize=(7, 3.8), layout="constrained")
axis.hist(
    y_true[np.abs(X_true[:, 0] - 50) < 5],
    bins=30,
    density=True,
    color="0.8",
    label="population, aged 45 to 55",
)
for name, model in (("without weights", plain), ("with weights", weighted)):
    density = model.predict_distribution([[50.0]])
    axis.plot(hours, density.pdf(hours), label=f"{name}: P(more than 6 hours) = {density.sf(6.0)[0]:.2f}")
axis.set(xlabel="hours a week", ylabel="density given age 50")
axis.legend()

# %%
# A score of survey rows wants the weights as well, to stand for the population.
for name, model in (("without weights", plain), ("with weights", weighted)):
    survey = model.predict_distribution(X_survey)
    print(
        f"fitted {name}: log-likelihood of the survey {log_likelihood(y_survey, survey):.2f}, weighted "
        f"{log_likelihood(y_survey, survey, sample_weight=weight):.2f}, "
        f"of the population {model.score(X_true, y_true):.2f}"
    )

# %%
# **Finding.** With weights the density is that of the population, and the weighted score of the survey says
# so; the score without weights prefers the wrong model.
