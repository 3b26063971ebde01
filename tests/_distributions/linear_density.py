"""A density regressor that fits at once: linear means, constant covariance. For tests of what wraps it."""

from __future__ import annotations

import numpy as np
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.utils.validation import check_is_fitted, validate_data

from sklearn_mdn import MixtureDistribution


class LinearDensity(RegressorMixin, BaseEstimator):
    """Weighted least squares with Gaussian residuals; ``spread`` widens or narrows them."""

    n_forward = 0  # predictions since the counter was last set, over all instances

    def __init__(self, spread=1.0):
        self.spread = spread

    def fit(self, X, y, sample_weight=None):
        X, y = validate_data(self, X, y, multi_output=True)
        weight = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
        design = np.column_stack([np.ones(len(X)), X])
        root = np.sqrt(weight)[:, None]
        targets = y.reshape(len(y), -1)
        self.coef_ = np.linalg.lstsq(root * design, root * targets)[0]
        residuals = targets - design @ self.coef_
        self.covariance_ = self.spread**2 * (residuals.T * weight) @ residuals / weight.sum()
        self.target_shape_ = y.shape[1:]
        return self

    def predict(self, X):
        check_is_fitted(self)
        X = validate_data(self, X, reset=False)
        mean = np.column_stack([np.ones(len(X)), X]) @ self.coef_
        return mean.reshape(len(X), *self.target_shape_)

    def predict_distribution(self, X):
        type(self).n_forward += 1
        mean = self.predict(X)
        covariance = self.covariance_ if self.target_shape_ else self.covariance_[0, 0]
        covariances = np.broadcast_to(covariance, (len(mean), 1, *np.shape(covariance)))
        return MixtureDistribution(np.ones((len(mean), 1)), mean[:, None], covariances)
