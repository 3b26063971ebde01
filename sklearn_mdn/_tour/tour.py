"""``python -m sklearn_mdn``: fit, score and draw densities, on bundled data or on a CSV file."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import joblib
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator
from sklearn.callback import CallbackContext
from sklearn.linear_model import BayesianRidge
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.pipeline import Pipeline

from sklearn_mdn._distributions.mixture import MixtureDistribution
from sklearn_mdn._distributions.unwrap import predict_distribution
from sklearn_mdn._estimators.regressor import MDNRegressor
from sklearn_mdn._tour.table import Table, TableError, column_pipeline, diabetes_table, read_table
from sklearn_mdn.metrics._scores import coverage, crps, log_likelihood

CONFIDENCE = 0.9
TEST_SIZE = 0.25
# An ensemble, which was better than one network on every data set of benchmarks/density.py.
SETTINGS: dict[str, Any] = {"n_estimators": 5, "random_state": 0}
MAX_NAMES = 20


class _EpochLine:
    """Callback that counts the epochs of a fit in one line of the terminal, or in a last line of a log."""

    def __init__(self) -> None:
        self._in_place = sys.stdout.isatty()
        self._text = ""

    def setup(self, estimator: BaseEstimator, context: CallbackContext) -> None:
        self._start = perf_counter()

    def on_fit_task_begin(self, estimator: BaseEstimator, context: CallbackContext) -> None:
        pass

    def on_fit_task_end(self, estimator: BaseEstimator, context: CallbackContext) -> None:
        if context.max_subtasks:  # the fit itself, not one of its epochs
            return
        epoch, n_epochs = context.task_id + 1, context.parent.max_subtasks
        seconds = perf_counter() - self._start
        self._text = f"  epoch {epoch} of {n_epochs}, {seconds:.1f} s"
        if self._in_place:
            print(f"\r{self._text}", end="", flush=True)

    def teardown(self, estimator: BaseEstimator, context: CallbackContext) -> None:
        if self._text:
            print("" if self._in_place else self._text, flush=True)


def main(argv: Sequence[str] | None = None, *, model: MDNRegressor | None = None) -> int:
    """Run the tour.

    Parameters
    ----------
    argv : sequence of str, default=None
        Command line arguments, by default those of the process.
    model : MDNRegressor, default=None
        What to fit in place of the tour's own settings.

    Returns
    -------
    int
        Exit status: 0, or 2 with one line on standard error.
    """
    arguments = _parser().parse_args(argv)
    try:
        table, out = _read(arguments)
        _tour(table, MDNRegressor(**SETTINGS) if model is None else model, out)
    except TableError as error:
        return _refuse(str(error))
    except OSError as error:  # no right to write here, or no room
        return _refuse(": ".join(str(part) for part in (error.filename, error.strerror) if part))
    return 0


def _refuse(message: str) -> int:
    print(f"sklearn_mdn: error: {message}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sklearn_mdn",
        description="Fit a mixture density network, compare it with a linear-Gaussian model on held-out rows "
        "and draw the predicted densities. Without arguments: on data bundled with scikit-learn.",
    )
    parser.add_argument("data", nargs="?", help="CSV file with a header line")
    parser.add_argument("--target", metavar="NAME", help="column to be predicted")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="where to save the pipeline [mdn_<data>.joblib for a CSV file; else it is not saved]",
    )
    return parser


def _read(arguments: argparse.Namespace) -> tuple[Table, Path | None]:
    """The table, and where the pipeline goes (None for the bundled data, unless asked for)."""
    if arguments.data is None:
        if arguments.target is not None:
            raise TableError("--target needs a CSV file to take the column from")
        out = arguments.out
        table = diabetes_table()
    else:
        if arguments.target is None:
            raise TableError(f"--target NAME is needed: which column of {arguments.data} is to be predicted")
        table = read_table(arguments.data, arguments.target)
        out = arguments.out or f"mdn_{table.name}.joblib"
    if out is not None and Path(out).is_dir():
        raise TableError(f"{out}: is a folder, --out takes a file name")
    if out is not None and not Path(out).resolve().parent.is_dir():
        raise TableError(f"{out}: no such folder to save the pipeline in")
    return table, None if out is None else Path(out)


def _tour(table: Table, model: MDNRegressor, out: Path | None) -> None:
    """Fit on one part of the rows, compare on the other, draw and save."""
    X_train, X_test, y_train, y_test = train_test_split(table.X, table.y, test_size=TEST_SIZE, random_state=0)
    print(f"{table.name}: {len(table.y)} rows, {_columns(table)}; target: {table.target}")
    for note in table.notes:
        print(f"  {note}")
    print(f"{len(y_train)} rows to learn from, {len(y_test)} held out")
    print(f"Fitting {model}")

    start = perf_counter()
    pipeline = Pipeline([("columns", column_pipeline(table)), ("mdn", model.set_callbacks(_EpochLine()))])
    pipeline.fit(X_train, y_train)
    seconds = perf_counter() - start
    model.set_callbacks()  # the line is not part of what is saved
    density = predict_distribution(pipeline, X_test)

    start = perf_counter()
    baseline = Pipeline([("columns", column_pipeline(table)), ("linear", BayesianRidge())])
    baseline.fit(X_train, y_train)
    baseline_seconds = perf_counter() - start
    mean, std = baseline.predict(X_test, return_std=True)
    gaussian = MixtureDistribution(np.ones((len(mean), 1)), mean[:, None], np.square(std)[:, None])

    measured = judge(density, y_test) | {"fit time, s": seconds}
    compared = judge(gaussian, y_test) | {"fit time, s": baseline_seconds}
    print(f"\n{comparison(measured, compared)}\n")
    print(_draw(density, gaussian, y_test, table))
    if out is not None:
        _save(pipeline, out, table)


def judge(distribution: MixtureDistribution, y: NDArray[np.float64]) -> dict[str, float]:
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
    kinds = {"numeric": len(table.numeric), "categorical": len(table.categorical)}
    text = " and ".join(f"{number} {kind}" for kind, number in kinds.items() if number)
    return f"{text} column{'s' * (len(table.columns) > 1)}"


def _draw(
    density: MixtureDistribution, gaussian: MixtureDistribution, y: NDArray[np.float64], table: Table
) -> str:
    """Write the picture beside the process, and say so."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        return "For a picture of the densities, install matplotlib: pip install matplotlib"
    from sklearn_mdn._tour.picture import draw_densities

    path = Path(f"mdn_{table.name}.png")
    draw_densities(
        density,
        gaussian,
        y,
        names=("MDNRegressor", "BayesianRidge"),
        target=table.target,
        confidence=CONFIDENCE,
        path=path,
    )
    return f"Densities drawn in {path}"


def _save(pipeline: Pipeline, path: Path, table: Table) -> None:
    joblib.dump(pipeline, path)
    shown = table.columns[:MAX_NAMES] + ["..."] * (len(table.columns) > MAX_NAMES)
    print(f"Pipeline, fitted to {1 - TEST_SIZE:.0%} of the rows, saved in {path}")
    print(f"  X holds {_columns(table)}, in this order: {', '.join(shown)}")
    print(f"  joblib.load({str(path)!r}).predict(X, quantiles=[0.05, 0.5, 0.95])")
