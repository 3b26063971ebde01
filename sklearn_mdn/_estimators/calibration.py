"""Factors on the standard deviations of the members of an ensemble."""

from __future__ import annotations

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import logsumexp

from sklearn_mdn._estimators import likelihood
from sklearn_mdn._estimators.likelihood import MixtureLikelihood
from sklearn_mdn._estimators.plans import Plan, Trained
from sklearn_mdn._training.loop import rows_at_once

# Scores nearer to each other than this share of them are equal but for rounding; the first one then counts.
TIE = 1e-12


def calibration_places(calibration: NDArray[np.float64]) -> NDArray[np.intp]:
    """Where factors stand in CALIBRATIONS."""
    return np.searchsorted(likelihood.CALIBRATIONS, calibration)


def shifted(places: NDArray[np.intp], shift: int) -> NDArray[np.intp]:
    """Places in CALIBRATIONS that are further up, or down if negative, as far as its ends."""
    return np.clip(places + shift, 0, len(likelihood.CALIBRATIONS) - 1)


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


@torch.no_grad()
def ensemble_calibration(plan: Plan, trained: Trained, device: torch.device) -> NDArray[np.float64]:
    """Factors on the members' standard deviations, (E,), for the mixture of them all.

    Networks that disagree widen their mixture by that already, so that factors which are best for each
    network alone are too large for it. All members go down the same number of places in CALIBRATIONS:
    the number that is best for rows which several of them have held out.
    """
    rows, n_members = plan.data.rows, len(plan.validation)
    own = np.array([history.calibration for history in trained.histories])
    places = np.stack([shifted(calibration_places(own), -i) for i in range(len(likelihood.CALIBRATIONS))])
    objective, score = MixtureLikelihood(plan.network), np.zeros(len(likelihood.CALIBRATIONS))
    sharing: dict[bytes, list[int]] = {}
    for i, fold in enumerate(plan.validation):
        sharing.setdefault(fold.tobytes(), []).append(i)
    for members in sharing.values():
        m, fold = len(members), plan.validation[members[0]]
        params = trained.params[members].double().to(device)
        for part in (
            np.array_split(fold, -(-len(fold) * m // rows_at_once(objective))) if m > 1 and len(fold) else []
        ):
            x, y = (
                torch.from_numpy(values[part]).to(device).expand(m, -1, -1) for values in (rows.x, rows.y)
            )
            log_density = objective.calibrated(params, x, y).cpu().numpy()[places[:, members], np.arange(m)]
            score += larger_pool(log_density, np.full(m, 1.0 / m), n_members / m) @ rows.weight[part]
    if plan.group is not None:
        score = plan.group.sum(torch.from_numpy(score)).numpy()
    score = np.nan_to_num(score, nan=-np.inf)
    enough = score.max() - TIE * np.abs(score.max()) if np.isfinite(score.max()) else -np.inf
    best = np.argmax(score >= enough)
    factors: NDArray[np.float64] = np.array(likelihood.CALIBRATIONS)[places[best]]
    return factors
