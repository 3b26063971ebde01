"""Mixtures of Gaussians on tensors: one data class, and every formula about it exactly once."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from sklearn_mdn._mixtures import normal, recorded
from sklearn_mdn._mixtures.scale import DiagonalScale, Scale, join, take_components
from sklearn_mdn._mixtures.univariate import Univariate, weighted_sum

FAR, HUGE = 1e150, 1e308  # whose square is still finite, and that is itself


def log_normalize(logits: Tensor) -> Tensor:
    """Logarithms, up to a constant, of weights: less the logarithm of their sum over the last axis.

    torch.log_softmax is the same but takes several times as long over a short last axis.
    """
    return logits - torch.logsumexp(logits, dim=-1, keepdim=True)


@dataclass(frozen=True, slots=True)
class Mixture:
    """p(y) = sum_k softmax(logits)_k N(y; means_k, Sigma_k), with any leading batch axes.

    Parameters
    ----------
    logits : Tensor of shape (..., K)
        Unnormalised log weights.
    means : Tensor of shape (..., K, D)
    scale : Scale
        Factors of the covariances Sigma_k.
    """

    logits: Tensor
    means: Tensor
    scale: Scale

    @property
    def n_components(self) -> int:
        """K."""
        return self.logits.shape[-1]

    @property
    def n_targets(self) -> int:
        """D."""
        return self.means.shape[-1]

    @property
    def log_weights(self) -> Tensor:
        """Normalised log weights, (..., K)."""
        return log_normalize(self.logits)

    @property
    def weights(self) -> Tensor:
        """Weights, (..., K); they sum to one."""
        return torch.softmax(self.logits, dim=-1)

    def map(self, function: Callable[[Tensor], Tensor]) -> Mixture:
        """The mixture whose tensors are ``function`` of this one's."""
        return Mixture(function(self.logits), function(self.means), self.scale.map(function))

    def take(self, rows: Tensor | slice) -> Mixture:
        """The mixtures at an index of the first batch axis."""
        return self.map(lambda stored: stored[rows])

    def widen(self) -> Mixture:
        """The same with a second batch axis: y (n, m, D) then has m values for each of n."""
        return self.map(lambda stored: stored.unsqueeze(1))

    def component_log_prob(self, y: Tensor) -> Tensor:
        """log N(y; means_k, Sigma_k) for y (..., D), the result (..., K)."""
        return self._log_prob_of_whitened(self.scale.whiten(y.unsqueeze(-2) - self.means))

    def _log_prob_of_whitened(self, z: Tensor) -> Tensor:
        return normal.log_pdf(z).sum(-1) - self.scale.log_det()

    def log_prob(self, y: Tensor) -> Tensor:
        """log p(y) for y (..., D)."""
        return torch.logsumexp(self.log_weights + self.component_log_prob(y), dim=-1)

    def log_prob_gradient(self, y: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """log p(y) (...), and the derivatives of sum(weight * log p(y)) by logits, means and scale.

        That by a component's log density is its responsibility, that by its logit its responsibility minus
        its weight (Bishop 1994, equations 33 and 36). The scale's is by its stored tensor.
        """
        whitened = self.scale.whiten(y.unsqueeze(-2) - self.means)
        log_prob, by_logit, after = self._responsibilities(self._log_prob_of_whitened(whitened), weight)
        return log_prob, by_logit, *self.scale.log_prob_gradient(whitened, after)

    def _responsibilities(self, log_components: Tensor, weight: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """log sum_k w_k p_k (...), the derivative by logits of its sum weighted, and that by log p_k."""
        # Component weights before y is known, and after.
        both = torch.stack([self.logits, self.logits + log_components])
        totals = torch.logsumexp(both, dim=-1, keepdim=True)
        before, after = both.sub_(totals).exp_().mul_(weight.unsqueeze(-1)).unbind()
        total_before, total_after = totals.squeeze(-1).unbind()
        return total_after - total_before, after - before, after

    def log_recorded(self, place: Tensor, reach: Tensor) -> Tensor:
        """Log probability of what was recorded (`sklearn_mdn._mixtures.recorded`) of each target, (..., D).

        Exact values have densities in it. Targets must be independent within components.
        """
        log_components, *_ = self._log_recorded_components(place, reach)
        return torch.logsumexp(self.log_weights + log_components, dim=-1)

    def log_recorded_gradient(
        self, place: Tensor, reach: Tensor, weight: Tensor
    ) -> tuple[Tensor, Tensor, Tensor, Tensor]:
        """``log_recorded``, and what ``log_prob_gradient`` returns beside ``log_prob``."""
        log_components, by_mean, by_log_deviation = self._log_recorded_components(place, reach)
        log_prob, by_logit, after = self._responsibilities(log_components, weight)
        stored, share = self._deviations, after.unsqueeze(-1)
        by_deviation = (by_log_deviation * share).div_(stored).sum_to_size(stored.shape)
        return log_prob, by_logit, (by_mean * share).div_(stored), by_deviation

    def _log_recorded_components(self, place: Tensor, reach: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Those of each component (..., K), and what they change with, (..., K, D), in its deviations."""
        place, reach, deviations = place.unsqueeze(-2), reach.unsqueeze(-2), self._deviations
        log_each, by_mean, by_log_deviation = recorded.log_probability(
            (place - self.means) / deviations, reach / deviations
        )
        per_unit = torch.where(reach == 0.0, deviations.log(), 0.0)  # of densities, not of probabilities
        return (log_each - per_unit).sum(-1), by_mean, by_log_deviation

    @property
    def _deviations(self) -> Tensor:
        if not isinstance(self.scale, DiagonalScale):
            raise TypeError("Intervals have probabilities in closed form only where targets are independent.")
        return self.scale.deviations

    def log_prob_anywhere(self, y: Tensor) -> Tensor:
        """log p(y), -inf also where y is so far out that whitening it leaves no number."""
        each = self.component_log_prob(y)
        lost = each.isnan() & ~y.isnan().any(-1, keepdim=True)
        return torch.logsumexp(self.log_weights + torch.where(lost, -torch.inf, each), dim=-1)

    def log_responsibilities(self, y: Tensor) -> Tensor:
        """log P(component | y) for y (..., D), the result (..., K)."""
        z = self.scale.whiten(y.unsqueeze(-2) - self.means).clamp(-HUGE, HUGE)
        # Beyond this bound all densities would be zero, which leaves nothing to compare; nearer by the same
        # factor, the nearest component still is the nearest.
        farthest = z.abs().amax((-2, -1), keepdim=True)
        joint = self.log_weights + self._log_prob_of_whitened(z * (FAR / farthest.clamp(min=FAR)))
        # Far away, the logarithm of the sum would be lost beside the terms' own size.
        return log_normalize(joint - joint.amax(-1, keepdim=True))

    def mean(self) -> Tensor:
        """E[y], (..., D)."""
        return weighted_sum(self.weights.unsqueeze(-1), self.means, dim=-2)

    def covariance(self) -> Tensor:
        """Cov[y], (..., D, D): within the components and between them."""
        weights = self.weights[..., None, None]
        spread = self.means - self.mean().unsqueeze(-2)
        between = spread.unsqueeze(-1) * spread.unsqueeze(-2)
        return weighted_sum(weights, self.scale.covariance() + between, dim=-3)

    def univariate(self) -> Univariate:
        """The D marginals of single targets, with the batch axes (..., D)."""
        means = self.means.mT
        deviations = self.scale.std.mT.expand(means.shape)
        return Univariate(self.log_weights.unsqueeze(-2), means, deviations)

    def affine(self, shift: Tensor, stretch: Tensor) -> Mixture:
        """The density of shift + stretch * y, for shift and positive stretch (D,)."""
        return Mixture(self.logits, self.means * stretch + shift, self.scale.stretch(stretch))

    def blur(self, deviations: Tensor) -> Mixture:
        """The density of y with independent Gaussian noise of standard deviations (D,) added."""
        return Mixture(self.logits, self.means, self.scale.blur(deviations))

    def shrink(self, share: Tensor, deviations: Tensor) -> Mixture:
        """The density on its way to one at 0 of standard deviations (..., K), with a share of 1 still itself.

        Within a component, that of a y + sqrt(1 - a^2) e with independent e ~ N(0, deviation^2) for the share
        a, which fits the batch axes: the kernel of Mehler (1866), under which normal deviates keep their
        variance. Component weights go to the power a, so that at 0 all are alike and nothing is left of y.
        """
        logits = torch.where(share.unsqueeze(-1) == 1.0, self.logits, self.log_weights * share.unsqueeze(-1))
        scale = self.scale.expand_components(self.n_components)
        share = share[..., None, None]
        noise = (1.0 - share.square()).sqrt() * deviations.unsqueeze(-1)

        def nearer(stored: Tensor) -> Tensor:
            return stored * share.reshape(share.shape + (1,) * (stored.ndim - self.means.ndim))

        return Mixture(logits, self.means * share, scale.map(nearer).blur(noise))

    def marginal(self, targets: list[int]) -> Mixture:
        """The density of some of the targets, in the order named."""
        return Mixture(self.logits, self.means[..., targets], self.scale.marginal(targets))

    def condition(self, targets: list[int], values: Tensor) -> Mixture:
        """The density of the other targets given the values (..., T) of these (Bishop 2006, 2.3.1)."""
        rest = [j for j in range(self.n_targets) if j not in targets]
        known = self.marginal(targets)
        whitened = known.scale.whiten(values.unsqueeze(-2) - known.means)
        shift, scale = self.scale.regression(targets, rest, whitened)
        return Mixture(known.log_responsibilities(values), self.means[..., rest] + shift, scale)

    def merge_members(self) -> Mixture:
        """The equal-weight mixture of S mixtures, the leading axis: K becomes S * K, member by member."""
        log_weights, scale = self.log_weights, self.scale.expand_components(self.n_components)

        def merge(stored: Tensor) -> Tensor:
            return stored.movedim(0, 1).flatten(1, 2)

        return Mixture(merge(log_weights), merge(self.means), scale.map(merge))

    def member(self, components: slice) -> Mixture:
        """The mixture of some neighbouring components, on their own."""
        part = self._components(components)
        impossible = torch.isinf(part.logits).all(-1, keepdim=True)  # a member without weight still is one
        return Mixture(torch.where(impossible, 0.0, part.logits), part.means, part.scale)

    def pad_members(self, members: Sequence[slice], widths: Sequence[int]) -> Mixture:
        """The same mixture with members of given numbers of components, made up with weightless ones."""
        columns, real = [], []
        for part, width in zip(members, widths, strict=True):
            own = range(part.start, part.stop)
            columns += [*own, *(width - len(own)) * [part.start]]
            real += [True] * len(own) + [False] * (width - len(own))
        padded = self._components(torch.tensor(columns, device=self.logits.device))
        logits = torch.where(torch.tensor(real, device=self.logits.device), padded.logits, -torch.inf)
        return Mixture(logits, padded.means, padded.scale)

    def _components(self, index: slice | Tensor) -> Mixture:
        """Components by an index of the K axis, with log weights as in the whole."""
        axis = self.logits.ndim - 1

        def pick(stored: Tensor) -> Tensor:
            return stored.movedim(axis, 0)[index].movedim(0, axis)

        scale = self.scale.expand_components(self.n_components)
        return Mixture(pick(self.log_weights), pick(self.means), scale.map(pick))

    def variance_split(self, members: Sequence[slice]) -> tuple[Tensor, Tensor]:
        """Variance of each target (..., D) within the members, and between them."""
        log_weights = self.log_weights
        shares = torch.stack([torch.logsumexp(log_weights[..., part], dim=-1).exp() for part in members])
        parts = [self.member(part) for part in members]
        means = torch.stack([part.mean() for part in parts])
        variances = torch.stack([part.univariate().var() for part in parts])
        shares = shares.unsqueeze(-1)
        spread = (means - weighted_sum(shares, means, dim=0)).square()
        return weighted_sum(shares, variances, dim=0), weighted_sum(shares, spread, dim=0)

    def draw_alike(self, uniform: Tensor, noise: Tensor) -> Tensor:
        """Draws (n, M, D) from the same uniform (M,) and normal (M, D) numbers for each of n rows."""
        n_rows = len(self.logits)
        return self.draw(uniform.expand(n_rows, -1), noise.expand(n_rows, -1, -1))

    def draw(self, uniform: Tensor, noise: Tensor) -> Tensor:
        """M draws (..., M, D) made of uniform (..., M) in [0, 1) and normal noise (..., M, D)."""
        cumulative = self.weights.cumsum(-1)
        cumulative = cumulative / cumulative[..., -1:]  # so that no draw falls behind the last weight
        component = torch.zeros_like(uniform, dtype=torch.int64)
        for k in range(self.n_components - 1):
            component += uniform >= cumulative[..., k : k + 1]
        means = take_components(self.means, component, trailing=1)
        return means + self.scale.gather(component).color(noise)


class EnergyDraws:
    """What the energy score needs of draws (n, M, D) of X and of X'.

    E|X - y| - E|X - X'| / 2, Gneiting and Raftery (2007), equation 22.
    """

    def __init__(self, draws: Tensor, partners: Tensor) -> None:
        self.draws = draws
        self.spread: Tensor = 0.5 * torch.linalg.vector_norm(draws - partners, dim=-1).mean(-1)

    def score(self, y: Tensor) -> Tensor:
        """The energy score of y (..., n, D)."""
        distance: Tensor = torch.linalg.vector_norm(self.draws - y.unsqueeze(-2), dim=-1).mean(-1)
        return distance - self.spread


def concatenate_rows(mixtures: Sequence[Mixture]) -> Mixture:
    """Mixtures of equal K and D, each with one batch axis, one after the other along it."""
    scales = [m.scale.expand_components(m.n_components) for m in mixtures]
    return Mixture(
        torch.cat([m.logits for m in mixtures]),
        torch.cat([m.means for m in mixtures]),
        join(scales, axis=-2),
    )


def pool(mixtures: Sequence[Mixture], log_weights: Tensor) -> Mixture:
    """The mixture of mixtures: components side by side, weighted by log_weights (E,) or (..., E)."""
    logits = [m.log_weights + log_weights[..., i : i + 1] for i, m in enumerate(mixtures)]
    scales = [m.scale.expand_components(m.n_components) for m in mixtures]
    means = torch.cat([m.means for m in mixtures], dim=-2)
    return Mixture(torch.cat(logits, dim=-1), means, join(scales, axis=-1))


def independent(mixtures: Sequence[Mixture]) -> Mixture:
    """The joint density of independent targets, (..., K_j, 1) each.

    A product of sums: one component for each choice of a component of every target.
    """
    choices = torch.cartesian_prod(*(torch.arange(m.n_components) for m in mixtures))
    chosen = list(zip(mixtures, choices.reshape(-1, len(mixtures)).unbind(1), strict=True))
    deviations = [m.scale.expand_components(m.n_components).std[..., k, :] for m, k in chosen]
    return Mixture(
        torch.stack([m.log_weights[..., k] for m, k in chosen]).sum(0),
        torch.cat([m.means[..., k, :] for m, k in chosen], dim=-1),
        DiagonalScale(torch.cat(deviations, dim=-1)),
    )
