"""Mixture density networks as scikit-learn estimators."""

from sklearn_mdn._distributions.mixture import MixtureDistribution
from sklearn_mdn._distributions.unwrap import Inside, look_inside, predict_distribution
from sklearn_mdn._estimators.gaussian import GaussianDensity
from sklearn_mdn._estimators.pool import DensityPool
from sklearn_mdn._estimators.regressor import MDNRegressor
from sklearn_mdn._search.search import MDNSearchCV

__all__ = [
    "DensityPool",
    "GaussianDensity",
    "Inside",
    "MDNRegressor",
    "MDNSearchCV",
    "MixtureDistribution",
    "look_inside",
    "predict_distribution",
]

__version__ = "0.1.0.dev0"

for _name in __all__:  # what users pickle, and what documentation links to, survives moves inside
    globals()[_name].__module__ = __name__
