"""Mixture density networks as scikit-learn estimators."""

from sklearn_mdn._distribution import MixtureDistribution
from sklearn_mdn._pool import DensityPool
from sklearn_mdn._regressor import MDNRegressor
from sklearn_mdn._search import MDNSearchCV
from sklearn_mdn._unwrap import predict_distribution

__all__ = ["DensityPool", "MDNRegressor", "MDNSearchCV", "MixtureDistribution", "predict_distribution"]

__version__ = "0.1.0.dev0"
