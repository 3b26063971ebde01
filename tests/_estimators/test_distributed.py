"""One fit in several processes."""

from __future__ import annotations

import os
import pickle
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from sklearn_mdn import MDNRegressor
from tests._estimators import ranks

pytestmark = pytest.mark.skipif(not torch.distributed.is_available(), reason="PyTorch without distributed")

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    """What both processes found, and rank 0 after the other one was gone."""
    folder = tmp_path_factory.mktemp("ranks")
    command = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2"]
    subprocess.run(
        [*command, "-m", "tests._estimators.ranks", str(folder)],
        check=True,
        cwd=ROOT,
        env=os.environ | {"PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1"},
        timeout=600,
    )
    names = ("before_0", "before_1", "after_0")
    return [pickle.loads((folder / name).read_bytes()) for name in names]


@pytest.mark.parametrize("name", [*ranks.CASES, "mini-batches"])
def test_all_ranks_end_with_the_same_bits(results, name):
    first, second, _ = results
    for one, other in zip(first[name]["coefs_"], second[name]["coefs_"], strict=True):
        np.testing.assert_array_equal(one, other)
    for key in first[name].keys() - {"coefs_"}:
        assert repr(first[name][key]) == repr(second[name][key])


@pytest.mark.parametrize("name", ranks.CASES)
def test_two_halves_are_the_whole(results, name):
    X, y, weight = ranks.problem()
    whole = MDNRegressor(**(ranks.SETTINGS | ranks.CASES[name]))
    whole.fit(X, y, sample_weight=weight if name == "weighted" else None)
    found = results[0][name]
    np.testing.assert_allclose(found["X_offset_"], whole.X_offset_, rtol=1e-12)
    np.testing.assert_allclose(found["X_scale_"], whole.X_scale_, rtol=1e-12)
    np.testing.assert_allclose(found["calibration_"], whole.calibration_, rtol=1e-6)
    for one, other in zip(found["coefs_"], whole.coefs_, strict=True):
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=1e-8)
    for key in ("loss_curve_", "validation_scores_"):
        for one, other in zip(found[key], vars(whole)[key], strict=True):
            np.testing.assert_allclose(one, other, rtol=1e-8)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("bad values", "infinity"),
        ("other columns", "rank 1 has"),
        ("other parameters", "rank 1 has"),
        ("few rows", "rank 1 has"),
    ],
)
def test_faults_are_errors_everywhere_that_name_the_rank(results, name, message):
    first, second, _ = results
    assert message in second[name]
    assert "rank 1" in first[name]


def test_a_process_that_is_gone_is_named(results):
    assert "rank 1 does not answer" in results[2]["gone"]


def test_it_needs_a_group():
    X, y, _ = ranks.problem(40)
    with pytest.raises(ValueError, match="torchrun"):
        MDNRegressor(**ranks.SETTINGS, distributed=True).fit(X, y)
