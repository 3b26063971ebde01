"""What questions to a predicted density cost: MixtureDistribution beside what one would use otherwise.

``python benchmarks/distribution.py --help`` says what can be chosen; README.rst beside this file says what
the numbers mean. With ``--peer`` the script answers for skpro inside skpro's own environment, where neither
sklearn_mdn nor PyTorch need be.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import numpy as np
from _methods import versions_of
from _peers import (
    BenchmarkError,
    add_out,
    as_script,
    heading,
    interpreter,
    machine,
    peak_mib,
    source_state,
    table,
    write_page,
)

N_ROWS, K, N_DRAWS, CONFIDENCE = 100_000, 5, 100, 0.9
LEVELS = np.linspace(0.1, 0.9, 9)
QUESTIONS = ("logpdf", "cdf", "crps", "rvs", "quantiles", "hdr")
# Aims: the time of a method over ours, at least.
AIMS = {("logpdf", "NumPy"): 0.5, ("cdf", "NumPy"): 0.5, ("rvs", "NumPy"): 0.5, ("quantiles", "skpro"): 20}
OURS = "sklearn_mdn"
PEER_PACKAGES = ("skpro", "scikit-learn", "scipy", "pandas", "numpy")


@dataclass(frozen=True)
class Mixtures:
    """Parameters and one value for each row."""

    weights: np.ndarray
    means: np.ndarray
    deviations: np.ndarray
    y: np.ndarray

    def first(self, n_rows: int) -> Mixtures:
        return Mixtures(*(getattr(self, name)[:n_rows] for name in ("weights", "means", "deviations", "y")))

    @property
    def parameters(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return self.weights, self.means, self.deviations


def make_mixtures(n_rows: int, seed: int = 0) -> Mixtures:
    """Components of different widths that overlap: 2.4 modes a row on average."""
    rng = np.random.default_rng(seed)
    weights = rng.dirichlet(np.ones(K), n_rows)
    means = rng.normal(scale=2.0, size=(n_rows, K))
    deviations = np.exp(rng.normal(-0.5, 0.5, size=(n_rows, K)))
    return Mixtures(weights, means, deviations, rng.normal(scale=2.0, size=n_rows))


def as_they_are(mixtures: Mixtures) -> Mixtures:
    return mixtures


@dataclass(frozen=True)
class Contender:
    """A way to answer a question.

    ``answer(mixtures)`` is timed on ``share`` of the rows, and its time scaled up. ``prepare`` makes what it
    is given of the mixtures, untimed.
    """

    question: str
    name: str
    answer: Callable
    prepare: Callable = as_they_are
    share: float = 1.0
    note: str = ""
    comparable: bool = True  # whether its answers are numbers to compare with ours


# ------------------------------------------------------------------------------------------------ ours


def ours() -> list[Contender]:
    from sklearn_mdn import MixtureDistribution

    def prepare(mixtures: Mixtures):
        weights, means, deviations = mixtures.parameters
        return MixtureDistribution(weights, means, deviations**2), mixtures.y

    answers = {
        "logpdf": lambda given: given[0].logpdf(given[1]),
        "cdf": lambda given: given[0].cdf(given[1]),
        "crps": lambda given: given[0].crps(given[1]),
        "rvs": lambda given: given[0].rvs(N_DRAWS, random_state=0),
        "quantiles": lambda given: given[0].ppf(LEVELS[:, None]),
        "hdr": lambda given: given[0].hdr(CONFIDENCE)[1],
    }
    return [
        Contender(question, OURS, answer, prepare, comparable=question != "rvs")
        for question, answer in answers.items()
    ]


# ----------------------------------------------------------------------------- NumPy and SciPy expressions


def numpy_logpdf(mixtures: Mixtures) -> np.ndarray:
    weights, means, deviations = mixtures.parameters
    z = (mixtures.y[:, None] - means) / deviations
    return np.log((weights * np.exp(-0.5 * z**2) / (np.sqrt(2 * np.pi) * deviations)).sum(axis=1))


def numpy_logsumexp(mixtures: Mixtures) -> np.ndarray:
    weights, means, deviations = mixtures.parameters
    z = (mixtures.y[:, None] - means) / deviations
    terms = np.log(weights) - 0.5 * z**2 - np.log(deviations) - 0.5 * np.log(2 * np.pi)
    top = terms.max(axis=1, keepdims=True)
    return np.log(np.exp(terms - top).sum(axis=1)) + top[:, 0]


def scipy_logsumexp(mixtures: Mixtures) -> np.ndarray:
    from scipy.special import logsumexp
    from scipy.stats import norm

    weights, means, deviations = mixtures.parameters
    return logsumexp(norm.logpdf(mixtures.y[:, None], means, deviations), axis=1, b=weights)


def numpy_cdf(mixtures: Mixtures) -> np.ndarray:
    from scipy.special import ndtr

    weights, means, deviations = mixtures.parameters
    return (weights * ndtr((mixtures.y[:, None] - means) / deviations)).sum(axis=1)


def scipy_cdf(mixtures: Mixtures) -> np.ndarray:
    from scipy.stats import norm

    weights, means, deviations = mixtures.parameters
    return (weights * norm.cdf(mixtures.y[:, None], means, deviations)).sum(axis=1)


def numpy_crps(mixtures: Mixtures) -> np.ndarray:
    from scipy.special import ndtr

    def absolute(mean, deviation):
        z = mean / deviation
        density = np.exp(-0.5 * z**2) / np.sqrt(2 * np.pi)
        return mean * (2 * ndtr(z) - 1) + 2 * deviation * density

    weights, means, deviations = mixtures.parameters
    distance = (weights * absolute(mixtures.y[:, None] - means, deviations)).sum(axis=1)
    pairs = absolute(
        means[:, :, None] - means[:, None, :], np.hypot(deviations[:, :, None], deviations[:, None, :])
    )
    return distance - 0.5 * np.einsum("nk,nl,nkl->n", weights, weights, pairs)


def numpy_rvs(mixtures: Mixtures) -> np.ndarray:
    weights, means, deviations = mixtures.parameters
    rng = np.random.default_rng(0)
    size = (len(weights), N_DRAWS)
    chosen = (rng.random(size)[:, :, None] > weights.cumsum(axis=1)[:, None, :-1]).sum(axis=2)
    noise = rng.standard_normal(size)
    return np.take_along_axis(means, chosen, 1) + np.take_along_axis(deviations, chosen, 1) * noise


def loop_quantiles(mixtures: Mixtures) -> np.ndarray:
    from scipy.optimize import brentq
    from scipy.stats import norm

    found = np.empty((len(LEVELS), len(mixtures.y)))
    for row, (weights, means, deviations) in enumerate(zip(*mixtures.parameters, strict=True)):
        for i, level in enumerate(LEVELS):
            own = norm.ppf(level, means, deviations)
            found[i, row] = brentq(
                lambda y, w=weights, m=means, s=deviations, q=level: w @ norm.cdf(y, m, s) - q,
                own.min(),
                own.max(),
            )
    return found


def loop_hdr(mixtures: Mixtures) -> np.ndarray:
    """Thresholds from a grid of the density: the densest cells that hold the probability."""
    from scipy.stats import norm

    thresholds = np.empty(len(mixtures.y))
    for row, (weights, means, deviations) in enumerate(zip(*mixtures.parameters, strict=True)):
        grid = np.linspace((means - 5 * deviations).min(), (means + 5 * deviations).max(), 2001)
        density = np.sort(norm.pdf(grid[:, None], means, deviations) @ weights)[::-1]
        held = density.cumsum() * (grid[1] - grid[0])
        thresholds[row] = density[min(np.searchsorted(held, CONFIDENCE), len(grid) - 1)]
    return thresholds


def expressions() -> list[Contender]:
    return [
        Contender("logpdf", "NumPy", numpy_logpdf, note="log of the sum; -inf in the tails"),
        Contender("logpdf", "NumPy, log space", numpy_logsumexp),
        Contender("logpdf", "SciPy", scipy_logsumexp, note="norm.logpdf, logsumexp"),
        Contender("cdf", "NumPy", numpy_cdf, note="scipy.special.ndtr"),
        Contender("cdf", "SciPy", scipy_cdf, note="norm.cdf"),
        Contender("crps", "NumPy", numpy_crps, note="all K^2 pairs"),
        Contender("rvs", "NumPy", numpy_rvs, comparable=False),
        Contender("quantiles", "SciPy loop", loop_quantiles, share=2e-3, note="norm.cdf, brentq, xtol 2e-12"),
        Contender("hdr", "SciPy loop", loop_hdr, share=2e-3, note="norm.pdf on 2001 points; threshold only"),
    ]


def torch_contenders() -> list[Contender]:
    import torch
    from torch.distributions import Categorical, MixtureSameFamily, Normal

    def prepare(mixtures: Mixtures):
        weights, means, deviations = map(torch.from_numpy, mixtures.parameters)
        return MixtureSameFamily(Categorical(weights), Normal(means, deviations)), torch.from_numpy(
            mixtures.y
        )

    name = "torch"
    return [
        Contender("logpdf", name, lambda given: given[0].log_prob(given[1]).numpy(), prepare),
        Contender("cdf", name, lambda given: given[0].cdf(given[1]).numpy(), prepare),
        Contender("rvs", name, lambda given: given[0].sample((N_DRAWS,)), prepare, comparable=False),
    ]


def scoringrules_contenders() -> list[Contender]:
    import scoringrules

    def crps(mixtures: Mixtures) -> np.ndarray:
        weights, means, deviations = mixtures.parameters
        return scoringrules.crps_mixnorm(mixtures.y, means, deviations, weights)

    return [Contender("crps", "scoringrules", crps, note="crps_mixnorm, NumPy backend")]


def skpro_contenders() -> list[Contender]:
    import pandas as pd
    from skpro.distributions import Mixture, Normal, NormalMixture

    def prepare(mixtures: Mixtures):
        return NormalMixture(*mixtures.parameters), pd.DataFrame(mixtures.y[:, None])

    def quantiles(given) -> np.ndarray:
        return given[0].quantile(list(LEVELS)).to_numpy().T

    def prepare_generic(mixtures: Mixtures):
        # The generic Mixture has the same weights in all rows.
        weights, means, deviations = mixtures.parameters
        parts = [(str(k), Normal(means[:, [k]], deviations[:, [k]])) for k in range(K)]
        return Mixture(parts, weights=weights[0]), None

    name, generic = "skpro", "skpro, Mixture"
    return [
        Contender("logpdf", name, lambda given: given[0].log_pdf(given[1]).to_numpy()[:, 0], prepare),
        Contender("cdf", name, lambda given: given[0].cdf(given[1]).to_numpy()[:, 0], prepare),
        Contender(
            "crps",
            name,
            lambda given: given[0].energy(given[1]).to_numpy()[:, 0],
            prepare,
            note="energy(y), its first term only",
            comparable=False,
        ),
        Contender("rvs", name, lambda given: given[0].sample(N_DRAWS), prepare, share=0.01, comparable=False),
        Contender("quantiles", name, quantiles, prepare, note="bisection, xtol 2e-12"),
        Contender(
            "quantiles",
            generic,
            quantiles,
            prepare_generic,
            share=5e-5,
            note="scipy.optimize.bisect for each value; one weight vector",
            comparable=False,
        ),
    ]


# --------------------------------------------------------------------------------------------- measuring


@dataclass
class Timing:
    """Seconds of the best round, for all rows, and the answers if they can be compared."""

    question: str
    name: str
    note: str
    share: float
    seconds: float
    cpu_seconds: float
    answers: np.ndarray | None


def measure(contenders: Sequence[Contender], mixtures: Mixtures, rounds: int) -> list[Timing]:
    """The best of some rounds, in each of which everything runs once."""
    timings: dict[tuple[str, str], Timing] = {}
    prepared: dict[Callable, object] = {}
    for turn in range(rounds):
        for contender in contenders:
            part = mixtures.first(max(1, round(contender.share * len(mixtures.y))))
            if contender.share < 1:  # slow, and scaled up anyway
                if turn:
                    continue
                given = contender.prepare(part)
            else:
                given = prepared.setdefault(contender.prepare, contender.prepare(part))
            if not turn:
                contender.answer(contender.prepare(part.first(10)))  # imports, caches
            wall, cpu = time.perf_counter(), time.process_time()
            answer = contender.answer(given)
            wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
            scale = len(mixtures.y) / len(part.y)
            key = (contender.question, contender.name)
            best = timings.get(key)
            if best is None:
                kept = np.asarray(answer) if contender.comparable else None
                share = len(part.y) / len(mixtures.y)
                timings[key] = Timing(*key, contender.note, share, wall * scale, cpu * scale, kept)
            else:
                best.seconds = min(best.seconds, wall * scale)
                best.cpu_seconds = min(best.cpu_seconds, cpu * scale)
    return list(timings.values())


def measure_peer(
    mixtures: Mixtures, rounds: int, environments: Path, questions: Sequence[str]
) -> tuple[list[Timing], str]:
    """skpro's timings, from a process in its environment, and with which versions they were made."""
    python = interpreter("skpro", environments)
    with tempfile.TemporaryDirectory() as folder:
        job, answers = Path(folder) / "in.npz", Path(folder) / "out.npz"
        np.savez(job, *mixtures.parameters, mixtures.y)
        command = [python, "-W", "ignore", __file__, "--peer", str(job), str(answers)]
        command += ["--rounds", str(rounds), "--questions", *questions]
        environment = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        done = subprocess.run(command, capture_output=True, text=True, check=False, env=environment)
        if done.returncode:
            raise BenchmarkError(f"skpro's process failed:\n{done.stderr[-2000:]}")
        result = json.loads(done.stdout.splitlines()[-1])
        with np.load(answers) as arrays:
            kept = dict(arrays)
    timings = [
        Timing(**fields, answers=kept.get(f"{fields['question']} {fields['name']}"))
        for fields in result["timings"]
    ]
    return timings, versions_line("skpro ran with", result["versions"])


def answer_as_peer(job: str, answers: str, rounds: int, questions: Sequence[str]) -> None:
    """What the process in skpro's environment does."""
    with np.load(job) as arrays:
        mixtures = Mixtures(*(arrays[name] for name in sorted(arrays)))
    contenders = [c for c in skpro_contenders() if c.question in questions]
    timings = measure(contenders, mixtures, rounds)
    np.savez(answers, **{f"{t.question} {t.name}": t.answers for t in timings if t.answers is not None})
    fields = ("question", "name", "note", "share", "seconds", "cpu_seconds")
    rows = [{field: getattr(timing, field) for field in fields} for timing in timings]
    print(json.dumps({"timings": rows, "versions": versions_of(PEER_PACKAGES)}))


MEMORY_CALLS: dict[str, Callable] = {
    "logpdf of 200 values a row": lambda dist: dist.logpdf(np.linspace(-5, 5, 200)[:, None]),
    "200 quantiles a row": lambda dist: dist.ppf(np.linspace(0.01, 0.99, 200)[:, None]),
    "200 draws a row": lambda dist: dist.rvs(200, random_state=0),
    "hdr": lambda dist: dist.hdr(CONFIDENCE)[0],
}


def measure_memory() -> list[list[str]]:
    """The size of some answers, and by how much more the peak of the resident memory grew, in MiB.

    Each in a process of its own.
    """
    rows = []
    for name in MEMORY_CALLS:
        done = subprocess.run(
            [sys.executable, __file__, "--memory-of", name], capture_output=True, text=True, check=True
        )
        output, grown = json.loads(done.stdout.splitlines()[-1])
        rows.append([name, f"{output:.0f}", f"{grown - output:.0f}"])
    return rows


def memory_of(name: str) -> None:
    """What a process that measures memory does."""
    from sklearn_mdn import MixtureDistribution

    weights, means, deviations = make_mixtures(N_ROWS).parameters
    dist = MixtureDistribution(weights, means, deviations**2)
    MEMORY_CALLS[name](dist[:100])
    before = peak_mib()
    answer = MEMORY_CALLS[name](dist)
    print(json.dumps([answer.nbytes / 2**20, peak_mib() - before]))


# --------------------------------------------------------------------------------------------- reporting


def difference(answers: np.ndarray | None, reference: np.ndarray | None) -> str:
    """Largest difference from our answers, on the rows that both have."""
    if answers is None or reference is None or answers is reference:
        return ""
    gap = np.abs(answers - reference[..., : answers.shape[-1]])
    return f"{np.max(gap[np.isfinite(gap)]):.0e}"


def report(timings: Sequence[Timing], cpu: bool) -> str:
    """One table: seconds of each way to answer each question, and how many times ours they are."""
    rows = []
    for question in QUESTIONS:
        asked = [timing for timing in timings if timing.question == question]
        if not asked:
            continue
        own = next(timing for timing in asked if timing.name == OURS)
        for timing in asked:
            seconds = timing.cpu_seconds if cpu else timing.seconds
            ratio = seconds / (own.cpu_seconds if cpu else own.seconds)
            aim = AIMS.get((question, timing.name))
            notes = [timing.note] if timing.note else []
            if timing.share < 1:
                notes.append(f"scaled up from {round(timing.share * N_ROWS)} rows")
            if aim is not None:
                notes.append(f"aim {aim:g}: {'held' if ratio >= aim else 'missed'}")
            cells = [f"{seconds:.3g}", f"{ratio:.3g}", difference(timing.answers, own.answers)]
            rows.append([question if timing is own else "", timing.name, *cells, "; ".join(notes)])
    return table(["question", "by", "seconds", "over ours", "difference", "notes"], rows)


def versions_line(start: str, versions: dict[str, str]) -> str:
    return f"{start} {', '.join(f'{name} {number}' for name, number in versions.items())}."


def parse(arguments: Sequence[str] | None) -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--environments", type=Path, help="folder of the peers' environments; without: no skpro"
    )
    parser.add_argument("--questions", nargs="+", choices=QUESTIONS, default=QUESTIONS)
    parser.add_argument("--rounds", type=int, default=5, help="rounds of which the best counts (default 5)")
    parser.add_argument("--threads", type=int, default=1, help="threads of PyTorch and others (default 1)")
    parser.add_argument(
        "--cpu", action="store_true", help="report processor time, for a machine that is not idle"
    )
    parser.add_argument("--memory", action="store_true", help="measure memory as well")
    add_out(parser)
    parser.add_argument("--memory-of", choices=MEMORY_CALLS, help=argparse.SUPPRESS)
    parser.add_argument("--peer", nargs=2, metavar=("JOB", "ANSWERS"), help=argparse.SUPPRESS)
    return parser.parse_args(arguments)


def main(arguments: Sequence[str] | None) -> None:
    options = parse(arguments)
    if options.peer:
        answer_as_peer(*options.peer, options.rounds, options.questions)
        return
    if options.memory_of:
        memory_of(options.memory_of)
        return
    for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ[variable] = str(options.threads)
    import torch

    torch.set_num_threads(options.threads)
    text = all_tables(options)
    print(text)
    write_page(options.out, __file__, text)


def all_tables(options: argparse.Namespace) -> str:
    """When and with what everything was measured, and the tables."""
    kind = "processor" if options.cpu else "wall"
    lines = [
        f"{date.today()}, {machine()}, threads: {options.threads}, {kind} time, commit {source_state()}.",
        versions_line("With", versions_of(("sklearn-mdn", "torch", "numpy", "scipy", "scoringrules"))),
    ]
    contenders = ours() + expressions() + torch_contenders()
    try:
        contenders += scoringrules_contenders()
    except ImportError as error:
        lines.append(f"Without scoringrules: {error}.")
    contenders = [c for c in contenders if c.question in options.questions]
    mixtures = make_mixtures(N_ROWS)
    timings = measure(contenders, mixtures, options.rounds)
    if options.environments is None:
        lines.append("Without skpro.")
    else:
        try:
            peers, line = measure_peer(mixtures, options.rounds, options.environments, options.questions)
            timings, lines = timings + peers, [*lines, line]
        except BenchmarkError as error:
            lines.append("Without skpro.")
            print(f"Without skpro: {error}", file=sys.stderr)
    parts = [*lines, heading(f"{N_ROWS} rows, {K} components"), report(timings, options.cpu)]
    if options.memory:
        parts += [heading("Memory, in MiB"), table(["call", "answer", "peak above it"], measure_memory())]
    return "\n".join(parts)


if __name__ == "__main__":
    as_script(main)
