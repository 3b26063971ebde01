"""Where rows say little, few of them or far from all of them: densities move to that of the target alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Self, final

import numpy as np
import torch
from numpy.typing import NDArray
from scipy.special import chdtri
from torch import Tensor

from sklearn_mdn._estimators.rows import TrainingSet
from sklearn_mdn._mixtures.mixture import Mixture

# Distance from the range of the training rows, in their standard deviations: where densities begin to forget
# x, and where they have forgotten it.
NEAR, FAR = 1.0, 6.0

# The standard deviation there, in that of the target: what held near the rows need not hold here.
FAR_DEVIATION = 1.5


def marginal_deviations(n_rows: float, n_components: int) -> NDArray[np.float64]:
    """Standard deviations (K,) of a mixture, of equal weights and all at 0, for a standardised target.

    Of n normal rows the predictive density is Student's with n - 1 degrees of freedom (Gelman et al. 2013,
    "Bayesian data analysis", section 3.2), a mixture of normal ones over variances (n + 1) / chi^2. These
    are its K quantiles at even levels, the middle components narrowest.
    """
    levels = (np.arange(n_components) + 0.5) / n_components
    freedom = max(n_rows - 1.0, 1.0)
    deviations = np.sqrt((freedom + 2.0) / chdtri(freedom, levels))
    outwards = np.argsort(np.abs(np.arange(n_components) - 0.5 * (n_components - 1)), kind="stable")
    placed = np.empty(n_components)
    placed[outwards] = np.sort(deviations)
    return placed


def nearness(excess: NDArray[np.float64]) -> NDArray[np.float64]:
    """1 up to NEAR, 0 from FAR, smooth between: a cubic with slope 0 at both ends."""
    part = np.clip((excess - NEAR) / (FAR - NEAR), 0.0, 1.0)
    share: NDArray[np.float64] = 1.0 - part**2 * (3.0 - 2.0 * part)
    return share


@final
@dataclass(frozen=True)
class Marginal:
    """The density of the standardised target alone, and how far the networks' go towards it.

    ``deviations`` (K,) are its components', ``shrinkage`` in [0, 1] the same for all rows. ``low`` and
    ``high`` (n_numbers,) is the range of the standardised training rows.
    """

    deviations: NDArray[np.float64]
    shrinkage: float
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @classmethod
    def of(cls, data: TrainingSet, n_components: int, shrinkage: float) -> Self:
        low, high = data.number_range
        return cls(marginal_deviations(data.effective_rows, n_components), shrinkage, low, high)

    def within_reach(self, x: NDArray[np.float64]) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Standardised rows no farther out than FAR, and how near they are, (n,).

        What lies beyond makes no difference, since nothing is left of x there.
        """
        n_numbers = len(self.low)
        numbers = x[:, :n_numbers]
        excess = np.nan_to_num(np.maximum(numbers - self.high, self.low - numbers), nan=0.0, posinf=np.inf)
        reached = np.clip(numbers, self.low - FAR, self.high + FAR)
        near = nearness(excess.max(axis=1, initial=0.0))
        return (np.hstack([reached, x[:, n_numbers:]]) if n_numbers < x.shape[1] else reached), near

    def applied(self, mixture: Mixture, near: NDArray[np.float64]) -> Mixture:
        """Mixtures with batch axes (..., n), drawn to the marginal density as ``near`` (n,) says."""
        if self.shrinkage == 0.0 and np.all(near == 1.0):
            return mixture
        closeness = torch.from_numpy(near).to(mixture.logits.device)
        deviations = torch.from_numpy(np.array(self.deviations)).to(closeness.device)
        farther = FAR_DEVIATION + (1.0 - FAR_DEVIATION) * closeness
        return mixture.shrink((1.0 - self.shrinkage) * closeness, deviations * farther.unsqueeze(-1))


def shrunk(mixture: Mixture, share: float, deviations: NDArray[np.float64]) -> Mixture:
    """All mixtures of a batch at one share of themselves."""
    if share == 1.0:
        return mixture
    one: Tensor = mixture.logits.new_tensor(share)
    return mixture.shrink(one, mixture.logits.new_tensor(deviations))


def earlier_attributes(state: dict[str, Any]) -> dict[str, Any]:
    """What fits before format 2 did not set, so that they predict what they did: no shrinkage, no range."""
    if "coefs_" not in state:
        return {}
    everywhere = np.full(np.shape(state.get("X_offset_", [])), np.inf)
    return {
        "shrinkage_": 0.0,
        "marginal_deviations_": np.ones(state["n_components"]),
        "X_min_": -everywhere,
        "X_max_": everywhere,
    }
