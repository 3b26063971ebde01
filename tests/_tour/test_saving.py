"""A saved file is replaced whole or not at all: writers that fail, or are killed, in the middle."""

from __future__ import annotations

import signal
import subprocess
import sys

import joblib
import pytest

from sklearn_mdn._tour.saving import replacing

KILLED = """
import os, signal
from pathlib import Path
from sklearn_mdn._tour.saving import replacing
with replacing(Path("model.joblib")) as new:
    new.write_bytes(b"half of the n")
    os.kill(os.getpid(), signal.SIGKILL)
"""


@pytest.mark.parametrize("old", [None, b"the old one"])
def test_what_is_written_takes_the_place(tmp_path, old):
    path = tmp_path / "model.joblib"
    if old is not None:
        path.write_bytes(old)
        path.chmod(0o640)
    with replacing(path) as new:
        assert new.suffix == ".joblib"
        new.write_bytes(b"the new one")
        assert (path.read_bytes() if path.exists() else None) == old
    assert path.read_bytes() == b"the new one"
    assert old is None or path.stat().st_mode & 0o777 == 0o640
    assert list(tmp_path.iterdir()) == [path]


def test_a_link_stays_a_link(tmp_path):
    (tmp_path / "folder").mkdir()
    real, link = tmp_path / "folder" / "real.joblib", tmp_path / "link.joblib"
    real.write_bytes(b"old")
    link.symlink_to(real)
    with replacing(link) as new:
        new.write_bytes(b"new")
    assert link.is_symlink()
    assert real.read_bytes() == b"new"


@pytest.mark.parametrize(
    "error", [OSError(28, "No space left on device"), KeyboardInterrupt(), ValueError("no such thing")]
)
def test_an_error_in_the_middle_leaves_the_old_file(tmp_path, error):
    path = tmp_path / "model.joblib"
    path.write_bytes(b"the old one")

    def write_half():
        with replacing(path) as new:
            new.write_bytes(b"half of the n")
            raise error

    with pytest.raises(type(error)):
        write_half()
    assert path.read_bytes() == b"the old one"
    assert list(tmp_path.iterdir()) == [path]


def test_a_kill_in_the_middle_leaves_the_old_file(tmp_path):
    (tmp_path / "model.joblib").write_bytes(b"the old one")
    done = subprocess.run([sys.executable, "-c", KILLED], cwd=tmp_path, check=False)
    assert done.returncode == -signal.SIGKILL
    assert (tmp_path / "model.joblib").read_bytes() == b"the old one"


@pytest.mark.parametrize("file", ["mdn_data.joblib", "mdn_data.png"])
def test_the_tour_leaves_the_old_file_when_it_cannot_write(tour, tmp_path, monkeypatch, file):
    from matplotlib.figure import Figure

    def fail(thing, target, **parameters):
        target.write_bytes(b"half of the n")
        raise OSError(28, "No space left on device")  # a write knows no name

    monkeypatch.setattr(joblib, "dump", fail) if file.endswith("joblib") else None
    monkeypatch.setattr(Figure, "savefig", fail) if file.endswith("png") else None
    (tmp_path / "data.csv").write_text("x,y\n" + "".join(f"{i % 7},{i}\n" for i in range(20)))
    (tmp_path / file).write_bytes(b"the old one")
    status, _, errors = tour("data.csv", "--target", "y")
    assert (status, errors) == (2, f"sklearn_mdn: error: {file}: No space left on device\n")
    assert (tmp_path / file).read_bytes() == b"the old one"
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    assert file.endswith("joblib") or (tmp_path / "mdn_data.joblib").exists()  # saved before it is drawn
