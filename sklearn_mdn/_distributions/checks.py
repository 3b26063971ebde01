"""Checks of the arrays a user hands to a distribution; every error names the argument and what came."""

from __future__ import annotations

import datetime
import warnings
from numbers import Integral
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_mdn._mixtures.scale import CholeskyScale, DiagonalScale, Scale

WEIGHT_TOLERANCE = 1e-6
COVARIANCE_TYPES = ("full", "tied", "diag", "spherical")
NO_NUMBERS = (
    *(str, bytes, complex, np.complexfloating),
    *(datetime.date, datetime.time, datetime.timedelta, np.datetime64, np.timedelta64),
)
MOST = 10**9  # of things that are counted, so that their number fits into an array's
MAX_ORDER = 200  # of a moment; the standard normal distribution's overflow soon after the 300th


def as_numbers(value: object, name: str) -> NDArray[Any]:
    """An array of real numbers, not copied where it is one already; None in a list is NaN."""
    try:
        array = np.asarray(value)
    except ValueError:
        raise ValueError(f"{name} must be an array of numbers, got rows of different lengths.") from None
    except (TypeError, RuntimeError) as error:
        raise ValueError(
            f"{name} must be real numbers, got a {type(value).__name__} that NumPy cannot read: {error}"
        ) from error
    if array.dtype.kind in "fiub":
        return array
    try:
        # Text that spells a number is text, and float() makes numbers of it and of some dates.
        if array.dtype.kind != "O" or value is None or any(isinstance(v, NO_NUMBERS) for v in array.flat):
            raise TypeError
        return array.astype(np.float64)
    except (TypeError, ValueError):
        raise ValueError(f"{name} must be real numbers, got an array of {array.dtype}.") from None


def warn_of_column(array: NDArray[Any], name: str, n_rows: int) -> None:
    """Say how a column of as many values as there are rows is read, where rows have a single target."""
    if n_rows > 1 and array.shape == (n_rows, 1):
        warnings.warn(
            f"{name} of shape {array.shape} is read as a grid of {n_rows} values for each of the {n_rows} "
            f"rows. For one value a row pass {name} of shape ({n_rows},), as {name}[:, 0] is; "
            f"np.broadcast_to({name}, ({n_rows}, {n_rows})) is the grid without this warning.",
            UserWarning,
            stacklevel=5,
        )


def not_broadcast(rows: tuple[int, ...], shapes: dict[str, tuple[int, ...]]) -> ValueError:
    """What to raise where shapes of arguments do not broadcast against that of the rows, with a way out."""
    wrong = {name: shape for name, shape in shapes.items() if not broadcast(shape, rows)} or shapes
    given = " and ".join(f"{name} of shape {shape}" for name, shape in wrong.items())
    message = f"{given} cannot be broadcast against {rows}."
    for name, shape in wrong.items():
        missing = len(rows) + 1 - len(shape)
        if shape and missing > 0 and broadcast((*(1,) * missing, *shape[1:]), rows):
            message += f" For {shape[0]} values for each row, pass {name}[:{', None' * missing}]."
    return ValueError(message)


def broadcast(shape: tuple[int, ...], rows: tuple[int, ...]) -> bool:
    """Whether a shape broadcasts against that of the rows."""
    try:
        np.broadcast_shapes(shape, rows)
    except ValueError:
        return False
    return True


def check_finite(value: object, name: str) -> NDArray[np.float64]:
    """A float64 copy of an array of finite numbers."""
    array = np.array(as_numbers(value, name), dtype=np.float64)
    if not np.isfinite(array).all():
        raise ValueError(f"{name} must be finite, got {array[~np.isfinite(array)][0]}.")
    return array


def check_levels(value: object, name: str, *, ends: bool = False) -> NDArray[Any]:
    """Levels between zero and one; the ends count only where they are asked for."""
    array = as_numbers(value, name)
    inside = (array >= 0) & (array <= 1) if ends else (array > 0) & (array < 1)
    if not inside.all():
        strictly = "" if ends else "strictly "
        raise ValueError(f"{name} must lie {strictly}between 0 and 1, got {array[~inside].flat[0]}.")
    return array


def check_level_list(value: object, name: str, at_least: int = 1) -> NDArray[Any]:
    """Levels along one axis."""
    levels = np.atleast_1d(check_levels(value, name))
    if levels.ndim != 1 or len(levels) < at_least:
        raise ValueError(f"{name} must be a flat list of levels, at least {at_least}, got {value!r}.")
    return levels


def check_confidence(value: object) -> float:
    """One confidence level."""
    level = check_levels(value, "confidence")
    if level.ndim:
        raise ValueError(f"confidence must be one number, got an array of shape {level.shape}.")
    return float(level)


def check_count(value: object, name: str) -> int:
    """How many there are to be, at least one."""
    if not isinstance(value, Integral) or isinstance(value, bool) or value < 1:
        raise ValueError(f"{name} must be an integer of at least 1, got {value!r}.")
    if int(value) > MOST:
        raise ValueError(f"{name} must be at most {MOST}, got {value!r}.")
    return int(value)


def check_order(value: object) -> int:
    """The order of a moment."""
    if not isinstance(value, Integral) or isinstance(value, bool) or not 0 <= int(value) <= MAX_ORDER:
        raise ValueError(f"order must be an integer from 0 to {MAX_ORDER}, got {value!r}.")
    return int(value)


def check_moments(value: object) -> str:
    """Letters of moments, each once, in their order."""
    if not isinstance(value, str) or not value or len(set(value)) < len(value) or set(value) - set("mvsk"):
        raise ValueError(
            "moments must be a string of the letters m, v, s and k, each at most once: mean, variance, "
            f"skewness and excess kurtosis, got {value!r}."
        )
    return "".join(letter for letter in "mvsk" if letter in value)


def check_index(value: object, length: int, name: str) -> int:
    """The place of one thing among several, not negative."""
    if not isinstance(value, Integral) or isinstance(value, bool) or not -length <= int(value) < length:
        raise ValueError(f"{name} must be an integer from {-length} to {length - 1}, got {value!r}.")
    return int(value) % length


def check_targets(targets: object, n_targets: int) -> list[int]:
    """Indices of targets, at least one, all different, none negative."""
    listed = np.atleast_1d(np.asarray(targets, dtype=object)).tolist()
    chosen = [check_index(target, n_targets, "targets") for target in listed]
    if not chosen or len(set(chosen)) < len(chosen):
        raise ValueError(f"targets must name at least one target, and each once, got {targets!r}.")
    return chosen


def check_means(value: object) -> NDArray[np.float64]:
    """Component means (n, K) or (n, K, D)."""
    means = check_finite(value, "means")
    if means.ndim not in (2, 3) or 0 in means.shape[1:]:
        raise ValueError(
            "means must have the shape (n, K) for a 1-d target or (n, K, D) for D targets, "
            f"K and D at least 1, got {means.shape}."
        )
    return means


def check_weights(value: object, shape: tuple[int, ...]) -> NDArray[np.float64]:
    """Mixing proportions that sum to one in each row, within a tolerance."""
    weights = check_finite(value, "weights")
    if weights.shape != shape:
        raise ValueError(
            f"weights must have the shape (n, K) = {shape} that means have, got {weights.shape}."
        )
    if (weights < 0).any():
        raise ValueError(f"weights must not be negative, got {weights.min()}.")
    total = weights.sum(axis=1, keepdims=True)
    wrong = np.abs(total[:, 0] - 1.0) > WEIGHT_TOLERANCE
    if wrong.any():
        row = int(np.argmax(wrong))
        raise ValueError(f"weights must sum to 1 in each row, got a sum of {total[row, 0]} in row {row}.")
    return weights


def make_scale(covariances: object, means_shape: tuple[int, ...], covariance_type: str | None) -> Scale:
    """The scale that stands for covariances given in one of their four forms."""
    if covariance_type is not None and not (
        isinstance(covariance_type, str) and covariance_type in COVARIANCE_TYPES
    ):
        raise ValueError(
            f"covariance_type must be None or one of {', '.join(COVARIANCE_TYPES)}, got {covariance_type!r}."
        )
    kind = covariance_type or "full"
    n_rows, n_components, *rest = means_shape
    dim = rest[0] if rest else 1
    components = () if kind == "tied" else (n_components,)
    axes = (dim,) * {"full": 2, "tied": 2, "diag": 1, "spherical": 0}[kind] if rest else ()
    array = check_finite(covariances, "covariances")
    expected = (n_rows, *components, *axes)
    if array.shape != expected:
        raise ValueError(
            f"covariances must have the shape {expected} beside means of shape {means_shape} and "
            f"covariance_type={covariance_type!r}, got {array.shape}."
        )
    if kind == "tied":
        array = array[:, None]
    if len(axes) == 2:
        return CholeskyScale(check_cholesky(array))
    if not (array > 0).all():
        raise ValueError(f"covariances must be positive, got a variance of {array.min()}.")
    deviations = torch.from_numpy(array).sqrt()
    return DiagonalScale(deviations if axes else deviations.unsqueeze(-1), dim)


def check_cholesky(matrices: NDArray[np.float64]) -> Tensor:
    """Cholesky factors of symmetric positive definite matrices (n, K, D, D)."""
    variances = np.diagonal(matrices, axis1=-2, axis2=-1)
    if not (variances > 0).all():
        raise ValueError(f"covariances must have a positive diagonal, got a variance of {variances.min()}.")
    deviations = np.sqrt(variances)
    size = deviations[..., :, None] * deviations[..., None, :]
    asymmetric = (np.abs(matrices - np.swapaxes(matrices, -2, -1)) > 1e-8 * size).any(axis=(-2, -1))
    factor: Tensor
    factor, info = torch.linalg.cholesky_ex(torch.from_numpy(matrices))
    for wrong, expected in ((asymmetric, "symmetric"), (info.numpy() > 0, "positive definite")):
        if wrong.any():
            row, component = np.argwhere(wrong)[0]
            raise ValueError(
                f"covariances must be {expected} matrices; that of row {row}, component {component} is not: "
                f"{matrices[row, component].tolist()}."
            )
    return factor.contiguous()  # as it will be when it was stored, so that sums have the same order
