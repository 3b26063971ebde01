"""The command line: arguments that do not fit are refused at once, in one line."""

from __future__ import annotations

import subprocess
import sys

import pytest

from sklearn_mdn._estimators.regressor import MDNRegressor

NUMBERS = "x,y\n" + "".join(f"{i % 7},{i}\n" for i in range(20))
REFUSED_EARLY = """
import sys
from sklearn_mdn._tour.command import main
assert main({arguments!r}) == 2
late = {{"pandas", "torch", "sklearn", "numpy"}} & set(sys.modules)
sys.exit(f"imported {{late}}" if late else 0)
"""


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data.csv"], "--target NAME is needed"),
        (["--target", "y"], "--target needs a file"),
        (["nothing.csv", "--target", "y"], "nothing.csv: no such file"),
        (["data.csv", "--target", "y", "--out", "nowhere/model.joblib"], "no such folder"),
        (["data.csv", "--target", "y", "--out", "folder"], "is a folder"),
        (["data.csv", "--target", "y", "--out", "/dev/null"], "no ordinary file"),
        (["folder", "--target", "y"], "is a directory"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_in_one_line(tour, tmp_path, arguments, message):
    (tmp_path / "data.csv").write_text(NUMBERS)
    (tmp_path / "folder").mkdir()
    before = sorted(tmp_path.iterdir())
    status, text, errors = tour(*arguments)
    assert (status, text) == (2, "")
    assert errors.startswith("sklearn_mdn: error: ")
    assert message in errors
    assert errors.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize("arguments", [["missing.csv", "--target", "y"], ["--target", "y"]])
def test_they_are_refused_before_anything_large_is_imported(tmp_path, arguments):
    program = REFUSED_EARLY.format(arguments=arguments)
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout) == (0, ""), done.stderr


def test_the_process_reports_its_status(tmp_path):
    command = [sys.executable, "-m", "sklearn_mdn", "missing.csv", "--target", "y"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "sklearn_mdn: error: missing.csv: no such file\n"


@pytest.mark.parametrize(
    ("error", "status", "message"),
    [
        (FloatingPointError("Network 0 cannot be trained: loss"), 2, "error: Network 0 cannot be trained"),
        (PermissionError(13, "Permission denied", "data.csv"), 2, "error: data.csv: Permission denied"),
        (KeyboardInterrupt(), 130, "interrupted"),
    ],
)
def test_what_ends_a_fit_is_reported_in_one_line(tour, monkeypatch, error, status, message):
    def fail(*arguments, **parameters):
        raise error

    monkeypatch.setattr(MDNRegressor, "fit", fail)
    reported, _, errors = tour()
    assert reported == status
    assert f"sklearn_mdn: {message}" in errors
    assert errors.strip().count("\n") == 0
