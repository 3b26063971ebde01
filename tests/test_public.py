"""The public face: what ``__all__`` names says where it lives, survives moves, and shows how it is used."""

from __future__ import annotations

import ast
import doctest
import importlib
import inspect
import pickle
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import sklearn_mdn
from sklearn_mdn import DensityPool, MDNRegressor, MDNSearchCV, MixtureDistribution
from sklearn_mdn.metrics import distribution_report

MODULES = ("sklearn_mdn", "sklearn_mdn.metrics", "sklearn_mdn.plotting")
PUBLIC = {
    f"{module}.{name}": getattr(importlib.import_module(module), name)
    for module in MODULES
    for name in importlib.import_module(module).__all__
}
FLAGS = doctest.NORMALIZE_WHITESPACE | doctest.ELLIPSIS


def documented() -> dict[str, object]:
    """Public classes and functions, and the public methods and properties of the classes, each once."""
    found: dict[str, object] = {}
    for name, thing in PUBLIC.items():
        if inspect.isfunction(thing) or inspect.isclass(thing):
            found[name] = thing
        for attribute, member in inspect.getmembers(thing) if inspect.isclass(thing) else []:
            home = inspect.getmodule(member.fget if isinstance(member, property) else member)
            if not attribute.startswith("_") and getattr(home, "__name__", "").startswith("sklearn_mdn."):
                found[f"{name}.{attribute}"] = member
    texts: dict[str, str] = {}
    for name, thing in found.items():
        texts.setdefault(inspect.getdoc(thing) or name, name)
    return {name: found[name] for name in texts.values()}


DOCUMENTED = documented()


@pytest.mark.parametrize("name", PUBLIC)
def test_public_names_say_where_they_are_imported_from(name):
    module, _, short = name.rpartition(".")
    assert PUBLIC[name].__module__ == module
    if not name.endswith("_scorer") or inspect.isfunction(PUBLIC[name]):
        assert PUBLIC[name].__qualname__ == short


LAZY = """
import sys
import sklearn_mdn
from sklearn_mdn import __version__
assert not {"torch", "sklearn", "numpy"} & set(sys.modules)
assert set(sklearn_mdn.__all__) <= set(dir(sklearn_mdn))
assert not hasattr(sklearn_mdn, "Regressor")
try:
    from sklearn_mdn import Regressor
except ImportError:
    pass
from sklearn_mdn.metrics import crps
import sklearn_mdn._distributions.mixture as private
assert private.MixtureDistribution.__module__ == "sklearn_mdn"  # before the package was asked for it
from sklearn_mdn import *
assert all(globals()[name] is vars(sklearn_mdn)[name] for name in sklearn_mdn.__all__)
assert MixtureDistribution is private.MixtureDistribution
"""


def test_names_are_loaded_when_they_are_asked_for():
    done = subprocess.run([sys.executable, "-c", LAZY], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_what_type_checkers_read_is_what_is_loaded():
    tree = ast.parse(Path(sklearn_mdn.__file__).read_text())
    imports = [node for node in ast.walk(tree) if isinstance(node, ast.ImportFrom) and node.level == 0]
    seen = {
        alias.name: node.module.removeprefix("sklearn_mdn.")
        for node in imports
        for alias in node.names
        if node.module.startswith("sklearn_mdn.")
    }
    assert seen == sklearn_mdn._HOMES
    assert sorted(seen) == sorted(sklearn_mdn.__all__)


def test_the_reference_has_everything_that_is_public():
    folder = Path(__file__).resolve().parent.parent / "doc"
    summaries, scorers = (folder / "api.rst").read_text(), (folder / "scorers.rst").read_text()
    listed = re.findall(r"^ {3}(\w+)$", summaries.partition(".. toctree::")[0], flags=re.MULTILINE)
    listed += re.findall(r"^\.\. data:: (\w+)$", scorers, flags=re.MULTILINE)
    assert sorted(set(listed)) == sorted(name.rpartition(".")[2] for name in PUBLIC)
    assert len(listed) == len(set(listed))


def test_an_unknown_name_is_refused():
    with pytest.raises(AttributeError, match="module 'sklearn_mdn' has no attribute 'Regressor'"):
        sklearn_mdn.Regressor  # noqa: B018


@pytest.mark.parametrize("name", DOCUMENTED)
def test_examples_of_docstrings_run(name, capsys):
    text = inspect.getdoc(DOCUMENTED[name])
    example = doctest.DocTestParser().get_doctest(text, {}, name, None, None)
    assert example.examples, f"{name} has no example"
    results = doctest.DocTestRunner(optionflags=FLAGS).run(example)
    assert results.failed == 0, capsys.readouterr().out


def stored_things():
    X = np.arange(24.0).reshape(12, 2)
    y = X[:, 0]
    model = MDNRegressor(1, max_iter=1, random_state=0).fit(X, y)
    searched = MDNSearchCV(model, {"n_components": [1]}, cv=2, refit="stacking").fit(X, y)
    density = model.predict_distribution(X)
    return [
        *(model, searched, DensityPool.from_fitted([model]), density),
        MixtureDistribution([[1.0]], [[[0.0, 1.0]]], [np.eye(2)[None]]),
        distribution_report(y, density),
        *PUBLIC.values(),
    ]


def test_pickles_name_public_modules_only():
    """So that a file of today loads after any later move."""
    for thing in stored_things():
        stored = pickle.dumps(thing)
        assert b"sklearn_mdn._" not in stored, thing
        assert b"sklearn_mdn.metrics._" not in stored, thing
        assert b"sklearn_mdn.plotting._" not in stored, thing
        assert b"torch" not in stored, thing
