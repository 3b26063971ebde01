"""What the benchmarks share: environments for peers, methods in processes of their own, tables, progress."""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path

import numpy as np
from _methods import METHODS, Prediction

SCRIPT = Path(__file__).with_name("_methods.py")
TAIL = 2000  # characters of a failed process's last words


class BenchmarkError(Exception):
    """Something the person who runs a benchmark can mend; said in a line, without a traceback."""


# ------------------------------------------------------------------------------------------ environments


def interpreter(name: str, folder: Path | None) -> str:
    """The Python that runs a method: this one, or that of a peer's environment, made if it is missing."""
    requirements = METHODS[name].requirements
    if not requirements:
        return sys.executable
    if folder is None:
        raise BenchmarkError(f"{name} needs an environment of its own: say where with --environments DIR.")
    home = folder.absolute() / name
    python, mark = home / "bin" / "python", home / "requirements.txt"
    wanted = "\n".join(requirements) + "\n"
    if not (mark.exists() and mark.read_text() == wanted):
        print(f"Installing {', '.join(requirements)} in {home}", file=sys.stderr)
        _execute([sys.executable, "-m", "venv", "--clear", str(home)])
        # One by one: torch first, so that what the others pull in is settled by the build that is there.
        for requirement in requirements:
            _execute([str(python), "-m", "pip", "install", "--quiet", requirement])
        mark.write_text(wanted)
    return str(python)


def _execute(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    if done.returncode:
        raise BenchmarkError(f"{' '.join(command)} failed:\n{done.stderr[-TAIL:]}")


# ---------------------------------------------------------------------------------------------- processes


class Worker:
    """A method in a process of its own, which does one job after the other.

    Parameters
    ----------
    name : str
        A key of ``METHODS``.
    environments : Path or None
        Folder of the peers' environments.
    threads : int
        Threads the method may use.
    """

    def __init__(self, name: str, environments: Path | None, threads: int) -> None:
        self._command = [interpreter(name, environments), str(SCRIPT), name]
        peers = bool(METHODS[name].requirements)
        # Modules of this interpreter must not reach a peer's.
        self._environment = {k: v for k, v in os.environ.items() if not (peers and k == "PYTHONPATH")}
        for variable in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
            self._environment[variable] = str(threads)
        self._process: subprocess.Popen | None = None

    def __enter__(self) -> Worker:
        self._folder = tempfile.TemporaryDirectory()
        return self

    def __exit__(self, *_) -> None:
        self._stop()
        self._folder.cleanup()

    def _start(self) -> None:
        self._words = open(Path(self._folder.name) / "stderr", "w+")  # noqa: SIM115
        self._process = subprocess.Popen(
            self._command,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=self._words,
            text=True,
            bufsize=1,
            env=self._environment,
        )

    def _stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.wait()
            with suppress(BrokenPipeError):  # of a job that never arrived
                self._process.stdin.close()
            self._process.stdout.close()
            self._words.close()
            self._process = None

    def run(self, X, y, X_test) -> tuple[Prediction, float, dict[str, str]]:
        """Fit and predict; returns the prediction, the seconds of the fit and versions.

        Raises
        ------
        RuntimeError
            If the method failed; the next job then starts a new process where this one has ended.
        """
        if self._process is None:
            self._start()
        job = {key: str(Path(self._folder.name) / f"{key}.npz") for key in ("in", "out")}
        np.savez(job["in"], X=X, y=y, X_test=X_test)
        try:
            print(json.dumps(job), file=self._process.stdin)
            line = self._process.stdout.readline()
        except BrokenPipeError:
            line = ""
        if not line:
            self._words.seek(0)
            words = self._words.read()[-TAIL:]
            self._stop()
            raise RuntimeError(f"the process ended: {words}")
        answer = json.loads(line)
        if "error" in answer:
            raise RuntimeError(answer["error"])
        with np.load(job["out"]) as arrays:
            return dict(arrays), answer["seconds"], answer["versions"]


# -------------------------------------------------------------------------------------- words and numbers


def table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A table in reStructuredText's simple form, which is also easy to read as it is."""
    cells = [list(header), *(list(row) for row in rows)]
    # An empty first cell would continue the row above, and a hyphen alone begins a list.
    cells = [[row[0] or "\\", *(cell or "–" for cell in row[1:])] for row in cells]
    widths = [max(len(row[i]) for row in cells) for i in range(len(header))]
    rule = "  ".join("=" * width for width in widths)
    lines = [
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip()
        for row in cells
    ]
    return "\n".join([rule, lines[0], rule, *lines[1:], rule])


def heading(text: str) -> str:
    return f"\n**{text}**\n"


def mean_and_error(values: Sequence[float], digits: int = 3) -> str:
    """Mean and its standard error; nothing where there is no value."""
    values = np.array([value for value in values if value is not None], dtype=np.float64)
    if not len(values):
        return ""
    text = f"{values.mean():.{digits}f}"
    return f"{text} ± {values.std(ddof=1) / np.sqrt(len(values)):.{digits}f}" if len(values) > 1 else text


def count(number: int, noun: str) -> str:
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"


def machine() -> str:
    """Processor and cores in a line."""
    name = platform.processor() or platform.machine()
    path = Path("/proc/cpuinfo")
    if path.exists():
        found = [line for line in path.read_text().splitlines() if line.startswith("model name")]
        name = found[0].split(":", 1)[1].strip() if found else name
    return f"{name}, {count(os.cpu_count(), 'core')}"


STATUS = Path("/proc/self/status")  # of Linux


def status_mib(name: str) -> float:
    """An entry of what Linux says of this process's memory."""
    (line,) = (line for line in STATUS.read_text().splitlines() if line.startswith(f"{name}:"))
    return int(line.split()[1]) / 2**10


def peak_mib() -> float:
    """Largest resident memory so far."""
    if STATUS.exists():
        # Linux's getrusage counts the process that this one was forked from as well; this mark does not.
        return status_mib("VmHWM")
    import resource  # Windows has none

    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20  # bytes, on macOS


def run_line(versions: dict[str, str]) -> str:
    """Where, when and with what the figures of a run were made."""
    packages = " ".join(f"{name} {number}" for name, number in versions.items())
    return f"{machine()}; {date.today()}, commit {source_state()}; {packages}"


def source_state() -> str:
    """The commit that sklearn_mdn is run from, marked where files have been changed since."""
    command = ["git", "describe", "--always", "--dirty"]
    try:
        done = subprocess.run(command, cwd=SCRIPT.parent, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        return ""
    return done.stdout.strip()


# ------------------------------------------------------------------------------------------------- pages


def add_out(parser: argparse.ArgumentParser) -> None:
    """The option that names the page of tables to write."""
    parser.add_argument("--out", type=_page, metavar="FILE", help="also write the tables there, as a page")


def _page(text: str) -> Path:
    path = Path(text)
    if path.is_dir() or not path.parent.is_dir():  # better known before hours of work
        raise argparse.ArgumentTypeError(f"must be a file in a folder that exists, got {text}")
    return path


def write_page(path: Path | None, script: str, text: str) -> None:
    """Tables as a page, in place of what stood there; nothing without a path."""
    if path is None:
        return
    title = f"Tables: {path.stem.replace('_', ' ')}"
    note = f".. Written by {Path(script).name} with --out: changes belong there."
    path.write_text(f"{title}\n{'=' * len(title)}\n\n{note}\n\n{text.strip()}\n", encoding="utf-8")


# ---------------------------------------------------------------------------------------------- commands


@contextmanager
def progress(total: int) -> Iterator[Callable[[str], None]]:
    """A bar on standard error that a call with what was done moves on; lines where rich is not installed."""
    try:
        from rich.console import Console
        from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
    except ImportError:
        done = 0

        def say(text: str) -> None:
            nonlocal done
            done += 1
            print(f"{done}/{total} {text}", file=sys.stderr)

        yield say
        return
    columns = (BarColumn(), MofNCompleteColumn(), TimeRemainingColumn(), TextColumn("{task.description}"))
    with Progress(*columns, console=Console(stderr=True)) as bar:
        task = bar.add_task("", total=total)
        yield lambda text: bar.update(task, advance=1, description=text)


def as_script(main: Callable[[Sequence[str] | None], int]) -> None:
    """Run ``main`` as a command: what a person can mend is said in a line."""
    try:
        sys.exit(main(None))
    except BenchmarkError as error:
        sys.exit(str(error))
    except KeyboardInterrupt:
        sys.exit("\nInterrupted; what is finished is kept.")
