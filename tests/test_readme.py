"""What the README tells people to type agrees with what the package declares and with what is checked."""

from __future__ import annotations

import re
import subprocess
from configparser import ConfigParser
from pathlib import Path

import pytest

import sklearn_mdn

ROOT = Path(__file__).resolve().parent.parent
COMMANDS = re.findall(r"^ {4}(python3 -m venv .*)$", (ROOT / "README.rst").read_text(), flags=re.MULTILINE)


def declared() -> dict[str, list[str]]:
    """Names of the dependencies, by extra; the runtime's own under an empty name."""
    config = ConfigParser()
    config.read(ROOT / "setup.cfg")
    groups = {"": config["options"]["install_requires"], **config["options.extras_require"]}
    return {extra: re.findall(r"^([\w-]+)", text, flags=re.MULTILINE) for extra, text in groups.items()}


def test_the_first_command_installs_all_that_the_tour_uses():
    assert '".[tour]"' in COMMANDS[0]
    assert set(declared()["tour"]) == {"matplotlib", "pandas"}


def test_there_are_three_commands():
    assert len(COMMANDS) == 3
    shown = re.findall(r"^ {4}.*\bpip install\b.*$", (ROOT / "README.rst").read_text(), flags=re.MULTILINE)
    assert [line.strip() for line in shown] == COMMANDS  # no other step before or after them
    tour, tests, pages = COMMANDS
    assert tour.endswith("python -m sklearn_mdn")
    assert "python -m pytest" in tests
    assert "python -m sphinx -W" in pages


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_use_constraints_and_declared_extras(command):
    assert "-c constraints.txt" in command
    (extra,) = re.findall(r'"\.\[(\w+)\]"', command)
    assert extra in declared()


@pytest.mark.parametrize("command", COMMANDS)
def test_commands_are_valid_shell(command):
    assert subprocess.run(["bash", "-n", "-c", command], check=False).returncode == 0


def test_every_dependency_has_a_tested_version():
    text = (ROOT / "constraints.txt").read_text()
    lines = [line for line in text.splitlines() if line and not line.startswith("#")]
    pinned = {re.fullmatch(r"([\w-]+)==[\w.]+", line).group(1) for line in lines}
    wanted = {name for names in declared().values() for name in names}
    assert wanted
    assert wanted <= pinned


def test_a_release_has_one_version():
    """The package's own, that of the newest entry of the changelog, and that of the citation."""
    newest = re.search(r"^(\S+) \(.+\)\n-+$", (ROOT / "CHANGELOG.rst").read_text(), flags=re.MULTILINE).group(
        1
    )
    cited = re.search(r"^version: (\S+)$", (ROOT / "CITATION.cff").read_text(), flags=re.MULTILINE).group(1)
    assert newest == cited == sklearn_mdn.__version__
