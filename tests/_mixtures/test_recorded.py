"""Probabilities of what was recorded: values, intervals, open ends, against many digits and differences."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch
from scipy import stats

from sklearn_mdn._mixtures.mixture import Mixture
from sklearn_mdn._mixtures.recorded import log_probability
from sklearn_mdn._mixtures.scale import CholeskyScale, DiagonalScale

INF = np.inf
PLACES = [-1e6, -300.0, -37.5, -8.0, -2.0, -1.0, -0.3, -1e-12, 0.0, 1e-9, 0.2, 0.9, 1.7, 6.0, 30.0, 4e3, 2e7]
REACHES = [0.0, 1e-30, 1e-12, 1e-3, 0.05, 0.2999, 0.3001, 0.7, 2.0, 9.0, 50.0, 1e3, INF, -INF]


def exact(place, reach):
    """Log probability, and its derivatives by the mean and by the logarithm of the deviation."""
    z, h = mpmath.mpf(place), mpmath.mpf(reach)
    if reach == 0.0:
        return -z * z / 2 - mpmath.log(2 * mpmath.pi) / 2, z, z * z - 1
    lower = -mpmath.inf if reach == -INF else z if reach == INF else z - h
    upper = mpmath.inf if reach == INF else z if reach == -INF else z + h
    mirrored = lower > 0 if reach == INF else upper < INF and z > 0 and reach > 0
    a, b = (-upper, -lower) if mirrored else (lower, upper)
    log_p = mpmath.log(below(b) - below(a))
    height_a, height_b = (0 if abs(x) == INF else height(x, log_p) for x in (lower, upper))
    ends = [0 if abs(x) == INF else x for x in (lower, upper)]
    return log_p, height_a - height_b, ends[0] * height_a - ends[1] * height_b


def below(z):
    return mpmath.mpf(z == INF) if abs(z) == INF else mpmath.erfc(-z / mpmath.sqrt(2)) / 2


def height(z, log_p):
    return mpmath.exp(-z * z / 2 - log_p) / mpmath.sqrt(2 * mpmath.pi)


@pytest.fixture(autouse=True)
def many_digits():
    with mpmath.workdps(100):
        yield


@pytest.mark.parametrize("reach", REACHES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_probabilities_and_their_derivatives_hold_their_precision_everywhere(reach, dtype):
    eps = torch.finfo(dtype).eps
    places = torch.tensor(PLACES, dtype=dtype)
    reaches = torch.full_like(places, reach)
    got = [value.double().numpy() for value in log_probability(places, reaches)]
    for place, width, *values in zip(places.tolist(), reaches.tolist(), *got, strict=True):
        expected = exact(place, width)
        size = 1.0 + abs(place)
        # Rounding what is squared costs z^2 eps in the exponent, and a part of that in its derivatives.
        for value, true, unit in zip(values, expected, (size**2, size, size**2), strict=True):
            scale = max(float(abs(true)), min(unit, 10.0), 1e-300)
            assert abs(value - float(true)) <= 40 * eps * scale, (place, width, value, true)


def random_mixture(structure, n_targets, *batch, n_components=3, dtype=torch.float64):
    generator = torch.Generator().manual_seed(0)

    def random(*shape):
        return torch.randn(*batch, *shape, dtype=dtype, generator=generator)

    deviations = {
        "diag": random(n_components, n_targets),
        "spherical": random(n_components, 1),
        "tied": random(1, n_targets),
    }[structure]
    return Mixture(
        random(n_components),
        random(n_components, n_targets),
        DiagonalScale(deviations.exp(), n_targets),
    )


def records(*shape, seed=1, dtype=torch.float64):
    """Values, intervals and open ends in one batch."""
    random = np.random.default_rng(seed)
    place = random.normal(size=shape)
    reach = random.choice([0.0, 1e-6, 0.1, 1.0, 5.0, INF, -INF], size=shape)
    return torch.from_numpy(place).to(dtype), torch.from_numpy(reach).to(dtype)


def ends(place, reach):
    lower = np.where(reach == INF, place, np.where(reach == -INF, -INF, place - reach))
    return lower, np.where(reach == INF, INF, np.where(reach == -INF, place, place + reach))


@pytest.mark.parametrize("structure", ["diag", "spherical", "tied"])
@pytest.mark.parametrize("n_targets", [1, 3])
def test_mixed_records_have_the_products_of_scipy(structure, n_targets):
    mixture = random_mixture(structure, n_targets, 40)
    place, reach = records(40, n_targets)
    lower, upper = (end[:, None] for end in ends(place.numpy(), reach.numpy()))
    means, deviations = mixture.means.numpy(), mixture.scale.std.expand(mixture.means.shape).numpy()
    normal = stats.norm(means, deviations)
    probability = np.where(
        lower > means, normal.sf(lower) - normal.sf(upper), normal.cdf(upper) - normal.cdf(lower)
    )
    factors = np.where(lower == upper, normal.pdf(lower), probability)
    expected = np.log((mixture.weights.numpy() * factors.prod(-1)).sum(-1))
    np.testing.assert_allclose(mixture.log_recorded(place, reach).numpy(), expected, rtol=1e-8, atol=1e-12)


@pytest.mark.parametrize("structure", ["diag", "spherical", "tied"])
@pytest.mark.parametrize("n_targets", [1, 3])
def test_gradients_of_mixed_records_agree_with_finite_differences(structure, n_targets):
    mixture = random_mixture(structure, n_targets, 60)
    place, reach = records(60, n_targets)
    weight = torch.linspace(-1.0, 2.0, 60, dtype=torch.float64)
    log_p, *gradients = mixture.log_recorded_gradient(place, reach, weight)
    torch.testing.assert_close(log_p, mixture.log_recorded(place, reach), rtol=0, atol=1e-13)
    stored = [mixture.logits, mixture.means, mixture.scale.deviations]
    for number, gradient in enumerate(gradients):
        assert gradient.shape == stored[number].shape
        for entry in np.ndindex(stored[number].shape[1:]):  # rows are independent
            moved = []
            for step in (-1e-5, 1e-5):
                values = [value.clone() for value in stored]
                values[number][:, *entry] += step
                part = Mixture(values[0], values[1], DiagonalScale(values[2], n_targets))
                moved.append(part.log_recorded(place, reach))
            slope = weight * (moved[1] - moved[0]) / 2e-5
            np.testing.assert_allclose(gradient[:, *entry].numpy(), slope.numpy(), rtol=1e-5, atol=1e-8)


def test_values_alone_have_the_log_density_and_its_gradient():
    mixture = random_mixture("diag", 2, 30)
    place, _ = records(30, 2)
    weight = torch.linspace(0.5, 2.0, 30, dtype=torch.float64)
    recorded = mixture.log_recorded_gradient(place, torch.zeros_like(place), weight)
    for got, expected in zip(recorded, mixture.log_prob_gradient(place, weight), strict=True):
        torch.testing.assert_close(got, expected, rtol=1e-12, atol=1e-13)


def test_intervals_that_fill_the_line_share_its_probability():
    mixture = random_mixture("diag", 1, 5)
    cuts = torch.linspace(-6.0, 7.0, 40, dtype=torch.float64)
    place = torch.cat([cuts[:1], (cuts[1:] + cuts[:-1]) / 2, cuts[-1:]])
    reach = torch.cat([cuts.new_tensor([-INF]), (cuts[1:] - cuts[:-1]) / 2, cuts.new_tensor([INF])])
    each = mixture.map(lambda t: t.unsqueeze(1)).log_recorded(place[None, :, None], reach[None, :, None])
    torch.testing.assert_close(each.exp().sum(-1), torch.ones(5, dtype=torch.float64))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_row_does_not_hang_on_its_place_in_memory(dtype):
    n = 997
    mixture, weight = random_mixture("diag", 2, n, dtype=dtype), torch.ones(n, dtype=dtype)
    place, reach = records(n, 2, dtype=dtype)
    whole = mixture.log_recorded_gradient(place, reach, weight)
    for size in (1, 3, 64):
        pieces = [
            mixture.take(rows).log_recorded_gradient(place[rows], reach[rows], weight[rows])
            for rows in (slice(start, start + size) for start in range(0, n, size))
        ]
        for value, *parts in zip(whole, *pieces, strict=True):
            assert torch.equal(value, torch.cat(parts))


def test_targets_that_hang_on_each_other_within_components_are_refused():
    scale = CholeskyScale(torch.eye(2, dtype=torch.float64).expand(4, 1, 2, 2))
    mixture = Mixture(torch.zeros(4, 3).double(), torch.zeros(4, 3, 2).double(), scale)
    with pytest.raises(TypeError, match="targets are independent"):
        mixture.log_recorded(*records(4, 2))
