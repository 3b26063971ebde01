"""Fitted things load for years: files of every version, copies of every kind, and what is said of others."""

from __future__ import annotations

import copy
import json
import pickle
import subprocess
import sys
import warnings
from pathlib import Path

import joblib
import numpy as np
import pytest
from sklearn.base import clone
from sklearn.exceptions import InconsistentVersionWarning, NotFittedError
from sklearn.model_selection import GridSearchCV

from sklearn_mdn import DensityPool, MDNRegressor, MDNSearchCV, MixtureDistribution, PredictiveDistribution
from sklearn_mdn._distributions import stored_state
from sklearn_mdn._estimators.regressor import TO_CONTINUE, TO_PREDICT
from tests.data.store import N_ROWS, STORED, expectations, fitted_things, inputs_of, rows, table

RECORDS = sorted(STORED.glob("*/*.json"))


def loaded_skops(data: bytes):
    skops_io = pytest.importorskip("skops.io")
    trusted = skops_io.get_untrusted_types(data=data)
    assert all(name.startswith(("sklearn_mdn.", "sklearn.", "numpy.")) for name in trusted), trusted
    return skops_io.loads(data, trusted=trusted)


READERS = {"pickle": pickle.loads, "skops": loaded_skops}


# Files


@pytest.mark.parametrize("reader", READERS)
@pytest.mark.parametrize("path", RECORDS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_files_of_every_version_predict_what_they_did(path, reader):
    record = json.loads(path.read_text())
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", InconsistentVersionWarning)  # of parts that are scikit-learn's
        thing = READERS[reader](path.with_suffix(f".{reader}").read_bytes())
    found = expectations(thing, *inputs_of(record))
    assert found.keys() == record["expected"].keys()
    for name, values in record["expected"].items():
        np.testing.assert_allclose(found[name], values, rtol=1e-9, atol=1e-12, err_msg=name)


@pytest.mark.parametrize("path", RECORDS, ids=lambda path: f"{path.parent.name}-{path.stem}")
def test_files_say_their_format(path):
    assert stored_state.FORMAT_KEY.encode() in path.with_suffix(".pickle").read_bytes()


@pytest.fixture(scope="module")
def things():
    return fitted_things()


def test_there_is_a_file_of_each_kind(things):
    assert {path.stem for path in RECORDS} == set(things)


KINDS = sorted({path.stem for path in RECORDS})


# Copies


def bits(thing, X, y) -> bytes:
    return pickle.dumps(expectations(thing, X, y))


def mapped(thing, folder: Path):
    joblib.dump(thing, folder / "thing.joblib")
    return joblib.load(folder / "thing.joblib", mmap_mode="r")


COPIES = {
    "copy": lambda thing, folder: copy.copy(thing),
    "deepcopy": lambda thing, folder: copy.deepcopy(thing),
    "pickle, protocol 2": lambda thing, folder: pickle.loads(pickle.dumps(thing, protocol=2)),
    "joblib, memory-mapped": mapped,
}


@pytest.mark.parametrize("way", COPIES)
@pytest.mark.parametrize("kind", KINDS)
def test_copies_predict_the_same_bits(kind, way, things, tmp_path):
    thing, X, y = things[kind]
    X, y = X[:N_ROWS], y[:N_ROWS]
    expected = bits(thing, X, y)
    twin = COPIES[way](thing, tmp_path)
    assert bits(twin, X, y) == expected
    assert stored_state.FORMAT_KEY not in vars(twin)
    if not isinstance(thing, PredictiveDistribution):
        assert vars(twin).keys() == vars(thing).keys()
        assert repr(clone(twin)) == repr(clone(thing))


READ_ELSEWHERE = """
import pickle, sys, torch
from pathlib import Path
from tests.test_stored import bits
torch.set_num_threads(int(sys.argv[2]))
things = pickle.loads(Path(sys.argv[1]).read_bytes())
answers = {kind: bits(*thing) for kind, thing in things.items()}
assert torch.get_num_threads() == int(sys.argv[2])
Path(sys.argv[1]).with_suffix(".answers").write_bytes(pickle.dumps(answers))
"""


@pytest.mark.parametrize("n_threads", [1, 2])
def test_another_process_and_other_threads_predict_the_same_bits(n_threads, things, tmp_path):
    n = 3000
    given = {}
    for kind, (thing, X, y) in things.items():
        X_many, _ = table(n) if kind == "table" else rows(n=n)
        y_many = np.resize(y, (n, *y.shape[1:]))
        alone = isinstance(thing, PredictiveDistribution)
        given[kind] = (thing, X[:N_ROWS], y[:N_ROWS]) if alone else (thing, X_many, y_many)
    (tmp_path / "things").write_bytes(pickle.dumps(given))
    subprocess.run(
        [sys.executable, "-c", READ_ELSEWHERE, str(tmp_path / "things"), str(n_threads)],
        cwd=Path(__file__).parent.parent,
        check=True,
        timeout=300,
    )
    answers = pickle.loads((tmp_path / "things.answers").read_bytes())
    for kind, thing in given.items():
        assert answers[kind] == bits(*thing), kind


# Formats


@pytest.mark.parametrize("way", READERS)
@pytest.mark.parametrize("kind", KINDS)
def test_a_later_format_is_refused(kind, way, things, monkeypatch):
    thing = things[kind][0]
    with monkeypatch.context() as later:
        later.setattr(stored_state, "STATE_FORMAT", stored_state.STATE_FORMAT + 1)
        dumps = pickle.dumps if way == "pickle" else pytest.importorskip("skops.io").dumps
        data = dumps(thing)
    now = stored_state.STATE_FORMAT
    message = rf"stored in format {now + 1}, .* formats up to {now}: update sklearn_mdn"
    with pytest.raises(ValueError, match=message):
        READERS[way](data)


@pytest.mark.parametrize("number", [0, -1, "1", None, 1.0])
def test_what_is_no_number_of_a_format_is_refused(number, things):
    for thing, _, _ in things.values():
        state = {**thing.__getstate__(), stored_state.FORMAT_KEY: number}
        with pytest.raises(ValueError, match=f"{type(thing).__name__} was stored in format {number!r}"):
            type(thing).__new__(type(thing)).__setstate__(state)


@pytest.mark.parametrize("kind", KINDS)
def test_states_from_before_the_number_are_read(kind, things):
    thing, X, y = things[kind]
    state = thing.__getstate__()
    assert state.pop(stored_state.FORMAT_KEY) == stored_state.STATE_FORMAT
    old = type(thing).__new__(type(thing))
    old.__setstate__(state)
    assert stored_state.FORMAT_KEY not in state
    assert bits(old, X[:N_ROWS], y[:N_ROWS]) == bits(thing, X[:N_ROWS], y[:N_ROWS])


# Missing attributes


def without(thing, *names):
    twin = copy.deepcopy(thing)
    for name in names:
        delattr(twin, name)
    return twin


MISSING = r"fitted {kind} lacks {name}: it was stored by another version .* Fit it again, or load it"


@pytest.mark.parametrize("name", TO_PREDICT)
def test_a_network_says_what_it_lacks(name, things):
    model, X, y = things["regressor"]
    broken = without(model, name)
    for method in (broken.predict, broken.predict_distribution, lambda X: broken.score(X, y)):
        with pytest.raises(NotFittedError, match=MISSING.format(kind="MDNRegressor", name=name)):
            method(X)
    with pytest.raises(NotFittedError, match=f"lacks {name}"):
        broken.set_params(warm_start=True).fit(X, y)
    assert broken.set_params(warm_start=False).fit(X, y).predict(X).shape == y.shape


@pytest.mark.parametrize("name", TO_CONTINUE)
def test_what_only_a_warm_start_needs_is_not_missed_before(name, things):
    model, X, y = things["regressor"]
    broken = without(model, name)
    np.testing.assert_array_equal(broken.predict(X), model.predict(X))
    with pytest.raises(NotFittedError, match=MISSING.format(kind="MDNRegressor", name=name)):
        broken.set_params(warm_start=True).fit(X, y)


EMBEDDINGS = (
    *("embedding_coefs_", "embedding_frequencies_", "embedding_bins_"),
    *("gap_values_", "category_coefs_"),
)


@pytest.mark.parametrize("name", EMBEDDINGS)
def test_parameters_of_embeddings_are_missed_where_they_are_needed(name, things):
    model, X, _ = things["table"]
    with pytest.raises(NotFittedError, match=MISSING.format(kind="MDNRegressor", name=name)):
        without(model, name).predict(X)


def test_what_is_needed_is_all_that_is_read(things):
    """With nothing but it, a network predicts and goes on."""
    model, X, y = things["regressor"]
    kept = {*TO_PREDICT, *TO_CONTINUE, *(name for name in vars(model) if name.startswith("embedding_"))}
    fitted = {name for name in vars(model) if name not in model.get_params()}
    bare = without(model, *(fitted - kept))
    np.testing.assert_array_equal(bare.predict(X), model.predict(X))
    assert bare.set_params(warm_start=True).fit(X, y).n_iter_.tolist() == [10]


@pytest.mark.parametrize(
    ("kind", "name"),
    [
        ("search", "best_estimator_"),
        ("stacking", "best_estimator_"),
        ("pool", "estimators_"),
        ("pool", "weights_"),
        ("gaussian", "estimator_"),
    ],
)
def test_others_say_what_they_lack(kind, name, things):
    thing, X, y = things[kind]
    broken = without(thing, name)
    message = MISSING.format(kind=type(thing).__name__, name=name)
    for method in (broken.predict, broken.predict_distribution, lambda X: broken.score(X, y)):
        with pytest.raises(NotFittedError, match=message):
            method(X)


def test_a_network_inside_says_what_it_lacks(things):
    pool, X, _ = things["pool"]
    pool = copy.deepcopy(pool)
    del pool.estimators_[0].y_scale_
    with pytest.raises(NotFittedError, match="MDNRegressor lacks y_scale_"):
        pool.predict(X)


@pytest.mark.parametrize("name", ["logits", "scale", "member_sizes"])
def test_a_distribution_says_what_its_state_lacks(name, things):
    state = things["distribution"][0].__getstate__()
    del state[name]
    with pytest.raises(ValueError, match=f"MixtureDistribution lacks {name}: it was stored by"):
        MixtureDistribution.__new__(MixtureDistribution).__setstate__(state)


@pytest.mark.parametrize(
    "thing",
    [
        MDNRegressor(),
        DensityPool([MDNRegressor()]),
        MDNSearchCV(MDNRegressor(), {}),
        MDNSearchCV(MDNRegressor(), {}, refit=False),
        GridSearchCV(MDNRegressor(), {}),
    ],
    ids=lambda thing: type(thing).__name__,
)
def test_what_is_not_fitted_is_not_said_to_lack_anything(thing):
    for twin in (thing, copy.deepcopy(thing), pickle.loads(pickle.dumps(thing))):
        with pytest.raises((NotFittedError, AttributeError)) as caught:
            twin.predict(rows()[0])
        assert "lacks" not in str(caught.value)
