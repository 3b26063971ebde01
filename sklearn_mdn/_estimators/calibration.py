"""What held-out rows say of trained networks: how far to trust them, and factors on their deviations."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from hashlib import blake2b
from typing import final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp
from torch import Tensor

from sklearn_mdn._estimators import likelihood
from sklearn_mdn._estimators.likelihood import MixtureLikelihood, widen
from sklearn_mdn._estimators.marginal import marginal_deviations, shrunk
from sklearn_mdn._estimators.plans import Plan, Trained
from sklearn_mdn._mixtures.mixture import Mixture
from sklearn_mdn._networks.head import log_likelihood
from sklearn_mdn._training.loop import rows_at_once

# Shares of a network's own density that are tried, the rest being the marginal one.
SHARES = (1.0, 0.9, 0.75, 0.5, 0.25, 0.0)

# What a network has to be better than the marginal density on its held-out rows together, times its share
# squared: the best of some hundred epochs is better by chance alone, by up to about this much, and by a
# standard error of what it is better by. Of FEW rows it is twice as much, of fewer more.
COST, FEW = 3.0, 30.0

TINY = 1e-300  # instead of the weight of no rows

# Rows from which the factor of a larger pool is told half as well as it can be.
HALF_KNOWN = 50.0


@final
@dataclass(frozen=True)
class Calibration:
    """Factors (S,) on the standard deviations of the members, and what is left of their densities."""

    factors: NDArray[np.float64]
    share: float = 1.0


def calibration_places(calibration: NDArray[np.float64]) -> NDArray[np.intp]:
    """Where factors stand in FACTORS, or the nearest ones."""
    distance = np.abs(np.log(np.array(likelihood.FACTORS)) - np.log(calibration)[:, np.newaxis])
    places: NDArray[np.intp] = distance.argmin(axis=1)
    return places


def shifted(places: NDArray[np.intp], shift: int) -> NDArray[np.intp]:
    """Places in FACTORS that are further up, or down if negative, as far as its ends."""
    return np.clip(places + shift, 0, len(likelihood.FACTORS) - 1)


def larger_pool(
    log_density: NDArray[np.float64], weight: NDArray[np.float64], growth: float
) -> NDArray[np.float64]:
    """What to expect of log(sum_m w_m p_m), with log p (..., M, n), in a pool ``growth`` times as large.

    To second order the logarithm of a mean of densities lies below that of their expectation by half their
    squared coefficient of variation times sum_m w_m^2, which is 1 / M for equal weights, so that more
    networks of the same kind gain what they take off this (Nowozin 2018, "Debiasing evidence
    approximations", proposition 1).
    """
    pooled: NDArray[np.float64] = logsumexp(log_density, axis=-2, b=weight[:, np.newaxis])
    square = weight @ weight
    if square == 1.0:  # nothing is known of how networks differ
        return pooled
    possible = np.where(np.isfinite(pooled), pooled, 0.0)
    deviation = np.expm1(log_density - possible[..., np.newaxis, :])
    variance: NDArray[np.float64] = (weight[:, np.newaxis] * deviation**2).sum(-2) / (1.0 - square)
    return pooled + 0.5 * square * (1.0 - 1.0 / growth) * variance


def best_factor(curve: NDArray[np.float64]) -> float:
    """The factor at the top of a curve over FACTORS: of a parabola through its highest point and two more."""
    curve, factors = np.nan_to_num(curve, nan=-np.inf), np.log(likelihood.FACTORS)
    top = int(np.argmax(curve))
    around = slice(top - 1, top + 2)
    if not 0 < top < len(curve) - 1 or not np.isfinite(curve[around]).all():
        return float(likelihood.FACTORS[top])
    square, slope, _ = np.polyfit(factors[around] - factors[top], curve[around] - curve[top], 2)
    return float(np.exp(factors[top] - 0.5 * slope / square)) if square < 0.0 else likelihood.FACTORS[top]


def factor_of_larger_pool(single: float, pooled: float, m: float, size: int) -> float:
    """The factor for ``size`` members, given those that are best for one and for pools of m of them.

    Let members err by a common part of variance s^2 and by parts of their own of variance t^2. A pool of m
    has the variance f^2 v + (1 - 1 / m) t^2 where its components have f^2 v, and its mean misses y by
    s^2 + t^2 / m. The two agree for f^2 v = s^2 - t^2 + 2 t^2 / m, which is linear in 1 / m.
    """
    squares = pooled**2 - (1.0 / m - 1.0 / size) / (1.0 - 1.0 / m) * max(single**2 - pooled**2, 0.0)
    return float(np.sqrt(max(squares, 0.5 * pooled**2)))


@torch.no_grad()
def ensemble_calibration(plan: Plan, trained: Trained, device: torch.device) -> Calibration:
    """How far the members are to be trusted, and factors on their deviations, for the mixture of them all.

    Networks that disagree widen their mixture by that already, so that factors which are best for each
    network alone are too large for it: see ``pool_factor``.
    """
    own = np.array([history.calibration for history in trained.histories])
    held_out = HeldOutRows(plan, trained.params, device)
    if not held_out.folds:
        return Calibration(own)
    share, factors = chosen_share(held_out, own)
    if share == 0.0:
        return Calibration(np.ones_like(own), share)
    if all(len(members) == 1 for members in held_out.folds):
        return Calibration(factors, share)
    return Calibration(np.full_like(own, pool_factor(held_out, share)), share)


@final
class HeldOutRows:
    """The folds that hold out rows, each with the members that share it, and their densities there."""

    def __init__(self, plan: Plan, params: Tensor, device: torch.device) -> None:
        self.plan, self.params, self.device = plan, params, device
        self.objective = MixtureLikelihood(plan.network)
        sharing: dict[tuple[bytes, ...], list[int]] = {}
        folds = [blake2b(fold.tobytes()).digest() if len(fold) else b"" for fold in plan.validation]
        # In all processes: one may hold out no row of a fold.
        everywhere = [folds] if plan.group is None else plan.group.gather(folds)
        for i, same in enumerate(zip(*everywhere, strict=True)):
            if any(same):
                sharing.setdefault(same, []).append(i)
        self.folds = list(sharing.values())
        self.n_rows = plan.data.effective_rows
        self.deviations = marginal_deviations(self.n_rows, plan.network.head.n_components)

    def sum(self, values: NDArray[np.float64]) -> NDArray[np.float64]:
        """What is a sum over held-out rows, over those of all processes."""
        if self.plan.group is None:
            return values
        return self.plan.group.sum(torch.from_numpy(values)).numpy()

    @property
    def n_members(self) -> int:
        return len(self.plan.validation)

    @property
    def sizes(self) -> NDArray[np.float64]:
        """Weight (S,) of the rows that each member holds out."""
        weight = self.plan.data.rows.weight
        return np.array([weight[fold].sum() for fold in self.plan.validation])

    def parts(self, members: list[int]) -> Iterator[tuple[Mixture, Tensor, NDArray[np.float64]]]:
        """The members' mixtures (m, n), targets (m, n, D) and weights (n,) of the rows that they hold out."""
        rows, m, fold = self.plan.data.rows, len(members), self.plan.validation[members[0]]
        network, observed = self.plan.network, rows.observed
        weights = network.split(self.params[members].double().to(self.device))
        for part in np.array_split(fold, max(1, -(-len(fold) * m // rows_at_once(self.objective)))):
            if not len(part):
                continue
            x, y = (
                torch.from_numpy(values[part]).to(self.device).expand(m, -1, -1)
                for values in (rows.x, observed)
            )
            yield network(weights, x), y, rows.weight[part]


def log_densities(mixture: Mixture, y: Tensor, factors: tuple[float, ...]) -> NDArray[np.float64]:
    """Log densities (F, m, n) of y under mixtures widened by each factor."""
    table: NDArray[np.float64] = (
        log_likelihood(widen(mixture, y.new_tensor(factors).view(-1, 1, 1)), y).cpu().numpy()
    )
    return table


def chosen_share(held_out: HeldOutRows, own: NDArray[np.float64]) -> tuple[float, NDArray[np.float64]]:
    """The share of the members' own densities that is best for the rows which they hold out.

    Also the factors on their deviations that go with it: each member's own, of CALIBRATIONS.
    """
    calibrations = likelihood.CALIBRATIONS
    gains, squares = np.zeros((2, len(SHARES), len(calibrations), held_out.n_members))
    for members in held_out.folds:
        for mixture, y, weight in held_out.parts(members):
            nothing = log_densities(shrunk(mixture, 0.0, held_out.deviations), y, (1.0,))
            for a, share in enumerate(SHARES):
                nearer = shrunk(mixture, share, held_out.deviations)
                gain = log_densities(nearer, y, calibrations) - nothing
                gains[a][:, members] += gain @ weight
                squares[a][:, members] += gain**2 @ weight
    gains, squares = held_out.sum(np.stack([gains, squares]))
    places = gains.argmax(axis=1)
    places[0], places[-1] = np.searchsorted(calibrations, own), 0
    gain, square = (
        np.take_along_axis(sums, places[:, np.newaxis], axis=1)[:, 0] for sums in (gains, squares)
    )
    with np.errstate(invalid="ignore"):  # of rows that a network calls impossible
        variance = np.maximum(square - gain**2 / np.maximum(held_out.sum(held_out.sizes), TINY), 0.0)
        total, error = (
            np.sum([each[:, members].mean(axis=1) for members in held_out.folds], axis=0)
            for each in (gain, variance)
        )
        cost = COST * (1.0 + FEW / held_out.n_rows) * len(held_out.folds)
        score = total - np.sqrt(error) - cost * np.square(SHARES)
    chosen = int(np.argmax(np.nan_to_num(score, nan=-np.inf)))
    return SHARES[chosen], np.array(calibrations)[places[chosen]]


def pool_factor(held_out: HeldOutRows, share: float) -> float:
    """One factor for all members, by the rows that several of them hold out.

    From what is best for one member and for those that share a fold it is told for the mixture of them all,
    the less boldly the fewer the rows.
    """
    factors = likelihood.FACTORS
    single, pooled = np.zeros(len(factors)), np.zeros(len(factors))
    total = inverse = 0.0
    for members in (members for members in held_out.folds if len(members) > 1):
        for mixture, y, weight in held_out.parts(members):
            nearer = shrunk(mixture, share, held_out.deviations)
            table = log_densities(nearer, y, factors)
            single += table.mean(axis=1) @ weight
            pooled += (logsumexp(table, axis=1) - np.log(len(members))) @ weight
            total += float(weight.sum())
            inverse += float(weight.sum()) / len(members)
    sums = held_out.sum(np.concatenate([single, pooled, [total, inverse]]))
    single, pooled, (total, inverse) = np.split(sums, [len(factors), 2 * len(factors)])
    if not np.isfinite(pooled).any():
        return 1.0
    for_one, for_sharing = best_factor(single), best_factor(pooled)
    for_all = factor_of_larger_pool(for_one, for_sharing, total / inverse, held_out.n_members)
    trusted = total / (total + HALF_KNOWN)
    wanted = np.sqrt(trusted * for_all**2 + (1.0 - trusted) * for_sharing**2)
    return float(np.clip(wanted, factors[0], factors[-1]))
