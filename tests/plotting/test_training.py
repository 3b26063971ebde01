"""The display of the course of training: the numbers that are on the artists."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import NotFittedError
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mdn import MDNRegressor
from sklearn_mdn.plotting import (
    TrainingCurveDisplay,
)
from tests.plotting.cases import fitted, legend_texts


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
