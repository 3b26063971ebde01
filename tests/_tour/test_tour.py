"""``python -m sklearn_mdn``: its figures against a calculation of their own, its files, and its refusals."""

from __future__ import annotations

import csv
import re
import subprocess
import sys

import joblib
import numpy as np
import pytest
from scipy.stats import norm
from sklearn.datasets import load_diabetes
from sklearn.linear_model import BayesianRidge
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_mdn._distributions.mixture import MixtureDistribution
from sklearn_mdn._estimators.regressor import MDNRegressor
from sklearn_mdn._tour.table import MAX_CATEGORIES, MIN_ROWS, column_pipeline, read_table
from sklearn_mdn.plotting._rows import UnivariateRows, range_of


def small_model(**parameters):
    return MDNRegressor(2, hidden_layer_sizes=[8], max_iter=5, random_state=0, **parameters)


@pytest.fixture
def tour(tmp_path, monkeypatch, capsys):
    """Run the tour on a small model in an empty folder, and return its status and its words."""
    from sklearn_mdn._tour.tour import main

    monkeypatch.chdir(tmp_path)

    def run(*arguments, model=None):
        status = main([str(argument) for argument in arguments], model=model or small_model())
        return status, *capsys.readouterr()

    return run


def write_csv(path, header, rows, **options):
    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file, **options).writerows([header, *rows])
    return path


def flats(n_rows=60):
    """Rows of area, city, empty and price; 2 areas, 3 cities and 5 prices are missing."""
    rng = np.random.default_rng(0)
    area, city = rng.uniform(20, 120, n_rows).round(1), rng.choice(["Bonn", "Köln"], n_rows)
    price = (area * np.where(city == "Bonn", 10, 14) + rng.normal(0, 50, n_rows)).round(2)
    rows = [[a, c, "", p] for a, c, p in zip(area, city, price, strict=True)]
    for row, column, text in [(10, 0, ""), (11, 0, "NA"), (20, 1, "?"), (21, 1, "nan"), (22, 1, "")]:
        rows[row][column] = text
    for row in range(30, 35):
        rows[row][3] = ""
    return ["area", "city", "empty", "price"], rows


def figures(text):
    """The printed table as name -> (MDNRegressor, BayesianRidge)."""
    pattern = r"^(.+?)\s+(-?[\d.]+(?:e[+-]\d+)?)\s+(-?[\d.]+(?:e[+-]\d+)?)$"
    found = re.findall(pattern, text, flags=re.MULTILINE)
    return {name: (float(ours), float(theirs)) for name, ours, theirs in found}


def crps_of_gaussian(y, mean, std):
    """Gneiting and Raftery (2007), equation 21, as a loss."""
    z = (y - mean) / std
    return std * (z * (2 * norm.cdf(z) - 1) + 2 * norm.pdf(z) - 1 / np.sqrt(np.pi))


def test_figures_on_the_bundled_data(tour):
    status, text, errors = tour()
    assert (status, errors) == (0, "")
    rows = figures(text)

    X, y = load_diabetes(return_X_y=True)
    X_train, X_test, y_train, y_test = train_test_split(X, y, test_size=0.25, random_state=0)
    scaler = StandardScaler().fit(X_train)
    mean, std = (
        BayesianRidge()
        .fit(scaler.transform(X_train), y_train)
        .predict(scaler.transform(X_test), return_std=True)
    )
    model = small_model().fit(scaler.transform(X_train), y_train)
    density = model.predict_distribution(scaler.transform(X_test))
    lower, upper = model.predict(scaler.transform(X_test), quantiles=[0.05, 0.95]).T
    z = np.abs(y_test - mean) / std
    expected = {
        "mean log-likelihood (higher is better)": (
            np.log(density.pdf(y_test)).mean(),
            norm.logpdf(y_test, mean, std).mean(),
        ),
        "CRPS, in units of the target (lower)": (
            density.crps(y_test).mean(),
            crps_of_gaussian(y_test, mean, std).mean(),
        ),
        "coverage of the 90% interval": (
            ((lower <= y_test) & (y_test <= upper)).mean(),
            (z <= norm.ppf(0.95)).mean(),
        ),
        "R² of the mean (higher)": (
            r2_score(y_test, model.predict(scaler.transform(X_test))),
            r2_score(y_test, mean),
        ),
    }
    assert set(rows) == {*expected, "fit time, s"}
    for name, pair in expected.items():
        assert rows[name] == pytest.approx(pair, rel=1e-3), name
    assert all(seconds > 0 for seconds in rows["fit time, s"])
    assert "epoch 5 of 5" in text
    assert "331 rows to learn from, 111 held out" in text


def test_the_bundled_data_leave_a_picture_and_no_model(tour, tmp_path):
    _, text, _ = tour()
    assert "mdn_diabetes.png" in text
    assert (tmp_path / "mdn_diabetes.png").read_bytes().startswith(b"\x89PNG")
    assert list(tmp_path.glob("*.joblib")) == []


def test_without_matplotlib_it_says_how_to_get_it(tour, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, text, _ = tour()
    assert status == 0
    assert "pip install matplotlib" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("options", [(), ("--out", "model.joblib")])
def test_a_file_with_texts_and_gaps(tour, tmp_path, options):
    data = write_csv(tmp_path / "flats.csv", *flats())
    status, text, errors = tour(data, "--target", "price", *options)
    assert (status, errors) == (0, "")
    for sentence in [
        "flats: 55 rows, 1 numeric and 1 categorical columns; target: price",
        "5 rows without a value of 'price' left out.",
        "Column 'area': 2 missing values, filled with the median of the training rows.",
        "Column 'city': 3 missing values, kept as a category of their own.",
        "Column 'empty' has no values and is left out.",
    ]:
        assert sentence in text
    assert (tmp_path / "mdn_flats.png").exists()

    pipeline = joblib.load(tmp_path / (options[1] if options else "mdn_flats.joblib"))
    table = read_table(data, "price")
    X_test, y_test = train_test_split(table.X, table.y, test_size=0.25, random_state=0)[1::2]
    assert figures(text)["mean log-likelihood (higher is better)"][0] == pytest.approx(
        pipeline.score(X_test, y_test), rel=1e-3
    )


def test_the_saved_pipeline_fits_in_silence(tour, tmp_path, capsys):
    data = write_csv(tmp_path / "flats.csv", *flats())
    tour(data, "--target", "price")
    table = read_table(data, "price")
    joblib.load(tmp_path / "mdn_flats.joblib").fit(table.X, table.y)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_the_saved_pipeline_takes_data_frames_and_unknown_categories(tour, tmp_path, library):
    tour(write_csv(tmp_path / "flats.csv", *flats()), "--target", "price")
    pipeline = joblib.load(tmp_path / "mdn_flats.joblib")
    frame = pytest.importorskip(library).DataFrame({"area": [50.0, 80.0], "city": ["Bonn", "Ulm"]})
    array = np.array([[50.0, "Bonn"], [80.0, "Ulm"]], dtype=object)
    np.testing.assert_array_equal(pipeline.predict(frame), pipeline.predict(array))
    assert np.isfinite(pipeline.predict(frame)).all()


@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
@pytest.mark.parametrize("mark", ["", "\ufeff"])
def test_reading_does_not_depend_on_the_delimiter(tmp_path, delimiter, mark):
    header, rows = flats()
    path = write_csv(tmp_path / "flats.csv", [mark + header[0], *header[1:]], rows, delimiter=delimiter)
    table = read_table(path, "price")
    kept = [row for row in rows if row[3] != ""]
    assert (table.columns, table.numeric, table.categorical) == (["area", "city"], [0], [1])
    np.testing.assert_array_equal(table.y, [row[3] for row in kept])
    missing = {"", "NA", "?", "nan"}
    for column in (0, 1):
        expected = [np.nan if row[column] in missing else row[column] for row in kept]
        assert [value for value in table.X[:, column] if value == value] == [v for v in expected if v == v]
        np.testing.assert_array_equal([v != v for v in table.X[:, column]], [v != v for v in expected])


def test_columns_become_complete_standardised_features(tmp_path):
    table = read_table(write_csv(tmp_path / "flats.csv", *flats()), "price")
    Z = column_pipeline(table).fit_transform(table.X)
    area = np.array(table.X[:, 0], dtype=float)
    area[np.isnan(area)] = np.nanmedian(area)
    city = [value if value == value else "missing" for value in table.X[:, 1]]
    dummies = np.equal.outer(city, ["Bonn", "Köln", "missing"])
    np.testing.assert_allclose(Z, np.column_stack([(area - area.mean()) / area.std(), dummies]))


def test_many_texts_take_few_columns(tmp_path):
    rows = [[f"name {i}", i] for i in range(100)]
    table = read_table(write_csv(tmp_path / "names.csv", ["name", "y"], rows), "y")
    assert table.notes == ["Column 'name': 100 different texts, rare ones taken together."]
    assert column_pipeline(table).fit_transform(table.X).shape == (100, MAX_CATEGORIES)


def test_columns_without_a_name_are_left_out(tmp_path):
    rows = [[i, i % 7, i % 5] for i in range(40)]
    table = read_table(write_csv(tmp_path / "frame.csv", ["", "x", "y"], rows), "y")
    assert table.columns == ["x"]
    assert table.notes == ["A column without a name is left out."]


NUMBERS = "x,y\n" + "".join(f"{i % 7},{i}\n" for i in range(MIN_ROWS))


@pytest.mark.parametrize(
    ("content", "target", "message"),
    [
        (None, "y", "no such file"),
        ("", "y", "the file is empty"),
        ("\n\n", "y", "the file is empty"),
        ("x,y\n", "y", "no rows below the header"),
        (NUMBERS, "z", "no column 'z'; the columns are x, y"),
        (NUMBERS + "1,two\n", "y", f"line {MIN_ROWS + 2}: 'y' must be a finite number, got 'two'"),
        (NUMBERS + "1,inf\n", "y", f"line {MIN_ROWS + 2}: 'y' must be a finite number, got 'inf'"),
        (NUMBERS + "1,1_000\n", "y", "must be a finite number, got '1_000'"),
        (NUMBERS + "1\n", "y", f"line {MIN_ROWS + 2}: 1 fields, the header has 2"),
        (NUMBERS + "1,2,3\n", "y", f"line {MIN_ROWS + 2}: 3 fields, the header has 2"),
        ("x,x,y\n1,2,3\n", "y", "more than one column is called 'x'"),
        ("x,y\n" + "1,2\n" * (MIN_ROWS - 1), "y", f"{MIN_ROWS - 1} rows have a value of 'y', at least"),
        ("x,y\n" + "1,\n" * MIN_ROWS, "y", "0 rows have a value of 'y'"),
        ("x,y\n" + "1,2\n" * MIN_ROWS, "y", "'y' is 2 in every row"),
        ("y\n" + "".join(f"{i}\n" for i in range(MIN_ROWS)), "y", "no column besides 'y' holds any value"),
        ("x,y\n" + "".join(f",{i}\n" for i in range(MIN_ROWS)), "y", "no column besides 'y' holds any value"),
        (NUMBERS + "-1e200,1\n", "y", "'x' has values as large as 1e+200, 1e+150 is the most"),
        (NUMBERS + "1,1.7e308\n", "y", "'y' has values as large as 1.7e+308, 1e+150 is the most"),
        (b"x,y\n\xff\xfe,1\n", "y", "not a text file in UTF-8"),
    ],
)
def test_what_cannot_be_read_is_refused_in_one_line(tour, tmp_path, content, target, message):
    data = tmp_path / "data.csv"
    if content is not None:
        data.write_bytes(content if isinstance(content, bytes) else content.encode())
    before = sorted(tmp_path.iterdir())
    status, text, errors = tour(data, "--target", target)
    assert (status, text) == (2, "")
    assert errors.startswith("sklearn_mdn: error: ")
    assert message in errors
    assert errors.count("\n") == 1
    assert sorted(tmp_path.iterdir()) == before


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["data.csv"], "--target NAME is needed"),
        (["--target", "y"], "--target needs a CSV file"),
        (["data.csv", "--target", "y", "--out", "nowhere/model.joblib"], "no such folder"),
        (["data.csv", "--target", "y", "--out", "folder"], "is a folder"),
        (["folder", "--target", "y"], "directory"),
    ],
)
def test_arguments_that_do_not_fit_are_refused_in_one_line(tour, tmp_path, arguments, message):
    (tmp_path / "data.csv").write_text(NUMBERS)
    (tmp_path / "folder").mkdir()
    status, text, errors = tour(*arguments)
    assert (status, text) == (2, "")
    assert message in errors
    assert errors.count("\n") == 1


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (PermissionError(13, "Permission denied", "mdn_data.joblib"), "mdn_data.joblib: Permission denied"),
        (OSError(28, "No space left on device"), "No space left on device"),  # a write knows no name
    ],
)
def test_what_cannot_be_written_is_reported(tour, tmp_path, monkeypatch, error, message):
    def refuse(*arguments, **parameters):
        raise error

    monkeypatch.setattr(joblib, "dump", refuse)
    (tmp_path / "data.csv").write_text(NUMBERS)
    status, _, errors = tour("data.csv", "--target", "y")
    assert (status, errors) == (2, f"sklearn_mdn: error: {message}\n")


def test_the_process_reports_its_status(tmp_path):
    command = [sys.executable, "-m", "sklearn_mdn", "missing.csv", "--target", "y"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert done.stdout == ""
    assert done.stderr == "sklearn_mdn: error: missing.csv: no such file\n"


def test_a_far_outlier_does_not_squeeze_the_picture(tmp_path):
    rng = np.random.default_rng(0)
    density = MixtureDistribution(np.ones((200, 1)), rng.normal(0, 1, (200, 1)), np.ones((200, 1)))
    grid = range_of(UnivariateRows(density), np.append(rng.normal(0, 1.4, 199), 1e6))
    assert grid[0] < -3
    assert 3 < grid[-1] < 20
