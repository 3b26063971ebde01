"""What a fit from disk costs beside one in memory: rows a second, and the peak of memory.

``python benchmarks/scale.py --rows 10000000``; README.rst beside this file says what the numbers mean.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import numpy as np
import torch
from _methods import versions_of
from _peers import BenchmarkError, add_out, as_script, heading, run_line, status_mib, table, write_page

from sklearn_mdn import MDNRegressor

N_FEATURES = 20
BLOCK = 1 << 18
EVERY = 0.02  # seconds between two looks at the memory


def write_rows(path: Path, n_rows: int) -> None:
    """Rows of float32, the target behind the inputs, block by block."""
    need = 4 * n_rows * (N_FEATURES + 1)
    if shutil.disk_usage(path.parent).free < 1.1 * need:
        raise BenchmarkError(f"{path.parent} has no room for {need / 1e9:.1f} GB: choose fewer --rows.")
    rows = np.lib.format.open_memmap(path, "w+", np.float32, (n_rows, N_FEATURES + 1))
    for start in range(0, n_rows, BLOCK):
        generator = np.random.default_rng(start)
        part = rows[start : start + BLOCK]
        part[:] = generator.standard_normal(part.shape, dtype=np.float32)
        part[:, -1] = np.sin(part[:, 0]) + 0.3 * part[:, -1]
    rows.flush()


def own_mib() -> float:
    """Memory of this process that no file stands for: pages of a memory map are the system's to take back."""
    return status_mib("RssAnon")


@contextmanager
def peak_watched(found: list[float]) -> Iterator[None]:
    """Append the most that ``own_mib`` was meanwhile, above what it was before."""
    over, before = threading.Event(), own_mib()
    seen = [before]

    def watch() -> None:
        while not over.wait(EVERY):
            seen.append(own_mib())

    thread = threading.Thread(target=watch)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()
        found.append(max(seen) - before)


def fit(path: str, n_rows: int, buffer: int | str, in_memory: bool, connection) -> None:
    """Fit one epoch; say the seconds of processor and clock, and the peak of memory above the start."""
    torch.set_num_threads(1)
    rows = np.load(path, mmap_mode="r")[:n_rows]
    X, y = rows[:, :-1], rows[:, -1]
    if in_memory:
        X, y = np.array(X), np.array(y)
    model = MDNRegressor(max_iter=1, random_state=0, buffer_size="auto" if in_memory else buffer)
    peaks: list[float] = []
    processor, clock = time.process_time(), time.perf_counter()
    with peak_watched(peaks):
        model.fit(X, y)
    connection.send((time.process_time() - processor, time.perf_counter() - clock, *peaks))


def measured(*arguments) -> tuple[float, float, float]:
    """``fit`` in a process of its own."""
    context = multiprocessing.get_context("spawn")
    here, there = context.Pipe()
    process = context.Process(target=fit, args=(*arguments, there))
    process.start()
    answer = here.recv()
    process.join()
    return answer


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rows", type=int, default=10**7, help="of the largest file; 100000000 take 8.4 GB")
    parser.add_argument("--memory-rows", type=int, default=10**6, help="of the fit in memory")
    parser.add_argument("--buffer", type=int, default=10**6, help="rows that are shuffled together")
    parser.add_argument("--folder", type=Path, default=None, help="where the file is written")
    add_out(parser)
    options = parser.parse_args(argv)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        path = Path(folder) / "rows.npy"
        write_rows(path, options.rows)
        few = min(options.memory_rows, options.rows)
        sizes = sorted({few, max(few, options.rows // 10), options.rows})
        lines, first = [], None
        for name, n_rows, in_memory in [("in memory", few, True), *(("from disk", n, False) for n in sizes)]:
            processor, clock, mib = measured(str(path), n_rows, options.buffer, in_memory)
            rate = n_rows / processor
            first = first or rate
            values = f"{rate:,.0f}", f"{first / rate:.2f}", f"{n_rows / clock:,.0f}", f"{mib:.0f}"
            lines.append([name, f"{n_rows:,}", *values])
            print(*lines[-1], file=sys.stderr, flush=True)
    header = [
        "rows",
        "number",
        "a second of one core",
        "time a row, of that in memory",
        "a second by the clock",
    ]
    text = heading("One epoch of a fit with the defaults, float32, 20 features")
    text += "\n" + table([*header, "peak above the start, MiB"], lines)
    text += "\n\n" + run_line(versions_of(("numpy", "torch")))
    print(text)
    write_page(options.out, __file__, text)
    return 0


if __name__ == "__main__":
    as_script(main)
