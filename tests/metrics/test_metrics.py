"""Scores of predicted distributions: against references, against slow calculations, and as laws."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
import scoringrules
from scipy import stats
from sklearn.metrics import mean_pinball_loss
from sklearn.model_selection import GroupKFold, KFold, ShuffleSplit, cross_validate
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mdn import MDNRegressor, MixtureDistribution
from sklearn_mdn.metrics import (
    calibration_error,
    coverage,
    cross_val_predict_distribution,
    crps,
    distribution_report,
    energy_score,
    hdr_coverage,
    interval_score,
    interval_width,
    log_likelihood,
    pinball_loss,
    pit_values,
)
from tests._distributions.linear_density import LinearDensity

JOINT = [log_likelihood, energy_score, hdr_coverage]
PER_TARGET = [crps, pinball_loss, interval_score, coverage, interval_width, calibration_error]
SCORES = JOINT + PER_TARGET
N = 40


# Kinds of targets of which values have a probability: what a network is told of them, and values.
WITH_ATOMS = {
    "limits": ({"limits": (-0.5, 1)}, lambda z: np.clip(z[:, 0], -0.5, 1)),
    "limits of two targets": ({"limits": (0, None)}, lambda z: np.maximum(z, 0)),
    "resolution": ({"resolution": 1}, lambda z: np.round(2 * z[:, 0])),
    "resolution and an offset": ({"resolution": "auto"}, lambda z: np.round(2 * z[:, 0]) / 2 + 0.1),
    "resolutions": ({"resolution": [1, 0.5]}, lambda z: np.round(2 * z) / [1, 2]),
    "counts": ({"support": "positive", "resolution": 1}, lambda z: np.round(np.exp(z[:, 0]))),
    "rounded between limits": (
        {"limits": (0, 2), "resolution": 1},
        lambda z: np.clip(np.round(2 * z[:, 0]), 0, 2),
    ),
}

STEPS = {
    "resolution": 1.0,
    "resolution and an offset": 0.5,
    "resolutions": [1.0, 0.5],
    "counts": 1.0,
    "rounded between limits": 1.0,
}


def with_atoms(name, n=1500):
    """Densities of a network that has seen such targets for a moment."""
    options, targets = WITH_ATOMS[name]
    rng = np.random.default_rng(0)
    X, z = rng.normal(size=(n, 2)), rng.normal(size=(n, 2))
    z += X
    model = MDNRegressor(2, hidden_layer_sizes=(4,), max_iter=3, random_state=0, **options)
    return model.fit(X[:200], targets(z[:200])).predict_distribution(X)


def by_name(function):
    return function.__name__


def mixture_parameters(seed, n=N, k=3, spread=3.0):
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(k), n)
    means = spread * rng.normal(size=(n, k))
    return weights, means, np.exp(rng.normal(size=(n, k)))


def mixture_2d(seed, n=N, k=2):
    rng = np.random.default_rng(seed)
    root = rng.normal(size=(n, k, 2, 2))
    covariances = root @ np.swapaxes(root, -1, -2) + 0.1 * np.eye(2)
    return MixtureDistribution(rng.dirichlet(np.ones(k), n), rng.normal(size=(n, k, 2)), covariances)


def forms(seed=0, n=N):
    """One prediction of a 1-d target in each form that the scores take."""
    distribution = MixtureDistribution(*mixture_parameters(seed, n))
    return {
        "mixture": distribution,
        "draws": distribution.rvs(200, random_state=seed),
        "frozen": stats.norm(distribution.mean(), distribution.std()),
    }


def forms_2d(seed=0, n=N):
    distribution = mixture_2d(seed, n)
    return {
        "mixture": distribution,
        "draws": distribution.rvs(200, random_state=seed),
        "frozen": stats.norm(distribution.mean(), distribution.std()),
    }


UNAVAILABLE = {
    ("draws", 1): {log_likelihood, hdr_coverage},
    ("draws", 2): {log_likelihood, hdr_coverage},
    ("frozen", 2): {energy_score, hdr_coverage},
}
AVAILABLE = [
    pytest.param(score, form, n_targets, id=f"{score.__name__}-{form}-{n_targets}")
    for form in ("mixture", "draws", "frozen")
    for n_targets in (1, 2)
    for score in SCORES
    if score not in UNAVAILABLE.get((form, n_targets), ())
]


class TestReferences:
    """Figures of scoringrules, scikit-learn and SciPy."""

    @pytest.mark.parametrize(("k", "spread"), [(1, 3.0), (3, 0.5), (5, 30.0)])
    def test_mixtures(self, k, spread):
        weights, means, variances = mixture_parameters(1, k=k, spread=spread)
        distribution = MixtureDistribution(weights, means, variances)
        y = distribution.rvs(random_state=2)
        expected = scoringrules.crps_mixnorm(y, means, np.sqrt(variances), weights)
        assert crps(y, distribution) == pytest.approx(expected.mean(), rel=1e-10)
        expected = scoringrules.logs_mixnorm(y, means, np.sqrt(variances), weights)
        assert log_likelihood(y, distribution) == pytest.approx(-expected.mean(), rel=1e-10)
        density = (weights * stats.norm.pdf(y[:, None], means, np.sqrt(variances))).sum(1)
        assert log_likelihood(y, distribution) == pytest.approx(np.log(density).mean(), rel=1e-10)
        assert energy_score(y, distribution) == crps(y, distribution)

    def test_joint_log_likelihood(self):
        distribution = mixture_2d(3)
        y = distribution.rvs(random_state=3)
        density = [
            sum(
                w * stats.multivariate_normal(m, c).pdf(y[i])
                for w, m, c in zip(
                    distribution.weights[i], distribution.means[i], distribution.covariances[i], strict=True
                )
            )
            for i in range(N)
        ]
        assert log_likelihood(y, distribution) == pytest.approx(np.log(density).mean(), rel=1e-10)

    @pytest.mark.parametrize("form", ["mixture", "draws", "frozen"])
    @pytest.mark.parametrize("level", [0.01, 0.3, 0.5, 0.95])
    def test_quantiles(self, form, level):
        y_dist, y = forms(4)[form], np.random.default_rng(5).normal(size=N)
        if form == "draws":
            quantile = np.quantile(y_dist, level, axis=1)
        else:
            quantile = y_dist.ppf(level)
        loss = pinball_loss(y, y_dist, levels=level)
        assert loss == pytest.approx(mean_pinball_loss(y, quantile, alpha=level), rel=1e-10)
        assert loss == pytest.approx(scoringrules.quantile_score(y, quantile, level).mean(), rel=1e-10)

    @pytest.mark.parametrize("form", ["mixture", "draws", "frozen"])
    @pytest.mark.parametrize("confidence", [0.5, 0.9, 0.99])
    def test_intervals(self, form, confidence):
        y_dist, y = forms(6)[form], 4.0 * np.random.default_rng(7).normal(size=N)
        tails = [0.5 - confidence / 2, 0.5 + confidence / 2]
        lower, upper = (
            np.quantile(y_dist, tails, axis=1) if form == "draws" else y_dist.ppf(np.reshape(tails, (2, 1)))
        )
        expected = scoringrules.interval_score(y, lower, upper, 1.0 - confidence).mean()
        assert interval_score(y, y_dist, confidence=confidence) == pytest.approx(expected, rel=1e-10)
        assert interval_width(y, y_dist, confidence=confidence) == pytest.approx(
            (upper - lower).mean(), rel=1e-10
        )
        inside = ((lower <= y) & (y <= upper)).mean()
        assert coverage(y, y_dist, confidence=confidence) == pytest.approx(inside, abs=1e-12)

    @pytest.mark.parametrize("n_draws", [2, 7, 200])
    def test_draws(self, n_draws):
        y = np.random.default_rng(8).normal(size=N)
        draws = forms(8)["mixture"].rvs(n_draws, random_state=8)
        expected = scoringrules.crps_ensemble(y, draws, estimator="fair").mean()
        assert crps(y, draws) == pytest.approx(expected, rel=1e-10)
        assert energy_score(y, draws) == pytest.approx(expected, rel=1e-10)

    @pytest.mark.parametrize("n_draws", [2, 50])
    def test_draws_of_two_targets(self, n_draws):
        y = np.random.default_rng(9).normal(size=(N, 2))
        draws = mixture_2d(9).rvs(n_draws, random_state=9)
        expected = scoringrules.es_ensemble(y, np.swapaxes(draws, 1, 2), estimator="fair").mean()
        assert energy_score(y, draws) == pytest.approx(expected, rel=1e-10)
        expected = scoringrules.crps_ensemble(y, draws, estimator="fair").mean(axis=0)
        np.testing.assert_allclose(crps(y, draws, multioutput="raw_values"), expected, rtol=1e-10)

    @pytest.mark.parametrize(
        ("distribution", "expected"),
        [
            (
                stats.norm(np.linspace(-9, 9, N), 0.1),
                lambda y: scoringrules.crps_normal(y, np.linspace(-9, 9, N), 0.1),
            ),
            (stats.logistic(np.zeros(N), 2.0), lambda y: scoringrules.crps_logistic(y, 0.0, 2.0)),
            (stats.t(3, np.ones(N), 1.0), lambda y: scoringrules.crps_t(y, 3, np.ones(N), np.ones(N))),
            (stats.expon(scale=np.ones(N)), lambda y: scoringrules.crps_exponential(y, 1.0)),
            (
                stats.lognorm(np.full(N, 1.5)),
                lambda y: scoringrules.crps_lognormal(np.where(y > 0, y, 1.0), 0.0, 1.5),
            ),
        ],
        ids=["normal", "logistic", "t", "exponential", "lognormal"],
    )
    def test_integrated_crps(self, distribution, expected):
        y = 3.0 * np.random.default_rng(10).normal(size=N)
        if np.isfinite(distribution.support()[0]).all():
            y = np.where(y > 0, y, 1.0)
        assert crps(y, distribution) == pytest.approx(expected(y).mean(), rel=1e-9)

    def test_integrated_crps_of_narrow_modes_far_apart(self):
        rng = np.random.default_rng(11)
        variances = np.exp(rng.normal(size=(N, 4)) * 4 - 3)
        mixture = MixtureDistribution(rng.dirichlet(np.ones(4), N), 5 * rng.normal(size=(N, 4)), variances)
        y = 6.0 * rng.normal(size=N)
        assert crps(y, MethodsOnly(mixture)) == pytest.approx(crps(y, mixture), rel=1e-8)


class MethodsOnly:
    """What another library's distribution has in common with a frozen one of SciPy's."""

    def __init__(self, distribution):
        self.cdf, self.logpdf, self.ppf = distribution.cdf, distribution.logpdf, distribution.ppf


class TestForms:
    """The same prediction in another form gets the same score."""

    @pytest.mark.parametrize("score", SCORES, ids=by_name)
    def test_methods_of_a_mixture(self, score):
        mixture = forms(12)["mixture"]
        y = mixture.rvs(random_state=0)
        tolerance = 1e-3 if score is hdr_coverage else 1e-8  # regions are found on a grid of levels
        assert score(y, MethodsOnly(mixture)) == pytest.approx(score(y, mixture), abs=tolerance, rel=1e-8)

    @pytest.mark.parametrize(
        "score", [crps, pinball_loss, interval_score, coverage, energy_score], ids=by_name
    )
    def test_many_draws(self, score):
        mixture = forms(13)["mixture"]
        y = mixture.rvs(random_state=0)
        draws = mixture.rvs(20_000, random_state=1)
        assert score(y, draws) == pytest.approx(score(y, mixture), rel=0.01)

    def test_energy_score_of_two_targets(self):
        mixture = mixture_2d(14, n=400)
        y = mixture.rvs(random_state=0)
        assert energy_score(y, mixture.rvs(400, random_state=1)) == pytest.approx(
            energy_score(y, mixture), rel=0.01
        )

    @pytest.mark.parametrize("score", SCORES, ids=by_name)
    def test_independent_targets(self, score):
        means, deviations = np.random.default_rng(15).normal(size=(2, N, 2))
        frozen = stats.norm(means, np.exp(deviations))
        mixture = MixtureDistribution(
            np.ones((N, 1)), means[:, None], np.exp(2 * deviations)[:, None], covariance_type="diag"
        )
        y = mixture.rvs(random_state=0)
        if score in UNAVAILABLE["frozen", 2]:
            with pytest.raises(TypeError, match="y_dist"):
                score(y, frozen)
        else:
            assert score(y, frozen) == pytest.approx(score(y, mixture), rel=1e-9)

    @pytest.mark.parametrize("form", [list, pd.DataFrame, pl.DataFrame])
    def test_what_is_like_an_array_holds_draws(self, form):
        draws = forms(16)["draws"]
        y = draws.mean(axis=1)
        prediction = draws.tolist() if form is list else form(draws)
        for score in (crps, coverage):
            assert score(y, prediction) == score(y, draws)

    @pytest.mark.parametrize("score", [log_likelihood, hdr_coverage], ids=by_name)
    def test_draws_have_no_density(self, score):
        with pytest.raises(TypeError, match="y_dist must have a density"):
            score(np.zeros(N), forms()["draws"])


@pytest.mark.parametrize(("score", "form", "n_targets"), AVAILABLE)
class TestWeights:
    def case(self, form, n_targets):
        y_dist = (forms if n_targets == 1 else forms_2d)(16)[form]
        rng = np.random.default_rng(17)
        y = rng.normal(size=N if n_targets == 1 else (N, 2))
        return y, y_dist, rng.integers(0, 4, size=N)

    def rows(self, y_dist, rows):
        """Some of the rows of a prediction in any form."""
        if isinstance(y_dist, (np.ndarray, MixtureDistribution)):
            return y_dist[rows]
        mean, deviation = y_dist.args
        return stats.norm(mean[rows], deviation[rows])

    def test_a_weight_is_so_many_rows(self, score, form, n_targets):
        y, y_dist, weight = self.case(form, n_targets)
        repeated = np.repeat(np.arange(N), weight)
        expected = score(y[repeated], self.rows(y_dist, repeated))
        assert score(y, y_dist, sample_weight=weight) == pytest.approx(expected, rel=1e-9)
        assert score(y, y_dist) != pytest.approx(expected, rel=1e-9)

    def test_order_of_rows(self, score, form, n_targets):
        y, y_dist, weight = self.case(form, n_targets)
        order = np.random.default_rng(0).permutation(N)
        expected = score(y, y_dist, sample_weight=weight)
        again = score(y[order], self.rows(y_dist, order), sample_weight=weight[order])
        assert again == pytest.approx(expected, rel=1e-9)


def test_a_row_of_weight_zero_may_have_no_density():
    """0 times the logarithm of 0 is no number."""
    uniform, y = stats.uniform([0.0, 0.0], [1.0, 2.0]), np.array([0.5, 3.0])
    assert log_likelihood(y, uniform, sample_weight=[2.0, 0.0]) == 0.0
    assert log_likelihood(y, uniform) == -np.inf
    assert distribution_report(y, uniform, sample_weight=[2.0, 0.0])["log_likelihood"] == 0.0
    assert log_likelihood(y[:1].repeat(2), uniform, sample_weight=[1e308, 1e308]) == -0.5 * np.log(2.0)
    assert crps([1e200, 0.0], MixtureDistribution(*mixture_parameters(1, 2)), sample_weight=[0, 1]) < 100.0


@pytest.mark.parametrize("score", PER_TARGET, ids=by_name)
@pytest.mark.parametrize("form", list(forms_2d()))
def test_multioutput(score, form):
    y_dist, y = forms_2d(18)[form], np.random.default_rng(18).normal(size=(N, 2))
    raw = score(y, y_dist, multioutput="raw_values")
    assert raw.shape == (2,)
    for target in range(2):
        if form == "mixture":
            alone = y_dist.marginal(target)
        elif form == "draws":
            alone = y_dist[:, target]
        else:
            alone = stats.norm(y_dist.args[0][:, target], y_dist.args[1][:, target])
        assert raw[target] == pytest.approx(score(y[:, target], alone), rel=1e-9)
    assert score(y, y_dist) == pytest.approx(raw.mean())
    assert score(y, y_dist, multioutput=[3.0, 1.0]) == pytest.approx(0.75 * raw[0] + 0.25 * raw[1])


class TestCalibration:
    @pytest.mark.parametrize(
        ("form", "n_targets"), [("mixture", 1), ("mixture", 2), ("frozen", 1), ("draws", 1)]
    )
    def test_pit_is_uniform_for_the_true_distribution(self, form, n_targets):
        n = 2000
        y_dist = (forms if n_targets == 1 else forms_2d)(19, n)[form]
        if form == "draws":  # the target is one more draw
            y, y_dist = y_dist[:, 0], y_dist[:, 1:]
        else:
            y = y_dist.rvs(random_state=np.random.RandomState(20))
        pit = pit_values(y, y_dist)
        assert pit.shape == y.shape
        critical = stats.kstwo.ppf(0.99, n) + (0.5 / 200 if form == "draws" else 0.0)
        for column in pit.reshape(n, -1).T:
            assert stats.ks_1samp(column, stats.uniform.cdf).statistic < critical

    def test_pit_is_not_uniform_for_a_wrong_distribution(self):
        n = 2000
        mean = np.zeros(n)
        y = stats.norm(mean, 1.0).rvs(random_state=21)
        pit = pit_values(y, stats.norm(mean, 1.2))
        assert stats.ks_1samp(pit, stats.uniform.cdf).statistic > stats.kstwo.ppf(0.99, n)

    def test_pit_of_draws_with_ties(self):
        y, draws = np.repeat([0.0, 1.0, 2.0], 3000), np.tile([0.0, 1.0, 1.0, 3.0], (9000, 1))
        ranks = pit_values(y, draws).reshape(3, 3000) * 5 - 0.5
        for found, possible in zip(ranks, ([0, 1], [1, 2, 3], [3]), strict=True):
            values, counts = np.unique(found.round(9), return_counts=True)
            np.testing.assert_array_equal(values, possible)
            np.testing.assert_allclose(counts / 3000, 1 / len(possible), atol=0.04)

    @pytest.mark.parametrize("name", WITH_ATOMS)
    def test_pit_is_uniform_where_values_have_a_probability(self, name):
        y_dist = with_atoms(name)
        y = y_dist.rvs(random_state=1, rounded=name in STEPS)
        pit, half = pit_values(y, y_dist), 0.5 * np.asarray(STEPS.get(name, 0.0))
        lower, upper = y_dist.cdf(np.nextafter(y - half, -np.inf)), y_dist.cdf(y + half)
        assert ((pit >= lower - 1e-9) & (pit <= upper)).all()
        critical = stats.kstwo.ppf(0.9999, len(y))
        for column, top in zip(pit.reshape(len(y), -1).T, upper.reshape(len(y), -1).T, strict=True):
            assert stats.ks_1samp(column, stats.uniform.cdf).statistic < critical
            assert stats.ks_1samp(top, stats.uniform.cdf).statistic > critical
        np.testing.assert_array_equal(pit, pit_values(y, y_dist))
        assert (pit != pit_values(y, y_dist, random_state=1)).any()
        report = distribution_report(y, y_dist)
        assert report["calibration_error"] == calibration_error(y, y_dist)

    @pytest.mark.parametrize("seed", range(3))
    def test_calibration_error_is_the_area_between(self, seed):
        rng = np.random.default_rng(seed)
        pit, weights = rng.beta(2, 1, size=17), rng.uniform(size=17)
        u = (np.arange(200_000) + 0.5) / 200_000
        share = np.array([weights[pit <= level].sum() for level in u[::200]]) / weights.sum()
        expected = np.abs(share - u[::200]).mean()
        y = stats.norm.ppf(pit)
        found = calibration_error(y, stats.norm(np.zeros(17), 1.0), sample_weight=weights)
        assert found == pytest.approx(expected, abs=1e-3)

    def test_calibration_error_by_chance(self):
        n = 400
        rng = np.random.default_rng(22)
        normal = stats.norm(np.zeros(n), 1.0)
        errors = [calibration_error(rng.normal(size=n), normal) for _ in range(400)]
        chance = np.sqrt(2 * np.pi) / 8 / np.sqrt(n)  # the 0.31 / sqrt(n) of the documentation
        assert np.mean(errors) == pytest.approx(chance, abs=4 * np.std(errors) / 20)

    @pytest.mark.parametrize("confidence", [0.5, 0.9])
    def test_coverage_of_the_true_distribution(self, confidence):
        n = 4000
        mixture = MixtureDistribution(*mixture_parameters(23, n))
        y = mixture.rvs(random_state=24)
        error = 3 * np.sqrt(confidence * (1 - confidence) / n)
        for share in (coverage, hdr_coverage):
            assert share(y, mixture, confidence=confidence) == pytest.approx(confidence, abs=error)

    def test_regions_of_a_normal_are_its_intervals(self):
        normal = stats.norm(np.linspace(0, 1, 500), 2.0)
        y = normal.rvs(random_state=25)
        for confidence in (0.3, 0.8):
            assert hdr_coverage(y, normal, confidence=confidence) == pytest.approx(
                coverage(y, normal, confidence=confidence), abs=2 / 500
            )


class TestPropriety:
    """The expectation of a proper score is best for the distribution that the targets come from."""

    TRUE = (np.array([0.3, 0.7]), np.array([-1.0, 2.0]), np.array([1.0, 0.25]))
    WRONG = (
        (TRUE[0], TRUE[1] + 0.2, TRUE[2]),
        (TRUE[0], TRUE[1], 1.4 * TRUE[2]),
        (TRUE[0], TRUE[1], 0.7 * TRUE[2]),
        (np.array([0.4, 0.6]), TRUE[1], TRUE[2]),
        (np.array([0.5, 0.5]), np.full(2, 1.1), np.full(2, 2.3)),  # the same mean and variance in one mode
        (TRUE[0], np.array([-1.3, 2.0]), np.array([1.0, 0.25])),
    )

    def repeated(self, parameters, n):
        return MixtureDistribution(*(np.tile(p, (n, 1)) for p in parameters))

    @pytest.mark.parametrize("wrong", WRONG)
    @pytest.mark.parametrize(
        ("score", "sign"),
        [(log_likelihood, -1), (crps, 1), (energy_score, 1), (pinball_loss, 1), (interval_score, 1)],
        ids=lambda value: getattr(value, "__name__", ""),
    )
    def test_mixtures(self, score, sign, wrong):
        n = 4000
        true = self.repeated(self.TRUE, n)
        # Targets at even levels stand for the expectation; what they leave out is of the order 1 / n.
        y = true[:1].ppf((np.arange(n) + 0.5)[:, None] / n)[:, 0]
        assert sign * score(y, self.repeated(wrong, n)) > sign * score(y, true) + 1e-4

    @pytest.mark.parametrize("wrong", [(0.3, 1.0, 0.5), (0.0, 1.3, 0.5), (0.0, 0.7, 0.5), (0.0, 1.0, -0.5)])
    def test_energy_score_of_two_targets(self, wrong):
        n = 1000

        def normal(shift, stretch, correlation):
            covariance = stretch * np.array([[1.0, correlation], [correlation, 1.0]])
            return MixtureDistribution(
                np.ones((n, 1)), np.full((n, 1, 2), shift), np.tile(covariance, (n, 1, 1, 1))
            )

        true = normal(0.0, 1.0, 0.5)
        y = true.rvs(random_state=26)
        y = (
            (y - y.mean(0))
            @ np.linalg.inv(np.linalg.cholesky(np.cov(y.T))).T
            @ np.linalg.cholesky([[1.0, 0.5], [0.5, 1.0]]).T
        )  # with the moments of the distribution itself
        assert energy_score(y, normal(*wrong)) > energy_score(y, true) + 2e-3

    @pytest.mark.parametrize("deviation", [0.6, 0.8, 1.25])
    def test_a_few_draws(self, deviation):
        """With M squared pairs three draws would score best when they are too narrow."""
        n, rng = 40_000, np.random.default_rng(27)
        y, draws = rng.normal(size=n), rng.normal(size=(n, 3))
        assert crps(y, deviation * draws) > crps(y, draws) + 2e-3

    def test_draws_estimate_the_score_of_their_distribution(self):
        n, rng = 40_000, np.random.default_rng(28)
        y = rng.normal(size=n)
        exact = 1 / np.sqrt(np.pi)
        for n_draws in (2, 10):
            assert crps(y, rng.normal(size=(n, n_draws))) == pytest.approx(exact, abs=0.01)


class TestBadInput:
    @pytest.mark.parametrize("score", [*SCORES, pit_values, distribution_report], ids=by_name)
    @pytest.mark.parametrize("form", list(forms()))
    @pytest.mark.parametrize("shape", [(N, 1), (N - 1,), (1, N), (N, 2)])
    def test_shape_of_the_target(self, score, form, shape):
        with pytest.raises(ValueError, match=rf"y_true must have the shape \({N},\)"):
            score(np.zeros(shape), forms()[form])

    @pytest.mark.parametrize("score", [*SCORES, pit_values, distribution_report], ids=by_name)
    @pytest.mark.parametrize("form", ["mixture", "frozen"])
    def test_arguments_the_wrong_way_round(self, score, form):
        with pytest.raises(TypeError, match="y_true must hold the targets, y_dist comes second"):
            score(forms()[form], np.zeros(N))

    @pytest.mark.parametrize("score", [*SCORES, pit_values], ids=by_name)
    def test_one_target_with_an_axis_needs_one(self, score):
        weights, means, variances = mixture_parameters(0)
        mixture = MixtureDistribution(weights, means[:, :, None], variances[:, :, None, None])
        score(np.zeros((N, 1)), mixture)
        with pytest.raises(ValueError, match=rf"y_true must have the shape \({N}, 1\)"):
            score(np.zeros(N), mixture)

    @pytest.mark.parametrize(
        ("y_dist", "error", "message"),
        [
            (stats.norm(0.0, 1.0), ValueError, "one distribution a row"),
            (object(), TypeError, "cdf, logpdf and ppf, got object"),
            (np.zeros((N, 1)), ValueError, "at least 2 draws"),
            (np.zeros(N), ValueError, "at least 2 draws"),
            (np.full((N, 3), np.nan), ValueError, "y_dist contains NaN"),
        ],
    )
    def test_predictions(self, y_dist, error, message):
        with pytest.raises(error, match=message):
            crps(np.zeros(N), y_dist)

    @pytest.mark.parametrize(
        ("score", "options", "message"),
        [
            (crps, {"multioutput": "mean"}, "multioutput must be"),
            (crps, {"multioutput": [1.0, 2.0]}, "multioutput must be"),
            (crps, {"sample_weight": np.zeros(N)}, "[Ss]ample.weight"),
            (crps, {"sample_weight": np.full(N, -1.0)}, "[Ss]ample.weight"),
            (crps, {"sample_weight": np.ones(N + 1)}, "sample_weight"),
            (pinball_loss, {"levels": [0.5, 1.0]}, "levels must"),
            (pinball_loss, {"levels": []}, "levels must"),
            (coverage, {"confidence": 90}, "confidence must"),
            (hdr_coverage, {"confidence": [0.5, 0.9]}, "confidence must"),
            (interval_score, {"confidence": 0.0}, "confidence must"),
        ],
    )
    def test_options(self, score, options, message):
        with pytest.raises(ValueError, match=message):
            score(np.zeros(N), forms()["mixture"], **options)

    def test_missing_targets(self):
        y = np.zeros(N)
        y[3] = np.nan
        with pytest.raises(ValueError, match="y_true contains NaN"):
            crps(y, forms()["mixture"])


class TestReport:
    @pytest.mark.parametrize(("form", "n_targets"), [(f, d) for f in forms() for d in (1, 2)])
    def test_holds_what_the_functions_give(self, form, n_targets):
        y_dist = (forms if n_targets == 1 else forms_2d)(29)[form]
        rng = np.random.default_rng(30)
        y, weight = rng.normal(size=N if n_targets == 1 else (N, 2)), rng.uniform(size=N)
        report = distribution_report(y, y_dist, confidence=0.8, sample_weight=weight)
        left_out = UNAVAILABLE.get((form, n_targets), set()) | ({energy_score} if n_targets == 1 else set())
        assert set(report) == {score.__name__ for score in SCORES if score not in left_out}
        for score in SCORES:
            if score in left_out:
                continue
            with_confidence = score in (coverage, hdr_coverage, interval_score, interval_width)
            options = {"sample_weight": weight} | ({"confidence": 0.8} if with_confidence else {})
            assert report[score.__name__] == pytest.approx(score(y, y_dist, **options))
            if n_targets == 2 and score in PER_TARGET:
                np.testing.assert_allclose(
                    report.per_target[score.__name__], score(y, y_dist, multioutput="raw_values", **options)
                )

    def test_prints_a_table(self):
        report = distribution_report(np.zeros((N, 2)), mixture_2d(31), confidence=0.8)
        head, *lines = repr(report).splitlines()
        assert head.split() == ["40", "rows", "all", "target", "0", "target", "1"]
        assert [line.split()[0] for line in lines] == list(report)
        for line in lines:
            name, value, *_ = line.split()
            assert float(value) == pytest.approx(report[name], rel=1e-4)
        assert "near 0.8" in repr(report)
        assert dict(report) == report


class TestOutOfFold:
    def data(self, n_targets=1):
        rng = np.random.default_rng(32)
        X = rng.normal(size=(60, 3))
        y = X @ rng.normal(size=(3, n_targets)) + rng.normal(size=(60, n_targets))
        return X, y[:, 0] if n_targets == 1 else y

    @pytest.mark.parametrize("n_targets", [1, 2])
    @pytest.mark.parametrize("cv", [3, KFold(4, shuffle=True, random_state=0)], ids=["3", "shuffled"])
    def test_each_row_is_predicted_by_the_fit_without_it(self, cv, n_targets):
        X, y = self.data(n_targets)
        splitter = KFold(cv) if isinstance(cv, int) else cv
        distribution = cross_val_predict_distribution(LinearDensity(), X, y, cv=cv)
        assert len(distribution) == 60
        for train, test in splitter.split(X):
            expected = LinearDensity().fit(X[train], y[train]).predict_distribution(X[test])
            np.testing.assert_allclose(distribution[test].mean(), expected.mean(), rtol=1e-12)
            np.testing.assert_allclose(distribution[test].cov(), expected.cov(), rtol=1e-12)

    def test_agrees_with_cross_validation(self):
        X, y = self.data()
        folds = cross_validate(LinearDensity(), X, y, cv=4, scoring="neg_mean_squared_error")["test_score"]
        distribution = cross_val_predict_distribution(LinearDensity(), X, y, cv=4)
        assert np.mean((distribution.mean() - y) ** 2) == pytest.approx(-folds.mean())

    def test_pipelines_weights_and_groups(self):
        X, y = self.data()
        weight, groups = np.random.default_rng(0).uniform(size=60), np.arange(60) // 7
        pipeline = make_pipeline(StandardScaler(), LinearDensity())
        distribution = cross_val_predict_distribution(
            pipeline,
            X,
            y,
            cv=GroupKFold(3),
            groups=groups,
            params={"lineardensity__sample_weight": weight},
        )
        for train, test in GroupKFold(3).split(X, y, groups):
            expected = LinearDensity().fit(X[train], y[train], weight[train]).predict_distribution(X[test])
            np.testing.assert_allclose(distribution[test].mean(), expected.mean(), rtol=1e-9)

    def test_data_frames(self):
        pandas = pytest.importorskip("pandas")
        X, y = self.data()
        frame = pandas.DataFrame(X, columns=["a", "b", "c"], index=np.arange(60)[::-1])
        framed = cross_val_predict_distribution(LinearDensity(), frame, pandas.Series(y), cv=3)
        plain = cross_val_predict_distribution(LinearDensity(), X, y, cv=3)
        np.testing.assert_allclose(framed.mean(), plain.mean(), rtol=1e-9)

    def test_folds_with_different_numbers_of_components(self):
        class Halved(LinearDensity):
            """The same density in two components where there is enough to learn from."""

            def predict_distribution(self, X):
                one = super().predict_distribution(X)
                if self.n_rows_ < 30:
                    return one
                weights, means, variances = one.weights, one.means, one.covariances
                return MixtureDistribution(
                    np.repeat(0.5 * weights, 2, 1), np.repeat(means, 2, 1), np.repeat(variances, 2, 1)
                )

            def fit(self, X, y, sample_weight=None):
                self.n_rows_ = len(X)
                return super().fit(X, y, sample_weight)

        X, y = self.data()
        splits = [(np.arange(20, 60), np.arange(20)), (np.arange(20), np.arange(20, 60))]
        distribution = cross_val_predict_distribution(Halved(), X, y, cv=splits)
        assert distribution.weights.shape == (60, 2)
        expected = cross_val_predict_distribution(LinearDensity(), X, y, cv=splits)
        np.testing.assert_allclose(distribution.logpdf(y), expected.logpdf(y), rtol=1e-12)

    @pytest.mark.parametrize(
        "cv",
        [ShuffleSplit(3, random_state=0), [(np.arange(40), np.arange(40, 60))]],
        ids=["shuffle split", "one fold"],
    )
    def test_no_partition(self, cv):
        X, y = self.data()

        class Untouched(LinearDensity):
            def fit(self, X, y, sample_weight=None):
                raise AssertionError("fitted before the splits were checked")

        with pytest.raises(ValueError, match="cv must put each row into exactly one test fold"):
            cross_val_predict_distribution(Untouched(), X, y, cv=cv)


@pytest.mark.parametrize("confidence", [0.5, 1 - 1e-12, 1 - 1e-15, 1 - 2e-16])
def test_intervals_of_mixtures_keep_their_upper_tail(confidence):
    dist = MixtureDistribution([[0.3, 0.7]], [[-1.0, 2.0]], [[1.0, 0.25]])
    lower, upper = dist.interval(confidence)
    assert interval_width([0.0], dist, confidence=confidence) == pytest.approx(upper[0] - lower[0], rel=1e-12)
    assert coverage(upper + 1e-6, dist, confidence=confidence) == 0.0
    assert coverage(upper - 1e-6, dist, confidence=confidence) == 1.0


@pytest.mark.parametrize("offset", [1e6, -1e12])
def test_scores_of_draws_beside_an_offset(offset):
    rng = np.random.default_rng(0)
    y, draws = (rng.integers(-3000, 3000, size) / 1024.0 for size in (N, (N, 50)))  # exact, with it or not
    assert crps(y + offset, draws + offset) == pytest.approx(crps(y, draws), rel=1e-12)
