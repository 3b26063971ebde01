"""What all displays share: the numbers that are on the artists."""

from __future__ import annotations

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb

from sklearn_mdn.plotting import (
    ConditionalDensityDisplay,
    DensityCurvesDisplay,
    DensityRidgeDisplay,
    JointDensityDisplay,
    PITDisplay,
    ReliabilityDisplay,
    TrainingCurveDisplay,
)
from sklearn_mdn.plotting._drawing import BLACK, CYCLE, WHITE
from tests.plotting.cases import mixture, mixture_2d


def draw_each(ax=None):
    """One display of each class."""
    distribution, joint = mixture(), mixture_2d()
    y, both = distribution.mean(), joint.mean()
    return [
        ConditionalDensityDisplay.from_predictions(y, distribution, ax=ax),
        DensityCurvesDisplay.from_predictions(y, distribution, ax=ax),
        DensityRidgeDisplay.from_predictions(y, distribution, ax=ax),
        JointDensityDisplay.from_predictions(both, joint, ax=ax),
        PITDisplay.from_predictions(y, distribution, ax=ax),
        ReliabilityDisplay.from_predictions(y, distribution, ax=ax),
        TrainingCurveDisplay(loss_curves=[[2.0, 1.0]], validation_scores=[[-2.0, -1.5]]).plot(ax),
    ]


class TestConvention:
    def test_axes_and_figures_of_their_own(self):
        for display in draw_each():
            assert display.figure_ is display.ax_.figure
            assert display.figure_.axes == [display.ax_]
            assert display.ax_.get_xlabel()
            display.figure_.canvas.draw()

    def test_given_axes(self):
        figure, ax = plt.subplots()
        for display in draw_each(ax):
            assert display.ax_ is ax
            assert display.figure_ is figure
        assert plt.get_fignums() == [figure.number]

    def test_drawn_again(self):
        for display in draw_each():
            first = display.ax_
            assert display.plot() is display
            assert display.ax_ is not first

    @pytest.mark.parametrize("names", [("lw", "c", "ms"), ("linewidth", "color", "markersize")])
    def test_styles_go_by_all_their_names(self, names):
        distribution, joint = mixture(), mixture_2d()
        y, both = distribution.mean(), joint.mean()
        line, dot = dict(zip(names[:2], (7.0, "red"), strict=True)), {names[1]: "red", names[2]: 9.0}
        curves = {"loss_curves": [[2.0, 1.0], [2.5, 1.5]], "validation_scores": [[-2.0, -1.5]]}
        training = TrainingCurveDisplay(**curves).plot(loss_kw=line, validation_kw=line)
        conditional = ConditionalDensityDisplay.from_predictions(y, distribution).plot(line_kw=line)
        rows = DensityCurvesDisplay.from_predictions(y, distribution).plot(line_kw=line, scatter_kw=dot)
        drawn = training.loss_lines_ + training.validation_lines_ + conditional.lines_ + rows.lines_
        assert {(artist.get_linewidth(), artist.get_color()) for artist in drawn} == {(7.0, "red")}
        assert {(point.get_markersize(), point.get_color()) for point in rows.points_} == {(9.0, "red")}
        ridges = DensityRidgeDisplay.from_predictions(y, distribution).plot(ridge_kw={"fc": "red"})
        assert {tuple(ridge.get_facecolor()[0][:3]) for ridge in ridges.ridges_} == {to_rgb("red")}
        regions = JointDensityDisplay.from_predictions(both, joint).plot(contour_kw={"cmap": "Reds"})
        shades = [patch.get_facecolor() for patch in regions.ax_.get_legend().get_patches()]
        np.testing.assert_allclose(shades, regions.contours_.get_facecolor()[: len(shades)])
        assert all(shade[0] > shade[2] for shade in shades)

    def test_rc_parameters_are_left_alone(self):
        before = dict(plt.rcParams)
        draw_each()
        assert dict(plt.rcParams) == before

    def test_matplotlib_is_imported_when_something_is_drawn(self):
        code = (
            "import sys, sklearn_mdn.plotting as p, numpy as np; assert 'matplotlib' not in sys.modules;"
            "p.PITDisplay(pit=np.array([0.5])); assert 'matplotlib' not in sys.modules"
        )
        subprocess.run([sys.executable, "-c", code], check=True)

    @pytest.mark.parametrize("sight", ["deuteranopia", "protanopia", "all cones"])
    @pytest.mark.parametrize("ink", [BLACK, WHITE])
    def test_colours_that_the_colour_blind_tell_apart(self, sight, ink):
        assert closest_colors((*CYCLE, ink), sight) > 0.14

    def test_closeness_of_colours_means_something(self):
        tab10 = [f"C{i}" for i in range(len(CYCLE))]
        assert min(closest_colors(tab10, sight) for sight in SIGHT) < 0.1


# What cones of two kinds make of the signals of three (Viénot, Brettel and Mollon 1999).
LMS = np.array([[17.8824, 43.5161, 4.11935], [3.45565, 27.1554, 3.86714], [0.0299566, 0.184309, 1.46709]])
SIGHT = {
    "all cones": np.eye(3),
    "deuteranopia": np.array([[1, 0, 0], [0.494207, 0, 1.24827], [0, 0, 1]]),
    "protanopia": np.array([[0, 2.02344, -2.52581], [0, 1, 0], [0, 0, 1]]),
}


def closest_colors(colors, sight):
    """Smallest distance in RGB between two of the colours as they are seen."""
    linear = np.array([to_rgb(color) for color in colors]) ** 2.2
    simulated = np.linalg.inv(LMS) @ SIGHT[sight] @ LMS @ linear.T
    seen = np.clip(simulated.T, 0, 1) ** (1 / 2.2)
    distances = np.linalg.norm(seen[:, None] - seen[None], axis=-1)
    return distances[~np.eye(len(colors), dtype=bool)].min()
