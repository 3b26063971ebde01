"""Bins of columns of numbers, against a slow count of rows."""

from __future__ import annotations

import numpy as np
import pytest

from sklearn_mdn._tables.bins import NARROWEST, bin_edges, bins_of_columns


def columns():
    random = np.random.default_rng(0)
    normal = random.normal(size=80)
    gaps = normal.copy()
    gaps[::3] = np.nan
    return {
        "normal": normal,
        "skewed": np.exp(2.0 * normal),
        "gaps": gaps,
        "few values": random.integers(0, 6, size=80) - 2.5,
        "half of them 0": np.maximum(normal, 0.0),
        "whole": random.integers(0, 40, size=80).astype(float),
        "two values": (normal > 0.3).astype(float),
        "constant": np.full(80, 3.0),
        "nothing but gaps": np.full(80, np.nan),
    }


COLUMNS = columns()


def oracle_edges(values, counts, n_bins):
    """Smallest values that at least t of ``n_bins`` parts of the rows do not exceed, one row at a time."""
    rows = sorted(v for v, count in zip(values, counts, strict=True) for _ in range(count) if not np.isnan(v))
    if len(set(rows)) <= n_bins + 1:
        edges = sorted(set(rows))
    else:
        edges = [rows[max(0, -(-t * len(rows) // n_bins) - 1)] for t in range(n_bins + 1)]
        edges = sorted(set(edges))
    return edges if len(edges) > 2 else []


@pytest.mark.parametrize("n_bins", [2, 7, 16, 100])
@pytest.mark.parametrize("weighted", [False, True], ids=["rows", "weighted"])
@pytest.mark.parametrize("column", COLUMNS.values(), ids=COLUMNS.keys())
def test_edges_are_quantiles_or_all_values(column, weighted, n_bins):
    counts = np.random.default_rng(1).integers(1, 4, size=80) if weighted else np.ones(80, dtype=int)
    expected = oracle_edges(column, counts, n_bins)
    np.testing.assert_array_equal(bin_edges(column, counts / 7.0, n_bins), expected)
    order = np.random.default_rng(2).permutation(80)
    np.testing.assert_array_equal(bin_edges(column[order], counts[order] / 7.0, n_bins), expected)
    repeated = np.repeat(column, counts)
    np.testing.assert_array_equal(bin_edges(repeated, np.full(len(repeated), 0.3), n_bins), expected)


@pytest.mark.parametrize("center", [0.0, 1.0, -1e3])
def test_values_that_single_precision_would_not_tell_apart_share_a_bin(center):
    size = max(abs(center), 1.0)
    values = center + size * np.array([0.0, 0.1 * NARROWEST, 0.5, 0.5 + 0.1 * NARROWEST, 1.0])
    edges = bin_edges(values, np.ones(5), 16)
    assert len(edges) == 4 if center == 0.0 else 3
    # Beside 0 any number is wide enough.
    assert (np.diff(edges) > NARROWEST * np.abs(edges).max() * (center != 0.0)).all()


@pytest.mark.parametrize("n_bins", [2, 16, 24])
def test_columns_have_round_numbers_of_bins(n_bins):
    values = np.column_stack(list(COLUMNS.values()))
    starts, slopes = bins_of_columns(values, np.ones(80), n_bins)
    for column, start, slope in zip(COLUMNS.values(), starts, slopes, strict=True):
        edges = bin_edges(column, np.ones(80), n_bins)
        own = max(0, len(edges) - 1)
        assert len(start) == len(slope) in {0, n_bins, *(2**i for i in range(1, 6))}
        assert own <= len(start) < max(2 * own, 1)
        np.testing.assert_allclose(1.0 / slope[:own], np.diff(edges))
        np.testing.assert_array_equal(start[:own], edges[:-1])
        assert not slope[own:].any()


def test_bins_say_where_a_value_lies():
    """Their sum is the number of bins below it, and its share of the way through its own."""
    values = COLUMNS["skewed"]
    (start,), (slope,) = bins_of_columns(values[:, None], np.ones(80), 8)
    edges = bin_edges(values, np.ones(80), 8)
    encoded = np.clip((values[:, None] - start) * slope, 0.0, 1.0)
    np.testing.assert_allclose(encoded.sum(1), np.interp(values, edges, np.arange(9)), rtol=1e-12)
    number = np.ceil(encoded.sum(1) - 1e-9).clip(min=1)
    assert np.bincount(number.astype(int)).tolist() == [0, *[10] * 8]
