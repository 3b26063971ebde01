"""The HTML representation of an estimator links to its page in the reference."""

from __future__ import annotations

from email.message import Message
from importlib.metadata import PackageNotFoundError

import pytest
from sklearn.linear_model import BayesianRidge
from sklearn.pipeline import make_pipeline

import sklearn_mdn
from sklearn_mdn import DensityPool, GaussianDensity, MDNRegressor, MDNSearchCV
from sklearn_mdn._distributions import documented

ESTIMATORS = [
    MDNRegressor(),
    MDNSearchCV(MDNRegressor(), {"n_components": [1]}),
    DensityPool([MDNRegressor()]),
    GaussianDensity(BayesianRidge()),
]


def with_urls(*entries):
    package = Message()
    for entry in entries:
        package["Project-URL"] = entry
    return lambda name: package


@pytest.mark.parametrize("estimator", ESTIMATORS, ids=lambda estimator: type(estimator).__name__)
def test_estimators_link_to_their_page(estimator, monkeypatch):
    address = "https://docs.example/stable/"
    monkeypatch.setattr(
        documented, "metadata", with_urls("Source, https://code.example", f"Documentation, {address}")
    )
    page = f"{address}generated/sklearn_mdn.{type(estimator).__name__}.html"
    assert f'href="{page}"' in make_pipeline(estimator)._repr_html_()
    assert type(estimator).__name__ in sklearn_mdn.__all__


def missing(name):
    raise PackageNotFoundError(name)


@pytest.mark.parametrize("found", [with_urls("Source, https://code.example"), with_urls(), missing])
def test_without_an_address_the_pages_of_a_clone_or_no_link(found, monkeypatch, tmp_path):
    monkeypatch.setattr(documented, "metadata", found)
    monkeypatch.setattr(documented, "__file__", str(tmp_path / "sklearn_mdn" / "_distributions" / "any.py"))
    model = MDNRegressor()
    assert model._get_doc_link() == ""
    assert "generated/sklearn_mdn" not in model._repr_html_()
    built = tmp_path / "doc" / "_build" / "html"
    built.mkdir(parents=True)
    (built / "api.html").touch()
    assert model._get_doc_link() == f"{built.resolve().as_uri()}/generated/sklearn_mdn.MDNRegressor.html"
