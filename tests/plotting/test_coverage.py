"""The display of the coverage of sets in parts of the rows."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from sklearn.linear_model import BayesianRidge

from sklearn_mdn import ConformalDensityRegressor, GaussianDensity
from sklearn_mdn.metrics import conditional_coverage, coverage_band
from sklearn_mdn.plotting import SetCoverageDisplay

rng = np.random.default_rng(0)
X = rng.normal(size=(300, 2))
Y = X[:, 0] + rng.normal(size=300)
MODEL = ConformalDensityRegressor(GaussianDensity(BayesianRidge()), cv=2, random_state=0).fit(
    X[:150], Y[:150]
)


def test_what_is_drawn():
    display = SetCoverageDisplay.from_estimator(MODEL, X[150:], Y[150:], confidence_level=0.8, n_bins=5)
    sets = MODEL.predict_set(X[150:], 0.8)
    by = MODEL.predict(X[150:], return_std=True)[1]
    parts = conditional_coverage(Y[150:], sets, by=by, n_bins=5)
    np.testing.assert_array_equal(display.line_.get_ydata(), parts.coverage)
    np.testing.assert_array_equal(display.band_, coverage_band(0.8, parts.n_rows))
    assert display.ax_.get_xlabel() == "predicted standard deviation"
    assert display.ax_.get_legend().get_texts()[1].get_text() == "ConformalDensityRegressor"
    low, high = display.ax_.get_ylim()
    assert low < parts.coverage.min()
    assert high == 1.0


def test_several_on_the_same_axes_have_one_band():
    sets = MODEL.predict_set(X[150:], 0.8)
    groups = np.where(X[150:, 0] > 0, "right", "left")
    first = SetCoverageDisplay.from_predictions(Y[150:], sets, groups=groups, name="first")
    second = SetCoverageDisplay.from_predictions(
        Y[150:], sets.intervals, groups=groups, confidence_level=0.8, name="second", ax=first.ax_
    )
    assert len(first.ax_.collections) == 1
    assert first.line_.get_color() != second.line_.get_color()
    assert first.ax_.get_xlabel() == "group"


def test_intervals_without_a_level_are_refused():
    with pytest.raises(ValueError, match="confidence_level must say what the intervals were made for"):
        SetCoverageDisplay.from_predictions([1.0], [[0.0, 1.0]])


@pytest.mark.parametrize("style", ["default", "dark_background"])
def test_every_style(style):
    with plt.style.context(style):
        display = SetCoverageDisplay.from_estimator(
            MODEL, X[150:], Y[150:], n_bins=3, line_kw={"color": "red"}
        )
        display.figure_.canvas.draw()
    assert display.line_.get_color() == "red"
