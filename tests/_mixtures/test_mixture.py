"""Mixtures on tensors: densities, their gradients, and the operations that make new mixtures."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats

from sklearn_mdn._mixtures.mixture import EnergyDraws, Mixture, concatenate_rows, pool
from sklearn_mdn._mixtures.scale import CholeskyScale, DiagonalScale
from tests._distributions.cases import JOINT, SEVERAL, joint, joint_distribution


def mixture_of(kind, dim, **options):
    return joint_distribution(kind, dim, **options)._mixture


def values_for(mixture, seed=7):
    return torch.from_numpy(np.random.default_rng(seed).normal(size=(len(mixture.logits), mixture.n_targets)))


def scipy_log_prob(weights, means, covariances, y):
    return [
        np.log(
            sum(
                w * stats.multivariate_normal(m, c).pdf(row)
                for w, m, c in zip(weights[i], means[i], covariances[i], strict=True)
            )
        )
        for i, row in enumerate(y.numpy())
    ]


@pytest.mark.parametrize(("kind", "dim"), JOINT)
def test_log_prob_is_that_of_scipy(kind, dim):
    weights, means, _, full = joint(kind, dim)
    mixture = mixture_of(kind, dim)
    y = values_for(mixture)
    expected = scipy_log_prob(weights, means, full, y)
    np.testing.assert_allclose(mixture.log_prob(y).numpy(), expected, rtol=1e-11)


@pytest.mark.parametrize(("kind", "dim"), JOINT)
def test_blur_is_the_convolution_with_independent_noise(kind, dim):
    weights, means, _, full = joint(kind, dim)
    mixture, deviations = mixture_of(kind, dim), np.linspace(0.4, 2.0, dim)
    y = values_for(mixture)
    expected = scipy_log_prob(weights, means, full + np.diag(deviations**2), y)
    blurred = mixture.blur(torch.from_numpy(deviations))
    np.testing.assert_allclose(blurred.log_prob(y).numpy(), expected, rtol=1e-11)


@pytest.mark.parametrize("share", [0.0, 0.3, 0.9, 1.0])
@pytest.mark.parametrize(("kind", "dim"), JOINT)
def test_shrinking_adds_noise_to_a_share_of_each_component(kind, dim, share):
    weights, means, _, full = joint(kind, dim)
    mixture = mixture_of(kind, dim)
    deviations = np.linspace(0.4, 2.0, mixture.n_components)
    y = values_for(mixture)
    power = np.where(weights > 0.0, weights, 1e-300) ** share
    noise = (1.0 - share**2) * deviations[:, None, None] ** 2 * np.eye(dim)
    expected = scipy_log_prob(power / power.sum(-1, keepdims=True), share * means, share**2 * full + noise, y)
    one = torch.tensor(share, dtype=torch.float64)
    found = mixture.shrink(one, torch.from_numpy(deviations))
    np.testing.assert_allclose(found.log_prob(y).numpy(), expected, rtol=1e-9)


@pytest.mark.parametrize(("kind", "dim"), JOINT)
def test_shrinking_some_rows_leaves_the_bits_of_others(kind, dim):
    mixture = mixture_of(kind, dim)
    share = torch.ones(len(mixture.logits), dtype=torch.float64)
    share[0] = 0.5
    y, deviations = values_for(mixture), torch.ones(mixture.n_components, dtype=torch.float64)
    before, after = mixture.log_prob(y).numpy(), mixture.shrink(share, deviations).log_prob(y).numpy()
    np.testing.assert_array_equal(after[1:], before[1:])
    assert after[0] != before[0]


@pytest.mark.parametrize("structure", ["diag", "spherical", "tied", "full"])
@pytest.mark.parametrize("dim", [1, 3])
def test_gradients_agree_with_finite_differences(structure, dim):
    generator = torch.Generator().manual_seed(0)
    n, k = 3, 2

    def random(*shape):
        return torch.randn(*shape, dtype=torch.float64, generator=generator)

    logits, means, y = random(n, k), random(n, k, dim), random(n, dim)
    stored = {
        "diag": random(n, k, dim),
        "spherical": random(n, k, 1),
        "tied": random(n, 1, dim, dim),
        "full": random(n, k, dim, dim),
    }[structure]

    def log_prob(logits, means, stored, y):
        if structure in ("diag", "spherical"):
            scale = DiagonalScale(stored.exp(), dim)
        else:
            diagonal = torch.diagonal(stored, dim1=-2, dim2=-1).exp()
            scale = CholeskyScale(stored.tril(-1) + torch.diag_embed(diagonal))
        return Mixture(logits, means, scale).log_prob(y)

    arguments = [t.requires_grad_() for t in (logits, means, stored, y)]
    assert torch.autograd.gradcheck(log_prob, arguments)


@pytest.mark.parametrize(("kind", "dim"), JOINT)
def test_affine_is_the_change_of_variables(kind, dim):
    mixture = mixture_of(kind, dim)
    y = values_for(mixture)
    shift = torch.linspace(-2, 3, dim, dtype=torch.float64)
    for stretch in (torch.linspace(0.5, 4, dim, dtype=torch.float64), torch.full((dim,), 0.3).double()):
        moved = mixture.affine(shift, stretch).log_prob(shift + stretch * y)
        torch.testing.assert_close(moved, mixture.log_prob(y) - stretch.log().sum(), rtol=1e-12, atol=1e-12)


@pytest.mark.parametrize(("kind", "dim"), SEVERAL)
@pytest.mark.parametrize("given", [[0], [1], [1, 0]])
def test_marginal_times_conditional_is_joint(kind, dim, given):
    if len(given) == dim:
        given = given[:1]
    mixture = mixture_of(kind, dim)
    y = values_for(mixture)
    rest = [j for j in range(dim) if j not in given]
    marginal = mixture.marginal(given).log_prob(y[:, given])
    conditional = mixture.condition(given, y[:, given]).log_prob(y[:, rest])
    torch.testing.assert_close(marginal + conditional, mixture.log_prob(y), rtol=1e-11, atol=1e-11)


@pytest.mark.parametrize(("kind", "dim"), SEVERAL)
def test_marginals_of_single_targets_are_the_univariate_mixtures(kind, dim):
    mixture = mixture_of(kind, dim)
    y = values_for(mixture)
    together = mixture.univariate().log_prob(y)
    for j in range(dim):
        torch.testing.assert_close(mixture.marginal([j]).log_prob(y[:, [j]]), together[:, j])


@pytest.mark.parametrize(("kind", "dim"), JOINT)
def test_moments_are_those_of_the_components(kind, dim):
    weights, means, _, full = joint(kind, dim)
    mixture = mixture_of(kind, dim)
    mean = np.einsum("nk,nkd->nd", weights, means)
    second = np.einsum("nk,nkij->nij", weights, full + means[..., :, None] * means[..., None, :])
    np.testing.assert_allclose(mixture.mean().numpy(), mean, rtol=1e-12)
    expected = second - mean[:, :, None] * mean[:, None, :]
    np.testing.assert_allclose(mixture.covariance().numpy(), expected, rtol=1e-10, atol=1e-12)
    variance = np.diagonal(expected, axis1=-2, axis2=-1)
    np.testing.assert_allclose(mixture.univariate().var().numpy(), variance, rtol=1e-10)


def stack(kind, dim, members=3):
    """The members, and the same with a leading axis."""
    parts = [mixture_of(kind, dim, seed=seed) for seed in range(members)]
    logits, means = torch.stack([p.logits for p in parts]), torch.stack([p.means for p in parts])
    if kind in ("diag", "spherical"):
        scale = DiagonalScale(torch.stack([p.scale.deviations for p in parts]), dim)
    else:
        scale = CholeskyScale(torch.stack([p.scale.factor for p in parts]))
    return parts, Mixture(logits, means, scale)


@pytest.mark.parametrize(("kind", "dim"), JOINT)
def test_merged_members_are_the_mean_density(kind, dim):
    parts, stacked = stack(kind, dim)
    merged = stacked.merge_members()
    assert merged.logits.shape == (3, 9)
    y = values_for(merged)
    expected = torch.stack([p.log_prob(y) for p in parts]).exp().mean(0)
    torch.testing.assert_close(merged.log_prob(y).exp(), expected, rtol=1e-12, atol=0)
    torch.testing.assert_close(merged.weights[:, 3:6], parts[1].weights / 3)
    torch.testing.assert_close(merged.member(slice(3, 6)).log_prob(y), parts[1].log_prob(y))


def test_an_ensemble_of_equal_members_is_the_member():
    part = mixture_of("full", 2)
    repeated = part.map(lambda stored: stored.expand(4, *stored.shape)).merge_members()
    y = values_for(part)
    torch.testing.assert_close(repeated.log_prob(y), part.log_prob(y), rtol=1e-13, atol=1e-13)
    within, between = repeated.variance_split([slice(i, i + 3) for i in range(0, 12, 3)])
    torch.testing.assert_close(within, part.univariate().var(), rtol=1e-12, atol=0)
    assert between.abs().max() < 1e-28


@pytest.mark.parametrize("first", ["full", "tied", "diag", "spherical"])
@pytest.mark.parametrize("second", ["full", "tied", "diag", "spherical"])
def test_pool_is_the_weighted_density_for_any_structures(first, second):
    parts = [mixture_of(first, 2, n_components=3), mixture_of(second, 2, n_components=2, seed=1)]
    log_weights = torch.tensor([0.3, 0.7], dtype=torch.float64).log()
    y = values_for(parts[0])
    expected = 0.3 * parts[0].log_prob(y).exp() + 0.7 * parts[1].log_prob(y).exp()
    pooled = pool(parts, log_weights)
    torch.testing.assert_close(pooled.log_prob(y).exp(), expected, rtol=1e-12, atol=0)
    by_row = pool(parts, log_weights.expand(3, 2))
    assert torch.equal(by_row.log_prob(y), pooled.log_prob(y))


def test_pool_lets_a_member_have_no_weight():
    parts = [mixture_of("diag", 2), mixture_of("diag", 2, seed=1)]
    pooled = pool(parts, torch.tensor([0.0, -torch.inf], dtype=torch.float64))
    y = values_for(parts[0])
    torch.testing.assert_close(pooled.log_prob(y), parts[0].log_prob(y))
    # The member is still there, only that it does not count.
    assert torch.isfinite(pooled.member(slice(3, 6)).log_prob(y)).all()
    within, between = pooled.variance_split([slice(0, 3), slice(3, 6)])
    torch.testing.assert_close(within, parts[0].univariate().var())
    assert between.abs().max() < 1e-28


@pytest.mark.parametrize("kind", ["full", "tied", "diag", "spherical"])
def test_variance_split_adds_up(kind):
    parts, stacked = stack(kind, 2)
    merged = stacked.merge_members()
    within, between = merged.variance_split([slice(i, i + 3) for i in range(0, 9, 3)])
    torch.testing.assert_close(within, torch.stack([p.univariate().var() for p in parts]).mean(0))
    means = torch.stack([p.mean() for p in parts])
    torch.testing.assert_close(between, means.var(0, correction=0))
    torch.testing.assert_close(within + between, merged.univariate().var())


@pytest.mark.parametrize(("kind", "dim"), JOINT)
def test_padding_and_joining_rows_change_no_density(kind, dim):
    mixture = mixture_of(kind, dim)
    other = mixture_of("full", dim, n_components=5, seed=3)
    padded = mixture.pad_members([slice(0, 1), slice(1, 3)], [2, 3])
    assert padded.n_components == 5
    assert torch.equal(torch.isinf(padded.logits[0]), torch.tensor([False, True, False, False, True]))
    y = values_for(mixture)
    together = concatenate_rows([padded, other]).log_prob(torch.cat([y, y]))
    torch.testing.assert_close(together, torch.cat([mixture.log_prob(y), other.log_prob(y)]))


@pytest.mark.parametrize(("kind", "dim"), SEVERAL)
def test_draws_have_the_mixture_s_moments(kind, dim):
    mixture = mixture_of(kind, dim)
    generator = torch.Generator().manual_seed(0)
    count = 40_000
    uniform = torch.rand(3, count, dtype=torch.float64, generator=generator)
    noise = torch.randn(3, count, dim, dtype=torch.float64, generator=generator)
    draws = mixture.draw(uniform, noise)
    variance = torch.diagonal(mixture.covariance(), dim1=-2, dim2=-1)
    error = (draws.mean(1) - mixture.mean()) / (variance / count).sqrt()
    assert error.abs().max() < 4.5
    for row in range(3):
        sample = torch.cov(draws[row].T) / (variance[row, :, None] * variance[row]).sqrt()
        exact = mixture.covariance()[row] / (variance[row, :, None] * variance[row]).sqrt()
        assert (sample - exact).abs().max() < 0.05


def test_a_component_without_weight_is_never_drawn():
    # Ten times 0.1 is less than one, and as large as the largest uniform number.
    weights = torch.tensor([[0.0, *[0.1] * 5, 0.0, *[0.1] * 5, 0.0]], dtype=torch.float64)
    means = torch.arange(13.0, dtype=torch.float64)[None, :, None]
    mixture = Mixture(weights.log(), means, DiagonalScale(torch.full((1, 13, 1), 1e-9).double()))
    uniform = torch.linspace(0, 1 - 2**-53, 10_001, dtype=torch.float64)[None]
    drawn = mixture.draw(uniform, torch.zeros(1, 10_001, 1, dtype=torch.float64))
    component, count = drawn.round().unique(return_counts=True)
    assert component.tolist() == [1, 2, 3, 4, 5, 7, 8, 9, 10, 11]
    np.testing.assert_allclose(count.numpy() / 10_001, 0.1, atol=2e-4)


def test_responsibilities_are_shares_however_far_away():
    mixture = mixture_of("diag", 2)
    for y in (0.3, 1e4, 1e160, 1e300):
        shares = mixture.log_responsibilities(torch.full((3, 2), y, dtype=torch.float64)).exp()
        torch.testing.assert_close(shares.sum(-1), torch.ones(3, dtype=torch.float64))


def test_energy_score_of_one_target_is_the_crps():
    mixture = mixture_of("full", 1)
    generator = torch.Generator().manual_seed(0)
    count = 200_000
    draws = [
        mixture.draw(
            torch.rand(3, count, dtype=torch.float64, generator=generator),
            torch.randn(3, count, 1, dtype=torch.float64, generator=generator),
        )
        for _ in range(2)
    ]
    y = values_for(mixture)
    torch.testing.assert_close(
        EnergyDraws(*draws).score(y), mixture.univariate().crps(y)[:, 0], rtol=0, atol=0.01
    )
