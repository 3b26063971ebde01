"""The display of two targets: the numbers that are on the artists."""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

from sklearn_mdn import MixtureDistribution
from sklearn_mdn.plotting import (
    JointDensityDisplay,
)
from tests.plotting.cases import N, fitted, legend_texts, mixture, mixture_2d


class TestJoint:
    @pytest.mark.parametrize("row", [0, 7])
    def test_contours_enclose_their_probability(self, row):
        distribution = mixture_2d()
        y = distribution.mean()
        display = JointDensityDisplay.from_predictions(y, distribution, row=row, confidence=[0.5, 0.9])
        draws = distribution[row].rvs(20_000, random_state=0)[0].T
        density = distribution[row].pdf(draws[:, None, :])[:, 0]
        for threshold, share in zip(display.thresholds_, (0.9, 0.5), strict=True):
            assert (density >= threshold).mean() == pytest.approx(share, abs=0.015)
        np.testing.assert_allclose(display.contours_.levels[:2], display.thresholds_)
        np.testing.assert_allclose(display.components_.get_offsets(), distribution.means[row])
        np.testing.assert_allclose(display.components_.get_sizes(), 160 * distribution.weights[row])
        np.testing.assert_allclose(display.point_.get_xydata()[0], y[row])
        assert legend_texts(display.ax_) == ["90%", "50%", "components", "observed"]

    @pytest.mark.parametrize("confidence", [[0.9, 0.5, 0.9], [0.5, 0.9, 0.5 + 1e-9]])
    def test_a_region_named_twice_is_drawn_once(self, confidence):
        display = JointDensityDisplay.from_predictions(None, mixture_2d(), confidence=confidence)
        assert len(display.thresholds_) == 2
        assert legend_texts(display.ax_)[:2] == ["90%", "50%"]

    @pytest.mark.parametrize("weight", [0.02, 0.03])
    def test_a_component_outside_the_regions_does_not_stretch_the_axes(self, weight):
        means = np.array([[[0.0, 0.0], [2.0, 1.0], [40.0, -30.0]]])
        weights = [[0.6 - weight, 0.4, weight]]
        far = MixtureDistribution(weights, means, [[1.0, 0.5, 4.0]], covariance_type="spherical")
        display = JointDensityDisplay.from_predictions(None, far)
        for limits, (low, high) in (
            (display.ax_.get_xlim(), (-3.5, 5.5)),
            (display.ax_.get_ylim(), (-3.5, 4.5)),
        ):
            assert low < limits[0] < 0 < 2 < limits[1] < high
        draws = far.rvs(20_000, random_state=0)[0].T
        density = far.pdf(draws[:, None, :])[:, 0]
        for threshold, share in zip(display.thresholds_, (0.95, 0.8, 0.5), strict=True):
            assert (density >= threshold).mean() == pytest.approx(share, abs=0.015)

    def test_a_component_inside_the_regions_is_in_sight(self):
        means = [[[0.0, 0.0], [40.0, -30.0]]]
        both = MixtureDistribution([[0.8, 0.2]], means, [[1.0, 1.0]], covariance_type="spherical")
        display = JointDensityDisplay.from_predictions(None, both)
        assert display.ax_.get_xlim()[1] > 40
        assert display.ax_.get_ylim()[0] < -30

    def test_what_was_observed_is_in_sight(self):
        display = JointDensityDisplay.from_predictions(np.full((N, 2), 50.0), mixture_2d())
        assert min(display.ax_.get_xlim()[1], display.ax_.get_ylim()[1]) > 50

    def test_displays_that_share_axes_are_all_in_sight(self):
        _, axes = plt.subplots(1, 2, sharex=True, sharey=True)
        alone = [JointDensityDisplay.from_predictions(None, mixture_2d(), row=row) for row in (0, 3)]
        for row, ax in enumerate(axes):
            JointDensityDisplay.from_predictions(None, mixture_2d(), row=3 * row, ax=ax)
        for j, limits in enumerate((axes[0].get_xlim(), axes[0].get_ylim())):
            ends = np.array([display.y_grid_[j][[0, -1]] for display in alone])
            np.testing.assert_allclose(limits, (ends.min(), ends.max()))

    @pytest.mark.parametrize(("row", "said"), [(0, "row 0"), (-1, f"row {N - 1}")])
    def test_the_row_is_said(self, row, said):
        display = JointDensityDisplay.from_predictions(None, mixture_2d(), row=row)
        assert display.ax_.get_legend().get_title().get_text() == said
        assert display.row == row % N
        plain = JointDensityDisplay(distribution=mixture_2d()[0]).plot()
        assert plain.ax_.get_legend().get_title().get_text() == ""

    def test_density_on_the_grid(self):
        model, X, y = fitted(n_targets=3)
        display = JointDensityDisplay.from_estimator(model, X, y, row=2, targets=[2, 0], components=False)
        u, v = display.y_grid_
        expected = model.predict_distribution(X[2:3]).marginal([2, 0]).pdf([[u[10], v[77]]])
        assert display.density_[77, 10] == pytest.approx(expected[0])
        assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("target 2", "target 0")
        assert display.components_ is None
        np.testing.assert_allclose(display.point_.get_xydata()[0], y[2, [2, 0]])

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"y_dist": mixture()}, ValueError, "targets must be two of several"),
            ({"y_dist": mixture_2d().marginal([0])}, ValueError, "targets must be two of several"),
            ({"target_names": ["a"]}, ValueError, "target_names must hold a name for each target, 2"),
            ({"y_dist": stats.norm(np.zeros((N, 2)))}, TypeError, "must be a MixtureDistribution"),
            ({"y_true": np.zeros((N, 3))}, ValueError, "y_true must have the shape"),
            ({"targets": [0]}, ValueError, "targets must be two of several"),
            ({"targets": 1}, ValueError, "targets must be two of several, got 1"),
            (
                {"targets": ("p", "q")},
                ValueError,
                "from -2 to 1 or a name, got 'p'",
            ),
            ({"targets": (0, 2)}, ValueError, "targets must be an integer from -2 to 1, got 2"),
            ({"targets": (0, -2)}, ValueError, "targets must name at least one target, and each once"),
            ({"confidence": []}, ValueError, "confidence must hold at least one level"),
            ({"row": N}, ValueError, "row must be an integer from -30 to 29, got 30"),
            ({"row": 0.5}, ValueError, "row must be an integer from -30 to 29, got 0.5"),
            ({"confidence": [1.5]}, ValueError, "confidence must"),
        ],
    )
    def test_bad_input(self, arguments, error, message):
        with pytest.raises(error, match=message):
            JointDensityDisplay.from_predictions(**{"y_true": None, "y_dist": mixture_2d(), **arguments})
