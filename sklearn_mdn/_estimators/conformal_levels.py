"""From scores of calibration rows to levels of sets: quantiles that count the new row, and groups."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
from numpy.typing import NDArray
from sklearn.utils import _safe_indexing
from sklearn.utils.validation import _num_samples

from sklearn_mdn._distributions.checks import check_levels

Array = NDArray[np.float64]
Labels = NDArray[Any]

ROUNDING = 1e-9  # (1 - 0.9) * 10 is a little less than one


def check_level(value: object) -> float:
    """One confidence level inside (0, 1)."""
    level = check_levels(value, "confidence_level")
    if level.ndim:
        raise ValueError(f"confidence_level must be one number, got an array of shape {level.shape}.")
    return float(level)


def rows_needed(level: float) -> int:
    """The fewest calibration rows with which a set of that level is not the whole line."""
    return int(np.ceil(level / (1.0 - level) - ROUNDING))


def votes_needed(level: float, counts: NDArray[np.intp]) -> NDArray[np.intp]:
    """How many of m scores must not be below that of a value, for it to be in the set.

    The new row's own score counts as well: y is in the set if 1 + votes > alpha (m + 1).
    """
    votes: NDArray[np.intp] = np.floor((1.0 - level) * (counts + 1) + ROUNDING).astype(np.intp)
    return votes


def calibrated_levels(
    scores: Array,
    weights: Array | None,
    groups: NDArray[np.intp],
    level: float,
    new_weights: Array | None,
    new_groups: NDArray[np.intp],
    uniform: Array | None = None,
) -> Array:
    """The level of each new row, by the scores of its group: 1 for the whole line, below 0 for nothing.

    With alpha = 1 - level, weights w of the m scores and w' of the new row, and a number u from 0 to 1, the
    set holds the values whose score s has::

        sum of w over scores above s + u (sum of w over scores equal to s + w') > alpha (sum of w + w')

    u = 1 gives the score of rank ceil((1 - alpha) (m + 1)), and with weights lemma 1 of Tibshirani, Barber,
    Candes and Ramdas (2019). u drawn uniformly gives the smoothed sets of Vovk, Gammerman and Shafer (2005,
    chapter 2), whose coverage is 1 - alpha with ties or without.
    """
    levels = np.ones(len(new_groups))
    for group in np.unique(new_groups):
        own, new = groups == group, new_groups == group
        weight = np.ones(own.sum()) if weights is None else weights[own]
        of_new = np.ones(new.sum()) if new_weights is None else new_weights[new]
        part = np.ones(new.sum()) if uniform is None else uniform[new]
        rising, which = np.unique(scores[own], return_inverse=True)
        tied = np.bincount(which, weight, len(rising))[::-1]  # of falling scores, as all that follows
        up_to = np.cumsum(tied)
        total = (up_to[-1] if len(up_to) else 0.0) + of_new
        wanted = (1.0 - level) * total + ROUNDING * total
        # The first score below which the set ends at the latest; before the first of all, the line.
        place = np.searchsorted(up_to, wanted - part * of_new, side="right")
        last = np.minimum(place, max(len(up_to) - 1, 0))
        if not len(up_to):
            continue
        closed = up_to[last] - tied[last] + part * (tied[last] + of_new) > wanted
        end = rising[::-1][last]
        bounded = np.where(closed, end, np.nextafter(end, -1.0))
        bounded = np.where(place > last, -1.0, bounded)
        levels[new] = np.where(part * of_new > wanted, 1.0, bounded)
    return levels


def row_groups(groups: Any, X: Any) -> Labels | None:
    """A label for each row of X."""
    if groups is None:
        return None
    n_rows = _num_samples(X)
    if callable(groups):
        labels = np.asarray(groups(X))
    else:
        try:
            labels = np.asarray(_safe_indexing(X, groups, axis=1))
        except (IndexError, KeyError, ValueError) as error:
            raise ValueError(f"groups must be a column of X, and there is no {groups!r}: {error}") from None
    if labels.shape != (n_rows,):
        raise ValueError(
            f"groups must give a label for each of the {n_rows} rows of X, got the shape {labels.shape}."
        )
    missing = np.array([label is None or label != label for label in labels.tolist()])
    if missing.any():
        raise ValueError(f"groups must give a label for each row, got none in row {int(np.argmax(missing))}.")
    return labels.astype(str) if labels.dtype.kind == "O" else labels


def check_known_groups(labels: Labels | None, known: Labels, n_rows: int) -> NDArray[np.intp]:
    """Places of the rows' labels among those that were calibrated."""
    if labels is None:
        return np.zeros(n_rows, dtype=np.intp)
    place = {label: i for i, label in enumerate(known.tolist())}
    unknown = [(row, label) for row, label in enumerate(labels.tolist()) if label not in place]
    if unknown:
        row, label = unknown[0]
        raise ValueError(
            f"groups must be among those of the calibration rows, {', '.join(map(repr, place))}; got "
            f"{label!r} in row {row}."
        )
    return np.array([place[label] for label in labels.tolist()], dtype=np.intp)


def warn_of_few_rows(
    level: float,
    needed: int,
    counts: NDArray[np.intp],
    labels: Labels,
    asked: NDArray[np.intp],
    *,
    randomized: bool,
) -> None:
    """Say which sets are the whole line, and how many calibration rows would do."""
    few = [i for i in asked if counts[i] < needed]
    if not few:
        return
    which = (
        f"there are {counts[few[0]]}"
        if labels[0] is None
        else ", ".join(f"group {labels.tolist()[i]!r} has {counts[i]}" for i in few)
    )
    warnings.warn(
        f"A confidence level of {level:g} needs at least {needed} calibration rows, and {which}: the sets "
        f"are {'often ' * randomized}the whole line.",
        UserWarning,
        stacklevel=3,
    )


def seen_rows(X: Any, y: Any) -> NDArray[np.int64]:
    """A number for each row that tells rows apart, in rising order."""
    return np.sort(_hashes(X, y))


def share_seen(seen: NDArray[Any], X: Any, y: Any) -> float:
    """Share of the rows that are among those seen."""
    return float(np.isin(_hashes(X, y), seen).mean()) if len(seen) else 0.0


def _hashes(X: Any, y: Any) -> NDArray[np.int64]:
    """Hashes of the values of rows; of what has no rows of values, nothing."""
    columns = [np.asarray(part) for part in (X, y)]
    if any(part.ndim not in (1, 2) for part in columns):
        return np.empty(0, dtype=np.int64)
    rows = zip(*(part.reshape(len(part), -1).tolist() for part in columns), strict=True)
    return np.array([hash((*x, *target)) for x, target in rows], dtype=np.int64)
