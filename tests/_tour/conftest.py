"""A small table, and the tour on a small model in an empty folder."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from sklearn_mdn._estimators.regressor import MDNRegressor
from sklearn_mdn._tour.command import main


def small_model(**parameters):
    return MDNRegressor(2, hidden_layer_sizes=[8], max_iter=5, random_state=0, **parameters)


@pytest.fixture
def tour(tmp_path, monkeypatch, capsys):
    """Run the tour, and return its status and its words."""
    monkeypatch.chdir(tmp_path)

    def run(*arguments, model=None):
        status = main([str(argument) for argument in arguments], model=model or small_model())
        return status, *capsys.readouterr()

    return run


def flats(n_rows=60):
    """Rows in which 2 areas, 3 cities and 5 prices are missing, and one area is infinite."""
    rng = np.random.default_rng(0)
    area, city = rng.uniform(20, 120, n_rows).round(1), rng.choice(["Bonn", "Köln"], n_rows)
    price = (area * np.where(city == "Bonn", 10, 14) + rng.normal(0, 50, n_rows)).round(2)
    frame = pd.DataFrame({"area": area, "city": city, "floor": rng.integers(0, 5, n_rows)})
    frame["built"] = pd.date_range("1990-01-01", periods=n_rows, freq="W")
    frame["empty"], frame["price"] = None, price
    frame.loc[[10, 11], "area"] = np.nan
    frame.loc[12, "area"] = np.inf
    frame.loc[[20, 21, 22], "city"] = None
    frame.loc[30:34, "price"] = np.nan
    return frame
