"""From the rows of one or several fits to one stack of networks, and back.

A fit is a plan: arrays, members and a network. Plans of equal networks and batches train as one stack; a
single fit is a stack made of one plan.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_mdn._estimators.group import ProcessGroup, members_of_group
from sklearn_mdn._estimators.inputs import Inputs, row_blocks
from sklearn_mdn._estimators.likelihood import MixtureLikelihood
from sklearn_mdn._estimators.rows import TrainingSet
from sklearn_mdn._networks.stack import StackedMLP
from sklearn_mdn._training.loop import History, MemberSettings, TrainingState, train
from sklearn_mdn._training.rows import PLACES, Member, Rows


def component_centers(
    y: NDArray[np.float64], weight: NDArray[np.float64], n_components: int
) -> NDArray[np.float64]:
    """Where component means start, (K, D): targets at even quantiles along their main direction."""
    _, vectors = np.linalg.eigh(np.cov(y.T, aweights=weight, ddof=0).reshape(y.shape[1], -1))
    # Its sign: that of the first large entry, for the largest may share its size with others to rounding.
    direction = vectors[:, -1]
    direction = direction * np.sign(direction[np.argmax(np.abs(direction) > 0.5 * np.abs(direction).max())])
    order = np.argsort(y @ direction, kind="stable")
    reached = np.cumsum(weight[order]) / weight.sum()
    levels = (np.arange(n_components) + 0.5) / n_components
    centers: NDArray[np.float64] = y[order[np.searchsorted(reached, levels).clip(max=len(order) - 1)]]
    return centers


@final
@dataclass
class Plan:
    """One fit, ready to train: its rows (shared by plans with equal preprocessing) and its members."""

    architecture: dict[str, Any]
    network: StackedMLP
    data: TrainingSet
    train: list[NDArray[np.intp]]
    validation: list[NDArray[np.intp]]
    generators: list[torch.Generator]
    settings: MemberSettings
    batch_size: int
    params: Tensor
    seed: int
    folds: dict[str, Any] | None
    group: ProcessGroup | None = None

    @property
    def batch_places(self) -> int:
        """Rows that a batch has room for."""
        return min(self.batch_size, PLACES * -(-self.data.n_train // PLACES))


def prior_share(n_rows: Tensor) -> Tensor:
    """That of members with so many training rows, (S, 1): the loss is a mean over rows, the prior is not."""
    return n_rows.reciprocal().unsqueeze(1)


def stack_key(plan: Plan) -> tuple[StackedMLP, int, bool]:
    """Plans of equal keys can train in one stack.

    Nothing in a stack is padded to what another plan needs: products and sums of another size may be rounded
    in another way, so that what a plan gives would hang on the others.
    """
    return plan.network, plan.batch_places, plan.data.rows.reach is None


def network_bytes(plan: Plan, dtype: str) -> int:
    """About the memory that each network of a plan takes in training, its rows left out."""
    # Parameters, their best values, the gradient and its clipped copy, two moments, two temporaries; the
    # activations of a batch, each with its gradient and the temporaries of the activation function.
    embedding = plan.network.embedding
    numbers = sum(plan.network.activations) * (2 + embedding.n_columns) + embedding.n_features
    activations = plan.batch_places * numbers
    return (8 * plan.network.n_parameters + 4 * activations) * np.dtype(dtype).itemsize


@final
@dataclass
class Trained:
    """What training gives one plan: parameters (E, P) and the members' histories."""

    params: Tensor
    histories: list[History]


def train_plans(
    plans: list[Plan],
    *,
    device: torch.device,
    dtype: torch.dtype,
    on_epoch: Callable[[int, TrainingState], bool] | None = None,
) -> list[Trained]:
    """Train the members of all plans as one stack."""
    assert len({stack_key(plan) for plan in plans}) == 1
    network = plans[0].network
    rows, starts = joined_rows([plan.data for plan in plans], device, dtype)
    members, settings = [], []
    index = index_of_rows(rows)
    for plan, start in zip(plans, starts, strict=True):
        for own, held_out, generator in zip(plan.train, plan.validation, plan.generators, strict=True):
            members.append(
                Member(
                    torch.from_numpy(own + start).to(index),
                    torch.from_numpy(held_out + start),
                    plan.batch_places,
                    generator,
                )
            )
            settings.append(plan.settings)
    group = plans[0].group
    n_rows = torch.tensor([len(member.train) for member in members], dtype=torch.float64, device="cpu")
    share = prior_share(n_rows if group is None else group.sum(n_rows)).to(device=device, dtype=dtype)
    objective = MixtureLikelihood(network, share)
    params = torch.cat([plan.params for plan in plans]).to(device=device, dtype=dtype)
    if group is not None:
        members = members_of_group(group, members, plans[0].batch_size, plans[0].seed)
    state = train(objective, params, rows, members, settings, on_epoch, group)
    if group is not None:
        state.result = group.first(state.snapshot())
    return _separate(plans, state)


def joined_rows(data: list[TrainingSet], device: torch.device, dtype: torch.dtype) -> tuple[Rows, list[int]]:
    """All distinct tables one below the other, each once, and where each plan's table starts."""
    distinct = {id(each.rows): each for each in data}
    lengths = np.cumsum([0] + [len(each.rows) for each in distinct.values()])
    start = dict(zip(distinct, lengths[:-1].tolist(), strict=True))

    def tensor(arrays: Sequence[NDArray[np.float64] | Inputs]) -> Tensor:
        shape = (sum(len(array) for array in arrays), *arrays[0].shape[1:])
        filled, row = torch.empty(shape, dtype=dtype, device="cpu"), 0
        for array in arrays:
            # Copies, since what a worker gets may be a memory map that cannot be written to.
            at_once = array.at_once if isinstance(array, Inputs) else len(array)
            for part in row_blocks(len(array), at_once):
                filled[row + part.start : row + part.stop] = torch.from_numpy(np.array(array[part]))
            row += len(array)
        return filled.to(device)

    tables = [each.rows for each in distinct.values()]
    rows = Rows(
        x=tensor([table.x for table in tables]),
        y=tensor([table.observed for table in tables]),
        weight=tensor([table.weight for table in tables]),
        hidden=tensor([each.hidden for each in distinct.values()]) if data[0].encoding.n_codes else None,
    )
    return rows, [start[id(each.rows)] for each in data]


def index_of_rows(rows: Rows) -> torch.dtype:
    """The smaller type of an index into rows."""
    return torch.int32 if len(rows.weight) < 2**31 else torch.int64


def _separate(plans: list[Plan], state: TrainingState) -> list[Trained]:
    """Cut a stack's result into the plans' own."""
    params, trained, start = state.snapshot().cpu(), [], 0
    for plan in plans:
        end = start + len(plan.train)
        trained.append(Trained(params[start:end], state.histories[start:end]))
        start = end
    return trained
