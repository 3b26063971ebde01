"""The benchmark of prediction sets judges, keeps what was measured, and prints it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import conformal  # noqa: E402

SETS = {
    level: np.array([[[0.0, 1.0], [2.0, 4.0]], [[0.0, 1.0], [np.nan, np.nan]]]) for level in conformal.LEVELS
}


def test_sets_are_judged():
    found = conformal.judged(SETS, np.array([3.0, 2.0]), 2.0, np.array([0, 9]))["0.9"]
    assert (found["coverage"], found["size"]) == (0.5, 1.0)
    assert found["covered"] == [1.0, *[0.0] * 9]
    assert found["counted"] == [1, *[0] * 8, 1]


def test_results_are_kept_and_reported(tmp_path):
    records = conformal.Records(tmp_path / "results.jsonl")
    data = [
        conformal.Rows(name, np.ones((40, 2)), np.arange(40.0), name != "bimodal")
        for name in ("yacht", "bimodal")
    ]
    tenth = np.arange(10).repeat(2)
    for k, method in enumerate(("hdr", "cqr")):
        sets = {level: np.tile([[[0.0, 1.0 + k]]], (20, 1, 1)) for level in conformal.LEVELS}
        for each in data:
            found = conformal.judged(sets, np.linspace(0.0, 1.0, 20), 1.0, tenth)
            records.add((each.name, method, 0), {"levels": found, "seconds": 1.0})
    again = conformal.Records(tmp_path / "results.jsonl")
    text = conformal.report(again, data)
    assert "hdr against cqr  3 of 3" in text
    assert "0.50 0.50 0.50" in text
    assert again.of("yacht", "cqr", 0.9, "size") == [2.0]


def test_splits_part_the_rows():
    data = conformal.Rows("a", np.arange(40.0)[:, None], np.arange(40.0), True)
    X, y, _, y_test = data.split(0)
    assert sorted(np.concatenate([y, y_test])) == list(range(40))
    assert (len(y), len(y_test)) == (30, 10)
    np.testing.assert_array_equal(X[:, 0], y)
    assert (data.split(1)[3] != y_test).any()
    assert all(make(20)[0].shape == (20, 3) for make in conformal.SYNTHETIC.values())


def test_missing_files_are_named(tmp_path):
    with pytest.raises(conformal.BenchmarkError, match=r"has no concrete\.npz"):
        conformal.read_all(tmp_path, 100)
