"""Store fitted things as this version does, for all later ones to load: ``python tests/data/store.py``.

Each version has a folder in ``stored/``, and what lies in one is never written again: a later version adds
its own folder, or kinds that are missing in it. ``<kind>.json`` holds inputs and what was predicted for them.
"""

from __future__ import annotations

import json
import pickle
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.linear_model import BayesianRidge
from sklearn.preprocessing import PowerTransformer

import sklearn_mdn
from sklearn_mdn import (
    ClippedDistribution,
    ConformalDensityRegressor,
    DensityPool,
    GaussianDensity,
    MDNRegressor,
    MDNSearchCV,
    MixtureDistribution,
    PredictiveDistribution,
    TransformedDistribution,
    predict_distribution,
)

STORED = Path(__file__).parent / "stored"
SMALL: dict[str, Any] = {"n_components": 2, "hidden_layer_sizes": (4,), "max_iter": 5, "random_state": 0}
N_ROWS = 5  # to predict


def rows(n_outputs: int = 1, n: int = 60) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(0)
    X = generator.normal(size=(n, 2)).round(4)
    y = (np.sin(2 * X[:, :1]) + 0.3 * generator.normal(size=(n, n_outputs))).round(4)
    return X, y[:, 0] if n_outputs == 1 else y


def table(n: int = 60) -> tuple[pd.DataFrame, np.ndarray]:
    X, y = rows(n=n)
    X[::7, 0] = np.nan
    kind = np.array(["red", "green", "blue", "green"], dtype=object)[np.arange(n) % 4]
    kind[3::11] = None
    return pd.DataFrame({"size": X[:, 0], "weight": X[:, 1], "colour": kind}), y


def regressor(**parameters: Any) -> MDNRegressor:
    return MDNRegressor(**{**SMALL, **parameters})


def search(refit: bool | str) -> MDNSearchCV:
    return MDNSearchCV(regressor(), {"n_components": [1, 2]}, cv=2, refit=refit).fit(*rows())


def regressors_of_recorded_targets() -> dict[str, tuple[MDNRegressor, np.ndarray, np.ndarray]]:
    X, y = rows()
    counts, upper = np.round(np.exp(1.0 + y)), np.where(np.arange(len(y)) % 3, y, y + 0.5)
    upper[::6] = np.inf
    return {
        "positive": (regressor(support="positive").fit(X, np.exp(y)), X, np.exp(y)),
        "between": (regressor(support=(-9, 9)).fit(X, y), X, y),
        "limits": (regressor(limits=(0, None)).fit(X, np.maximum(y, 0)), X, np.maximum(y, 0)),
        "resolution": (regressor(resolution=0.5).fit(X, np.round(2 * y) / 2), X, np.round(2 * y) / 2),
        "counts": (regressor(support="positive", resolution=1).fit(X, counts), X, counts),
        "intervals": (regressor().fit(X, y, y_upper=upper), X, y),
    }


def distributions_of_recorded_targets() -> dict[str, tuple[PredictiveDistribution, np.ndarray, np.ndarray]]:
    X, y = rows()
    latent = MixtureDistribution([[0.3, 0.7]] * N_ROWS, [[-1.0, 1.0]] * N_ROWS, [[1.0, 0.25]] * N_ROWS)
    learned = {kind: model for kind, (model, _, _) in regressors_of_recorded_targets().items()}
    power = PowerTransformer().fit(np.exp(y)[:, None])
    counts = np.round(np.exp(1.0 + y))
    return {
        "distribution_transformed": (TransformedDistribution(latent, power), X, np.exp(y)),
        "distribution_counts": (learned["counts"].predict_distribution(X[:N_ROWS]), X, counts),
        "distribution_clipped": (ClippedDistribution(latent, 0.0, np.inf), X, np.maximum(y, 0)),
    }


def fitted_things() -> dict[str, tuple[Any, Any, np.ndarray]]:
    """Of each kind one, with rows X and targets y."""
    X, y = rows()
    X_table, y_table = table()
    X_two, y_two = rows(2)
    one, ensemble = regressor().fit(X, y), regressor(covariance_type="full", n_estimators=3).fit(X_two, y_two)
    few = regressor(covariance_type="full", n_estimators=3).fit(X_two[:12], y_two[:12])
    frame = regressor(dtype="float64").fit(X_table, pd.Series(y_table, name="price"))
    gaussian = GaussianDensity(BayesianRidge()).fit(X, y)
    parts = [("network", regressor()), ("linear", GaussianDensity(BayesianRidge()))]
    conformal = ConformalDensityRegressor(GaussianDensity(BayesianRidge()), cv="split", random_state=0)
    conformal.fit(X[:40], y[:40]).conformalize(X[40:], y[40:])
    pool = DensityPool(parts, weights=[3, 1]).fit(X, y)
    mixture = MixtureDistribution([[0.3, 0.7]] * N_ROWS, [[-1.0, 2.0]] * N_ROWS, [[1.0, 0.25]] * N_ROWS)
    return {
        "regressor": (one, X, y),
        "shrunk": (few, X_two, y_two),
        "ensemble": (ensemble, X_two, y_two),
        "table": (frame, X_table, y_table),
        "search": (search(refit=True), X, y),
        "stacking": (search(refit="stacking"), X, y),
        "gaussian": (gaussian, X, y),
        "pool": (pool, X, y),
        "conformal": (conformal, X, y),
        "distribution": (mixture, X, y),
        "distribution_full": (ensemble.predict_distribution(X_two[:N_ROWS]), X_two, y_two),
        **regressors_of_recorded_targets(),
        **distributions_of_recorded_targets(),
    }


def expectations(thing: Any, X: Any, y: np.ndarray) -> dict[str, list[Any]]:
    """What is predicted for the rows, by name."""
    alone = isinstance(thing, PredictiveDistribution)
    density = thing if alone else predict_distribution(thing, X)
    answers = {
        "mean": density.mean(),
        "std": density.std(),
        "logpdf": density.logpdf(y),
        "cdf": density.cdf(y),
        "weights": density.weights,
        "ppf": density.ppf(0.9),
    }
    places, probabilities = density.atoms()
    if places.size:
        answers |= {"places": places, "atoms": probabilities}
    if "resolution" in repr(density):
        answers["probabilities"] = density.probabilities([0, 1, 2])
    if not alone:
        answers["predict"] = thing.predict(X)
        answers["score"] = np.asarray(thing.score(X, y))
    return {name: values.tolist() for name, values in answers.items()}


def inputs_of(record: dict[str, Any]) -> tuple[Any, np.ndarray]:
    """X and y of a ``<kind>.json``."""
    X = record["X"]
    if isinstance(X, dict):
        numbers = {name: np.array(values, dtype=float) for name, values in X.items() if name != "colour"}
        return pd.DataFrame({**numbers, "colour": np.array(X["colour"], dtype=object)}), np.array(record["y"])
    return np.array(X), np.array(record["y"])


def store(kind: str, thing: Any, X: Any, y: np.ndarray, folder: Path) -> None:
    import skops.io

    X, y = X[:N_ROWS], y[:N_ROWS]
    if isinstance(X, pd.DataFrame):
        columns = {name: [None if v != v else v for v in X[name].tolist()] for name in X}
    record = {"X": columns if isinstance(X, pd.DataFrame) else X.tolist(), "y": y.tolist()}
    record["expected"] = expectations(thing, *inputs_of(record))
    (folder / f"{kind}.pickle").write_bytes(pickle.dumps(thing, protocol=5))
    skops.io.dump(thing, folder / f"{kind}.skops", compression=zipfile.ZIP_DEFLATED, compresslevel=9)
    (folder / f"{kind}.json").write_text(json.dumps(record) + "\n")


def main() -> None:
    folder = STORED / sklearn_mdn.__version__.partition(".dev")[0]
    folder.mkdir(parents=True, exist_ok=True)
    for kind, (thing, X, y) in fitted_things().items():
        if (folder / f"{kind}.json").exists():
            print(f"{kind}: is there, left as it is")
        else:
            store(kind, thing, X, y, folder)


if __name__ == "__main__":
    main()
