"""Rows that come in blocks, from a source that does not fit into memory."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from sklearn_mdn._training.rows import Member, Rows

Arrays = tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]


@final
class RowStream:
    """Blocks of rows in a new order each epoch, whose rows are shuffled in a buffer.

    Parameters
    ----------
    read : callable (int) -> (x, y, weight)
        Standardised rows of a block.
    sizes : sequence of int
        Rows of each block.
    folds : sequence of list of int
        Blocks that members hold out: ``Member.fold`` says which of the lists.
    held_out : Rows
        The rows of those, which stay in memory; ``Member.validation`` are indices into them.
    buffer : int
        Rows that are shuffled together.
    generator : Generator
        Of the order of the blocks.
    """

    def __init__(
        self,
        read: Callable[[int], Arrays],
        sizes: Sequence[int],
        folds: Sequence[Sequence[int]],
        held_out: Rows,
        buffer: int,
        generator: torch.Generator,
    ) -> None:
        self.read, self.sizes, self.held_out, self.generator = read, sizes, held_out, generator
        self.folds = [frozenset(fold) for fold in folds]
        self.weight = held_out.weight
        room = max(buffer, *sizes)
        # On the CPU, and the same for all epochs: what a device gets is a copy.
        self._buffer = [
            torch.empty(room, *like.shape[1:], dtype=like.dtype, device="cpu")
            for like in (held_out.x, held_out.y, held_out.weight)
        ]

    def n_train(self, fold: int) -> int:
        """Rows of all blocks that are not held out."""
        return sum(size for block, size in enumerate(self.sizes) if block not in self.folds[fold])

    def parts(self, members: list[Member], epoch: int) -> Iterator[tuple[list[Member], Rows]]:
        """One buffer after the other, and which of its rows each member trains on."""
        needed = [block for block in range(len(self.sizes)) if self._is_needed(block, members)]
        order = torch.randperm(len(needed), generator=self.generator, device="cpu").tolist()
        for blocks in self._fillings([needed[place] for place in order]):
            rows, of_block = self._filled(blocks)
            own = []
            for member in members:
                used = torch.tensor([block not in self.folds[member.fold] for block in blocks], device="cpu")
                places = used[of_block].nonzero().squeeze(1).to(torch.int32)
                own.append(replace(member, train=places))
            yield own, rows

    def _is_needed(self, block: int, members: list[Member]) -> bool:
        return any(block not in self.folds[member.fold] for member in members)

    def _fillings(self, order: list[int]) -> Iterator[list[int]]:
        """Neighbours in the order of blocks that fill the buffer."""
        blocks: list[int] = []
        n_rows = 0
        for block in order:
            if blocks and n_rows + self.sizes[block] > len(self._buffer[0]):
                yield blocks
                blocks, n_rows = [], 0
            blocks.append(block)
            n_rows += self.sizes[block]
        if blocks:
            yield blocks

    def _filled(self, blocks: list[int]) -> tuple[Rows, Tensor]:
        """The buffer with the rows of some blocks, and the place in ``blocks`` of each row's."""
        n_rows = 0
        for block in blocks:
            part = slice(n_rows, n_rows + self.sizes[block])
            for kept, array in zip(self._buffer, self.read(block), strict=True):
                kept[part] = torch.from_numpy(array)
            n_rows = part.stop
        device = self.weight.device
        sizes = torch.tensor([self.sizes[block] for block in blocks], device="cpu")
        of_block = torch.arange(len(blocks), device="cpu").repeat_interleave(sizes)
        return Rows(*(kept[:n_rows].to(device) for kept in self._buffer)), of_block
