"""Weights of rows, and what they weigh."""

from __future__ import annotations

import numpy as np
from sklearn.utils import assert_all_finite
from sklearn.utils.validation import _check_sample_weight


def check_row_weights(value, rows) -> np.ndarray:
    """Weights of rows, finite and not negative, not all zero; a number is the weight of each, None is 1."""
    weights = _check_sample_weight(value, rows, dtype=np.float64, ensure_non_negative=True)
    assert_all_finite(weights, input_name="sample_weight")  # scikit-learn lets a number through
    return weights


def row_mean(values: np.ndarray, sample_weight):
    """Weighted mean over rows (n, ...); those of weight 0 are not there, even if they are infinite."""
    weights = check_row_weights(sample_weight, values)
    weights = weights / weights.max()  # their sum could overflow
    return np.average(values[weights > 0], axis=0, weights=weights[weights > 0])
