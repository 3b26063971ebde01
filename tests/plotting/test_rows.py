"""Displays of chosen rows: the numbers that are on the artists."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import stats
from sklearn.compose import TransformedTargetRegressor

from sklearn_mdn import MixtureDistribution
from sklearn_mdn.plotting import (
    ConditionalDensityDisplay,
    DensityCurvesDisplay,
    DensityRidgeDisplay,
)
from tests._distributions.linear_density import LinearDensity
from tests.plotting.cases import N, corners, fitted, legend_texts, mixture


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

    @pytest.mark.parametrize(("n_components", "n_drawn"), [(1, 1), (8, 8), (9, 0), (25, 0)])
    def test_components_of_an_ensemble_are_left_out(self, n_components, n_drawn):
        weights = np.full((4, n_components), 1 / n_components)
        means = np.arange(n_components) + np.zeros((4, 1))
        distribution = MixtureDistribution(weights, means, np.ones_like(means))
        display = DensityCurvesDisplay.from_predictions(None, distribution)
        assert [len(lines) for lines in display.component_lines_] == [n_drawn] * 3
        assert ("components" in legend_texts(display.ax_)) is (n_drawn > 0)
        every = display.plot(components=True)
        assert [len(lines) for lines in every.component_lines_] == [n_components] * 3
        assert display.plot(components=False).component_lines_ == [[], [], []]

    @pytest.mark.parametrize("components", ["all", None, 1])
    def test_bad_components(self, components):
        with pytest.raises(ValueError, match="components must be True, False or 'auto', got"):
            DensityCurvesDisplay.from_predictions(None, mixture(), components=components)

    def test_no_two_curves_look_alike(self):
        normal = stats.norm(np.arange(28.0), 1.0)
        display = DensityCurvesDisplay.from_predictions(normal.mean(), normal, rows=range(28))
        looks = {(line.get_color(), str(line._unscaled_dash_pattern)) for line in display.lines_}
        assert len(looks) == 28
        assert len({line.get_color() for line in display.lines_[:7]}) == 7
        colors = [line.get_color() for line in display.lines_]
        assert [point.get_color() for point in display.points_] == colors
        with pytest.raises(ValueError, match=r"rows must be at most 28, .* got 29; DensityRidge"):
            DensityCurvesDisplay.from_predictions(None, mixture(), rows=range(29))


MEANS = np.linspace(0, 3, 20)


@pytest.mark.parametrize("display", [ConditionalDensityDisplay, DensityCurvesDisplay, DensityRidgeDisplay])
@pytest.mark.parametrize(
    "foreign",
    [
        stats.norm(MEANS, 1.0),
        stats.Normal(mu=MEANS, sigma=1.0),
        [stats.norm(mean, 1.0) for mean in MEANS],
        torch.distributions.Normal(torch.from_numpy(MEANS), 1.0),
    ],
    ids=["frozen", "random variable", "list", "torch"],
)
def test_distributions_of_other_projects(display, foreign):
    drawn = display.from_predictions(MEANS, foreign).plot(y_grid=np.linspace(-3, 6, 50))
    rows = drawn.rows_ if display is ConditionalDensityDisplay else drawn.rows
    heights = (
        np.array([line.get_ydata() for line in drawn.lines_]).T
        if display is DensityCurvesDisplay
        else drawn.density_
    )
    expected = stats.norm(MEANS, 1.0).pdf(drawn.y_grid_[:, None])[:, rows]
    np.testing.assert_allclose(heights, expected, rtol=1e-6)


@pytest.mark.parametrize("display", [DensityCurvesDisplay, DensityRidgeDisplay])
class TestTransformedTargets:
    def test_a_grid_stays_where_the_transform_is_defined(self, display):
        rng = np.random.default_rng(0)
        X = rng.normal(size=(40, 1))
        y = np.exp(X[:, 0] + rng.normal(size=40))
        model = TransformedTargetRegressor(LinearDensity(), func=np.log, inverse_func=np.exp).fit(X, y)
        drawn = display.from_estimator(model, X, y, rows=[0, 7])
        assert drawn.y_grid_[0] > 0
        expected = stats.lognorm(
            model.regressor_.covariance_[0, 0] ** 0.5, scale=np.exp(model.regressor_.predict(X[[0, 7]]))
        )
        heights = (
            np.array([line.get_ydata() for line in drawn.lines_]).T
            if display is DensityCurvesDisplay
            else drawn.density_
        )
        np.testing.assert_allclose(heights, expected.pdf(drawn.y_grid_[:, None]), rtol=1e-6, atol=1e-12)


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

    @pytest.mark.parametrize("overlap", [-1, -1e-9, np.nan, np.inf, "a", [1.0, 2.0]])
    def test_bad_overlap(self, overlap):
        with pytest.raises(ValueError, match="overlap must be"):
            DensityRidgeDisplay.from_predictions(None, mixture(), overlap=overlap)

    def test_no_overlap(self):
        display = DensityRidgeDisplay.from_predictions(None, mixture(), overlap=0)
        tops = [corners(ridge)[:, 1].max() for ridge in display.ridges_]
        assert (np.array(tops) <= 1.0 - np.arange(10)).all()
