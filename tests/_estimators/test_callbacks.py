"""Epochs as scikit-learn's callbacks and the reader of ``verbose`` see them."""

from __future__ import annotations

import re

import numpy as np
import pytest
from sklearn.callback import ProgressBar, ScoringMonitor
from sklearn.metrics import r2_score
from sklearn.model_selection import GridSearchCV
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from sklearn_mdn import MDNRegressor

SETTINGS = {
    "n_components": 3,
    "hidden_layer_sizes": (8,),
    "max_iter": 4,
    "random_state": 0,
    "dtype": "float64",
}


def problem(n=120):
    generator = np.random.default_rng(0)
    X = generator.normal(size=(n, 3))
    return X, 100.0 * (np.sin(2 * X[:, 0]) + 0.3 * generator.normal(size=n))


class Recorder:
    """Keeps what it is told, and asks for the end after some epochs."""

    def __init__(self, stop_after=None):
        self.stop_after, self.events, self.fitted = stop_after, [], []

    def setup(self, estimator, context):
        self.events.append(("setup", context.task_name, context.max_subtasks))

    def teardown(self, estimator, context):
        self.events.append(("teardown", context.task_name))

    def on_fit_task_begin(self, estimator, context, *, X=None, y=None, metadata=None):
        self.events.append(("begin", context.task_name, context.task_id))
        self.given = X, y, metadata

    def on_fit_task_end(self, estimator, context, *, X=None, y=None, metadata=None, fitted_estimator=None):
        self.events.append(("end", context.task_name, context.task_id))
        self.fitted.append(fitted_estimator)
        return context.task_name == "epoch" and context.task_id + 1 == self.stop_after


def expected_events(n_epochs, max_iter):
    epochs = [(hook, "epoch", i) for i in range(n_epochs) for hook in ("begin", "end")]
    return [
        ("setup", "fit", max_iter),
        ("begin", "fit", 0),
        *epochs,
        ("end", "fit", 0),
        ("teardown", "fit"),
    ]


@pytest.mark.parametrize("extra", [{}, {"n_estimators": 2}, {"early_stopping": False}])
def test_each_epoch_is_a_task_of_the_fit(extra):
    X, y = problem()
    weight = np.linspace(0.5, 2.0, len(X))
    recorder = Recorder()
    model = MDNRegressor(**SETTINGS, **extra).set_callbacks(recorder)
    model.fit(X, y, sample_weight=weight)
    assert recorder.events == expected_events(4, max_iter=4)
    X_given, y_given, metadata = recorder.given
    assert X_given is X
    assert y_given is y
    assert metadata["sample_weight"] is weight
    assert not [name for name in vars(model) if "callback_" in name]


@pytest.mark.parametrize("extra", [{}, {"n_estimators": 2}, {"early_stopping": False}])
def test_each_epoch_hands_over_an_estimator_that_works(extra):
    X, y = problem()
    recorder = Recorder()
    model = MDNRegressor(**(SETTINGS | {"random_state": 4} | extra)).set_callbacks(recorder).fit(X, y)
    fitted = recorder.fitted
    assert len(fitted) == 5
    for epoch, estimator in enumerate(fitted[:4], start=1):
        assert estimator.n_iter_.tolist() == [epoch] * model.n_estimators
        assert np.isfinite(estimator.score(X, y))
        if model.early_stopping:
            assert (estimator.best_validation_score_ >= [v.max() for v in estimator.validation_scores_]).all()
    np.testing.assert_array_equal(fitted[3].predict(X), model.predict(X))
    np.testing.assert_array_equal(fitted[4].predict(X), model.predict(X))
    # What was handed over is not the networks still in training.
    if not model.early_stopping:  # else an epoch may leave the best weights as they are
        assert np.abs(fitted[0].predict(X) - fitted[3].predict(X)).max() > 1e-3


@pytest.mark.filterwarnings("error")
def test_a_callback_can_stop_the_fit():
    X, y = problem()
    recorder = Recorder(stop_after=2)
    # ``tol`` is not met, yet the end is no surprise: no ConvergenceWarning.
    model = MDNRegressor(**SETTINGS, tol=0.0).set_callbacks(recorder).fit(X, y)
    assert model.n_iter_.tolist() == [2]
    assert recorder.events == expected_events(2, max_iter=4)


def test_no_epoch_begins_after_every_member_has_stopped():
    X, y = problem()
    recorder = Recorder()
    settings = SETTINGS | {"max_iter": 9, "tol": 1e9, "n_iter_no_change": 3}
    MDNRegressor(**settings, n_estimators=2).set_callbacks(recorder).fit(X, y)
    assert recorder.events == expected_events(3, max_iter=9)


def test_a_warm_start_hands_over_both_fits():
    X, y = problem()
    recorder = Recorder()
    model = MDNRegressor(**SETTINGS, warm_start=True).fit(X, y)
    model.set_callbacks(recorder).fit(X, y)
    assert [estimator.n_iter_.tolist() for estimator in recorder.fitted[:4]] == [[5], [6], [7], [8]]
    np.testing.assert_array_equal(recorder.fitted[3].loss_curve_[0], model.loss_curve_[0])


@pytest.mark.parametrize("scoring", [["r2"], ["r2", "neg_mean_absolute_error"]])
@pytest.mark.parametrize("weighted", [False, True])
def test_scoring_monitor_scores_each_epoch(scoring, weighted):
    X, y = problem()
    weight = np.linspace(0.5, 2.0, len(X)) if weighted else None
    monitor = ScoringMonitor(scoring=scoring)
    # With rows held out, an epoch may leave the best weights as they are.
    model = MDNRegressor(**SETTINGS, early_stopping=False).set_callbacks(monitor)
    model.fit(X, y, sample_weight=weight)
    epochs = [row for row in monitor.get_logs().data if row["task_name"] == "epoch"]
    assert len(epochs) == 4
    assert all(np.isfinite(row[name]) for row in epochs for name in scoring)
    assert epochs[-1]["r2"] == pytest.approx(r2_score(y, model.predict(X), sample_weight=weight), rel=1e-9)
    assert epochs[-1]["r2"] != epochs[0]["r2"]


def test_a_progress_bar_is_drawn(capsys):
    X, y = problem()
    MDNRegressor(**SETTINGS).set_callbacks(ProgressBar()).fit(X, y)
    drawn = capsys.readouterr().out
    assert "MDNRegressor - fit" in drawn
    assert "100%" in drawn


def test_a_progress_bar_of_a_search_reaches_its_networks(capsys):
    X, y = problem()
    pipeline = make_pipeline(StandardScaler(), MDNRegressor(**SETTINGS))
    search = GridSearchCV(pipeline, {"mdnregressor__n_components": [1, 2]}, cv=2)
    search.set_callbacks(ProgressBar(max_propagation_depth=None)).fit(X, y)
    drawn = capsys.readouterr().out
    assert "GridSearchCV - fit" in drawn
    assert "MDNRegressor - fit" in drawn
    assert np.isfinite(search.best_score_)


# verbose


@pytest.mark.parametrize(
    ("verbose", "max_iter", "epochs"),
    [
        (0, 5, []),
        (1, 5, [1, 2, 3, 4, 5]),
        (1, 61, [*range(3, 61, 3), 61]),
        (2, 30, [*range(1, 31)]),
        (True, 3, [1, 2, 3]),
    ],
)
def test_verbose_prints_epochs(capsys, verbose, max_iter, epochs):
    X, y = problem()
    model = MDNRegressor(**(SETTINGS | {"max_iter": max_iter}), verbose=verbose).fit(X, y)
    *lines, last = capsys.readouterr().out.splitlines() or [""]
    assert last == (
        f"Stopped: network 0 after {max_iter} epochs (max_iter={max_iter} reached)." * (verbose > 0)
    )
    pattern = r"Epoch (\d+)/(\d+), log-likelihood (-?[\d.]+), validation log-likelihood (-?[\d.]+)"
    found = [re.fullmatch(pattern, line).groups() for line in lines]
    assert [int(groups[0]) for groups in found] == epochs
    for epoch, total, train, score in found:
        assert int(total) == max_iter
        assert float(train) == pytest.approx(-model.loss_curve_[0][int(epoch) - 1], abs=1e-4)
        assert float(score) == pytest.approx(model.validation_scores_[0][int(epoch) - 1], abs=1e-4)


def test_verbose_says_nothing_of_held_out_rows_that_are_not(capsys):
    X, y = problem()
    MDNRegressor(**(SETTINGS | {"max_iter": 1}), verbose=1, early_stopping=False).fit(X, y)
    pattern = (
        r"Epoch 1/1, log-likelihood -?[\d.]+\nStopped: network 0 after 1 epoch \(max_iter=1 reached\)\.\n"
    )
    assert re.fullmatch(pattern, capsys.readouterr().out)


def test_verbose_says_why_networks_stopped(capsys):
    X, y = problem()
    settings = SETTINGS | {"max_iter": 40, "n_iter_no_change": 1, "n_estimators": 4}
    model = MDNRegressor(**settings, verbose=1, tol=0.01).fit(X, y)
    last = capsys.readouterr().out.splitlines()[-1]
    assert (model.n_iter_ < 40).any()
    for number, n_iter in enumerate(model.n_iter_):
        reason = "max_iter=40 reached" if n_iter == 40 else "no improvement in n_iter_no_change=1 epochs"
        assert re.search(rf"networks? [\d, ]*\b{number}\b[\d, ]* after {n_iter} epochs? \({reason}\)", last)


def test_verbose_says_that_a_callback_ended_it(capsys):
    X, y = problem()
    MDNRegressor(**(SETTINGS | {"max_iter": 9}), verbose=1).set_callbacks(Recorder(stop_after=1)).fit(X, y)
    last = capsys.readouterr().out.splitlines()[-1]
    assert last == "Stopped: network 0 after 1 epoch (a callback asked for it)."
