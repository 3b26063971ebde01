"""Small work takes one thread, what there was before comes back, and forked children have what they need."""

from __future__ import annotations

import os
import subprocess
import sys
import threading

import numpy as np
import pytest
import torch

from sklearn_mdn import MDNRegressor
from sklearn_mdn._torch.threads import (
    MIN_PARALLEL_NUMBERS,
    MIN_PARALLEL_ROWS,
    SERIAL_NUMBERS,
    single_thread,
    threads_for,
    threads_for_numbers,
)
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
    ("numbers", "expected"),
    [(SERIAL_NUMBERS - 1, 3), (SERIAL_NUMBERS, 1), (MIN_PARALLEL_NUMBERS - 1, 1), (MIN_PARALLEL_NUMBERS, 3)],
)
def test_other_work_gets_what_its_numbers_are_worth(numbers, expected):
    with threads_for_numbers(numbers):
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


def test_a_thread_born_meanwhile_has_what_it_would_have_had():
    found = []
    with single_thread():
        thread = threading.Thread(target=lambda: found.append(torch.get_num_threads()))
        thread.start()
        thread.join()
        assert torch.get_num_threads() == 1
    assert found == [3]


PREDICTIONS = """
import multiprocessing
import sys

import joblib
import numpy as np
import torch

from sklearn_mdn import MDNRegressor

X = np.random.default_rng(0).normal(size=(700, 4))
Y = np.column_stack([X[:, 0], X[:, 1] * X[:, 2]])
small = dict(hidden_layer_sizes=(9,), batch_size=300, max_iter=2, random_state=0, dtype="float64")


def answers(_):
    model = MDNRegressor(2, n_estimators=8, **small).fit(X, Y)
    joint = model.predict_distribution(X)
    one = joint[:40].marginal(0)
    return [
        model.coefs_[0], model.calibration_, model.predict(X), joint.std(), joint.ppf(0.1),
        joint.logpdf(Y), joint.energy_score(Y, n_samples=64), one.hdr(0.8)[1], one.entropy(),
        one.crps(Y[:40, 0]), one.rvs(3, random_state=0),
    ]


found = [answers(None)]
if sys.argv[1] == "2":
    torch.ones(1 << 22).exp_().sum()  # now the threads are there that a child has not
    with multiprocessing.get_context("fork").Pool(1) as pool:
        found += pool.map(answers, [None])
    with joblib.parallel_config("multiprocessing"):
        found += joblib.Parallel(n_jobs=2)(joblib.delayed(answers)(None) for _ in range(2))
    assert torch.get_num_threads() == 2
np.savez(sys.argv[2], *(np.stack(values) for values in zip(*found)))
"""


def found_with(n_threads, path):
    """What the program above finds with so many threads; a child that waits for ever is ended."""
    environment = {**os.environ, "OMP_NUM_THREADS": str(n_threads), "MKL_NUM_THREADS": str(n_threads)}
    command = [sys.executable, "-c", PREDICTIONS, str(n_threads), path]
    run = subprocess.run(command, env=environment, capture_output=True, text=True, timeout=600, check=False)
    assert run.returncode == 0, run.stderr
    with np.load(path) as stored:
        return list(stored.values())


@pytest.mark.skipif(sys.platform == "win32", reason="there is no forking")
def test_forked_children_answer_and_the_thread_count_is_nothing_to_the_answers(tmp_path):
    alone, among_two = (found_with(count, str(tmp_path / f"{count}.npz")) for count in (1, 2))
    for one, several in zip(alone, among_two, strict=True):
        assert len(several) == 4
        np.testing.assert_allclose(several, np.broadcast_to(one, several.shape), rtol=1e-8, atol=1e-8)
