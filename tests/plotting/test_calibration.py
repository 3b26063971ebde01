"""Displays of calibration: the numbers that are on the artists."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mdn import MDNRegressor, MixtureDistribution
from sklearn_mdn.metrics import coverage, pit_values
from sklearn_mdn.plotting import (
    PITDisplay,
    ReliabilityDisplay,
)
from tests._distributions.linear_density import LinearDensity
from tests.plotting.cases import N, fitted, legend_texts, mixture, mixture_2d


class TestPIT:
    @pytest.mark.parametrize("weighted", [False, True])
    def test_bars(self, weighted):
        distribution = mixture()
        y = distribution.rvs(random_state=0)
        weight = np.random.default_rng(0).uniform(size=N) if weighted else None
        display = PITDisplay.from_predictions(
            y, distribution, n_bins=5, sample_weight=weight, name="mine", bar_kw={"alpha": 0.5}
        )
        expected = np.histogram(
            pit_values(y, distribution), np.linspace(0, 1, 6), weights=weight, density=True
        )[0]
        bars = display.bars_
        np.testing.assert_allclose([bar.get_height() for bar in bars], expected)
        np.testing.assert_allclose([bar.get_x() for bar in bars], np.arange(5) / 5)
        np.testing.assert_allclose([bar.get_width() for bar in bars], 0.2)
        assert bars[0].get_alpha() == 0.5
        assert display.heights_.mean() == pytest.approx(1.0)
        assert set(legend_texts(display.ax_)) == {"mine", "95% band"}
        assert display.ax_.get_ylim()[1] > expected.max()

    def test_band_holds_the_bars_of_a_calibrated_prediction(self):
        rng = np.random.default_rng(2)
        inside = []
        for _ in range(60):
            display = PITDisplay(pit=rng.uniform(size=200)).plot(n_bins=8, confidence=0.9)
            low, high = display.band_
            inside.append((low <= display.heights_) & (display.heights_ <= high))
            plt.close(display.figure_)
        assert np.mean(inside) == pytest.approx(0.93, abs=0.05)  # at least 0.9, as the shares are discrete

    def test_band_of_weights(self):
        rng = np.random.default_rng(3)
        pit = rng.uniform(size=100)
        plain = PITDisplay(pit=pit).plot().band_
        assert PITDisplay(pit=pit, sample_weight=np.full(100, 7.0)).plot().band_ == plain
        halves = PITDisplay(pit=pit, sample_weight=np.arange(100) % 2).plot().band_
        assert halves == PITDisplay(pit=pit[::2]).plot().band_
        assert halves[0] < plain[0] < 1 < plain[1] < halves[1]

    def test_several_targets(self):
        distribution = mixture_2d()
        y = distribution.rvs(random_state=0)
        display = PITDisplay.from_predictions(y, distribution, n_bins=4)
        assert len(display.bars_) == 2
        for bars, u in zip(display.bars_, pit_values(y, distribution).T, strict=True):
            expected = np.histogram(u, np.linspace(0, 1, 5), density=True)[0]
            np.testing.assert_allclose(bars.get_data().values, expected)
        assert {"target 0", "target 1"} <= set(legend_texts(display.ax_))

    def test_draws(self):
        draws = mixture().rvs(50, random_state=0)
        display = PITDisplay.from_predictions(np.zeros(N), draws)
        np.testing.assert_array_equal(display.pit, pit_values(np.zeros(N), draws))


class TestReliability:
    @pytest.mark.parametrize("weighted", [False, True])
    def test_interval_line_is_the_coverage(self, weighted):
        distribution = mixture()
        y = distribution.rvs(random_state=0)
        weight = np.random.default_rng(0).uniform(size=N) if weighted else None
        display = ReliabilityDisplay.from_predictions(y, distribution, sample_weight=weight)
        nominal, observed = display.lines_[0].get_data()
        for place in (10, 50, 90):
            expected = coverage(y, distribution, confidence=nominal[place], sample_weight=weight)
            assert observed[place] == pytest.approx(expected)
        assert observed[0] == pytest.approx(0.0)
        assert observed[-1] == pytest.approx(1.0)

    def test_quantile_line_is_the_share_below(self):
        distribution = mixture()
        y = distribution.rvs(random_state=0)
        display = ReliabilityDisplay.from_predictions(y, distribution, kind="quantile")
        levels, observed = display.lines_[0].get_data()
        for place in (5, 50, 77):
            assert observed[place] == pytest.approx((y <= distribution.ppf(levels[place])).mean())
        assert display.ax_.get_xlabel() == "quantile level"

    def test_band(self):
        display = ReliabilityDisplay(pit=np.random.default_rng(0).uniform(size=200)).plot(confidence=0.8)
        low, high = display.band_
        assert stats.binom.cdf(200 * low[50] - 1, 200, 0.5) < 0.1 <= stats.binom.cdf(200 * low[50], 200, 0.5)
        np.testing.assert_allclose(low + high[::-1], 1.0, atol=1 / 200 + 1e-9)
        assert "80% band" in legend_texts(display.ax_)

    def test_several_on_the_same_axes(self):
        distribution = mixture()
        y = distribution.rvs(random_state=0)
        first = ReliabilityDisplay.from_predictions(y, distribution, name="first")
        second = ReliabilityDisplay.from_predictions(y, stats.norm(y, 1.0), name="second", ax=first.ax_)
        assert sorted(legend_texts(second.ax_)) == ["95% band", "first", "second"]
        assert first.lines_[0].get_color() != second.lines_[0].get_color()
        assert len(first.ax_.collections) == 1  # one band

    def test_several_targets(self):
        distribution = mixture_2d()
        y = distribution.rvs(random_state=0)
        display = ReliabilityDisplay.from_predictions(y, distribution, name="model")
        assert display.observed_.shape == (2, 101)
        assert len({line.get_color() for line in display.lines_}) == 2
        assert "model, target 1" in legend_texts(display.ax_)


@pytest.mark.parametrize("display", [PITDisplay, ReliabilityDisplay])
def test_calibration_of_an_estimator(display):
    model, X, y = fitted(wrap=lambda model: make_pipeline(StandardScaler(), model))
    drawn = display.from_estimator(model, X, y)
    expected = LinearDensity().fit(X, y).predict_distribution(X)
    np.testing.assert_allclose(drawn.pit, pit_values(y, expected), rtol=1e-9)
    assert "Pipeline" in legend_texts(drawn.ax_)
    assert "other" in legend_texts(display.from_estimator(model, X, y, name="other").ax_)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: PITDisplay(pit=np.ones(3)).plot(n_bins=0), "n_bins must"),
        (lambda: PITDisplay(pit=np.ones(3)).plot(confidence=95), "confidence must"),
        (lambda: ReliabilityDisplay(pit=np.ones(3)).plot(kind="hdr"), "kind must"),
        (lambda: PITDisplay(pit=np.ones(3), sample_weight=[1.0]), "[Ss]ample.weight"),
        (lambda: PITDisplay(pit=[0.1, np.nan]), "pit contains NaN"),
        (lambda: ReliabilityDisplay(pit=[0.1, 7.0]), "pit must lie between 0 and 1, got 7.0"),
    ],
)
def test_bad_options_of_calibration(call, message):
    with pytest.raises(ValueError, match=message):
        call()


class RoundedUp:
    """Distributions whose cdf exceeds one by rounding, as a sum of weights may."""

    def cdf(self, y):
        return np.array([0.3, -1e-17, np.nextafter(1.0, 2.0)])

    def logpdf(self, y):
        return np.zeros(3)

    def ppf(self, q):
        return np.zeros(3) + q


@pytest.mark.parametrize("display", [PITDisplay, ReliabilityDisplay])
def test_a_cdf_that_rounding_brings_above_one(display):
    drawn = display.from_predictions(np.zeros(3), RoundedUp())
    np.testing.assert_array_equal(drawn.pit, [0.3, 0.0, 1.0])
    distribution = MixtureDistribution([[0.3, 0.1, 0.6]], [[0.0, 0.0, 0.0]], [[1.0, 1.0, 1.0]])
    assert display.from_predictions([50.0], distribution).pit == 1.0
    for value in (1.0 + 1e-6, -1e-6):
        with pytest.raises(ValueError, match="pit must lie between 0 and 1"):
            display(pit=[0.5, value])


def test_another_histogram_on_the_same_axes_keeps_the_band():
    rng = np.random.default_rng(0)
    first = PITDisplay(pit=rng.uniform(size=100), name="first").plot()
    top = first.ax_.get_ylim()[1]
    second = PITDisplay(pit=rng.uniform(size=100) ** 9, name="second").plot(first.ax_)
    assert sorted(legend_texts(second.ax_)) == ["95% band", "first", "second"]
    assert second.ax_.get_ylim()[1] > max(top, second.heights_.max())


@pytest.mark.parametrize("display", [PITDisplay, ReliabilityDisplay])
@pytest.mark.parametrize("options", [{"limits": (0, None)}, {"resolution": 1}], ids=["limits", "resolution"])
def test_a_right_density_with_jumps_is_calibrated(display, options):
    """Half of the rows lie on a bound, or all of them on few values."""
    rng = np.random.default_rng(0)
    X, z = rng.normal(size=(2000, 1)), rng.normal(size=2000)
    target = np.maximum(z, 0) if "limits" in options else np.round(z)
    model = MDNRegressor(2, hidden_layer_sizes=(4,), max_iter=3, random_state=0, **options).fit(X, target)
    y = model.sample(X, random_state=0, rounded="resolution" in options)[:, 0]
    drawn = display.from_estimator(model, X, y, confidence=0.999)
    if display is PITDisplay:
        assert drawn.band_[0] <= drawn.heights_.min() <= drawn.heights_.max() <= drawn.band_[1]
    else:
        assert ((drawn.band_[0] <= drawn.observed_[0]) & (drawn.observed_[0] <= drawn.band_[1])).all()
