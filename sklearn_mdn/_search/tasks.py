"""Candidates of a search on splits: what comes before their networks is fitted, the networks form stacks."""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pickle import PicklingError
from traceback import format_exception
from typing import Any, Self, final

import joblib
import numpy as np
import torch
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator, clone
from sklearn.callback import CallbackContext
from sklearn.pipeline import Pipeline
from sklearn.utils.validation import validate_data

from sklearn_mdn._estimators.capacity import check_device, naming_training_memory
from sklearn_mdn._estimators.plans import Plan, Trained, network_bytes, stack_key, train_plans
from sklearn_mdn._estimators.regressor import MDNRegressor
from sklearn_mdn._estimators.rows import TrainingSet
from sklearn_mdn._training.loop import TrainingState

# Parameters of the network on which hangs what it makes of its rows.
READ_WITH = ("categorical_features", "numerical_embedding", "resolution", "support", "limits")


@final
@dataclass
class Task:
    """One candidate on one split: its estimator, and what becomes of it."""

    estimator: BaseEstimator
    candidate: int
    split: int
    test: NDArray[np.intp]
    plan: Plan | None = None
    fit_time: float = 0.0
    score_time: float = 0.0
    error: Exception | None = None
    traceback: str | None = None
    test_scores: float | dict[str, float] | None = None
    train_scores: float | dict[str, float] | None = None

    @property
    def network(self) -> MDNRegressor:
        """The network in an estimator that is known to have one."""
        network = network_of(self.estimator)
        assert network is not None
        return network

    @property
    def pending(self) -> Plan:
        """The plan of a task that is known to have one."""
        assert self.plan is not None
        return self.plan

    @contextmanager
    def attempt(self, timed: str, error_score: float | str) -> Iterator[None]:
        """Add the time of the block to ``timed``, and keep an error of it unless it is to be raised."""
        start = time.perf_counter()
        try:
            yield
        except Exception as error:
            if error_score == "raise":
                raise
            self.fail(error)
        finally:
            setattr(self, timed, getattr(self, timed) + time.perf_counter() - start)

    def fail(self, error: Exception) -> None:
        self.error, self.plan = error, None
        self.traceback = "".join(format_exception(error))


@final
@dataclass(frozen=True)
class Prepared:
    """What the steps before the network make of a split; candidates that differ behind them share it."""

    steps: dict[str, Any]
    X: ArrayLike
    data: TrainingSet


class _Recorder(MDNRegressor):
    """Stands in for the network while a pipeline fits its transformers, and keeps what arrives."""

    @classmethod
    def of(cls, network: MDNRegressor) -> _Recorder:
        recorder = cls()
        recorder.__dict__.update(vars(clone(network)))  # parameters and metadata requests
        return recorder

    # What is wrong about its arguments is said as the network's fit would.
    def fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        y_upper: ArrayLike | None = None,
        X_val: ArrayLike | None = None,
        y_val: ArrayLike | None = None,
        y_upper_val: ArrayLike | None = None,
        sample_weight_val: ArrayLike | None = None,
        groups: ArrayLike | None = None,
    ) -> Self:
        self.arrived_: dict[str, Any] = {
            "X": X,
            "y": y,
            "sample_weight": sample_weight,
            "y_upper": y_upper,
            "X_val": X_val,
            "y_val": y_val,
            "y_upper_val": y_upper_val,
            "sample_weight_val": sample_weight_val,
            "groups": groups,
        }
        return self

    fit.__qualname__ = "MDNRegressor.fit"


def network_of(estimator: BaseEstimator) -> MDNRegressor | None:
    """The network to be trained: the estimator, or the last step of the pipeline that it is."""
    last = estimator.steps[-1][1] if isinstance(estimator, Pipeline) else estimator
    return last if isinstance(last, MDNRegressor) else None


def prepare(
    task: Task,
    parameters: Mapping[str, Any],
    X: ArrayLike,
    y: ArrayLike,
    fit_params: dict[str, Any],
    cache: dict[tuple[int, str | int], Prepared],
) -> None:
    """Fit what comes before the network, unless another candidate has done it, and plan the network's fit."""
    estimator, network = task.estimator, task.network
    name = estimator.steps[-1][0] if isinstance(estimator, Pipeline) else ""
    before = {key: value for key, value in parameters.items() if name and not key.startswith(f"{name}__")}
    before |= {setting: vars(network)[setting] for setting in READ_WITH}
    try:
        key = (task.split, joblib.hash(before))
    except (PicklingError, AttributeError, TypeError):  # what cannot be compared is fitted for itself
        key = (task.split, task.candidate)
    prepared = cache.get(key)
    network._validate_params()
    if prepared is None:
        recorder, steps = _Recorder.of(network), dict[str, Any]()
        if name:
            estimator.set_params(**{name: recorder}).fit(X, y, **fit_params)
            estimator.set_params(**{name: network})
            steps = dict(estimator.steps[:-1])
        else:
            recorder.fit(X, y, **fit_params)
        arrived = recorder.arrived_
        prepared = cache[key] = Prepared(steps, arrived["X"], network._validate(**arrived))
    else:
        network._check_settings(watched=prepared.data.n_watched > 0)
        validate_data(network, prepared.X, skip_check_array=True)
        if name:
            estimator.set_params(**prepared.steps)
    task.plan = network._build(prepared.data)


def train_stack(
    plans: list[Plan], settings: tuple[str, str], context: CallbackContext, caller: BaseEstimator
) -> tuple[list[Trained] | Exception, float]:
    """Train plans as one stack, telling callbacks; returns what came of it, or the error, and the seconds."""
    callback_error: list[Exception] = []

    def on_epoch(epoch: int, state: TrainingState) -> bool:
        try:
            step = context.subcontext(task_name="epoch")
            step.call_on_fit_task_begin(estimator=caller)
            stop: bool = step.call_on_fit_task_end(estimator=caller)
        except Exception as error:  # no fault of the networks: it ends the search
            callback_error.append(error)
            raise
        return stop

    start = time.perf_counter()
    device, dtype = settings
    n_networks = sum(len(plan.train) for plan in plans)
    context.call_on_fit_task_begin(estimator=caller)
    result: list[Trained] | Exception
    try:
        with naming_training_memory(max(plan.network.n_parameters for plan in plans), n_networks):
            result = train_plans(
                plans, device=check_device(device), dtype=getattr(torch, dtype), on_epoch=on_epoch
            )
    except Exception as error:
        if callback_error:
            raise
        result = error
    context.call_on_fit_task_end(estimator=caller)
    return result, time.perf_counter() - start


def stacks_of(tasks: list[Task], max_stack_bytes: int, n_jobs: int) -> list[list[Task]]:
    """Tasks that can train together, in stacks within ``max_stack_bytes``, and enough for ``n_jobs``."""
    groups: dict[tuple[object, ...], list[Task]] = {}
    for task in tasks:
        network = task.network
        groups.setdefault((stack_key(task.pending), network.device, network.dtype), []).append(task)
    stacks: list[list[Task]] = []
    stack: list[Task]
    for group in groups.values():
        longest = -(-len(group) // max(1, round(n_jobs * len(group) / len(tasks))))
        stack, n_networks = [], 0
        size = network_bytes(group[0].pending, group[0].network.dtype)
        for task in group:
            own = len(task.pending.train)
            full = (n_networks + own) * size > max_stack_bytes
            if stack and (full or len(stack) == longest):
                stacks.append(stack)
                stack, n_networks = [], 0
            stack.append(task)
            n_networks += own
        stacks.append(stack)
    return stacks
