"""The command line of the tour, which refuses what it can before pandas and PyTorch are imported."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from sklearn_mdn._tour.reading import TableError, table_name

if TYPE_CHECKING:
    from sklearn_mdn._estimators.regressor import MDNRegressor

INTERRUPTED = 130  # what shells report after Ctrl-C


def main(argv: Sequence[str] | None = None, *, model: MDNRegressor | None = None) -> int:
    """Run the tour.

    Parameters
    ----------
    argv : sequence of str, default=None
        Command line arguments, by default those of the process.
    model : MDNRegressor, default=None
        What to fit in place of the tour's own settings.

    Returns
    -------
    int
        Exit status: 0, 2 with one line on standard error, or 130 after an interrupt.
    """
    arguments = _parser().parse_args(argv)
    if arguments.data is not None and arguments.out is None:
        arguments.out = f"mdn_{table_name(arguments.data)}.joblib"
    try:
        _check(arguments)
        _run(arguments, model)
    except (TableError, FloatingPointError) as error:
        return _refuse(str(error))
    except OSError as error:  # no right to write here, or no room
        return _refuse(": ".join(str(part) for part in (error.filename, error.strerror) if part))
    except KeyboardInterrupt:
        print("\nsklearn_mdn: interrupted", file=sys.stderr)
        return INTERRUPTED
    return 0


def _refuse(message: str) -> int:
    print(f"sklearn_mdn: error: {message}", file=sys.stderr)
    return 2


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m sklearn_mdn",
        description="Fit a mixture density network, compare it with a linear-Gaussian model on held-out rows "
        "and draw the predicted densities. Without arguments: on data bundled with scikit-learn.",
    )
    parser.add_argument(
        "data",
        nargs="?",
        help="table with names of columns: .csv (also compressed), .parquet, .feather or .xlsx",
    )
    parser.add_argument("--target", metavar="NAME", help="column to be predicted")
    parser.add_argument(
        "--out",
        metavar="FILE",
        help="where to save the fitted model [mdn_<data>.joblib for a file; else it is not saved]",
    )
    return parser


def _check(arguments: argparse.Namespace) -> None:
    """Refuse arguments that do not fit, by what is known before the table is read."""
    data, target, out = arguments.data, arguments.target, arguments.out
    if data is None and target is not None:
        raise TableError("--target needs a file to take the column from")
    if data is not None:
        if target is None:
            raise TableError(f"--target NAME is needed: which column of {data} is to be predicted")
        if not Path(data).exists():
            raise TableError(f"{data}: no such file")
        if Path(data).is_dir():
            raise TableError(f"{data}: is a directory, a file is needed")
    if out is not None:
        path = Path(out).resolve()
        if path.is_dir():
            raise TableError(f"{out}: is a folder, --out takes a file name")
        if path.exists() and not path.is_file():
            raise TableError(f"{out}: is no ordinary file, which a saved model could replace")
        if not path.parent.is_dir():
            raise TableError(f"{out}: no such folder to save the model in")
        if not os.access(path.parent, os.W_OK):
            raise TableError(f"{out}: no right to write in that folder")


def _run(arguments: argparse.Namespace, model: MDNRegressor | None) -> None:
    """Read the table, and hand it to the tour."""
    from sklearn_mdn._tour.table import diabetes_table, read_table

    given = arguments.data is not None
    table = read_table(arguments.data, arguments.target) if given else diabetes_table()

    from sklearn_mdn._tour.tour import run

    run(table, model, None if arguments.out is None else Path(arguments.out))
