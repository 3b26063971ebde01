"""What targets are called: names of series, data frames and fits on axes, in legends and in errors."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mdn.plotting import (
    ConditionalDensityDisplay,
    DensityCurvesDisplay,
    DensityRidgeDisplay,
    JointDensityDisplay,
    PITDisplay,
    ReliabilityDisplay,
)
from sklearn_mdn.plotting._names import in_order, names_of
from tests._distributions.linear_density import LinearDensity
from tests.plotting.cases import N, Told, fitted, legend_texts, mixture, mixture_2d

UNIVARIATE = (ConditionalDensityDisplay, DensityCurvesDisplay, DensityRidgeDisplay)
CALIBRATION = (PITDisplay, ReliabilityDisplay)
LIBRARIES = {"pandas": pd, "polars": pl}
NAMES = ["mass", "depth"]


def y_label(display):
    """What a display of one target calls it."""
    on_x = not isinstance(display, ConditionalDensityDisplay)
    return display.ax_.get_xlabel() if on_x else display.ax_.get_ylabel()


@pytest.mark.parametrize(
    ("y", "names"),
    [
        (pd.Series([1.0], name="mass"), ("mass",)),
        (pl.Series("mass", [1.0]), ("mass",)),
        (pd.Series([1.0]), None),
        (pl.Series([1.0]), None),
        (pd.DataFrame({"mass": [1.0], "depth": [2.0]}), ("mass", "depth")),
        (pl.DataFrame({"mass": [1.0], "depth": [2.0]}), ("mass", "depth")),
        (pd.DataFrame([[1.0, 2.0]]), None),
        (pd.DataFrame([[1.0, 2.0]], columns=["mass", 1]), None),
        (np.ones(3), None),
        ([1.0], None),
        (None, None),
    ],
)
def test_names_of(y, names):
    assert names_of(y) == names


@pytest.mark.parametrize("library", LIBRARIES)
def test_columns_are_put_in_order_by_their_names(library):
    frame = LIBRARIES[library].DataFrame({"depth": [2.0], "mass": [1.0]})
    assert list(in_order(frame, NAMES).columns) == NAMES
    assert list(in_order(frame, ["mass"]).columns) == ["mass"]
    for names in (None, ["a", "b"], ["depth", "mass"]):
        assert list(in_order(frame, names).columns) == ["depth", "mass"]
    with pytest.raises(ValueError, match="y must have the columns 'mass', 'length', got 'depth', 'mass'"):
        in_order(frame, ["mass", "length"])


class TestOneTarget:
    @pytest.mark.parametrize("library", LIBRARIES)
    @pytest.mark.parametrize("display", UNIVARIATE)
    def test_a_series(self, display, library):
        y = LIBRARIES[library].DataFrame({"mass": np.zeros(N)})["mass"]
        assert y_label(display.from_predictions(y, mixture())) == "mass"
        model, X, _ = fitted()
        assert y_label(display.from_estimator(model, X, y)) == "mass"

    @pytest.mark.parametrize("display", UNIVARIATE)
    def test_a_name_of_the_fit(self, display):
        X = np.random.default_rng(0).normal(size=(N, 1))
        told = make_pipeline(StandardScaler(), Told(["mass"]))
        told[0].fit(X)
        assert y_label(display.from_estimator(told, X)) == "mass"
        assert y_label(display.from_estimator(told, X, target="mass", target_names=["mass"])) == "mass"
        assert y_label(display.from_estimator(told, X, np.zeros(N), target_names=["in g"])) == "in g"

    @pytest.mark.parametrize("display", UNIVARIATE)
    @pytest.mark.parametrize("target", [99, -2, 0.0, True, "mass"])
    def test_no_such_target(self, display, target):
        with pytest.raises(ValueError, match="target must be an integer from -1 to 0"):
            display.from_predictions(None, mixture(), target=target)

    @pytest.mark.parametrize("display", UNIVARIATE)
    def test_zero_is_the_only_target(self, display):
        assert y_label(display.from_predictions(None, mixture(), target=0)) == "y"

    @pytest.mark.parametrize("display", CALIBRATION)
    def test_calibration_says_of_what(self, display):
        drawn = display.from_predictions(pd.Series(np.zeros(N), name="mass"), mixture())
        assert drawn.target_names == ("mass",)
        assert any(label.endswith("of mass") for label in (drawn.ax_.get_xlabel(), drawn.ax_.get_ylabel()))


class TestSeveralTargets:
    frame = pd.DataFrame(mixture_2d().mean(), columns=NAMES)

    @pytest.mark.parametrize("library", LIBRARIES)
    @pytest.mark.parametrize("display", UNIVARIATE)
    @pytest.mark.parametrize(("target", "index"), [("depth", 1), ("mass", 0), (1, 1), (-2, 0)])
    def test_target_by_name(self, display, library, target, index):
        y = LIBRARIES[library].DataFrame(dict(self.frame))
        drawn = display.from_predictions(y, mixture_2d(), target=target)
        np.testing.assert_array_equal(drawn.y_points, self.frame.iloc[:, index])
        np.testing.assert_allclose(drawn.y_dist.mean(), mixture_2d().mean()[:, index])
        assert y_label(drawn) == NAMES[index]

    @pytest.mark.parametrize("display", UNIVARIATE)
    def test_names_that_are_given(self, display):
        drawn = display.from_predictions(None, mixture_2d(), target="depth", target_names=NAMES)
        assert y_label(drawn) == "depth"
        assert y_label(display.from_predictions(None, mixture_2d(), target=1)) == "target 1"

    @pytest.mark.parametrize("display", UNIVARIATE)
    def test_errors_name_the_targets(self, display):
        with pytest.raises(ValueError, match=r"which of the 2 targets \('mass', 'depth'\) to draw, got None"):
            display.from_predictions(self.frame, mixture_2d())
        with pytest.raises(ValueError, match="got 'width'; the targets are called 'mass', 'depth'"):
            display.from_predictions(self.frame, mixture_2d(), target="width")
        with pytest.raises(ValueError, match="got 'width'; the targets have no names: a data frame as y"):
            display.from_predictions(None, mixture_2d(), target="width")
        with pytest.raises(ValueError, match="target_names must hold a name for each target, 2 in all, got"):
            display.from_predictions(None, mixture_2d(), target=0, target_names=["mass"])
        for target in (2, -3, 0.0):
            with pytest.raises(ValueError, match="target must be an integer from -2 to 1, got"):
                display.from_predictions(None, mixture_2d(), target=target)
        with pytest.raises(ValueError, match="univariate distribution a row, or mixtures of several"):
            display.from_predictions(None, stats.norm(np.zeros((N, 2))), target=0)

    @pytest.mark.parametrize("display", UNIVARIATE)
    def test_a_permuted_frame_is_put_right(self, display):
        model, X, y = fitted(n_targets=2)
        model.target_names_ = np.array(NAMES)
        frame = pd.DataFrame(y, columns=NAMES)
        drawn = display.from_estimator(model, X, frame[["depth", "mass"]], target="mass")
        np.testing.assert_array_equal(drawn.y_points, y[:, 0])
        with pytest.raises(ValueError, match="y must have the columns"):
            display.from_estimator(model, X, frame.rename(columns={"mass": "width"}), target="mass")

    @pytest.mark.parametrize("display", CALIBRATION)
    def test_calibration(self, display):
        y = self.frame[["depth", "mass"]]
        drawn = display.from_predictions(y, mixture_2d(), target_names=NAMES, name="model")
        assert {"model, mass", "model, depth"} < set(legend_texts(drawn.ax_))
        expected = display.from_predictions(self.frame.to_numpy(), mixture_2d())
        np.testing.assert_array_equal(drawn.pit, expected.pit)
        one = display.from_predictions(self.frame, mixture_2d(), target="depth")
        np.testing.assert_array_equal(one.pit, expected.pit[:, 1])
        assert one.target_names == ("depth",)
        with pytest.raises(ValueError, match="target must be an integer from -2 to 1, got 2"):
            display.from_predictions(self.frame, mixture_2d(), target=2)

    @pytest.mark.parametrize("display", CALIBRATION)
    def test_calibration_of_an_estimator(self, display):
        _, X, y = fitted(n_targets=2)
        frame = pd.DataFrame(y, columns=NAMES)
        model = LinearDensity().fit(X, y)
        model.target_names_ = np.array(NAMES)
        drawn = display.from_estimator(model, X, frame[["depth", "mass"]])
        np.testing.assert_array_equal(drawn.pit, display.from_estimator(model, X, y).pit)
        assert drawn.target_names == tuple(NAMES)

    def test_joint(self):
        drawn = JointDensityDisplay.from_predictions(self.frame, mixture_2d(), targets=("depth", "mass"))
        assert (drawn.ax_.get_xlabel(), drawn.ax_.get_ylabel()) == ("depth", "mass")
        np.testing.assert_array_equal(drawn.y_point, self.frame.iloc[0, [1, 0]])
        X = np.zeros((N, 1))
        told = JointDensityDisplay.from_estimator(Told(NAMES), X, self.frame[["depth", "mass"]])
        assert (told.ax_.get_xlabel(), told.ax_.get_ylabel()) == ("mass", "depth")
        np.testing.assert_array_equal(told.y_point, self.frame.iloc[0])
        with pytest.raises(ValueError, match=r"targets must be an integer .* got 'x'; the targets are"):
            JointDensityDisplay.from_estimator(Told(NAMES), X, targets=("mass", "x"))
