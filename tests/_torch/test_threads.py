"""Small steps take one thread, and every fit leaves torch's thread count as it was."""

from __future__ import annotations

import threading

import numpy as np
import pytest
import torch

from sklearn_mdn import MDNRegressor
from sklearn_mdn._torch.threads import MIN_PARALLEL_ROWS, threads_for
from sklearn_mdn._training import loop


@pytest.fixture(autouse=True)
def three_threads():
    before = torch.get_num_threads()
    torch.set_num_threads(3)
    yield
    torch.set_num_threads(before)


@pytest.mark.parametrize(("rows", "expected"), [(1, 1), (MIN_PARALLEL_ROWS - 1, 1), (MIN_PARALLEL_ROWS, 3)])
def test_steps_get_what_they_are_worth(rows, expected):
    with threads_for(rows):
        assert torch.get_num_threads() == expected
    assert torch.get_num_threads() == 3


@pytest.mark.parametrize(
    ("n_rows", "n_estimators", "expected"),
    [(40, 1, 1), (2 * MIN_PARALLEL_ROWS, 1, 3), (MIN_PARALLEL_ROWS // 2, 4, 3)],
)
def test_training_runs_on_them(n_rows, n_estimators, expected, monkeypatch):
    seen = []

    def spy(*arguments):
        seen.append(torch.get_num_threads())
        return run_epoch(*arguments)

    run_epoch = loop.run_epoch
    monkeypatch.setattr(loop, "run_epoch", spy)
    X = np.random.default_rng(0).normal(size=(n_rows, 1))
    MDNRegressor(
        hidden_layer_sizes=(4,), max_iter=2, batch_size=n_rows, n_estimators=n_estimators, random_state=0
    ).fit(X, X[:, 0])
    assert seen == [expected] * 2
    assert torch.get_num_threads() == 3


def test_a_failing_fit_leaves_the_count():
    def fail():
        with threads_for(1):
            raise FloatingPointError("no finite step")

    with pytest.raises(FloatingPointError):
        fail()
    assert torch.get_num_threads() == 3


def test_fits_side_by_side_leave_the_count():
    """The first to enter is the first to leave; nobody takes the other's one thread for what was before."""
    entered, may_leave, left = threading.Event(), threading.Event(), threading.Event()

    def first():
        with threads_for(1):
            entered.set()
            assert may_leave.wait(60)
        left.set()

    def count_in_new_thread():
        found = []
        thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        return found[0]

    other = threading.Thread(target=first)
    other.start()
    assert entered.wait(60)
    with threads_for(1):
        may_leave.set()
        assert left.wait(60)
        assert torch.get_num_threads() == 1
    other.join()
    assert torch.get_num_threads() == 3
    assert count_in_new_thread() == 3
