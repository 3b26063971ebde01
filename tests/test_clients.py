"""Uses of the estimators by other libraries, of those that are installed."""

from __future__ import annotations

import sys
import warnings
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "benchmarks"))

import clients


@pytest.mark.parametrize("client", clients.CLIENTS, ids=lambda client: f"{client.package}: {client.use}")
def test_client(client):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of other libraries
        pytest.importorskip(client.library, exc_type=ImportError)
        client.function()
