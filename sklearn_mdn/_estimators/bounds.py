"""Bounds of targets: those that a target never reaches, and those that carry mass."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from typing import Any, final

import numpy as np
from numpy.typing import NDArray

from sklearn_mdn._distributions.bounds import BoundTransformer
from sklearn_mdn._distributions.chain import Chain
from sklearn_mdn._distributions.clipped import ClippedDistribution, censored
from sklearn_mdn._distributions.mixture import MixtureDistribution
from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn._distributions.records import Records
from sklearn_mdn._distributions.transformed import TransformedDistribution
from sklearn_mdn._estimators.arguments import of_target


@final
@dataclass(frozen=True)
class TargetBounds:
    """What is known of all values of a target: nothing, a support that is open, or limits that are recorded.

    Both pairs are (low, high), of which one may be infinite.
    """

    support: tuple[float, float] | None = None
    limits: tuple[float, float] | None = None

    @property
    def transformer(self) -> BoundTransformer | None:
        """What leads to the line from a support."""
        return None if self.support is None else BoundTransformer(*self.support)

    @property
    def attributes(self) -> dict[str, NDArray[np.float64]]:
        """Fitted attributes."""
        pairs = {"support_": self.support, "limits_": self.limits}
        return {name: np.array(pair) for name, pair in pairs.items() if pair is not None}

    @classmethod
    def from_attributes(cls, stored: Mapping[str, Any]) -> TargetBounds:
        """Of fitted attributes, which earlier versions did not have."""
        pairs = [stored.get(name) for name in ("support_", "limits_")]
        return cls(*(None if pair is None else (float(pair[0]), float(pair[1])) for pair in pairs))

    def learned(self, records: Records, name: str, targets: Sequence[str | int] | None) -> Records:
        """What records say of the variable that is learned; values that cannot be are refused."""
        if self.support is not None:
            self._check(records, self.support, True, name, targets)
            return BoundTransformer(*self.support).records(records)
        if self.limits is not None:
            self._check(records, self.limits, False, name, targets)
            return censored(records, *self.limits)
        return records

    def _check(
        self,
        records: Records,
        pair: tuple[float, float],
        is_open: bool,
        name: str,
        targets: Sequence[str | int] | None,
    ) -> None:
        low, high = pair
        lower, upper = records.ends
        outside = (upper <= low) | (lower >= high) if is_open else (upper < low) | (lower > high)
        if not outside.any():
            return
        row, j = (int(i) for i in np.argwhere(outside)[0])
        which = of_target(targets, j, outside.shape[1])
        on = (records.exact & ((records.place == low) | (records.place == high)))[outside].sum()
        argument, ends = ("support", f"between {low:g} and {high:g}, without these,")
        if not is_open:
            argument, ends = "limits", f"from {low:g} to {high:g}"
        way = ""
        if on:
            way = f" {on} of them lie on a bound: limits=({low:g}, {high:g}) is for bounds that carry mass."
        elif is_open:
            way = " limits is for bounds at which values were cut."
        raise ValueError(
            f"{name} must lie {ends} with {argument}=({low:g}, {high:g}); {outside.sum()} of {outside.size} "
            f"values do not, {records.place[row, j]:g} in row {row}{which} for one.{way}"
        )

    def predicted(self, latent: MixtureDistribution) -> PredictiveDistribution:
        """The distribution of the target where that of what was learned is a mixture."""
        if self.support is not None:
            chain = Chain((BoundTransformer(*self.support),))
            return TransformedDistribution._of(latent, [chain])._on(latent._grid)
        if self.limits is not None:
            return ClippedDistribution(latent, *self.limits)._on(latent._grid)
        return latent

    def check_goes_on(self, fitted: TargetBounds) -> None:
        """Refuse other bounds than those that were fitted."""
        for name in ("support", "limits"):
            before, now = getattr(fitted, name), getattr(self, name)
            if before != now:
                raise ValueError(f"warm_start=True goes on with {name}={before}, got {now}.")

    def check_covariances(self, covariance_type: str, n_targets: int) -> None:
        """Refuse limits of targets that depend on each other within components."""
        if self.limits is not None and n_targets > 1 and covariance_type in ("full", "tied"):
            raise ValueError(
                "limits need targets that are independent within components, covariance_type='diag' or "
                f"'spherical', got {covariance_type!r} and {n_targets} targets."
            )


def bounds_of(support: Any, limits: Any) -> TargetBounds:
    """The bounds that the parameters of an estimator name."""
    if support is not None and limits is not None:
        raise ValueError(
            "support and limits must not be given together: support is for bounds that no value reaches, "
            f"limits for bounds that are recorded themselves; got support={support!r} and limits={limits!r}."
        )
    if isinstance(support, str):
        support = (0.0, None)
    return TargetBounds(_pair(support, "support"), _pair(limits, "limits"))


def _pair(value: Any, name: str) -> tuple[float, float] | None:
    if value is None:
        return None
    ends = list(value) if isinstance(value, (tuple, list, np.ndarray)) else []
    known = len(ends) == 2 and all(end is None or (isinstance(end, Real) and end == end) for end in ends)
    if known:
        low = -np.inf if ends[0] is None else float(ends[0])
        high = np.inf if ends[1] is None else float(ends[1])
        if low < high and (np.isfinite(low) or np.isfinite(high)) and low < np.inf and high > -np.inf:
            return low, high
    words = ' "positive" or' if name == "support" else ""
    raise ValueError(
        f"{name} must be None,{words} a pair (low, high) with low < high, None for an open end, got "
        f"{value!r}."
    )
