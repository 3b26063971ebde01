"""Scores of prediction sets: how often they hold what is observed, how large they are, and for which rows."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from sklearn.utils import check_array

from sklearn_mdn._distributions.checks import as_numbers, check_count, check_levels
from sklearn_mdn._distributions.row_weights import check_row_weights
from sklearn_mdn._distributions.sets import PredictionSets

Array = NDArray[np.float64]


def set_coverage(y_true: ArrayLike, y_set: Any, *, sample_weight: ArrayLike | None = None) -> float:
    """Share of the observed targets that lie in their sets.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, D)
        Observed targets.
    y_set : PredictionSets or array-like of shape (n, 2) or (n, J, 2)
        Sets, or intervals, ends included; NaN stands for none.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.

    Returns
    -------
    coverage : float
        From 0 to 1. :func:`coverage_band` says how far chance alone takes it from a level.

    Raises
    ------
    ValueError
        If there is not one set for each target.

    Examples
    --------
    >>> from sklearn_mdn.metrics import set_coverage
    >>> set_coverage([1.0, 2.0, 3.0, 4.0], [[0, 2], [0, 1], [2, 4], [0, 9]])
    0.75
    """
    inside = covered(y_true, y_set)
    return float(np.average(inside, weights=check_row_weights(sample_weight, inside)))


def mean_set_size(y_set: Any, *, sample_weight: ArrayLike | None = None) -> float:
    """Mean length of sets, in the units of the target; lower is better at the same coverage.

    Parameters
    ----------
    y_set : PredictionSets or array-like of shape (n, 2) or (n, J, 2)
        Sets of one target, or intervals; NaN stands for none.
    sample_weight : array-like of shape (n,), default=None
        Weights of the rows.

    Returns
    -------
    size : float
        Infinite if a set is the whole line.

    Raises
    ------
    ValueError
        If there are several targets.

    Examples
    --------
    >>> from sklearn_mdn.metrics import mean_set_size
    >>> mean_set_size([[[0, 2], [3, 4]], [[0, 1], [float("nan"), float("nan")]]])
    2.0
    """
    sizes = set_sizes(y_set)
    return float(np.average(sizes, weights=check_row_weights(sample_weight, sizes)))


def coverage_band(
    confidence_level: float, n_rows: ArrayLike, *, band: float = 0.95
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Coverages between which chance alone keeps that of n independent rows, when the level is right.

    Parameters
    ----------
    confidence_level : float
        Probability that a set holds its target, inside (0, 1).
    n_rows : int or array-like of int
        How many rows are judged.
    band : float, default=0.95
        Probability that the share lies in the band, at least.

    Returns
    -------
    lower, upper : ndarray of the shape of n_rows
        Quantiles of a binomial share.

    Raises
    ------
    ValueError
        If a level lies outside (0, 1), or there are no rows.

    Examples
    --------
    >>> from sklearn_mdn.metrics import coverage_band
    >>> lower, upper = coverage_band(0.9, 100)
    >>> float(lower), float(upper)
    (0.84, 0.95)
    """
    level, width = _one_level(confidence_level, "confidence_level"), _one_level(band, "band")
    count = as_numbers(n_rows, "n_rows")
    if (count < 1).any():
        raise ValueError(f"n_rows must be at least 1, got {count.min()}.")
    law = stats.binom(count, level)
    return law.ppf(0.5 - 0.5 * width) / count, law.ppf(0.5 + 0.5 * width) / count


@dataclass(frozen=True, repr=False)
class ConditionalCoverage:
    """Coverage and size of sets in parts of the rows: what :func:`conditional_coverage` returns.

    Attributes
    ----------
    labels : tuple of str
        Parts: groups, or ranges of a number.
    n_rows : int ndarray of shape (G,)
        Rows in each.
    coverage : ndarray of shape (G,)
        Share of them that lie in their sets.
    size : ndarray of shape (G,)
        Mean length of the sets; NaN for several targets.
    confidence_level : float or None
        What the sets were made for.

    Examples
    --------
    >>> from sklearn_mdn.metrics import conditional_coverage
    >>> parts = conditional_coverage([1.0, 2.0, 3.0, 4.0], [[0, 2]] * 4, groups=["a", "a", "b", "b"])
    >>> parts.labels, parts.coverage
    (('a', 'b'), array([1., 0.]))
    """

    labels: tuple[str, ...]
    n_rows: NDArray[np.intp]
    coverage: Array
    size: Array
    confidence_level: float | None

    def __repr__(self) -> str:
        """A table."""
        width = max(len(label) for label in (*self.labels, "rows"))
        lines = [f"{'':<{width}}{'rows':>8}{'coverage':>12}{'size':>12}"]
        for label, n_rows, coverage, size in zip(
            self.labels, self.n_rows, self.coverage, self.size, strict=True
        ):
            lines.append(f"{label:<{width}}{n_rows:>8}{coverage:>12.3f}{size:>12.4g}")
        return "\n".join(lines)


def conditional_coverage(
    y_true: ArrayLike,
    y_set: Any,
    *,
    by: ArrayLike | None = None,
    groups: ArrayLike | None = None,
    n_bins: int = 10,
) -> ConditionalCoverage:
    """Coverage of sets in parts of the rows: where sets that are right on average fail.

    Parameters
    ----------
    y_true : array-like of shape (n,) or (n, D)
        Observed targets.
    y_set : PredictionSets or array-like of shape (n, 2) or (n, J, 2)
        Sets, or intervals.
    by : array-like of shape (n,), default=None
        A number for each row, such as the predicted standard deviation: rows are parted at its quantiles.
        None takes the size of the sets.
    groups : array-like of shape (n,), default=None
        Labels of rows in place of a number.
    n_bins : int, default=10
        Parts of about as many rows each: tenths.

    Returns
    -------
    parts : ConditionalCoverage
        Prints as a table.

    Raises
    ------
    ValueError
        If there is not one set and one number or label for each target, or both are given.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn_mdn.metrics import conditional_coverage
    >>> spread = np.linspace(0.5, 2.0, 4000)
    >>> y = spread * np.random.default_rng(0).normal(size=4000)
    >>> conditional_coverage(y, [[-2.0, 2.0]] * 4000, by=spread, n_bins=3)
                rows    coverage        size
    0.5 to 1    1334       0.987           4
    1 to 1.5    1333       0.881           4
    1.5 to 2    1333       0.761           4
    """
    if by is not None and groups is not None:
        raise ValueError("by and groups cannot both be given: parts are ranges of a number, or groups.")
    inside = covered(y_true, y_set)
    n_rows = len(inside)
    try:
        sizes = set_sizes(y_set)
    except ValueError:
        sizes = np.full(n_rows, np.nan)
    if groups is not None:
        labels, part = _groups(groups, n_rows)
    else:
        labels, part = _ranges(sizes if by is None else by, n_rows, check_count(n_bins, "n_bins"))
    count = np.bincount(part, minlength=len(labels))
    with np.errstate(invalid="ignore", divide="ignore"):
        coverage = np.bincount(part, inside, len(labels)) / count
        size = np.bincount(part, sizes, len(labels)) / count
    level = y_set.confidence_level if isinstance(y_set, PredictionSets) else None
    return ConditionalCoverage(labels, count, coverage, size, level)


def covered(y_true: Any, y_set: Any) -> NDArray[np.bool_]:
    """Whether each target lies in its set, (n,)."""
    y = check_array(y_true, ensure_2d=False, dtype=np.float64, input_name="y_true")
    if isinstance(y_set, PredictionSets):
        if len(y_set) != len(y):
            raise ValueError(f"y_set must hold one set for each of the {len(y)} targets, got {len(y_set)}.")
        inside = y_set.contains(y)
    else:
        intervals = as_intervals(y_set)
        if y.shape != (len(intervals),):
            raise ValueError(
                f"y_true must have the shape {(len(intervals),)} beside {len(intervals)} intervals, got "
                f"{y.shape}."
            )
        inside = ((intervals[..., 0] <= y[:, None]) & (y[:, None] <= intervals[..., 1])).any(axis=1)
    if inside.shape != (len(y),):
        raise ValueError(f"y_true must hold one target for each of the sets, got the shape {y.shape}.")
    return inside


def set_sizes(y_set: Any) -> Array:
    """Length of each set, (n,)."""
    if isinstance(y_set, PredictionSets):
        return y_set.length()
    intervals = as_intervals(y_set)
    sizes: Array = np.nansum(intervals[..., 1] - intervals[..., 0], axis=1)
    return sizes


def as_intervals(y_set: Any) -> Array:
    """Intervals (n, J, 2)."""
    intervals = as_numbers(y_set, "y_set").astype(np.float64)
    if intervals.ndim == 2:
        intervals = intervals[:, None]
    if intervals.ndim != 3 or intervals.shape[2] != 2:
        raise ValueError(
            "y_set must be PredictionSets, or intervals of shape (n, 2) or (n, J, 2), got the shape "
            f"{np.shape(y_set)}."
        )
    if (intervals[..., 1] < intervals[..., 0]).any():
        raise ValueError("y_set must hold intervals whose upper ends are not below their lower ends.")
    return intervals


def _groups(groups: ArrayLike, n_rows: int) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    labels = np.asarray(groups)
    if labels.shape != (n_rows,):
        raise ValueError(f"groups must hold a label for each of the {n_rows} rows, got {labels.shape}.")
    known, part = np.unique(labels.astype(str) if labels.dtype.kind == "O" else labels, return_inverse=True)
    return tuple(map(str, known.tolist())), part


def _ranges(by: ArrayLike, n_rows: int, n_bins: int) -> tuple[tuple[str, ...], NDArray[np.intp]]:
    values = as_numbers(by, "by").astype(np.float64)
    if values.shape != (n_rows,) or np.isnan(values).any():
        raise ValueError(
            f"by must hold a number for each of the {n_rows} rows, got the shape {values.shape}"
            f"{' with NaN' if np.isnan(values).any() else ''}."
        )
    rank = np.argsort(np.argsort(values, kind="stable"), kind="stable")
    part = np.minimum(rank * n_bins // n_rows, n_bins - 1)
    part = np.unique(part, return_inverse=True)[1]  # fewer rows than parts
    ends = [(values[part == i].min(), values[part == i].max()) for i in range(part.max() + 1)]
    return tuple(f"{low:.3g} to {high:.3g}" for low, high in ends), part


def _one_level(value: object, name: str) -> float:
    level = check_levels(value, name)
    if level.ndim:
        raise ValueError(f"{name} must be one number, got an array of shape {level.shape}.")
    return float(level)
