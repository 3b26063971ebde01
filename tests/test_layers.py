"""The architecture as a test: layers that import only downwards, and files and functions of bounded size."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import pytest

PACKAGE = "sklearn_mdn"
ROOT = Path(__file__).resolve().parent.parent
MAX_FILE_LINES, MAX_FUNCTION_LINES = 600, 60

# From the bottom up. A module imports from the layers below its own and from modules left of it in its own.
LAYERS = {
    "numerics": ["_normal", "_roots", "_scale", "_univariate", "_mixture", "_modes", "_regions", "_entropy"],
    "model": ["_network"],
    "learning": ["_data", "_threads", "_training"],
    "boundary": [
        *["_checks", "_noise", "_distribution", "_unwrap", "_jacobian", "_transformed"],
        *["_forecast", "_scores", "_report", "_scorers", "_cross_val", "metrics"],
    ],
    "estimators": [
        *["_density", "_fitting", "_progress", "_regressor"],
        *["_pool", "_stacking", "_tasks", "_search"],
    ],
    "on top": [
        *["_drawing", "_profile", "_displays_density", "_displays_curves", "_displays_joint"],
        *["_displays_calibration", "_displays_training", "plotting"],
        *["_picture", "_table", "__main__"],
    ],
}
# What each layer may know of other projects. The interface __init__ only gathers names.
THIRD_PARTY = {
    "numerics": {"torch"},
    "model": {"torch"},
    "learning": {"torch", "numpy"},
    "boundary": {"torch", "numpy", "scipy", "sklearn"},
    "estimators": {"torch", "numpy", "scipy", "sklearn", "joblib"},
    "on top": {"numpy", "scipy", "sklearn", "joblib", "narwhals", "matplotlib"},
}
# Learning sees a module and a loss only.
UNSEEN = {"learning": set(LAYERS["numerics"]) | set(LAYERS["model"])}

ORDER = [module for modules in LAYERS.values() for module in modules]
LAYER_OF = {module: layer for layer, modules in LAYERS.items() for module in modules}


def imported_names(source: str) -> list[str]:
    """Dotted names of everything that ``source`` imports, at any depth of the code."""
    names = []
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            names += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = PACKAGE if node.level else node.module
            base = f"{PACKAGE}.{node.module}" if node.level and node.module else base
            names += [f"{base}.{alias.name}" for alias in node.names]
    return names


def violations(module: str, source: str) -> list[str]:
    """What ``source``, standing as ``module``, imports against the table above."""
    if module == "__init__":
        return []
    if module not in LAYER_OF:
        return [f"{module} is in no layer"]
    layer, found = LAYER_OF[module], []
    allowed = set(ORDER[: ORDER.index(module)]) - UNSEEN.get(layer, set())
    for name in imported_names(source):
        top, *rest = name.split(".")
        if top != PACKAGE:
            if top not in THIRD_PARTY[layer] and top not in sys.stdlib_module_names:
                found.append(f"{module} ({layer}) imports {top}")
        elif not rest or rest[0] not in LAYER_OF:
            found.append(f"{module} imports the package's __init__: {name}")
        elif rest[0] not in allowed:
            found.append(f"{module} imports {rest[0]}, which is not below it")
    return found


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


def package_files() -> list[Path]:
    return sorted((ROOT / PACKAGE).rglob("*.py"))


def test_the_package_is_flat():
    assert {path.parent for path in package_files()} == {ROOT / PACKAGE}


@pytest.mark.parametrize("path", package_files(), ids=lambda path: path.stem)
def test_imports_run_down(path):
    assert violations(path.stem, path.read_text()) == []


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
        ("_scale", "from sklearn_mdn._mixture import Mixture", "not below"),
        ("_training", "from sklearn_mdn._mixture import Mixture", "not below"),
        ("_network", "def f():\n    from sklearn_mdn._regressor import MDNRegressor", "not below"),
        ("_mixture", "from . import _mixture", "not below"),
        ("_regressor", "from sklearn_mdn import MixtureDistribution", "__init__"),
        ("_regressor", "import sklearn_mdn", "__init__"),
        ("_regressor", "from . import MixtureDistribution", "__init__"),
        ("_training", "from sklearn.base import clone", "imports sklearn"),
        ("_mixture", "import numpy as np", "imports numpy"),
        ("utils", "", "no layer"),
    ],
)
def test_a_wrong_import_is_found(module, source, message):
    (found,) = violations(module, source)
    assert message in found


@pytest.mark.parametrize(
    ("module", "source"),
    [
        ("_mixture", "import math\nimport torch.nn\nfrom sklearn_mdn._scale import Scale"),
        ("_regressor", "from ._training import train\nfrom sklearn_mdn import _network"),
        ("__init__", "from sklearn_mdn._regressor import MDNRegressor"),
    ],
)
def test_a_right_import_passes(module, source):
    assert violations(module, source) == []


def test_size_leaves_out_docstrings_and_blank_lines():
    body = "    a = 1\n" * (MAX_FUNCTION_LINES - 1)
    fits = 'def f():\n    """One.\n\n    Two.\n    """\n\n' + body
    assert oversized(fits) == []
    assert oversized(fits + "    a = 1\n") == [f"f, line 1: {MAX_FUNCTION_LINES + 1} lines"]
    assert oversized("a = 1\n" * (MAX_FILE_LINES + 1)) == [f"file: {MAX_FILE_LINES + 1} lines"]
