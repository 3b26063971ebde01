"""What was recorded of targets, as arrays: values, intervals, open ends, and the grids that values lie on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import final

import numpy as np
from numpy.typing import NDArray

# How far from a grid values may be, beside its step.
GRID_TOLERANCE = 1e-3
# Beside so much noise numbers on no grid at all have a common divisor as well.
SMALLEST_STEP = 30.0


@final
@dataclass(frozen=True)
class Records:
    """Records of D targets: place and reach (n, D), as `sklearn_mdn._mixtures.recorded` has them."""

    place: NDArray[np.float64]
    reach: NDArray[np.float64]

    @classmethod
    def of(cls, values: NDArray[np.float64]) -> Records:
        """Of values that were observed exactly."""
        return cls(values, np.zeros_like(values))

    @classmethod
    def between(cls, lower: NDArray[np.float64], upper: NDArray[np.float64]) -> Records:
        """Of targets that lie above ``lower`` and not above ``upper``; equal ends are values."""
        with np.errstate(over="ignore", invalid="ignore"):
            reach = 0.5 * upper - 0.5 * lower
            place = np.where(np.isinf(lower), upper, np.where(np.isinf(upper), lower, lower + reach))
        return cls(place, np.where(np.isinf(lower), -np.inf, reach))

    def __getitem__(self, rows: slice | NDArray[np.integer]) -> Records:
        return Records(self.place[rows], self.reach[rows])

    @property
    def exact(self) -> NDArray[np.bool_]:
        """Which of them are values that were observed exactly, (n, D)."""
        exact: NDArray[np.bool_] = self.reach == 0.0
        return exact

    @property
    def ends(self) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Above the first, and not above the second, (n, D) each; twice the value of one that is exact."""
        with np.errstate(invalid="ignore"):
            lower = np.where(np.isinf(self.reach), self.place, self.place - self.reach)
            upper = np.where(np.isinf(self.reach), self.place, self.place + self.reach)
        lower = np.where(self.reach == -np.inf, -np.inf, lower)
        return lower, np.where(self.reach == np.inf, np.inf, upper)

    def rounded(self, steps: NDArray[np.float64]) -> Records:
        """The same, values standing for all that is rounded to them on grids of these steps (D,)."""
        return Records(self.place, np.where(self.exact, 0.5 * steps, self.reach))


def rounding_noise(values: NDArray[np.float64]) -> float:
    """How far from what they stand for values may be, in the precision that they come in."""
    single = values.astype(np.float32)
    is_single = np.array_equal(values, single) and not np.array_equal(values, np.round(values))
    precision, largest = (
        np.finfo(np.float32 if is_single else np.float64).eps,
        np.abs(values).max(initial=0.0),
    )
    return 16.0 * float(precision) * float(largest)


@final
@dataclass(frozen=True)
class Grid:
    """Where recorded values lie: at an offset and multiples of a step, each (D,). A step of 0 is no grid."""

    step: NDArray[np.float64]
    offset: NDArray[np.float64]

    @property
    def state(self) -> dict[str, NDArray[np.float64]]:
        """What is stored of it."""
        return {"step": self.step, "offset": self.offset}

    @classmethod
    def from_state(cls, state: dict[str, NDArray[np.float64]] | None) -> Grid | None:
        """The grid that was stored, if there was one; arrays are copied, for they may be memory maps."""
        return None if state is None else cls(np.array(state["step"]), np.array(state["offset"]))

    def of(self, targets: list[int]) -> Grid:
        """That of some targets."""
        return Grid(self.step[targets], self.offset[targets])

    def rounded(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """Values (..., D) as they would be recorded: y from v - step / 2, not included, to v + step / 2."""
        step = np.where(self.step > 0.0, self.step, 1.0)
        nearest = np.ceil((values - self.offset) / step - 0.5) * step + self.offset
        return np.where(self.step > 0.0, nearest, values)


def common_grid(grids: Sequence[Grid | None]) -> Grid | None:
    """The grid that all have, if there is one."""
    first, *others = grids
    if first is None or any(other is None for other in others):
        return None
    alike = all(
        np.array_equal(first.step, other.step) and np.array_equal(first.offset, other.offset)
        for other in others
        if other is not None
    )
    return first if alike else None


def distance_from_grid(values: NDArray[np.float64], step: float, offset: float) -> NDArray[np.float64]:
    """How far each value is above the nearest point of a grid, negative if below."""
    above = values - offset
    distance: NDArray[np.float64] = above - step * np.round(above / step)
    return distance


def check_grid(
    values: NDArray[np.float64], step: float, offset: float | None = None, name: str = "y", target: str = ""
) -> float:
    """The offset of the grid of this step that all values lie on; what lies on none is refused.

    Where ``offset`` is not given it is 0, or what all values have in common.
    """
    tolerance = max(GRID_TOLERANCE * step, rounding_noise(values))

    def off(start: float) -> NDArray[np.float64]:
        return np.abs(distance_from_grid(values, step, start))

    starts = [0.0, *values[values == values.min(initial=np.inf)][:1]] if offset is None else [offset]
    for start in starts:
        if off(start).max(initial=0.0) <= tolerance:
            above = float(distance_from_grid(np.array([start]), step, 0.0)[0])
            return above if above >= 0.0 else above + step
    distances = off(starts[0])
    worst, n_off = int(distances.argmax()), np.count_nonzero(distances > tolerance)
    multiples = "multiples of it" if not starts[0] else f"multiples of it above {starts[0]:g}"
    raise ValueError(
        f"resolution={step:g} must be the distance between values that {name} can have, but {n_off} of "
        f"{len(values)} values{target} are no {multiples}: {values[worst]:.10g} is {distances[worst]:.3g} "
        'away from one. resolution="auto" looks for the grid that all of them lie on.'
    )


def found_step(values: NDArray[np.float64]) -> float:
    """The step of the coarsest grid that all values lie on; 0 if there is none.

    Euclid's algorithm on the distances from the smallest value: numbers on no grid have no common divisor
    above their rounding.
    """
    noise = rounding_noise(values)
    distances = np.unique(values - values.min(initial=np.inf))
    distances = distances[distances > noise]
    if not len(distances):
        return 0.0
    steps = np.diff(distances, prepend=0.0)
    step, off = float(steps[steps > noise].min()), float(distances[0])
    while off:
        if step <= SMALLEST_STEP * noise:
            return 0.0
        step, off = fitted_step(distances, step, noise)
        step = common_divisor(off, step, noise) if off else step
    for neat in (float(f"{step:.6g}"), 1.0 / float(f"{1.0 / step:.6g}")):
        if np.abs(distance_from_grid(distances, neat, 0.0)).max() <= noise:
            return neat
    return step


def fitted_step(distances: NDArray[np.float64], step: float, noise: float) -> tuple[float, float]:
    """The step as distances (sorted) tell it, the widest ones best, and one that is no multiple, or 0."""
    reach = float(distances[0])
    while reach < 4.0 * distances[-1]:
        near = distances[distances <= reach * (1.0 + GRID_TOLERANCE)]
        off = np.abs(distance_from_grid(near, step, 0.0)) > max(noise, 0.02 * step)
        if off.any():
            return step, float(near[off][0])
        step = float(near[-1]) / round(float(near[-1]) / step)
        reach *= 4.0
    off = np.abs(distance_from_grid(distances, step, 0.0)) > noise
    return step, float(distances[off][0]) if off.any() else 0.0


def common_divisor(first: float, second: float, noise: float) -> float:
    """The greatest number that divides both, up to noise."""
    while second > noise:
        remainder = first % second
        first, second = second, min(remainder, second - remainder)
    return first
