"""Laws of predicted distributions of every kind, against numerical integrals and SciPy."""

from __future__ import annotations

import pickle

import numpy as np
import pytest
from scipy import special, stats
from sklearn.preprocessing import (
    FunctionTransformer,
    MinMaxScaler,
    PowerTransformer,
    QuantileTransformer,
    StandardScaler,
)

from sklearn_mdn import (
    ClippedDistribution,
    MixtureDistribution,
    PredictiveDistribution,
    TransformedDistribution,
)
from sklearn_mdn._distributions.bounds import BoundTransformer
from sklearn_mdn._distributions.records import Records

LEVELS = np.array([1e-9, 1e-3, 0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99, 0.999, 1 - 1e-9])


def latent(one_dimensional=True):
    weights, means = [[0.3, 0.7], [0.5, 0.5], [1.0, 0.0]], [[-1.0, 1.0], [0.0, 0.3], [0.5, 9.0]]
    variances = [[0.25, 0.09], [0.5, 0.04], [0.3, 1.0]]
    if one_dimensional:
        return MixtureDistribution(weights, means, variances)
    means, variances = np.array(means)[..., None], np.array(variances)[..., None]
    return MixtureDistribution(weights, means, variances, covariance_type="diag")


def fitted(transformer, values):
    return transformer.fit(np.asarray(values, dtype=float)[:, None])


POSITIVE = np.random.default_rng(0).lognormal(size=60)


def transformed(transformer, **options):
    return lambda: TransformedDistribution(latent(**options), transformer)


KINDS = {
    "mixture": latent,
    "log": transformed(FunctionTransformer(np.log, np.exp)),
    "log1p": transformed(FunctionTransformer(np.log1p, np.expm1)),
    "log10": transformed(FunctionTransformer(np.log10, special.exp10)),
    "logit": transformed(FunctionTransformer(special.logit, special.expit)),
    "from above": transformed(BoundTransformer(-np.inf, 5.0)),
    "between": transformed(BoundTransformer(-2.0, 10.0)),
    "with an axis": transformed(BoundTransformer(0.0, np.inf), one_dimensional=False),
    "user's logarithm": transformed(
        FunctionTransformer(lambda y: np.log(y + 0.5), lambda z: np.exp(z) - 0.5, validate=True)
    ),
    "falling": transformed(FunctionTransformer(lambda y: -np.arcsinh(y), lambda z: np.sinh(-z))),
    "Yeo-Johnson": transformed(fitted(PowerTransformer(), POSITIVE - 1.0)),
    "Box-Cox": transformed(fitted(PowerTransformer("box-cox"), POSITIVE)),
    "ends above": transformed(FunctionTransformer(lambda y: 1.5 - np.exp(-y), lambda z: -np.log(1.5 - z))),
    "quantiles": transformed(
        fitted(QuantileTransformer(n_quantiles=9, output_distribution="normal"), POSITIVE)
    ),
}
SMOOTH = [name for name in KINDS if name != "quantiles"]
# Laws that know of jumps have a file of their own, test_clipped.py.
JUMPS = {
    "clipped": lambda: ClippedDistribution(latent(), 0.0, 1.2),
    "clipped, with an axis": lambda: ClippedDistribution(latent(one_dimensional=False), -np.inf, 0.4),
}
EVERY = KINDS | JUMPS


def columns(values):
    """(..., n) of either form of target."""
    return np.asarray(values)[..., 0] if np.ndim(values) and np.shape(values)[-1] == 1 else np.asarray(values)


def quantiles(dist, levels=LEVELS):
    q = levels.reshape(-1, *(1,) * dist.mean().ndim)
    return dist.ppf(q)


def along_grid(dist, y):
    """y (m, n) in the form that the distribution takes."""
    return y if dist.mean().ndim == 1 else y[..., None]


def each_row(dist, function):
    """Integrals (n,) of function(y, dist) over cells between quantiles: 10 Gauss-Legendre nodes in each."""
    edges = columns(quantiles(dist, special.ndtr(np.linspace(-7.3, 7.3, 293))))
    nodes, weights = np.polynomial.legendre.leggauss(10)
    half, middle = 0.5 * np.diff(edges, axis=0), 0.5 * (edges[1:] + edges[:-1])
    y = middle[:, None] + half[:, None] * nodes[:, None]
    values = columns(function(along_grid(dist, y.reshape(-1, len(dist))), dist)).reshape(y.shape)
    return (half[:, None] * weights[:, None] * values).sum(axis=(0, 1))


@pytest.fixture(params=KINDS)
def dist(request) -> PredictiveDistribution:
    return KINDS[request.param]()


@pytest.fixture(params=EVERY)
def every(request) -> PredictiveDistribution:
    return EVERY[request.param]()


@pytest.fixture(params=SMOOTH)
def smooth(request) -> PredictiveDistribution:
    return KINDS[request.param]()


def test_quantiles_invert_the_distribution(dist):
    q = quantiles(dist)
    levels = np.broadcast_to(LEVELS.reshape(-1, *(1,) * (q.ndim - 1)), q.shape)
    np.testing.assert_allclose(dist.cdf(q), levels, rtol=1e-7)
    np.testing.assert_allclose(dist.sf(q[::-1]), 1 - dist.cdf(q[::-1]), rtol=1e-6, atol=1e-12)
    np.testing.assert_allclose(dist.isf(levels), dist.ppf(1 - levels), rtol=1e-6)
    np.testing.assert_allclose(np.exp(dist.logcdf(q)), dist.cdf(q), rtol=1e-10)
    np.testing.assert_allclose(np.exp(dist.logsf(q)), dist.sf(q), rtol=1e-10)
    np.testing.assert_allclose(dist.prob(q[2], q[5]), 0.49, rtol=1e-8)
    lower, upper = dist.support()
    np.testing.assert_array_equal(dist.ppf(0.0), lower)
    np.testing.assert_array_equal(dist.ppf(1.0), upper)
    assert (lower <= q).all()
    assert (q <= upper).all()
    np.testing.assert_array_equal(dist.interval(0.8)[0], dist.ppf(0.5 * (1.0 - 0.8)))


def test_the_density_is_the_derivative_of_the_distribution(smooth):
    q = quantiles(smooth, np.array([0.01, 0.2, 0.5, 0.8, 0.99]))
    step = 1e-6 * (smooth.ppf(0.6) - smooth.ppf(0.4))
    slope = smooth.prob(q - step, q + step) / (2 * step)
    np.testing.assert_allclose(smooth.pdf(q), columns(slope), rtol=1e-6)


def test_integrals(smooth):
    """Density, mean, variance, entropy and CRPS."""
    np.testing.assert_allclose(each_row(smooth, lambda y, dist: dist.pdf(y)), 1.0, rtol=1e-8)
    mean, var = columns(smooth.mean()), columns(smooth.var())

    def moment(center, order):
        return each_row(smooth, lambda y, dist: (columns(y) - center) ** order * dist.pdf(y))

    known = np.isfinite(mean) & np.isfinite(var)  # of a pole at the end of a transform they are not
    np.testing.assert_allclose(moment(0.0, 1)[known], mean[known], rtol=1e-8, atol=1e-9)
    # The cells leave out a tail.
    np.testing.assert_allclose(moment(np.where(known, mean, 0.0), 2)[known], var[known], rtol=1e-4)
    np.testing.assert_allclose(smooth.std() ** 2, smooth.var(), rtol=1e-12)
    entropy = each_row(smooth, lambda y, dist: -dist.pdf(y) * dist.logpdf(y))
    np.testing.assert_allclose(smooth.entropy(), entropy, rtol=1e-7, atol=1e-7)
    place = smooth.ppf(special.ndtr(0.5))  # an edge of the cells
    crps = each_row(smooth, lambda y, dist: (dist.cdf(y) - (y >= place)) ** 2)
    np.testing.assert_allclose(columns(smooth.crps(place)), crps, rtol=1e-8)
    np.testing.assert_allclose(smooth.energy_score(place), columns(smooth.crps(place)), rtol=1e-12)


def test_modes_are_maxima(smooth):
    modes = smooth.modes()
    assert modes.shape[0] == len(smooth)
    width = 1e-4 * (smooth.ppf(0.75) - smooth.ppf(0.25))
    for place in np.moveaxis(modes, 1, 0):
        known = ~np.isnan(columns(place))
        height = smooth.logpdf(place)[known]
        for side in (-1, 1):
            assert (smooth.logpdf(place + side * width)[known] <= height + 1e-9).all()
    heights = np.nan_to_num([smooth.logpdf(place) for place in np.moveaxis(modes, 1, 0)], nan=-np.inf)
    assert (np.diff(heights, axis=0) <= 1e-9).all()
    grid = quantiles(smooth, np.linspace(0.001, 0.999, 999))
    assert (smooth.logpdf(grid).max(axis=0) <= heights[0] + 1e-9).all()
    np.testing.assert_array_equal(smooth.mode(), modes[:, 0])


@pytest.mark.parametrize(
    ("name", "confidence"),
    [
        *(
            (name, c)
            for name in ("mixture", "log", "between", "from above", "with an axis")
            for c in (0.2, 0.99)
        ),
        *((name, 0.8) for name in ("logit", "user's logarithm", "falling", "Yeo-Johnson", "ends above")),
    ],
)
def test_regions_hold_their_probability(name, confidence):
    smooth = KINDS[name]()
    intervals, threshold = smooth.hdr(confidence)
    ends = np.nan_to_num(intervals)
    ends = ends if smooth.mean().ndim == 1 else ends[..., None]
    inside = smooth.prob(np.moveaxis(ends[:, :, 0], 1, 0), np.moveaxis(ends[:, :, 1], 1, 0))
    np.testing.assert_allclose(columns(inside).sum(axis=0), confidence, rtol=1e-6)
    grid = quantiles(smooth, np.linspace(0.0005, 0.9995, 1000))
    values = columns(grid)
    held = ((values[..., None] >= intervals[..., 0]) & (values[..., None] <= intervals[..., 1])).any(axis=-1)
    near = np.abs(smooth.pdf(grid) / threshold - 1.0) < 1e-6
    assert ((held == (smooth.pdf(grid) >= threshold)) | near).all()
    assert ((held == smooth.in_hdr(grid, confidence)) | near).all()


def test_quantiles_are_the_lowest_that_reach_their_level(every):
    q = quantiles(every)
    levels = np.broadcast_to(LEVELS.reshape(-1, *(1,) * (q.ndim - 1)), q.shape)
    assert (every.cdf(q) >= levels - 1e-12).all()
    step = 1e-6 * every.std()
    assert (every.cdf(q - step) <= levels + 1e-12).all()


@pytest.mark.parametrize("name", ["mixture", "log", "between", *JUMPS])
def test_the_mean_is_an_expectation(name):
    dist = EVERY[name]()
    np.testing.assert_allclose(dist.expect(columns), columns(dist.mean()), rtol=1e-7, atol=1e-9)


@pytest.mark.parametrize("name", ["mixture", "log", "between", "user's logarithm", "ends above"])
def test_levels_and_expectations(name):
    smooth = KINDS[name]()
    grid = quantiles(smooth, np.array([0.05, 0.3, 0.5, 0.8, 0.999]))
    level = smooth.hdr_level(grid)
    for confidence in (0.2, 0.8):
        near = np.abs(level - confidence) < 1e-6
        assert ((smooth.in_hdr(grid, confidence) == (level <= confidence)) | near).all()
    point = columns(smooth.ppf(0.4))
    below = smooth.expect(lambda y: columns(y) <= point, points=point[None])
    np.testing.assert_allclose(below, 0.4, rtol=1e-7)
    mean = smooth.expect(lambda y: np.arctan(columns(y)))
    expected = each_row(smooth, lambda y, dist: np.arctan(columns(y)) * dist.pdf(y))
    np.testing.assert_allclose(mean, expected, rtol=1e-7, atol=1e-9)


def test_recorded_intervals(dist):
    lower, upper = (columns(dist.ppf(q)) for q in (0.2, 0.7))

    def log_score(a, b):
        return dist._log_score(Records.between(a[:, None], b[:, None]))

    np.testing.assert_allclose(np.exp(log_score(lower, upper)), 0.5, rtol=1e-7)
    np.testing.assert_allclose(np.exp(log_score(np.full(3, -np.inf), upper)), 0.7, rtol=1e-7)
    np.testing.assert_allclose(np.exp(log_score(lower, np.full(3, np.inf))), 0.8, rtol=1e-7)
    np.testing.assert_allclose(log_score(lower, lower), dist.logpdf(dist.ppf(0.2)), rtol=1e-9)


def test_draws(dist):
    draws = dist.rvs(4000, random_state=0)
    assert draws.shape == (*dist.mean().shape, 4000)
    pit = dist.cdf(np.moveaxis(draws, -1, 0))
    assert stats.kstest(columns(pit)[:, 0], "uniform").pvalue > 1e-3
    assert dist.rvs(random_state=0).shape == dist.mean().shape
    np.testing.assert_array_equal(draws, dist.rvs(4000, random_state=0))


def test_rows_members_and_states(every):
    y = every.ppf(0.37)
    parts = type(every).concatenate([every[2], every[:2]])
    np.testing.assert_allclose(parts.logpdf(y[[2, 0, 1]]), every.logpdf(y)[[2, 0, 1]], rtol=1e-12)
    (member,) = every.members()
    np.testing.assert_allclose(member.cdf(y), every.cdf(y), rtol=1e-12)
    np.testing.assert_allclose(every.weights.sum(axis=1), 1.0, rtol=1e-12)
    shares = every.responsibilities(y)
    np.testing.assert_allclose(shares.sum(axis=-1), 1.0, rtol=1e-12)
    for name in ("numpy", "array"):
        with pytest.raises(TypeError, match=f"a {type(every).__name__} cannot"):
            {"numpy": np.exp, "array": np.asarray}[name](every)


def test_weights_are_mean_responsibilities(smooth):
    draws = np.moveaxis(smooth.rvs(20000, random_state=1), -1, 0)
    np.testing.assert_allclose(smooth.responsibilities(draws).mean(axis=0), smooth.weights, atol=0.02)


@pytest.mark.parametrize("name", ["mixture", "log", "between", "Yeo-Johnson", "quantiles", *JUMPS])
def test_copies(name):
    dist = EVERY[name]()
    twin, y = pickle.loads(pickle.dumps(dist)), dist.ppf(0.37)
    np.testing.assert_array_equal(twin.logpdf(y), dist.logpdf(y))
    np.testing.assert_array_equal(twin.ppf(0.1), dist.ppf(0.1))


def test_a_log_normal_distribution():
    mean, deviation = np.array([0.3, -1.0, 2.0]), np.array([0.5, 1.5, 0.1])
    normal = MixtureDistribution(np.ones((3, 1)), mean[:, None], deviation[:, None] ** 2)
    found = TransformedDistribution(normal, FunctionTransformer(np.log, np.exp))
    expected = stats.lognorm(deviation, scale=np.exp(mean))
    y = np.array([1.0, 0.7, 9.0])
    for answer in ("pdf", "logpdf", "cdf", "sf", "logcdf", "logsf"):
        np.testing.assert_allclose(getattr(found, answer)(y), getattr(expected, answer)(y), rtol=1e-10)
    for answer in ("mean", "var", "std", "median", "entropy"):
        np.testing.assert_allclose(getattr(found, answer)(), getattr(expected, answer)(), rtol=1e-10)
    np.testing.assert_allclose(found.mode(), np.exp(mean - deviation**2), rtol=1e-9)
    scoringrules = pytest.importorskip("scoringrules")
    np.testing.assert_allclose(found.crps(y), scoringrules.crps_lognormal(y, mean, deviation), rtol=1e-9)
    below = found.crps(np.full(3, -2.0))
    np.testing.assert_allclose(below, found.crps(np.zeros(3)) + 2.0, rtol=1e-10)


def test_a_wide_log_normal_distribution_keeps_its_score():
    """Where the terms of the closed form are far larger than the score, it is integrated."""
    normal = MixtureDistribution([[1.0]], [[0.0]], [[36.0]])
    found = TransformedDistribution(normal, FunctionTransformer(np.log, np.exp)).crps([1.0])
    levels = special.ndtr(np.linspace(-9, 9, 200001))
    y = np.exp(6.0 * np.linspace(-9, 9, 200001))
    expected = np.trapezoid((levels - (y >= 1)) ** 2 * 6.0 * y, np.linspace(-9, 9, 200001))
    np.testing.assert_allclose(found, expected, rtol=1e-3)


@pytest.mark.parametrize(
    "transformer",
    [
        fitted(StandardScaler(), POSITIVE),
        fitted(MinMaxScaler((-2, 3)), POSITIVE),
        FunctionTransformer(),
        [FunctionTransformer(), fitted(StandardScaler(), POSITIVE)],
    ],
)
def test_affine_transforms_are_no_transforms(transformer):
    from sklearn_mdn._distributions.transformed import transformed as of

    steps = transformer if isinstance(transformer, list) else [transformer]
    found = of(latent(), steps)
    assert isinstance(found, MixtureDistribution)
    z = latent().ppf(0.3)
    back = steps[-1].inverse_transform(z[:, None])[:, 0]
    np.testing.assert_allclose(found.ppf(0.3), back, rtol=1e-12)


class TestSeveralTargets:
    @staticmethod
    def make(transformer, dependent=False):
        rng = np.random.default_rng(0)
        means = rng.normal(size=(4, 2, 2))
        covariances = np.broadcast_to(
            [[0.4, 0.2], [0.2, 0.3]] if dependent else np.diag([0.4, 0.3]), (4, 2, 2, 2)
        )
        return TransformedDistribution(
            MixtureDistribution(np.full((4, 2), 0.5), means, covariances), transformer
        )

    @pytest.mark.parametrize(
        "transformer",
        [
            BoundTransformer(0.0, np.inf),
            BoundTransformer(-9.0, 9.0),
            FunctionTransformer(np.arcsinh, np.sinh),
        ],
        ids=["log", "between", "arcsinh"],
    )
    @pytest.mark.parametrize("dependent", [False, True])
    def test_marginal_times_conditional_is_joint(self, transformer, dependent):
        dist = self.make(transformer, dependent)
        y = dist.ppf(0.3)
        first, rest = dist.marginal(0), dist.condition(0, y[:, 0])
        np.testing.assert_allclose(first.logpdf(y[:, 0]) + rest.logpdf(y[:, [1]]), dist.logpdf(y), rtol=1e-9)
        np.testing.assert_allclose(first.cdf(y[:, 0]), dist.cdf(y)[:, 0], rtol=1e-12)
        np.testing.assert_allclose(first.mean(), dist.mean()[:, 0], rtol=1e-9)
        np.testing.assert_allclose(first.crps(y[:, 0]), dist.crps(y)[:, 0], rtol=1e-8)
        swapped = dist.marginal([1, 0])
        np.testing.assert_allclose(swapped.logpdf(y[:, ::-1]), dist.logpdf(y), rtol=1e-12)

    def test_ends_of_independent_targets(self):
        """What one target's end leaves out is left out of the other's marginal."""
        dist = self.make(FunctionTransformer(lambda y: 1.0 - np.exp(-y), lambda z: -np.log(1.0 - z)))
        draws = dist.latent.rvs(200_000, random_state=0)
        y = dist.ppf(0.3)
        for i in range(len(dist)):
            kept = draws[i][:, (draws[i] < 1.0).all(axis=0)]
            share = (-np.log(1.0 - kept) <= y[i][:, None]).mean(axis=1)
            np.testing.assert_allclose(share, 0.3, atol=0.01)
        first, rest = dist.marginal(0), dist.condition(0, y[:, 0])
        np.testing.assert_allclose(first.logpdf(y[:, 0]) + rest.logpdf(y[:, [1]]), dist.logpdf(y), rtol=1e-9)
        assert dist.rvs(50, random_state=0).shape == (4, 2, 50)

    @pytest.mark.parametrize(
        "transformer", [BoundTransformer(0.0, np.inf), FunctionTransformer(np.arcsinh, np.sinh)]
    )
    def test_joint_answers(self, transformer):
        dist = self.make(transformer)
        y = dist.rvs(400, random_state=0)
        inside = dist.in_hdr(np.moveaxis(y, -1, 0), 0.8)
        np.testing.assert_allclose(inside.mean(axis=0), 0.8, atol=0.07)
        entropy = -dist.logpdf(np.moveaxis(y, -1, 0)).mean(axis=0)
        np.testing.assert_allclose(dist.entropy(), entropy, atol=0.25)
        width = 1e-3 * (dist.ppf(0.75) - dist.ppf(0.25))
        for place in np.moveaxis(dist.modes(), 1, 0):
            known = ~np.isnan(place[:, 0])
            height = dist.logpdf(place)[known]
            for step in ([1, 0], [-1, 0], [0, 1], [0, -1]):
                assert (dist.logpdf(place + step * width)[known] <= height + 1e-9).all()
        assert (dist.energy_score(y[..., 0]) > 0).all()


class TestRefusals:
    def test_atoms_of_quantiles(self):
        transformer = fitted(QuantileTransformer(n_quantiles=20), np.round(2 * POSITIVE))
        with pytest.raises(ValueError, match=r"several training targets equal .* where the transform jumps"):
            TransformedDistribution(latent(), transformer)

    def test_no_inverse(self):
        from sklearn.preprocessing import Normalizer

        with pytest.raises(TypeError, match="must have an inverse_transform, which Normalizer has not"):
            TransformedDistribution(latent(), Normalizer())

    def test_not_monotone(self):
        wave = FunctionTransformer(lambda y: y, lambda z: z + 2.0 * np.sin(4.0 * z))
        with pytest.raises(ValueError, match="Is its inverse the inverse"):
            TransformedDistribution(latent(), wave)

    def test_what_is_no_mixture(self):
        with pytest.raises(TypeError, match="latent must be a MixtureDistribution, got rv_"):
            TransformedDistribution(stats.norm([0.0], [1.0]), FunctionTransformer())

    def test_pools_of_different_transforms(self):
        from sklearn_mdn._distributions.combined import pooled

        parts = [KINDS["log"](), KINDS["log1p"]()]
        with pytest.raises(ValueError, match="must transform their targets alike"):
            pooled(parts, np.array([0.5, 0.5]))
        with pytest.raises(ValueError, match="of one kind, got MixtureDistribution and Transformed"):
            pooled([latent(), KINDS["log"]()], np.array([0.5, 0.5]))


@pytest.mark.parametrize("name", ["log", "between", "Yeo-Johnson", "ends above", "user's logarithm"])
def test_pools_under_one_transform_are_exact(name):
    from sklearn_mdn._distributions.combined import pooled

    one = KINDS[name]()
    other = TransformedDistribution._of(one.latent[::-1], one._chains)
    pool, y = pooled([one, other], np.array([0.25, 0.75])), one.ppf(0.37)
    np.testing.assert_allclose(pool.pdf(y), 0.25 * one.pdf(y) + 0.75 * other.pdf(y), rtol=1e-10)
    np.testing.assert_allclose(pool.cdf(y), 0.25 * one.cdf(y) + 0.75 * other.cdf(y), rtol=1e-10)
    assert len(pool.members()) == 2


def test_rows_of_different_transforms():
    """As of the folds of a cross-validation."""
    kinds = [KINDS[name]() for name in ("log", "Yeo-Johnson", "between")]
    dist = TransformedDistribution.concatenate(kinds)[[8, 0, 4, 3]]
    expected = [kinds[2][2], kinds[0][0], kinds[1][1], kinds[1][0]]
    y = dist.ppf(0.4)
    for answer in ("logpdf", "cdf", "crps"):
        each = [getattr(row, answer)(y[[i]])[0] for i, row in enumerate(expected)]
        np.testing.assert_allclose(getattr(dist, answer)(y), each, rtol=1e-8)
    for answer in ("mean", "std", "mode", "entropy"):
        each = [getattr(row, answer)()[0] for row in expected]
        np.testing.assert_allclose(getattr(dist, answer)(), each, rtol=1e-7)
