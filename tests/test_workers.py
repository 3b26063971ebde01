"""A fit gives the bits that it gives alone, whoever fits beside it."""

from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest

from sklearn_mdn import MDNRegressor

N_FITS = 8
HERE = Path(__file__).parent.parent


def answers(seed: int) -> bytes:
    generator = np.random.default_rng(seed)
    X = generator.normal(size=(60, 2))
    y = X[:, 0] + generator.normal(size=60)
    settings = {"hidden_layer_sizes": (4,), "n_estimators": 2, "dropout": 0.1, "max_iter": 3}
    model = MDNRegressor(2, **settings, random_state=seed).fit(X, y)
    arrays = *model.coefs_, *model.predict(X, return_std=True), model.sample(X, 2, random_state=0)
    return b"".join(array.tobytes() for array in arrays)


def test_in_eight_threads_at_once():
    alone = [answers(seed) for seed in range(N_FITS)]
    with ThreadPoolExecutor(N_FITS) as threads:
        assert list(threads.map(answers, range(N_FITS))) == alone


# Run in a process of its own, where torch has two threads, which have been at work before it forks. Workers
# that hang are not waited for.
IN_WORKERS = """
import multiprocessing, sys
import joblib, numpy as np, torch
from sklearn_mdn import MDNRegressor
from tests.test_workers import N_FITS, answers


def by_pool(kind):
    with multiprocessing.get_context(kind).Pool(2) as pool:
        return pool.map_async(answers, range(N_FITS)).get(timeout=200)


def by_joblib(kind):
    with joblib.parallel_config(kind, n_jobs=2):
        return joblib.Parallel(timeout=200)(joblib.delayed(answers)(seed) for seed in range(N_FITS))


def predict_in_a_forked_child():
    X = np.random.default_rng(0).normal(size=(500, 4))
    model = MDNRegressor(max_iter=2, random_state=0).fit(X, X[:, 0])
    with multiprocessing.get_context("fork").Pool(1) as pool:
        found = pool.apply_async(model.predict, (X,)).get(timeout=200)
    np.testing.assert_allclose(found, model.predict(X), rtol=1e-8)


if __name__ == "__main__":
    torch.ones(1 << 22).exp_().sum()
    assert torch.get_num_threads() == 2
    alone = [answers(seed) for seed in range(N_FITS)]
    for kind in sys.argv[1:]:
        if kind == "fork":
            predict_in_a_forked_child()
        by = by_pool if kind in multiprocessing.get_all_start_methods() else by_joblib
        assert by(kind) == alone, kind
    assert torch.get_num_threads() == 2
"""


@pytest.mark.parametrize("kinds", [("fork", "multiprocessing", "threading"), ("spawn", "loky")])
def test_in_workers(kinds, tmp_path):
    """Children of a process with two threads; one that waits for ever is ended and fails the test."""
    if "fork" in kinds and sys.platform == "win32":
        pytest.skip("there is no forking")
    program = tmp_path / "in_workers.py"
    program.write_text(IN_WORKERS)
    path = os.pathsep.join(filter(None, [str(HERE), os.environ.get("PYTHONPATH")]))
    run = subprocess.run(
        [sys.executable, str(program), *kinds],
        env={**os.environ, "OMP_NUM_THREADS": "2", "MKL_NUM_THREADS": "2", "PYTHONPATH": path},
        cwd=HERE,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    assert run.returncode == 0, run.stderr
