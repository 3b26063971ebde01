"""The tour itself: fit, score and draw densities of a table."""

from __future__ import annotations

import sys
from pathlib import Path
from time import perf_counter
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackContext
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.linear_model import BayesianRidge
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline, make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler

from sklearn_mdn._distributions.mixture import MixtureDistribution
from sklearn_mdn._distributions.predictive import PredictiveDistribution
from sklearn_mdn._estimators.regressor import MDNRegressor
from sklearn_mdn._tables.columns import Columns, read_columns
from sklearn_mdn._tour.saving import replacing
from sklearn_mdn._tour.table import Table
from sklearn_mdn.metrics._scores import coverage, crps, log_likelihood

CONFIDENCE = 0.9
TEST_SIZE = 0.25
# An ensemble, which was better than one network on every data set of benchmarks/density.py.
SETTINGS: dict[str, Any] = {"n_estimators": 5, "random_state": 0}
MAX_CATEGORIES = 20  # of a column, for the linear model
MAX_NOTES = 20


class _EpochLine:
    """Callback that counts the epochs of a fit in one line of the terminal, or in a last line of a log."""

    def __init__(self) -> None:
        self.n_epochs = 0
        self._in_place = sys.stdout.isatty()
        self._text = ""

    def setup(self, estimator: BaseEstimator, context: CallbackContext) -> None:
        self._start = perf_counter()

    def on_fit_task_begin(self, estimator: BaseEstimator, context: CallbackContext) -> None:
        pass

    def on_fit_task_end(self, estimator: BaseEstimator, context: CallbackContext) -> None:
        if context.max_subtasks:  # the fit itself, not one of its epochs
            return
        epoch, self.n_epochs = context.task_id + 1, context.parent.max_subtasks
        seconds = perf_counter() - self._start
        self._text = f"  epoch {epoch} of at most {self.n_epochs}, {seconds:.1f} s"
        if self._in_place:
            print(f"\r{self._text}", end="", flush=True)

    def teardown(self, estimator: BaseEstimator, context: CallbackContext) -> None:
        if self._text:
            print("" if self._in_place else self._text, flush=True)


def run(table: Table, model: MDNRegressor | None, out: Path | None) -> None:
    """Fit on one part of the rows, compare on the other, save and draw.

    Parameters
    ----------
    table : Table
        All rows.
    model : MDNRegressor or None
        What is fitted; None for the tour's own settings.
    out : Path or None
        Where the fitted model is saved, if it is.
    """
    model = MDNRegressor(**SETTINGS) if model is None else model
    X_train, X_test, y_train, y_test = train_test_split(table.X, table.y, test_size=TEST_SIZE, random_state=0)
    print(f"{table.name}: {len(table.y)} rows, {_columns(table)}; target: {table.target}")
    for note in table.notes[:MAX_NOTES]:
        print(f"  {note}")
    if len(table.notes) > MAX_NOTES:
        print(f"  ... and {len(table.notes) - MAX_NOTES} more remarks of this kind")
    print(f"{len(y_train)} rows to learn from, {len(y_test)} held out")
    print(f"Fitting {model}")

    start, line = perf_counter(), _EpochLine()
    model.set_callbacks(line).fit(X_train, y_train)
    seconds = perf_counter() - start
    model.set_callbacks()  # the line is not part of what is saved
    print(f"  {ending(model, line.n_epochs)}")

    start = perf_counter()
    gaussian = linear_gaussian(X_train, y_train, X_test)
    compared = judge(gaussian, y_test) | {"fit time, s": perf_counter() - start}
    density = model.predict_distribution(X_test)
    measured = judge(density, y_test) | {"fit time, s": seconds}
    print(f"\n{comparison(measured, compared)}\n")
    if out is not None:
        _save(model, out, table)
    print(_draw(density, gaussian, y_test, table))


def ending(model: MDNRegressor, n_epochs: int) -> str:
    """When and why the networks of a fitted model ended their training.

    Parameters
    ----------
    model : MDNRegressor
        Fitted.
    n_epochs : int
        Epochs that it could have taken.

    Returns
    -------
    str
        A sentence.
    """
    lengths = np.asarray(model.n_iter_)
    early = lengths[lengths < n_epochs]
    if not early.size:
        return f"All {n_epochs} epochs were used."
    who = {len(lengths): "every network", 1: "one network"}.get(early.size, f"{early.size} networks")
    whole = "" if len(lengths) == 1 else f", {who} of {len(lengths)}"
    when = f"epoch {early.min()}" if np.ptp(early) == 0 else f"epochs {early.min()} to {early.max()}"
    watched = "its held-out rows" if model.early_stopping else "its training rows"
    patience = f"{model.n_iter_no_change} epoch{'s' * (model.n_iter_no_change != 1)}"
    return (
        f"Stopped early{whole} after {when}: for {patience} the "
        f"log-likelihood of {watched} had not improved. The best weights on the way are kept."
    )


def linear_gaussian(X: Any, y: NDArray[np.float64], X_test: Any) -> MixtureDistribution:
    """Predictions of BayesianRidge on gaps filled in and categories as dummies."""
    columns = read_columns(X, "from_dtype")
    n_numbers = columns.numbers.shape[1]
    number = make_pipeline(SimpleImputer(strategy="median", keep_empty_features=True), StandardScaler())
    label = OneHotEncoder(
        handle_unknown="infrequent_if_exist", max_categories=MAX_CATEGORIES, sparse_output=False
    )
    kinds = [
        ("numbers", number, list(range(n_numbers))),
        ("labels", label, list(range(n_numbers, len(columns.names)))),
    ]
    linear = Pipeline([("columns", ColumnTransformer(kinds)), ("linear", BayesianRidge())])
    linear.fit(_objects(columns), y)
    mean, std = linear.predict(_objects(read_columns(X_test, columns.is_categorical)), return_std=True)
    return MixtureDistribution(np.ones((len(mean), 1)), mean[:, None], np.square(std)[:, None])


def _objects(columns: Columns) -> NDArray[np.object_]:
    """Numbers and behind them labels, (n, d)."""
    labels = ["missing" if label is None else str(label) for column in columns.labels for label in column]
    shape = (len(columns.labels), len(columns))
    return np.hstack([columns.numbers.astype(object), np.array(labels, dtype=object).reshape(shape).T])


def judge(distribution: PredictiveDistribution, y: NDArray[np.float64]) -> dict[str, float]:
    """Scores of predicted densities on rows that the model has not seen."""
    return {
        "mean log-likelihood (higher is better)": log_likelihood(y, distribution),
        "CRPS, in units of the target (lower)": crps(y, distribution),
        f"coverage of the {CONFIDENCE:.0%} interval": coverage(y, distribution, confidence=CONFIDENCE),
        "R² of the mean (higher)": float(r2_score(y, distribution.mean())),
    }


def comparison(measured: dict[str, float], compared: dict[str, float]) -> str:
    """Two columns of figures as text."""
    width = max(len(name) for name in measured)
    lines = [f"{'held-out rows':<{width}}  {'MDNRegressor':>14}  {'BayesianRidge':>14}"]
    lines += [f"{name:<{width}}  {measured[name]:>#14.4g}  {compared[name]:>#14.4g}" for name in measured]
    return "\n".join(lines)


def _columns(table: Table) -> str:
    mask = read_columns(table.X, "from_dtype").is_categorical
    kinds = {"numeric": np.count_nonzero(~mask), "categorical": np.count_nonzero(mask)}
    text = " and ".join(f"{number} {kind}" for kind, number in kinds.items() if number)
    return f"{text} column{'s' * (len(mask) > 1)}"


def _draw(
    density: PredictiveDistribution, gaussian: PredictiveDistribution, y: NDArray[np.float64], table: Table
) -> str:
    """Write the picture beside the process, and say so."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return "For a picture of the densities, install matplotlib: pip install matplotlib"
    from sklearn_mdn._tour.picture import draw_densities

    path = Path(f"mdn_{table.name}.png")
    with replacing(path) as new:
        draw_densities(
            density,
            gaussian,
            y,
            names=("MDNRegressor", "BayesianRidge"),
            target=table.target,
            confidence=CONFIDENCE,
            path=new,
        )
    return f"Densities drawn in {path}"


def _save(model: MDNRegressor, path: Path, table: Table) -> None:
    with replacing(path) as new:
        joblib.dump(model, new)
    imports, rows = table.code
    print(f"Model, fitted to {1 - TEST_SIZE:.0%} of the rows, saved in {path}. To use it:")
    print(f"  import joblib\n  {imports}")
    print(f"  model = joblib.load({str(path)!r})")
    print(f"  X = {rows}")
    print("  model.predict(X, quantiles=[0.05, 0.5, 0.95])")
