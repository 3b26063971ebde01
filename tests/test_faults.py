"""Faults at every time of a fit: the estimator is as it was before, and goes on as if there had been none."""

from __future__ import annotations

import copy
import pickle
import sys
from pathlib import Path

import joblib
import numpy as np
import pytest
import torch
from sklearn.linear_model import BayesianRidge
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import sklearn_mdn
from sklearn_mdn import DensityPool, GaussianDensity, MDNRegressor, MDNSearchCV
from sklearn_mdn._training import loop

PACKAGE = str(Path(sklearn_mdn.__file__).parent)
N_EPOCHS = 4
GRID = {"n_components": [1, 2]}


def rows(n=40, n_features=2, seed=0):
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(n, n_features))
    return X, X[:, 0] + 0.3 * generator.normal(size=n)


def network(**parameters):
    settings = {"n_components": 2, "hidden_layer_sizes": (3,), "max_iter": N_EPOCHS, "random_state": 0}
    return MDNRegressor(**{**settings, "dtype": "float64", **parameters})


def pool(**parameters):
    parts = [
        ("linear", GaussianDensity(BayesianRidge())),
        ("one", network()),
        ("two", make_pipeline(StandardScaler(), network(n_estimators=2))),
    ]
    return DensityPool(parts, **parameters)


def search(**parameters):
    return MDNSearchCV(network(), GRID, **{"cv": 2, **parameters})


KINDS = {
    "network": network,
    "ensemble": lambda: network(n_estimators=2),
    "warm start": lambda: network(warm_start=True),
    "pool": pool,
    "search": search,
    "stacking": lambda: search(refit="stacking"),
    "search of a pipeline": lambda: MDNSearchCV(
        make_pipeline(StandardScaler(), network()), {"mdnregressor__n_components": [1, 2]}, cv=2
    ),
}


class Snapshot:
    """An estimator as it was, down to what its attributes hold."""

    def __init__(self, estimator):
        self.attributes = dict(vars(estimator))
        self.bytes = pickle.dumps(self.attributes)
        self.random = torch.get_rng_state(), np.random.get_state()[1]  # noqa: NPY002

    def assert_unchanged(self, estimator):
        now = vars(estimator)
        assert list(now) == list(self.attributes)
        assert all(now[name] is value for name, value in self.attributes.items())
        assert pickle.dumps(now) == self.bytes
        assert torch.equal(torch.get_rng_state(), self.random[0])
        np.testing.assert_array_equal(np.random.get_state()[1], self.random[1])  # noqa: NPY002
        assert not torch.is_inference_mode_enabled()


def prepare(kind, fitted):
    """An estimator, fitted to other features or not, and new rows that it is to be fitted to."""
    estimator = KINDS[kind]()
    if fitted:
        estimator.fit(*rows(n_features=2 if kind == "warm start" else 3, seed=1))
    return estimator, *rows()


# Callbacks


class Fails:
    """A callback with an error of its own at one event."""

    def __init__(self, hook, task, number, error):
        self.event, self.error = (hook, task, number), error

    def met(self, *event):
        if event == self.event:
            raise self.error("of the callback")

    def setup(self, estimator, context):
        self.met("setup", context.task_name, 0)

    def teardown(self, estimator, context):
        self.met("teardown", context.task_name, 0)

    def on_fit_task_begin(self, estimator, context):
        self.met("begin", context.task_name, context.task_id)

    def on_fit_task_end(self, estimator, context):
        self.met("end", context.task_name, context.task_id)


OF_FITS = [("setup", "fit", 0), ("begin", "fit", 0), ("end", "fit", 0), ("teardown", "fit", 0)]
OF_EPOCHS = [(hook, "epoch", epoch) for hook in ("begin", "end") for epoch in (0, 1, N_EPOCHS - 1)]
SUBTASKS = [("search", 0), ("stack", 0), ("refit", 1)]
OF_SEARCHES = [(hook, *task) for hook in ("begin", "end") for task in SUBTASKS]
FAULTS = [("network", event) for event in OF_FITS + OF_EPOCHS]
FAULTS += [("ensemble", event) for event in OF_FITS[2:] + OF_EPOCHS[-2:]]
FAULTS += [("warm start", event) for event in OF_FITS + OF_EPOCHS]
FAULTS += [("search", event) for event in OF_FITS + OF_EPOCHS + OF_SEARCHES]
FAULTS += [("stacking", event) for event in OF_FITS[2:] + OF_EPOCHS[-2:] + OF_SEARCHES[-3:]]


@pytest.mark.parametrize(("fitted", "error"), [(True, KeyboardInterrupt), (False, ValueError)])
@pytest.mark.parametrize(("kind", "event"), FAULTS, ids=str)
def test_an_error_of_a_callback(kind, event, fitted, error):
    estimator, X, y = prepare(kind, fitted)
    estimator.set_callbacks(Fails(*event, error))
    before = Snapshot(estimator)
    with pytest.raises(error, match="of the callback"):
        estimator.fit(X, y)
    before.assert_unchanged(estimator)


@pytest.mark.parametrize("event", OF_EPOCHS[1:4:2], ids=str)
def test_an_error_of_a_callback_of_one_in_a_pool(event):
    estimator, X, y = prepare("pool", fitted=True)
    estimator.get_params()["one"].set_callbacks(Fails(*event, KeyboardInterrupt))
    before = Snapshot(estimator)
    with pytest.raises(KeyboardInterrupt, match="of the callback"):
        estimator.fit(X, y)
    before.assert_unchanged(estimator)


@pytest.mark.parametrize("error", [KeyboardInterrupt, ValueError])
def test_an_error_of_a_callback_in_a_worker(error):
    estimator, X, y = prepare("search", fitted=True)
    estimator.set_params(n_jobs=2, cv=3).set_callbacks(Fails("begin", "epoch", 2, error))
    before = Snapshot(estimator)
    with pytest.raises(error, match="of the callback"):
        estimator.fit(X, y)
    before.assert_unchanged(estimator)
    assert (estimator.n_splits_, "split2_test_score" in estimator.cv_results_) == (2, False)


@pytest.mark.parametrize("refit", [True, "stacking"])
def test_networks_that_cannot_be_trained_in_a_worker(refit):
    """Their error crosses to the process that waits for it, which goes on as it was."""
    estimator, X, y = prepare("search", fitted=True)
    estimator.set_params(n_jobs=2, refit=refit, error_score="raise", estimator__learning_rate_init=1e300)
    before = Snapshot(estimator)
    with pytest.raises(FloatingPointError, match=r"cannot be trained: .*, epoch [12] of 4"):
        estimator.fit(X, y)
    before.assert_unchanged(estimator)


@pytest.mark.parametrize("event", [*OF_FITS, *OF_EPOCHS], ids=str)
def test_a_warm_start_goes_on_as_if_there_had_been_no_fault(event):
    estimator, X, y = prepare("warm start", fitted=True)
    twin = copy.deepcopy(estimator).fit(X, y)
    with pytest.raises(KeyboardInterrupt):
        estimator.set_callbacks(Fails(*event, KeyboardInterrupt)).fit(X, y)
    estimator.set_callbacks().fit(X, y)
    np.testing.assert_array_equal(estimator.predict(X), twin.predict(X))
    assert estimator.n_iter_.tolist() == [2 * N_EPOCHS]


# Ctrl-C anywhere


class Interrupt:
    """Counts the lines of the package's code that run, and is Ctrl-C at one of them."""

    def __init__(self, at=None):
        self.at, self.count = at, 0

    def __call__(self, frame, event, arg):
        if event == "call" and not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line":
            self.count += 1
            if self.count == self.at:
                raise KeyboardInterrupt
        return self

    def fit(self, estimator, X, y):
        before = sys.gettrace()
        sys.settrace(self)
        try:
            estimator.fit(X, y)
        finally:
            sys.settrace(before)


N_PLACES = 6


@pytest.mark.parametrize("fitted", [True, False])
@pytest.mark.parametrize("kind", KINDS)
def test_an_interrupt_at_any_line(kind, fitted):
    estimator, X, y = prepare(kind, fitted)
    whole = Interrupt()
    whole.fit(copy.deepcopy(estimator), X, y)
    before = Snapshot(estimator)
    # Early and late lines, where attributes change, and some between.
    places = np.unique(np.geomspace(1, whole.count - 1, N_PLACES).astype(int))
    for at in np.unique(np.concatenate([places, whole.count - places])).tolist():
        with pytest.raises(KeyboardInterrupt):
            Interrupt(at).fit(estimator, X, y)
        before.assert_unchanged(estimator)
    fresh = copy.deepcopy(estimator)
    np.testing.assert_array_equal(estimator.fit(X, y).predict(X), fresh.fit(X, y).predict(X))


# Out of memory, and what is not finite


def failing_step(monkeypatch, at, what):
    """Let one step of the training, counted over all fits, and those behind it go wrong."""
    steps, right = [], loop.loss_and_gradient

    def wrong(*arguments):
        steps.append(1)
        if len(steps) < at:
            return right(*arguments)
        if what == "not finite":
            return tuple(torch.full_like(values, torch.nan) for values in right(*arguments))
        raise what

    monkeypatch.setattr(loop, "loss_and_gradient", wrong)
    return steps


MEMORY = {
    "MemoryError": MemoryError("cannot allocate"),
    "torch's": torch.cuda.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"),
    "torch's on the CPU": RuntimeError("DefaultCPUAllocator: can't allocate memory"),
}


@pytest.mark.parametrize("at", [1, 2, N_EPOCHS])
@pytest.mark.parametrize("what", MEMORY)
@pytest.mark.parametrize("kind", ["network", "ensemble", "warm start", "pool"])
def test_out_of_memory(kind, what, at, monkeypatch):
    estimator, X, y = prepare(kind, fitted=True)
    before = Snapshot(estimator)
    expected = estimator.predict(X if kind == "warm start" else rows(n_features=3)[0])
    with monkeypatch.context() as patch:
        failing_step(patch, at, MEMORY[what])
        with pytest.raises((MemoryError, RuntimeError), match="alloc"):
            estimator.fit(X, y)
    before.assert_unchanged(estimator)
    again = estimator.predict(X if kind == "warm start" else rows(n_features=3)[0])
    np.testing.assert_array_equal(again, expected)
    assert np.isfinite(estimator.fit(X, y).predict(X)).all()


@pytest.mark.parametrize("at", [1, 2, N_EPOCHS])
@pytest.mark.parametrize("kind", ["network", "ensemble", "warm start", "pool"])
def test_no_finite_step_in_an_epoch(kind, at, monkeypatch):
    estimator, X, y = prepare(kind, fitted=True)
    before = Snapshot(estimator)
    with monkeypatch.context() as patch:
        failing_step(patch, at, "not finite")
        with pytest.raises(FloatingPointError, match="cannot be trained"):
            estimator.fit(X, y)
    before.assert_unchanged(estimator)
    assert np.isfinite(estimator.fit(X, y).predict(X)).all()


@pytest.mark.parametrize("what", [*MEMORY, "not finite"])
@pytest.mark.parametrize("error_score", ["raise", np.nan])
@pytest.mark.parametrize(("kind", "n_jobs"), [("search", 1), ("search", 2), ("stacking", 2)])
def test_every_stack_of_a_search_goes_wrong(kind, n_jobs, error_score, what, monkeypatch):
    """A search reports what its networks died of, as GridSearchCV does, and stays as it was."""
    estimator, X, y = prepare(kind, fitted=True)
    estimator.set_params(error_score=error_score, cv=3)
    before = Snapshot(estimator)
    failing_step(monkeypatch, 2, MEMORY.get(what, what))
    expected = (MemoryError, RuntimeError, FloatingPointError) if error_score == "raise" else ValueError
    with (
        joblib.parallel_config(backend="threading", n_jobs=n_jobs),
        pytest.raises(expected, match=r"alloc|cannot be trained"),
    ):
        estimator.fit(X, y)
    before.assert_unchanged(estimator)


@pytest.mark.parametrize("before_the_end", [0, N_EPOCHS - 2])
def test_a_refit_that_goes_wrong(before_the_end, monkeypatch):
    estimator, X, y = prepare("search", fitted=True)
    estimator.set_params(cv=4)
    with monkeypatch.context() as patch:
        steps = failing_step(patch, np.inf, None)
        copy.deepcopy(estimator).fit(X, y)
    before = Snapshot(estimator)
    failing_step(monkeypatch, len(steps) - before_the_end, MEMORY["MemoryError"])
    with pytest.raises(MemoryError):
        estimator.fit(X, y)
    before.assert_unchanged(estimator)
    assert (estimator.n_splits_, "split3_test_score" in estimator.cv_results_) == (2, False)
