"""Weights of rows, and what they weigh."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import _check_sample_weight

from sklearn_mdn._distributions.checks import as_numbers


def check_row_weights(value: ArrayLike | None, rows: ArrayLike) -> NDArray[np.float64]:
    """Weights of rows, finite and not negative, not all zero; a number is the weight of each, None is 1."""
    if value is not None:
        numbers = as_numbers(value, "sample_weight")  # scikit-learn's error of a text does not name it
        if numbers.ndim > 1:
            raise ValueError(f"sample_weight must be one number a row, got the shape {numbers.shape}.")
    weights: NDArray[np.float64] = _check_sample_weight(
        value, rows, dtype=np.float64, ensure_non_negative=True, allow_all_zero_weights=True
    )
    if not weights.any():
        raise ValueError(f"sample_weight must not be zero for all of the {len(weights)} rows.")
    assert_all_finite(weights, input_name="sample_weight")  # scikit-learn lets a number through
    return weights


def row_mean(values: NDArray[Any], sample_weight: ArrayLike | None) -> NDArray[np.float64] | np.float64:
    """Weighted mean over rows (n, ...); those of weight 0 are not there, even if they are infinite."""
    weights = check_row_weights(sample_weight, values)
    weights = weights / weights.max()  # their sum could overflow
    mean: NDArray[np.float64] | np.float64 = np.average(
        values[weights > 0], axis=0, weights=weights[weights > 0]
    )
    return mean
