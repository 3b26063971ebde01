"""The benchmarks of serving and of devices run, and print what was measured."""

from __future__ import annotations

import pytest
import torch

from tests.test_benchmarks import run_with_out, simple_tables

import _peers  # isort: skip
import gpu  # isort: skip
import serving  # isort: skip


def test_serving_asks_every_model_every_question(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(serving, "TRAINING_ROWS", 40)
    monkeypatch.setattr(serving, "SECONDS", 0.0)
    monkeypatch.setattr(serving, "N_DRAWS", 3)

    def peer(X, y):
        return {"mean": lambda X, y: asked.append(len(X))}

    asked: list[int] = []
    monkeypatch.setattr(serving, "PEERS", {"json": peer, "no_such_library": peer})
    arguments = ["--rows", "1", "5", "--peer-rows", "3", "--epochs", "1", "--threads", "1", "--cpu"]
    printed, page = run_with_out(serving.main, tmp_path, capsys, arguments)
    assert page == printed.strip()
    tables = [rows for _, rows in simple_tables(page)]
    for header, *rows in tables:
        assert header == ["model", *serving.QUESTIONS]
        assert [row[0] for row in rows] == ["networks: 1", "networks: 10", "json"]
        assert "–" not in [*rows[0], *rows[1]]
        assert rows[2][2:] == ["–"] * 4
    assert set(asked) == {1, 3}


def test_the_script_for_cards_runs_on_a_cpu(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(gpu, "STEPS", 2)
    arguments = ["--device", "cpu", "--members", "1", "2", "--batches", "8", "--rows", "40", "--no-tests"]
    arguments += ["--large-members", "2", "--cpu-limit", "8"]
    printed, page = run_with_out(gpu.main, tmp_path, capsys, arguments)
    assert page == printed.strip()
    (_, (_, one, two)), (_, (_, many)) = simple_tables(page)
    assert (one[:2], two[:2], many[:2]) == (["1", "8"], ["2", "8"], ["40", "2"])
    assert one[-1] != "–"
    assert two[-1] == "–"


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a card")
def test_without_a_card_there_is_a_word():
    with pytest.raises(_peers.BenchmarkError, match="sees no card"):
        gpu.main([])
