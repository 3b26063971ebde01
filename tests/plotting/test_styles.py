"""How displays look: keyword arguments of every artist, and colours and legends in every style."""

from __future__ import annotations

import inspect

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_hex, to_rgba
from scipy import stats

from sklearn_mdn import MDNRegressor
from sklearn_mdn import plotting as displays
from sklearn_mdn.plotting import (
    ConditionalDensityDisplay,
    DensityCurvesDisplay,
    DensityRidgeDisplay,
    JointDensityDisplay,
    PITDisplay,
    ReliabilityDisplay,
    TrainingCurveDisplay,
)
from sklearn_mdn.plotting._drawing import BLACK, WHITE, Palette
from tests.plotting.cases import contrast, fitted, mixture, mixture_2d

STYLES = ("default", "dark_background", "seaborn-v0_8")
CLASSES = [getattr(displays, name) for name in displays.__all__]
RED = (1.0, 0.0, 0.0)


def artist_color(artist):
    color = artist.get_color() if hasattr(artist, "get_color") else artist.get_facecolor()
    return to_rgba(color[0] if np.ndim(color) == 2 else color)[:3]


# What a keyword argument is about: a way to give it and the artists that it reaches.
STYLED = [
    (ConditionalDensityDisplay, "line_kw", {}, lambda d: d.lines_),
    (ConditionalDensityDisplay, "band_kw", {"kind": "bands"}, lambda d: d.bands_),
    (ConditionalDensityDisplay, "mode_kw", {"modes": True}, lambda d: [d.modes_]),
    (ConditionalDensityDisplay, "scatter_kw", {}, lambda d: [d.points_]),
    (DensityCurvesDisplay, "line_kw", {}, lambda d: d.lines_),
    (
        DensityCurvesDisplay,
        "component_kw",
        {},
        lambda d: [line for lines in d.component_lines_ for line in lines],
    ),
    (DensityCurvesDisplay, "scatter_kw", {}, lambda d: d.points_),
    (DensityRidgeDisplay, "ridge_kw", {}, lambda d: d.ridges_),
    (DensityRidgeDisplay, "scatter_kw", {}, lambda d: [d.points_]),
    (JointDensityDisplay, "component_kw", {}, lambda d: [d.components_]),
    (JointDensityDisplay, "scatter_kw", {}, lambda d: [d.point_]),
    (PITDisplay, "bar_kw", {}, lambda d: d.bars_),
    (PITDisplay, "band_kw", {}, lambda d: [a for a in d.ax_.patches if a.get_gid()]),
    (ReliabilityDisplay, "line_kw", {}, lambda d: d.lines_),
    (ReliabilityDisplay, "band_kw", {}, lambda d: d.ax_.collections),
]


def density_of(display):
    return mixture_2d() if display is JointDensityDisplay else mixture()


class TestKeywordArguments:
    @pytest.mark.parametrize("display", CLASSES)
    def test_every_way_to_a_display_takes_what_plot_takes(self, display):
        parameters = dict(inspect.signature(display.plot).parameters)
        for own in ("self", "name"):
            parameters.pop(own, None)
        assert any(name.endswith("_kw") for name in parameters)
        for constructor in (
            display.from_estimator,
            getattr(display, "from_predictions", display.from_estimator),
        ):
            taken = inspect.signature(constructor).parameters
            for name, parameter in parameters.items():
                assert taken[name].default == parameter.default
                assert taken[name].kind is inspect.Parameter.KEYWORD_ONLY
                assert taken[name].annotation == parameter.annotation

    @pytest.mark.parametrize(("display", "name", "options", "artists"), STYLED)
    def test_from_predictions(self, display, name, options, artists):
        density = density_of(display)
        drawn = display.from_predictions(density.mean(), density, **options, **{name: {"color": "red"}})
        assert {artist_color(artist) for artist in artists(drawn)} == {RED}
        plain = display.from_predictions(density.mean(), density, **options)
        assert RED not in {artist_color(artist) for artist in artists(plain)}

    @pytest.mark.parametrize(("display", "name", "options", "artists"), STYLED)
    def test_from_estimator(self, display, name, options, artists):
        model, X, y = fitted(n_targets=2 if display is JointDensityDisplay else 1)
        drawn = display.from_estimator(model, X, y, **options, **{name: {"color": "red"}})
        assert {artist_color(artist) for artist in artists(drawn)} == {RED}

    def test_the_rest(self):
        heat = ConditionalDensityDisplay.from_predictions(None, mixture(), heatmap_kw={"cmap": "Greys"})
        assert heat.heatmap_.get_cmap().name == "Greys"
        regions = JointDensityDisplay.from_predictions(None, mixture_2d(), contour_kw={"cmap": "Reds"})
        assert regions.contours_.get_cmap().name == "Reds"
        X, y = np.arange(20.0)[:, None], np.arange(20.0)
        model = MDNRegressor(1, max_iter=2, hidden_layer_sizes=(2,), random_state=0).fit(X, y)
        curves = TrainingCurveDisplay.from_estimator(
            model, loss_kw={"c": "red"}, validation_kw={"color": "red"}
        )
        assert {line.get_color() for line in curves.loss_lines_ + curves.validation_lines_} == {"red"}

    @pytest.mark.parametrize("given", [{"fc": "red"}, {"facecolor": "red"}, {"color": "red"}])
    def test_a_face_by_any_name(self, given):
        y = mixture().mean()
        for display, name in (
            (PITDisplay, "bar_kw"),
            (PITDisplay, "band_kw"),
            (DensityRidgeDisplay, "ridge_kw"),
        ):
            artists = next(get for one, kw, _, get in STYLED if (one, kw) == (display, name))
            drawn = display.from_predictions(y, mixture(), **{name: given})
            assert {artist_color(artist) for artist in artists(drawn)} == {RED}


def draw_each():
    distribution, joint = mixture(), mixture_2d()
    y, both = distribution.mean(), joint.mean()
    curves = {"loss_curves": [[2.0, 1.0]], "validation_scores": [[-2.0, -1.5]]}
    return [
        ConditionalDensityDisplay.from_predictions(y, distribution),
        ConditionalDensityDisplay.from_predictions(y, distribution, kind="bands", modes=True),
        DensityCurvesDisplay.from_predictions(y, distribution, rows=range(7)),
        DensityRidgeDisplay.from_predictions(y, distribution),
        JointDensityDisplay.from_predictions(both, joint),
        PITDisplay.from_predictions(y, distribution),
        PITDisplay.from_predictions(both, joint),
        ReliabilityDisplay.from_predictions(both, joint),
        TrainingCurveDisplay(**curves).plot(),
    ]


@pytest.mark.parametrize("style", STYLES)
class TestStyles:
    def test_lines_points_and_bands_stand_out(self, style):
        with plt.style.context(style):
            for display in draw_each():
                paper = display.ax_.get_facecolor()
                for line in display.ax_.lines:
                    assert contrast(to_rgba(line.get_color(), line.get_alpha()), paper) > 1.5
                for patch in display.ax_.patches:
                    assert contrast(patch.get_facecolor(), paper) > 1.15 or not patch.get_fill()
                for collection in display.ax_.collections:
                    for color in collection.get_facecolor():
                        if collection.get_array() is None:
                            assert contrast(color, paper) > 1.15

    def test_shading_rises_from_the_paper(self, style):
        with plt.style.context(style):
            display = ConditionalDensityDisplay.from_predictions(None, mixture())
            paper = display.ax_.get_facecolor()
            steps = [contrast(display.heatmap_.to_rgba(share), paper) for share in (0.0, 0.25, 0.5, 1.0)]
            assert steps[0] == pytest.approx(1.0, abs=0.01)
            assert (np.diff(steps) > 0.1).all()
            assert steps[-1] > 2.0

    def test_marks_have_a_rim_of_paper(self, style):
        with plt.style.context(style):
            rows = DensityCurvesDisplay.from_predictions(mixture().mean(), mixture())
            paper = to_hex(rows.ax_.get_facecolor())
            assert {to_hex(point.get_markeredgecolor()) for point in rows.points_} == {paper}

    def test_legends_cover_nothing(self, style):
        """What is drawn ends below the legend of a display that makes room for it."""
        with plt.style.context(style):
            normal = stats.norm(np.linspace(0, 1, 40), 1.0)
            for display in (
                ConditionalDensityDisplay.from_predictions(None, normal),
                ConditionalDensityDisplay.from_predictions(None, normal, kind="bands"),
                DensityCurvesDisplay.from_predictions(None, mixture(), rows=range(12), components=True),
                DensityRidgeDisplay.from_predictions(mixture().mean(), mixture()),
                PITDisplay.from_predictions(np.zeros(40), normal),
                PITDisplay.from_predictions(mixture_2d().mean(), mixture_2d(), name="a name that is long"),
            ):
                display.figure_.canvas.draw()
                legend = display.ax_.get_legend().get_window_extent()
                artists = [*display.ax_.lines, *display.ax_.patches, *display.ax_.collections]
                tops = [artist.get_window_extent().y1 for artist in artists if artist.get_visible()]
                assert max(top for top in tops if np.isfinite(top)) <= legend.y0 + 1.0

    def test_band_lies_behind_bars_of_one_colour(self, style):
        with plt.style.context(style):
            display = PITDisplay.from_predictions(mixture().rvs(random_state=0), mixture())
            (band,) = (patch for patch in display.ax_.patches if patch.get_gid())
            assert all(bar.get_zorder() > band.get_zorder() for bar in display.bars_)
            assert {bar.get_facecolor()[3] for bar in display.bars_} == {1.0}


class TestPalette:
    @pytest.mark.parametrize(
        ("axes", "figure", "ink"),
        [
            ("white", "white", BLACK),
            ("black", "white", WHITE),
            ("none", "black", WHITE),
            ("none", "none", BLACK),
            ((0, 0, 0, 0.1), "white", BLACK),
            ((0, 0, 0, 0.9), "white", WHITE),
            ("#EAEAF2", "white", BLACK),
            ("#002b36", "white", WHITE),
        ],
    )
    def test_paper_is_what_is_seen(self, axes, figure, ink):
        drawn, ax = plt.subplots()
        drawn.set_facecolor(figure)
        ax.set_facecolor(axes)
        palette = Palette.of(ax)
        assert palette.ink == ink
        assert contrast(palette.ink, palette.paper) > 4.5
        assert contrast(palette.grey, palette.paper) > 3.0
