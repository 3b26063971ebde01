"""Rows resident on the device, and each member's own walk through them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import repeat
from typing import final

import torch
from torch import Tensor

# About so many numbers are copied out of the rows at once: a copy for each step takes longer.
GATHERED_NUMBERS = 1 << 18

# Of so many rows of all members the places are known at once.
INDEXED_ROWS = 1 << 18

# Rows are made up to a multiple of so many where their number is not given, so that nearly equal members
# share a size, which does not hang on those around.
PLACES = 32


@final
@dataclass(frozen=True)
class Rows:
    """Rows that members refer to by index: inputs (N, d), targets (N, D), weights (N,).

    The last columns of x may hold codes, of which 0 stands for what is not known. ``hidden`` (N, c) is how
    often training takes each of them for 0.
    """

    x: Tensor
    y: Tensor
    weight: Tensor
    hidden: Tensor | None = None

    @property
    def held_out(self) -> Rows:
        """What ``Member.validation`` refers to."""
        return self

    def parts(self, members: list[Member], epoch: int) -> Iterator[tuple[list[Member], Rows]]:
        """All rows of an epoch at once."""
        yield members, self


@final
@dataclass(frozen=True)
class Member:
    """What belongs to one member alone: its rows (indices into Rows) and its random stream.

    A batch has places for ``batch_size`` rows, all of which are computed. There are as many batches as rows
    need, or ``steps`` where that is given. ``fold`` is the number of what it holds out.
    """

    train: Tensor
    validation: Tensor
    batch_size: int
    generator: torch.Generator
    steps: int | None = None
    fold: int = 0

    @property
    def n_steps(self) -> int:
        """Batches an epoch; their sizes differ by at most one row."""
        return -(-len(self.train) // self.batch_size) if self.steps is None else self.steps

    @property
    def rows_per_step(self) -> int:
        return -(-len(self.train) // max(1, self.n_steps))

    @property
    def validation_places(self) -> int:
        return PLACES * -(-len(self.validation) // PLACES)

    def epoch(self) -> Tensor:
        """Indices of the rows of an epoch's batches, in a new order, (steps, rows).

        A place that no row is left for repeats the first row of its batch: what is infinite there is so in
        the batch itself.
        """
        n_steps, n_rows = self.n_steps, self.rows_per_step
        n_short = n_steps * n_rows - len(self.train)
        order = self.train[torch.randperm(len(self.train), generator=self.generator, device="cpu")]
        # One row to every batch in turn, so that only the last batches can be a row shorter.
        places = torch.cat([order, order[n_steps - n_short : n_steps]]) if n_short else order
        return places.view(n_rows, n_steps).T

    def share(self, steps: slice) -> Tensor:
        """Each place's share of its batch in some of the steps, 0 where no row is left for it."""
        first, last, _ = steps.indices(self.n_steps)
        n_steps, n_rows = max(0, last - first), self.rows_per_step
        n_short = min(n_steps, last - self.n_steps + self.n_steps * n_rows - len(self.train))
        share = torch.full((n_steps, n_rows), 1.0 / n_rows, dtype=torch.float64, device="cpu")
        if n_short > 0:
            share[-n_short:] = 1.0 / (n_rows - 1)
            share[-n_short:, -1] = 0.0
        return share


@final
@dataclass(frozen=True)
class Batch:
    """One step of a stack: inputs (S, B, d), targets (S, B, D), and which members take part, (S,).

    ``weight`` (S, B) is what makes log-likelihoods a loss: minus each row's share of its member's batch
    times the row's own weight, 0 for padding. ``hidden`` is that of the rows.
    """

    x: Tensor
    y: Tensor
    weight: Tensor
    active: Tensor
    hidden: Tensor | None = None


def epoch_batches(members: list[Member], rows: Rows) -> Iterator[Batch]:
    """The batches of one epoch. A member with fewer steps, or rows a step, is padded with weights 0."""
    n_steps = max(member.n_steps for member in members)
    n_rows = max(member.batch_size for member in members)
    device = rows.weight.device
    # What moves to the device moves before the first step; of large tables only the order of rows does.
    orders = [member.epoch().to(device) for member in members]
    one = torch.zeros(1, dtype=torch.int64, device="cpu")  # of a member that has no row here
    first = torch.cat([torch.cat([member.train[:1].long(), one])[:1] for member in members]).to(device)
    numbers_a_step = len(members) * n_rows * (rows.x.shape[1] + rows.y.shape[1])
    at_once = max(1, GATHERED_NUMBERS // numbers_a_step)
    indexed = at_once * max(1, INDEXED_ROWS // (at_once * len(members) * n_rows))
    for start in range(0, n_steps, indexed):
        steps = slice(start, min(start + indexed, n_steps))
        index = first.view(1, -1, 1).repeat(steps.stop - start, 1, n_rows)
        share = torch.zeros(index.shape, dtype=torch.float64, device="cpu")
        for i, (member, order) in enumerate(zip(members, orders, strict=True)):
            own = order[steps]
            index[: len(own), i] = own[:, :1].long()
            index[: len(own), i, : member.rows_per_step] = own.long()
            share[: len(own), i, : member.rows_per_step] = member.share(steps)
        active = (share.sum(-1) > 0.0).to(device)
        weight = share.neg_().to(device=device, dtype=rows.weight.dtype) * rows.weight[index]
        for part in (slice(i, i + at_once) for i in range(0, len(index), at_once)):
            places = index[part]
            hidden = repeat(None) if rows.hidden is None else rows.hidden[places]
            yield from map(Batch, rows.x[places], rows.y[places], weight[part], active[part], hidden)


@final
@dataclass(frozen=True)
class HeldOut:
    """Validation rows of members with equally many places: who they are, indices (S, V) and factors (S, V).

    The factors sum to 1 a member, and are 0 where a place has no row.
    """

    members: Tensor
    index: Tensor
    factor: Tensor


def validation_rows(members: list[Member], rows: Rows) -> list[HeldOut]:
    """The validation rows of all members that have any."""
    sizes: dict[int, list[int]] = {}
    for i, member in enumerate(members):
        sizes.setdefault(member.validation_places, []).append(i)
    sizes.pop(0, None)
    device, found = rows.weight.device, []
    for size, places in sizes.items():
        index = torch.zeros(len(places), size, dtype=torch.int64, device=device)
        factor = torch.zeros(len(places), size, dtype=rows.weight.dtype, device=device)
        for i, place in enumerate(places):
            own = members[place].validation.to(device)
            weight = rows.weight[own]
            index[i, : len(own)] = own
            factor[i, : len(own)] = weight / weight.sum().clamp_min(torch.finfo(weight.dtype).tiny)
        found.append(HeldOut(torch.tensor(places, device="cpu").to(device), index, factor))
    return found


def hide_codes(members: list[Member], step: int, batch: Batch) -> Batch:
    """The batch with some of the codes set to 0, as often as ``hidden`` says.

    Each member draws from its own stream, and only for the steps that it has.
    """
    if batch.hidden is None:
        return batch
    drawn = torch.ones(batch.hidden.shape, dtype=torch.float64, device="cpu")
    for i, member in enumerate(members):
        if step < member.n_steps:
            shape = (member.rows_per_step, drawn.shape[-1])
            drawn[i, : shape[0]] = torch.rand(
                shape, generator=member.generator, dtype=torch.float64, device="cpu"
            )
    n_numbers = batch.x.shape[-1] - drawn.shape[-1]
    numbers, codes = batch.x.tensor_split([n_numbers], dim=-1)
    known = drawn.to(device=batch.x.device, dtype=batch.x.dtype) >= batch.hidden
    return replace(batch, x=torch.cat([numbers, codes * known], dim=-1))


def dropout_factors(
    members: list[Member], rates: list[float], widths: tuple[int, ...], step: int, batch: Batch
) -> list[Tensor] | None:
    """Dropout's factors for each hidden layer, (S, B, width): 0, or 1 / (1 - rate).

    Each member draws from its own stream, and only for the steps that it has, so that what the others
    in the stack do is nothing to it.
    """
    if not any(rates):
        return None
    keep = torch.ones(*batch.weight.shape, sum(widths), dtype=torch.float32, device="cpu")
    for i, (member, rate) in enumerate(zip(members, rates, strict=True)):
        if rate > 0.0 and step < member.n_steps:
            shape = (member.rows_per_step, sum(widths))
            drawn = torch.rand(shape, generator=member.generator, dtype=keep.dtype, device="cpu")
            keep[i, : member.rows_per_step] = (drawn >= rate).to(keep.dtype) / (1.0 - rate)
    keep = keep.to(device=batch.weight.device, dtype=batch.weight.dtype)
    return list(torch.split(keep, list(widths), dim=-1))
