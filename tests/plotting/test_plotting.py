"""Displays: the numbers that are on the artists."""

from __future__ import annotations

import subprocess
import sys

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.colors import to_rgb
from scipy import stats
from sklearn.base import clone
from sklearn.compose import TransformedTargetRegressor
from sklearn.exceptions import NotFittedError
from sklearn.frozen import FrozenEstimator
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mdn import MDNRegressor, MixtureDistribution
from sklearn_mdn.metrics import coverage, pit_values
from sklearn_mdn.plotting import (
    ConditionalDensityDisplay,
    DensityCurvesDisplay,
    DensityRidgeDisplay,
    JointDensityDisplay,
    PITDisplay,
    ReliabilityDisplay,
    TrainingCurveDisplay,
)
from sklearn_mdn.plotting._drawing import CYCLE
from sklearn_mdn.plotting._profile import feature_profile
from tests._distributions.linear_density import LinearDensity

N = 30


@pytest.fixture(autouse=True)
def close_figures():
    yield
    plt.close("all")


def mixture(n=N, k=3, seed=0):
    rng = np.random.default_rng(seed)
    return MixtureDistribution(
        rng.dirichlet(np.ones(k), n), 3 * rng.normal(size=(n, k)), rng.uniform(0.2, 1.0, (n, k))
    )


def mixture_2d(n=N, k=2, seed=0):
    rng = np.random.default_rng(seed)
    return MixtureDistribution(
        rng.dirichlet(np.ones(k), n),
        2 * rng.normal(size=(n, k, 2)),
        rng.uniform(0.2, 1.0, (n, k, 2)),
        covariance_type="diag",
    )


def fitted(n_targets=1, n_features=3, wrap=lambda model: model):
    rng = np.random.default_rng(1)
    X = rng.normal(size=(N, n_features))
    y = X @ rng.normal(size=(n_features, n_targets)) + rng.normal(size=(N, n_targets))
    y = y[:, 0] if n_targets == 1 else y
    return wrap(LinearDensity()).fit(X, y), X, y


def legend_texts(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def corners(collection):
    """Vertices of the first polygon of what fill_between drew."""
    return collection.get_paths()[0].vertices


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
    def test_colours_that_the_colour_blind_tell_apart(self, sight):
        assert closest_colors(CYCLE, sight) > 0.14

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


class TestConditional:
    def test_heatmap(self):
        model, X, y = fitted(n_features=1)
        display = ConditionalDensityDisplay.from_estimator(model, X, y, grid_resolution=50)
        grid = np.linspace(X.min(), X.max(), 50)
        expected = model.predict_distribution(grid[:, None])
        np.testing.assert_allclose(display.density_, expected.pdf(display.y_grid_[:, None]))
        shading = display.heatmap_.get_array().reshape(display.density_.shape)
        np.testing.assert_allclose(shading, display.density_ / display.density_.max(axis=0))
        assert [line.get_label() for line in display.lines_] == ["0.05 quantile", "median", "0.95 quantile"]
        for line, level in zip(display.lines_, (0.05, 0.5, 0.95), strict=True):
            np.testing.assert_allclose(line.get_xdata(), grid)
            np.testing.assert_allclose(line.get_ydata(), expected.ppf(level))
        np.testing.assert_allclose(display.points_.get_xydata(), np.column_stack([X[:, 0], y]))
        assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("x", "y")

    def test_bands(self):
        distribution, x = mixture(), np.random.default_rng(0).permutation(N) / N
        display = ConditionalDensityDisplay.from_predictions(
            None, distribution, x=x, kind="bands", levels=[0.9, 0.1, 0.5, 0.2, 0.8]
        )
        order = np.argsort(x)
        assert len(display.bands_) == 2
        for band, levels in zip(display.bands_, ((0.1, 0.9), (0.2, 0.8)), strict=True):
            for level in levels:
                edge = np.column_stack([x, distribution.ppf(level)])[order]
                found = corners(band)
                assert all(np.isclose(found, point).all(axis=1).any() for point in edge)
        np.testing.assert_allclose(display.lines_[0].get_ydata(), distribution.median()[order])
        assert legend_texts(display.ax_) == ["central 80%", "central 60%", "median"]
        assert display.points_ is None

    def test_rows_in_the_order_of_their_median(self):
        distribution = mixture()
        y = distribution.rvs(random_state=0)
        display = ConditionalDensityDisplay.from_predictions(y, distribution)
        order = np.argsort(distribution.median())
        np.testing.assert_allclose(display.lines_[1].get_ydata(), distribution.median()[order])
        x, points = display.points_.get_data()
        np.testing.assert_allclose(points[np.argsort(x)], y[order])

    def test_modes(self):
        distribution = MixtureDistribution(
            [[0.5, 0.5]] * 3, [[-2.0, 2.0], [0.0, 0.1], [1.0, 6.0]], [[0.2, 0.2]] * 3
        )
        display = ConditionalDensityDisplay.from_predictions(
            None, distribution, x=[1.0, 0.0, 2.0], modes=True
        )
        found = sorted(display.modes_.get_xydata().tolist())
        modes = distribution.modes()
        expected = sorted(
            [x, m] for x, row in zip((1.0, 0.0, 2.0), modes, strict=True) for m in row[row == row]
        )
        np.testing.assert_allclose(found, expected)
        assert len(found) == 5

    def test_one_feature_of_several(self):
        model, X, y = fitted()
        display = ConditionalDensityDisplay.from_estimator(model, X, y, feature=2, grid_resolution=20)
        profile = np.tile(np.median(X, axis=0), (20, 1))
        profile[:, 2] = np.linspace(X[:, 2].min(), X[:, 2].max(), 20)
        expected = model.predict_distribution(profile)
        np.testing.assert_allclose(display.lines_[1].get_ydata(), expected.median())
        assert display.ax_.get_xlabel() == "feature 2"

    @pytest.mark.parametrize("library", ["pandas", "polars"])
    @pytest.mark.parametrize("feature", ["b", 1, -2])
    def test_data_frames(self, library, feature):
        frames = pytest.importorskip(library)
        model, X, y = fitted()
        frame = frames.DataFrame(dict(zip("abc", X.T, strict=True)))
        model.fit(frame, y)
        display = ConditionalDensityDisplay.from_estimator(
            model, frame, y, feature=feature, grid_resolution=20
        )
        expected = ConditionalDensityDisplay.from_estimator(
            LinearDensity().fit(X, y), X, y, feature=1, grid_resolution=20
        )
        np.testing.assert_allclose(display.density_, expected.density_, rtol=1e-6)
        assert display.ax_.get_xlabel() == "b"

    def test_columns_may_have_numbers_for_names(self):
        _, X, y = fitted()
        frame = pytest.importorskip("pandas").DataFrame(X)
        display = ConditionalDensityDisplay.from_estimator(LinearDensity().fit(frame, y), frame, y, feature=1)
        expected = ConditionalDensityDisplay.from_estimator(LinearDensity().fit(X, y), X, y, feature=1)
        np.testing.assert_allclose(display.density_, expected.density_, rtol=1e-6)

    def test_one_row_and_a_column_of_places(self):
        one = ConditionalDensityDisplay.from_predictions(None, mixture()[:1], levels=[])
        assert (one.density_.shape[1], one.lines_) == (1, [])
        places = np.arange(1.0, N + 1)
        column = ConditionalDensityDisplay.from_predictions(None, mixture(), x=places[:, None])
        np.testing.assert_array_equal(column.x, places)

    @pytest.mark.parametrize("library", ["pandas", "polars"])
    def test_columns_that_are_no_numbers_stand_at_the_most_frequent_value(self, library):
        frames = pytest.importorskip(library)
        columns = {
            "a": [1, 5, 2, 9],
            "kind": ["u", "v", "v", None],
            "on": [True, False, True, True],
            "empty": [None] * 4,
            "b": [0.0, 1.0, None, 3.0],
        }
        frame = frames.DataFrame(columns)
        if library == "pandas":
            frame = frame.astype({"kind": "category"}).set_index(np.array([7, 7, 3, 1]))
        profile, values, name = feature_profile(frame, "b", 3)
        assert type(profile) is type(frame)
        assert profile["kind"].dtype == frame["kind"].dtype
        assert {key: list(profile[key]) for key in ("a", "kind", "on", "b")} == {
            "a": [3.5] * 3,
            "kind": ["v"] * 3,
            "on": [True] * 3,
            "b": [0.0, 1.5, 3.0],
        }
        np.testing.assert_array_equal(values, [0.0, 1.0, np.nan, 3.0])
        assert name == "b"
        with pytest.raises(ValueError, match="a column of numbers, got 'kind' of type"):
            feature_profile(frame, "kind", 3)

    @pytest.mark.parametrize("kind", ["heatmap", "bands"])
    def test_other_distributions(self, kind):
        normal = stats.norm(np.linspace(0, 5, N), 1.0)
        display = ConditionalDensityDisplay.from_predictions(np.zeros(N), normal, kind=kind)
        np.testing.assert_allclose(display.density_, normal.pdf(display.y_grid_[:, None]))
        with pytest.raises(TypeError, match="modes are found for a MixtureDistribution only, got rv_"):
            display.plot(modes=True)

    def test_wrapped_estimators(self):
        def log_pipeline(model):
            return make_pipeline(
                StandardScaler(), TransformedTargetRegressor(model, func=np.arcsinh, inverse_func=np.sinh)
            )

        model, X, y = fitted(n_features=1, wrap=log_pipeline)
        display = ConditionalDensityDisplay.from_estimator(FrozenEstimator(model), X, y, grid_resolution=10)
        area = np.trapezoid(display.density_, display.y_grid_, axis=0)
        np.testing.assert_allclose(area, 1.0, atol=0.03)

    def test_targets(self):
        model, X, y = fitted(n_targets=2, n_features=1)
        display = ConditionalDensityDisplay.from_estimator(model, X, y, target=1, grid_resolution=10)
        np.testing.assert_allclose(display.points_.get_ydata(), y[:, 1])
        grid = np.linspace(X.min(), X.max(), 10)[:, None]
        np.testing.assert_allclose(
            display.lines_[1].get_ydata(), model.predict_distribution(grid).median()[:, 1]
        )
        assert display.ax_.get_ylabel() == "target 1"
        with pytest.raises(ValueError, match="target must say which of the 2 targets"):
            ConditionalDensityDisplay.from_estimator(model, X, y)

    @pytest.mark.parametrize(
        ("arguments", "error", "message"),
        [
            ({"kind": "violin"}, ValueError, "kind must be"),
            ({"levels": [0.0, 0.5]}, ValueError, "levels must"),
            ({"x": np.zeros(N - 1)}, ValueError, "inconsistent"),
            ({"y_true": np.zeros(N - 1)}, ValueError, "y_true must hold one value for each of the 30 rows"),
            ({"levels": [[0.1, 0.9]]}, ValueError, "levels must be a flat list"),
            ({"y_grid": []}, ValueError, "minimum of 1 is required"),
            ({"y_grid": [0.0, np.nan]}, ValueError, "y_grid contains NaN"),
            ({"x": np.zeros((N, 2))}, ValueError, "1d array"),
            ({"x": np.full(N, np.nan)}, ValueError, "x contains NaN"),
            ({"y_dist": np.zeros((N, 5))}, TypeError, "y_dist must have densities to draw"),
            ({"y_dist": [[0.0, 1.0]] * N}, TypeError, "y_dist must have densities to draw"),
            ({"y_dist": object()}, TypeError, "y_dist must be a MixtureDistribution, .* got object"),
            ({"y_dist": stats.norm(np.zeros((N, 2)))}, ValueError, "one univariate distribution a row"),
        ],
    )
    def test_bad_input(self, arguments, error, message):
        with pytest.raises(error, match=message):
            ConditionalDensityDisplay.from_predictions(**{"y_true": None, "y_dist": mixture(), **arguments})

    @pytest.mark.parametrize("library", [None, "pandas", "polars"])
    @pytest.mark.parametrize("feature", [3, -4, "bmi", 1.0, None])
    def test_no_such_feature(self, library, feature):
        model, X, y = fitted()
        if library:
            X = pytest.importorskip(library).DataFrame(dict(zip("abc", X.T, strict=True)))
        with pytest.raises(ValueError, match="feature must be one of the 3 columns"):
            ConditionalDensityDisplay.from_estimator(model, X, y, feature=feature)

    @pytest.mark.parametrize("target", [2, -3, 0.0, "a"])
    def test_no_such_target(self, target):
        for call in (ConditionalDensityDisplay, DensityCurvesDisplay, DensityRidgeDisplay):
            with pytest.raises(ValueError, match="target must be an integer from -2 to 1, got"):
                call.from_predictions(None, mixture_2d(), target=target)
            with pytest.raises(ValueError, match="target must be an integer from -2 to 1, got"):
                call.from_predictions(np.zeros((N, 2)), mixture(), target=target)


class TestCurves:
    def test_curves_components_and_marks(self):
        distribution = mixture()
        y = distribution.mean()
        display = DensityCurvesDisplay.from_predictions(y, distribution, rows=[3, -1])
        grid = display.y_grid_
        for line, row in zip(display.lines_, (3, N - 1), strict=True):
            np.testing.assert_allclose(line.get_xdata(), grid)
            np.testing.assert_allclose(line.get_ydata(), distribution[row].pdf(grid[:, None])[:, 0])
        for lines, row, whole in zip(display.component_lines_, (3, N - 1), display.lines_, strict=True):
            means, weights, variances = (
                a[row] for a in (distribution.means, distribution.weights, distribution.covariances)
            )
            curves = weights[:, None] * stats.norm.pdf(grid, means[:, None], np.sqrt(variances)[:, None])
            seen = curves.max(axis=1) >= 0.02 * curves.max()
            np.testing.assert_allclose([line.get_ydata() for line in lines], curves[seen])
            np.testing.assert_allclose(curves.sum(axis=0), whole.get_ydata())
            assert {line.get_color() for line in lines} == {whole.get_color()}
        np.testing.assert_allclose([point.get_xdata()[0] for point in display.points_], y[[3, -1]])
        assert legend_texts(display.ax_) == ["row 3", f"row {N - 1}", "observed", "components"]

    def test_default_rows_are_spread_over_the_medians(self):
        distribution = mixture()
        display = DensityCurvesDisplay.from_predictions(None, distribution, components=False)
        medians = distribution.median()
        ranks = np.searchsorted(np.sort(medians), medians[display.rows])
        np.testing.assert_array_equal(ranks, np.array([N // 6, N // 2, 5 * N // 6]) - 1)
        assert display.component_lines_ == [[], [], []]
        assert display.points_ == []

    def test_other_distributions(self):
        normal = stats.norm(np.linspace(0, 5, N), 2.0)
        display = DensityCurvesDisplay.from_predictions(None, normal, rows=[2, 7])
        expected = stats.norm.pdf(display.y_grid_, normal.mean()[7], 2.0)
        np.testing.assert_allclose(display.lines_[1].get_ydata(), expected)
        assert display.component_lines_ == [[], []]

    def test_estimator_and_target(self):
        model, X, y = fitted(n_targets=2)
        display = DensityCurvesDisplay.from_estimator(model, X, y, rows=4, target=1)
        expected = model.predict_distribution(X[4:5]).marginal(1).pdf(display.y_grid_[:, None])[:, 0]
        np.testing.assert_allclose(display.lines_[0].get_ydata(), expected)
        assert display.points_[0].get_xdata()[0] == y[4, 1]

    @pytest.mark.parametrize("rows", [[N], [-N - 1], [0.5], [], [[0, 1]], [True]])
    def test_bad_rows(self, rows):
        with pytest.raises(ValueError, match="rows must"):
            DensityCurvesDisplay.from_predictions(None, mixture(), rows=rows)


class TestRidges:
    def test_ridges(self):
        distribution = mixture()
        y = distribution.rvs(random_state=0)
        display = DensityRidgeDisplay.from_predictions(y, distribution, rows=[5, 1, 8], overlap=0.5)
        expected = distribution[[5, 1, 8]].pdf(display.y_grid_[:, None])
        np.testing.assert_allclose(display.density_, expected)
        for j, ridge in enumerate(display.ridges_):
            heights = corners(ridge)[:, 1] + j
            assert heights.min() == pytest.approx(0.0)
            assert heights.max() == pytest.approx(1.5 * expected[:, j].max() / expected.max())
        np.testing.assert_allclose(display.points_.get_xydata(), np.column_stack([y[[5, 1, 8]], [0, -1, -2]]))
        labels = [label.get_text() for label in display.ax_.get_yticklabels()]
        assert labels == ["row 5", "row 1", "row 8"]

    def test_all_ridges_are_in_sight(self):
        display = DensityRidgeDisplay.from_predictions(None, stats.norm([0.0, 0.1, 0.2], [10.0, 1.0, 10.0]))
        low, high = display.ax_.get_ylim()
        tops = [corners(ridge)[:, 1] for ridge in display.ridges_]
        assert low < min(top.min() for top in tops)
        assert max(top.max() for top in tops) < high

    def test_defaults(self):
        model, X, _ = fitted()
        display = DensityRidgeDisplay.from_estimator(model, X)
        medians = model.predict_distribution(X).median()
        assert len(display.rows) == 10
        assert (np.diff(medians[display.rows]) > 0).all()
        assert display.points_ is None
        assert len(DensityRidgeDisplay.from_estimator(model, X[:4]).rows) == 4


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
            ({"y_dist": stats.norm(np.zeros((N, 2)))}, TypeError, "must be a MixtureDistribution"),
            ({"y_true": np.zeros((N, 3))}, ValueError, "y_true must have the shape"),
            ({"targets": [0]}, ValueError, "targets must be two of several"),
            ({"targets": 1}, ValueError, "targets must be two of several, got 1"),
            ({"targets": ("p", "q")}, ValueError, "targets must be an integer from -2 to 1, got 'p'"),
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


class TestTraining:
    network = MDNRegressor(2, n_estimators=3, max_iter=4, hidden_layer_sizes=(4,), random_state=0)

    def test_lines(self):
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(150, 2)), rng.normal(size=150)
        model = self.network.fit(X, y)
        display = TrainingCurveDisplay.from_estimator(model)
        assert len(display.loss_lines_) == len(display.validation_lines_) == 3
        for i in range(3):
            epochs = np.arange(1, len(model.loss_curve_[i]) + 1)
            np.testing.assert_array_equal(display.loss_lines_[i].get_data(), (epochs, model.loss_curve_[i]))
            np.testing.assert_array_equal(
                display.validation_lines_[i].get_data(), (epochs, -model.validation_scores_[i])
            )
        np.testing.assert_allclose(display.best_.get_ydata(), [-max(s) for s in model.validation_scores_])
        np.testing.assert_allclose(
            display.best_.get_xdata(), [1 + np.argmax(s) for s in model.validation_scores_]
        )
        assert legend_texts(display.ax_) == ["training", "held-out", "lowest held-out"]

    def test_without_held_out_rows(self):
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(50, 2)), rng.normal(size=50)
        model = MDNRegressor(1, max_iter=3, early_stopping=False, random_state=0).fit(X, y)
        display = TrainingCurveDisplay.from_estimator(model)
        assert display.validation_lines_ == []
        assert display.best_ is None
        assert legend_texts(display.ax_) == ["training"]

    def test_wrapped(self):
        rng = np.random.default_rng(0)
        X, y = rng.normal(size=(60, 2)), rng.normal(size=60)
        search = GridSearchCV(MDNRegressor(max_iter=2, random_state=0), {"n_components": [1]}, cv=2)
        model = make_pipeline(StandardScaler(), search).fit(X, y)
        display = TrainingCurveDisplay.from_estimator(model)
        np.testing.assert_array_equal(
            display.loss_lines_[0].get_ydata(), model[-1].best_estimator_.loss_curve_[0]
        )

    @pytest.mark.parametrize("curves", [[], [[]], [[np.nan, np.nan]]])
    def test_nothing_to_draw(self, curves):
        with pytest.raises(ValueError, match="loss_curves must hold a curve with a finite value"):
            TrainingCurveDisplay(loss_curves=curves).plot()
        display = TrainingCurveDisplay(loss_curves=[[2.0, 1.0]], validation_scores=[[np.nan, np.nan]]).plot()
        assert display.validation_lines_ == []

    def test_a_high_start_does_not_hide_the_rest(self):
        curve = np.concatenate([[1e6, 1e5], np.linspace(3.0, 1.0, 60)])
        display = TrainingCurveDisplay(loss_curves=[curve]).plot()
        low, high = display.ax_.get_ylim()
        assert low < 1.0 < 3.0 < high < 10.0

    def test_no_network(self):
        model, _, _ = fitted()
        with pytest.raises(TypeError, match="must be a fitted MDNRegressor, got LinearDensity"):
            TrainingCurveDisplay.from_estimator(model)

    @pytest.mark.parametrize("model", [network, make_pipeline(StandardScaler(), network)])
    def test_before_the_fit(self, model):
        with pytest.raises(NotFittedError, match="not fitted yet"):
            TrainingCurveDisplay.from_estimator(clone(model))


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
