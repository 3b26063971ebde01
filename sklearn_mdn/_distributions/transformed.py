"""The density of a target that was transformed before it was learned: a change of variables."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Self, final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.special import logsumexp

from sklearn_mdn._distributions.bounds import BoundTransformer
from sklearn_mdn._distributions.chain import Chain, affine, check_transformer, flattened, logarithm
from sklearn_mdn._distributions.decisions import Array
from sklearn_mdn._distributions.line import BoundedLine, Line
from sklearn_mdn._distributions.mixture import MixtureDistribution, stack_padded
from sklearn_mdn._distributions.noise import balanced_noise
from sklearn_mdn._distributions.predictive import PredictiveDistribution, blocks
from sklearn_mdn._distributions.quadrature import crps_of
from sklearn_mdn._distributions.reach import check_inside, ends, log_boxes, some_value
from sklearn_mdn._distributions.records import Grid, Records
from sklearn_mdn._distributions.stored_state import read_state, stamped
from sklearn_mdn._distributions.typing import SeedLike
from sklearn_mdn._mixtures import lognormal
from sklearn_mdn._mixtures.mixture import Mixture
from sklearn_mdn._mixtures.modes import multivariate_modes

FARTHEST = 8.3  # deviations of a component, beyond which it has a probability of 1e-16
LADDER = (0.5, 0.25, 0.75, 0.05, 0.95, 1e-3, 1.0 - 1e-3)  # quantiles among which some y is looked for
MAX_STARTS = 64
MAX_CHECKED, CHECKED = 16, (1e-3, *np.linspace(0.01, 0.99, 25), 1.0 - 1e-3)  # rows and levels
SAME_MODE = 1e-5
NEGLIGIBLE = 1e-12  # probability of a component outside a box that is not worth an integral
MAX_REJECTIONS = 1000
STATE_NAMES = ("latent", "chains", "which")


Flags = NDArray[np.bool_]


class Range(NamedTuple):
    """What the transforms map to, (n, D): z between low and high, and whether y rises with z.

    An end is infinite if it is farther out than any predicted density reaches.
    """

    low: Array
    high: Array
    rising: Flags

    @property
    def bounded(self) -> bool:
        """Whether there is an end that some density reaches."""
        return bool(np.isfinite(self.low).any() or np.isfinite(self.high).any())


@final
class TransformedDistribution(PredictiveDistribution):
    r"""Distributions of y where z = t(y) has a Gaussian mixture, one for each of n rows.

    .. math:: p(y) = p_z(t(y))\, |\det(t'(y))| / P(z \in t(\cdot))

    What :meth:`MDNRegressor.predict_distribution` returns with a ``support``, and
    :func:`predict_distribution` through a :class:`~sklearn.compose.TransformedTargetRegressor`, unless the
    transform is affine: then it is the :class:`MixtureDistribution` in original units. It has the methods of
    every :class:`PredictiveDistribution`, of the density of y itself.

    Parameters
    ----------
    latent : MixtureDistribution
        Density of z.
    transformer : fitted transformer or sequence of them
        What leads from y to z, with ``transform`` and ``inverse_transform`` on rows (m, D), monotone in each
        target: those of scikit-learn, pipelines of them, or one's own.

    Attributes
    ----------
    latent : MixtureDistribution
        Density of z, in units of the last transformer that is not affine.

    Raises
    ------
    TypeError
        If the latent distribution is no mixture, or a transformer has no inverse.
    ValueError
        If a transformer is not monotone, jumps, or no value of y leads to where the densities are.

    Notes
    -----
    A Gaussian mixture reaches everywhere, but the values of a transform may end somewhere: those of a Box-Cox
    transform with a positive exponent at -1 / lambda. No y belongs to what lies beyond, so the density is the
    one given that z is a value of t.

    Derivatives of scikit-learn's transformers, and of NumPy's functions in a
    :class:`~sklearn.preprocessing.FunctionTransformer`, are analytic, those of others extrapolated
    differences. Probabilities and quantiles are those of the mixture at t(y). For logarithms of the distance
    from a bound, mean, variance, entropy and CRPS have a closed form, and modes and regions are those of a
    mixture, as for a logit; for others they are found by quadrature, to 1e-8 where t is smooth, and on a grid
    of 41 places around each component. A moment that does not exist is infinite.

    Where targets depend on each other within a component and one ends, probabilities of the others leave
    out what the end tells of them.

    Examples
    --------
    >>> import numpy as np
    >>> from sklearn.preprocessing import FunctionTransformer
    >>> from sklearn_mdn import MixtureDistribution, TransformedDistribution
    >>> latent = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
    >>> dist = TransformedDistribution(latent, FunctionTransformer(np.log, np.exp))
    >>> dist
    <TransformedDistribution: 1 row, 2 components, 1-d target>
    >>> dist.mean().round(4), dist.mode().round(4), dist.cdf(np.exp(2.0)).round(4)
    (array([6.043]), array([0.1353]), array([0.6496]))
    """

    __module__ = "sklearn_mdn"

    def __init__(self, latent: MixtureDistribution, transformer: Any) -> None:
        if not isinstance(latent, MixtureDistribution):
            raise TypeError(f"latent must be a MixtureDistribution, got {type(latent).__name__}.")
        given = transformer if isinstance(transformer, (list, tuple)) else [transformer]
        self._set(*_reduced(latent, given))
        self._check_monotone()

    def _set(self, latent: MixtureDistribution, chains: Sequence[Chain], which: Any = 0) -> None:
        self.latent, self._chains = latent, tuple(chains)
        self._one_dimensional = latent._one_dimensional
        self._which = np.array(np.broadcast_to(which, len(latent)), dtype=np.int64)

    @classmethod
    def _of(cls, latent: MixtureDistribution, chains: Sequence[Chain], which: Any = 0) -> Self:
        new = cls.__new__(cls)
        new._set(latent, chains, which)
        return new

    def __getstate__(self) -> dict[str, Any]:
        """Numbers, NumPy arrays and the transformers."""
        chains = [
            {
                "transformers": [
                    {"low": t.low, "high": t.high} if isinstance(t, BoundTransformer) else t
                    for t in chain.transformers
                ],
                "targets": chain.targets,
                "filling": chain.filling,
            }
            for chain in self._chains
        ]
        return stamped(
            {
                "latent": self.latent.__getstate__(),
                "chains": chains,
                "which": self._which,
                "grid": None if self._grid is None else self._grid.state,
            }
        )

    def __setstate__(self, state: dict[str, Any]) -> None:
        """Take what ``__getstate__`` gave."""
        state = read_state(state, type(self).__name__, STATE_NAMES)
        latent = MixtureDistribution.__new__(MixtureDistribution)
        latent.__setstate__(state["latent"])
        chains = []
        for stored in state["chains"]:
            steps = [
                BoundTransformer(t["low"], t["high"]) if isinstance(t, dict) else t
                for t in stored["transformers"]
            ]
            targets, filling = (
                None if stored[name] is None else tuple(stored[name]) for name in ("targets", "filling")
            )
            chains.append(Chain(tuple(steps), targets, filling))
        self._set(latent, chains, state["which"])
        self._on(Grid.from_state(state.get("grid")))

    def __len__(self) -> int:
        """Number of rows."""
        return len(self.latent)

    @property
    def _n_targets(self) -> int:
        return self.latent._n_targets

    @property
    def _n_components(self) -> int:
        return self.latent._n_components

    @property
    def _member_sizes(self) -> tuple[int, ...]:
        return self.latent._member_sizes

    @property
    def _numbers_a_row(self) -> int:
        return self.latent._numbers_a_row

    # Along the chains.

    def _by_chain(self, function: Callable[..., Array], *arrays: Array) -> Array:
        """What a function (chain, rows (P, D), ...) -> (P, ...) makes of arrays (m, n, D)."""
        lead = arrays[0].shape[0]

        def of(chain: Chain, rows: Any) -> Array:
            parts = [array[:, rows] for array in arrays]
            out = function(chain, *(part.reshape(-1, part.shape[-1]) for part in parts))
            shaped: Array = out.reshape(lead, parts[0].shape[1], *out.shape[1:])
            return shaped

        if len(self._chains) == 1:
            return of(self._chains[0], slice(None))
        order = [np.flatnonzero(self._which == i) for i in range(len(self._chains))]
        parts = [of(chain, rows) for chain, rows in zip(self._chains, order, strict=True)]
        return np.concatenate(parts, axis=1)[:, np.argsort(np.concatenate(order))]

    def _backward(self, z: Array) -> Array:
        """Values (m, n, D) of y that lead to z."""
        y = self._by_chain(Chain.inverse, z)
        if np.isnan(y[~np.isnan(z)]).any():
            raise ValueError(
                "y_dist has quantiles for which the inverse transform of the target has no finite value."
            )
        return y

    def _placed(self, y: Array) -> Array:
        """z of y (m, n, D); beyond the domain the end of the range on that side."""
        z = self._by_chain(Chain.onto, y)
        low, high, rising = self._range
        outside = np.isnan(z) & ~np.isnan(y)
        if outside.any():
            z = np.where(outside, np.where((y < self._inner) == rising, -np.inf, np.inf), z)
        if self._range.bounded:
            z = np.clip(z, low, high)
        return z

    @cached_property
    def _inner(self) -> Array:
        """A row (n, D) inside of the domain."""
        inner: Array = self._backward(self._start[None])[0]
        return inner

    @cached_property
    def _start(self) -> Array:
        """Rows (n, D) of z that are values of the transform, one and the same for each chain."""
        start = np.zeros((len(self), self._n_targets))
        for i, chain in enumerate(self._chains):
            rows = np.flatnonzero(self._which == i)
            if chain.bounds is None and len(rows):
                start[rows] = some_value(chain, self.latent[rows])
        return start

    @cached_property
    def _mixes(self) -> bool:
        """Whether a transform mixes targets."""
        if self._n_targets == 1:
            return False
        rows = [np.flatnonzero(self._which == i)[:1] for i in range(len(self._chains))]
        return any(
            chain.bounds is None and len(row) and chain.derivative(chain.inverse(self._start[row])).ndim == 3
            for chain, row in zip(self._chains, rows, strict=True)
        )

    @cached_property
    def _range(self) -> Range:
        if self._mixes:
            raise ValueError(
                "y_dist has no distribution of single targets in closed form: the transformer of the target "
                "mixes them. Judge the joint density by its log-likelihood."
            )
        shape = (len(self), self._n_targets)
        low, high, rising = np.full(shape, -np.inf), np.full(shape, np.inf), np.full(shape, True)
        for i, chain in enumerate(self._chains):
            rows = np.flatnonzero(self._which == i)
            if chain.bounds is None and len(rows):
                low[rows], high[rows], rising[rows] = ends(chain, self.latent[rows], self._start[rows[0]])
        return Range(low, high, rising)

    @cached_property
    def _ends_tell(self) -> bool:
        """Whether single targets must be taken out one by one: an end of one tells of the others."""
        return self._n_targets > 1 and self._range.bounded

    @cached_property
    def _singles(self) -> list[TransformedDistribution]:
        """The distributions of single targets, with their axis."""
        if self._n_targets == 1:
            return [self]
        return [self._marginal([j], one_dimensional=False) for j in range(self._n_targets)]

    def _each(self, answer: Callable[..., Array], *arrays: Array) -> Array:
        """Answers of single targets to arrays (..., D), side by side along the last axis."""
        parts = [
            answer(single, *(array[..., j : j + 1] for array in arrays))
            for j, single in enumerate(self._singles)
        ]
        return np.concatenate(parts, axis=-1)

    @cached_property
    def _inside(self) -> Array:
        """Probability (n, D) that each target's z is a value of the transform."""
        if not self._range.bounded:
            return np.ones((len(self), self._n_targets))
        inside: Array = self.latent._prob(self._range.low[None], self._range.high[None])[0]
        check_inside(inside.min(axis=1))
        return inside

    @cached_property
    def _log_inside(self) -> Array:
        """Logarithm of the probability (n,) that all z of a row are values of the transform."""
        if self._mixes or not self._range.bounded:
            return np.zeros(len(self))
        if self._n_targets == 1:
            return np.log(self._inside[:, 0])
        log_inside = logsumexp(
            np.log(self.latent.weights) + log_boxes(self.latent, self._range.low, self._range.high), axis=1
        )
        check_inside(np.exp(log_inside))
        return np.asarray(log_inside)

    # Rows, members, targets.

    def _take(self, rows: NDArray[np.int64]) -> Self:
        return self._of(self.latent[rows], self._chains, self._which[rows])

    def _joined(self, parts: Sequence[Self]) -> Self:
        chains: list[Chain] = []
        which = []
        for part in parts:
            places = []
            for chain in part._chains:
                same = [i for i, known in enumerate(chains) if known.same_as(chain)]
                places.append(same[0] if same else len(chains))
                chains += [] if same else [chain]
            which.append(np.array(places)[part._which])
        latent = MixtureDistribution.concatenate([part.latent for part in parts])
        return self._of(latent, chains, np.concatenate(which))

    def _pooled(self, parts: Sequence[Self], weights: Array) -> Self:
        for part in parts:
            same = len(part._chains) == len(self._chains) and np.array_equal(part._which, self._which)
            if not same or not all(a.same_as(b) for a, b in zip(part._chains, self._chains, strict=True)):
                names = " and ".join(chain.names for each in (self, part) for chain in each._chains)
                raise ValueError(
                    "estimators must transform their targets alike for their pool to have a density, got "
                    f"{names}: put one TransformedTargetRegressor around the pool."
                )
        # Each density is that given that z is a value, whose probability is the part's own.
        log_inside = np.stack([part._log_inside for part in parts], axis=1)
        share = weights * np.exp(log_inside.min(axis=1, keepdims=True) - log_inside)
        return self._of(
            self.latent._pooled([part.latent for part in parts], share), self._chains, self._which
        )

    def _weights(self) -> Array:
        if self._mixes or not self._range.bounded:
            return self.latent.weights
        with np.errstate(divide="ignore"):
            log_weights = np.log(self.latent.weights)
        log_joint = log_weights + log_boxes(self.latent, self._range.low, self._range.high)
        return np.asarray(np.exp(log_joint - self._log_inside[:, None]))

    def _members(self) -> list[Self]:
        return [self._of(member, self._chains, self._which) for member in self.latent.members()]

    def _marginal(self, targets: list[int], *, one_dimensional: bool) -> Self:
        latent, (low, high, _) = self.latent, self._range
        rest = [j for j in range(self._n_targets) if j not in targets]
        if np.isfinite(np.stack([low[:, rest], high[:, rest]])).any():
            boxes = log_boxes(latent._marginal(rest, one_dimensional=False), low[:, rest], high[:, rest])
            mixture = latent._mixture
            logits = mixture.log_weights + torch.from_numpy(boxes)
            latent = latent._like(Mixture(logits, mixture.means, mixture.scale))
        chains = [
            chain if len(targets) == self._n_targets == 1 else chain.some(targets, self._first(i))
            for i, chain in enumerate(self._chains)
        ]
        return self._of(latent._marginal(targets, one_dimensional=one_dimensional), chains, self._which)

    def _condition(self, targets: list[int], values: Array) -> Self:
        full = self._inner.copy()
        full[:, targets] = values
        z = self._by_chain(Chain.forward, full[None])[0][:, targets]
        if not np.isfinite(z).all():
            raise ValueError("values must lie in the domain of the transformer of the target.")
        rest = [j for j in range(self._n_targets) if j not in targets]
        chains = [chain.some(rest, self._first(i)) for i, chain in enumerate(self._chains)]
        return self._of(self.latent._condition(targets, z), chains, self._which)

    def _first(self, i: int) -> Array:
        """A row (D,) inside of the domain of a chain."""
        rows = np.flatnonzero(self._which == i)
        return self._inner[rows[0]] if len(rows) else np.full(self._n_targets, np.nan)

    # Densities and probabilities.

    def _log_density(self, y: Array) -> Array:
        z = self._by_chain(Chain.onto, y)
        if not self._mixes and self._range.bounded:
            z = np.where((z < self._range.low) | (z > self._range.high), np.nan, z)
        outside: Flags = np.asarray(np.isnan(z).any(axis=-1))
        z = np.where(outside[..., None], self._start, z)
        slope = self._by_chain(Chain.log_slope, np.where(outside[..., None], self._inner, y))
        log_density = self.latent._log_density(z) - self._log_inside + slope
        return np.where(np.isnan(y).any(axis=-1), np.nan, np.where(outside, -np.inf, log_density))

    def _log_score(self, records: Records) -> Array:
        if not all(chain.monotone for chain in self._chains):
            self._check_unfolded(records)
        return super()._log_score(records)

    def _check_unfolded(self, records: Records) -> None:
        """Refuse observed values of which another one has the same z, since one of them has no density."""
        y = np.where(records.exact, records.place, self._inner)[None]
        folded = self._by_chain(lambda chain, y: chain.folded(y, chain.forward(y)), y)[0]
        if folded.any():
            row, j = np.argwhere(folded)[0]
            chain = self._chains[self._which[row]]
            z = chain.forward(y[0, [row]])
            raise ValueError(
                f"the transformer of the target must be strictly monotone, which {chain.names} is not: it "
                f"takes {y[0, row, j]:.6g} and {chain.inverse(z)[0, j]:.6g} to {z[0, j]:.6g}, and what lies "
                "between elsewhere."
            )

    def _blurred_log_density(self, y: Array, factor: float, noise: Array) -> Array:
        z = self._by_chain(Chain.forward, y[None])[0]
        slope = self._by_chain(Chain.derivative, y[None])[0]
        blurred = self.latent._blurred_log_density(z, factor, noise * np.abs(slope)[:, None])
        return np.asarray(blurred + np.log(np.abs(slope)).sum(axis=-1))

    def _log_recorded(self, records: Records) -> Array:
        place, ends = records.place, [self._placed(end[None])[0] for end in records.ends]
        low, high = (np.where(self._range.rising, *pair) for pair in (ends, ends[::-1]))
        outside = ((low == high) & np.isinf(low)).any(axis=1)
        low, high = (np.where(outside[:, None], self._start, end) for end in (low, high))
        within = np.where(outside[:, None], self._inner, np.where(records.exact, place, self._inner))
        slope = np.log(np.abs(self._by_chain(Chain.derivative, within[None])[0]))
        found = self.latent._log_recorded(Records.between(low, high)) - self._log_inside
        found = found + np.where(records.exact, slope, 0.0).sum(axis=1)
        return np.where(outside, -np.inf, found)

    def _responsibilities(self, y: Array) -> Array:
        z = self._by_chain(Chain.onto, y)
        outside = np.isnan(z).any(axis=-1, keepdims=True)
        return np.where(outside, np.nan, self.latent._responsibilities(np.where(outside, self._start, z)))

    def _centers(self) -> Array:
        return np.moveaxis(self._backward(np.moveaxis(self.latent._centers(), 1, 0)), 0, 1)

    def _tail(self, y: Array, lower: bool, log: bool) -> Array:
        """P(Y <= y), or P(Y > y), or its logarithm."""
        if self._ends_tell:
            return self._each(lambda single, y: single._tail(y, lower, log), y)
        z, latent, (low, high, rising) = self._placed(y), self.latent, self._range
        if self._range.bounded:
            below = rising == lower
            part = latent._prob(np.where(below, low, z), np.where(below, z, high)) / self._inside
            part = np.clip(part, 0.0, 1.0)
            with np.errstate(divide="ignore"):
                return np.log(part) if log else part
        from_below = latent._log_cdf if log else latent._cdf
        from_above = latent._log_sf if log else latent._sf
        if (rising == lower).all():
            return from_below(z)
        return np.where(rising == lower, from_below(z), from_above(z))

    def _cdf(self, y: Array) -> Array:
        return self._tail(y, lower=True, log=False)

    def _sf(self, y: Array) -> Array:
        return self._tail(y, lower=False, log=False)

    def _log_cdf(self, y: Array) -> Array:
        return self._tail(y, lower=True, log=True)

    def _log_sf(self, y: Array) -> Array:
        return self._tail(y, lower=False, log=True)

    def _prob(self, a: Array, b: Array) -> Array:
        if self._ends_tell:
            return self._each(TransformedDistribution._prob, a, b)
        from_, to, rising = self._placed(a), self._placed(b), self._range.rising
        part = self.latent._prob(np.where(rising, from_, to), np.where(rising, to, from_))
        return np.minimum(part / self._inside, 1.0)

    def _quantile(self, level: Array, upper_tail: bool) -> Array:
        if self._ends_tell:
            return self._each(lambda single, level: single._quantile(level, upper_tail), level)
        return self._backward(self._latent_quantile(level, upper_tail))

    def _latent_quantile(self, level: Array, upper_tail: bool) -> Array:
        low, high, rising = self._range
        if not self._range.bounded:
            if rising.all():
                return self.latent._quantile(level, upper_tail)
            above = self.latent._quantile(level, not upper_tail)
            return np.where(rising, self.latent._quantile(level, upper_tail), above)
        # From the end of z that is nearer, where the level keeps its digits.
        from_below = (rising == (level < 0.5)) != upper_tail
        part = np.minimum(level, 1.0 - level) * self._inside
        ends = (np.where(np.isfinite(end), end, 0.0)[None] for end in (low, high))
        beyond = [
            np.where(np.isfinite(end), tail(number), 0.0)
            for end, tail, number in zip((low, high), (self.latent._cdf, self.latent._sf), ends, strict=True)
        ]
        below, above = (np.clip(each + part, 1e-300, 1.0 - 1e-16) for each in beyond)
        z = np.where(from_below, self.latent._quantile(below, False), self.latent._quantile(above, True))
        return np.clip(z, low, high)

    def _support(self) -> tuple[Array, Array]:
        low, high, rising = self._range
        ends = [self._by_chain(Chain.farthest, end[None])[0] for end in (low, high)]
        lower, upper = np.where(rising, ends[0], ends[1]), np.where(rising, ends[1], ends[0])
        return np.where(np.isnan(lower), -np.inf, lower), np.where(np.isnan(upper), np.inf, upper)

    # Moments, scores, modes and regions.

    @cached_property
    def _line(self) -> Line:
        """The one target."""
        low, high, _ = self._range

        def along(function: Callable[[Chain, Array], Array], values: Array, row: NDArray[np.int64]) -> Array:
            which, out = self._which[row], np.empty(len(values))
            for i, chain in enumerate(self._chains):
                chosen = which == i
                if chosen.any():
                    out[chosen] = function(chain, values[chosen][:, None]).ravel()
            return out

        parts = (
            self.latent._mixture,
            lambda z, row: along(Chain.inverse, z, row),
            lambda y, row: along(Chain.log_slope, y, row),
            *(low[:, 0], high[:, 0], self._inside[:, 0]),
        )
        bounds = self._bounds
        return Line(*parts) if bounds is None else BoundedLine(*parts, bounds)

    @property
    def _bounds(self) -> BoundTransformer | None:
        return self._chains[0].bounds if len(self._chains) == 1 else None

    def _of_lines(self, answer: Callable[[Line], Array]) -> Array:
        """Answers (n, D) of all targets on their own."""
        return np.stack([answer(single._line) for single in self._singles], axis=1)

    def _mean(self) -> Array:
        return self._of_lines(lambda line: line.mean())

    def _var(self) -> Array:
        return self._of_lines(lambda line: line.var())

    def _crps(self, y: Array) -> Array:
        if self._n_targets > 1:
            return self._each(TransformedDistribution._crps, y)
        line, found = self._line, np.full(y.shape, np.nan)
        if isinstance(line, BoundedLine) and line._sign:
            found = line.crps(y[..., 0])[..., None]
        open_ = np.isnan(found) & ~np.isnan(y)
        rows = np.flatnonzero(open_.any(axis=(0, 2)))
        if not len(rows):
            return found
        part, zeros = self._take(rows), np.zeros((len(rows), 1))

        def quantiles(levels: Array) -> Array:
            return part._quantile(levels[:, None, None] + zeros, False)

        for i, place in enumerate(y[:, rows]):
            known = np.where(np.isnan(place), part._inner, place)
            found[i, rows] = np.where(open_[i, rows], crps_of(part._cdf, quantiles, known), found[i, rows])
        return found

    def _modes(self) -> Array:
        if self._n_targets == 1:
            return np.moveaxis(self._backward(self._line.modes().T[..., None]), 0, 1)
        return self._joint_modes()

    def _joint_modes(self) -> Array:
        """Of several targets: the maxima uphill from the components' centres."""
        bounds = self._bounds
        if bounds is not None:
            choices = itertools.product(bounds.tilts, repeat=self._n_targets)
            means = self.latent._mixture.means
            tilts = [(sum(c for c, _ in each), means.new_tensor([a for _, a in each])) for each in choices]
            mixture, _ = lognormal.tilted(self.latent._mixture, tilts)
            places = stack_padded([multivariate_modes(mixture)], self._n_targets)
            return np.moveaxis(self._backward(np.moveaxis(places, 1, 0)), 0, 1)
        centers, found = self.latent._centers(), []
        for i in range(len(self)):
            row = self[i]
            maxima: list[tuple[float, Array]] = []
            for start in centers[i][self.latent.weights[i] > 0]:

                def climb(z: Array, row: Self = row) -> float:
                    y = row._by_chain(Chain.inverse, z[None, None])
                    known = np.isfinite(y).all()
                    return float(-row._log_density(y)[0, 0]) if known else np.inf

                best = minimize(climb, start, method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-13})
                apart = [np.abs(best.x - known).max() for _, known in maxima]
                if min(apart, default=np.inf) > SAME_MODE * np.abs(best.x - start).max() + SAME_MODE:
                    maxima.append((best.fun, best.x))
            found.append([z for _, z in sorted(maxima, key=lambda each: each[0])])
        width = max((len(each) for each in found), default=1)
        places = np.full((len(self), width, self._n_targets), np.nan)
        for i, each in enumerate(found):
            places[i, : len(each)] = each
        return np.moveaxis(self._backward(np.moveaxis(places, 1, 0)), 0, 1)

    def _regions(self, confidence: float) -> tuple[Array, Array]:
        places, log_threshold = self._line.regions(confidence)
        flat = np.moveaxis(places.reshape(len(self), -1), 1, 0)[..., None]
        intervals = self._by_chain(Chain.inverse, flat)[..., 0].T.reshape(places.shape)
        falling = ~self._range.rising[:, 0]
        turned = np.sort(intervals.reshape(len(self), -1), axis=1).reshape(places.shape)  # NaN stays last
        return np.where(falling[:, None, None], turned, intervals), log_threshold

    def _level(self, y: Array) -> Array:
        z = self._by_chain(Chain.onto, y)[..., 0]
        level = self._line.level(np.where(np.isnan(z), self._start[:, 0], z))
        return np.where(np.isnan(y[..., 0]), np.nan, np.where(np.isnan(z), 1.0, level))

    def _expectation(
        self, function: Callable[[Array], Array], points: Array, n_samples: int, random_state: SeedLike
    ) -> tuple[Array, Array]:
        bounded = not self._mixes and self._range.bounded
        cuts = points
        if self._n_targets == 1:
            z = self._by_chain(Chain.forward, np.broadcast_to(points, (len(points), len(self)))[..., None])
            cuts = np.where(np.isnan(z), self._start, z)[..., 0]
            if bounded:
                ends = [np.where(np.isfinite(end), end, self._start)[:, 0] for end in self._range[:2]]
                cuts = np.vstack([cuts, ends])

        def of_latent(z: Array) -> Array:
            if not bounded:
                return function(self._backward(z))
            inside: Flags = np.asarray(((z >= self._range.low) & (z <= self._range.high)).all(axis=-1))
            y = self._backward(np.where(inside[..., None], z, self._start))
            return np.where(inside, function(y), 0.0)

        value, doubtful = self.latent._expectation(of_latent, cuts, n_samples, random_state)
        inside = np.exp(self._log_inside)
        return value / inside, doubtful

    def _entropy(self, n_samples: int, random_state: SeedLike) -> Array:
        if self._n_targets == 1:
            return self._line.entropy()
        ((uniform, noise),) = balanced_noise(n_samples, self._n_targets, random_state)
        found = [np.empty(0)]
        for rows in blocks(len(self), self._draws_width(n_samples)):
            part = self[rows]
            y = np.moveaxis(part._draw_alike(uniform, noise), 1, 0)
            if self._mixes or not self._range.bounded:
                latent = part.latent._entropy(n_samples, random_state)
                found.append(latent - part._by_chain(Chain.log_slope, y).mean(axis=0))
            else:
                found.append(-part._log_density(y).mean(axis=0))
        return np.concatenate(found)

    def _draw(self, count: int, uniform: np.random.Generator, noise: np.random.Generator) -> Array:
        if self._mixes or not self._range.bounded:
            z = self.latent._draw(count, uniform, noise)
        elif self._n_targets == 1:
            levels = uniform.random((count, len(self)))[..., None]
            z = np.moveaxis(self._latent_quantile(levels, False), 0, -1)
            z = z[:, 0] if self._one_dimensional else z
        else:
            z = self._drawn_inside(count, uniform, noise)
        y = self._backward(np.moveaxis(z[:, None] if self._one_dimensional else z, 2, 0))
        drawn = np.moveaxis(y, 0, 2)
        return drawn[:, 0] if self._one_dimensional else drawn

    def _drawn_inside(self, count: int, uniform: np.random.Generator, noise: np.random.Generator) -> Array:
        """Draws (n, D, M) of z by rejecting those that are no values of the transform."""
        low, high = (end[..., None] for end in (self._range.low, self._range.high))
        z = self.latent._draw(count, uniform, noise)
        for _ in range(MAX_REJECTIONS):
            outside = ((z < low) | (z > high)).any(axis=1, keepdims=True)
            if not outside.any():
                return z
            z = np.where(outside, self.latent._draw(count, uniform, noise), z)
        raise ValueError("rvs found no values of the target's transformer: its range has too little of them.")

    def _draw_alike(self, uniform: torch.Tensor, noise: torch.Tensor) -> Array:
        z = self.latent._draw_alike(uniform, noise)
        if not self._mixes and self._range.bounded:
            low, high = (end[:, None] for end in (self._range.low, self._range.high))
            inside: Flags = np.asarray(((z >= low) & (z <= high)).all(axis=2))
            for i, kept in enumerate(inside):  # those that are no values of y make room for those that are
                if kept.any():
                    z[i] = np.resize(z[i][kept], z[i].shape)
        return np.moveaxis(self._backward(np.moveaxis(z, 1, 0)), 0, 1)

    def _check_monotone(self) -> None:
        """Refuse transformers that are not monotone where the densities are."""
        if all(chain.bounds is not None for chain in self._chains) or not len(self) or self._mixes:
            return
        check_inside(self._inside.min(axis=1))
        some = self[np.unique(np.linspace(0, len(self) - 1, MAX_CHECKED).astype(int))]
        z = np.sort(
            some._latent_quantile(np.array(CHECKED)[:, None, None] + 0.0 * some._start, False), axis=0
        )
        y = some._by_chain(Chain.inverse, z)
        steps = np.diff(y, axis=0) * np.where(some._range.rising, 1.0, -1.0)
        wrong = (steps <= 0) & (np.diff(z, axis=0) > 0)
        if wrong.any():
            place = np.argwhere(wrong)[0]
            names = self._chains[0].names
            raise ValueError(
                f"the transformer of the target must be strictly monotone, which {names} is not: it takes "
                f"{y[tuple(place)]:.6g} and {y[place[0] + 1, place[1], place[2]]:.6g} to "
                f"{z[tuple(place)]:.6g} and {z[place[0] + 1, place[1], place[2]]:.6g}."
            )


def _reduced(
    latent: MixtureDistribution, transformers: Sequence[Any]
) -> tuple[MixtureDistribution, tuple[Chain, ...]]:
    """The same density by as few transformers as will do: those at its end that are affine are taken back."""
    flat = flattened(transformers)
    for transformer in flat:
        check_transformer(transformer)
    while flat:
        back = affine(flat[-1])
        known = logarithm(flat[-1])
        if back is not None:
            flat.pop()
            latent = _stretched(latent, *back)
        elif known is not None:
            flat[-1] = known[0]
            latent = _stretched(latent, 0.0, 1.0 / known[1])
            break
        else:
            break
    return latent, (Chain(tuple(flat)),)


def _stretched(latent: MixtureDistribution, shift: Any, stretch: Any) -> MixtureDistribution:
    """The mixture of shift + stretch * z."""
    each = (
        np.broadcast_to(np.asarray(v, dtype=np.float64), latent._n_targets).copy() for v in (shift, stretch)
    )
    return latent._like(latent._mixture.affine(*(torch.from_numpy(values) for values in each)))


def transformed(distribution: PredictiveDistribution, transformers: Sequence[Any]) -> PredictiveDistribution:
    """The distribution of y where ``distribution`` is that of what transformers made of y, in their order."""
    if not flattened(transformers):
        return distribution
    grid = _grid_before(distribution._grid, transformers, distribution._n_targets)
    if isinstance(distribution, TransformedDistribution):
        (inner,) = distribution._chains
        latent, chains = _reduced(distribution.latent, [*transformers, *inner.transformers])
    elif isinstance(distribution, MixtureDistribution):
        latent, chains = _reduced(distribution, transformers)
    else:
        raise TypeError(
            f"estimator must not transform a target with a {type(distribution).__name__}, whose atoms have "
            "no density behind a transform; limits and support of MDNRegressor need no transformer."
        )
    if not chains[0].transformers:
        return latent._on(grid)
    found = TransformedDistribution._of(latent, chains)
    found._check_monotone()
    return found._on(grid)


def _grid_before(grid: Grid | None, transformers: Sequence[Any], n_targets: int) -> Grid | None:
    """Where values lie that affine transformers took to a grid; None behind others."""
    for transformer in reversed(flattened(transformers)):
        back = affine(transformer)
        if grid is None or back is None:
            return None
        shift, stretch = (np.broadcast_to(np.asarray(each, dtype=np.float64), n_targets) for each in back)
        grid = Grid(grid.step * stretch, shift + stretch * grid.offset)
    return grid
