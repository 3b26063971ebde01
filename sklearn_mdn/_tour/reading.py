"""Files as data frames, by pandas, with a line for the person whose file it cannot be."""

from __future__ import annotations

import csv
import re
import warnings
import zlib
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zipfile import BadZipFile

if TYPE_CHECKING:
    import pandas

# What pandas reads each kind of file with, and what that needs.
READERS = {
    ".parquet": ("read_parquet", "pyarrow"),
    ".feather": ("read_feather", "pyarrow"),
    ".xlsx": ("read_excel", "openpyxl"),
}
COMPRESSED = {".gz", ".bz2", ".xz", ".zip", ".zst"}
DELIMITERS = ",;\t|"
# Of old files in UTF-8 and of spreadsheets elsewhere; UTF-16 shows itself by its first two bytes.
ENCODINGS = ("utf-8", "cp1252")
UTF_16_MARKS = ("ÿþ", "þÿ")
# What stands for a gap beside the marks that pandas knows.
GAP_MARKS = ("?", ".", "-", "na", "none")
ONE_FIELD = "\x1f"  # a delimiter that no text holds


class TableError(ValueError):
    """What is wrong with a table, in one line for the person who brought it."""


@dataclass(frozen=True)
class Source:
    """A table as it was read.

    Parameters
    ----------
    frame : DataFrame
        Named by str. Its index counts the rows of the file.
    first_row : int
        The number of the first row in the file: 2 below a header.
    call : str
        Python code that reads it.
    notes : list of str
        How it was read where that is no matter of course, a sentence each.
    """

    frame: pandas.DataFrame
    first_row: int
    call: str
    notes: list[str]


def table_name(path: str | Path) -> str:
    """The name of a file without its folder and suffixes."""
    name = Path(path)
    if name.suffix.lower() in COMPRESSED:
        name = name.with_suffix("")
    return name.stem


def read_source(path: str | Path) -> Source:
    """Read a file by pandas.

    Parameters
    ----------
    path : str or Path
        ``.parquet``, ``.feather`` or ``.xlsx``; all else is text with a header line, its fields separated by
        comma, semicolon, tab or bar, perhaps compressed.

    Returns
    -------
    Source
        Without rows in which nothing stands.

    Raises
    ------
    TableError
        When the file cannot be read as such a table, or a package that this needs is missing.
    """
    try:
        import pandas
    except ImportError:
        raise TableError("reading a file needs pandas: pip install pandas") from None
    suffix = Path(path).suffix.lower()
    try:
        source = _read_with(path, *READERS[suffix]) if suffix in READERS else _read_text(path)
    except pandas.errors.EmptyDataError:
        raise TableError(f"{path}: the file, or its first line, is empty") from None
    except pandas.errors.ParserError as error:
        raise TableError(_parser_message(path, error)) from None
    except OSError as error:
        raise TableError(f"{path}: {error.strerror or _first_line(error)}") from None
    except (BadZipFile, EOFError, zlib.error) as error:
        raise TableError(f"{path}: {_first_line(error)}") from None
    _refuse_twins(path, list(source.frame.columns))
    if source.frame.empty:
        raise TableError(f"{path}: no rows below the names of the columns")
    return source


def _read_with(path: str | Path, reader: str, package: str) -> Source:
    """The table in a file that says itself what it holds."""
    import pandas

    try:
        frame = getattr(pandas, reader)(path)
        if reader == "read_excel":
            header = pandas.read_excel(path, header=None, nrows=1)
            _refuse_twins(path, [str(name) for row in header.to_numpy() for name in row if name == name])
    except ImportError:
        raise TableError(f"{path}: reading it needs {package}: pip install {package}") from None
    except (ValueError, KeyError) as error:
        if isinstance(error, TableError):
            raise
        raise TableError(f"{path}: not a {Path(path).suffix} file ({_first_line(error)})") from None
    call = f"pandas.{reader}({str(path)!r})"
    if not all(isinstance(name, str) for name in frame.columns):
        frame, call = frame.rename(columns=str), f"{call}.rename(columns=str)"
    notes = []
    if not isinstance(frame.index, pandas.RangeIndex):
        notes.append("The index of the data frame is left out.")
        frame = frame.reset_index(drop=True)
    return Source(frame.dropna(how="all"), 2 if reader == "read_excel" else 1, call, notes)


def _read_text(path: str | Path) -> Source:
    """The table in a text file."""
    for encoding in ENCODINGS:
        try:
            return _read_encoded(path, encoding)
        except UnicodeError:
            continue
    raise TableError(f"{path}: not a text file in UTF-8 or Windows-1252")


def _read_encoded(path: str | Path, encoding: str) -> Source:

    lines = _first_lines(path, encoding)
    if lines[0].startswith(UTF_16_MARKS):
        encoding = "utf-16"
        lines = _first_lines(path, encoding)
    if not lines[0].replace("\t", "").isprintable():
        raise TableError(f"{path}: not a text file")
    fields = {mark: next(csv.reader(lines[:1], delimiter=mark, skipinitialspace=True)) for mark in DELIMITERS}
    delimiter = max(DELIMITERS, key=lambda mark: len(fields[mark]))
    _refuse_twins(path, fields[delimiter])

    options: dict[str, Any] = {"sep": delimiter} if delimiter != "," else {}
    if encoding != "utf-8":
        options["encoding"] = encoding
    if f"{delimiter} " in lines[0]:
        options["skipinitialspace"] = True
    if lines[-1].endswith(delimiter) and not lines[0].endswith(delimiter):
        options["index_col"] = False
    frame = _by_pandas(path, options)
    marks = [mark for mark in GAP_MARKS if frame.isin([mark]).any(axis=None)]
    if marks:
        options["na_values"] = marks
        frame = _by_pandas(path, options)
    notes = [f"The file is not in UTF-8 and was read as {encoding}."] if encoding != "utf-8" else []
    if all(is_number(name) for name in frame.columns):
        notes.append("All names of columns are numbers: the first line of the file should hold names.")
    shown = "".join(f", {name}={value!r}" for name, value in options.items())
    return Source(frame.dropna(how="all"), 2, f"pandas.read_csv({str(path)!r}{shown})", notes)


def _first_lines(path: str | Path, encoding: str) -> list[str]:
    """The first line of a text file, and the second if there is one."""
    import pandas

    read = pandas.read_csv(
        path,
        sep=ONE_FIELD,
        header=None,
        nrows=2,
        quoting=csv.QUOTE_NONE,
        dtype=str,
        keep_default_na=False,
        skip_blank_lines=False,
        encoding=encoding,
    )
    return [str(line) for line in read[0]]


def _by_pandas(path: str | Path, options: dict[str, Any]) -> pandas.DataFrame:
    """The frame, an empty line as a row of gaps so that rows can be counted."""
    import pandas

    with warnings.catch_warnings():
        warnings.simplefilter("error", pandas.errors.ParserWarning)
        try:
            return pandas.read_csv(
                path, **{"index_col": False, **options}, low_memory=False, skip_blank_lines=False
            )
        except pandas.errors.ParserWarning:
            raise TableError(f"{path}: the rows have more fields than the header") from None


def _parser_message(path: str | Path, error: Exception) -> str:
    found = re.search(r"Expected (\d+) fields in line (\d+), saw (\d+)", str(error))
    if found:
        return f"{path}, line {found[2]}: {found[3]} fields, the header has {found[1]}"
    return f"{path}: not a CSV file ({_first_line(error).rpartition('error: ')[2]})"


def _first_line(error: Exception) -> str:
    return next(iter(str(error).strip().splitlines()), type(error).__name__)


def _refuse_twins(path: str | Path, names: list[str]) -> None:
    """Refuse two columns of one name, the second of which pandas would rename."""
    twice = sorted(name for name, count in Counter(names).items() if name and count > 1)
    if twice:
        raise TableError(f"{path}: more than one column is called '{twice[0]}'{doubt_about(twice)}")


def doubt_about(names: list[str]) -> str:
    """Whether names look like what stands below a header; in parentheses, empty if they do not."""
    return " (a name? The first line should hold names)" if any(map(is_number, names)) else ""


def is_number(text: str) -> bool:
    """Whether a text spells a number for Python."""
    try:
        float(text)
    except ValueError:
        return False
    return True
