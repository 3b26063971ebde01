"""What each default of MDNRegressor is worth, on rows held out of the training rows of the standard splits.

``python benchmarks/ablation.py DATA`` changes one thing at a time and fits on four fifths of a split's
training rows, judging by the remaining fifth: the test rows are never looked at, so that defaults can be
chosen by what it prints.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
from _methods import METHODS, versions_of
from _peers import add_out, as_script, heading, progress, run_line, table, write_page
from density import DataSet, read_data
from joblib import Parallel, delayed, parallel_config
from sklearn.datasets import load_diabetes
from threadpoolctl import threadpool_limits

from sklearn_mdn import MDNRegressor
from sklearn_mdn._estimators import architecture, calibration, likelihood, regressor
from sklearn_mdn._estimators.calibration import Calibration
from sklearn_mdn._tables import names
from sklearn_mdn._training import loop


def own_factors(plan, trained, device) -> Calibration:
    """What stands in for ``ensemble_calibration`` where each member keeps the factor that suits it alone."""
    return Calibration(np.array([history.calibration for history in trained.histories]))


def own_folds(folds, n_members: int) -> list[np.ndarray]:
    """What stands in for ``members_folds`` where every member holds out a fold of its own."""
    return [folds[i % len(folds)] for i in range(n_members)]


# One change each, by parameter of MDNRegressor or, where there is none, by the constant that holds it.
CHANGES = {
    "defaults": {},
    "numerical_embedding='piecewise_linear'": {"numerical_embedding": "piecewise_linear"},
    "numerical_embedding='periodic'": {"numerical_embedding": "periodic"},
    "numerical_embedding=None": {"numerical_embedding": None},
    "no prior on bins": {"constants": {(likelihood, "BIN_PRECISION"): 0.0}},
    "8 bins": {"constants": {(architecture, "N_BINS"): 8}},
    "no names": {"constants": {(names, "LEAST_RATIO"): math.inf}},
    "32 bins": {"constants": {(architecture, "N_BINS"): 32}},
    "no average of the weights": {"constants": {(loop, "AVERAGING"): 0.0}},
    "no factor on the deviations": {
        "constants": {(likelihood, "CALIBRATIONS"): (1.0,), (likelihood, "FACTORS"): (1.0,)}
    },
    "no share of the marginal density": {"constants": {(calibration, "SHARES"): (1.0,)}},
    "every member's own factor": {"constants": {(regressor, "ensemble_calibration"): own_factors}},
    "every member another fold": {"constants": {(regressor, "members_folds"): own_folds}},
    "activation='relu'": {"activation": "relu"},
    "n_components=1": {"n_components": 1},
    "n_components=3": {"n_components": 3},
    "n_components=10": {"n_components": 10},
    "one layer of 64": {"hidden_layer_sizes": (64,)},
    "three layers of 64": {"hidden_layer_sizes": (64, 64, 64)},
    "two layers of 128": {"hidden_layer_sizes": (128, 128)},
    "dropout=0.05": {"dropout": 0.05},
    "dropout=0.1": {"dropout": 0.1},
    "alpha=0.02": {"alpha": 0.02},
    "alpha=0.3": {"alpha": 0.3},
    "learning_rate_init=0.003": {"learning_rate_init": 0.003},
    "learning_rate_init=0.03": {"learning_rate_init": 0.03},
    "max_iter=100": {"max_iter": 100},
    "max_iter=300": {"max_iter": 300},
    "n_iter_no_change=30": {"n_iter_no_change": 30},
    "n_iter_no_change=None": {"n_iter_no_change": None},
    "batch_size=32": {"batch_size": 32},
    "batch_size=128": {"batch_size": 128},
    "reg_covar=1e-4": {"reg_covar": 1e-4},
    "clip_grad_norm=None": {"clip_grad_norm": None},
    "early_stopping=False": {"early_stopping": False},
}


@contextmanager
def constants(changed: dict) -> Iterator[None]:
    """Set module constants for the duration of the block."""
    before = {(module, name): getattr(module, name) for module, name in changed}
    for (module, name), value in changed.items():
        setattr(module, name, value)
    try:
        yield
    finally:
        for (module, name), value in before.items():
            setattr(module, name, value)


def inner_rows(dataset: DataSet, split: int, limit: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to fit on and to judge by: four fifths and one fifth of (at most ``limit``) training rows."""
    training = np.setdiff1d(np.arange(len(dataset.X)), dataset.test_index[split])
    order = np.random.default_rng(split).permutation(training)[:limit]
    n_judged = len(order) // 5
    return order[n_judged:], order[:n_judged]


def judge(change: str, dataset: DataSet, split: int, options) -> tuple[float, float, float]:
    """Mean log-likelihood of a single network and of the ensemble, and the seconds of the fit."""
    changed = CHANGES[change]
    parameters = {name: value for name, value in changed.items() if name != "constants"}
    fit, judged = inner_rows(dataset, split, options.rows)
    model = MDNRegressor(n_estimators=options.members, random_state=split, **parameters)
    with constants(changed.get("constants", {})):
        choose, own = regressor.ensemble_calibration, {}

        def choose_and_record(plan, trained, device) -> Calibration:
            own["factors"] = own_factors(plan, trained, device).factors
            return choose(plan, trained, device)

        with constants({(regressor, "ensemble_calibration"): choose_and_record}):
            start = time.perf_counter()
            model.fit(dataset.X[fit], dataset.y[fit])
            seconds = time.perf_counter() - start
    together = model.score(dataset.X[judged], dataset.y[judged])
    # A network that is fitted alone keeps the factor that suits it alone.
    model.calibration_ = own["factors"]
    members = model.predict_distribution(dataset.X[judged]).members()
    single = np.mean([member.logpdf(dataset.y[judged]).mean() for member in members])
    return float(single), float(together), seconds


def diabetes(splits: int) -> DataSet:
    """scikit-learn's own data, which have no standard splits and keep no test rows back."""
    X, y = load_diabetes(return_X_y=True)
    return DataSet("diabetes", X, y, np.empty((splits, 0), dtype=int))


def rows_of(results: dict, names: Sequence[str], column: int, baseline: str = "defaults") -> list[list[str]]:
    """One row a change: the baseline's value, and what the change adds to it, split by split."""
    lines = []
    for change, by_data in results.items():
        cells = [change]
        for name in names:
            values = np.array([run[column] for run in by_data[name]])
            if change == baseline:
                cells.append(f"{values.mean():.3f}")
                continue
            gain = values - np.array([run[column] for run in results[baseline][name]])
            error = gain.std(ddof=1) / np.sqrt(len(gain)) if len(gain) > 1 else np.nan
            cells.append(f"{gain.mean():+.3f} ± {error:.3f}")
        lines.append(cells)
    return lines


def judged_runs(judge: Callable, runs: list[tuple], options) -> Iterator[tuple]:
    """Each run with what ``judge`` makes of it, ``options.jobs`` at a time, a thread each."""
    with (
        progress(len(runs)) as advance,
        parallel_config("loky", inner_max_num_threads=1),
        threadpool_limits(1),  # where one job runs in this process
    ):
        workers = Parallel(n_jobs=options.jobs, return_as="generator")
        results = workers(delayed(judge)(*run, options) for run in runs)
        for run, values in zip(runs, results, strict=True):
            advance(", ".join(part.name if isinstance(part, DataSet) else str(part) for part in run))
            yield *run, values


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, metavar="DATA", help="folder with NAME.npz files")
    parser.add_argument("--data", nargs="+", metavar="NAME", default=["yacht", "energy", "concrete"])
    parser.add_argument("--changes", nargs="+", metavar="CHANGE", choices=list(CHANGES))
    parser.add_argument("--splits", type=int, default=3, help="the first so many splits (default: 3)")
    parser.add_argument("--members", type=int, default=5, help="networks in an ensemble (default: 5)")
    parser.add_argument("--jobs", type=int, default=1, help="fits at a time, a thread each (default: 1)")
    parser.add_argument("--rows", type=int, default=3000, help="training rows at most (default: 3000)")
    add_out(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    data = [*read_data(options.folder, options.data), diabetes(options.splits)]
    chosen = dict.fromkeys(["defaults", *(options.changes or CHANGES)])
    runs = [
        (change, dataset, split) for change in chosen for dataset in data for split in range(options.splits)
    ]
    results: dict[str, dict[str, list]] = {
        change: {dataset.name: [] for dataset in data} for change in chosen
    }
    for change, dataset, _, values in judged_runs(judge, runs, options):
        results[change][dataset.name].append(values)
    names = [dataset.name for dataset in data]
    parts = []
    for column, title in enumerate(["Single networks", f"Ensembles of {options.members}"]):
        parts += [heading(f"{title}: log-likelihood of the defaults, and what a change adds")]
        parts += [table(["change", *names], rows_of(results, names, column))]
    text = "\n".join([*parts, "", run_line(versions_of(METHODS["mdn"].distributions))])
    print(text)
    write_page(options.out, __file__, text)
    # Not on the page: what else ran meanwhile is in them.
    print(heading("Seconds with the defaults, and what a change adds"))
    print(table(["change", *names], rows_of(results, names, 2)))
    return 0


if __name__ == "__main__":
    as_script(main)
