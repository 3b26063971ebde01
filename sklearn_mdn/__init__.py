"""Mixture density networks as scikit-learn estimators."""

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sklearn_mdn._distributions.clipped import ClippedDistribution
    from sklearn_mdn._distributions.mixture import MixtureDistribution
    from sklearn_mdn._distributions.predictive import PredictiveDistribution
    from sklearn_mdn._distributions.sets import PredictionSets
    from sklearn_mdn._distributions.transformed import TransformedDistribution
    from sklearn_mdn._distributions.unwrap import Inside, look_inside, predict_distribution
    from sklearn_mdn._estimators.conformal import ConformalDensityRegressor
    from sklearn_mdn._estimators.functional import DensityFunctional
    from sklearn_mdn._estimators.gaussian import GaussianDensity
    from sklearn_mdn._estimators.pool import DensityPool
    from sklearn_mdn._estimators.regressor import MDNRegressor
    from sklearn_mdn._search.search import MDNSearchCV

__all__ = [
    "ClippedDistribution",
    "ConformalDensityRegressor",
    "DensityFunctional",
    "DensityPool",
    "GaussianDensity",
    "Inside",
    "MDNRegressor",
    "MDNSearchCV",
    "MixtureDistribution",
    "PredictionSets",
    "PredictiveDistribution",
    "TransformedDistribution",
    "look_inside",
    "predict_distribution",
]

__version__ = "0.1.0"

# Where each name is found when it is first asked for, so that ``python -m sklearn_mdn``, which imports this
# module first, need not wait for PyTorch to refuse an argument.
_HOMES = {
    "ClippedDistribution": "_distributions.clipped",
    "ConformalDensityRegressor": "_estimators.conformal",
    "DensityFunctional": "_estimators.functional",
    "DensityPool": "_estimators.pool",
    "GaussianDensity": "_estimators.gaussian",
    "Inside": "_distributions.unwrap",
    "MDNRegressor": "_estimators.regressor",
    "MDNSearchCV": "_search.search",
    "MixtureDistribution": "_distributions.mixture",
    "PredictionSets": "_distributions.sets",
    "PredictiveDistribution": "_distributions.predictive",
    "TransformedDistribution": "_distributions.transformed",
    "look_inside": "_distributions.unwrap",
    "predict_distribution": "_distributions.unwrap",
}


def _public(name: str) -> object:
    """The public class or function of that name, which is kept here from then on."""
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})


if not TYPE_CHECKING:  # to a type checker, a module with this function has whatever is asked of it
    __getattr__ = _public
