"""Rows that fit reads in blocks."""

from __future__ import annotations

import tracemalloc

import narwhals
import numpy as np
import pandas
import polars
import pyarrow
import pytest
import torch

from sklearn_mdn import MDNRegressor

SETTINGS = {
    "n_components": 2,
    "hidden_layer_sizes": (8,),
    "max_iter": 3,
    "random_state": 0,
    "dtype": "float64",
}


class Sequence:
    """Rows by LightGBM's protocol, which remembers what was asked for."""

    batch_size = 64

    def __init__(self, array):
        self.array, self.asked = array, []

    def __len__(self):
        return len(self.array)

    def __getitem__(self, rows):
        self.asked.append(rows)
        return self.array[rows]


def problem(n=400, seed=0):
    rng = np.random.default_rng(seed)
    X = rng.normal(size=(n, 3)) + [0.0, 5.0, -1.0]
    return X, np.sin(X[:, 0]) + 0.1 * rng.normal(size=n)


def assert_same_predictions(one, other, X, rtol=0.0):
    for part in ("weights", "means", "covariances"):
        found, expected = (getattr(model.predict_distribution(X), part) for model in (one, other))
        np.testing.assert_allclose(found, expected, rtol=rtol, atol=rtol)


def on_disk(folder, array):
    path = folder / "rows.npy"
    np.save(path, array)
    return np.load(path, mmap_mode="r")


def test_one_buffer_and_batch_is_the_fit_in_memory():
    X, y = problem()
    weight = np.random.default_rng(1).uniform(0.5, 2.0, len(y))
    settings = SETTINGS | {"batch_size": 400, "early_stopping": False}
    streamed = MDNRegressor(**settings).fit(Sequence(X), y, sample_weight=weight)
    whole = MDNRegressor(**settings).fit(X, y, sample_weight=weight)
    np.testing.assert_allclose(streamed.X_offset_, whole.X_offset_, rtol=1e-12)
    np.testing.assert_allclose(streamed.X_scale_, whole.X_scale_, rtol=1e-12)
    np.testing.assert_allclose(streamed.loss_curve_[0], whole.loss_curve_[0], rtol=1e-9)
    assert_same_predictions(streamed, whole, X, rtol=1e-7)


@pytest.mark.parametrize(
    "parameters",
    [{}, {"n_estimators": 5}, {"early_stopping": False}, {"dropout": 0.1, "dtype": "float32"}],
    ids=["defaults", "ensemble", "all rows", "dropout"],
)
def test_memory_maps_and_sequences_are_alike(tmp_path, parameters):
    X, y = problem()
    settings = SETTINGS | {"buffer_size": 100} | parameters
    by_map = MDNRegressor(**settings).fit(on_disk(tmp_path, X), y)
    by_sequence = MDNRegressor(**settings).fit(Sequence(X), Sequence(y))
    assert_same_predictions(by_map, by_sequence, X)
    held_out = parameters.get("early_stopping", True)
    assert all(len(scores) == 3 * held_out for scores in by_map.validation_scores_)
    assert by_map.n_iter_.tolist() == [3] * by_map.n_estimators


def test_a_memory_map_that_the_buffer_holds_is_an_array(tmp_path):
    X, y = problem()
    assert_same_predictions(
        MDNRegressor(**SETTINGS).fit(on_disk(tmp_path, X), y), MDNRegressor(**SETTINGS).fit(X, y), X
    )


def test_an_epoch_reads_each_block_once_and_leaves_out_what_is_held_out():
    X, y = problem()
    source = Sequence(X)
    MDNRegressor(**(SETTINGS | {"buffer_size": 100})).fit(source, y)
    asked = [(rows.start, rows.stop) for rows in source.asked if rows.stop - rows.start > 1]
    blocks = sorted(set(asked))
    assert [stop for _, stop in blocks[:-1]] == [start for start, _ in blocks[1:]]
    assert max(stop - start for start, stop in blocks) <= 100 // 8
    # Once for the moments; then held-out ones once more, and the others once an epoch.
    times = [asked.count(block) for block in blocks]
    assert set(times) == {2, 1 + 3}
    assert 1 <= times.count(2) <= len(blocks) // 5
    orders = [asked[len(blocks) + times.count(2) :][i :: times.count(4)] for i in range(times.count(4))]
    assert any(len(set(order)) > 1 for order in orders)


def test_ensembles_hold_out_two_folds_or_more_and_gaps_are_learned():
    X, y = problem(800)
    X[::5, 1] = np.nan
    model = MDNRegressor(**(SETTINGS | {"buffer_size": 300, "n_estimators": 4})).fit(Sequence(X), y)
    assert model.X_gaps_.tolist() == [False, True, False]
    assert len(set(model.best_validation_score_)) == 4
    assert np.isfinite(model.score(X, y))
    assert model.n_features_in_ == 3


def test_warm_starts_go_on():
    X, y = problem()
    model = MDNRegressor(**(SETTINGS | {"buffer_size": 100, "warm_start": True})).fit(Sequence(X), y)
    offset = model.X_offset_
    model.fit(Sequence(X + 1.0), y)
    np.testing.assert_array_equal(model.X_offset_, offset)
    assert model.n_iter_.tolist() == [6]


def test_moments_of_blocks_are_those_of_all():
    X, y = problem(1000)
    X[:, 1] = 1e6 + 1e-3 * X[:, 1]
    X[:, 2] = 7.0
    model = MDNRegressor(**(SETTINGS | {"buffer_size": 80, "max_iter": 1})).fit(Sequence(X), y)
    np.testing.assert_allclose(model.X_offset_, X.mean(0), rtol=1e-12)
    np.testing.assert_allclose(model.X_scale_[:2], X.std(0)[:2], rtol=1e-6)
    assert model.X_scale_[2] == 1.0


class Generated(Sequence):
    """Rows that are nowhere until they are asked for."""

    def __init__(self, n):
        self.n = n

    def __len__(self):
        return self.n

    def __getitem__(self, rows):
        return np.random.default_rng(rows.start).normal(size=(min(rows.stop, self.n) - rows.start, 20))


def test_memory_is_the_buffer(monkeypatch):
    """In bytes that NumPy allocates, and of the buffers that PyTorch does; the table would take 8 MB."""
    n, buffer = 50_000, 4_000
    settings = SETTINGS | {"buffer_size": buffer, "max_iter": 1, "batch_size": 2_000, "dtype": "float32"}
    y = np.random.default_rng(0).normal(size=n)
    MDNRegressor(**settings).fit(Generated(1_000), y[:1_000])
    buffers, allocate = [], torch.empty
    monkeypatch.setattr(torch, "empty", lambda *a, **k: buffers.append(allocate(*a, **k)) or buffers[-1])
    peaks = []
    for size in (n // 2, n):
        tracemalloc.start()
        MDNRegressor(**settings).fit(Generated(size), y[:size])
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
        # Inputs, a target and a weight in the buffer; a quarter of it again, and as much of the sample.
        most = buffer * 22 * 4 * 1.3 + (1 << 14) * 22 * 4
        assert 0 < sum(tensor.nbytes for tensor in buffers) < most
        buffers.clear()
    # A block, held-out rows of a quarter of the buffer, sampled targets; for more rows only their order.
    assert peaks[1] < n * 20 * 8
    assert peaks[1] - peaks[0] < 0.15 * (n // 2) * 20 * 8


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda X, y: (Sequence(X), y[:-1]), "equally many rows"),
        (lambda X, y: (Sequence(X[:, 0]), y), "shape"),
        (lambda X, y: (Sequence(X.astype(str)), y), "numbers"),
        (lambda X, y: (Sequence(np.where(X > 5.0, np.inf, X)), y), "infinity"),
        (lambda X, y: (Sequence(X), np.where(y > 0.0, np.nan, y)), "Input y contains NaN"),
    ],
)
def test_what_cannot_be_trained_on_is_refused(change, message):
    with pytest.raises(ValueError, match=message):
        MDNRegressor(**SETTINGS).fit(*change(*problem()))


def test_rows_to_watch_and_groups_go_with_a_table_in_memory():
    X, y = problem()
    with pytest.raises(ValueError, match="read in blocks"):
        MDNRegressor(**SETTINGS).fit(Sequence(X), y, groups=np.arange(len(y)))


FRAMES = {
    "pandas": lambda columns: pandas.DataFrame(columns),
    "pyarrow": lambda columns: pyarrow.table(columns),
    "polars": lambda columns: polars.DataFrame(columns),
}


class Frames(Sequence):
    """Rows of a frame, in frames."""

    def __getitem__(self, rows):
        return narwhals.from_native(self.array, eager_only=True)[rows].to_native()


@pytest.mark.parametrize("kind", FRAMES)
def test_blocks_may_be_frames_of_numbers(kind):
    X, y = problem()
    frame = FRAMES[kind]({f"x{i}": X[:, i] for i in range(3)})
    streamed = MDNRegressor(**SETTINGS).fit(Frames(frame), y)
    assert_same_predictions(streamed, MDNRegressor(**SETTINGS).fit(Sequence(X), y), X)


@pytest.mark.parametrize("kind", FRAMES)
@pytest.mark.parametrize("first", [0, 200])
def test_categories_in_blocks_are_refused_by_name(kind, first):
    X, y = problem()
    labels = np.where(np.arange(400) < first, np.nan, 0.0).astype(object)
    labels[first:] = "red"
    labels[:first] = None if first else labels[:first]
    frame = FRAMES[kind]({"size": X[:, 0], "colour": labels})
    with pytest.raises(ValueError, match=r"categories: 'colour'.*partial_fit"):
        MDNRegressor(**SETTINGS).fit(Frames(frame), y)


@pytest.mark.parametrize("declared", [[1], ["x1"], [False, True, False]])
def test_declared_categories_do_not_go_with_blocks(declared):
    X, y = problem()
    with pytest.raises(ValueError, match=r"categorical_features must be.*partial_fit"):
        MDNRegressor(**SETTINGS, categorical_features=declared).fit(Sequence(X), y)


def test_texts_in_blocks_are_refused_with_a_way_out():
    X, y = problem()
    with pytest.raises(ValueError, match=r"must give numbers.*partial_fit"):
        MDNRegressor(**SETTINGS).fit(Sequence(X.astype(object)), y)
