"""One pass over a part of the rows, after which the next part may come."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_mdn._estimators.folds import member_generator
from sklearn_mdn._estimators.likelihood import MixtureLikelihood
from sklearn_mdn._estimators.plans import Plan, Trained, index_of_rows, joined_rows, prior_share
from sklearn_mdn._training.loop import Going, one_pass
from sklearn_mdn._training.rows import Member

MATRICES = ("params", "average", "first", "second")


@final
@dataclass(frozen=True)
class Passed:
    """What passes so far leave for the next one, as NumPy arrays: it is stored with the estimator.

    ``counts`` has for each categorical column how many rows each code had.
    """

    params: NDArray[np.float64]
    average: NDArray[np.float64]
    first: NDArray[np.float64]
    second: NDArray[np.float64]
    n_updates: NDArray[np.int64]
    n_passes: int
    n_rows: int
    counts: list[NDArray[np.int64]]

    @classmethod
    def before(cls, plan: Plan, stored: dict[str, Any] | None) -> Passed:
        """What was stored, or what a plan starts from; networks that are new have no past."""
        params = plan.params.numpy().astype(np.float64)
        nothing = np.zeros_like(params)
        counts = [np.zeros(n_codes, dtype=np.int64) for n_codes in plan.data.encoding.n_codes]
        start = cls(params, params, nothing, nothing, np.zeros(len(params), dtype=np.int64), 0, 0, counts)
        if stored is None:
            return start
        earlier, n_known = cls(**stored), len(stored["params"])
        grown: dict[str, Any] = {
            name: np.concatenate([getattr(earlier, name), getattr(start, name)[n_known:]])
            for name in (*MATRICES, "n_updates")
        }
        return replace(earlier, **grown)

    def going(self, device: torch.device, dtype: torch.dtype) -> Going:
        tensors = [torch.from_numpy(np.array(getattr(self, name))) for name in MATRICES]
        matrices = [tensor.to(device=device, dtype=dtype) for tensor in tensors]
        first, second, third, fourth = matrices
        return Going(first, second, third, fourth, torch.from_numpy(np.array(self.n_updates)).to(device))

    def after(self, going: Going, n_rows: int, counts: list[NDArray[np.int64]]) -> Passed:
        arrays = {name: getattr(going, name).cpu().double().numpy() for name in MATRICES}
        return replace(
            self,
            **arrays,
            n_updates=going.n_updates.cpu().numpy(),
            n_passes=self.n_passes + 1,
            n_rows=n_rows,
            counts=counts,
        )


def pass_over(
    plan: Plan, stored: dict[str, Any] | None, device: torch.device, dtype: torch.dtype
) -> tuple[Trained, dict[str, Any]]:
    """Take each row of a plan once; returns the average of the weights so far, and what to store."""
    before = Passed.before(plan, stored)
    rows, _ = joined_rows([plan.data], device, dtype)
    n_rows = before.n_rows + plan.data.n_train
    counts = [
        known + np.bincount(column, minlength=len(known))
        for known, column in zip(before.counts, plan.data.code_columns, strict=True)
    ]
    if counts:
        rows = replace(rows, hidden=_hidden(plan, counts).to(device=device, dtype=dtype))
    everything = torch.arange(plan.data.n_train, dtype=index_of_rows(rows), device="cpu")
    generators = plan.generators
    if before.n_passes:
        generators = [member_generator(plan.seed, i, before.n_passes) for i in range(len(generators))]
    members = [Member(everything, everything[:0], plan.batch_places, generator) for generator in generators]
    share = prior_share(torch.full((len(members),), float(n_rows), dtype=torch.float64, device="cpu"))
    objective = MixtureLikelihood(plan.network, share.to(device=device, dtype=dtype))
    settings = [replace(plan.settings, max_iter=1, falls=False)] * len(members)
    state, going = one_pass(objective, before.going(device, dtype), rows, members, settings)
    after = before.after(going, n_rows, counts)
    return Trained(going.average.cpu(), state.histories), vars(after).copy()


def _hidden(plan: Plan, counts: list[NDArray[np.int64]]) -> Tensor:
    """How often training hides each row's categories, (n, c), by all rows that came so far."""
    columns = plan.data.code_columns
    shares = [1.0 / (count[column] + 1.0) for count, column in zip(counts, columns, strict=True)]
    return torch.from_numpy(np.stack(shares, axis=1))
