"""The table of the front page is what the script prints, and what it prints was tried."""

from __future__ import annotations

from dataclasses import replace
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from sklearn_mdn import MDNRegressor, MixtureDistribution
from tests.test_benchmarks import run_with_out, simple_tables

import claims  # isort: skip

ROOT = Path(__file__).resolve().parent.parent
QUICK = {"max_iter": 40, "hidden_layer_sizes": 20, "learning_rate_init": 0.01, "early_stopping": False}


@pytest.fixture
def ours(monkeypatch):
    """Our column, of few rows and epochs."""
    monkeypatch.setattr(claims, "N_ROWS", 200)
    quick = partial(MDNRegressor, batch_size=100, random_state=0, **QUICK)
    libraries = [replace(claims.LIBRARIES[0], make=quick), *claims.LIBRARIES[1:]]
    absent = replace(claims.LIBRARIES[1], title="Absent", package="no-such-library", module="no_such_library")
    monkeypatch.setattr(claims, "LIBRARIES", [*libraries, absent])
    return libraries[0]


def test_the_page_holds_what_is_tried(tmp_path, capsys, ours):
    """Every cell of the columns whose libraries the tests need in any case."""
    names = ["sklearn_mdn", "GP", "HGB"]
    arguments = ["--libraries", *names, "Absent"]
    printed, page = run_with_out(claims.main, tmp_path, capsys, arguments)
    assert page == printed.strip()
    assert "not tried: no-such-library" in page
    ((_, found),) = simple_tables(page)
    assert found[0][1:] == names
    ((_, stored),) = simple_tables((ROOT / "benchmarks/results/claims.rst").read_text(encoding="utf-8"))
    assert [row[: len(names) + 1] for row in stored] == found
    assert stored[0][1:] == [library.title for library in claims.LIBRARIES[:-1]]
    assert {row[1] for row in stored[1:]} == {"yes"}


def test_the_front_page_has_the_table_of_the_script():
    text = (ROOT / "doc/index.rst").read_text(encoding="utf-8")
    assert "include:: ../benchmarks/results/claims.rst" in text
    assert "NGBoost" not in text  # no second table


def one_piece(self, confidence):
    """The interval between two quantiles as a region."""
    return np.stack(self.interval(confidence), axis=-1)[:, np.newaxis], np.zeros(len(self))


@pytest.mark.parametrize(
    ("line", "broken", "by"),
    [
        ("A density (log-likelihood of any *y*)", "logpdf", lambda self, y: self.cdf(y)),
        ("Smallest regions, in several pieces", "hdr", one_piece),
        ("Its conditionals, exact", "condition", lambda self, targets, values: self.marginal([1])),
    ],
)
def test_what_does_not_work_is_no(line, broken, by, ours, monkeypatch):
    monkeypatch.setattr(MixtureDistribution, broken, by)
    found = claims.tried(claims.LINES[line], ours)
    assert found.answer == "no"
    assert found.reasons
