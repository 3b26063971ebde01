"""Mixture density networks as scikit-learn estimators."""

from sklearn_mdn._distribution import MixtureDistribution
from sklearn_mdn._regressor import MDNRegressor

__all__ = ["MDNRegressor", "MixtureDistribution"]
