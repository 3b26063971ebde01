"""What stacking over candidates is worth against ten networks, on rows held out of the training rows.

``python benchmarks/stacking.py DATA`` trains the candidates of the table's grid once for each split, stacks
some of them and all of them, and judges as ``ablation.py`` does: the test rows are never looked at. Where
``density.py`` declares a scale floor, the log-likelihood has it here too.
"""

from __future__ import annotations

import argparse
import copy
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from _methods import METHODS, STACKING_ESTIMATOR, STACKING_FOLDS, STACKING_GRID, versions_of
from _peers import add_out, as_script, heading, run_line, table, write_page
from ablation import diabetes, inner_rows, judged_runs, rows_of
from density import DataSet, blurred, read_data
from sklearn.model_selection import KFold, ParameterGrid

from sklearn_mdn import MDNRegressor, MDNSearchCV
from sklearn_mdn._search.stacking import stacked
from sklearn_mdn.metrics import log_likelihood

BASELINE = "ten networks"


class KeepingSearch(MDNSearchCV):
    """A search that keeps what it stacks, so that some of it can be stacked again."""

    def _held_out(self, tasks, X, y, fit_params):
        self.held_out_ = super()._held_out(tasks, X, y, fit_params)
        return copy.deepcopy(self.held_out_)


def groups() -> dict[str, list[int]]:
    """What is stacked: each candidate alone, those that stop early, those that do not, all of them."""
    candidates = list(ParameterGrid(STACKING_GRID))
    named = {
        ", ".join(f"{name}={value}" for name, value in parameters.items()): [i]
        for i, parameters in enumerate(candidates)
    }
    stops = [parameters.get("early_stopping", True) for parameters in candidates]
    return named | {
        "those that stop early": [i for i, stop in enumerate(stops) if stop],
        "those trained to the end": [i for i, stop in enumerate(stops) if not stop],
        "all": list(range(len(candidates))),
    }


def judge(dataset: DataSet, split: int, options) -> dict[str, tuple[float, float, float]]:
    """Log-likelihood of the judged rows, coverage of 90 % intervals and seconds of each group."""
    fit, judged = inner_rows(dataset, split, options.rows)
    X, y, X_judged, y_judged = dataset.X[fit], dataset.y[fit], dataset.X[judged], dataset.y[judged]

    def scores(model, seconds: float) -> tuple[float, float, float]:
        density = model.predict_distribution(X_judged)
        lower, upper = density.interval(0.9)
        return (
            log_likelihood(y_judged, blurred(density, dataset.scale_floor)),
            float(np.mean((lower <= y_judged) & (y_judged <= upper))),
            seconds,
        )

    start = time.perf_counter()
    ten = MDNRegressor(n_estimators=10, random_state=split).fit(X, y)
    results = {BASELINE: scores(ten, time.perf_counter() - start)}
    search = KeepingSearch(
        MDNRegressor(**STACKING_ESTIMATOR), STACKING_GRID, cv=KFold(**STACKING_FOLDS), refit="stacking"
    ).fit(X, y)
    fit_time = search.cv_results_["mean_fit_time"] * search.n_splits_
    for name, group in groups().items():
        start = time.perf_counter()
        held_out = copy.deepcopy([part for part in search.held_out_ if part.candidate in group])
        pool, _ = stacked(held_out, len(fit_time), np.ones(len(y)))
        results[name] = scores(pool, fit_time[group].sum() + time.perf_counter() - start)
    return results


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DATA", help="folder with NAME.npz files")
    parser.add_argument("--data", nargs="+", metavar="NAME", default=["yacht", "energy", "concrete"])
    parser.add_argument("--splits", type=int, default=2, help="the first so many splits (default: 2)")
    parser.add_argument("--jobs", type=int, default=1, help="searches at a time, a thread each (default: 1)")
    parser.add_argument("--rows", type=int, default=3000, help="training rows at most (default: 3000)")
    add_out(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    data = [*read_data(options.folder, options.data), diabetes(options.splits)]
    runs = [(dataset, split) for dataset in data for split in range(options.splits)]
    names = [dataset.name for dataset in data]
    results: dict[str, dict[str, list]] = {
        group: {name: [] for name in names} for group in (BASELINE, *groups())
    }
    for dataset, _, by_group in judged_runs(judge, runs, options):
        for group, values in by_group.items():
            results[group][dataset.name].append(values)
    parts = []
    for column, title in enumerate(["log-likelihood", "coverage of 90 % intervals", "seconds"]):
        parts += [heading(f"Ten networks, and what a stack of these candidates adds: {title}")]
        parts += [table(["candidates", *names], rows_of(results, names, column, BASELINE))]
    line = run_line(versions_of(METHODS["mdn"].distributions))
    print("\n".join([*parts, "", line]))
    write_page(options.out, __file__, "\n".join([*parts[:2], "", line]))  # the log-likelihood alone
    return 0


if __name__ == "__main__":
    as_script(main)
