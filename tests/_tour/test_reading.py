"""Files as people have them: what is read of them, what is remarked, and what is refused."""

from __future__ import annotations

import gzip
import sys

import numpy as np
import pandas as pd
import pytest

from sklearn_mdn._tour.reading import table_name
from sklearn_mdn._tour.remarks import spelling_hint
from sklearn_mdn._tour.table import MIN_ROWS, read_table
from tests._tour.conftest import flats


def text_of(**options):
    """The small table without what only a spreadsheet or Parquet can say, as text."""
    frame = flats().replace(np.inf, np.nan)[["area", "city", "price"]]
    return frame.to_csv(index=False, lineterminator="\n", **options)


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize("gap", ["", "?", "NA", "#N/A", "na", "-", "."])
def test_reading_does_not_depend_on_the_spelling(tmp_path, delimiter, encoding, gap):
    path = tmp_path / "flats.csv"
    path.write_bytes(text_of(sep=delimiter, na_rep=gap).encode(encoding))
    table = read_table(path, "price")
    expected = flats().replace(np.inf, np.nan)[["area", "city", "price"]].dropna(subset="price")
    assert table.columns == ["area", "city"]
    np.testing.assert_array_equal(table.y, expected["price"])
    np.testing.assert_array_equal(table.X["area"], expected["area"])
    assert table.X["city"].isna().tolist() == expected["city"].isna().tolist()
    assert table.X["city"].dropna().tolist() == expected["city"].dropna().tolist()
    read = [note for note in table.notes if "not in UTF-8" in note]
    assert bool(read) == (encoding in ("cp1252", "utf-16"))


@pytest.mark.parametrize(
    "change",
    [
        lambda text: text.replace(",", ", "),
        lambda text: text.replace("\n", ",\n").replace("price,", "price"),  # a delimiter at the end of rows
        lambda text: text.replace("\n", ",\n"),
        lambda text: text.replace("\n", "\n\n").replace("price\n\n", "price\n"),
        lambda text: text.replace("\n", "\r\n"),
        lambda text: text + "\n\n",
    ],
)
def test_odd_texts_are_the_same_table(tmp_path, change):
    path = tmp_path / "flats.csv"
    path.write_text(text_of(), encoding="utf-8")
    table = read_table(path, "price")
    path.write_text(change(text_of()), encoding="utf-8")
    changed = read_table(path, "price")
    np.testing.assert_array_equal(changed.y, table.y)
    pd.testing.assert_frame_equal(changed.X.reset_index(drop=True), table.X.reset_index(drop=True))


def test_an_empty_mark_or_an_infinite_number_leaves_a_column_numeric(tmp_path):
    path = tmp_path / "data.csv"
    path.write_text("x,y\n" + "".join(f"{i},{i % 7}\n" for i in range(30)) + "#N/A,1\ninf,2\n-inf,3\n")
    table = read_table(path, "y")
    np.testing.assert_array_equal(table.X["x"], [*range(30), np.nan, np.nan, np.nan])
    assert table.notes[0] == "Column 'x': 2 infinite values, taken as missing."


@pytest.mark.parametrize(
    ("column", "note"),
    [
        ([f"name {i}" for i in range(60)], "60 different texts, each in fewer than 2 rows, as of an id"),
        (["a"] * 30 + ["b"] * 29 + ["c"], "3 different texts, those in fewer than 2 rows taken together"),
        (list(range(7, 67)), "numbers the rows"),
        ([3] * 59 + [None], "is 3 in every row that has a value"),
        (["a"] * 60, "is 'a' in every row that has a value"),
        ([f"{i},5" for i in range(60)], "since '0,5' is no number (a decimal comma? Write 0.5)"),
        ([*range(59), "about 3"], "taken as categories, since 'about 3' is no number."),
        ([f"2020-01-{1 + i % 28:02}" for i in range(60)], "holds dates and is left out"),
        ([f"{1 + i % 28}.1.2020 10:00" for i in range(60)], "holds dates and is left out"),
    ],
)
def test_columns_that_may_mislead_get_a_remark(tmp_path, column, note):
    frame = pd.DataFrame({"c": column, "x": np.sqrt(np.arange(60)), "y": np.arange(60) % 7})
    frame.to_csv(tmp_path / "data.csv", index=False)
    table = read_table(tmp_path / "data.csv", "y")
    assert any(text.startswith("Column 'c'") and note in text for text in table.notes), table.notes
    assert table.columns == (["x"] if "left out" in note else ["c", "x"])


@pytest.mark.parametrize("column", [["a", "12b"] * 30, np.arange(60) ** 2, np.sin(np.arange(60))])
def test_ordinary_columns_get_none(tmp_path, column):
    frame = pd.DataFrame({"c": column, "y": np.arange(60) % 7})
    frame.to_csv(tmp_path / "data.csv", index=False)
    assert read_table(tmp_path / "data.csv", "y").notes == []


@pytest.mark.parametrize("values", [("0", "1"), ("False", "True")])
def test_a_target_of_two_values_gets_a_remark(tmp_path, values):
    path = tmp_path / "data.csv"
    path.write_text("x,y\n" + "".join(f"{i % 7},{values[i % 2]}\n" for i in range(30)))
    table = read_table(path, "y")
    assert set(table.y) == {0.0, 1.0}
    assert table.notes == ["'y' is either 0 or 1: a classifier predicts the probability of each."]


def test_what_is_neither_number_nor_category_is_left_out(tmp_path):
    frame = flats().assign(
        pairs=[[1, 2]] * 60, waiting=pd.to_timedelta(np.arange(60), "h"), day=flats()["built"].dt.date
    )
    frame.to_parquet(tmp_path / "flats.parquet")
    table = read_table(tmp_path / "flats.parquet", "price")
    assert table.columns == ["area", "city", "floor"]
    for name in ("pairs", "waiting", "day"):
        assert any(note.startswith(f"Column '{name}' is left out: ") for note in table.notes)


def test_typed_frames_come_as_they_are(tmp_path):
    frame = flats()[["price"]].assign(
        rooms=pd.array([1, 2, None] * 20, dtype="Int64"),
        lift=pd.array([True, False, None] * 20, dtype="boolean"),
        grade=pd.Categorical([*"abc"] * 20, ordered=True),
    )
    frame.to_parquet(tmp_path / "flats.parquet")
    table = read_table(tmp_path / "flats.parquet", "price")
    expected = frame[frame["price"].notna()].drop(columns="price")
    pd.testing.assert_frame_equal(table.X, expected)


def test_columns_without_a_name_are_left_out(tmp_path):
    flats().to_csv(tmp_path / "flats.csv")
    table = read_table(tmp_path / "flats.csv", "price")
    assert table.columns == ["area", "city", "floor"]
    assert "A column without a name is left out." in table.notes


@pytest.mark.parametrize("suffix", ["parquet", "xlsx"])
def test_names_that_are_numbers_become_texts(tmp_path, suffix):
    frame = pd.DataFrame({2019: np.arange(30) % 4, "y": np.arange(30) % 7})
    path = tmp_path / f"data.{suffix}"
    frame.to_excel(path, index=False) if suffix == "xlsx" else frame.rename(columns=str).to_parquet(path)
    assert read_table(path, "y").columns == ["2019"]


NUMBERS = "x,y\n" + "".join(f"{i % 7},{i}\n" for i in range(MIN_ROWS))
LAST = MIN_ROWS + 2


@pytest.mark.parametrize(
    ("content", "target", "message"),
    [
        ("", "y", "the file, or its first line, is empty"),
        ("\n\n", "y", "the file, or its first line, is empty"),
        ("\n" + NUMBERS, "y", "the file, or its first line, is empty"),
        ("x,y\n", "y", "no rows below the names of the columns"),
        (NUMBERS, "z", "no column 'z'; the columns are x, y"),
        ("0,5\n" + NUMBERS[4:], "y", "no column 'y'; the columns are 0, 5 (a name?"),
        (NUMBERS[4:], "y", "more than one column is called '0' (a name?"),
        (NUMBERS + "1,two\n", "y", f"row {LAST}: 'y' must be a finite number, got 'two'"),
        (NUMBERS + "\n1,two\n", "y", f"row {LAST + 1}: 'y' must be a finite number, got 'two'"),
        (NUMBERS + "1,inf\n", "y", f"row {LAST}: 'y' must be a finite number, got 'inf'"),
        (
            NUMBERS + "1,1_000\n",
            "y",
            "got '1_000' (a thousands separator? Write 1000)",
        ),
        (NUMBERS + '1,"1,5"\n', "y", "got '1,5' (a decimal comma? Write 1.5)"),
        (NUMBERS + "1,5%\n", "y", "got '5%' (a percent sign?"),
        (NUMBERS.replace("\n", "a\n").replace("ya", "y"), "y", "got '0a' (it holds no numbers at all"),
        (NUMBERS + "1,2,3\n", "y", f"line {LAST}: 3 fields, the header has 2"),
        (NUMBERS.replace("\n", ",1\n").replace("y,1", "y"), "y", "the rows have more fields than the header"),
        (NUMBERS + '1,"2\n', "y", "not a CSV file (EOF inside string"),
        ("x,x,y\n1,2,3\n", "y", "more than one column is called 'x'"),
        ("x,y\n" + "1,2\n" * (MIN_ROWS - 1), "y", f"{MIN_ROWS - 1} rows have a value of 'y', at least"),
        ("x,y\n" + "1,\n" * MIN_ROWS, "y", "0 rows have a value of 'y'"),
        ("x,y\n" + "1,2\n" * MIN_ROWS, "y", "'y' is 2 in every row"),
        ("y\n" + "".join(f"{i}\n" for i in range(MIN_ROWS)), "y", "no column besides 'y' holds what can"),
        ("x,y\n" + "".join(f",{i}\n" for i in range(MIN_ROWS)), "y", "no column besides 'y' holds what can"),
        (NUMBERS + "-1e200,1\n", "y", "'x' has values as large as 1e+200, 1e+150 is the most"),
        (NUMBERS + "1,1.7e308\n", "y", "'y' has values as large as 1.7e+308, 1e+150 is the most"),
        (b"x,y\n\x81,1\n", "y", "not a text file in UTF-8 or Windows-1252"),
        (b"\x00\x01,y\n1,1\n", "y", "not a text file"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(tour, tmp_path, content, target, message):
    data = tmp_path / "data.csv"
    data.write_bytes(content if isinstance(content, bytes) else content.encode())
    refused(tour, data, target, message)


def refused(tour, data, target, message):
    before = sorted(data.parent.iterdir())
    status, text, errors = tour(data, "--target", target)
    assert (status, text) == (2, "")
    assert errors.startswith(f"sklearn_mdn: error: {data}")
    assert message in errors
    assert errors.count("\n") == 1
    assert sorted(data.parent.iterdir()) == before


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("data.parquet", "not a .parquet file"),
        ("data.feather", "not a .feather file"),
        ("data.xlsx", "not a .xlsx file"),
        ("data.csv.gz", "Not a gzipped file"),
    ],
)
def test_files_that_are_not_what_they_are_called(tour, tmp_path, name, message):
    (tmp_path / name).write_text(NUMBERS)
    refused(tour, tmp_path / name, "y", message)


def test_a_compressed_file_that_ends_too_early(tour, tmp_path):
    data = tmp_path / "data.csv.gz"
    data.write_bytes(gzip.compress(NUMBERS.encode())[:40])
    refused(tour, data, "y", "ended before")


@pytest.mark.parametrize("suffix", ["xlsx", "csv"])
def test_a_second_column_of_one_name_is_refused(tour, tmp_path, suffix):
    """pandas would call it y.1, and the target would predict itself."""
    frame = pd.DataFrame([[i, i] for i in range(30)], columns=["y", "y"])
    path = tmp_path / f"data.{suffix}"
    frame.to_excel(path, index=False) if suffix == "xlsx" else frame.to_csv(path, index=False)
    refused(tour, path, "y", "more than one column is called 'y'")


@pytest.mark.parametrize("target", ["built", "waiting"])
def test_a_target_of_dates_is_refused(tour, tmp_path, target):
    frame = flats().assign(waiting=pd.to_timedelta(np.arange(60), "h"))
    frame.to_parquet(tmp_path / "flats.parquet")
    refused(tour, tmp_path / "flats.parquet", target, f"'{target}' must hold numbers, got the type")


@pytest.mark.parametrize(
    ("name", "missing", "message"),
    [
        ("data.csv", ["pandas"], "pip install pandas"),
        ("data.parquet", ["pyarrow", "fastparquet"], "reading it needs pyarrow: pip install pyarrow"),
        ("data.feather", ["pyarrow"], "reading it needs pyarrow: pip install pyarrow"),
        ("data.xlsx", ["openpyxl"], "reading it needs openpyxl: pip install openpyxl"),
    ],
)
def test_a_missing_package_is_named(tour, tmp_path, monkeypatch, name, missing, message):
    (tmp_path / name).write_text(NUMBERS) if name == "data.csv" else None
    if name == "data.xlsx":
        flats().to_excel(tmp_path / name)
    elif name != "data.csv":
        getattr(flats(), f"to_{name.partition('.')[2]}")(tmp_path / name)
    for package in missing:
        monkeypatch.setitem(sys.modules, package, None)
    status, text, errors = tour(name, "--target", "price")
    assert (status, text) == (2, "")
    assert message in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("12,5", "12.5"),
        ("-0,25", "-0.25"),
        ("1,234", "1.234 or 1234"),
        ("1,234.5", "1234.5"),
        ("1,234,567", "1234567"),
        ("1.234,5", "1234.5"),
        ("1.234.567", "1234567"),
        ("1 234", "1234"),
        ("1'234.5", "1234.5"),
        ("1\u202f234", "1234"),
        ("1_000", "1000"),
        ("12 %", "the number without it"),
        ("$1,234.50", "the number without it"),
        ("3,50 €", "the number without it"),
        ("2020-12-31", "into a number"),
        ("two", ""),
        ("12a", ""),
        ("1,,2", ""),
    ],
)
def test_a_number_in_another_spelling_gets_a_hint(text, written):
    hint = spelling_hint(text)
    assert bool(hint) == bool(written)
    assert f"{written})" in hint or written in ("", "into a number")


@pytest.mark.parametrize(
    ("path", "name"),
    [
        ("a/flats.csv", "flats"),
        ("flats.csv.gz", "flats"),
        ("sales.2024.csv", "sales.2024"),
        ("flats", "flats"),
    ],
)
def test_the_name_of_a_table(path, name):
    assert table_name(path) == name
