"""The display of densities side by side: the numbers that are on the artists."""

from __future__ import annotations

import numpy as np
import pandas as pd
import polars as pl
import pytest
from scipy import stats
from sklearn.compose import TransformedTargetRegressor
from sklearn.frozen import FrozenEstimator
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mdn import MixtureDistribution
from sklearn_mdn.plotting import (
    ConditionalDensityDisplay,
)
from sklearn_mdn.plotting._profile import feature_profile
from tests._distributions.linear_density import LinearDensity
from tests.plotting.cases import N, Told, corners, fitted, legend_texts, mixture


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
        display = ConditionalDensityDisplay(x=x, y_dist=distribution)
        display.plot(kind="bands", levels=[0.9, 0.1, 0.5, 0.2, 0.8])
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
        column = ConditionalDensityDisplay.from_predictions(None, stats.norm(places, 1.0), x=places[:, None])
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
        profile = feature_profile(frame, "b", 3)
        assert type(profile.rows) is type(frame)
        assert profile.rows["kind"].dtype == frame["kind"].dtype
        assert {key: list(profile.rows[key]) for key in ("a", "kind", "on", "b")} == {
            "a": [3.5] * 3,
            "kind": ["v"] * 3,
            "on": [True] * 3,
            "b": [0.0, 1.5, 3.0],
        }
        np.testing.assert_array_equal(profile.x_points, [0.0, 1.0, np.nan, 3.0])
        assert (profile.name, profile.categories) == ("b", None)
        assert profile.fixed == {"a": 3.5, "kind": "v", "on": True, "empty": None}

    @pytest.mark.parametrize("kind", ["heatmap", "bands"])
    def test_other_distributions(self, kind):
        normal = stats.norm(np.linspace(0, 5, N), 1.0)
        display = ConditionalDensityDisplay.from_predictions(np.zeros(N), normal, kind=kind)
        np.testing.assert_allclose(display.density_, normal.pdf(display.y_grid_[:, None]))
        with pytest.raises(TypeError, match=r"modes are found for .* only, got rv_"):
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
            ({"levels": [], "kind": "bands"}, ValueError, "flat list of levels, at least 2"),
            (
                {"levels": [0.5], "kind": "bands"},
                ValueError,
                "flat list of levels, at least 2",
            ),
            ({"y_grid": []}, ValueError, "y_grid must hold at least two different values"),
            ({"y_grid": [1.0, 1.0]}, ValueError, "y_grid must hold at least two different values"),
            ({"y_grid": 5.0}, ValueError, "y_grid must be a flat list of values, got an array of shape"),
            ({"y_grid": ["a", "b"]}, ValueError, "y_grid must be real numbers"),
            ({"y_grid": [0.0, np.nan]}, ValueError, "y_grid contains NaN"),
            ({"y_true": np.zeros((N, 2))}, ValueError, "y_true must hold one value for each of the 30 rows"),
            ({"target": 99}, ValueError, "target must be an integer from -1 to 0, got 99"),
            ({"x": ["a"] * N}, ValueError, "x must be real numbers"),
            ({"x": np.ones(N)}, ValueError, "x must hold different values"),
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


class TestHeldFixed:
    def test_is_said(self):
        model, X, y = fitted()
        display = ConditionalDensityDisplay.from_estimator(model, X, y, feature=1)
        medians = np.median(X, axis=0)
        assert display.fixed == {"feature 0": medians[0], "feature 2": medians[2]}
        text = display.subtitle_.get_text().replace("\N{NO-BREAK SPACE}", " ")
        assert text == f"held fixed: feature 0 = {medians[0]:.3g}, feature 2 = {medians[2]:.3g}"
        assert display.subtitle_ in display.ax_.texts

    def test_lies_below_the_label(self):
        model, X, _ = fitted()
        display = ConditionalDensityDisplay.from_estimator(model, X)
        display.figure_.canvas.draw()
        below, label = display.subtitle_.get_window_extent(), display.ax_.xaxis.label.get_window_extent()
        assert 0 < below.y0 < below.y1 < label.y1
        assert below.y1 <= label.y0

    def test_nothing_is(self):
        model, X, _ = fitted(n_features=1)
        display = ConditionalDensityDisplay.from_estimator(model, X)
        assert (display.fixed, display.subtitle_) == ({}, None)
        assert ConditionalDensityDisplay.from_predictions(None, mixture()).subtitle_ is None

    def test_of_many_some_are_named(self):
        X = np.random.default_rng(0).normal(size=(20, 100))
        display = ConditionalDensityDisplay.from_estimator(Told(), X)
        text = display.subtitle_.get_text()
        n_named = text.count("=")
        assert text.endswith(f"and {99 - n_named} more")
        assert text.count("\n") == 2
        assert len(display.fixed) == 99

    def test_numbers_texts_lists_and_gaps(self):
        frame = pd.DataFrame({"a": [0.123456] * 3, "b": ["u"] * 3, "c": [[1, 2], [3], [3]], "d": [None] * 3})
        frame["e"] = ["a value that is longer than most"] * 3
        frame["x"] = [1.0, 2.0, 3.0]
        text = ConditionalDensityDisplay.from_estimator(Told(), frame, feature="x").subtitle_.get_text()
        for pair in ("a = 0.123", "b = u", "c = [3]", "d = missing", "e = a value that is lon…"):
            assert pair.replace(" ", "\N{NO-BREAK SPACE}") in text


CATEGORIES = {
    "pandas category": (lambda v: pd.DataFrame({"kind": pd.Categorical(v, ["w", "u", "v"])}), "wuv"),
    "pandas text": (lambda v: pd.DataFrame({"kind": v}), "uvw"),
    "polars text": (lambda v: pl.DataFrame({"kind": v}), "uvw"),
    "polars enum": (lambda v: pl.DataFrame({"kind": pl.Series(v, dtype=pl.Enum(["w", "v", "u"]))}), "wvu"),
    "array": (lambda v: np.array(v, dtype=object)[:, None], "uvw"),
    "array of text": (lambda v: np.array([w or "u" for w in v])[:, None], "uvw"),
}


class TestCategories:
    values = ["u", "w", "v", "v", None, "u"]

    @pytest.mark.parametrize("kind", ["heatmap", "bands"])
    @pytest.mark.parametrize("form", CATEGORIES)
    def test_one_density_each(self, form, kind):
        make, order = CATEGORIES[form]
        told, X = Told(), make(self.values)
        display = ConditionalDensityDisplay.from_estimator(told, X, np.arange(6.0), kind=kind)
        assert type(told.X) is type(X)
        assert "".join(np.asarray(told.X)[:, 0]) == order
        assert [label.get_text() for label in display.ax_.get_xticklabels()] == list(order)
        assert display.density_.shape == (400, 3)
        median = next(line for line in display.lines_ if line.get_label() == "median")
        x, y = median.get_data()
        np.testing.assert_allclose(np.diff(x)[::3], 0.8)  # level, and apart from the next
        np.testing.assert_allclose(y.reshape(3, 3)[:, :2], np.arange(3)[:, None] * [1.0, 1.0], atol=1e-12)
        assert np.isnan(y[2::3]).all()

    def test_observed_values_stand_at_their_category(self):
        frame = pd.DataFrame({"kind": self.values})
        display = ConditionalDensityDisplay.from_estimator(Told(), frame, np.arange(6.0))
        x = display.points_.get_xdata()
        np.testing.assert_array_equal(np.round(x), [0, 2, 1, 1, np.nan, 0])
        assert (np.abs(x - np.round(x))[~np.isnan(x)] < 0.4).all()
        np.testing.assert_array_equal(display.points_.get_ydata(), np.arange(6.0))

    def test_shading_stands_where_the_lines_do(self):
        display = ConditionalDensityDisplay.from_estimator(Told(), pd.DataFrame({"kind": self.values}))
        shading = display.heatmap_.get_array()
        np.testing.assert_allclose(shading[:, ::2], display.density_ / display.density_.max(axis=0))
        assert np.ma.getmaskarray(np.ma.masked_invalid(shading))[:, 1::2].all()
        edges = display.heatmap_.get_coordinates()[0, :, 0]
        np.testing.assert_allclose(edges, [-0.4, 0.4, 0.6, 1.4, 1.6, 2.4])

    def test_truth_values_and_numbers_as_categories(self):
        flags = pd.DataFrame({"on": [True, False, True]})
        assert ConditionalDensityDisplay.from_estimator(Told(), flags).categories == ("False", "True")
        sizes = pd.DataFrame({"size": pd.Categorical([10, 9, 100])})
        assert ConditionalDensityDisplay.from_estimator(Told(), sizes).categories == ("9", "10", "100")

    def test_too_many(self):
        names = pd.DataFrame({"name": [f"row {i}" for i in range(41)]})
        with pytest.raises(ValueError, match="numbers or at most 40 different values, got 41 in 'name'"):
            ConditionalDensityDisplay.from_estimator(Told(), names)
        gaps = pd.DataFrame({"name": pd.Series([None, None], dtype=object)})
        with pytest.raises(ValueError, match="feature must hold"):
            ConditionalDensityDisplay.from_estimator(Told(), gaps)
        with pytest.raises(ValueError, match="feature must hold a value, got nothing but missing values"):
            ConditionalDensityDisplay.from_estimator(Told(), np.full((3, 1), np.nan))

    @pytest.mark.parametrize("library", [pd, pl])
    def test_a_column_of_lists(self, library):
        frame = library.DataFrame({"x": [1.0, 2.0, 4.0], "tags": [["a"], ["b", "c"], ["b", "c"]]})
        told = Told()
        ConditionalDensityDisplay.from_estimator(told, frame, feature="x", grid_resolution=4)
        assert [list(entry) for entry in told.X["tags"]] == [["b", "c"]] * 4
        display = ConditionalDensityDisplay.from_estimator(told, frame, feature="tags")
        assert len(display.categories) == 2

    def test_an_array_of_numbers_and_texts(self):
        X = np.array([[1.0, "u"], [3.0, "v"], [2.0, "v"]], dtype=object)
        told = Told()
        ConditionalDensityDisplay.from_estimator(told, X, grid_resolution=3)
        assert told.X.tolist() == [[1.0, "v"], [2.0, "v"], [3.0, "v"]]


class TestOrder:
    rng = np.random.default_rng(0)

    @pytest.mark.parametrize("n_rows", [12, 50, 2000])
    def test_a_zigzag_is_refused(self, n_rows):
        X = self.rng.normal(size=(n_rows, 5))
        normal = stats.norm(X.sum(axis=1), 0.5)
        with pytest.raises(ValueError, match=r"x must be a variable .* of the rows are turning points"):
            ConditionalDensityDisplay.from_predictions(None, normal, x=X[:, 0])
        with pytest.raises(ValueError, match="x must be a variable that the densities follow"):
            ConditionalDensityDisplay.from_predictions(None, normal, x=np.round(X[:, 0]))

    @pytest.mark.parametrize(
        "curve",
        [
            lambda x: np.sin(20 * x),
            lambda x: np.zeros_like(x),
            lambda x: 1e-9 * np.cos(1e9 * x),
            lambda x: np.floor(5 * x) % 2,
            lambda x: x + 1e-4 * np.cos(1e9 * x),
        ],
    )
    def test_what_follows_x_is_drawn_in_its_order(self, curve):
        x = self.rng.permutation(100) / 100
        y = curve(x)
        places = pd.Series(x, name="length")
        display = ConditionalDensityDisplay.from_predictions(y, stats.norm(y, 1.0), x=places)
        order = np.argsort(x)
        np.testing.assert_array_equal(display.rows_, order)
        np.testing.assert_allclose(display.lines_[1].get_ydata(), y[order])
        assert display.ax_.get_xlabel() == "length"

    def test_a_few_rows_are_drawn_as_they_are(self):
        display = ConditionalDensityDisplay.from_predictions(None, mixture()[:10], x=np.arange(10.0))
        np.testing.assert_allclose(display.lines_[1].get_ydata(), mixture()[:10].median())


class TestSizes:
    def test_columns_are_thinned_out(self):
        x = np.random.default_rng(0).standard_t(3, size=5000)
        normal = stats.norm(np.sin(x), 0.5 + np.abs(x))
        display = ConditionalDensityDisplay.from_predictions(np.sin(x), normal, x=x)
        drawn = x[display.rows_]
        assert 100 < len(drawn) <= 500
        assert (np.diff(drawn) > 0).all()
        assert (drawn[0], drawn[-1]) == (x.min(), x.max())
        # No place on the axis lies farther from a column than it must.
        nearest = np.abs(np.sort(x)[:, None] - drawn).min(axis=1)
        assert nearest.max() <= np.ptp(x) / 499
        expected = normal.pdf(display.y_grid_[:, None])[:, display.rows_]
        np.testing.assert_allclose(display.density_, expected, atol=1e-300)
        np.testing.assert_allclose(display.lines_[1].get_ydata(), np.sin(drawn), atol=1e-9)
        assert display.heatmap_.get_array().size == display.density_.size

    @pytest.mark.parametrize(
        ("n_rows", "n_drawn", "label", "image"),
        [
            (1000, 1000, "observed", False),
            (1001, 1001, "observed", True),
            (20_000, 5000, "5,000 of 20,000 observed", True),
        ],
    )
    def test_points_are_thinned_out(self, n_rows, n_drawn, label, image):
        y = np.arange(float(n_rows))
        display = ConditionalDensityDisplay(
            x=np.arange(3.0), y_dist=stats.norm(np.zeros(3), n_rows), x_points=y / n_rows, y_points=y
        ).plot()
        x, drawn = display.points_.get_data()
        assert len(drawn) == n_drawn
        np.testing.assert_allclose(x, drawn / n_rows)
        assert np.diff(drawn).max() <= np.ceil(n_rows / (n_drawn - 1))
        assert display.points_.get_label() == label
        assert bool(display.points_.get_rasterized()) is image
        assert display.heatmap_.get_rasterized()

    def test_one_row_has_a_width(self):
        display = ConditionalDensityDisplay.from_predictions([0.0], mixture()[:1])
        edges = display.heatmap_.get_coordinates()[0, :, 0]
        assert np.ptp(edges) == pytest.approx(0.8)
        low, high = display.ax_.get_xlim()
        assert low < edges[0] < edges[-1] < high
        assert np.nanmax(np.diff(display.lines_[1].get_xdata())) == pytest.approx(0.8)

    def test_a_feature_with_one_value(self):
        display = ConditionalDensityDisplay.from_estimator(Told(), np.ones((5, 1)), np.zeros(5))
        assert len(display.rows_) == 1
        assert np.ptp(display.heatmap_.get_coordinates()[0, :, 0]) == pytest.approx(0.8)

    def test_a_grid_in_any_order(self):
        display = ConditionalDensityDisplay.from_predictions(None, mixture(), y_grid=[2.0, 0.0, 1.0, 1.0])
        np.testing.assert_array_equal(display.y_grid_, [0.0, 1.0, 2.0])
