"""The benchmark of prediction sets judges, keeps what was measured, and prints it."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest
from sklearn.base import BaseEstimator, RegressorMixin

ROOT = Path(__file__).resolve().parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import conformal  # noqa: E402

from sklearn_mdn import MixtureDistribution  # noqa: E402

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
            records.add((each.name, method, 0), {"levels": found, "groups": [(20, 20)]})
    again = conformal.Records(tmp_path / "results.jsonl")
    text = conformal.report(again, data)
    assert "hdr against cqr  3 of 3" in text
    assert "0.50 0.50 0.50" in text
    assert again.of("yacht", "cqr", 0.9, "size") == [2.0]


def test_splits_part_the_rows():
    data = conformal.Rows("a", np.arange(40.0)[:, None], np.arange(40.0), True)
    first, second, other = (data.parts(split, 2) for split in (0, 2, 1))
    assert [len(rows) for rows in first] == [20, 10, 10]
    assert sorted(np.concatenate(first)) == list(range(40))
    np.testing.assert_array_equal(first[0], second[0])  # the same trial
    assert (first[2] != second[2]).any()
    assert set(first[0]) != set(other[0])
    assert all(make(20)[0].shape == (20, 3) for make in conformal.SYNTHETIC.values())


def test_the_band_of_coverages_is_that_of_drawn_scores():
    rows, level, chance = [(19, 30)] * 4 + [(25, 20)] * 3, 0.9, 0.1
    rng, found = np.random.default_rng(0), []
    for _ in range(4000):
        covered = 0
        for m, n in rows:
            scores = rng.permutation(m + n)
            limit = np.sort(scores[:m])[int(np.ceil((m + 1) * level)) - 1]
            covered += np.count_nonzero(scores[m:] <= limit)
        found.append(covered / sum(n for _, n in rows))
    band = conformal.coverage_band(rows, level, chance)
    np.testing.assert_allclose(band, np.quantile(found, [0.05, 0.95]), atol=0.0061)


class Remembering:
    """A method that keeps what it was asked."""

    def __init__(self):
        self.asked = []

    def __call__(self, trial, calibration, test):
        self.asked.append(trial)
        sets = {level: np.tile([[[0.0, 1.0]]], (len(test), 1, 1)) for level in conformal.LEVELS}
        return sets, [(len(calibration), len(test))]


def test_a_trial_serves_all_its_splits(tmp_path, monkeypatch):
    methods = {"hdr": Remembering(), "forest": Remembering()}
    table = {
        "hdr": conformal.Method(methods["hdr"], ""),
        "forest": conformal.Method(methods["forest"], "", False),
    }
    monkeypatch.setattr(conformal, "METHODS", table)
    rng = np.random.default_rng(0)
    sets = [conformal.Rows(name, rng.normal(size=(40, 2)), rng.normal(size=40), True) for name in "ab"]
    records = conformal.Records(tmp_path / "results.jsonl")
    monkeypatch.setattr(conformal.Trial, "spread", property(lambda self: self.data.y))
    assert conformal.run_all(sets, list(table), 4, records, trials=2) == []
    assert len(methods["hdr"].asked) == 8
    assert len({id(trial) for trial in methods["hdr"].asked}) == 4
    assert [len(records.splits("a", m)) for m in table] == [4, 2]
    assert records.rows("a", "hdr") == [(10, 10)] * 4


class Growing(RegressorMixin, BaseEstimator):
    """Normal densities whose deviation is the first column."""

    def fit(self, X, y):
        self.n_features_in_ = X.shape[1]
        return self

    def predict_distribution(self, X):
        one = np.ones((len(X), 1))
        return MixtureDistribution(one, 0.0 * one, X[:, :1] ** 2)

    def predict(self, X):
        return np.zeros(len(X))


@pytest.mark.parametrize("grouped", [False, True])
def test_groups_of_predicted_spread_are_calibrated_by_themselves(grouped, monkeypatch):
    monkeypatch.setattr(conformal, "GROUP_ROWS", 20)
    rng = np.random.default_rng(0)
    X = rng.uniform(size=(300, 1))
    data = conformal.Rows("a", X, X[:, 0] * rng.normal(size=300), False)
    trial = conformal.Trial(data, np.arange(100))
    trial.__dict__["network"] = Growing().fit(*trial.rows)
    calibration, test = np.arange(100, 200), np.arange(200, 300)
    sets, counts = conformal.ours("interval", grouped=grouped)(trial, calibration, test)
    assert len(counts) == (3 if grouped else 1)
    assert [sum(each) for each in zip(*counts, strict=True)] == [100, 100]
    assert sets[0.9].shape == (100, 1, 2)
    density = trial.network.predict_distribution(X[test])
    levels = np.unique(density.cdf(sets[0.9][:, 0, 1]).round(6))  # one a group
    assert len(levels) == len(counts)


def test_a_group_of_too_few_rows_covers_everything():
    assert conformal.coverage_band([(5, 40)], 0.9, 0.1) == (1.0, 1.0)


def test_missing_files_are_named(tmp_path):
    with pytest.raises(conformal.BenchmarkError, match=r"has no concrete\.npz"):
        conformal.read_all(tmp_path, 100)
