"""Stacking: the weights of candidates, and the width of their densities, by rows they have not seen."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.special import logsumexp
from sklearn.base import BaseEstimator

from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn._distributions.records import Grid, Records, common_grid
from sklearn_mdn._distributions.unwrap import predict_distribution
from sklearn_mdn._estimators.bounds import bounds_of
from sklearn_mdn._estimators.calibration import calibration_places, larger_pool, shifted
from sklearn_mdn._estimators.likelihood import FACTORS
from sklearn_mdn._estimators.pool import DensityPool
from sklearn_mdn._estimators.regressor import MDNRegressor

# A candidate with less weight than this contributes less than its log-likelihood is known to.
NEGLIGIBLE_WEIGHT = 1e-4

# Equal numbers may differ by so much of their spread, once they were computed from others.
ARITHMETIC_NOISE = 1e-9

# All steps that factors can take along FACTORS; of equally good ones the first counts.
SHIFTS = sorted(range(1 - len(FACTORS), len(FACTORS)), key=abs)


def stacking_weights(
    log_densities: NDArray[np.float64],
    row_weight: NDArray[np.float64],
    *,
    tol: float = 1e-6,
    max_iter: int = 1000,
) -> NDArray[np.float64]:
    """Weights of a mixture of densities that maximise the log-likelihood of held-out rows.

    Maximises sum_i row_weight_i log sum_c w_c exp(log_densities_ic) over the simplex, a concave problem,
    by EM: each step multiplies a weight by the slope of the mean log-likelihood along it, which is the mean
    responsibility its density takes for the rows (Smyth and Wolpert 1999, "Linearly combining density
    estimators via stacking"). Two steps at a time are extrapolated (Varadhan and Roland 2008, "Simple and
    globally convergent methods for accelerating the convergence of any EM algorithm", scheme S3).

    Parameters
    ----------
    log_densities : ndarray of shape (n_rows, n_densities)
        Held-out log densities, finite or -inf.
    row_weight : ndarray of shape (n_rows,)
    tol : float
        The search ends where no weights can gain more than this in mean log-likelihood: by concavity, where
        no slope is greater than 1 by more.
    max_iter : int
        Extrapolations at most.

    Returns
    -------
    weights : ndarray of shape (n_densities,)
        Non-negative, sum to one; those below 1e-4 are set to zero. All alike if every density calls all
        rows impossible.
    """
    weights = np.full(log_densities.shape[1], 1.0 / log_densities.shape[1])
    # A row that every density calls impossible tells nothing about their weights.
    known = np.isfinite(log_densities).any(axis=1) & (row_weight > 0.0)
    if not known.any():
        return weights
    share = row_weight[known] / row_weight[known].sum()
    densities = np.exp(log_densities[known] - log_densities[known].max(axis=1, keepdims=True))

    def log_likelihood(weights: NDArray[np.float64]) -> np.float64:
        value: np.float64 = share @ np.log(densities @ weights)
        return value

    def slopes(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        slope: NDArray[np.float64] = share @ (densities / (densities @ weights)[:, None])
        return slope

    # And inside it, since EM never leaves a face.
    def in_simplex(weights: NDArray[np.float64]) -> NDArray[np.float64]:
        weights = np.maximum(weights, 1e-6 * NEGLIGIBLE_WEIGHT)
        weights /= weights.sum()
        return weights

    for _ in range(max_iter):
        slope = slopes(weights)
        if slope.max() <= 1.0 + tol:
            break
        once = weights * slope
        twice = once * slopes(once)
        change, bend = once - weights, twice - 2.0 * once + weights
        size, curve = np.float64(np.linalg.norm(change)), np.float64(np.linalg.norm(bend))
        length = max(1.0, size / max(curve, 1e-6 * size))
        far = in_simplex(weights + 2.0 * length * change + length**2 * bend)
        near = in_simplex(twice)
        weights = far if log_likelihood(far) >= log_likelihood(near) else near
    weights = np.where(weights < NEGLIGIBLE_WEIGHT, 0.0, weights)
    weights /= weights.sum()
    return weights


def rounding_error(y: NDArray[np.float64]) -> NDArray[np.float64]:
    """Standard deviation of the error that each target was rounded with when it was recorded.

    That of a uniform distribution as wide as the least step between two values of the target (Sheppard
    1898, "On the calculation of the most probable values of frequency-constants"): next to nothing where
    the target is continuous. At the exact values of a target that was rounded, densities grow without
    bound as components narrow, and would outweigh everything else that is to be known of a candidate.

    Parameters
    ----------
    y : ndarray of shape (n_rows,) or (n_rows, n_outputs)

    Returns
    -------
    deviations : ndarray of shape (n_outputs,)
        0 for a constant target.
    """
    deviations = []
    for target in y.reshape(len(y), -1).T:
        steps = np.diff(np.unique(target))
        # What arithmetic with rounded numbers leaves between equal ones is no step.
        noise = max(ARITHMETIC_NOISE * np.ptp(target), 64 * np.finfo(np.float64).eps * np.abs(target).max())
        deviations.append(steps[steps > noise].min(initial=np.inf))
    deviations = np.array(deviations) / np.sqrt(12.0)
    return np.where(np.isfinite(deviations), deviations, 0.0)


def check_alike(grids: Sequence[Grid | None]) -> None:
    """Refuse candidates of which some give probabilities and others densities, or those of other values."""
    if any(grid is not None for grid in grids) and common_grid(grids) is None:
        steps = sorted({"None" if grid is None else str(grid.step.tolist()) for grid in grids})
        raise ValueError(
            'refit="stacking" weighs candidates of one resolution by their likelihoods, got the resolutions '
            f"{', '.join(steps)}."
        )


def check_bounds_alike(networks: Sequence[MDNRegressor]) -> None:
    """Refuse candidates whose densities are of several kinds, of which there is no pool."""
    bounds = {bounds_of(network.support, network.limits): network for network in networks}
    if len(bounds) > 1:
        got = " and ".join(f"support={each.support!r}, limits={each.limits!r}" for each in bounds.values())
        raise ValueError(
            f'refit="stacking" pools candidates of one support and the same limits, got {got}. Compare them '
            "with refit=True."
        )


class HeldOut:
    """What a candidate fitted without a fold says of the fold's rows, whatever factors its networks have.

    Parameters
    ----------
    estimator : MDNRegressor or Pipeline
        Fitted without the rows.
    network : MDNRegressor
        The network in it.
    candidate, split : int
        Its numbers in the search.
    rows : ndarray of int
        The fold.
    X : array-like
        The fold's inputs.
    records : Records
        What was recorded of the fold's targets.
    noise : ndarray of shape (n_outputs,)
        Standard deviations of independent noise that densities of values are blurred with. Intervals, and
        values of a network with a resolution, have probabilities that need none.
    """

    def __init__(
        self,
        estimator: BaseEstimator,
        network: MDNRegressor,
        candidate: int,
        split: int,
        rows: NDArray[np.intp],
        X: ArrayLike,
        records: Records,
        noise: NDArray[np.float64],
    ) -> None:
        self.estimator, self.network = estimator, network
        self.candidate, self.split, self.rows = candidate, split, rows
        own = network.calibration_
        self.places, self.n_members = calibration_places(own), len(own)
        self.grid = network._grid()

        def members(factor: float) -> list[PredictiveDistribution]:
            network.calibration_ = np.full_like(own, factor)
            predicted = predict_distribution(estimator, X).members()
            network.calibration_ = own
            return list(predicted)

        if self.grid is None and records.exact.all():
            plain = members(1.0)
            tables = [
                [member._blurred_log_density(records.place, factor, noise) for member in plain]
                for factor in FACTORS
            ]
        else:
            tables = [[member._log_score(records) for member in members(factor)] for factor in FACTORS]
        self.table = np.array(tables)  # (factors, networks, rows)

    def log_density(self, shift: int = 0) -> NDArray[np.float64]:
        """Log densities of the networks, (networks, rows), their factors shifted along FACTORS."""
        return self.table[shifted(self.places, shift), np.arange(self.n_members)]

    def shift(self, shift: int) -> None:
        self.places = shifted(self.places, shift)
        self.network.calibration_ = np.array(FACTORS)[self.places]


def calibrate(
    folds: Sequence[Sequence[HeldOut]], weights: NDArray[np.float64], row_weight: NDArray[np.float64]
) -> None:
    """Shift the factors of all networks alike, as is best for the pool of all folds.

    As within an ensemble (see ``ensemble_calibration``): of the networks of all folds, those of one have not
    seen its rows, and stand in for them all.

    Parameters
    ----------
    folds : sequence of sequence of HeldOut
        The candidates that did not see a fold.
    weights : ndarray of shape (n_candidates,)
    row_weight : ndarray of shape (n_rows,)
    """

    def score(shift: int) -> float:
        total = 0.0
        for fold in folds:
            log_density = np.concatenate([part.log_density(shift) for part in fold])
            share = np.concatenate(
                [np.full(part.n_members, weights[part.candidate] / part.n_members) for part in fold]
            )
            expected = larger_pool(log_density, share / share.sum(), len(folds))
            total += float(expected @ row_weight[fold[0].rows])
        return total

    best = SHIFTS[int(np.argmax(np.nan_to_num([score(shift) for shift in SHIFTS], nan=-np.inf)))]
    for part in (part for fold in folds for part in fold):
        part.shift(best)


def stacked(
    held_out: list[HeldOut], n_candidates: int, row_weight: NDArray[np.float64]
) -> tuple[DensityPool, NDArray[np.float64]]:
    """Weigh the candidates by their out-of-fold densities and pool the networks of all folds.

    Parameters
    ----------
    held_out : list of HeldOut
        Candidate by candidate, each with the same folds in the same order.
    n_candidates : int
    row_weight : ndarray of shape (n_rows,)

    Returns
    -------
    pool : DensityPool
    weights : ndarray of shape (n_candidates,)
        0 for candidates without networks.
    """
    by_candidate: dict[int, list[HeldOut]] = {}
    for part in held_out:
        by_candidate.setdefault(part.candidate, []).append(part)
    rows = np.concatenate([part.rows for part in next(iter(by_candidate.values()))])
    times = np.bincount(rows, minlength=len(row_weight))
    row_weight = row_weight / np.maximum(times, 1)
    # 1. Each candidate as wide as is best for the pool of its own networks
    for parts in by_candidate.values():
        calibrate([[part] for part in parts], np.ones(n_candidates), row_weight)
    # 2. Weights
    table = [
        np.concatenate([logsumexp(part.log_density(), axis=0) - np.log(part.n_members) for part in parts])
        for parts in by_candidate.values()
    ]
    weights = np.zeros(n_candidates)
    weights[list(by_candidate)] = stacking_weights(np.column_stack(table), row_weight[rows])
    # 3. What differs is wider together than alone
    kept = [part for part in held_out if weights[part.candidate] > 0.0]
    folds: dict[int, list[HeldOut]] = {}
    for part in kept:
        folds.setdefault(part.split, []).append(part)
    calibrate(list(folds.values()), weights, row_weight)
    shares = [weights[part.candidate] / len(folds) for part in kept]
    return DensityPool.from_fitted([part.estimator for part in kept], weights=shares), weights
