"""
Calibration before and after
============================

A network that is trained to the end learns the noise of its training rows and promises too narrow
intervals. Held-out rows tell when to stop, and by how much to widen what is left.
"""

# %%
# Noisy data with more inputs than matter, and few rows.
import matplotlib.pyplot as plt
import numpy as np

from sklearn_mdn import MDNRegressor
from sklearn_mdn.metrics import calibration_error, coverage, log_likelihood
from sklearn_mdn.plotting import PITDisplay, ReliabilityDisplay

rng = np.random.default_rng(0)


def make_rows(n_rows):
    X = rng.normal(size=(n_rows, 8))
    return X, np.sin(X[:, 0]) + 0.5 * X[:, 1] + np.exp(0.5 * X[:, 2]) * rng.normal(0, 0.5, n_rows)


X_train, y_train = make_rows(400)
X_test, y_test = make_rows(2000)

# %%
# Three ways to train: all epochs on all rows; early stopping, which is the default, with the factor on the
# standard deviations taken out again; and the default as it is, with its factor. ``calibration_`` holds
# that factor.
trained_to_the_end = MDNRegressor(max_iter=150, early_stopping=False, random_state=0).fit(X_train, y_train)
calibrated = MDNRegressor(random_state=0).fit(X_train, y_train)
stopped = MDNRegressor(random_state=0).fit(X_train, y_train)
stopped.calibration_ = np.ones_like(stopped.calibration_)
print("factor:", calibrated.calibration_)
ensemble = MDNRegressor(n_estimators=10, random_state=0).fit(X_train, y_train)
models = {
    "to the end": trained_to_the_end,
    "stopped early": stopped,
    "stopped and widened": calibrated,
    "ten of them": ensemble,
}

# %%
# If densities are calibrated, their values at the targets (PIT) are spread evenly, and observed coverage
# follows the nominal one. The bands are what chance allows.
figure, axes = plt.subplots(2, 2, figsize=(8, 5.5), sharex=True, sharey=True, layout="constrained")
for axis, (name, model) in zip(axes.flat, models.items(), strict=True):
    PITDisplay.from_estimator(model, X_test, y_test, n_bins=12, ax=axis)
    axis.set(title=name, ylim=(0, 3))
    axis.label_outer()

# %%
figure, axis = plt.subplots(figsize=(5, 5), layout="constrained")
for name, model in models.items():
    ReliabilityDisplay.from_estimator(model, X_test, y_test, name=name, ax=axis)

# %%
print(f"{'':<20}{'log-likelihood':>15}{'90 % intervals':>16}{'calibration error':>19}")
for name, model in models.items():
    density = model.predict_distribution(X_test)
    figures = (log_likelihood(y_test, density), coverage(y_test, density), calibration_error(y_test, density))
    print(f"{name:<20}{figures[0]:>15.2f}{figures[1]:>16.2f}{figures[2]:>19.3f}")

# %%
# **Finding.** Nearly all of the harm is done by training to the end, and stopping early undoes it; the
# factor and an ensemble take what is left.
