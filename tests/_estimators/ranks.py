"""What each of two processes does in the test of distributed fits: ``ranks.py FOLDER``, under torchrun."""

from __future__ import annotations

import os
import pickle
import sys
from pathlib import Path

import numpy as np
import torch.distributed

from sklearn_mdn import MDNRegressor

SETTINGS = {
    "n_components": 2,
    "hidden_layer_sizes": (8,),
    "max_iter": 4,
    "batch_size": 400,
    "random_state": 0,
    "dtype": "float64",
}
CASES = {
    "all rows": {"early_stopping": False},
    "held out": {},
    "ensemble": {"n_estimators": 4, "validation_fraction": 0.3},
    "weighted": {"early_stopping": False},
}


def problem(n=400):
    rng = np.random.default_rng(0)
    X = rng.normal(size=(n, 3))
    X[::9, 2] = np.nan
    return X, np.sin(X[:, 0]) + 0.1 * rng.normal(size=n), rng.uniform(0.5, 2.0, n)


def error_of(function):
    try:
        function()
    except (ValueError, RuntimeError) as error:
        return f"{type(error).__name__}: {error}"
    return "nothing was raised"


def main(folder: Path) -> None:
    torch.distributed.init_process_group("gloo")
    rank = torch.distributed.get_rank()
    X, y, weight = problem()
    own = slice(0, 200) if rank == 0 else slice(200, 400)
    found = {}
    for name, parameters in CASES.items():
        model = MDNRegressor(**(SETTINGS | parameters), distributed=True)
        model.fit(X[own], y[own], sample_weight=weight[own] if name == "weighted" else None)
        found[name] = {key: value for key, value in vars(model).items() if key.endswith("_")}
    mini = MDNRegressor(**(SETTINGS | {"batch_size": 32}), distributed=True).fit(X[own], y[own])
    found["mini-batches"] = {"coefs_": mini.coefs_, "n_iter_": mini.n_iter_}
    model = MDNRegressor(**SETTINGS, distributed=True)
    bad = np.where(rank == 1, np.inf, X[own])
    found["bad values"] = error_of(lambda: model.fit(bad, y[own]))
    found["other columns"] = error_of(lambda: model.fit(X[own, : 3 - rank], y[own]))
    other = MDNRegressor(**(SETTINGS | {"alpha": 0.1 * rank}), distributed=True)
    found["other parameters"] = error_of(lambda: other.fit(X[own], y[own]))
    found["few rows"] = error_of(lambda: mini.fit(X[: 200 - 195 * rank], y[: 200 - 195 * rank]))
    (folder / f"before_{rank}").write_bytes(pickle.dumps(found))
    if rank == 1:
        os._exit(0)
    found["gone"] = error_of(lambda: model.fit(X[own], y[own]))
    (folder / f"after_{rank}").write_bytes(pickle.dumps(found))
    os._exit(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
