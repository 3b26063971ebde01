"""Rows that do not fit into memory: memory maps, and sequences that give slices of rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any, Protocol, final, runtime_checkable

import narwhals.stable.v2 as nw
import numpy as np
import torch
from numpy.typing import NDArray
from scipy import sparse

from sklearn_mdn._distributions.row_weights import check_row_weights
from sklearn_mdn._estimators.folds import member_generator, members_folds
from sklearn_mdn._estimators.inputs import Inputs, row_blocks
from sklearn_mdn._estimators.likelihood import MixtureLikelihood
from sklearn_mdn._estimators.moments import Moments, check_variance
from sklearn_mdn._estimators.plans import Plan, Trained, joined_rows, prior_share
from sklearn_mdn._estimators.rows import Standardization, Table, TrainingSet
from sklearn_mdn._tables.columns import read_columns
from sklearn_mdn._tables.encoding import Encoding
from sklearn_mdn._training.loop import TrainingState, train
from sklearn_mdn._training.rows import Member
from sklearn_mdn._training.stream import RowStream

# Bytes of the buffer in which rows are shuffled, unless their number is given.
BUFFER_BYTES = 1 << 30

# A buffer holds so many blocks or more, so that those of one are neighbours in a few others only, and
# a source so many, of which whole ones are held out.
BLOCKS_A_BUFFER, LEAST_BLOCKS = 8, 20

# Numbers that are read at once at most.
READ_NUMBERS = 1 << 20

# Held-out rows stay in memory; together they take at most this share of the buffer.
HELD_OUT_SHARE = 0.25

# Rows that tell where the components start, and what else hangs on how values are distributed.
SAMPLED = 1 << 13


# What to do with categories, which would take a pass over all rows to be known.
CATEGORIES_WAY_OUT = (
    "Pass the parts to partial_fit, which learns the categories of the first one, or turn them into numbers, "
    "as sklearn.preprocessing.OneHotEncoder or TargetEncoder do."
)


@runtime_checkable
class RowSource(Protocol):
    """LightGBM's protocol of a sequence: a length, and rows for a slice."""

    def __len__(self) -> int: ...

    def __getitem__(self, rows: slice) -> Any: ...


@runtime_checkable
class ArrayLike(Protocol):
    """What NumPy makes an array of."""

    def __array__(self) -> NDArray[Any]: ...


def is_source(X: object) -> bool:
    """Whether X is a sequence of rows that is no array, list, frame or text."""
    if isinstance(X, (list, tuple, dict, str, bytes, ArrayLike)) or sparse.issparse(X):
        return False
    return isinstance(X, RowSource) and not nw.dependencies.is_into_dataframe(X)


def is_stream(X: Any, buffer_size: int | str) -> bool:
    """Whether X is to be read in blocks: a source, or a memory map of more rows than the buffer has."""
    if is_source(X):
        return True
    if not isinstance(X, np.memmap) or X.ndim != 2:
        return False
    return len(X) > buffer_rows(buffer_size, X.shape[1])


def buffer_rows(buffer_size: int | str, n_columns: int) -> int:
    return BUFFER_BYTES // (4 * (n_columns + 2)) if isinstance(buffer_size, str) else buffer_size


def check_no_categories(categorical_features: Any) -> None:
    """Refuse columns that are declared to be categories, which blocks are not searched for."""
    if categorical_features is None or isinstance(categorical_features, str):
        return
    declared = np.asarray(categorical_features)
    if declared.any() if declared.dtype.kind == "b" else declared.size:
        raise ValueError(
            "categorical_features must be 'from_dtype' or None where X is read in blocks, got "
            f"{categorical_features!r}. {CATEGORIES_WAY_OUT}"
        )


def block_of(given: Any, name: str) -> NDArray[Any]:
    """What a source gives for a slice as an array of numbers."""
    if not nw.dependencies.is_into_dataframe(given):
        return np.asarray(given)
    columns = read_columns(given, "from_dtype")
    if columns.labels:
        raise ValueError(
            f"{name} must give columns of numbers where it is read in blocks, but these are of categories: "
            f"{', '.join(map(repr, columns.categorical_names))}. {CATEGORIES_WAY_OUT}"
        )
    return columns.numbers


@final
@dataclass(frozen=True)
class Blocks:
    """A source as blocks of neighbouring rows, checked when they are read."""

    X: Any
    y: Any
    weight: NDArray[np.float64] | None
    slices: list[slice]
    n_columns: int
    target_shape: tuple[int, ...]

    @classmethod
    def of(cls, X: Any, y: Any, sample_weight: Any, buffer_size: int | str) -> Blocks:
        n_rows = len(X)
        if n_rows < 2 or len(y) != n_rows:
            raise ValueError(f"X and y must have equally many rows, at least 2, got {n_rows} and {len(y)}.")
        first, target = block_of(X[0:1], "X"), np.asarray(y[0:1])
        if first.ndim != 2 or target.ndim not in (1, 2):
            raise ValueError(
                "X must give an array of shape (n_rows, n_features) for a slice, and y one with an axis of "
                f"rows, got {first.shape} and {target.shape} for a slice of one row."
            )
        weight = None if sample_weight is None else check_row_weights(sample_weight, np.empty(n_rows))
        room = buffer_rows(buffer_size, first.shape[1])
        size = min(max(1, READ_NUMBERS // first.shape[1]), room // BLOCKS_A_BUFFER, n_rows // LEAST_BLOCKS)
        slices = list(row_blocks(n_rows, max(1, size)))
        return cls(X, y, weight, slices, first.shape[1], target.shape[1:])

    @property
    def sizes(self) -> list[int]:
        return [part.stop - part.start for part in self.slices]

    def read(self, block: int) -> tuple[NDArray[Any], NDArray[np.float64], NDArray[np.float64]]:
        """Inputs as they come, NaN for gaps, targets (n, D) and weights of a block."""
        part = self.slices[block]
        x, y = block_of(self.X[part], "X"), np.asarray(self.y[part])
        if x.shape != (part.stop - part.start, self.n_columns) or x.dtype.kind not in "biuf":
            raise ValueError(
                f"X must give numbers of the shape {(part.stop - part.start, self.n_columns)} for the rows "
                f"{part.start} to {part.stop}, got {x.dtype} of the shape {x.shape}."
                f"{'' if x.dtype.kind in 'biuf' else ' ' + CATEGORIES_WAY_OUT}"
            )
        if y.shape != (len(x), *self.target_shape) or y.dtype.kind not in "biuf":
            raise ValueError(
                f"y must give numbers of the shape {(len(x), *self.target_shape)} for the rows {part.start} "
                f"to {part.stop}, got {y.dtype} of the shape {y.shape}."
            )
        if np.isinf(x).any():
            raise ValueError(f"Input X contains infinity in the rows {part.start} to {part.stop}.")
        if not np.isfinite(y).all():
            raise ValueError(f"Input y contains NaN or infinity in the rows {part.start} to {part.stop}.")
        weight = np.ones(len(x)) if self.weight is None else self.weight[part]
        return x, y.reshape(len(x), -1).astype(np.float64), weight


@final
@dataclass(frozen=True)
class Pass:
    """What one pass over a source finds: means and deviations, weights, ranges, and some of the rows."""

    standardization: Standardization
    mean_weight: float
    number_range: tuple[NDArray[np.float64], NDArray[np.float64]]
    effective_rows: float
    x: NDArray[Any]
    y: NDArray[np.float64]
    weight: NDArray[np.float64]


def first_pass(blocks: Blocks) -> Pass:
    """Moments of X and y, block by block, and every so many of the targets."""
    moments: list[Moments] | None = None
    total, squares, every = 0.0, 0.0, -(-sum(blocks.sizes) // SAMPLED)
    sample = []
    for block, part in enumerate(blocks.slices):
        x, y, weight = blocks.read(block)
        start = -part.start % every
        sample.append([values[start::every].copy() for values in (x, y, weight)])
        total += float(weight.sum())
        squares += float(weight @ weight)
        with np.errstate(over="ignore", invalid="ignore"):
            own = [Moments.of(np.array(values, dtype=np.float64), weight) for values in (x, y)]
            moments = (
                own if moments is None else [a.with_others(b) for a, b in zip(moments, own, strict=True)]
            )
    assert moments is not None
    for name, found in zip(("X", "y"), moments, strict=True):
        check_variance(found, name)
    of_x, of_y = moments
    standardization = Standardization(of_x.mean, of_x.scale, of_x.gaps, of_y.mean, of_y.scale)
    known = of_x.lower <= of_x.upper
    low, high = (np.where(known, side, of_x.mean) for side in (of_x.lower, of_x.upper))
    return Pass(
        standardization,
        total / sum(blocks.sizes),
        ((low - of_x.mean) / of_x.scale, (high - of_x.mean) / of_x.scale),
        total**2 / squares,
        *(np.concatenate(arrays) for arrays in zip(*sample, strict=True)),
    )


def as_floats(x: NDArray[Any]) -> NDArray[Any]:
    """Numbers in the type that they have, or in float64."""
    return x if x.dtype in (np.float32, np.float64) else x.astype(np.float64)


def held_out_blocks(
    blocks: Blocks, fraction: float, n_members: int, room: int, seed: int
) -> tuple[list[list[int]], list[int]]:
    """The blocks of each fold, and the fold that each member holds out."""
    n_folds = max(2, round(1.0 / fraction))
    order = np.random.default_rng([seed, 1]).permutation(len(blocks.slices))
    folds = np.array_split(order, n_folds)
    numbers = [int(fold[0]) for fold in members_folds([np.array([i]) for i in range(n_folds)], n_members)]
    used = sorted(set(numbers))
    # As many blocks as there is room for in memory, and at least one.
    at_most = max(1, int(HELD_OUT_SHARE * room / len(used)) // max(blocks.sizes))
    found = {number: np.sort(folds[number][:at_most]).tolist() for number in used}
    return [found[number] for number in used], [used.index(number) for number in numbers]


def resident(
    blocks: Blocks, folds: list[list[int]], found: Pass, target_ndim: int
) -> tuple[TrainingSet, list[NDArray[np.intp]]]:
    """The sampled targets and then the rows of all folds, which stay in memory, and where each fold is."""
    parts = [blocks.read(block) for fold in folds for block in fold]
    n_sampled = len(found.y)
    weight = found.weight / found.mean_weight
    sample, watched = Table(Inputs.of(as_floats(found.x)), found.y, weight), None
    if parts:
        x, y, weight = (np.concatenate(arrays) for arrays in zip(*parts, strict=True))
        watched = Table(Inputs.of(as_floats(x)), y, weight / found.mean_weight)
    nothing = Encoding(np.zeros(blocks.n_columns, dtype=bool), (), ())
    names = tuple(str(i) for i in range(blocks.n_columns))
    data = TrainingSet.of(sample, watched, nothing, found.standardization, target_ndim, names, None)
    data = replace(data, number_range=found.number_range, effective_rows=found.effective_rows)
    places, start = [], n_sampled
    for fold in folds:
        size = sum(blocks.sizes[block] for block in fold)
        places.append(np.arange(start, start + size))
        start += size
    return data, places


def train_stream(
    plan: Plan,
    blocks: Blocks,
    folds: list[list[int]],
    fold_numbers: list[int],
    mean_weight: float,
    buffer: int,
    device: torch.device,
    dtype: torch.dtype,
    on_epoch: Callable[[int, TrainingState], bool] | None,
) -> Trained:
    """Train the members of a plan on the blocks that they do not hold out."""
    standardization = plan.data.standardization

    def read(block: int) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        x, y, weight = blocks.read(block)
        return standardization.x(x.astype(np.float64)), standardization.y(y), weight / mean_weight

    held_out, _ = joined_rows([plan.data], device, dtype)
    generator = member_generator(plan.seed, len(plan.generators), 1)
    feed = RowStream(read, blocks.sizes, folds, held_out, buffer, generator)
    members = []
    for fold, validation, stream in zip(fold_numbers, plan.validation, plan.generators, strict=True):
        # So many rows that they are counted, not listed.
        train_rows = torch.zeros(1, dtype=torch.int32, device="cpu").expand(feed.n_train(fold))
        places = torch.from_numpy(np.asarray(validation))
        members.append(Member(train_rows, places, plan.batch_size, stream, fold=fold))
    n_rows = torch.tensor([len(member.train) for member in members], dtype=torch.float64, device="cpu")
    share = prior_share(n_rows)
    state = train(
        MixtureLikelihood(plan.network, share.to(device=device, dtype=dtype)),
        plan.params.to(device=device, dtype=dtype),
        feed,
        members,
        [plan.settings] * len(members),
        on_epoch,
    )
    return Trained(state.snapshot().cpu(), state.histories)
