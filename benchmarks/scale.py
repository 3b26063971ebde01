"""What a fit from disk costs beside one in memory: rows a second, and the peak of memory.

``python benchmarks/scale.py --rows 10000000``; README.rst beside this file says what the numbers mean.
"""

from __future__ import annotations

import argparse
import multiprocessing
import shutil
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from _methods import versions_of
from _peers import BenchmarkError, add_out, as_script, heading, peak_mib, run_line, table, write_page

from sklearn_mdn import MDNRegressor

N_FEATURES = 20
BLOCK = 1 << 18


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


def fit(path: str, n_rows: int, buffer: int | str, in_memory: bool, connection) -> None:
    """Fit one epoch, and say how long it and the peak of memory is."""
    torch.set_num_threads(1)
    rows = np.load(path, mmap_mode="r")[:n_rows]
    X, y = rows[:, :-1], rows[:, -1]
    if in_memory:
        X, y = np.array(X), np.array(y)
    model = MDNRegressor(max_iter=1, random_state=0, buffer_size="auto" if in_memory else buffer)
    before, start = peak_mib(), time.perf_counter()
    model.fit(X, y)
    connection.send((time.perf_counter() - start, peak_mib() - before))


def measured(*arguments) -> tuple[float, float]:
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
        lines = []
        for name, n_rows, in_memory in (
            ("in memory", min(options.memory_rows, options.rows), True),
            ("from disk", options.rows // 10, False),
            ("from disk", options.rows, False),
        ):
            seconds, mib = measured(str(path), n_rows, options.buffer, in_memory)
            lines.append([name, f"{n_rows:,}", f"{n_rows / seconds:,.0f}", f"{mib:.0f}"])
    text = heading("One epoch of a fit with the defaults, float32, 20 features")
    text += "\n" + table(["Rows", "number", "rows a second", "peak above the start, MiB"], lines)
    text += "\n\n" + run_line(versions_of(("numpy", "torch")))
    print(text)
    write_page(options.out, __file__, text)
    return 0


if __name__ == "__main__":
    as_script(main)
