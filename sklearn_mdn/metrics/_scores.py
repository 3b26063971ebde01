"""Scores of predicted distributions against what was observed."""

from __future__ import annotations

from typing import Any, Literal, overload

import numpy as np
from numpy.typing import ArrayLike, NDArray

from sklearn_mdn._distributions.checks import check_confidence, check_level_list
from sklearn_mdn._distributions.noise import child_generators
from sklearn_mdn._distributions.row_weights import check_row_weights, row_mean
from sklearn_mdn._distributions.typing import DistributionLike, MultiOutput, SeedLike
from sklearn_mdn.metrics._forecast import Forecast, check_forecast

DECILES = tuple(round(0.1 * i, 1) for i in range(1, 10))


def log_likelihood(
    y_true: ArrayLike, y_dist: DistributionLike, *, sample_weight: ArrayLike | None = None
) -> float:
    """Mean log-likelihood of the observed targets; higher is better.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, D)
        Observed targets, of exactly the shape of the predicted distributions.
    y_dist : MixtureDistribution or object with the methods cdf, logpdf and ppf
        One distribution a row. A ``logpdf`` that answers per target is summed over the targets, as for
        independent ones.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.

    Returns
    -------
    score : float
        In nats, for densities per unit of the target; joint over several targets. Of a distribution with a
        resolution it is the log probability of the recorded values. Its negative is the logarithmic score
        (strictly proper [1]_).

    Raises
    ------
    ValueError
        If the shapes differ.
    TypeError
        If ``y_dist`` has no density (draws).

    References
    ----------
    .. [1] I. J. Good, "Rational decisions", Journal of the Royal Statistical Society B 14, 1952.

    Examples
    --------
    >>> from sklearn_mdn import MixtureDistribution
    >>> from sklearn_mdn.metrics import log_likelihood
    >>> normal = MixtureDistribution(
    ...     weights=[[1.0], [1.0]], means=[[0.0], [1.0]], covariances=[[1.0], [4.0]]
    ... )
    >>> log_likelihood([0.0, 1.0], normal)
    -1.2655...
    """
    y, forecast = check_forecast(y_true, y_dist)
    return float(row_mean(forecast.log_score(y), sample_weight))


@overload
def crps(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: MultiOutput = "uniform_average",
) -> float: ...


@overload
def crps(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: Literal["raw_values"],
) -> NDArray[np.float64]: ...


def crps(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: MultiOutput | Literal["raw_values"] = "uniform_average",
) -> float | NDArray[np.float64]:
    r"""Mean continuous ranked probability score of each target; lower is better.

    .. math:: \mathrm{CRPS}(F, y) = \int (F(x) - 1[y \le x])^2 dx = E|Y - y| - \tfrac{1}{2} E|Y - Y'|

    It is proper [1]_, in the units of the target, and for a point prediction (given as two equal draws) the
    absolute error.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, D)
        Observed targets, of exactly the shape of the predicted distributions.
    y_dist : MixtureDistribution, array-like of shape (n, M) or (n, D, M), or object with cdf, logpdf and ppf
        One distribution, or M draws from it (at least 2), a row.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.
    multioutput : {"raw_values", "uniform_average"} or array-like of shape (D,), default="uniform_average"
        One value a target, their mean, or their mean with these weights.

    Returns
    -------
    score : float or ndarray of shape (D,)
        In the units of the target.

    Raises
    ------
    ValueError
        If the shapes differ.
    TypeError
        If ``y_dist`` is none of these.

    Notes
    -----
    Of a mixture the score is exact [2]_. Of draws it is the unbiased ("fair") estimate [3]_, with
    M (M - 1) pairs; with M squared pairs a small sample would be punished for its size. Of any other
    distribution the integral is computed to about nine digits where the cdf is smooth.

    References
    ----------
    .. [1] T. Gneiting and A. E. Raftery, "Strictly proper scoring rules, prediction, and estimation",
       Journal of the American Statistical Association 102, 2007.
    .. [2] E. P. Grimit, T. Gneiting, V. J. Berrocal and N. A. Johnson, "The continuous ranked probability
       score for circular variables and its application to mesoscale forecast ensemble verification",
       Quarterly Journal of the Royal Meteorological Society 132, 2006, equation 5.
    .. [3] C. A. T. Ferro, "Fair scores for ensemble forecasts", Quarterly Journal of the Royal
       Meteorological Society 140, 2014.

    Examples
    --------
    >>> from scipy.stats import norm
    >>> from sklearn_mdn.metrics import crps
    >>> crps([0.0, 1.0], norm([0.0, 1.0], [1.0, 2.0]))
    0.3505...
    """
    y, forecast = check_forecast(y_true, y_dist)
    return _target_mean(forecast.crps(y), sample_weight, multioutput)


def energy_score(
    y_true: ArrayLike, y_dist: DistributionLike, *, sample_weight: ArrayLike | None = None
) -> float:
    r"""Mean energy score of the joint distribution of several targets; lower is better.

    .. math:: \mathrm{ES}(F, y) = E\|Y - y\| - \tfrac{1}{2} E\|Y - Y'\|

    It is proper [1]_; for one target it is the CRPS. Targets on different scales should be brought to
    one scale first: the norm adds them up.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, D)
        Observed targets, of exactly the shape of the predicted distributions.
    y_dist : MixtureDistribution, or array-like of shape (n, M) or (n, D, M)
        One distribution, or M draws from it, a row. An object with cdf, logpdf and ppf will do for one
        target.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.

    Returns
    -------
    score : float
        In the units of the targets.

    Raises
    ------
    ValueError
        If the shapes differ.
    TypeError
        If ``y_dist`` does not give the joint distribution of several targets.

    Notes
    -----
    Of a mixture of several targets the expectations are means over quasi-Monte Carlo draws, see
    :meth:`~sklearn_mdn.MixtureDistribution.energy_score`. Of draws the score is the unbiased ("fair")
    estimate, as in :func:`crps`.

    References
    ----------
    .. [1] T. Gneiting and A. E. Raftery, "Strictly proper scoring rules, prediction, and estimation",
       Journal of the American Statistical Association 102, 2007, section 4.3.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mdn.metrics import energy_score
    >>> draws = np.array([[[0.0, 3.0], [0.0, 4.0]]])  # one row, two targets, the draws (0, 0) and (3, 4)
    >>> energy_score([[3.0, 0.0]], draws)
    1.0
    """
    y, forecast = check_forecast(y_true, y_dist)
    return float(row_mean(forecast.energy_score(y), sample_weight))


@overload
def pinball_loss(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    levels: ArrayLike = DECILES,
    sample_weight: ArrayLike | None = None,
    multioutput: MultiOutput = "uniform_average",
) -> float: ...


@overload
def pinball_loss(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    levels: ArrayLike = DECILES,
    sample_weight: ArrayLike | None = None,
    multioutput: Literal["raw_values"],
) -> NDArray[np.float64]: ...


def pinball_loss(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    levels: ArrayLike = DECILES,
    sample_weight: ArrayLike | None = None,
    multioutput: MultiOutput | Literal["raw_values"] = "uniform_average",
) -> float | NDArray[np.float64]:
    """Mean pinball loss of predicted quantiles; lower is better.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, D)
        Observed targets, of exactly the shape of the predicted distributions.
    y_dist : MixtureDistribution, array-like of shape (n, M) or (n, D, M), or object with cdf, logpdf and ppf
        One distribution, or M draws from it (at least 2), a row.
    levels : float or array-like of shape (Q,), default=(0.1, 0.2, ..., 0.9)
        Levels of the quantiles; the losses of several are averaged.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.
    multioutput : {"raw_values", "uniform_average"} or array-like of shape (D,), default="uniform_average"
        One value a target, their mean, or their mean with these weights.

    Returns
    -------
    loss : float or ndarray of shape (D,)
        In the units of the target; at one level what :func:`sklearn.metrics.mean_pinball_loss` gives
        with ``alpha`` that level [1]_.

    Raises
    ------
    ValueError
        If the shapes differ or a level lies outside (0, 1).
    TypeError
        If ``y_dist`` is none of these.

    References
    ----------
    .. [1] R. Koenker and G. Bassett, "Regression quantiles", Econometrica 46, 1978.

    Examples
    --------
    >>> from scipy.stats import norm
    >>> from sklearn_mdn.metrics import pinball_loss
    >>> pinball_loss([0.0, 2.0], norm([0.0, 1.0], [1.0, 2.0]), levels=0.5)
    0.25
    """
    y, forecast = check_forecast(y_true, y_dist)
    levels = check_level_list(levels, "levels")
    error = y - forecast.quantiles(levels)
    levels = levels.reshape(-1, *(1,) * y.ndim)
    loss = np.maximum(levels * error, (levels - 1.0) * error)
    return _target_mean(loss.mean(axis=0), sample_weight, multioutput)


@overload
def interval_score(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    confidence: float = 0.9,
    sample_weight: ArrayLike | None = None,
    multioutput: MultiOutput = "uniform_average",
) -> float: ...


@overload
def interval_score(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    confidence: float = 0.9,
    sample_weight: ArrayLike | None = None,
    multioutput: Literal["raw_values"],
) -> NDArray[np.float64]: ...


def interval_score(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    confidence: float = 0.9,
    sample_weight: ArrayLike | None = None,
    multioutput: MultiOutput | Literal["raw_values"] = "uniform_average",
) -> float | NDArray[np.float64]:
    """Mean interval score of the central intervals; lower is better.

    The width of the interval, plus 2 / (1 - confidence) times the distance of a target outside from it [1]_.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, D)
        Observed targets, of exactly the shape of the predicted distributions.
    y_dist : MixtureDistribution, array-like of shape (n, M) or (n, D, M), or object with cdf, logpdf and ppf
        One distribution, or M draws from it (at least 2), a row.
    confidence : float, default=0.9
        Probability inside the interval, between 0 and 1; it has equal tails.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.
    multioutput : {"raw_values", "uniform_average"} or array-like of shape (D,), default="uniform_average"
        One value a target, their mean, or their mean with these weights.

    Returns
    -------
    score : float or ndarray of shape (D,)
        In the units of the target.

    Raises
    ------
    ValueError
        If the shapes differ or ``confidence`` lies outside (0, 1).
    TypeError
        If ``y_dist`` is none of these.

    References
    ----------
    .. [1] T. Gneiting and A. E. Raftery, "Strictly proper scoring rules, prediction, and estimation",
       Journal of the American Statistical Association 102, 2007, equation 43.

    Examples
    --------
    >>> from scipy.stats import norm
    >>> from sklearn_mdn.metrics import interval_score
    >>> interval_score([0.0, 1.0], norm([0.0, 1.0], [1.0, 2.0]), confidence=0.9)
    4.9345...
    """
    y, forecast = check_forecast(y_true, y_dist)
    lower, upper = forecast.interval(check_confidence(confidence))
    outside = np.maximum(lower - y, 0.0) + np.maximum(y - upper, 0.0)
    score = upper - lower + 2.0 / (1.0 - confidence) * outside
    return _target_mean(score, sample_weight, multioutput)


@overload
def coverage(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    confidence: float = 0.9,
    sample_weight: ArrayLike | None = None,
    multioutput: MultiOutput = "uniform_average",
) -> float: ...


@overload
def coverage(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    confidence: float = 0.9,
    sample_weight: ArrayLike | None = None,
    multioutput: Literal["raw_values"],
) -> NDArray[np.float64]: ...


def coverage(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    confidence: float = 0.9,
    sample_weight: ArrayLike | None = None,
    multioutput: MultiOutput | Literal["raw_values"] = "uniform_average",
) -> float | NDArray[np.float64]:
    """Share of the targets inside their central interval; best near ``confidence``.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, D)
        Observed targets, of exactly the shape of the predicted distributions.
    y_dist : MixtureDistribution, array-like of shape (n, M) or (n, D, M), or object with cdf, logpdf and ppf
        One distribution, or M draws from it (at least 2), a row.
    confidence : float, default=0.9
        Probability inside the interval, between 0 and 1; it has equal tails.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.
    multioutput : {"raw_values", "uniform_average"} or array-like of shape (D,), default="uniform_average"
        One value a target, their mean, or their mean with these weights.

    Returns
    -------
    share : float or ndarray of shape (D,)
        Between 0 and 1. Its standard error is about ``sqrt(confidence * (1 - confidence) / n)``.

    Raises
    ------
    ValueError
        If the shapes differ or ``confidence`` lies outside (0, 1).
    TypeError
        If ``y_dist`` is none of these.

    Examples
    --------
    >>> from scipy.stats import norm
    >>> from sklearn_mdn.metrics import coverage
    >>> coverage([0.0, 9.0], norm([0.0, 1.0], [1.0, 2.0]), confidence=0.9)
    0.5
    """
    y, forecast = check_forecast(y_true, y_dist)
    lower, upper = forecast.interval(check_confidence(confidence))
    return _target_mean((lower <= y) & (y <= upper), sample_weight, multioutput)


@overload
def interval_width(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    confidence: float = 0.9,
    sample_weight: ArrayLike | None = None,
    multioutput: MultiOutput = "uniform_average",
) -> float: ...


@overload
def interval_width(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    confidence: float = 0.9,
    sample_weight: ArrayLike | None = None,
    multioutput: Literal["raw_values"],
) -> NDArray[np.float64]: ...


def interval_width(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    confidence: float = 0.9,
    sample_weight: ArrayLike | None = None,
    multioutput: MultiOutput | Literal["raw_values"] = "uniform_average",
) -> float | NDArray[np.float64]:
    """Mean width of the central intervals: sharpness, worth comparing at equal coverage only.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, D)
        Not used but for its shape; there so that every score is called alike.
    y_dist : MixtureDistribution, array-like of shape (n, M) or (n, D, M), or object with cdf, logpdf and ppf
        One distribution, or M draws from it (at least 2), a row.
    confidence : float, default=0.9
        Probability inside the interval, between 0 and 1; it has equal tails.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.
    multioutput : {"raw_values", "uniform_average"} or array-like of shape (D,), default="uniform_average"
        One value a target, their mean, or their mean with these weights.

    Returns
    -------
    width : float or ndarray of shape (D,)
        In the units of the target.

    Raises
    ------
    ValueError
        If the shapes differ or ``confidence`` lies outside (0, 1).
    TypeError
        If ``y_dist`` is none of these.

    Examples
    --------
    >>> from scipy.stats import norm
    >>> from sklearn_mdn.metrics import interval_width
    >>> interval_width([0.0, 1.0], norm([0.0, 1.0], [1.0, 2.0]), confidence=0.9)
    4.9345...
    """
    _, forecast = check_forecast(y_true, y_dist)
    lower, upper = forecast.interval(check_confidence(confidence))
    return _target_mean(upper - lower, sample_weight, multioutput)


def pit_values(
    y_true: ArrayLike, y_dist: DistributionLike, *, random_state: SeedLike = 0
) -> NDArray[np.float64]:
    """Probability integral transform of each target: the predicted probability of a value up to it.

    Uniform on (0, 1) where the predicted distributions are the true ones [1]_, [2]_, those with atoms and of
    rounded targets too: there it is drawn from between the probabilities of lower values and of values up to
    the target [3]_.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, D)
        Observed targets, of exactly the shape of the predicted distributions.
    y_dist : MixtureDistribution, array-like of shape (n, M) or (n, D, M), or object with cdf, logpdf and ppf
        One distribution, or M draws from it (at least 2), a row.
    random_state : int, RandomState, Generator or None, default=0
        Seed of what is drawn for targets that have a probability of their own. An int gives the same answer
        in every call, None fresh draws.

    Returns
    -------
    pit : ndarray of shape (n,) or (n, D)
        F(y); between P(Y < y) and P(Y <= y) for an atom, such as a bound of a
        :class:`~sklearn_mdn.ClippedDistribution`, and between F(y - r / 2) and F(y + r / 2) with a resolution
        r. Of draws: (k + 1/2) / (M + 1) where k of the M draws lie below the target, with ties broken at
        random; the rank histogram's classes [4]_ at their centres.

    Raises
    ------
    ValueError
        If the shapes differ, or ``random_state`` is no seed.
    TypeError
        If ``y_dist`` is none of these.

    References
    ----------
    .. [1] A. P. Dawid, "Statistical theory: the prequential approach", Journal of the Royal Statistical
       Society A 147, 1984.
    .. [2] T. Gneiting, F. Balabdaoui and A. E. Raftery, "Probabilistic forecasts, calibration and
       sharpness", Journal of the Royal Statistical Society B 69, 2007.
    .. [3] C. Czado, T. Gneiting and L. Held, "Predictive model assessment for count data", Biometrics 65,
       2009, section 2.1.
    .. [4] T. M. Hamill, "Interpretation of rank histograms for verifying ensemble forecasts", Monthly
       Weather Review 129, 2001.

    Examples
    --------
    >>> from scipy.stats import norm
    >>> from sklearn_mdn.metrics import pit_values
    >>> pit_values([0.0, 3.0], norm([0.0, 1.0], [1.0, 2.0]))
    array([0.5       , 0.84134475])
    """
    return _pit(*check_forecast(y_true, y_dist), random_state)


@overload
def calibration_error(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: MultiOutput = "uniform_average",
) -> float: ...


@overload
def calibration_error(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: Literal["raw_values"],
) -> NDArray[np.float64]: ...


def calibration_error(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    sample_weight: ArrayLike | None = None,
    multioutput: MultiOutput | Literal["raw_values"] = "uniform_average",
) -> float | NDArray[np.float64]:
    r"""Distance of the PIT values from the uniform distribution; lower is better.

    .. math:: \int_0^1 |\hat F(u) - u|\, du

    with the empirical distribution function of the PIT values: the mean over all levels of the difference
    between the share of targets below their quantile and its level.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, D)
        Observed targets, of exactly the shape of the predicted distributions.
    y_dist : MixtureDistribution, array-like of shape (n, M) or (n, D, M), or object with cdf, logpdf and ppf
        One distribution, or M draws from it (at least 2), a row.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.
    multioutput : {"raw_values", "uniform_average"} or array-like of shape (D,), default="uniform_average"
        One value a target, their mean, or their mean with these weights.

    Returns
    -------
    error : float or ndarray of shape (D,)
        Between 0 and 1/2.

    Raises
    ------
    ValueError
        If the shapes differ.
    TypeError
        If ``y_dist`` is none of these.

    Notes
    -----
    This is the probabilistic calibration error of [1]_ (with the exponent 1) at all levels in place of
    some, which makes it the Wasserstein distance of order 1 between the PIT values and the uniform
    distribution. It is zero for no finite sample: n targets drawn from the predicted distributions
    themselves give about ``0.31 / sqrt(n)``, the mean area under a Brownian bridge's absolute value [2]_.
    It says nothing of sharpness and is no proper score: do not tune for it alone. The PIT values are those
    of :func:`pit_values` with its default seed.

    References
    ----------
    .. [1] V. Dheur and S. Ben Taieb, "A large-scale study of probabilistic calibration in neural network
       regression", ICML 2023.
    .. [2] L. A. Shepp, "On the integral of the absolute value of the pinned Wiener process", Annals of
       Probability 10, 1982.

    Examples
    --------
    >>> from scipy.stats import norm
    >>> from sklearn_mdn.metrics import calibration_error
    >>> calibration_error([0.0, 0.0], norm([0.0, 0.0], [1.0, 1.0]))
    0.25
    """
    y, forecast = check_forecast(y_true, y_dist)
    pit = _pit(y, forecast)
    weights = check_row_weights(sample_weight, y)
    errors = [_distance_from_uniform(column, weights) for column in pit.reshape(len(y), -1).T]
    return _over_targets(np.array(errors), multioutput)


def hdr_coverage(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    confidence: float = 0.9,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Share of the targets inside their highest density region; best near ``confidence``.

    The region is the smallest that holds the probability ``confidence`` [1]_. Where a density has
    several modes it leaves out the valleys, which a central interval covers. Several targets have one
    joint region.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, D)
        Observed targets, of exactly the shape of the predicted distributions.
    y_dist : MixtureDistribution, or object with cdf, logpdf and ppf
        One distribution a row; an object with cdf, logpdf and ppf for one target only.
    confidence : float, default=0.9
        Probability inside the region, between 0 and 1.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.

    Returns
    -------
    share : float
        Between 0 and 1.

    Raises
    ------
    ValueError
        If the shapes differ or ``confidence`` lies outside (0, 1).
    TypeError
        If ``y_dist`` has no density of all targets.

    References
    ----------
    .. [1] R. J. Hyndman, "Computing and graphing highest density regions", American Statistician 50, 1996.

    Examples
    --------
    >>> from sklearn_mdn import MixtureDistribution
    >>> from sklearn_mdn.metrics import coverage, hdr_coverage
    >>> two_modes = MixtureDistribution(
    ...     weights=[[0.5, 0.5]], means=[[-5.0, 5.0]], covariances=[[1.0, 1.0]]
    ... )
    >>> coverage([0.0], two_modes), hdr_coverage([0.0], two_modes)
    (1.0, 0.0)
    """
    y, forecast = check_forecast(y_true, y_dist)
    return float(row_mean(forecast.in_hdr(y, check_confidence(confidence)), sample_weight))


def coverage_error(
    y_true: ArrayLike,
    y_dist: DistributionLike,
    *,
    confidence: float = 0.9,
    sample_weight: ArrayLike | None = None,
) -> float:
    """Distance of the coverage of central intervals from what was asked for; lower is better, at best 0.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, D)
        Observed targets, of exactly the shape of the predicted distributions.
    y_dist : MixtureDistribution, array-like of shape (n, M) or (n, D, M), or object with cdf, logpdf and ppf
        One distribution, or M draws from it, a row.
    confidence : float, default=0.9
        Probability inside the intervals, as in :func:`coverage`.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.

    Returns
    -------
    error : float
        Mean over the targets of abs(coverage - confidence).

    Raises
    ------
    ValueError
        If the shapes differ, or ``confidence`` is not inside (0, 1).
    TypeError
        If ``y_dist`` is none of these.

    Examples
    --------
    >>> from sklearn_mdn import MixtureDistribution
    >>> from sklearn_mdn.metrics import coverage_error
    >>> normal = MixtureDistribution(
    ...     weights=[[1.0], [1.0]], means=[[0.0], [1.0]], covariances=[[1.0], [4.0]]
    ... )
    >>> coverage_error([0.0, 9.0], normal, confidence=0.9)
    0.4
    """
    shares = coverage(
        y_true, y_dist, confidence=confidence, sample_weight=sample_weight, multioutput="raw_values"
    )
    return float(np.abs(shares - confidence).mean())


def _pit(y: NDArray[np.float64], forecast: Forecast, random_state: SeedLike = 0) -> NDArray[np.float64]:
    (generator,) = child_generators(random_state, 1)
    return forecast.pit(y, generator.random(y.shape))


def _distance_from_uniform(pit: NDArray[np.float64], weights: NDArray[np.float64]) -> float:
    """Integral of |F(u) - u| over (0, 1) for the weighted empirical distribution function F of the values."""
    order = np.argsort(pit)
    share = np.concatenate([[0.0], np.cumsum(weights[order]) / weights.sum()])
    edges = np.concatenate([[0.0], pit[order], [1.0]])
    # On a step |F(u) - u| has the primitive (u - F) |u - F| / 2.
    upper, lower = edges[1:] - share, edges[:-1] - share
    return float(0.5 * (upper * np.abs(upper) - lower * np.abs(lower)).sum())


def _target_mean(
    values: NDArray[Any], sample_weight: ArrayLike | None, multioutput: MultiOutput | Literal["raw_values"]
) -> float | NDArray[np.float64]:
    """Mean over rows of values per target, and then over targets as ``multioutput`` says."""
    columns = values.reshape(len(values), -1)
    return _over_targets(np.asarray(row_mean(columns, sample_weight)), multioutput)


def _over_targets(
    values: NDArray[np.float64], multioutput: MultiOutput | Literal["raw_values"]
) -> float | NDArray[np.float64]:
    if isinstance(multioutput, str):
        if multioutput == "raw_values":
            return values
        if multioutput == "uniform_average":
            return float(values.mean())
    else:
        weights = np.asarray(multioutput, dtype=np.float64)
        usable = np.isfinite(weights).all() and (weights >= 0).all()
        if weights.shape == values.shape and usable and (largest := weights.max()) > 0:
            return float(np.average(values, weights=weights / largest))  # their sum could overflow
    raise ValueError(
        "multioutput must be 'raw_values', 'uniform_average' or one non-negative weight for each of the "
        f"{len(values)} targets, got {multioutput!r}."
    )
