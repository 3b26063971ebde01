"""The methods that benchmarks compare, each run in a process of its own.

``python _methods.py NAME`` reads jobs from standard input and answers on standard output, in lines of JSON.
It needs NumPy and what the one method needs, so that a peer can live in an environment where
sklearn_mdn is not installed. A method is a function ``fit(X, y)`` that returns ``predict(X)``. A prediction
is a dict of arrays: Gaussian mixtures, "weights" (n, K), "means" (n, K[, D]) and "covariances" (n, K) or
(n, K, D, D); or, of methods without a density, "quantiles" (n[, D], Q) at ``LEVELS`` and "mean" (n[, D]).
"""

from __future__ import annotations

import json
import os
import sys
import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass
from functools import wraps
from importlib.metadata import PackageNotFoundError, version

import numpy as np

# The grid of "mdn-stacking": its candidates, and the estimator and folds that they are tried with.
STACKING_GRID = [{"n_components": [5, 10]}, {"early_stopping": [False], "max_iter": [200, 600]}]
STACKING_ESTIMATOR = {"n_estimators": 2, "random_state": 0}
STACKING_FOLDS = {"n_splits": 20, "shuffle": True, "random_state": 0}

# Mid-points of equal shares, 0.05 and 0.95 among them: twice the mean pinball loss at such levels is the CRPS
# of the distribution that puts equal probability on the quantiles.
LEVELS = (np.arange(50) + 0.5) / 50

# What settings of boosted trees are chosen by: so many trials, and the loss at a few levels.
N_TRIALS = 30
TUNING_LEVELS = np.array([0.05, 0.25, 0.5, 0.75, 0.95])

GAUSSIAN_PROCESS_ROWS = 2000
WARM_UP_ROWS = 60

Prediction = dict[str, np.ndarray]
Predict = Callable[[np.ndarray], Prediction]
Fit = Callable[[np.ndarray, np.ndarray], Predict]


def n_threads() -> int:
    return int(os.environ.get("OMP_NUM_THREADS", "1"))


# ---------------------------------------------------------------------------------------------- wrappers


def standardized(fit: Fit) -> Fit:
    """Scale inputs and targets for a method that does not do so itself, and its mixtures back."""

    @wraps(fit)
    def wrapped(X, y):
        x_offset, x_scale = _offset_and_scale(X)
        y_offset, y_scale = _offset_and_scale(y)
        predict = fit((X - x_offset) / x_scale, (y - y_offset) / y_scale)

        def predict_in_units(X):
            mixture = predict((X - x_offset) / x_scale)
            squares = y_scale**2 if y.ndim == 1 else np.multiply.outer(y_scale, y_scale)
            return {
                "weights": mixture["weights"],
                "means": mixture["means"] * y_scale + y_offset,
                "covariances": mixture["covariances"] * squares,
            }

        return predict_in_units

    return wrapped


def per_target(fit: Fit) -> Fit:
    """Fit each of several targets on its own; the joint prediction takes them as independent."""

    @wraps(fit)
    def wrapped(X, y):
        if y.ndim == 1:
            return fit(X, y)
        parts = [fit(X, column) for column in y.T]

        def predict(X):
            predictions = [part(X) for part in parts]
            if "quantiles" in predictions[0]:
                return {name: np.stack([p[name] for p in predictions], axis=1) for name in predictions[0]}
            return product_mixture(predictions)

        return predict

    return wrapped


def product_mixture(parts: list[Prediction]) -> Prediction:
    """Joint mixture of independent targets: a component for each combination of the targets' own."""
    n = len(parts[0]["weights"])
    weights = np.ones((n, 1))
    means = variances = np.empty((n, 1, 0))
    for part in parts:
        k = part["weights"].shape[1]
        weights = (weights[:, :, None] * part["weights"][:, None, :]).reshape(n, -1)
        means = _with_target(means, part["means"], k)
        variances = _with_target(variances, part["covariances"], k)
    return {"weights": weights, "means": means, "covariances": _diagonal(variances)}


def _with_target(values: np.ndarray, column: np.ndarray, k: int) -> np.ndarray:
    earlier = np.repeat(values, k, axis=1)
    return np.concatenate([earlier, np.tile(column, (1, values.shape[1]))[:, :, None]], axis=2)


def _diagonal(variances: np.ndarray) -> np.ndarray:
    return variances[..., None] * np.eye(variances.shape[-1])


def _offset_and_scale(values: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    scale = values.std(axis=0)
    return values.mean(axis=0), np.where(scale > 0.0, scale, 1.0)


def _normal(mean: np.ndarray, variance: np.ndarray) -> Prediction:
    """One Gaussian a row, as a mixture."""
    return {"weights": np.ones((len(mean), 1)), "means": mean[:, None], "covariances": variance[:, None]}


def _proportions(weights: np.ndarray) -> np.ndarray:
    """Weights in float64 that sum to one to its precision, not to float32's."""
    weights = weights.astype(np.float64)
    return weights / weights.sum(axis=1, keepdims=True)


# -------------------------------------------------------------------------------------------------- ours


def mdn():
    from sklearn_mdn import MDNRegressor

    return MDNRegressor(random_state=0)


def mdn_10():
    from sklearn_mdn import MDNRegressor

    return MDNRegressor(n_estimators=10, random_state=0)


def mdn_10_full():
    from sklearn_mdn import MDNRegressor

    return MDNRegressor(n_estimators=10, covariance_type="full", random_state=0)


def mdn_stacking():
    from sklearn.model_selection import KFold

    from sklearn_mdn import MDNRegressor, MDNSearchCV

    estimator = MDNRegressor(**STACKING_ESTIMATOR)
    return MDNSearchCV(estimator, STACKING_GRID, cv=KFold(**STACKING_FOLDS), refit="stacking")


def fit_ours(make: Callable) -> Fit:
    """The method that fits the estimator which ``make`` returns."""

    def fit(X, y):
        from sklearn_mdn import predict_distribution

        fitted = make().fit(X, y)

        def predict(X):
            density = predict_distribution(fitted, X)
            return {name: getattr(density, name) for name in ("weights", "means", "covariances")}

        return predict

    return fit


def describe(make: Callable) -> str:
    """Every parameter of the estimator, so that results of other defaults are not taken for these."""
    parameters = make().get_params()
    return json.dumps({name: repr(parameters[name]) for name in sorted(parameters) if name != "estimator"})


# ------------------------------------------------------------------------------------------------- peers


@per_target
def gaussian_process(X, y):
    from sklearn.gaussian_process import GaussianProcessRegressor
    from sklearn.gaussian_process.kernels import RBF, ConstantKernel, WhiteKernel

    if len(X) > GAUSSIAN_PROCESS_ROWS:
        rows = np.random.default_rng(0).choice(len(X), GAUSSIAN_PROCESS_ROWS, replace=False)
        X, y = X[rows], y[rows]
    offset, scale = _offset_and_scale(X)
    smooth = ConstantKernel(1.0, (1e-3, 1e4)) * RBF(np.ones(X.shape[1]), (1e-2, 1e4))
    kernel = smooth + WhiteKernel(0.1, (1e-6, 1e1))
    model = GaussianProcessRegressor(kernel, normalize_y=True, random_state=0).fit((X - offset) / scale, y)

    def predict(X):
        mean, std = model.predict((X - offset) / scale, return_std=True)
        return _normal(mean, std**2)

    return predict


def ngboost(X, y):
    from ngboost import NGBRegressor
    from ngboost.distns import MultivariateNormal, Normal

    distribution = Normal if y.ndim == 1 else MultivariateNormal(y.shape[1])
    model = NGBRegressor(Dist=distribution, random_state=0, verbose=False).fit(X, y)

    def predict(X):
        predicted = model.pred_dist(X)
        return _normal(predicted.loc, predicted.scale**2 if y.ndim == 1 else predicted.cov)

    return predict


@standardized
def skpro(X, y):
    import pandas as pd
    from skpro.regression.mdn import MDNRegressor

    model = MDNRegressor(random_state=0).fit(pd.DataFrame(X), pd.DataFrame(y))

    def predict(X):
        density = model.predict_proba(pd.DataFrame(X))
        means = np.asarray(density.mu, dtype=np.float64)
        variances = np.asarray(density.sigma, dtype=np.float64) ** 2
        one = y.ndim == 1
        return {
            "weights": _proportions(density.pi),
            "means": means[..., 0] if one else means,
            "covariances": variances[..., 0] if one else _diagonal(variances),
        }

    return predict


@per_target
@standardized
def scikit_mdn(X, y):
    import torch
    from skmdn import MixtureDensityEstimator

    torch.manual_seed(0)
    model = MixtureDensityEstimator().fit(X, y[:, None])

    def predict(X):
        weights, means, scales = model.forward(X)
        variances = scales.astype(np.float64) ** 2
        return {"weights": _proportions(weights), "means": means.astype(np.float64), "covariances": variances}

    return predict


def quantile_forest(X, y):
    from quantile_forest import RandomForestQuantileRegressor

    model = RandomForestQuantileRegressor(random_state=0, n_jobs=n_threads()).fit(X, y)

    def predict(X):
        return {"quantiles": model.predict(X, quantiles=LEVELS.tolist()), "mean": model.predict(X, "mean")}

    return predict


# Boosted trees: ``fit(X, y, levels, **settings)`` returns ``predict(X)``, which says quantiles and the mean.


def in_order(quantiles: np.ndarray) -> np.ndarray:
    """Quantiles that are fitted one by one may cross (Chernozhukov, Fernandez-Val and Galichon 2010)."""
    return np.sort(np.asarray(quantiles, dtype=np.float64), axis=1)


def boosted_xgboost(X, y, levels, **settings):
    from xgboost import XGBRegressor

    settings = {"random_state": 0, "n_jobs": n_threads(), **settings}
    model = XGBRegressor(objective="reg:quantileerror", quantile_alpha=levels, **settings).fit(X, y)
    mean = XGBRegressor(**settings).fit(X, y)
    return lambda X: {"quantiles": in_order(model.predict(X)), "mean": mean.predict(X).astype(np.float64)}


def boosted_lightgbm(X, y, levels, **settings):
    from lightgbm import LGBMRegressor

    settings = {"random_state": 0, "n_jobs": n_threads(), "verbose": -1, **settings}
    models = [LGBMRegressor(objective="quantile", alpha=level, **settings).fit(X, y) for level in levels]
    mean = LGBMRegressor(**settings).fit(X, y)

    def predict(X):
        quantiles = np.column_stack([model.predict(X) for model in models])
        return {"quantiles": in_order(quantiles), "mean": mean.predict(X)}

    return predict


def boosted_catboost(X, y, levels, **settings):
    from catboost import CatBoostRegressor

    settings = {"random_seed": 0, "thread_count": n_threads(), **settings}
    silent = {"verbose": False, "allow_writing_files": False}
    loss = "MultiQuantile:alpha=" + ",".join(f"{level:g}" for level in levels)
    model = CatBoostRegressor(loss_function=loss, **settings, **silent).fit(X, y)
    mean = CatBoostRegressor(**settings, **silent).fit(X, y)
    return lambda X: {"quantiles": in_order(model.predict(X)), "mean": mean.predict(X)}


@per_target
def catboost_normal(X, y):
    from catboost import CatBoostRegressor

    model = CatBoostRegressor(
        loss_function="RMSEWithUncertainty",
        random_seed=0,
        thread_count=n_threads(),
        verbose=False,
        allow_writing_files=False,
    ).fit(X, y)
    return lambda X: _normal(*model.predict(X).T)


def space_of_sampled_trees(trial) -> dict:
    """What XGBoost and LightGBM call alike."""
    return {
        "n_estimators": trial.suggest_int("n_estimators", 50, 1000, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
        "subsample": trial.suggest_float("subsample", 0.5, 1.0),
        "colsample_bytree": trial.suggest_float("colsample_bytree", 0.5, 1.0),
        "reg_lambda": trial.suggest_float("reg_lambda", 1e-2, 10.0, log=True),
    }


def space_of_xgboost(trial) -> dict:
    return {
        **space_of_sampled_trees(trial),
        "max_depth": trial.suggest_int("max_depth", 2, 10),
        "min_child_weight": trial.suggest_float("min_child_weight", 1e-3, 10.0, log=True),
    }


def space_of_lightgbm(trial) -> dict:
    return {
        **space_of_sampled_trees(trial),
        "num_leaves": trial.suggest_int("num_leaves", 4, 128, log=True),
        "min_child_samples": trial.suggest_int("min_child_samples", 2, 50, log=True),
        "subsample_freq": 1,
    }


def space_of_catboost(trial) -> dict:
    return {
        "iterations": trial.suggest_int("iterations", 100, 2000, log=True),
        "learning_rate": trial.suggest_float("learning_rate", 0.01, 0.3, log=True),
        "depth": trial.suggest_int("depth", 2, 8),
        "l2_leaf_reg": trial.suggest_float("l2_leaf_reg", 0.1, 10.0, log=True),
    }


def pinball(y: np.ndarray, quantiles: np.ndarray, levels: np.ndarray) -> float:
    above = y[:, np.newaxis] - quantiles
    return float(np.maximum(levels * above, (levels - 1.0) * above).mean())


def boosted(learn: Callable, space: Callable | None = None) -> Fit:
    """Quantiles at ``LEVELS`` with the defaults, or with settings that Optuna finds in ``space``."""

    @per_target
    def fit(X, y):
        return learn(X, y, LEVELS, **({} if space is None else chosen(learn, space, X, y)))

    return fit


def chosen(learn: Callable, space: Callable, X, y) -> dict:
    """Settings of the least pinball loss on a fifth of the rows that were given."""
    import optuna

    optuna.logging.set_verbosity(optuna.logging.ERROR)
    held_out, rest = np.split(np.random.default_rng(0).permutation(len(y)), [len(y) // 5])

    def loss(trial):
        predict = learn(X[rest], y[rest], TUNING_LEVELS, **space(trial))
        return pinball(y[held_out], predict(X[held_out])["quantiles"], TUNING_LEVELS)

    study = optuna.create_study(sampler=optuna.samplers.TPESampler(seed=0))
    study.optimize(loss, n_trials=N_TRIALS)
    return space(study.best_trial)


# ------------------------------------------------------------------------------------------------- table


@dataclass(frozen=True)
class Method:
    """A method by name.

    ``requirements`` are what pip installs for it, in order, into an environment of its own; none for one that
    runs beside sklearn_mdn. ``distributions`` are the packages whose versions are recorded. One with
    ``several_targets`` says nothing new of a single target.
    """

    fit: Fit
    note: str
    make: Callable | None = None
    several_targets: bool = False
    requirements: tuple[str, ...] = ()
    distributions: tuple[str, ...] = ("sklearn-mdn", "torch", "scikit-learn", "numpy")

    @property
    def settings(self) -> str:
        """What tells results of other settings apart."""
        return describe(self.make) if self.make else "; ".join(self.requirements) or self.note


def _ours(make: Callable, note: str, several_targets: bool = False) -> Method:
    return Method(fit_ours(make), note, make, several_targets)


def _peer(fit: Fit, note: str, *requirements: str) -> Method:
    names = tuple(requirement.split("==")[0] for requirement in requirements)
    return Method(fit, note, requirements=requirements, distributions=(*names, "numpy"))


def _boosted_peers(
    name: str, estimator: str, learn: Callable, space: Callable, package: str
) -> dict[str, Method]:
    """The library with its defaults, and tuned."""
    what = f"{estimator}, {len(LEVELS)} quantiles; means by the squared error; targets one by one"
    tuning = (
        f"settings of the least pinball loss in {N_TRIALS} trials of Optuna, on a fifth of the training rows"
    )
    common = (package, "scikit-learn==1.9.1")
    return {
        name: _peer(boosted(learn), f"{what}; else defaults", *common),
        f"{name}-tuned": _peer(boosted(learn, space), f"{what}; {tuning}", *common, "optuna==5.0.0"),
    }


METHODS = {
    "mdn": _ours(mdn, "MDNRegressor(random_state=0)"),
    "mdn-10": _ours(mdn_10, "MDNRegressor(n_estimators=10, random_state=0)"),
    "mdn-10-full": _ours(
        mdn_10_full,
        'MDNRegressor(n_estimators=10, covariance_type="full", random_state=0); several targets only',
        several_targets=True,
    ),
    "mdn-stacking": _ours(
        mdn_stacking,
        f'MDNSearchCV(refit="stacking") over {STACKING_GRID}, {STACKING_FOLDS["n_splits"]} folds, '
        f"{STACKING_ESTIMATOR['n_estimators']} networks each",
    ),
    "gp": Method(
        gaussian_process,
        "GaussianProcessRegressor: constant * RBF (a length for each input) + white noise, inputs scaled, "
        f"normalize_y; at most {GAUSSIAN_PROCESS_ROWS} training rows; targets independent",
        distributions=("scikit-learn", "numpy"),
    ),
    "ngboost": _peer(
        ngboost,
        "NGBRegressor, defaults; MultivariateNormal for several targets",
        "ngboost==0.5.11",
        "scikit-learn==1.9.1",
    ),
    "skpro": _peer(
        skpro,
        "skpro's MDNRegressor, defaults, on scaled inputs and targets",
        "torch==2.13.0",
        "skpro==2.16.0",
        "scikit-learn==1.9.1",
    ),
    "scikit-mdn": _peer(
        scikit_mdn,
        "MixtureDensityEstimator, defaults, on scaled inputs and targets; targets independent",
        "torch==2.13.0",
        "scikit-mdn==0.0.3",
        "scikit-learn==1.9.1",
    ),
    "quantile-forest": _peer(
        quantile_forest,
        "RandomForestQuantileRegressor, defaults; quantiles only",
        "quantile-forest==1.4.2",
        "scikit-learn==1.9.1",
    ),
    "catboost-normal": _peer(
        catboost_normal, "CatBoostRegressor, RMSEWithUncertainty, else defaults", "catboost==1.2.10"
    ),
    **_boosted_peers("xgboost", "XGBRegressor", boosted_xgboost, space_of_xgboost, "xgboost-cpu==3.2.0"),
    **_boosted_peers("lightgbm", "LGBMRegressor", boosted_lightgbm, space_of_lightgbm, "lightgbm==4.7.0"),
    **_boosted_peers(
        "catboost", "CatBoostRegressor", boosted_catboost, space_of_catboost, "catboost==1.2.10"
    ),
}


# -------------------------------------------------------------------------------------------------- work


def run(name: str, job: dict) -> dict:
    """Fit and predict for the arrays in one file, write the prediction into another."""
    method = METHODS[name]
    with np.load(job["in"]) as arrays:
        X, y, X_test = (arrays[key] for key in ("X", "y", "X_test"))
    start = time.perf_counter()
    predict = method.fit(X, y)
    seconds = time.perf_counter() - start
    np.savez(job["out"], **predict(X_test))
    return {"seconds": seconds, "versions": versions_of(method.distributions)}


def versions_of(distributions: tuple[str, ...]) -> dict[str, str]:
    """Versions of the interpreter and of packages."""
    versions = {"python": sys.version.split()[0]}
    for distribution in distributions:
        try:
            versions[distribution] = version(distribution)
        except PackageNotFoundError:
            versions[distribution] = "not installed"
    return versions


def warm_up(name: str) -> None:
    """Import and run everything once, so that the first fit that is timed does not pay for it."""
    generator = np.random.default_rng(0)
    X = generator.normal(size=(WARM_UP_ROWS, 2))
    METHODS[name].fit(X, X[:, 0] + generator.normal(size=WARM_UP_ROWS))(X)


def main() -> None:
    # Whatever a library prints goes to standard error; standard output carries answers only.
    answers = os.fdopen(os.dup(1), "w", buffering=1)
    os.dup2(2, 1)
    name, warm = sys.argv[1], False
    for line in sys.stdin:
        try:
            if not warm:
                warm_up(name)
                warm = True
            answer = run(name, json.loads(line))
        except Exception as error:
            traceback.print_exc()
            answer = {"error": f"{type(error).__name__}: {error}"}
        print(json.dumps(answer), file=answers)


if __name__ == "__main__":
    main()
