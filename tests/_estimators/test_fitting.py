"""What fits share when they train as one stack, and how their rows are ordered."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
import pytest
import torch
from torch.utils._python_dispatch import TorchDispatchMode
from torch.utils._pytree import tree_leaves

from sklearn_mdn import MDNRegressor, MDNSearchCV
from sklearn_mdn._estimators import plans
from sklearn_mdn._estimators.calibration import calibration_places, larger_pool, shifted
from sklearn_mdn._estimators.folds import (
    MIN_VALIDATION_ROWS,
    fold_bounds,
    held_out_folds,
    member_generator,
    row_keys,
)
from sklearn_mdn._estimators.likelihood import CALIBRATIONS, FACTORS, MixtureLikelihood
from sklearn_mdn._estimators.plans import component_centers, network_bytes
from sklearn_mdn._estimators.rows import canonical_rows
from sklearn_mdn._training import loop
from sklearn_mdn._training.loop import rows_at_once


@pytest.fixture
def data():
    rng = np.random.default_rng(0)
    X = rng.normal(size=(90, 2))
    return X, X[:, 0] + rng.normal(size=90)


def test_a_search_holds_each_folds_rows_once(data, monkeypatch):
    """Stacks of four candidates on three folds: three copies of two thirds of the rows, not twelve."""
    seen = []

    def spy(objective, params, rows, members, settings, on_epoch, group):
        seen.append((len(rows.x), len(rows.y), len(rows.weight), len(members)))
        return train(objective, params, rows, members, settings, on_epoch)

    train = plans.train
    monkeypatch.setattr(plans, "train", spy)
    grid = {"n_components": [1, 2, 3], "alpha": [0.0, 0.1], "dropout": [0.0, 0.1]}
    model = MDNRegressor(hidden_layer_sizes=(4,), max_iter=1, random_state=0)
    MDNSearchCV(model, grid, cv=3, refit=False).fit(*data)
    assert seen == [(180, 180, 180, 12)] * 3


def test_an_ensemble_holds_its_rows_once(data, monkeypatch):
    seen = []

    def spy(objective, params, rows, members, *rest):
        seen.append(len(rows.x))
        return train(objective, params, rows, members, *rest)

    train = plans.train
    monkeypatch.setattr(plans, "train", spy)
    MDNRegressor(hidden_layer_sizes=(4,), n_estimators=7, max_iter=1, random_state=0).fit(*data)
    assert seen == [90]


def test_canonical_rows_are_a_set():
    rng = np.random.default_rng(0)
    x, y = rng.integers(0, 3, size=(200, 2)).astype(float), rng.integers(0, 2, size=(200, 1)).astype(float)
    weight = rng.integers(0, 3, size=200).astype(float)
    table = canonical_rows(x, y, weight)
    order = rng.permutation(200)
    shuffled = canonical_rows(x[order], y[order], weight[order])
    repeated = canonical_rows(np.repeat(x, weight.astype(int), 0), np.repeat(y, weight.astype(int), 0), None)
    for other in (shuffled, repeated):
        for name in ("x", "y", "weight"):
            np.testing.assert_array_equal(getattr(table, name), getattr(other, name))
    rows = np.hstack([table.x, table.y])
    assert len(np.unique(rows, axis=0)) == len(rows) == 18
    assert table.weight.mean() == pytest.approx(1.0)
    first = (x == table.x[0]).all(1) & (y == table.y[0]).all(1)
    assert table.weight[0] == pytest.approx(weight[first].sum() / weight.sum() * 18)


@pytest.mark.parametrize("scale", [0.1, 1e-5, 1 / 3, np.pi, 1e-300, 1e307])
@pytest.mark.parametrize("weight", [[1] * 120, [1, 2, 3] * 40, [0, 3, 7] * 40, [0.3, 0.2] * 60])
def test_the_scale_of_weights_is_nothing_to_a_fit(scale, weight):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(120, 3))
    y, weight = X[:, 0] + 0.3 * rng.normal(size=120), np.array(weight)
    X[50], y[50] = X[51], y[51]
    model = MDNRegressor(3, hidden_layer_sizes=(4,), max_iter=2, random_state=0)
    expected = model.fit(X, y, weight).predict(X)
    np.testing.assert_array_equal(model.fit(X, y, scale * weight).predict(X), expected)


@pytest.mark.parametrize("weight", [[1e308] * 4, [1e-320] * 4, [1e308, 1e308, 1e308, 1e-320]])
def test_weights_of_any_size(weight):
    x = np.array([[0.0], [0.0], [1.0], [2.0]])
    table = canonical_rows(x, x, np.array(weight))
    expected = [1.5, 0.75, 0.75] if weight[-1] == weight[0] else [4 / 3, 2 / 3]
    np.testing.assert_allclose(table.weight, expected, rtol=1e-15)


def test_signed_zeros_are_one_row():
    table = canonical_rows(np.array([[0.0], [-0.0]]), np.array([[-0.0], [0.0]]), None)
    assert len(table) == 1
    assert not np.signbit(table.x).any()


@pytest.mark.parametrize(
    ("n_rows", "fraction", "n_folds"),
    [
        (1000, 0.1, 10),
        (105, 0.1, 10),
        (100, 0.1, 10),
        (99, 0.1, 9),
        (40, 0.1, 4),
        (39, 0.1, 3),
        (20, 0.1, 2),
        (19, 0.1, 2),
        (2, 0.1, 2),
        (1000, 0.2, 5),
        (45, 0.2, 4),
        (1000, 0.13, 8),
        (1000, 0.5, 2),
        (1000, 1e-310, 100),
        (20, 0.5, 2),
        (19, 0.5, 2),
    ],
)
def test_folds(n_rows, fraction, n_folds):
    values = np.random.default_rng(0).normal(size=(n_rows, 2))
    keys = row_keys(values, seed=3)
    folds = held_out_folds(keys, fold_bounds(keys, fraction))
    assert len(folds) == n_folds
    assert sorted(np.concatenate(folds)) == list(range(n_rows))
    assert np.ptp([len(fold) for fold in folds]) <= 1
    assert min(len(fold) for fold in folds) >= min(MIN_VALIDATION_ROWS, n_rows // 2)
    other = row_keys(values, seed=4)
    others = held_out_folds(other, fold_bounds(other, fraction))
    assert n_rows == 2 or not np.array_equal(folds[0], others[0])


def test_one_row_is_in_no_fold():
    assert len(fold_bounds(np.array([0.3]), 0.1)) == 0


def test_keys_of_rows_hang_on_their_values():
    values = np.random.default_rng(0).normal(size=(10_000, 3))
    values[::7, 1] = np.nan
    keys = row_keys(values, seed=0)
    assert (keys >= 0).all()
    assert (keys < 1).all()
    np.testing.assert_array_equal(row_keys(values[::-3], seed=0), keys[::-3])
    # Uniform and unlike those of another seed, of columns in another order and of neighbours; critical values
    # at 1e-6 of Kolmogorov-Smirnov and of the correlation of 10,000 pairs.
    assert np.abs(np.sort(keys) - (np.arange(10_000) + 0.5) / 10_000).max() < 0.027
    for other in (
        row_keys(values, seed=1),
        row_keys(values[:, ::-1], seed=0),
        row_keys(values + 1e-12, seed=0),
    ):
        assert abs(np.corrcoef(keys, other)[0, 1]) < 0.05
    same = row_keys(np.array([[0.0, np.nan], [-0.0, -np.nan]]), seed=0)
    assert same[0] == same[1]


@pytest.mark.parametrize("sizes", [[1] * 30, [10] * 20, [90, 10], [1, 98, 1], [50, 1, 1, 1, 47], [200, 3]])
def test_groups_stay_together(sizes):
    keys = np.repeat(row_keys(np.arange(float(len(sizes)))[:, None], seed=5), sizes)
    folds = held_out_folds(keys, fold_bounds(keys, 0.1))
    assert 2 <= len(folds) <= len(sizes)
    assert all(len(fold) for fold in folds)
    for one, other in pairwise(folds):
        assert not set(keys[one]) & set(keys[other])


def test_member_streams_differ_by_seed_and_member():
    draws = {
        (seed, i): tuple(torch.rand(3, generator=member_generator(seed, i)).tolist())
        for seed in range(4)
        for i in range(4)
    }
    assert len(set(draws.values())) == 16
    assert draws[2, 3] == tuple(torch.rand(3, generator=member_generator(2, 3)).tolist())


@pytest.mark.parametrize("n_targets", [1, 2, 5])
def test_centers_are_rows_spread_along_the_main_direction(n_targets):
    rng = np.random.default_rng(0)
    y = np.linspace(-2, 2, 400)[:, None] * np.arange(1, n_targets + 1) + 0.01 * rng.normal(
        size=(400, n_targets)
    )
    table = canonical_rows(np.zeros((400, 1)), y, None)
    centers = component_centers(table.y, table.weight, 4)
    assert centers.shape == (4, n_targets)
    expected = np.array([-1.5, -0.5, 0.5, 1.5])[:, None] * np.arange(1, n_targets + 1)
    np.testing.assert_allclose(centers, expected, atol=0.1)
    weighted = canonical_rows(np.zeros((400, 1)), y, np.where(np.arange(400) < 200, 1.0, 1e-9))
    assert (component_centers(weighted.y, weighted.weight, 4)[:, 0] < 0.0).all()


def test_the_bound_on_a_stack_follows_the_network(data):
    sizes = []
    for hidden in [(4,), (64, 64), (256, 256)]:
        model = MDNRegressor(hidden_layer_sizes=hidden, random_state=0)
        sizes.append(network_bytes(model._build(model._validate(*data)), "float32"))
    assert sizes[0] < sizes[1] < sizes[2]
    plan = model.set_params(n_components=30)._build(model._validate(*data))
    assert network_bytes(plan, "float32") > sizes[2]
    assert network_bytes(plan, "float64") == 2 * network_bytes(plan, "float32")


class LargestTensor(TorchDispatchMode):
    """How many numbers the largest tensor has that an operation returned."""

    numbers = 0

    def __torch_dispatch__(self, operation, types, args=(), kwargs=None):
        result = operation(*args, **(kwargs or {}))
        sizes = [leaf.numel() for leaf in tree_leaves(result) if isinstance(leaf, torch.Tensor)]
        self.numbers = max(self.numbers, *sizes, 0)
        return result


@pytest.mark.parametrize(
    ("covariance_type", "entries"), [("spherical", 3), ("diag", 3), ("full", 9), ("tied", 9)]
)
@pytest.mark.parametrize("n_components", [1, 10, 30, 300])
def test_validation_evaluates_fewer_rows_of_larger_mixtures_at_once(
    monkeypatch, covariance_type, entries, n_components
):
    calls, calibrated, n_members = [], MixtureLikelihood.calibrated, 3

    def counted(self, params, x, y):
        with LargestTensor() as largest:
            found = calibrated(self, params, x, y)
        if x.numel():
            calls.append((*x.shape[:2], largest.numbers))
        return found

    monkeypatch.setattr(MixtureLikelihood, "calibrated", counted)
    monkeypatch.setattr(loop, "VALIDATION_BLOCK", 24)
    monkeypatch.setattr(loop, "VALIDATION_NUMBERS", 10_000)
    rng = np.random.default_rng(0)
    model = MDNRegressor(n_components, covariance_type=covariance_type, n_estimators=n_members)
    model.set_params(hidden_layer_sizes=(), numerical_embedding=None, max_iter=1, random_state=0)
    model.fit(rng.normal(size=(90, 1)), rng.normal(size=(90, 3)))  # each member holds out ten rows
    numbers_a_row = len(CALIBRATIONS) * n_components * entries
    bound = max(1, min(24, 10_000 // numbers_a_row))
    assert max(rows for members, rows, _ in calls if members == 1) == bound
    for members, rows, largest in calls:
        assert rows <= -(-bound // members)
        assert largest <= members * rows * numbers_a_row
        assert largest == members * rows * numbers_a_row or covariance_type == "tied"  # one for all: fewer


def test_validation_of_small_mixtures_takes_many_rows_at_once(data):
    model = MDNRegressor()
    assert rows_at_once(MixtureLikelihood(model._build(model._validate(*data)).network)) == 1 << 14


@pytest.mark.parametrize(
    ("calibration", "shift", "expected"),
    [
        ([1.0, 4.0], -1, [0.95, 3.0]),
        ([1.35], -19, [0.5]),
        ([1.0, 3.0], 2, [1.2, 4.0]),
        ([1.0, 4.0], 0, [1.0, 4.0]),
    ],
)
def test_factors_are_shifted_along_the_table(calibration, shift, expected):
    places = shifted(calibration_places(np.array(calibration)), shift)
    assert np.array(FACTORS)[places].tolist() == expected


@pytest.mark.parametrize(("m", "size"), [(2, 10), (3, 12), (2, 2)])
def test_a_small_pool_tells_of_a_larger_one(m, size):
    """Of densities that differ by a tenth: log(mean of m), corrected, has the mean of log(mean of M)."""
    p = np.random.default_rng(0).gamma(100.0, 0.01, size=(size, 200_000))
    expected = np.log(p.mean(axis=0)).mean()
    log_density = np.log(p[:m])
    found = larger_pool(log_density, np.full(m, 1.0 / m), size / m).mean()
    plain = larger_pool(log_density, np.full(m, 1.0 / m), 1.0).mean()
    assert plain == pytest.approx(np.log(p[:m].mean(axis=0)).mean(), rel=1e-12)
    assert found == pytest.approx(expected, abs=4e-4)
    if size > m:
        assert expected - plain > 8e-4


def test_a_pool_of_one_tells_only_of_itself():
    log_density = np.array([[-1.0, -2.0]])
    assert larger_pool(log_density, np.ones(1), 10.0).tolist() == [-1.0, -2.0]


def test_an_impossible_row_stays_impossible():
    log_density = np.array([[-np.inf, -1.0], [-np.inf, -np.inf]])
    found = larger_pool(log_density, np.full(2, 0.5), 5.0)
    assert found[0] == -np.inf
    assert np.isfinite(found[1])
