"""Fits to more rows than one array, or one process, has; and networks that leave this package."""

from __future__ import annotations

import os
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import ArrayLike
from sklearn.utils.validation import _num_samples, validate_data

from sklearn_mdn._estimators.capacity import auto_batch_size, check_device, naming_training_memory
from sklearn_mdn._estimators.density import draw_seed
from sklearn_mdn._estimators.fit_context import fit_context
from sklearn_mdn._estimators.group import ProcessGroup, common_set, only_numbers
from sklearn_mdn._estimators.onnx_graph import onnx_model
from sklearn_mdn._estimators.partial import pass_over
from sklearn_mdn._estimators.plans import Plan
from sklearn_mdn._estimators.progress import Progress
from sklearn_mdn._estimators.streams import (
    Blocks,
    buffer_rows,
    check_no_categories,
    first_pass,
    held_out_blocks,
    resident,
    train_stream,
)

# ``partial_fit`` is a fit that goes on, holds nothing out and does not end by itself.
AS_IF = {"warm_start": True, "early_stopping": False, "tol": None}


class LargeFitsMixin:
    """``partial_fit``, rows from disk, rows of several processes, and ``to_onnx``, for ``MDNRegressor``."""

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        *,
        y_upper: ArrayLike | None = None,
    ) -> Self:
        """Take one more part of the rows: exactly one pass over it, in mini-batches.

        The first call sets means and standard deviations, categories, names, the number of targets and where
        the components start, so its rows should be typical: some thousand in any order. After ``fit`` the
        networks go on from there. The learning rate stays at ``learning_rate_init``, and predictions are made
        with the running average of the weights [1]_. Nothing is held out, so that there is no early stopping.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows, with the columns of the first call. Categories that it did not have count as unknown ones.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            Targets.
        sample_weight : array-like of shape (n_samples,), default=None
            Weights of the rows, of which the ratios within a call count.
        y_upper : array-like of the shape of y, default=None
            Upper ends of the intervals in which targets lie above ``y``, as in ``fit``. Any call may have
            them.

        Returns
        -------
        self : MDNRegressor
            The fitted estimator. ``n_iter_`` and ``loss_curve_`` count the passes.

        Raises
        ------
        ValueError
            If an argument is not as described.
        FloatingPointError
            If no step had a finite loss and gradient. What was fitted before is kept.

        References
        ----------
        .. [1] B. T. Polyak and A. B. Juditsky, "Acceleration of stochastic approximation by averaging",
           SIAM Journal on Control and Optimization, 1992.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> model = MDNRegressor(random_state=0)
        >>> for start in range(0, 442, 100):
        ...     model = model.partial_fit(X[start : start + 100], y[start : start + 100])
        >>> model.n_iter_
        array([5])
        """
        this: Any = self
        going, own = copy(this), {name: vars(this)[name] for name in AS_IF}
        vars(going).update(AS_IF)
        continues = going._continues()
        data = going._validate(X, y, sample_weight, y_upper, min_rows=1 if continues else 2)
        earlier = vars(this).get("_n_effective", 0.0) if continues else 0.0
        plan = going._build(replace(data, effective_rows=data.effective_rows + earlier))
        if this.batch_size == "auto" and continues:
            plan.batch_size = this.batch_size_
        with naming_training_memory(plan.network.n_parameters, this.n_estimators):
            trained, passed = pass_over(
                plan, vars(this).get("_passed"), check_device(this.device), getattr(torch, this.dtype)
            )
        for history, factor in zip(trained.histories, this.calibration_ if continues else (), strict=False):
            history.calibration = factor
        going._store(plan, trained)
        if continues:
            # What earlier rows had to say against the networks says less the more have come since.
            going.shrinkage_ = this.shrinkage_ * earlier / going._n_effective
        vars(going).update(own)
        this.__dict__ = vars(going) | {"_passed": passed}
        return self

    def _check_plain(self: Any, beside: dict[str, Any], where: str) -> None:
        """Refuse what is known of rows beside their targets and weights."""
        known = {name: getattr(self, name) for name in ("resolution", "support", "limits")}
        for name, value in (beside | known).items():
            if value is not None:
                raise ValueError(f"{name} must come with a table in the memory of one process, but {where}.")

    def _shard_plan(
        self: Any, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, beside: dict[str, Any]
    ) -> Plan:
        """The plan of a fit whose rows are spread over processes, of which these are some."""
        self._check_plain(beside, "distributed=True")
        group = ProcessGroup(check_device(self.device))
        data = group.together(lambda: only_numbers(self._validate(X, y, sample_weight)))
        group.check_alike("columns", data.column_names)
        group.check_alike("shape of targets", (data.target_ndim, data.rows.y.shape[1]))
        parameters = {name: repr(value) for name, value in self.get_params().items()}
        group.check_alike("parameters", parameters)
        total = float(_num_samples(X) if sample_weight is None else np.sum(sample_weight, dtype=np.float64))
        data = common_set(group, data, total, self._continues())
        seed = self._seed if self._continues() else group.gather(draw_seed(self.random_state))[0]
        plan: Plan = self._build(data, seed, group)
        return plan

    def _fit_stream(
        self: Any, X: Any, y: Any, sample_weight: ArrayLike | None, beside: dict[str, Any]
    ) -> Any:
        """``fit`` of rows that are read in blocks, again in each epoch."""
        self._check_plain(beside, "X is read in blocks")
        check_no_categories(self.categorical_features)
        self._check_settings(watched=False)
        continues, blocks = self._continues(), Blocks.of(X, y, sample_weight, self.buffer_size)
        validate_data(self, np.zeros((1, blocks.n_columns)), reset=not continues)
        found = first_pass(blocks)
        if continues:
            found = replace(found, standardization=self._standardization())
        seed = self._seed if continues else draw_seed(self.random_state)
        room, numbers = buffer_rows(self.buffer_size, blocks.n_columns), [0] * self.n_estimators
        folds: Any = [[]]
        if self.early_stopping:
            folds, numbers = held_out_blocks(blocks, self.validation_fraction, self.n_estimators, room, seed)
        data, places = resident(blocks, folds, found, 1 + len(blocks.target_shape))
        plan = self._build(data, seed)
        plan.validation = [places[number] for number in numbers]
        n_rows = sum(blocks.sizes) - min(len(place) for place in places)
        plan.settings = self._settings(n_rows)
        plan.batch_size = auto_batch_size(n_rows) if self.batch_size == "auto" else int(self.batch_size)
        progress = Progress(self, plan, X, y, sample_weight)
        with naming_training_memory(plan.network.n_parameters, self.n_estimators):
            trained = train_stream(
                *(plan, blocks, folds, numbers, found.mean_weight, room),
                check_device(self.device),
                getattr(torch, self.dtype),
                progress.on_epoch,
            )
        self._store(plan, trained)
        progress.end()
        return self

    def to_onnx(self, path: str | os.PathLike[str]) -> None:
        """Write the networks as an ONNX model, which runtimes without this package can evaluate.

        Its inputs are ``numbers``, a float64 matrix of the columns of numbers in their order (NaN for a gap),
        and the labels of each categorical column under its name: texts, where a gap is the empty text, or
        float32 numbers. Its outputs are ``weights`` (n_samples, n_components of all members), ``means`` and
        ``deviations``, with an axis for the targets where ``fit`` had one. Needs the package onnx.

        Parameters
        ----------
        path : str or path-like
            File to write.

        Raises
        ------
        ValueError
            If covariances of several targets have more than deviations.
        sklearn.exceptions.NotFittedError
            If ``fit`` has not been called.

        Examples
        --------
        >>> from sklearn.datasets import load_diabetes
        >>> from sklearn_mdn import MDNRegressor
        >>> X, y = load_diabetes(return_X_y=True)
        >>> MDNRegressor(max_iter=5, random_state=0).fit(X, y).to_onnx("model.onnx")  # doctest: +SKIP
        """
        this: Any = self
        this._check_stored()
        columns = vars(this).get("feature_names_in_", np.arange(this.n_features_in_)).tolist()
        model = onnx_model(
            this._network(),
            this._stored_weights(),
            this.calibration_,
            this._standardization(),
            this._encoding(),
            this._marginal(),
            [str(name) for name in columns],
            this.target_ndim_ == 1,
        )
        Path(path).write_bytes(model.SerializeToString())
