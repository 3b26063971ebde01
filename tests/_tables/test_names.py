"""Columns of numbers whose values are names: which are found, and the codes of their values."""

from __future__ import annotations

import numpy as np
import pytest
from scipy import stats

from sklearn_mdn._tables.names import MOST_VALUES, Names, lack_of_fit, named_values, normal_scores

N_BINS = 16


def grouped(n_values=60, n_rows=10, effect=1.0, seed=0):
    """Values in a random order, and a target that hangs on which value it is."""
    generator = np.random.default_rng(seed)
    column = np.repeat(generator.permutation(n_values) + 0.1, n_rows)
    y = effect * np.repeat(generator.normal(size=n_values), n_rows) + generator.normal(size=len(column))
    return column, y[:, np.newaxis]


def found(column, y):
    return Names.of(lambda place: column, 1, y, N_BINS)


CASES = {
    "an identity": (*grouped(), True),
    "two rows each": (*grouped(400, 2, effect=3.0), True),
    "no effect": (*grouped(effect=0.0), False),
    "a weak effect": (*grouped(300, 4, effect=0.3), False),
    "few values, which bins tell apart": (*grouped(N_BINS, 40), False),
    "a value for each row": (*grouped(400, 1), False),
}


@pytest.mark.parametrize(("column", "y", "expected"), CASES.values(), ids=CASES)
def test_a_column_is_found_if_its_values_say_more_than_where_they_lie(column, y, expected):
    assert found(column, y).places == ((0,) if expected else ())


@pytest.mark.parametrize("curve", [np.sin, np.square, lambda x: 5.0 * x])
def test_a_smooth_curve_is_none(curve):
    generator = np.random.default_rng(0)
    column = np.repeat(np.linspace(-1.0, 1.0, 100), 10)
    y = curve(column) + 0.3 * generator.normal(size=1000)
    assert found(column, y[:, np.newaxis]).places == ()


@pytest.mark.parametrize(("n_values", "n_rows"), [(60, 300), (24, 60)])
def test_columns_of_noise_are_not_found(n_values, n_rows):
    generator = np.random.default_rng(0)
    for _ in range(300):
        column = generator.integers(0, n_values, size=n_rows).astype(float)
        scores = normal_scores(generator.standard_cauchy((n_rows, 1)))
        assert not len(named_values(column, scores, N_BINS))


def test_any_target_can_tell():
    column, y = grouped()
    noise = np.random.default_rng(1).normal(size=y.shape)
    assert found(column, np.hstack([noise, y])).places == (0,)


@pytest.mark.parametrize(
    "change",
    [
        lambda column, y: (1000.0 * column - 7.0, y),
        lambda column, y: (column, np.exp(y)),
        lambda column, y: (column, -3.0 * y),
        lambda column, y: (-column, y),
    ],
)
def test_units_and_order_are_nothing_to_it(change):
    for effect in (0.0, 1.0):
        column, y = grouped(effect=effect)
        order = np.random.default_rng(0).permutation(len(y))
        changed, target = change(column[order], y[order])
        assert found(changed, target).places == found(column, y).places


def test_lack_of_fit_is_that_of_models_fitted_one_beside_the_other():
    """The F test of two linear models: a line in each bin, and a mean for each value."""
    column, y = grouped(40, 5)
    known, place, count = np.unique(column, return_inverse=True, return_counts=True)
    bins = np.arange(40) // 10
    of_row = np.eye(4)[bins[place]]
    lines = np.hstack([of_row, of_row * column[:, np.newaxis]])
    squares = []
    for design in (lines, np.eye(40)[place]):
        coefs = np.linalg.lstsq(design, y[:, 0], rcond=None)[0]
        squares.append(((y[:, 0] - design @ coefs) ** 2).sum())
    ratio = (squares[0] - squares[1]) / (40 - 8) / (squares[1] / (200 - 40))
    expected = ratio, stats.f.sf(ratio, 32, 160)
    np.testing.assert_allclose(lack_of_fit(known, place, count, bins, y[:, 0]), expected, rtol=1e-9)


def test_codes_number_the_values_from_one_and_others_have_none():
    column, y = grouped()
    column[:3] = [-5.0, 7.25, np.nan]  # a row each
    names = found(column, y)
    (known,) = names.values
    assert -5.0 not in known
    codes = names.codes_of(np.column_stack([column, column]))[:, 0]
    assert codes[:3].tolist() == [0, 0, 0]
    np.testing.assert_array_equal(known[codes[3:] - 1], column[3:].astype(np.float32))
    np.testing.assert_array_equal(names.codes_of(column[:, np.newaxis].astype(np.float32))[:, 0], codes)
    beyond = np.array([[np.nan], [1e300], [-1e300], [0.5]])
    assert names.codes_of(beyond).tolist() == [[0]] * 4


def test_columns_of_very_many_values_are_passed_over():
    generator = np.random.default_rng(0)
    column = np.repeat(np.arange(2.0 * MOST_VALUES), 4)
    y = np.repeat(generator.normal(size=2 * MOST_VALUES), 4)[:, np.newaxis]
    assert found(column, y).places == ()


def test_without_noise_it_is_whether_the_means_lie_on_lines():
    column, y = grouped()
    of_value = y[np.unique(column, return_inverse=True)[1]]
    assert found(column, of_value).places == (0,)
    assert found(column, np.ones_like(y)).places == ()
