"""What a device makes of training: a step beside its matrix products and beside the CPU, and many rows.

``python benchmarks/gpu.py``; README.rst beside this file says what the numbers mean. It needs neither data
nor internet access.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from itertools import pairwise
from pathlib import Path

import numpy as np
import torch
from _methods import versions_of
from _peers import BenchmarkError, add_out, as_script, heading, run_line, table, write_page

from sklearn_mdn import MDNRegressor

N_FEATURES = 20
LAYERS = (64, 64)
N_COMPONENTS = 5
N_OUTPUTS = 3 * N_COMPONENTS
STEPS = 60
TESTS = Path(__file__).resolve().parents[1] / "tests" / "_estimators" / "test_device.py"


def wait(device: str) -> None:
    if device != "cpu":
        torch.cuda.synchronize(device) if device.startswith("cuda") else torch.accelerator.synchronize()


def seconds(work: Callable[[], object], device: str) -> float:
    wait(device)
    start = time.perf_counter()
    work()
    wait(device)
    return time.perf_counter() - start


def rows_of(n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    X = generator.standard_normal((n_rows, N_FEATURES), dtype=np.float32)
    return X, np.sin(X[:, 0]) + 0.3 * generator.standard_normal(n_rows, dtype=np.float32)


def fit(device: str, n_members: int, batch: int, n_rows: int, n_epochs: int) -> None:
    X, y = rows_of(n_rows)
    MDNRegressor(
        n_components=N_COMPONENTS,
        hidden_layer_sizes=LAYERS,
        numerical_embedding=None,
        n_estimators=n_members,
        batch_size=batch,
        max_iter=n_epochs,
        early_stopping=False,
        tol=None,
        random_state=0,
        device=device,
    ).fit(X, y)


def step_time(device: str, n_members: int, batch: int) -> float:
    """Of one step: two fits, of which the longer one has ``STEPS`` steps more."""
    n_rows = STEPS * batch // 2
    fit(device, n_members, batch, batch, 1)
    one, three = (seconds(lambda n=n: fit(device, n_members, batch, n_rows, n), device) for n in (1, 3))
    return (three - one) / STEPS


def products_time(device: str, n_members: int, batch: int) -> float:
    """The matrix products of a step alone: a layer's own, and the two of its gradient."""
    sizes = [N_FEATURES, *LAYERS, N_OUTPUTS]
    layers = [
        (
            torch.randn(n_members, batch, width_in, device=device),
            torch.randn(n_members, width_in, width_out, device=device),
            torch.randn(n_members, batch, width_out, device=device),
        )
        for width_in, width_out in pairwise(sizes)
    ]

    def step() -> None:
        for inputs, weights, gradient in layers:
            torch.bmm(inputs, weights)
            torch.bmm(inputs.mT, gradient)
            torch.bmm(gradient, weights.mT)

    step()
    return seconds(lambda: [step() for _ in range(STEPS)], device) / STEPS


def steps_table(device: str, members: Sequence[int], batches: Sequence[int], cpu_limit: int) -> str:
    lines = []
    for n_members in members:
        for batch in batches:
            step, products = step_time(device, n_members, batch), products_time(device, n_members, batch)
            on_cpu = ""
            if n_members * batch <= cpu_limit:
                on_cpu = f"{1e3 * step_time('cpu', n_members, batch):.2f}"
            values = f"{1e3 * step:.2f}", f"{1e3 * products:.2f}", f"{step / products:.1f}", on_cpu
            lines.append([str(n_members), str(batch), *values])
    header = ["networks", "rows a batch", "step, ms", "its products, ms", "ratio", "step on the CPU, ms"]
    return heading("One step") + "\n" + table(header, lines) + "\n"


def rows_table(device: str, n_rows: int, n_members: int, batch: int) -> str:
    """An epoch of many rows: what two take longer than one."""
    one, two = (seconds(lambda n=n: fit(device, n_members, batch, n_rows, n), device) for n in (1, 2))
    line = [f"{n_rows:,}", str(n_members), str(batch), f"{two - one:.1f}", f"{one:.1f}"]
    header = ["rows", "networks", "rows a batch", "an epoch, s", "fit of one epoch, s"]
    return heading("Many rows, 20 columns") + "\n" + table(header, [line]) + "\n"


def tests_line(device: str) -> str:
    """The tests of devices, which run wherever this runs."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", str(TESTS)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=TESTS.parents[2])
    words = done.stdout.strip().splitlines()
    return f"\nTests of devices, run beside {device}: {words[-1] if words else done.stderr[-200:]}\n"


def device_name(device: str) -> str:
    return torch.cuda.get_device_name(device) if device.startswith("cuda") else device


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--device", default="cuda", help="a device of PyTorch")
    parser.add_argument("--members", type=int, nargs="+", default=[1, 20, 200], help="networks of a stack")
    parser.add_argument("--batches", type=int, nargs="+", default=[256, 4096], help="rows a step and network")
    parser.add_argument("--cpu-limit", type=int, default=20 * 4096, help="rows a step of the CPU, at most")
    parser.add_argument("--rows", type=int, default=10**7, help="of the large fit")
    parser.add_argument("--large-members", type=int, default=10, help="networks of the large fit")
    parser.add_argument("--no-tests", action="store_true", help="leave the tests of devices out")
    add_out(parser)
    options = parser.parse_args(argv)
    if options.device.startswith("cuda") and not torch.cuda.is_available():
        raise BenchmarkError(
            "This PyTorch sees no card: choose another --device, such as cpu with small sizes."
        )
    text = steps_table(options.device, options.members, options.batches, options.cpu_limit)
    text += rows_table(options.device, options.rows, options.large_members, max(options.batches))
    if not options.no_tests:
        text += tests_line(options.device)
    text += f"\n{device_name(options.device)}; {run_line(versions_of(('numpy', 'torch')))}"
    print(text)
    write_page(options.out, __file__, text)
    return 0


if __name__ == "__main__":
    as_script(main)
