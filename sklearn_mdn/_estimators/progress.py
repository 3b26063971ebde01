"""What is told of a fit while it goes on."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike
from sklearn.callback import CallbackSupportMixin

from sklearn_mdn._estimators.plans import Plan, Trained
from sklearn_mdn._training.loop import History, TrainingState


class Progress:
    """Tells scikit-learn's callbacks, and the reader of ``verbose``, how a fit goes on."""

    def __init__(
        self,
        estimator: CallbackSupportMixin,
        plan: Plan,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None,
    ) -> None:
        metadata = None if sample_weight is None else {"sample_weight": sample_weight}
        self.estimator, self.plan = estimator, plan
        self.arguments = {"estimator": estimator, "X": X, "y": y, "metadata": metadata}
        self.histories: list[History] = []
        self.fit_task = estimator._init_callback_context(max_subtasks=plan.settings.max_iter)
        self.fit_task.call_on_fit_task_begin(**self.arguments)
        self._begin_epoch()

    def _begin_epoch(self) -> None:
        self.epoch_task = self.fit_task.subcontext(task_name="epoch")
        self.epoch_task.call_on_fit_task_begin(**self.arguments)

    def on_epoch(self, epoch: int, state: TrainingState) -> bool:
        """Report an epoch; True if a callback asks for the end."""

        def reconstruction_attributes() -> dict[str, Any]:
            trained = Trained(state.snapshot().cpu(), state.histories)
            attributes: dict[str, Any] = self.estimator._fitted_attributes(self.plan, trained)
            return attributes

        stop: bool = self.epoch_task.call_on_fit_task_end(
            **self.arguments, reconstruction_attributes=reconstruction_attributes
        )
        self.histories = state.histories
        self._print(epoch)
        finished = epoch == self.plan.settings.max_iter or all(history.stopped for history in state.histories)
        if not (stop or finished):
            self._begin_epoch()
        return stop

    def end(self) -> None:
        """Report the fitted estimator, and why its networks stopped."""
        if self.estimator.verbose:
            print(self._endings())
        self.fit_task.call_on_fit_task_end(**self.arguments, reconstruction_attributes={})

    def _print(self, epoch: int) -> None:
        """Mean log-likelihood of training rows, and of held-out ones if there are any, in original units."""
        verbose, max_iter = self.estimator.verbose, self.plan.settings.max_iter
        interval = 1 if verbose > 1 else max(1, max_iter // 20)
        if not verbose or (epoch % interval and epoch != max_iter):
            return
        plan = self.plan
        losses = [
            history.loss[-1] + plan.data.log_units(rows)
            for history, rows in zip(self.histories, plan.train, strict=True)
            if history.loss
        ]
        scores = [
            history.validation[-1] - plan.data.log_units(rows)
            for history, rows in zip(self.histories, plan.validation, strict=True)
            if history.validation
        ]
        text = f"log-likelihood {-np.mean(losses):.4f}" if losses else "no finite step"
        if scores:
            text += f", validation log-likelihood {np.mean(scores):.4f}"
        print(f"Epoch {epoch}/{max_iter}, {text}")

    def _endings(self) -> str:
        """After how many epochs each network stopped, and why."""
        settings = self.plan.settings
        networks: dict[tuple[int, str], list[int]] = {}
        for number, history in enumerate(self.histories):
            n_epochs, reason = len(history.loss), "a callback asked for it"
            if history.stopped:
                reason = f"no improvement in n_iter_no_change={settings.n_iter_no_change} epochs"
            elif n_epochs == settings.max_iter:
                reason = f"max_iter={settings.max_iter} reached"
            networks.setdefault((n_epochs, reason), []).append(number)
        parts = []
        for (n_epochs, reason), numbers in networks.items():
            which = f"network{'s' * (len(numbers) > 1)} {', '.join(map(str, numbers))}"
            parts.append(f"{which} after {n_epochs} epoch{'s' * (n_epochs > 1)} ({reason})")
        return f"Stopped: {'; '.join(parts)}."
