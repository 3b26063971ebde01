"""What training costs: stacks of networks beside the usual PyTorch loop, peers and GridSearchCV.

``python benchmarks/training.py --help`` says what can be chosen; README.rst beside this file says what the
numbers mean.
"""

from __future__ import annotations

import argparse
import json
import math
import multiprocessing
import os
import statistics
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from _methods import METHODS, versions_of
from _peers import (
    Worker,
    add_out,
    as_script,
    count,
    heading,
    machine,
    mean_and_error,
    peak_mib,
    progress,
    run_line,
    source_state,
    table,
    write_page,
)
from sklearn.datasets import load_diabetes
from sklearn.model_selection import GridSearchCV, train_test_split
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from sklearn_mdn import MDNRegressor, MDNSearchCV, MixtureDistribution
from sklearn_mdn.metrics import crps, log_likelihood

N_FEATURES, HIDDEN, K = 8, (64, 64), 5
LEARNING_RATE = 1e-2

# Twelve candidates of one network shape up to the number of components.
SEARCH_GRID = {
    "n_components": [3, 5],
    "alpha": [1e-4, 1e-2],
    "learning_rate_init": [3e-3, 1e-2, 3e-2],
}
SEARCH_FOLDS = 5

LIBRARIES = ("mdn", "ngboost", "skpro", "scikit-mdn")

# Aims at batches of 32: how much faster than the plain loop a member of the largest stack is, how much
# longer than one network that stack takes; and how much faster than GridSearchCV a search is.
AIM_MEMBER, AIM_STACK, AIM_SEARCH = 10, 3, 4


# -------------------------------------------------------------------------------------------------- data


def bimodal(n: int, d: int, seed: int = 0) -> tuple[np.ndarray, np.ndarray]:
    """Two branches, one of them taken at random with a share that depends on x, and noise that does too."""
    generator = np.random.default_rng(seed)
    X = generator.uniform(-2.0, 2.0, size=(n, d))
    trend = np.sin(2.0 * X[:, 0]) + 0.5 * X[:, 1]
    gap = np.where(generator.uniform(size=n) < 1.0 / (1.0 + np.exp(-X[:, 2])), 2.0, -2.0)
    scale = 0.1 + 0.2 * np.abs(X[:, 0])
    return X, trend + gap * (X[:, 1] > 0.0) + scale * generator.normal(size=n)


# ------------------------------------------------------------------------- a, c, e: what a step costs


class PlainMDN(nn.Module):
    """A mixture density network as it is usually written."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Linear(N_FEATURES, HIDDEN[0]), nn.SiLU(), nn.Linear(HIDDEN[0], HIDDEN[1]), nn.SiLU()
        )
        self.logits = nn.Linear(HIDDEN[1], K)
        self.means = nn.Linear(HIDDEN[1], K)
        self.log_scales = nn.Linear(HIDDEN[1], K)

    def forward(self, x):
        h = self.body(x)
        return self.logits(h), self.means(h), self.log_scales(h)


def distributions_loss(logits, means, log_scales, y):
    mixture = torch.distributions.MixtureSameFamily(
        torch.distributions.Categorical(logits=logits), torch.distributions.Normal(means, log_scales.exp())
    )
    return -mixture.log_prob(y).mean()


def written_out_loss(logits, means, log_scales, y):
    z = (y.unsqueeze(1) - means) / log_scales.exp()
    log_density = -0.5 * z**2 - log_scales - 0.5 * math.log(2.0 * math.pi)
    return -torch.logsumexp(torch.log_softmax(logits, dim=1) + log_density, dim=1).mean()


def plain_loop(X, y, batch_size: int, epochs: int, loss_of: Callable) -> None:
    """The loop that everybody writes."""
    data = TensorDataset(torch.tensor(X, dtype=torch.float32), torch.tensor(y, dtype=torch.float32))
    loader = DataLoader(data, batch_size=batch_size, shuffle=True)
    model = PlainMDN()
    optimizer = torch.optim.Adam(model.parameters(), lr=LEARNING_RATE)
    for _ in range(epochs):
        for x_batch, y_batch in loader:
            optimizer.zero_grad()
            loss = loss_of(*model(x_batch), y_batch)
            loss.backward()
            optimizer.step()


def stack(X, y, batch_size: int, epochs: int, members: int, embedding: str | None = None) -> None:
    """The same network and number of steps; every row is trained on, as in the plain loop."""
    MDNRegressor(
        K,
        n_estimators=members,
        hidden_layer_sizes=HIDDEN,
        numerical_embedding=embedding,
        batch_size=batch_size,
        max_iter=epochs,
        learning_rate_init=LEARNING_RATE,
        early_stopping=False,
        random_state=0,
    ).fit(X, y)


def products(X, y, batch_size: int, epochs: int, members: int) -> None:
    """The matrix products of the steps alone: each layer forward, and its two products backward."""
    widths = [N_FEATURES, *HIDDEN, 3 * K]
    layers = []
    for n_in, n_out in pairwise(widths):
        weight, bias = torch.randn(members, n_in, n_out), torch.randn(members, 1, n_out)
        layers.append((weight, bias, torch.randn(members, batch_size, n_out)))
    x = torch.randn(members, batch_size, N_FEATURES)
    with torch.no_grad():
        for _ in range(epochs * math.ceil(len(X) / batch_size)):
            inputs, h = [], x
            for weight, bias, _ in layers:
                inputs.append(h)
                h = torch.baddbmm(bias, h, weight)
            for i, ((weight, _, gradient), h) in enumerate(zip(layers, inputs, strict=True)):
                torch.bmm(h.mT, gradient)
                if i:  # nothing comes before the first layer that would need its gradient
                    torch.bmm(gradient, weight.mT)


def contestants(members: Sequence[int]) -> dict[str, tuple[Callable, int]]:
    """What is timed, by name, and how many networks it trains."""
    largest = max(members)
    found = {
        "plain loop, MixtureSameFamily": (lambda *case: plain_loop(*case, distributions_loss), 1),
        "plain loop, loss written out": (lambda *case: plain_loop(*case, written_out_loss), 1),
    }
    for size in members:
        found[f"MDNRegressor, n_estimators={size}"] = (lambda *case, s=size: stack(*case, s), size)
    for size in sorted({1, largest}):
        name = f"MDNRegressor, n_estimators={size}, periodic embedding"
        found[name] = (lambda *case, s=size: stack(*case, s, "periodic"), size)
    for size in members:
        found[f"matrix products, stack of {size}"] = (lambda *case, s=size: products(*case, s), size)
    return found


@dataclass(frozen=True)
class Case:
    """One setting that everything is timed in."""

    n: int
    batch_size: int
    threads: int

    @property
    def name(self) -> str:
        return f"{count(self.threads, 'thread')}, batch {self.batch_size}"


def part_steps(options) -> tuple[str, dict]:
    """Microseconds a step: medians over rounds in which everything runs once."""
    cases = [Case(n, b, t) for n in options.rows for t in options.threads for b in options.batch_sizes]
    named = contestants(sorted({1, *options.members}))
    seconds: dict[Case, dict[str, list[float]]] = {case: {name: [] for name in named} for case in cases}
    for function, _ in named.values():
        seconds_a_step(function, Case(64, 32, 1), 1)  # the first calls of a process cost more
    with progress(options.repeats * len(cases)) as step:
        for _ in range(options.repeats):
            for case in cases:
                for name, (function, _) in named.items():
                    seconds[case][name].append(seconds_a_step(function, case, options.steps))
                step(f"{case.n} rows, {case.name}")
    micros = {
        case: {name: 1e6 * statistics.median(times) for name, times in found.items()}
        for case, found in seconds.items()
    }
    text = [steps_tables(micros, named, options.rows), ratio_table(micros, options.members)]
    records = [{**vars(case), "microseconds_a_step": found} for case, found in micros.items()]
    return "\n".join(text), {"steps": records}


def seconds_a_step(function: Callable, case: Case, steps: int) -> float:
    """Seconds of a whole fit over its steps: at least so many, in whole epochs."""
    X, y = bimodal(case.n, N_FEATURES)
    steps_an_epoch = math.ceil(case.n / case.batch_size)
    epochs = math.ceil(steps / steps_an_epoch)
    torch.set_num_threads(case.threads)
    start = time.perf_counter()
    function(X, y, case.batch_size, epochs)
    return (time.perf_counter() - start) / (epochs * steps_an_epoch)


def steps_tables(micros: dict, named: dict, rows: Sequence[int]) -> str:
    """A table for each number of rows: microseconds a step, and a member where there are several."""
    parts = []
    for n in rows:
        cases = [case for case in micros if case.n == n]
        lines = []
        for name, (_, size) in named.items():
            cells = [micros[case][name] for case in cases]
            lines.append(
                [name, *(f"{m:,.0f}" + (f" ({m / size:,.0f} a member)" if size > 1 else "") for m in cells)]
            )
        header = ["step of", *(case.name for case in cases)]
        parts += [heading(f"{n:,} rows: microseconds a step"), table(header, lines)]
    return "\n".join(parts)


def ratio_table(micros: dict, members: Sequence[int]) -> str:
    """The ratios that the aims are about, a row a case; all from one run."""
    largest, rows = max(members), []
    for case, found in micros.items():
        plain = min(micro for name, micro in found.items() if name.startswith("plain loop"))
        step = found[f"MDNRegressor, n_estimators={largest}"]
        ratios = (
            plain / (step / largest),
            step / found["MDNRegressor, n_estimators=1"],
            step / found[f"matrix products, stack of {largest}"],
        )
        rows.append([f"{case.n:,} rows, {case.name}", *(f"{ratio:.1f}" for ratio in ratios)])
    header = [
        "case",
        f"{largest} members: plain loop / a member",
        f"{largest} members / 1",
        "step / its products",
    ]
    note = f"\nAims at batch 32: the first at least {AIM_MEMBER}, the second at most {AIM_STACK}."
    return (
        heading("Ratios; the plain loop is the faster of the two") + "\n" + table(header, rows) + "\n" + note
    )


# ------------------------------------------------------------------------------------- b: other libraries


def library_data(options) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    return {
        "diabetes": load_diabetes(return_X_y=True),
        f"bimodal, n = {options.library_rows}": bimodal(options.library_rows, 4, seed=1),
    }


def part_libraries(options) -> tuple[str, dict]:
    """Defaults of MDNRegressor and of other libraries on the same splits: time and held-out scores."""
    data, records = library_data(options), []
    with progress(len(options.libraries) * len(data) * options.repeats) as step:
        for method in options.libraries:
            with Worker(method, options.environments, max(options.threads)) as worker:
                for name, (X, y) in data.items():
                    for seed in range(options.repeats):
                        records.append(library_run(worker, method, name, X, y, seed))
                        step(f"{method} on {name}, split {seed}")
    rows = []
    for name in data:
        for method in options.libraries:
            runs = [run for run in records if (run["method"], run["data"]) == (method, name)]
            done = [run for run in runs if "error" not in run]
            cells = [mean_and_error([run[key] for run in done]) for key in ("log_likelihood", "crps")]
            seconds = f"{statistics.median(run['seconds'] for run in done):.2f}" if done else ""
            rows.append([name, method, *cells, seconds, f"{len(done)} of {len(runs)}"])
    header = ["data", "method", "log-likelihood", "CRPS", "seconds", "splits done"]
    title = heading(f"Defaults, {count(max(options.threads), 'thread')}")
    return f"{title}\n{table(header, rows)}", {"libraries": records}


def library_run(worker: Worker, method: str, name: str, X, y, seed: int) -> dict:
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.2, random_state=seed)
    record = {"method": method, "data": name, "split": seed}
    try:
        prediction, seconds, versions = worker.run(X_train, y_train, X_test)
        density = MixtureDistribution(**prediction)
    except (RuntimeError, ValueError) as error:
        return {**record, "error": str(error)}
    return {
        **record,
        "seconds": seconds,
        "log_likelihood": log_likelihood(y_test, density),
        "crps": crps(y_test, density),
        "versions": versions,
    }


# -------------------------------------------------------------------------------------------- d: searching


def part_search(options) -> tuple[str, dict]:
    """The same search by GridSearchCV with processes and by MDNSearchCV with stacks."""
    X, y = bimodal(options.search_rows, N_FEATURES, seed=2)
    base = MDNRegressor(
        K, hidden_layer_sizes=HIDDEN, batch_size=32, max_iter=options.search_epochs, random_state=0
    )
    both = {"param_grid": SEARCH_GRID, "cv": SEARCH_FOLDS}
    searches = {
        f"GridSearchCV, {options.jobs} processes": (GridSearchCV(base, n_jobs=options.jobs, **both), 1)
    }
    for threads in options.threads:
        searches[f"MDNSearchCV, {count(threads, 'thread')}"] = (MDNSearchCV(base, **both), threads)
    searches[f"MDNSearchCV, {options.jobs} processes"] = (MDNSearchCV(base, n_jobs=options.jobs, **both), 1)
    seconds: dict[str, list[float]] = {name: [] for name in searches}
    with progress(options.search_repeats * len(searches)) as step:
        for _ in range(options.search_repeats):
            for name, (search, threads) in searches.items():
                torch.set_num_threads(threads)
                start = time.perf_counter()
                search.fit(X, y)
                seconds[name].append(time.perf_counter() - start)
                step(name)
    medians = {name: statistics.median(times) for name, times in seconds.items()}
    slowest, *_ = medians
    scores = {name: search.cv_results_["mean_test_score"] for name, (search, _) in searches.items()}
    rows = [
        [
            name,
            f"{m:.1f}",
            f"{medians[slowest] / m:.1f}",
            f"{np.abs(scores[name] - scores[slowest]).max():.1e}",
        ]
        for name, m in medians.items()
    ]
    n_candidates = len(scores[slowest])
    title = (
        f"{n_candidates} candidates, {SEARCH_FOLDS} folds, {options.search_rows:,} rows, batch 32, "
        f"{options.search_epochs} epochs; aim: {AIM_SEARCH} times faster"
    )
    header = ["search", "seconds", "times faster", "largest difference of a mean score"]
    return heading(title) + "\n" + table(header, rows), {"search": {"seconds": seconds}}


# --------------------------------------------------------------------------------------------- large data


def part_large(options) -> tuple[str, dict]:
    """One fit of many rows, with fewer and more epochs, each in a new process: speed and peak memory."""
    fewer, more = options.large_epochs
    runs = []
    with progress(2) as step:
        for epochs in (fewer, more):
            with multiprocessing.get_context("spawn").Pool(1) as pool:
                runs.append(pool.apply(large_fit, (options.large_rows, 20, epochs, max(options.threads))))
            step(f"{epochs} epochs")
    rows = [
        [
            str(run["epochs"]),
            f"{run['seconds']:.1f}",
            f"{run['rows_a_second']:,.0f}",
            f"{run['mib_data']:,.0f}",
            f"{run['mib_before']:,.0f}",
            f"{run['mib_peak']:,.0f}",
        ]
        for run in runs
    ]
    speed = options.large_rows * (more - fewer) / (runs[1]["seconds"] - runs[0]["seconds"])
    header = ["epochs", "seconds", "rows a second", "MiB of data", "MiB before the fit", "MiB at its peak"]
    title = heading(
        f"{options.large_rows:,} rows, 20 features, defaults, {count(max(options.threads), 'thread')}"
    )
    note = f"\nEpochs alone, without what comes before and after them: {speed:,.0f} rows a second."
    return f"{title}\n{table(header, rows)}\n{note}", {"large": runs}


def large_fit(n: int, d: int, epochs: int, threads: int) -> dict:
    """Fit with the defaults; peak memory is that of this process."""
    torch.set_num_threads(threads)
    X, y = bimodal(n, d, seed=3)
    MDNRegressor(max_iter=1, random_state=0).fit(X[:100], y[:100])  # what the first fit of a process loads
    before = peak_mib()
    start = time.perf_counter()
    MDNRegressor(max_iter=epochs, random_state=0).fit(X, y)
    seconds = time.perf_counter() - start
    return {
        "epochs": epochs,
        "seconds": seconds,
        "rows_a_second": epochs * n / seconds,
        "mib_data": (X.nbytes + y.nbytes) / 2**20,
        "mib_before": before,
        "mib_peak": peak_mib(),
    }


# --------------------------------------------------------------------------------------------- defaults

# Rows, features, networks.
DEFAULT_FITS = [(200, 6, 1), (10_000, 8, 1), (45_000, 9, 10)]


def noise_free(n: int, d: int) -> tuple[np.ndarray, np.ndarray]:
    """A target that its row determines: no network is ever done with it, so that all epochs are run."""
    X = np.random.default_rng(0).normal(size=(n, d))
    return X, np.sin(2 * X[:, 0]) + X[:, 1] * X[:, 2]


def part_defaults(options) -> tuple[str, dict]:
    """Fits with the defaults to noisy data, where early stopping ends them, and to a target without noise."""
    torch.set_num_threads(max(options.threads))
    MDNRegressor(max_iter=1, random_state=0).fit(*noise_free(100, 3))  # what the first fit of a process loads
    rows, runs = [], []
    with progress(2 * len(options.default_fits)) as step:
        for i in options.default_fits:
            n, d, members = DEFAULT_FITS[i]
            for name, (X, y) in {"noisy": bimodal(n, d), "noise-free": noise_free(n, d)}.items():
                start = time.perf_counter()
                epochs = MDNRegressor(n_estimators=members, random_state=0).fit(X, y).n_iter_.mean()
                seconds = time.perf_counter() - start
                rows.append([f"{n:,}", str(d), str(members), name, f"{epochs:.0f}", f"{seconds:.1f}"])
                runs.append({"rows": n, "networks": members, "data": name, "seconds": seconds})
                step(f"{n:,} rows, {name}")
    header = ["rows", "features", "networks", "target", "epochs", "seconds"]
    title = heading(f"Fits with the defaults, {count(max(options.threads), 'thread')}")
    return f"{title}\n{table(header, rows)}", {"defaults": runs}


# --------------------------------------------------------------------------------------------------- main

PARTS = {
    "steps": part_steps,
    "libraries": part_libraries,
    "search": part_search,
    "large": part_large,
    "defaults": part_defaults,
}


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="training.py", description=__doc__.splitlines()[0])
    parser.add_argument("parts", nargs="*", metavar="PART", help=f"of {', '.join(PARTS)}; all by default")
    parser.add_argument("--threads", nargs="+", type=int, default=sorted({1, os.cpu_count()}))
    parser.add_argument("--repeats", type=int, default=5, help="rounds of steps, splits of libraries")
    parser.add_argument("--json", type=Path, help="also write the figures there")
    add_out(parser)
    steps = parser.add_argument_group("steps")
    steps.add_argument("--rows", nargs="+", type=int, default=[2000, 100_000])
    steps.add_argument("--batch-sizes", nargs="+", type=int, default=[32, 256])
    steps.add_argument("--members", nargs="+", type=int, default=[1, 5, 20])
    steps.add_argument("--steps", type=int, default=600, help="at least so many steps a fit, in whole epochs")
    libraries = parser.add_argument_group("libraries")
    libraries.add_argument("--libraries", nargs="+", choices=METHODS, default=LIBRARIES, metavar="METHOD")
    libraries.add_argument("--library-rows", type=int, default=2000)
    libraries.add_argument("--environments", type=Path, metavar="DIR", help="where peers are installed")
    search = parser.add_argument_group("search")
    search.add_argument("--search-rows", type=int, default=2000)
    search.add_argument("--search-epochs", type=int, default=20)
    search.add_argument("--search-repeats", type=int, default=3)
    search.add_argument("--jobs", type=int, default=2, help="processes of GridSearchCV")
    large = parser.add_argument_group("large")
    large.add_argument("--large-rows", type=int, default=1_000_000)
    large.add_argument("--large-epochs", nargs=2, type=int, default=[1, 3])
    defaults = parser.add_argument_group("defaults")
    defaults.add_argument(
        "--default-fits",
        nargs="+",
        type=int,
        choices=range(len(DEFAULT_FITS)),
        default=range(len(DEFAULT_FITS)),
        help=f"which of these (rows, features, networks): {DEFAULT_FITS}",
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    parser = arguments()
    options = parser.parse_args(argv)
    unknown = [part for part in options.parts if part not in PARTS]
    if unknown:
        parser.error(f"PART must be of {', '.join(PARTS)}, got {', '.join(unknown)}.")
    threads, figures, texts = torch.get_num_threads(), {}, []
    try:
        for part in options.parts or PARTS:
            text, found = PARTS[part](options)
            print(text, flush=True)
            texts.append(text)
            figures |= found
    finally:
        torch.set_num_threads(threads)
    versions = versions_of(METHODS["mdn"].distributions)
    figures |= {"machine": machine(), "versions": versions, "commit": source_state()}
    line = run_line(versions)
    print(f"\n{line}")
    write_page(options.out, __file__, "\n".join([*texts, "", line]))
    if options.json:
        options.json.write_text(json.dumps(figures, indent=1) + "\n")
    return 0


if __name__ == "__main__":
    as_script(main)
