"""N(0, 1) on tensors against many digits."""

from __future__ import annotations

import mpmath
import numpy as np
import pytest
import torch

from sklearn_mdn._mixtures import normal

EPS = np.finfo(float).eps
POINTS = np.concatenate([np.linspace(-37, 37, 75), [-1e-9, 0.0, 1e-9, 0.3, -0.7, 8.25]])


@pytest.fixture(autouse=True)
def many_digits():
    with mpmath.workdps(400):  # 1 - Phi(37) is 6e-300
        yield


def tensor(*values):
    return torch.tensor(values, dtype=torch.float64)


def difference(lower, upper):
    return normal.cdf_difference(tensor(lower), tensor(upper), tensor(upper) - tensor(lower))


def exact_cdf(z):
    return mpmath.erfc(-mpmath.mpf(z) / mpmath.sqrt(2)) / 2


@pytest.mark.parametrize(
    ("function", "exact"),
    [
        (normal.pdf, lambda z: mpmath.npdf(z)),
        (normal.cdf, exact_cdf),
        (normal.log_pdf, lambda z: mpmath.log(mpmath.npdf(z))),
        (normal.log_cdf, lambda z: mpmath.log(exact_cdf(z))),
    ],
    ids=["pdf", "cdf", "log_pdf", "log_cdf"],
)
def test_values_hold_their_relative_precision_in_both_tails(function, exact):
    values = function(torch.from_numpy(POINTS))
    for z, value in zip(POINTS, values.tolist(), strict=True):
        reference = exact(mpmath.mpf(z))
        # Rounding z / sqrt(2) or z^2 alone costs z^2 eps in the exponent.
        assert abs((value - reference) / reference) < (8 + 2 * z * z) * EPS


def test_log_cdf_goes_on_where_the_probability_underflows():
    (value,) = normal.log_cdf(tensor(-1e6)).tolist()
    assert value == pytest.approx(-0.5e12 - np.log(1e6) - normal.HALF_LOG_2PI, rel=1e-15)


def test_quantile_inverts_cdf_down_to_the_smallest_levels():
    levels = torch.logspace(-300, np.log10(0.5), 200, dtype=torch.float64)
    z = normal.quantile(levels)
    torch.testing.assert_close(normal.log_cdf(z), levels.log(), rtol=1e-14, atol=1e-14)


@pytest.mark.parametrize("middle", [-30.0, -8.0, -1.0, -0.2, 0.0, 0.5, 3.0, 12.0, 36.0])
@pytest.mark.parametrize("width", [1e-15, 1e-9, 1e-4, 0.01, 0.1, 0.3, 0.59, 0.61, 1.0, 4.0, 60.0])
def test_cdf_difference_never_cancels(middle, width):
    lower, upper = middle - width / 2, middle + width / 2
    (value,) = difference(lower, upper).tolist()
    exact = exact_cdf(upper) - exact_cdf(lower)
    if exact == 0:
        assert value == 0
    else:
        assert abs((value - exact) / exact) < 1e-13 + 4 * min(lower**2, upper**2) * EPS


@pytest.mark.parametrize(
    ("lower", "upper", "expected"),
    [(-np.inf, np.inf, 1.0), (-np.inf, 0.0, 0.5), (0.0, np.inf, 0.5), (np.inf, np.inf, 0.0), (2.0, 2.0, 0.0)],
)
def test_cdf_difference_at_infinite_and_equal_ends(lower, upper, expected):
    assert difference(lower, upper).item() == expected


@pytest.mark.parametrize("mean", [-3.0, 0.0, 0.4, 50.0])
@pytest.mark.parametrize("deviation", [1e-8, 0.5, 1e8])
def test_mean_absolute_is_the_integral(mean, deviation):
    with mpmath.workdps(30):
        m, s = mpmath.mpf(mean), mpmath.mpf(deviation)
        limits = sorted({m - 12 * s, m - s, m, m + s, m + 12 * s, mpmath.mpf(0)})
        limits = [y for y in limits if m - 12 * s <= y <= m + 12 * s]
        exact = mpmath.quad(lambda y: abs(y) * mpmath.npdf(y, m, s), limits)
    value = normal.mean_absolute(tensor(mean), tensor(deviation)).item()
    assert abs((value - exact) / exact) < 1e-14


@pytest.mark.parametrize(
    "function",
    [
        normal.pdf,
        normal.cdf,
        normal.log_cdf,
        lambda z: normal.cdf_difference(z, z + 0.1, torch.full_like(z, 0.1)),
    ],
    ids=["pdf", "cdf", "log_cdf", "cdf_difference"],
)
def test_a_value_does_not_depend_on_its_neighbours(function):
    z = torch.linspace(-9, 9, 1001, dtype=torch.float64)
    together = function(z)
    for start, length in [(0, 1), (3, 2), (100, 7), (500, 64), (999, 2)]:
        assert torch.equal(together[start : start + length], function(z[start : start + length].clone()))
