"""Steps that are recorded once and replayed are the steps themselves."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from sklearn_mdn import MDNRegressor
from sklearn_mdn._torch.replay import RECORDERS, WARM_UP, replayed
from tests._torch.tape import recorder

CPU = torch.device("cpu")


@pytest.fixture
def tapes(monkeypatch):
    found = []
    monkeypatch.setitem(RECORDERS, "cpu", recorder(found))
    return found


def running_sum():
    total = torch.zeros(2)

    def add(x):
        total.add_(x)
        return total * 2.0, x.sum().unsqueeze(0)

    return total, add


def test_a_replay_does_what_the_function_does(tapes):
    inputs = [torch.tensor([float(i), 1.0]) for i in range(2 * WARM_UP)]
    expected_total, expected = running_sum()
    total, add = running_sum()
    again = replayed(add, CPU)
    answers = [again(x) for x in inputs]
    for x, (double, summed) in zip(inputs, answers, strict=True):
        for found, right in zip((double, summed), expected(x), strict=True):
            assert torch.equal(found, right)
    assert torch.equal(total, expected_total)
    assert len(tapes) == 1


def test_without_a_recorder_it_is_the_function_itself():
    _, add = running_sum()
    assert replayed(add, CPU) is add


def test_other_shapes_are_recorded_anew(tapes):
    again = replayed(lambda x: (x + 1.0,), CPU)
    for size in (2, 3):
        for i in range(2 * WARM_UP):
            assert torch.equal(again(torch.full((size,), float(i)))[0], torch.full((size,), i + 1.0))
    assert len(tapes) == 2


def test_what_python_looks_at_is_not_recorded(tapes):
    again = replayed(lambda x: (x * float(x[0]),), CPU)
    answers = [again(torch.tensor([float(i)]))[0].item() for i in range(WARM_UP + 2)]
    assert answers[: WARM_UP + 1] == [i**2 for i in range(WARM_UP + 1)]
    assert answers[-1] == WARM_UP * (WARM_UP + 1)


def test_a_device_that_refuses_is_said_once_and_goes_on(monkeypatch):
    def refuse(work, device):
        raise RuntimeError("operation not permitted")

    monkeypatch.setitem(RECORDERS, "cpu", refuse)
    total, add = running_sum()
    again = replayed(add, CPU)
    for _ in range(WARM_UP):
        again(torch.ones(2))
    with pytest.warns(RuntimeWarning, match=r"cpu did not record a step.*not permitted"):
        again(torch.ones(2))
    again(torch.ones(2))
    assert total.tolist() == [WARM_UP + 2.0] * 2


CASES = {
    "one": {},
    "embeddings": {"numerical_embedding": "both", "hidden_layer_sizes": (8, 8)},
    "members that leave early": {"n_estimators": 4, "max_iter": 20, "n_iter_no_change": 1},
    "members with fewer steps": {"n_estimators": 3, "batch_size": 7},
    "dropout": {"n_estimators": 2, "dropout": 0.2},
    "clipped": {"clip_grad_value": 0.01, "clip_grad_norm": 0.1},
    "full": {"covariance_type": "full"},
    "tied": {"covariance_type": "tied", "activation": "gelu"},
    "spherical": {"covariance_type": "spherical", "activation": "tanh"},
}


@pytest.mark.parametrize("parameters", CASES.values(), ids=CASES)
def test_fits_of_recorded_steps_have_the_same_bits(parameters, monkeypatch):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(60, 2))
    y = np.column_stack([np.sin(2 * X[:, 0]), X[:, 1]]) + 0.3 * generator.normal(size=(60, 2))
    weight = generator.uniform(0.5, 2.0, size=60)
    settings = {"hidden_layer_sizes": (8,), "max_iter": 4, "batch_size": 16, "random_state": 0} | parameters
    expected = MDNRegressor(**settings).fit(X, y, sample_weight=weight)
    tapes = []
    monkeypatch.setitem(RECORDERS, "cpu", recorder(tapes))
    found = MDNRegressor(**settings).fit(X, y, sample_weight=weight)
    assert tapes
    for curve, right in zip(found.loss_curve_, expected.loss_curve_, strict=True):
        np.testing.assert_array_equal(curve, right)
    for part in ("weights", "means", "covariances"):
        there, here = (getattr(model.predict_distribution(X), part) for model in (found, expected))
        np.testing.assert_array_equal(there, here)


def test_a_stack_is_recorded_once_until_members_leave(tapes):
    X = np.random.default_rng(0).normal(size=(64, 1))
    MDNRegressor(hidden_layer_sizes=(4,), batch_size=8, max_iter=5, early_stopping=False, random_state=0).fit(
        X, X[:, 0]
    )
    assert len(tapes) == 1


@pytest.mark.parametrize("censored", [False, True])
def test_what_is_recorded_lies_on_the_device(censored, tapes):
    """No operation of a step makes a tensor of numbers that Python has: that is a copy from the host."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(64, 2))
    y = X[:, 0] + generator.normal(size=64)
    ends = {"y_upper": np.where(y > 0.5, np.inf, y)} if censored else {}
    MDNRegressor(hidden_layer_sizes=(4,), batch_size=8, max_iter=2, random_state=0).fit(X, y, **ends)
    names = {call[0].name() for tape in tapes for call in tape.calls}
    assert names
    assert not names & {"aten::_local_scalar_dense", "aten::lift_fresh", "aten::item", "aten::nonzero"}
    assert not {name for name in names if name.startswith("aten::rand")}
