"""The tour: its figures against a calculation of their own, its words, and what it leaves behind."""

from __future__ import annotations

import re
import sys

import joblib
import numpy as np
import pandas as pd
import pytest
from scipy.stats import norm
from sklearn.datasets import load_diabetes
from sklearn.linear_model import BayesianRidge
from sklearn.metrics import r2_score
from sklearn.model_selection import train_test_split
from sklearn.preprocessing import StandardScaler

from sklearn_mdn._distributions.mixture import MixtureDistribution
from sklearn_mdn._estimators.regressor import MDNRegressor
from sklearn_mdn._tour.table import read_table
from sklearn_mdn._tour.tour import ending, linear_gaussian
from sklearn_mdn.plotting._rows import UnivariateRows, range_of
from tests._tour.conftest import flats, small_model

WORDS = [
    "flats: 55 rows, 2 numeric and 1 categorical columns; target: price",
    "5 rows without a value of 'price' left out.",
    "Column 'area': 1 infinite value, taken as missing.",
    "Column 'area': 3 missing values, for which the network learns a number.",
    "Column 'city': 3 missing values, taken as a category.",
    "Column 'built' holds dates and is left out.",
    "Column 'empty' has no values and is left out.",
]
CODE = re.compile(r"To use it:\n((?:  .*\n)+)")


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
    linear = BayesianRidge().fit(scaler.transform(X_train), y_train)
    mean, std = linear.predict(scaler.transform(X_test), return_std=True)
    model = small_model().fit(X_train, y_train)
    density = model.predict_distribution(X_test)
    lower, upper = model.predict(X_test, quantiles=[0.05, 0.95]).T
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
            (np.abs(y_test - mean) / std <= norm.ppf(0.95)).mean(),
        ),
        "R² of the mean (higher)": (r2_score(y_test, model.predict(X_test)), r2_score(y_test, mean)),
    }
    assert set(rows) == {*expected, "fit time, s"}
    for name, pair in expected.items():
        assert rows[name] == pytest.approx(pair, rel=1e-3), name
    assert all(seconds > 0 for seconds in rows["fit time, s"])
    assert "epoch 5 of at most 5" in text
    assert "All 5 epochs were used." in text
    assert "331 rows to learn from, 111 held out" in text


def test_the_linear_model_sees_medians_and_dummies():
    frame = flats().drop(columns=["built", "empty"]).replace(np.inf, np.nan)
    frame = frame[frame["price"].notna()]
    X_train, X_test = frame.drop(columns="price").iloc[:40], frame.drop(columns="price").iloc[40:]
    X_test = X_test.assign(city=["Ulm", *X_test["city"].iloc[1:]])  # not seen in training

    numbers = [X[["area", "floor"]].fillna(X_train[["area", "floor"]].median()) for X in (X_train, X_test)]
    scaler = StandardScaler().fit(numbers[0])
    cities = ["Bonn", "Köln", "missing"]
    Z_train, Z_test = (
        np.column_stack(
            [scaler.transform(Z), np.equal.outer(X["city"].fillna("missing").to_numpy(object), cities)]
        )
        for Z, X in zip(numbers, (X_train, X_test), strict=True)
    )
    y = frame["price"].to_numpy()[:40]
    mean, std = BayesianRidge().fit(Z_train, y).predict(Z_test, return_std=True)
    density = linear_gaussian(X_train, y, X_test)
    np.testing.assert_allclose(density.mean(), mean)
    np.testing.assert_allclose(density.std(), std)


def test_the_bundled_data_leave_a_picture_and_no_model(tour, tmp_path):
    _, text, _ = tour()
    assert "mdn_diabetes.png" in text
    assert (tmp_path / "mdn_diabetes.png").read_bytes().startswith(b"\x89PNG")
    assert [path.name for path in tmp_path.iterdir()] == ["mdn_diabetes.png"]


def test_without_matplotlib_it_says_how_to_get_it(tour, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "matplotlib", None)
    status, text, _ = tour()
    assert status == 0
    assert "pip install matplotlib" in text
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("suffix", [".csv", ".csv.gz", ".parquet", ".feather", ".xlsx"])
@pytest.mark.parametrize("options", [(), ("--out", "model.joblib")])
def test_a_table_with_categories_gaps_and_dates(tour, tmp_path, suffix, options):
    path = tmp_path / f"flats{suffix}"
    {
        ".parquet": flats().to_parquet,
        ".feather": flats().to_feather,
        ".xlsx": lambda path: flats().to_excel(path, index=False),
    }.get(suffix, lambda path: flats().to_csv(path, index=False))(path)
    status, text, errors = tour(path, "--target", "price", *options)
    assert (status, errors) == (0, "")
    for sentence in WORDS:
        assert sentence in text
    name = options[1] if options else "mdn_flats.joblib"
    assert {file.name for file in tmp_path.iterdir()} == {path.name, "mdn_flats.png", name}

    model = joblib.load(tmp_path / name)
    assert type(model) is MDNRegressor
    table = read_table(path, "price")
    _, X_test, _, y_test = train_test_split(table.X, table.y, test_size=0.25, random_state=0)
    assert figures(text)["mean log-likelihood (higher is better)"][0] == pytest.approx(
        model.score(X_test, y_test), rel=1e-3
    )


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_the_printed_code_predicts_the_rows_of_the_file(tour, tmp_path, suffix):
    frame = flats()
    path = tmp_path / f"flats{suffix}"
    frame.to_parquet(path) if suffix == ".parquet" else frame.to_csv(path, index=False, sep=";", na_rep="?")
    _, text, _ = tour(path, "--target", "price")
    lines = [line.strip() for line in CODE.search(text)[1].splitlines()]
    found = {}
    exec("\n".join([*lines[:-1], f"quantiles = {lines[-1]}"]), found)
    rows = frame[["area", "city", "floor"]].replace(np.inf, np.nan)
    model = joblib.load(tmp_path / "mdn_flats.joblib")
    np.testing.assert_array_equal(found["quantiles"], model.predict(rows, quantiles=[0.05, 0.5, 0.95]))


def test_the_printed_code_works_for_the_bundled_data(tour):
    _, text, _ = tour("--out", "model.joblib")
    found = {}
    exec("\n".join(line.strip() for line in CODE.search(text)[1].splitlines()), found)
    assert found["X"].shape == (442, 10)


def test_the_saved_model_knows_columns_by_name(tour, tmp_path):
    flats().to_csv(tmp_path / "flats.csv", index=False)
    tour("flats.csv", "--target", "price")
    model = joblib.load(tmp_path / "mdn_flats.joblib")
    rows = pd.DataFrame({"area": [50.0, 80.0], "city": ["Bonn", "Ulm"], "floor": [1, 2]})
    assert np.isfinite(model.predict(rows)).all()
    for wrong in (rows[["city", "area", "floor"]], rows.rename(columns={"city": "town"}), rows[["area"]]):
        with pytest.raises(ValueError, match=r"[Ff]eature names"):
            model.predict(wrong)


def test_the_saved_model_fits_in_silence(tour, tmp_path, capsys):
    flats().to_csv(tmp_path / "flats.csv", index=False)
    tour("flats.csv", "--target", "price")
    table = read_table(tmp_path / "flats.csv", "price")
    joblib.load(tmp_path / "mdn_flats.joblib").fit(table.X, table.y)
    assert capsys.readouterr() == ("", "")


@pytest.mark.parametrize(
    ("lengths", "sentence"),
    [
        ([600, 600], "All 600 epochs were used."),
        ([130, 130], "Stopped early, every network of 2 after epoch 130: for 7 epochs the"),
        ([130, 150, 140], "Stopped early, every network of 3 after epochs 130 to 150: for 7 epochs the"),
        ([130, 600, 600], "Stopped early, one network of 3 after epoch 130: for 7 epochs the"),
        ([130, 140, 600], "Stopped early, 2 networks of 3 after epochs 130 to 140: for 7 epochs the"),
        ([130], "Stopped early after epoch 130: for 7 epochs the"),
    ],
)
def test_it_says_when_and_why_training_ended(lengths, sentence):
    model = small_model(n_iter_no_change=7, n_estimators=len(lengths))
    model.n_iter_ = np.array(lengths)
    assert ending(model, 600).startswith(sentence)


def test_a_fit_that_stops_early_says_so(tour):
    _, text, _ = tour(model=small_model(n_iter_no_change=1, learning_rate_init=10.0))
    assert re.search(r"  Stopped early after epoch \d: for 1 epoch the log-likelihood of its held-out", text)


def test_a_far_outlier_does_not_squeeze_the_picture(tmp_path):
    rng = np.random.default_rng(0)
    density = MixtureDistribution(np.ones((200, 1)), rng.normal(0, 1, (200, 1)), np.ones((200, 1)))
    grid = range_of(UnivariateRows(density), np.append(rng.normal(0, 1.4, 199), 1e6))
    assert grid[0] < -3
    assert 3 < grid[-1] < 20
