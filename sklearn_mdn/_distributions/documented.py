"""Where the reference of an estimator is, for the link in its HTML representation."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, metadata
from pathlib import Path


def documentation_address() -> str:
    """Address of the documentation: the project's URL of that name, else a clone's built pages, else ""."""
    try:
        entries = metadata("sklearn-mdn").get_all("Project-URL") or []
    except PackageNotFoundError:
        entries = []
    for entry in entries:
        name, _, address = entry.partition(", ")
        if name.lower() == "documentation":
            return str(address).rstrip("/")
    built = Path(__file__).resolve().parents[2] / "doc" / "_build" / "html"
    return built.as_uri() if (built / "api.html").exists() else ""


class DocumentedEstimator:
    """An estimator whose HTML representation links to its page in the reference, if there is an address."""

    _doc_link_module = "sklearn_mdn"

    @property
    def _doc_link_template(self) -> str:
        address = documentation_address()
        return f"{address}/generated/{{estimator_module}}.{{estimator_name}}.html" if address else ""
