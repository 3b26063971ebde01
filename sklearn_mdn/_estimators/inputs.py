"""Inputs of training rows where the user has them: no copy of a table, its rows in order when asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from numbers import Integral
from typing import Any, final

import numpy as np
from numpy.typing import DTypeLike, NDArray

# Numbers of a table that are copied at once.
BLOCK_NUMBERS = 1 << 16


def row_blocks(n_rows: int, at_once: int) -> Iterator[slice]:
    """Slices of neighbouring rows."""
    return (slice(start, min(start + at_once, n_rows)) for start in range(0, n_rows, at_once))


def index_type(n_rows: int) -> type[np.int32] | type[np.int64]:
    """The smaller type of an index into so many rows."""
    return np.int32 if n_rows < 2**31 else np.int64


@final
@dataclass(frozen=True)
class Source:
    """Rows as they came: numbers (N, .) in the type of the user's array, codes (N, c); which count, (n,)."""

    numbers: NDArray[np.floating[Any]]
    codes: NDArray[np.int32]
    order: NDArray[np.integer[Any]]

    def read(self, rows: slice | NDArray[np.integer[Any]], columns: slice) -> NDArray[np.float64]:
        """Some rows and neighbouring columns, the codes behind the numbers."""
        index, n_numbers = self.order[rows], self.numbers.shape[1]
        first, last, _ = columns.indices(n_numbers + self.codes.shape[1])
        out = np.empty((len(index), max(0, last - first)))
        split = min(max(n_numbers - first, 0), out.shape[1])
        out[:, :split] = self.numbers[:, first : first + split][index]
        out[:, split:] = self.codes[:, max(first - n_numbers, 0) : max(last - n_numbers, 0)][index]
        out += 0.0  # -0.0 becomes 0.0
        return out


@final
@dataclass(frozen=True)
class Inputs:
    """A matrix (n, d) of float64 that is made when rows or columns of it are asked for.

    Parts stand one below the other. With ``offset`` and ``scale`` numbers are standardised, and gaps replaced
    by 0 but where ``gaps`` marks a column.
    """

    parts: tuple[Source, ...]
    offset: NDArray[np.float64] | None = None
    scale: NDArray[np.float64] | None = None
    gaps: NDArray[np.bool_] | None = None

    @classmethod
    def of(cls, numbers: NDArray[np.floating[Any]], codes: NDArray[np.int32] | None = None) -> Inputs:
        """All rows of a table in the order that they have."""
        n_rows = len(numbers)
        codes = np.empty((n_rows, 0), dtype=np.int32) if codes is None else codes
        return cls((Source(numbers, codes, np.arange(n_rows, dtype=index_type(n_rows))),))

    def __len__(self) -> int:
        return sum(len(part.order) for part in self.parts)

    @property
    def n_numbers(self) -> int:
        return int(self.parts[0].numbers.shape[1])

    @property
    def shape(self) -> tuple[int, int]:
        return len(self), self.n_numbers + self.parts[0].codes.shape[1]

    # For whoever wants them all.
    def __array__(self, dtype: DTypeLike | None = None, copy: bool | None = None) -> NDArray[Any]:
        return self[:].astype(np.float64 if dtype is None else dtype, copy=False)

    def __getitem__(self, key: Any) -> NDArray[np.float64]:
        """Rows, or rows and columns: slices, or an index of rows."""
        rows, columns = key if isinstance(key, tuple) else (key, slice(None))
        if isinstance(rows, Integral):
            row = range(len(self))[int(rows)]
            found: NDArray[np.float64] = self[row : row + 1, columns][0]
            return found
        if isinstance(columns, Integral):
            column = range(self.shape[1])[int(columns)]
            return self[rows, column : column + 1][:, 0]
        values = self._rows(rows, columns)
        if self.offset is None or self.scale is None or self.gaps is None:
            return values
        first, last, _ = columns.indices(self.n_numbers)
        if last > first:
            numbers, own = values[:, : last - first], slice(first, last)
            numbers -= self.offset[own]
            numbers /= self.scale[own]
            numbers[np.isnan(numbers) & ~self.gaps[own]] = 0.0
        return values

    def _rows(self, rows: slice | NDArray[np.integer[Any]], columns: slice) -> NDArray[np.float64]:
        if len(self.parts) == 1:
            return self.parts[0].read(rows, columns)
        index = np.arange(len(self))[rows] if isinstance(rows, slice) else np.asarray(rows)
        first, last, _ = columns.indices(self.shape[1])
        out, start = np.empty((len(index), max(0, last - first))), 0
        for part in self.parts:
            own = (index >= start) & (index < start + len(part.order))
            out[own] = part.read(index[own] - start, columns)
            start += len(part.order)
        return out

    @property
    def at_once(self) -> int:
        """Rows that are worth a copy at once."""
        return max(1, BLOCK_NUMBERS // max(1, self.shape[1]))

    @property
    def codes(self) -> NDArray[np.int32]:
        """Codes of all rows of a table of one part, as they came."""
        (part,) = self.parts
        return part.codes

    @property
    def columns(self) -> list[tuple[NDArray[Any], int]]:
        """The columns of a table of one part, all rows as they came: a matrix and a place in it."""
        (part,) = self.parts
        return [(matrix, i) for matrix in (part.numbers, part.codes) for i in range(matrix.shape[1])]

    def take(self, order: NDArray[np.integer[Any]]) -> Inputs:
        """Rows of a table of one part, in another order."""
        (part,) = self.parts
        return replace(self, parts=(replace(part, order=part.order[order]),))

    def head(self, n_rows: int) -> Inputs:
        """The first rows."""
        parts = []
        for part in self.parts:
            parts.append(replace(part, order=part.order[:n_rows]))
            n_rows -= len(parts[-1].order)
        return replace(self, parts=tuple(parts))

    def recoded(self, codes: NDArray[np.int32]) -> Inputs:
        """The same table of one part with other codes (N, c) of all rows that came."""
        (part,) = self.parts
        return replace(self, parts=(replace(part, codes=codes),))


def sorted_rows(
    columns: list[tuple[NDArray[Any], int]], order: NDArray[np.integer[Any]], n_values: int
) -> tuple[NDArray[np.integer[Any]], NDArray[np.bool_]]:
    """The order of rows by their columns, and which differ from the one before in the first ``n_values``.

    Sorts by the first column, then only what is equal there by the second one, and so on: of columns that are
    continuous one decides. A column is a matrix and its place there. NaN is one value, and comes last.
    """
    order = order.copy()
    starts = np.zeros(len(order), dtype=bool)  # of runs of rows that are equal so far
    starts[:1] = True
    differs = starts  # until the columns behind the values are looked at
    for number, (matrix, place) in enumerate(columns):
        if number == n_values:
            differs = starts.copy()
        tied = ~starts
        tied[:-1] |= tied[1:]
        places = np.flatnonzero(tied)
        if not len(places):
            break
        values = matrix[:, place][order[places]] + matrix.dtype.type(0)  # no -0.0
        if values.dtype.kind == "f":
            values[np.isnan(values)] = np.inf  # a gap equals a gap
        if number == 0:
            rank = np.argsort(values, kind="stable")
        else:
            rank = np.lexsort((values, np.cumsum(starts, dtype=order.dtype)[places]))
        order[places] = order[places[rank]]
        values = values[rank]
        starts[places[1:]] |= values[1:] != values[:-1]
    return order, differs
