"""The architecture as a test: folders that import only downwards, and files and functions of bounded size."""

from __future__ import annotations

import ast
import sys
from graphlib import CycleError, TopologicalSorter
from pathlib import Path

import pytest

PACKAGE = "sklearn_mdn"
ROOT = Path(__file__).resolve().parent.parent
MAX_FILE_LINES, MAX_FUNCTION_LINES = 600, 60

# The house from the ground up: what a folder may import of the folders below (None: all), and which projects.
HOUSE = {
    "_torch": (set(), {"torch"}),
    "_mixtures": (set(), {"torch"}),
    "_networks": ({"_mixtures"}, {"torch"}),
    "_training": ({"_torch"}, {"torch", "numpy"}),
    "_tables": (set(), {"numpy", "scipy", "sklearn", "narwhals"}),
    "_distributions": ({"_torch", "_mixtures"}, {"torch", "numpy", "scipy", "sklearn"}),
    "metrics": ({"_distributions"}, {"numpy", "scipy", "sklearn"}),
    "_estimators": (None, {"torch", "numpy", "scipy", "sklearn", "narwhals", "onnx"}),
    "_search": (None, {"torch", "numpy", "scipy", "sklearn", "joblib"}),
    "plotting": (None, {"numpy", "scipy", "sklearn", "narwhals", "matplotlib"}),
    "_tour": (None, {"numpy", "pandas", "sklearn", "joblib", "matplotlib"}),
    "__main__": (None, set()),
}
# The packages whose __init__ is a public module, which gathers names for users and for nobody inside.
PUBLIC = ("", "metrics", "plotting")


def module_name(path: Path) -> str:
    """Dotted name inside the package: "_mixtures.scale", "metrics.__init__", "__main__"."""
    return ".".join(path.relative_to(ROOT / PACKAGE).with_suffix("").parts)


def package_files() -> list[Path]:
    return sorted((ROOT / PACKAGE).rglob("*.py"))


MODULES = {module_name(path) for path in package_files()}


def imported_names(module: str, source: str) -> list[str]:
    """Dotted names of everything that ``source`` imports, at any depth of the code."""
    names, here = [], [PACKAGE, *module.split(".")]
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = (
                ".".join([*here[: -node.level], *filter(None, [node.module])]) if node.level else node.module
            )
            names += [f"{base}.{alias.name}" for alias in node.names]
    return names


def own_imports(module: str, source: str) -> list[tuple[str, str | None]]:
    """What ``source`` imports of this package, and the module that holds it: None for an __init__."""
    found = []
    for name in imported_names(module, source):
        top, *rest = name.split(".")
        if top == PACKAGE:
            holders = [".".join(rest[:size]) for size in (1, 2)]
            found.append((name, next((holder for holder in holders if holder in MODULES), None)))
    return found


def violations(module: str, source: str) -> list[str]:
    """What ``source``, standing as ``module``, imports against the table above."""
    folder, _, file = module.rpartition(".")
    if file == "__init__":
        return [] if folder in PUBLIC or not source else [f"{folder}/__init__.py is not empty"]
    room = folder or file
    if room not in HOUSE:
        return [f"{module} is in no folder of the house"]
    floors = list(HOUSE)
    below, projects = HOUSE[room]
    allowed = {room} | set(floors[: floors.index(room)] if below is None else below)
    found = [
        f"{module} imports {name}"
        for name in imported_names(module, source)
        if name.split(".")[0] not in {PACKAGE, *projects, *sys.stdlib_module_names}
    ]
    for name, holder in own_imports(module, source):
        if holder is None:
            found.append(f"{module} imports a package's __init__: {name}")
        elif holder.split(".")[0] not in allowed:
            found.append(f"{module} imports {holder}, which is not below it")
    return found


def circle(sources: dict[str, str]) -> list[str]:
    """Modules that import each other in a circle, if there is one."""
    arrows = {
        module: {holder for _, holder in own_imports(module, source) if holder in sources}
        for module, source in sources.items()
    }
    try:
        TopologicalSorter(arrows).prepare()
    except CycleError as error:
        return error.args[1]
    return []


def counted_lines(lines: list[str], tree: ast.AST) -> int:
    """Lines of ``tree`` that are neither blank nor part of a docstring."""
    first = getattr(tree, "lineno", 1)
    numbers = set(range(first, getattr(tree, "end_lineno", len(lines)) + 1))
    for node in ast.walk(tree):
        if isinstance(node, (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)):
            head = node.body[0] if node.body else None
            if ast.get_docstring(node, clean=False) is not None and head is not None:
                numbers -= set(range(head.lineno, head.end_lineno + 1))
    return sum(bool(lines[number - 1].strip()) for number in numbers)


def oversized(source: str) -> list[str]:
    """Names and sizes of the file and its functions where they exceed their bounds."""
    lines, tree = source.splitlines(), ast.parse(source)
    sizes = {"file": (counted_lines(lines, tree), MAX_FILE_LINES)}
    for node in ast.walk(tree):
        if isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef)):
            sizes[f"{node.name}, line {node.lineno}"] = (counted_lines(lines, node), MAX_FUNCTION_LINES)
    return [f"{name}: {size} lines" for name, (size, bound) in sizes.items() if size > bound]


@pytest.mark.parametrize("path", package_files(), ids=module_name)
def test_imports_run_down(path):
    assert violations(module_name(path), path.read_text()) == []


def test_no_modules_import_each_other_in_a_circle():
    assert circle({module_name(path): path.read_text() for path in package_files()}) == []


def test_the_tests_live_in_the_same_folders():
    folders = {path.parent.name for path in package_files() if path.parent.name != PACKAGE}
    assert {path.parent.name for path in (ROOT / "tests").rglob("test_*.py")} == {*folders, "tests"}


@pytest.mark.parametrize(
    "path",
    [
        path
        for folder in (PACKAGE, "tests", "benchmarks", "doc")
        for path in sorted((ROOT / folder).glob("**/*.py"))
    ],
    ids=lambda path: str(path.relative_to(ROOT)),
)
def test_files_and_functions_are_short(path):
    assert oversized(path.read_text()) == []


@pytest.mark.parametrize(
    ("module", "source", "message"),
    [
        ("_mixtures.scale", "from sklearn_mdn._networks.stack import StackedMLP", "not below"),
        ("_training.loop", "from sklearn_mdn._mixtures.mixture import Mixture", "not below"),
        ("_networks.head", "def f():\n    from sklearn_mdn._estimators.pool import DensityPool", "not below"),
        ("_networks.head", "from .._training import rows", "not below"),
        ("_networks.head", "import sklearn_mdn._training.rows", "not below"),
        ("metrics._scores", "from sklearn_mdn._estimators.regressor import MDNRegressor", "not below"),
        ("_estimators.regressor", "from sklearn_mdn import MixtureDistribution", "__init__"),
        ("_estimators.regressor", "import sklearn_mdn", "__init__"),
        ("_estimators.regressor", "from .. import MixtureDistribution", "__init__"),
        ("_tour.picture", "from sklearn_mdn.metrics import crps", "__init__"),
        ("metrics._scores", "from . import crps", "__init__"),
        ("_training.loop", "from sklearn.base import clone", "imports sklearn"),
        ("_mixtures.mixture", "import numpy as np", "imports numpy"),
        ("_mixtures.__init__", "from sklearn_mdn._mixtures.scale import Scale", "not empty"),
        ("utils", "", "no folder"),
        ("_tools.utils", "", "no folder"),
    ],
)
def test_a_wrong_import_is_found(module, source, message):
    (found,) = violations(module, source)
    assert message in found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("_mixtures.mixture", "import math\nimport torch.nn\nfrom sklearn_mdn._mixtures.scale import Scale"),
        (
            "_estimators.regressor",
            "from .._training.loop import train\nfrom sklearn_mdn._networks import stack",
        ),
        ("_mixtures.mixture", "from . import scale\nfrom .scale import Scale"),
        ("__init__", "from sklearn_mdn._estimators.regressor import MDNRegressor"),
        ("metrics.__init__", "from sklearn_mdn.metrics._scores import crps"),
    ],
)
def test_a_right_import_passes(module, source):
    assert violations(module, source) == []


def test_a_circle_is_found():
    sources = {
        "_mixtures.scale": "def f():\n    from sklearn_mdn._mixtures.modes import modes",
        "_mixtures.modes": "from . import mixture",
        "_mixtures.mixture": "from sklearn_mdn._mixtures.scale import Scale",
    }
    assert set(circle(sources)) == set(sources)
    assert circle(sources | {"_mixtures.scale": ""}) == []


def test_size_leaves_out_docstrings_and_blank_lines():
    body = "    a = 1\n" * (MAX_FUNCTION_LINES - 1)
    fits = 'def f():\n    """One.\n\n    Two.\n    """\n\n' + body
    assert oversized(fits) == []
    assert oversized(fits + "    a = 1\n") == [f"f, line 1: {MAX_FUNCTION_LINES + 1} lines"]
    assert oversized("a = 1\n" * (MAX_FILE_LINES + 1)) == [f"file: {MAX_FILE_LINES + 1} lines"]
