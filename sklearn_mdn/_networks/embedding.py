"""From the columns of a table, numbers and codes of categories, to the features that the first layer sees."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from itertools import accumulate, pairwise
from typing import final

import torch
from torch import Tensor

from sklearn_mdn._networks.layers import Trace, write_product

# First weights of bins, as a share of those of a layer that sees nothing but bins.
BIN_SHARE = 0.3


@final
@dataclass(frozen=True)
class PeriodicEmbedding:
    """Learned periodic features of each input (Gorishniy et al. 2022, "PLR").

    A feature x becomes relu(W [sin(2 pi c x), cos(2 pi c x)] + b) with frequencies c that are its own,
    learned, and start from N(0, ``frequency_scale``^2). W and b serve all features, the "lite" form of
    Gorishniy et al. (2023, "TabR").
    """

    n_frequencies: int = 6
    n_outputs: int = 4
    frequency_scale: float = 0.1

    def shapes(self, n_features: int) -> dict[str, tuple[int, ...]]:
        return {
            "embedding_frequencies": (n_features, self.n_frequencies),
            "embedding_coefs": (2 * self.n_frequencies, self.n_outputs),
            "embedding_intercepts": (self.n_outputs,),
        }

    def forward(self, weights: Mapping[str, Tensor], x: Tensor, trace: Trace | None = None) -> Tensor:
        """Map (S, n, d) to (S, n, d * n_outputs)."""
        turns = (2.0 * math.pi * x).unsqueeze(-1)
        angle = turns * weights["embedding_frequencies"].unsqueeze(1)
        waves = torch.cat([angle.sin(), angle.cos()], dim=-1).flatten(1, 2)
        linear = torch.bmm(waves, weights["embedding_coefs"])
        outputs = linear.view(*x.shape[:2], x.shape[2] * self.n_outputs)
        # Of all features at once: additions along so short an axis take longer than the product.
        outputs.add_(weights["embedding_intercepts"].repeat(1, x.shape[2]).unsqueeze(1))
        if trace is not None:
            trace.append((turns, waves, linear))
        return torch.relu(outputs)

    def backward(
        self,
        weights: Mapping[str, Tensor],
        trace: Trace,
        by_features: Tensor,
        by: Mapping[str, Tensor],
    ) -> Tensor:
        """Write the gradient by each parameter into ``by``, given that by the periodic features.

        Returns the gradient by the angles, (S, n, d, n_frequencies), of which ``by_inputs`` makes that by x.
        """
        turns, waves, linear = trace.pop()
        by_linear = by_features.reshape(linear.shape) * (linear > 0.0)
        write_product(waves.mT, by_linear, by["embedding_coefs"])
        torch.sum(by_linear, dim=1, out=by["embedding_intercepts"])
        by_waves = torch.bmm(by_linear, weights["embedding_coefs"].mT)
        # Sine and cosine are each other's derivatives: neither is evaluated again.
        (sine, cosine), (by_sine, by_cosine) = waves.chunk(2, -1), by_waves.chunk(2, -1)
        by_angle = (by_sine * cosine).addcmul_(by_cosine, sine, value=-1.0)
        by_angle = by_angle.view(*turns.shape[:-1], self.n_frequencies)
        torch.sum(by_angle * turns, dim=1, out=by["embedding_frequencies"])
        return by_angle

    def by_inputs(self, weights: Mapping[str, Tensor], by_angle: Tensor) -> Tensor:
        """The gradient by x (S, n, d)."""
        return (by_angle * weights["embedding_frequencies"].unsqueeze(1)).sum(-1).mul_(2.0 * math.pi)


@final
@dataclass(frozen=True)
class PiecewiseLinearEncoding:
    """Where each number lies in the bins of its column (Gorishniy et al. 2022, "PLE").

    A bin of the left end b and the inverse width s makes min(max(s (x - b), 0), 1) of x: 0 below it, 1 above
    it. A linear layer makes of a column's bins any function that is linear in each and constant outside.
    Column j has ``n_bins[j]`` of them. Ends and widths are among the parameters of a member, since the rows
    of another may have others, but no gradient moves them; a bin that a column has no need of has s = 0.
    """

    n_bins: tuple[int, ...]

    @cached_property
    def groups(self) -> list[tuple[int, tuple[int, ...]]]:
        """Numbers of bins, and the columns that have so many: the order of the features."""
        sizes = sorted({count for count in self.n_bins if count})
        return [(size, tuple(i for i, own in enumerate(self.n_bins) if own == size)) for size in sizes]

    @property
    def n_outputs(self) -> int:
        return sum(self.n_bins)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        return {"embedding_bins": (2, self.n_outputs)}

    def parameters(self, starts: Sequence[Tensor], slopes: Sequence[Tensor]) -> Tensor:
        """Left ends and inverse widths of each column's bins as the parameter (2, n_outputs)."""
        order = [column for _, columns in self.groups for column in columns]
        return torch.stack([torch.cat([part[column] for column in order]) for part in (starts, slopes)])

    def _split(self, features: Tensor) -> list[Tensor]:
        """A view (..., columns, bins) of (..., n_outputs) for each group."""
        parts = features.split_with_sizes([size * len(columns) for size, columns in self.groups], dim=-1)
        return [
            part.view(*part.shape[:-1], len(columns), size)
            for part, (size, columns) in zip(parts, self.groups, strict=True)
        ]

    def forward(
        self, weights: Mapping[str, Tensor], x: Tensor, out: Tensor, trace: Trace | None = None
    ) -> None:
        """Write what (S, n, d) is mapped to into ``out`` (S, n, n_outputs)."""
        starts, slopes = weights["embedding_bins"].detach().unsqueeze(1).unbind(2)
        first = 0
        for (size, columns), start, slope in zip(
            self.groups, self._split(starts), self._split(slopes), strict=True
        ):
            own = x if len(columns) == x.shape[-1] else x.index_select(-1, places_of(columns, x.device))
            # Not by `_split`: autograd refuses changes in views that were split off together.
            part = out.narrow(-1, first, size * len(columns)).view(*out.shape[:-1], len(columns), size)
            part.copy_(own.unsqueeze(-1).expand_as(part)).sub_(start).mul_(slope).clamp_(0.0, 1.0)
            first += size * len(columns)
        if trace is not None:
            trace.append((out,))

    def by_inputs(self, weights: Mapping[str, Tensor], encoded: Tensor, by_features: Tensor) -> Tensor:
        """The gradient by x (S, n, d), given that by the features that were ``encoded``."""
        slopes = weights["embedding_bins"][:, 1:]
        by_linear = by_features * ((encoded > 0.0) & (encoded < 1.0)) * slopes
        by_x = by_features.new_zeros(*by_features.shape[:-1], len(self.n_bins))
        for (_, columns), part in zip(self.groups, self._split(by_linear), strict=True):
            by_x[..., places_of(columns, by_x.device)] = part.sum(-1)
        return by_x


@final
@dataclass(frozen=True)
class CategoryEmbedding:
    """A learned vector for each code of each categorical column (Guo and Berkhahn 2016).

    Column j has ``n_codes[j]`` codes. Code 0 is that of every category that is rare or unknown; training
    gives it to each row now and then, so that it stands for a category of which nothing is known.
    """

    n_codes: tuple[int, ...]

    @cached_property
    def widths(self) -> tuple[int, ...]:
        """Numbers in the vectors of each column."""
        return tuple(category_width(count) for count in self.n_codes)

    @property
    def n_outputs(self) -> int:
        return sum(self.widths)

    def shapes(self) -> dict[str, tuple[int, ...]]:
        sizes = (count * width for count, width in zip(self.n_codes, self.widths, strict=True))
        return {"category_coefs": (sum(sizes),)}

    def _places(self, codes: Tensor) -> Tensor:
        """Where the vectors of ``codes`` (S, n, c) stand among all numbers of a member, (S, n, outputs)."""
        column, width, start = category_layout(self.n_codes, self.widths, codes.device)
        return codes[..., column].mul_(width).add_(start)

    def forward(self, weights: Mapping[str, Tensor], codes: Tensor, trace: Trace | None = None) -> Tensor:
        """Map codes (S, n, c) to (S, n, outputs)."""
        places = self._places(codes)
        if trace is not None:
            trace.append((places,))
        return weights["category_coefs"].gather(1, places.flatten(1)).view(places.shape)

    def backward(self, trace: Trace, by_features: Tensor, by: Mapping[str, Tensor]) -> None:
        """Write the gradient by the vectors into ``by``."""
        (places,) = trace.pop()
        sort = places.device.type != "cpu"
        add_at(by["category_coefs"], places.flatten(1), by_features.flatten(1), sort)


def category_width(n_codes: int) -> int:
    """Numbers that stand for a category: about the square root of how many there are, 16 at most."""
    return min(n_codes - 1, math.ceil(1.5 * math.sqrt(n_codes)), 16) if n_codes > 1 else 1


@lru_cache
def category_layout(
    n_codes: tuple[int, ...], widths: tuple[int, ...], device: torch.device
) -> tuple[Tensor, Tensor, Tensor]:
    """For each output of the embeddings its column, the width there, and where its numbers start."""
    column: list[int] = []
    start: list[int] = []
    before = 0
    for i, (count, width) in enumerate(zip(n_codes, widths, strict=True)):
        column += [i] * width
        start += range(before, before + width)
        before += count * width
    with torch.inference_mode(mode=False):
        columns = torch.tensor(column, dtype=torch.int64, device="cpu")
        per_output = torch.tensor(widths, dtype=torch.int64, device="cpu")[columns]
        starts = torch.tensor(start, dtype=torch.int64, device="cpu")
        return columns.to(device), per_output.to(device), starts.to(device)


def add_at(out: Tensor, places: Tensor, values: Tensor, sort: bool) -> None:
    """Set ``out`` (S, P) to the sums of the values (S, m) whose places (S, m) it is, in a fixed order.

    On the CPU ``scatter_add_`` goes through each row in its order; elsewhere values arrive in any, unless
    they are sorted.
    """
    out.zero_()
    if sort:
        rows = torch.arange(len(out), device=out.device).unsqueeze(1).expand_as(places)
        out.index_put_((rows, places), values, accumulate=True)
    else:
        out.scatter_add_(1, places, values)


@final
@dataclass(frozen=True)
class TableEmbedding:
    """Features of a table: its numbers, their bins, marks of gaps, what is learned of numbers and codes.

    The columns are ``n_numbers`` standardised numbers and then a code for each categorical column. ``gaps``
    are the columns of numbers in which training rows have gaps, NaN: these are replaced by a learned number
    and marked in a feature of their own.
    """

    n_numbers: int
    gaps: tuple[int, ...] = ()
    n_codes: tuple[int, ...] = ()
    periodic: PeriodicEmbedding | None = None
    piecewise: PiecewiseLinearEncoding | None = None

    @property
    def n_columns(self) -> int:
        return self.n_numbers + len(self.n_codes)

    @cached_property
    def categories(self) -> CategoryEmbedding:
        return CategoryEmbedding(self.n_codes)

    @cached_property
    def sizes(self) -> list[int]:
        """Features of each kind: numbers, bins, marks, periodic features, categories."""
        piecewise = 0 if self.piecewise is None else self.piecewise.n_outputs
        periodic = 0 if self.periodic is None else self.n_numbers * self.periodic.n_outputs
        return [self.n_numbers, piecewise, len(self.gaps), periodic, self.categories.n_outputs]

    @property
    def n_features(self) -> int:
        return sum(self.sizes)

    @cached_property
    def places(self) -> list[slice]:
        """Where among the features each kind is."""
        return [slice(*ends) for ends in pairwise(accumulate(self.sizes, initial=0))]

    @property
    def bins(self) -> slice:
        """Where among the features the bins are."""
        return self.places[1]

    @property
    def first_deviations(self) -> Tensor:
        """Standard deviations of the first layer's weights at the start, (n_features, 1).

        The bins count for themselves: those of LeCun et al. (1998) would let them drown the rest, of which
        there is less, or be drowned by it.
        """
        n_bins = self.sizes[1]
        deviations = torch.full((self.n_features, 1), 1.0, dtype=torch.float64, device="cpu")
        deviations /= math.sqrt(max(1, self.n_features - n_bins))
        if n_bins:
            deviations[self.bins] = BIN_SHARE / math.sqrt(n_bins)
        return deviations

    @property
    def n_fixed(self) -> int:
        """So many features, the first ones, hang on no parameter."""
        return 0 if self.gaps else sum(self.sizes[:2])

    def shapes(self) -> dict[str, tuple[int, ...]]:
        shapes: dict[str, tuple[int, ...]] = {}
        if self.periodic is not None:
            shapes |= self.periodic.shapes(self.n_numbers)
        if self.piecewise is not None:
            shapes |= self.piecewise.shapes()
        if self.gaps:
            shapes["gap_values"] = (self.n_numbers,)
        if self.n_codes:
            shapes |= self.categories.shapes()
        return shapes

    def forward(self, weights: Mapping[str, Tensor], x: Tensor, trace: Trace | None = None) -> Tensor:
        """Map (S, n, n_columns) to (S, n, n_features)."""
        numbers, codes = x.split_with_sizes([self.n_numbers, len(self.n_codes)], dim=-1)
        if self.n_features == self.n_numbers:
            return numbers
        # Written in place, part by part: joined afterwards, all would be written twice.
        features = x.new_empty(*x.shape[:-1], self.n_features)
        bins, marks, periodic, categories = self.places[1:]
        if self.gaps:
            missing = numbers.isnan()
            numbers = torch.where(missing, weights["gap_values"].unsqueeze(1), numbers)
            if trace is not None:
                trace.append((missing,))
        features[..., : self.n_numbers] = numbers
        if self.piecewise is not None:
            self.piecewise.forward(weights, numbers, features[..., bins], trace)
        if self.gaps:
            features[..., marks] = missing.index_select(-1, places_of(self.gaps, x.device)).to(x.dtype)
        if self.periodic is not None:
            features[..., periodic] = self.periodic.forward(weights, numbers, trace)
        if self.n_codes:
            features[..., categories] = self.categories.forward(weights, codes.long(), trace)
        return features

    def backward(
        self,
        weights: Mapping[str, Tensor],
        trace: Trace,
        by_features: Tensor,
        by: Mapping[str, Tensor],
    ) -> None:
        """Write the gradient by each parameter into ``by``, given that by all features but the fixed ones."""
        sizes = [size if self.gaps else 0 for size in self.sizes[:2]] + self.sizes[2:]
        by_numbers, by_bins, _, by_periodic, by_categories = by_features.split_with_sizes(sizes, dim=-1)
        if self.n_codes:
            self.categories.backward(trace, by_categories, by)
        if self.periodic is not None:
            by_angle = self.periodic.backward(weights, trace, by_periodic, by)
            if self.gaps:
                by_numbers = by_numbers + self.periodic.by_inputs(weights, by_angle)
        if self.piecewise is not None:
            (encoded,) = trace.pop()
            if self.gaps:
                by_numbers = by_numbers + self.piecewise.by_inputs(weights, encoded, by_bins)
        if self.gaps:
            (missing,) = trace.pop()
            torch.sum(by_numbers * missing, dim=1, out=by["gap_values"])


@lru_cache
def places_of(columns: tuple[int, ...], device: torch.device) -> Tensor:
    """An index of columns, made once."""
    with torch.inference_mode(mode=False):
        return torch.tensor(columns, dtype=torch.int64, device="cpu").to(device)
