"""The public face from outside: a user's code under ``mypy --strict``, beside the installed package."""

from __future__ import annotations

import json
import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import matplotlib.pyplot as plt
import pytest

import sklearn_mdn

DATA = Path(__file__).resolve().parent / "data"
TYPED, MISTYPED = DATA / "typed.py", DATA / "mistyped.py"
# Under --strict a user says of each library without types that it has none. PyTorch's take most of the time
# to read, and say nothing about arrays.
SETTINGS = """[mypy]
strict = true
[mypy-sklearn.*,pandas.*]
ignore_missing_imports = true
[mypy-torch.*]
follow_imports = skip
"""


@pytest.fixture(scope="module")
def errors(tmp_path_factory) -> dict[str, set[tuple[int, str]]]:
    """Lines and codes of what mypy finds wrong in the two files."""
    folder = tmp_path_factory.mktemp("mypy")
    (folder / "mypy.ini").write_text(SETTINGS)
    for path in (TYPED, MISTYPED):  # away from the package's sources, which mypy would look for beside them
        shutil.copy(path, folder)
    # What Python finds on its path is an installed package to mypy, whose types count if it has a py.typed.
    installed = str(Path(sklearn_mdn.__file__).parents[1])
    done = subprocess.run(
        [sys.executable, "-m", "mypy", "--output=json", "--cache-dir=cache", TYPED.name, MISTYPED.name],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": installed},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode in (0, 1), done.stdout + done.stderr
    found: dict[str, set[tuple[int, str]]] = {TYPED.name: set(), MISTYPED.name: set()}
    for report in map(json.loads, done.stdout.splitlines()):
        if report["severity"] == "error":
            found[report["file"]].add((report["line"], report["code"]))
    return found


def test_right_code_passes(errors):
    assert errors[TYPED.name] == set()


def test_wrong_arguments_are_refused_where_they_stand(errors):
    lines = enumerate(MISTYPED.read_text().splitlines(), start=1)
    marked = {(number, line.partition("  # ")[2]) for number, line in lines if "  # " in line}
    assert errors[MISTYPED.name] == marked


def test_right_code_runs():
    """So that it is what a user could have written; that its types are true is said by ``assert_type``."""
    runpy.run_path(str(TYPED))
    plt.close("all")
