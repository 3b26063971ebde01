"""What the front page says that this package does and others do not, every cell tried.

``python benchmarks/claims.py``; README.rst beside this file says what each line tries.
"""

from __future__ import annotations

import argparse
import os
import sys
import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from functools import partial
from importlib.util import find_spec
from unittest.mock import patch

import numpy as np
import pandas as pd
from _methods import versions_of
from _peers import add_out, as_script, heading, table, write_page
from scipy.stats import norm
from sklearn.ensemble import HistGradientBoostingRegressor
from sklearn.gaussian_process import GaussianProcessRegressor
from sklearn.gaussian_process.kernels import RBF, WhiteKernel
from sklearn.model_selection import GridSearchCV

from sklearn_mdn import MDNRegressor, MDNSearchCV
from sklearn_mdn._estimators import plans

N_ROWS = 400
BRANCHES = (-3.0, 0.0, 3.0)
SHIFT = 10.0  # of targets that weights are to make up for

# ---------------------------------------------------------------------------------------- libraries


@dataclass(frozen=True)
class Library:
    """A column of the table.

    ``make`` returns an estimator, ``density(model, X)`` the distributions that it predicts, with ``logpdf``.
    ``joint`` gives the parameters for two targets, ``named`` is the parameter that takes the names of columns
    of categories, ``grid`` has two candidates for a search.
    """

    title: str
    note: str
    package: str
    module: str
    make: Callable
    density: Callable
    grid: dict
    joint: Callable[[], dict] = dict
    named: str = ""


def any_density(model, X):
    """Of a library that documents none."""
    return method([model], "logpdf", "pdf", "density", "pred_dist", "predict_dist", "predict_proba")(X)


def gaussian_process():
    return GaussianProcessRegressor(RBF() + WhiteKernel(), random_state=0)


def quantile_forest(**parameters):
    from quantile_forest import RandomForestQuantileRegressor

    return RandomForestQuantileRegressor(random_state=0, **parameters)


def ngboost(**parameters):
    from ngboost import NGBRegressor

    return NGBRegressor(random_state=0, verbose=False, **parameters)


def two_normal_targets() -> dict:
    from ngboost.distns import MultivariateNormal

    return {"Dist": MultivariateNormal(2)}


def catboost(**parameters):
    from catboost import CatBoostRegressor

    silent = {"verbose": False, "allow_writing_files": False, "thread_count": 1}
    return CatBoostRegressor(loss_function="RMSEWithUncertainty", random_seed=0, **silent, **parameters)


def normal_of_catboost(model, X):
    mean, variance = model.predict(X).T
    return norm(mean, np.sqrt(variance))


LIBRARIES = [
    Library(
        "sklearn_mdn",
        "MDNRegressor",
        "sklearn-mdn",
        "sklearn_mdn",
        partial(MDNRegressor, random_state=0),
        lambda model, X: model.predict_distribution(X),
        {"alpha": [1e-4, 1e-2]},
        lambda: {"covariance_type": "full"},
    ),
    Library(
        "GP",
        "GaussianProcessRegressor",
        "scikit-learn",
        "sklearn",
        gaussian_process,
        lambda model, X: norm(*model.predict(X, return_std=True)),
        {"alpha": [1e-4, 1e-2]},
    ),
    Library(
        "HGB",
        "HistGradientBoostingRegressor with quantile loss",
        "scikit-learn",
        "sklearn",
        partial(HistGradientBoostingRegressor, loss="quantile", quantile=0.5, random_state=0),
        any_density,
        {"max_iter": [5, 10]},
        named="categorical_features",
    ),
    Library(
        "QF",
        "RandomForestQuantileRegressor",
        "quantile-forest",
        "quantile_forest",
        quantile_forest,
        any_density,
        {"n_estimators": [5, 10]},
    ),
    Library(
        "NGBoost",
        "NGBRegressor",
        "ngboost",
        "ngboost",
        ngboost,
        lambda model, X: model.pred_dist(X),
        {"n_estimators": [5, 10]},
        joint=two_normal_targets,
    ),
    Library(
        "CatBoost",
        "CatBoostRegressor with RMSEWithUncertainty",
        "catboost",
        "catboost",
        catboost,
        normal_of_catboost,
        {"iterations": [5, 10]},
        named="cat_features",
    ),
]


# -------------------------------------------------------------------------------------------- lines


class LackError(Exception):
    """What was tried does not work, and why."""


def holds(condition: bool, otherwise: str) -> None:
    if not condition:
        raise LackError(otherwise)


def rows(seed: int = 0) -> tuple[np.random.Generator, np.ndarray]:
    generator = np.random.default_rng(seed)
    return generator, generator.uniform(-1.0, 1.0, (N_ROWS, 1))


def curve(library: Library, y_of: Callable) -> tuple[object, np.ndarray, np.ndarray]:
    """The distribution in the middle of the rows, once for each value of a grid, the grid and the density."""
    generator, X = rows()
    model = library.make().fit(X, y_of(generator, X[:, 0]))
    grid = np.linspace(-12.0, 12.0, 2401)
    found = library.density(model, np.zeros((len(grid), 1)))
    return found, grid, np.exp(found.logpdf(grid))


def branches(generator: np.random.Generator, x: np.ndarray) -> np.ndarray:
    return generator.choice(BRANCHES, len(x)) + x + 0.3 * generator.standard_normal(len(x))


def method(things: Sequence[object], *words: str) -> Callable:
    """The public method of one of them whose name begins with one of the words."""
    found = [getattr(thing, name) for thing in things for name in dir(thing) if name.startswith(words)]
    holds(bool(found), f"nothing is called {' or '.join(words)}")
    return found[0]


def a_density(library: Library) -> None:
    _, grid, heights = curve(library, lambda generator, x: x + generator.standard_normal(len(x)))
    total = np.trapezoid(heights, grid)
    holds(abs(total - 1.0) < 0.01, f"its integral is {total:.3f}")


def as_many_peaks(library: Library) -> None:
    """Peaks that a valley of less than a fifth of the highest one parts."""
    _, _, heights = curve(library, branches)
    high = heights > 0.2 * heights.max()
    peaks = np.sum(high[1:] & ~high[:-1])
    holds(peaks == len(BRANCHES), f"{peaks} for {len(BRANCHES)} answers")


def smallest_regions(library: Library) -> None:
    found, grid, heights = curve(library, branches)
    intervals, threshold = method([found], "hdr", "hpd", "highest", "smallest")(0.9)
    pieces = np.isfinite(intervals[0, :, 0]).sum()
    mass = np.trapezoid(np.where(heights >= threshold[0], heights, 0.0), grid)
    holds(pieces > 1 and abs(mass - 0.9) < 0.02, f"{pieces} pieces with {mass:.3f}")


def two_targets(library: Library) -> tuple[object, object, np.ndarray]:
    """Targets that depend on each other, at each x: the model, its prediction and the targets."""
    generator, X = rows()
    first = X[:, 0] + generator.standard_normal(N_ROWS)
    Y = np.column_stack([first, first + 0.3 * generator.standard_normal(N_ROWS)])
    model = library.make(**library.joint()).fit(X, Y)
    found = library.density(model, X)
    return model, found, Y


def a_joint_density(library: Library) -> None:
    _, found, Y = two_targets(library)
    generator = np.random.default_rng(1)
    torn = np.column_stack([Y[:, 0], Y[generator.permutation(N_ROWS), 1]])
    true, other = (float(np.reshape(found.logpdf(y), (N_ROWS, -1)).sum(axis=1).mean()) for y in (Y, torn))
    holds(true > other + 1.0, f"pairs that belong together score {true:.2f}, others {other:.2f}")


def exact_conditionals(library: Library) -> None:
    model, found, Y = two_targets(library)
    given = method([found, model], "condition")(0, Y[:, 0])
    product = found.marginal([0]).logpdf(Y[:, :1]) + given.logpdf(Y[:, 1:])
    holds(np.allclose(product, found.logpdf(Y), atol=1e-9), "marginal times conditional is not joint")


def categories(kind: str, library: Library, **parameters) -> None:
    generator, X = rows()
    words = generator.choice(["green", "red"], N_ROWS)
    y = X[:, 0] + 3.0 * (words == "red") + 0.3 * generator.standard_normal(N_ROWS)
    frame = pd.DataFrame({"x": X[:, 0], "colour": pd.Series(words, dtype=kind)})
    centre = predicted(library.make(**parameters).fit(frame, y), frame)
    gain = np.median(centre[words == "red"]) - np.median(centre[words == "green"])
    holds(abs(gain - 3.0) < 1.0, f"red is {gain:.2f} above green, not 3")


def predicted(model, X) -> np.ndarray:
    """The mean or median, which CatBoost gives beside a variance."""
    values = np.asarray(model.predict(X))
    return values if values.ndim == 1 else values[:, 0]


def gaps(library: Library) -> None:
    generator, X = rows()
    X = np.column_stack([X[:, 0], generator.standard_normal(N_ROWS)])
    y = X[:, 0] + 3.0 * (X[:, 1] > 0.0) + 0.3 * generator.standard_normal(N_ROWS)
    X[::5, 0] = np.nan
    error = np.median(np.abs(predicted(library.make().fit(X, y), X) - y))
    holds(error < 1.0, f"the median error is {error:.2f}")


def sample_weights(library: Library) -> None:
    generator, X = rows()
    y = X[:, 0] + 0.3 * generator.standard_normal(N_ROWS)
    shifted = np.arange(N_ROWS) % 5 > 0
    weight = np.where(shifted, 1e-3, 1.0)
    model = library.make().fit(X, np.where(shifted, y + SHIFT, y), sample_weight=weight)
    error = np.median(np.abs(predicted(model, X) - X[:, 0]))
    holds(error < 0.1 * SHIFT, f"the median error is {error:.2f}")


def trained_at_once(library: Library) -> None:
    """How often a search over two candidates and two folds trains."""
    generator, X = rows()
    y = X[:, 0] + generator.standard_normal(N_ROWS)
    model = library.make()
    if isinstance(model, MDNRegressor):
        search, owner, name = MDNSearchCV(model, library.grid, cv=2, refit=False), plans, "train"
    else:
        search, owner, name = GridSearchCV(model, library.grid, cv=2, refit=False), type(model), "fit"
    with patch.object(owner, name, autospec=True, side_effect=getattr(owner, name)) as trained:
        search.fit(X, y)
    holds(
        trained.call_count == 1,
        f"GridSearchCV fits it {trained.call_count} times for 2 candidates and 2 folds",
    )


LINES: dict[str, Callable] = {
    "A density (log-likelihood of any *y*)": a_density,
    "As many peaks as there are answers": as_many_peaks,
    "Smallest regions, in several pieces": smallest_regions,
    "A joint density of several targets": a_joint_density,
    "Its conditionals, exact": exact_conditionals,
    "Categories as words in a data frame": partial(categories, "str"),
    "Categories of the type ``category``": partial(categories, "category"),
    "Gaps (NaN) as they come": gaps,
    "Sample weights": sample_weights,
    "All networks of a search trained as one stack": trained_at_once,
}


# -------------------------------------------------------------------------------------------- table


@dataclass
class Tried:
    """A cell of the table, and why it is no yes."""

    answer: str
    reasons: list[str] = field(default_factory=list)


def tried(line: Callable, library: Library) -> Tried:
    """Whether it works as it comes, or where the columns of categories are named."""
    ways: list[tuple[str, dict]] = [("yes", {})]
    if isinstance(line, partial) and library.named:
        ways.append(("if named", {library.named: ["colour"]}))
    reasons: list[str] = []
    for answer, parameters in ways:
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")
                line(library=library, **parameters)
        except Exception as error:  # whatever a library says to what it does not take
            said = (str(error).splitlines() or [""])[0].rstrip(".")
            reasons.append(said if isinstance(error, LackError) else f"{type(error).__name__}: {said}")
        else:
            return Tried(answer, reasons)
    return Tried("no", reasons)


def legend(libraries: list[Library], missing: list[Library]) -> str:
    versions = versions_of(tuple(library.package for library in libraries))
    names = [
        f"{library.title}: {library.note} ({library.package} {versions[library.package]})"
        for library in libraries
    ]
    text = f"{'; '.join(names)}. Each cell was tried, with Python {versions['python']} on {date.today()}."
    if missing:
        text += f" Not installed, so not tried: {', '.join(library.package for library in missing)}."
    return text


def main(argv: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--libraries", nargs="+", choices=[library.title for library in LIBRARIES])
    add_out(parser)
    options = parser.parse_args(argv)
    wanted = [library for library in LIBRARIES if library.title in (options.libraries or [library.title])]
    libraries = [library for library in wanted if find_spec(library.module) is not None]
    missing = [library for library in wanted if library not in libraries]
    cells, because = [], []
    for title, line in LINES.items():
        print(title, file=sys.stderr)
        found = {library.title: tried(line, library) for library in libraries}
        cells.append([title, *(one.answer for one in found.values())])
        because += [
            f"* {title}, {name}: {'; '.join(one.reasons)}." for name, one in found.items() if one.reasons
        ]
    text = table(["what it does", *(library.title for library in libraries)], cells) + "\n\n"
    text += (
        legend(libraries, missing)
        + "\n"
        + heading("Where a cell is no plain yes")
        + "\n"
        + "\n".join(because)
    )
    print(text)
    write_page(options.out, __file__, text)
    return 0


if __name__ == "__main__":
    os.environ.setdefault("OMP_NUM_THREADS", "1")
    as_script(main)
