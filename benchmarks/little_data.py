"""Densities where data say little: log-likelihood on new rows, less that of the normal density of y alone.

``python benchmarks/little_data.py [DATA]`` draws each synthetic case anew for every seed. With a folder DATA
(as for ``density.py``), subsets of 100 training rows of its sets are judged by other training rows, beside
BayesianRidge and a Gaussian process: the test rows of the splits are never looked at.
"""

from __future__ import annotations

import argparse
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from _methods import METHODS, gaussian_process, versions_of
from _peers import add_out, as_script, heading, run_line, table, write_page
from ablation import diabetes, judged_runs
from density import read_data
from scipy import stats
from sklearn.linear_model import BayesianRidge

from sklearn_mdn import MDNRegressor

NEW_ROWS = 500
SUBSET = 100

Rows = tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]


def drawn(n: int, d: int, seed: int, slope: float, deviation: float) -> Rows:
    """n rows and NEW_ROWS new ones of y = slope x_0 + noise."""
    generator = np.random.default_rng(1000 + seed)
    X = generator.normal(size=(n + NEW_ROWS, d))
    y = slope * X[:, 0] + deviation * generator.normal(size=len(X))
    return X[:n], y[:n], X[n:], y[n:]


def repeated(n: int, times: int, seed: int) -> Rows:
    X, y, X_new, y_new = drawn(n, 3, seed, 1.0, 0.5)
    return np.repeat(X, times, axis=0), np.repeat(y, times), X_new, y_new


def equal(n: int, seed: int) -> Rows:
    X, y, X_new, y_new = drawn(n, 3, seed, 0.0, 1.0)
    return np.ones_like(X), y, np.ones_like(X_new), y_new


CASES: dict[str, Callable[[int], Rows]] = {
    "noise, 10 columns, 20 rows": lambda seed: drawn(20, 10, seed, 0.0, 1.0),
    "noise, 10 columns, 50 rows": lambda seed: drawn(50, 10, seed, 0.0, 1.0),
    "noise, 10 columns, 200 rows": lambda seed: drawn(200, 10, seed, 0.0, 1.0),
    "10 rows, 30 times each": lambda seed: repeated(10, 30, seed),
    "equal X, 20 rows": lambda seed: equal(20, seed),
    "equal X, 200 rows": lambda seed: equal(200, seed),
    "2 rows": lambda seed: drawn(2, 3, seed, 1.0, 0.5),
    "3 rows": lambda seed: drawn(3, 3, seed, 1.0, 0.5),
    "10 rows": lambda seed: drawn(10, 3, seed, 1.0, 0.5),
    "noise, 2000 columns, 100 rows": lambda seed: drawn(100, 2000, seed, 0.0, 1.0),
    "a line, 2000 columns, 100 rows": lambda seed: drawn(100, 2000, seed, 1.0, 0.5),
}


def subset(dataset, seed: int) -> Rows:
    """SUBSET training rows of a split (four fifths, where there are few), and other training rows."""
    split = seed % len(dataset.test_index)
    training = np.setdiff1d(np.arange(len(dataset.X)), dataset.test_index[split])
    order = np.random.default_rng(seed).permutation(training)
    fit, new = np.split(order, [min(SUBSET, len(order) * 4 // 5)])
    new, y = new[:NEW_ROWS], dataset.y if dataset.y.ndim == 1 else dataset.y[:, 0]
    return dataset.X[fit], y[fit], dataset.X[new], y[new]


def marginal_score(y: np.ndarray, y_new: np.ndarray) -> float:
    return float(stats.norm(y.mean(), y.std()).logpdf(y_new).mean())


def judge(method: str, case: str, rows: Callable[[int], Rows], seed: int, options) -> float:
    X, y, X_new, y_new = rows(seed)
    if method == "BayesianRidge":
        mean, deviation = BayesianRidge().fit(X, y).predict(X_new, return_std=True)
        score = stats.norm(mean, deviation).logpdf(y_new).mean()
    elif method == "Gaussian process":
        normal = gaussian_process(X, y)(X_new)
        deviation = np.sqrt(normal["covariances"][:, 0])
        score = stats.norm(normal["means"][:, 0], deviation).logpdf(y_new).mean()
    else:
        members = {"one network": 1, "ten networks": 10}[method]
        score = MDNRegressor(n_estimators=members, random_state=seed).fit(X, y).score(X_new, y_new)
    return float(score) - marginal_score(y, y_new)


def lines_of(results: dict, methods: Sequence[str]) -> list[list[str]]:
    """One row a case: means over the seeds, ± their standard error."""
    lines = []
    for case, by_method in results.items():
        cells = [case]
        for method in methods:
            gains = np.array(by_method[method])
            error = gains.std(ddof=1) / np.sqrt(len(gains)) if len(gains) > 1 else np.nan
            cells.append(f"{gains.mean():+.3f} ± {error:.3f}")
        lines.append(cells)
    return lines


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, nargs="?", metavar="DATA", help="folder with NAME.npz files")
    parser.add_argument("--cases", nargs="*", metavar="CASE", choices=list(CASES), default=list(CASES))
    parser.add_argument("--data", nargs="+", metavar="NAME", default=["yacht", "energy", "concrete"])
    parser.add_argument("--seeds", type=int, default=20, help="draws of each case (default: 20)")
    parser.add_argument("--jobs", type=int, default=1, help="fits at a time, a thread each (default: 1)")
    add_out(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    ours, peers = ["one network", "ten networks"], ["BayesianRidge", "Gaussian process"]
    groups: list[tuple[str, list[str], dict]] = []
    if options.cases:
        title = "Log-likelihood on new rows, less that of the normal density of y alone"
        groups.append((title, ours, {case: CASES[case] for case in options.cases}))
    if options.folder:
        data = [*read_data(options.folder, options.data), diabetes(options.seeds)]
        subsets = {each.name: lambda seed, each=each: subset(each, seed) for each in data}
        groups.append((f"The same of {SUBSET} rows of larger sets", [*ours, *peers], subsets))
    parts = []
    for title, methods, cases in groups:
        runs = [
            (method, case, rows, seed)
            for case, rows in cases.items()
            for method in methods
            for seed in range(options.seeds)
        ]
        results: dict[str, dict[str, list]] = {case: {method: [] for method in methods} for case in cases}
        for method, case, _, _, value in judged_runs(judge, runs, options):
            results[case][method].append(value)
        parts += [heading(title), table(["case", *methods], lines_of(results, methods))]
    text = "\n".join([*parts, "", run_line(versions_of(METHODS["mdn"].distributions))])
    print(text)
    write_page(options.out, __file__, text)
    return 0


if __name__ == "__main__":
    as_script(main)
