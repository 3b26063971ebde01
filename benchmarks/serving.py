"""What predictions of a fitted model cost: rows a second, and the time of one row, beside other libraries.

``python benchmarks/serving.py``; README.rst beside this file says what the numbers mean.
"""

from __future__ import annotations

import argparse
import time
import warnings
from collections.abc import Callable, Sequence
from functools import partial
from importlib.util import find_spec

import numpy as np
import torch
from _methods import versions_of
from _peers import add_out, as_script, heading, run_line, table, write_page

from sklearn_mdn import MDNRegressor

N_FEATURES = 10
TRAINING_ROWS = 2000
LEVELS = np.linspace(0.1, 0.9, 9)
ENDS = [0.05, 0.95]
N_DRAWS = 100
QUESTIONS = ("mean", "nine quantiles", "90 % interval", "log density", "100 draws")

# A question is asked as often as fits into so many seconds, and in any case twice, or once of many rows.
SECONDS = 0.5
MANY_ROWS = 100_000

# Numbers that draws of all rows may take together; more are asked for in parts, as a caller would.
DRAWN_NUMBERS = 1 << 24

Ask = Callable[[np.ndarray, np.ndarray], object]
Answers = dict[str, Ask]


def rows_of(n_rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    generator = np.random.default_rng(seed)
    X = generator.standard_normal((n_rows, N_FEATURES))
    branch = np.where(generator.random(n_rows) < 0.5, 1.0, -1.0) * (X[:, 3] > 0.0)
    noise = (0.3 + np.abs(X[:, 2])) * generator.standard_normal(n_rows)
    return X, X[:, 0] + np.sin(3.0 * X[:, 1]) + branch + noise


def drawn_in_parts(sample: Callable[[np.ndarray], object], X: np.ndarray) -> None:
    step = max(1, DRAWN_NUMBERS // N_DRAWS)
    for start in range(0, len(X), step):
        sample(X[start : start + step])


def networks(n_estimators: int, n_epochs: int, X: np.ndarray, y: np.ndarray) -> Answers:
    """Networks that are trained to some end, so that their mixtures are as wide as real ones."""
    model = MDNRegressor(
        n_estimators=n_estimators, max_iter=n_epochs, early_stopping=False, tol=None, random_state=0
    ).fit(X, y)

    def draws(X: np.ndarray, y: np.ndarray) -> None:
        drawn_in_parts(lambda part: model.sample(part, N_DRAWS, random_state=0), X)

    return {
        "mean": lambda X, y: model.predict(X),
        "nine quantiles": lambda X, y: model.predict(X, quantiles=LEVELS),
        "90 % interval": lambda X, y: model.predict(X, quantiles=ENDS),
        "log density": lambda X, y: model.score_samples(X, y),
        "100 draws": draws,
    }


def lightgbm(X: np.ndarray, y: np.ndarray) -> Answers:
    """One booster for the mean, and one a level."""
    from lightgbm import LGBMRegressor

    mean = LGBMRegressor(n_jobs=1, verbose=-1).fit(X, y)
    boosters = {
        level: LGBMRegressor(objective="quantile", alpha=level, n_jobs=1, verbose=-1).fit(X, y)
        for level in (*LEVELS, *ENDS)
    }

    def quantiles(levels: Sequence[float], X: np.ndarray, y: np.ndarray) -> np.ndarray:
        return np.stack([boosters[level].predict(X) for level in levels], axis=1)

    return {
        "mean": lambda X, y: mean.predict(X),
        "nine quantiles": partial(quantiles, LEVELS),
        "90 % interval": partial(quantiles, ENDS),
    }


def catboost(X: np.ndarray, y: np.ndarray) -> Answers:
    """One booster for the mean, and one for all levels of a question."""
    from catboost import CatBoostRegressor

    def booster(loss: str) -> CatBoostRegressor:
        return CatBoostRegressor(loss_function=loss, thread_count=1, verbose=False, allow_writing_files=False)

    def for_levels(levels: Sequence[float]) -> CatBoostRegressor:
        return booster("MultiQuantile:alpha=" + ",".join(f"{level:.2f}" for level in levels)).fit(X, y)

    mean, nine, ends = booster("RMSE").fit(X, y), for_levels(LEVELS), for_levels(ENDS)
    return {
        "mean": lambda X, y: mean.predict(X, thread_count=1),
        "nine quantiles": lambda X, y: nine.predict(X, thread_count=1),
        "90 % interval": lambda X, y: ends.predict(X, thread_count=1),
    }


def quantile_forest(X: np.ndarray, y: np.ndarray) -> Answers:
    from quantile_forest import RandomForestQuantileRegressor

    model = RandomForestQuantileRegressor(n_jobs=1, random_state=0).fit(X, y)
    return {
        "mean": lambda X, y: model.predict(X, quantiles="mean"),
        "nine quantiles": lambda X, y: model.predict(X, quantiles=LEVELS.tolist()),
        "90 % interval": lambda X, y: model.predict(X, quantiles=ENDS),
    }


def ngboost(X: np.ndarray, y: np.ndarray) -> Answers:
    """Normal distributions, which SciPy asks."""
    from ngboost import NGBRegressor

    model = NGBRegressor(verbose=False, random_state=0).fit(X, y)

    def quantiles(levels: Sequence[float], X: np.ndarray, y: np.ndarray) -> np.ndarray:
        dist = model.pred_dist(X)
        return np.stack([dist.ppf(level) for level in levels], axis=1)

    return {
        "mean": lambda X, y: model.predict(X),
        "nine quantiles": partial(quantiles, LEVELS),
        "90 % interval": partial(quantiles, ENDS),
        "log density": lambda X, y: model.pred_dist(X).logpdf(y),
        "100 draws": lambda X, y: drawn_in_parts(lambda part: model.pred_dist(part).sample(N_DRAWS), X),
    }


def skpro(X: np.ndarray, y: np.ndarray) -> Answers:
    """A mean and a deviation from two forests of scikit-learn."""
    import pandas
    from sklearn.ensemble import RandomForestRegressor
    from skpro.regression.residual import ResidualDouble

    def frame(values: np.ndarray) -> pandas.DataFrame:
        return pandas.DataFrame(np.asarray(values).reshape(len(values), -1)).rename(columns=str)

    forests = [RandomForestRegressor(n_jobs=1, random_state=0) for _ in range(2)]
    model = ResidualDouble(*forests).fit(frame(X), frame(y))
    return {
        "mean": lambda X, y: model.predict(frame(X)),
        "nine quantiles": lambda X, y: model.predict_quantiles(frame(X), alpha=LEVELS.tolist()),
        "90 % interval": lambda X, y: model.predict_interval(frame(X), coverage=0.9),
        "log density": lambda X, y: model.predict_proba(frame(X)).log_pdf(frame(y)),
    }


PEERS: dict[str, Callable[[np.ndarray, np.ndarray], Answers]] = {
    "lightgbm": lightgbm,
    "catboost": catboost,
    "quantile_forest": quantile_forest,
    "ngboost": ngboost,
    "skpro": skpro,
}


def best_time(ask: Ask, X: np.ndarray, y: np.ndarray, clock: Callable[[], float]) -> float:
    """The shortest of some times; what is known after the first call is not asked again of many rows."""
    if len(X) < MANY_ROWS:
        ask(X, y)
    found, begin = [], clock()
    while not found or (len(X) < MANY_ROWS and (len(found) < 2 or clock() - begin < SECONDS)):
        start = clock()
        ask(X, y)
        found.append(clock() - start)
    return min(found)


def cell(seconds: float, n_rows: int) -> str:
    return f"{1e3 * seconds:.2f} ms" if n_rows == 1 else f"{n_rows / seconds:,.0f}"


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument(
        "--rows", type=int, nargs="+", default=[1, 1000, 10**6], help="rows to predict at once"
    )
    parser.add_argument("--peer-rows", type=int, default=10**5, help="of other libraries, at most")
    parser.add_argument("--epochs", type=int, default=60, help="of our networks, on 2,000 rows")
    parser.add_argument("--threads", type=int, default=1, help="of PyTorch; other libraries have one")
    parser.add_argument(
        "--cpu", action="store_true", help="count processor time, where a machine is not idle"
    )
    add_out(parser)
    options = parser.parse_args(argv)
    torch.set_num_threads(options.threads)
    clock = time.process_time if options.cpu else time.perf_counter
    X, y = rows_of(TRAINING_ROWS, seed=0)
    models = {f"networks: {count}": partial(networks, count, options.epochs) for count in (1, 10)}
    installed = {name: fit for name, fit in PEERS.items() if find_spec(name) is not None}
    fitted = {name: fit(X, y) for name, fit in (models | installed).items()}
    text = ""
    for n_rows in options.rows:
        lines = []
        for name, answers in fitted.items():
            size = min(n_rows, options.peer_rows) if name in installed else n_rows
            place, target = rows_of(size, seed=1)
            row = [name]
            for question in QUESTIONS:
                ask = answers.get(question)
                row.append("" if ask is None else cell(best_time(ask, place, target, clock), size))
            lines.append(row)
        title = "One row: milliseconds" if n_rows == 1 else f"{n_rows:,} rows: rows a second"
        text += heading(title) + "\n" + table(["model", *QUESTIONS], lines) + "\n"
    kind = "processor time" if options.cpu else "wall time"
    names = ("numpy", "torch", "scikit-learn", *(name.replace("_", "-") for name in installed))
    text += f"\n{kind}, PyTorch with {options.threads} thread(s); {run_line(versions_of(names))}"
    print(text)
    write_page(options.out, __file__, text)
    return 0


if __name__ == "__main__":
    warnings.simplefilter("ignore")  # of libraries about each other's versions
    as_script(main)
