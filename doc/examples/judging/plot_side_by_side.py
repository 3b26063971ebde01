"""
Three densities judged alike
============================

A mixture density network, natural gradient boosting (NGBoost; Duan et al., 2020) and a Gaussian process
predict the same held-out rows. The functions of `sklearn_mdn.metrics` and the displays of
`sklearn_mdn.plotting` take what each library gives: a `MixtureDistribution`, or any object with the methods
`cdf`, `logpdf` and `ppf`.
"""

# %%
# Data whose true densities are known: a skewed peak that parts into two on the way from left to right, with
# noise that grows. The truth is written as a mixture too, so that it can be judged beside the models. No
# model can be expected to score better than the truth.
import matplotlib.pyplot as plt
import numpy as np
from scipy.stats import norm
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

from sklearn_mdn import MDNRegressor, MixtureDistribution
from sklearn_mdn.metrics import crps, distribution_report
from sklearn_mdn.plotting import ConditionalDensityDisplay, PITDisplay, ReliabilityDisplay

try:
    from ngboost import NGBRegressor
except ImportError:
    NGBRegressor = None
    print("NGBoost is not installed, so this page does without it: pip install ngboost")


def true_distribution(X):
    x = X[:, 0]
    weights = np.column_stack([np.full_like(x, 0.65), np.full_like(x, 0.35)])
    centre = np.sin(3 * x)
    means = np.column_stack([centre, centre + 2.5 * x**2])
    deviations = np.column_stack([0.1 + 0.15 * x, 0.15 + 0.2 * x])
    return MixtureDistribution(weights, means, deviations**2)


rng = np.random.default_rng(0)
X_train, X_test = rng.uniform(0, 1, (800, 1)), rng.uniform(0, 1, (1000, 1))
y_train = true_distribution(X_train).rvs(random_state=1)
y_test = true_distribution(X_test).rvs(random_state=2)

# %%
# Each model is fitted with few options; the point is how they are judged. A Gaussian process gives a mean and
# a standard deviation, which make frozen normal distributions of SciPy. What NGBoost predicts has SciPy's
# methods already.
network = MDNRegressor(n_components=3, n_estimators=3, max_iter=100, random_state=0).fit(X_train, y_train)
predictions = {"MDN": network.predict_distribution(X_test)}
if NGBRegressor is not None:
    boosting = NGBRegressor(n_estimators=300, verbose=False, random_state=0).fit(X_train, y_train)
    predictions["NGBoost"] = boosting.pred_dist(X_test)
kernel = ConstantKernel() * RBF() + WhiteKernel()
process = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0).fit(X_train, y_train)
predictions["Gaussian process"] = norm(*process.predict(X_test, return_std=True))
predictions["truth"] = true_distribution(X_test)

# %%
# All scores of one prediction, as a table that says how to read each:
print(distribution_report(y_test, predictions["MDN"]))

# %%
# A report is a dict, so several of them make a table. The scores in the first four rows are proper: in
# expectation nothing beats the truth. Coverage and width mean something together only: the Gaussian process
# covers nearly the right share of rows by being too wide on the left and too narrow on the right.
reports = {name: distribution_report(y_test, prediction) for name, prediction in predictions.items()}
print(f"{'':<20}" + "".join(f"{name:>18}" for name in reports))
for score in reports["MDN"]:
    print(f"{score:<20}" + "".join(f"{report[score]:>18.3f}" for report in reports.values()))

# %%
# The predicted densities along the feature, in one picture each, with the same scale of *y*.
y_grid = np.linspace(-0.7, 4.3, 400)
figure, axes = plt.subplots(2, 2, figsize=(9, 7), sharex=True, sharey=True, layout="constrained")
for axis, (name, prediction) in zip(axes.flat, predictions.items(), strict=False):
    ConditionalDensityDisplay.from_predictions(y_test, prediction, x=X_test[:, 0], y_grid=y_grid, ax=axis)
    axis.set_title(name)
    if axis is not axes.flat[0]:
        axis.get_legend().remove()
for axis in axes.flat[len(predictions) :]:
    axis.set_axis_off()

# %%
# The PIT histograms. A Gaussian that has to cover two peaks leaves a pattern outside the band.
figure, axes = plt.subplots(1, len(predictions), figsize=(3 * len(predictions), 3), layout="constrained")
for axis, (name, prediction) in zip(axes, predictions.items(), strict=True):
    PITDisplay.from_predictions(y_test, prediction, ax=axis, n_bins=12)
    axis.set_title(name)

# %%
# Observed against nominal coverage at all levels, on the same axes.
figure, axis = plt.subplots(figsize=(5, 5), layout="constrained")
for name, prediction in predictions.items():
    ReliabilityDisplay.from_predictions(y_test, prediction, name=name, ax=axis)

# %%
# A model that can only be sampled is judged by its draws. However few they are, their score estimates that of
# the density without bias; the fewer, the more it varies.
for n_samples in (5, 50, 500):
    draws = network.sample(X_test, n_samples, random_state=0)
    print(f"{n_samples:>4} draws: CRPS {crps(y_test, draws):.4f}")
print(f"   density: CRPS {crps(y_test, predictions['MDN']):.4f}")

# %%
# **Finding.** Whatever predicts a density is judged by the same scores; where the truth has two peaks, the
# two models that predict a single Gaussian for each row fall behind, in the log-likelihood most of all.
#
# .. rubric:: Reference
#
# Duan, T. et al. (2020). NGBoost: natural gradient boosting for probabilistic prediction. *ICML*.
