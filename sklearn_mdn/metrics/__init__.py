"""Scores of predicted distributions, and scorers for scikit-learn's searches and validation tools.

The functions take what was observed and what was predicted, ``f(y_true, y_dist, *, ...)``. A prediction is a
:class:`~sklearn_mdn.MixtureDistribution`, an array of draws of shape (n, M) or (n, D, M), or any object with
the methods ``cdf``, ``logpdf`` and ``ppf`` of a frozen :mod:`scipy.stats` distribution, with one
distribution a row, or a list of such objects, one a row. Distributions of SciPy's newer kind
(:class:`scipy.stats.Normal`), of :mod:`torch.distributions`, of skpro and of NGBoost are taken too.
``y_true`` has exactly the shape of the distributions, (n,) or (n, D). Quantiles of draws are interpolated as
:func:`numpy.quantile` does by default.

The scorers are called with an estimator, ``scorer(estimator, X, y)``; greater is better.
"""

from sklearn_mdn.metrics._cross_val import cross_val_predict_distribution
from sklearn_mdn.metrics._report import DistributionReport, distribution_report
from sklearn_mdn.metrics._scorers import (
    DensityScorer,
    coverage_scorer,
    log_likelihood_scorer,
    make_density_scorer,
    neg_crps_scorer,
    neg_energy_scorer,
    neg_pinball_scorer,
)
from sklearn_mdn.metrics._scores import (
    calibration_error,
    coverage,
    coverage_error,
    crps,
    energy_score,
    hdr_coverage,
    interval_score,
    interval_width,
    log_likelihood,
    pinball_loss,
    pit_values,
)
from sklearn_mdn.metrics._sets import (
    ConditionalCoverage,
    conditional_coverage,
    coverage_band,
    mean_set_size,
    set_coverage,
)

__all__ = [
    "ConditionalCoverage",
    "DensityScorer",
    "DistributionReport",
    "calibration_error",
    "conditional_coverage",
    "coverage",
    "coverage_band",
    "coverage_error",
    "coverage_scorer",
    "cross_val_predict_distribution",
    "crps",
    "distribution_report",
    "energy_score",
    "hdr_coverage",
    "interval_score",
    "interval_width",
    "log_likelihood",
    "log_likelihood_scorer",
    "make_density_scorer",
    "mean_set_size",
    "neg_crps_scorer",
    "neg_energy_scorer",
    "neg_pinball_scorer",
    "pinball_loss",
    "pit_values",
    "set_coverage",
]

for _name in __all__:  # what users pickle, and what documentation links to, survives moves inside
    if not isinstance(globals()[_name], DensityScorer):  # a scorer has the class's
        globals()[_name].__module__ = __name__
