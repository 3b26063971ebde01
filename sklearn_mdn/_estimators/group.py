"""Processes that fit the same networks together, each to rows of its own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import timedelta
from typing import Any, TypeVar, final

import numpy as np
import torch
import torch.distributed
from numpy.typing import NDArray
from torch import Tensor

from sklearn_mdn._estimators.folds import member_generator
from sklearn_mdn._estimators.moments import Moments, moments_of
from sklearn_mdn._estimators.rows import Standardization, TrainingSet, number_range
from sklearn_mdn._training.rows import Member

Answer = TypeVar("Answer")

# Values of all processes together that are looked at where an order of all rows would be needed.
GATHERED = 1 << 20

# How long a process that has failed waits for the others to say which one is missing.
PATIENCE = timedelta(seconds=10)


@final
class ProcessGroup:
    """The default group of ``torch.distributed``: sums over its ranks, agreement, who is missing."""

    def __init__(self, device: torch.device) -> None:
        if not (torch.distributed.is_available() and torch.distributed.is_initialized()):
            raise ValueError(
                "distributed=True needs a process group of torch.distributed: start the script by torchrun, "
                'and call torch.distributed.init_process_group("gloo") (or "nccl") before fit.'
            )
        self.rank, self.size = torch.distributed.get_rank(), torch.distributed.get_world_size()
        self.device = device if torch.distributed.get_backend() == "nccl" else torch.device("cpu")

    # ------------------------------------------------------------------------------- what is exchanged

    def gather(self, value: Any) -> list[Any]:
        """What each rank gives, in the order of ranks."""
        with naming_ranks(self.rank):
            values: list[Any] = [None] * self.size
            torch.distributed.all_gather_object(values, value)
            return values

    def sum(self, values: Tensor) -> Tensor:
        """The sum over the processes, where ``values`` are."""
        with naming_ranks(self.rank):
            total = values.to(self.device, copy=True)
            torch.distributed.all_reduce(total)
            return total.to(values.device)

    def sum_step(self, share: Tensor, loss: Tensor, gradient: Tensor) -> Tensor:
        """Put the sum of the processes' shares of a gradient (S, P) in its place; returns that of losses."""
        both = self.sum(torch.cat([gradient, loss.unsqueeze(1)], dim=1).mul_(share.unsqueeze(1)))
        gradient.copy_(both[:, :-1])
        return both[:, -1].clone()

    def first(self, values: Tensor) -> Tensor:
        """What rank 0 has."""
        with naming_ranks(self.rank):
            same = values.to(self.device, copy=True)
            torch.distributed.broadcast(same, 0)
            return same.to(values.device)

    # ------------------------------------------------------------------------------- what is agreed on

    def together(self, work: Callable[[], Answer]) -> Answer:
        """What ``work`` returns here, if it fails in no process; else an error in all of them."""
        error: Exception | None = None
        try:
            answer = work()
        except Exception as caught:
            error = caught
        said = self.gather(None if error is None else f"{type(error).__name__}: {error}")
        if error is not None:
            raise error
        failed = [f"rank {rank}: {text}" for rank, text in enumerate(said) if text is not None]
        if failed:
            raise RuntimeError(f"The fit ended because it failed elsewhere. {'; '.join(failed)}")
        return answer

    def check_alike(self, what: str, value: Any) -> None:
        """Refuse shards that differ in something."""
        values = self.gather(value)
        for rank, other in enumerate(values):
            if other != values[0]:
                raise ValueError(
                    f"All processes must pass shards with the same {what}, but rank {rank} has {other!r} and "
                    f"rank 0 has {values[0]!r}."
                )

    def moments(self, own: Moments) -> Moments:
        """Moments of the rows of all processes."""
        everyone: list[Moments] = self.gather(own)
        total = everyone[0]
        for other in everyone[1:]:
            total = total.with_others(other)
        return total

    def column(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Rows (n, ...) of all processes one after the other; of many some at even steps."""
        step = -(-sum(self.gather(len(values))) // GATHERED)
        return np.concatenate(self.gather(values[::step]))


@contextmanager
def naming_ranks(rank: int) -> Iterator[None]:
    """Say of a lost connection which process is missing."""
    try:
        yield
    except RuntimeError as error:
        raise RuntimeError(
            f"Rank {rank} has lost a process of the group: {missing_ranks()} ({str(error).splitlines()[0]})"
        ) from error


def missing_ranks() -> str:
    """Which processes do not answer any more, as far as this one can tell."""
    if torch.distributed.get_world_size() == 2:
        return f"rank {1 - torch.distributed.get_rank()} does not answer"
    try:
        torch.distributed.monitored_barrier(timeout=PATIENCE, wait_all_ranks=True)
    except Exception as error:
        return str(error).splitlines()[0]
    return "all processes answer again"


def members_of_group(group: ProcessGroup, members: list[Member], batch_size: int, seed: int) -> list[Member]:
    """The members with a part of each batch here, and as many steps as in all other processes."""
    counts = group.gather([len(member.train) for member in members])
    batch_size = -(-batch_size // group.size)
    steps = [-(-max(own) // batch_size) for own in zip(*counts, strict=True)]
    for rank, own in enumerate(counts):
        if any(n < n_steps for n, n_steps in zip(own, steps, strict=True)):
            raise ValueError(
                f"All processes must have about as many rows to train on, but rank {rank} has {min(own)}, "
                f"fewer than the {max(steps)} steps of an epoch: deal the rows out evenly."
            )
    own = []
    for i, (member, n_steps) in enumerate(zip(members, steps, strict=True)):
        # Rows are dealt in another order in each process, and units dropped out are others.
        stream = member_generator(seed, i, group.rank) if group.rank else member.generator
        own.append(replace(member, steps=n_steps, generator=stream))
    places = max(member.rows_per_step for member in own)
    return [replace(member, batch_size=places) for member in own]


def only_numbers(data: TrainingSet) -> TrainingSet:
    """The same, refused where there are categories, which each process would number for itself."""
    if data.encoding.codes:
        raise ValueError("X must have columns of numbers alone with distributed=True, but has categories.")
    return data


def common_set(group: ProcessGroup, data: TrainingSet, total_weight: float, continues: bool) -> TrainingSet:
    """The rows of this process in the units of all of them, and with weights on one scale."""
    rows, own = data.rows, data.standardization
    n_rows, weights = (sum(values) for values in zip(*group.gather((len(rows), total_weight)), strict=True))
    weight = rows.weight * (total_weight / len(rows) / (weights / n_rows))
    raw = replace(rows.x, offset=None, scale=None, gaps=None)
    y = rows.y * own.y_scale + own.y_offset
    standardization = own
    if not continues:
        of_x, of_y = (group.moments(moments_of(values, weight)) for values in (raw, y))
        standardization = Standardization(of_x.mean, of_x.scale, of_x.gaps, of_y.mean, of_y.scale)
    table = replace(rows, x=standardization.inputs([raw]), y=standardization.y(y), weight=weight)
    sums = torch.tensor([weight.sum(), weight @ weight], dtype=torch.float64, device="cpu")
    total, squares = group.sum(sums).tolist()
    ranges = group.gather(number_range(table.x))
    low, high = np.min([side[0] for side in ranges], axis=0), np.max([side[1] for side in ranges], axis=0)
    return replace(
        data,
        rows=table,
        standardization=standardization,
        number_range=(low, high),
        effective_rows=total**2 / squares,
    )
