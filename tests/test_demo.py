"""The demonstration end to end, at a toy size: every file there, the page whole, a second call doing nothing anew."""

import json

import pytest

from shapebias import demo


@pytest.fixture
def small(monkeypatch):
    monkeypatch.setattr(demo, "TRAIN_PER_CLASS", 4)
    monkeypatch.setattr(demo, "STYLES_PER_IMAGE", 2)
    monkeypatch.setattr(demo, "DRAWN_SIZE", 32)
    monkeypatch.setattr(demo, "SIZE", 32)
    monkeypatch.setattr(demo, "TEST_PER_CLASS", 1)
    monkeypatch.setattr(demo, "EPOCHS", {"in": 1, "mmsi-sin-in": 1})


def test_demo(small, tmp_path):
    page = demo.run_demo(tmp_path / "demo")
    text = page.read_text()
    assert page.name == "report.html" and "<script" not in text and '="http' not in text
    for scheme in ("in", "mmsi-sin-in"):
        results = json.loads((tmp_path / "demo" / "results" / scheme / "results.json").read_text())
        found = {(entry["evaluator"], entry["metric"]) for entry in results["results"]}
        assert {("accuracy", "top1"), ("stylized", "top1"), ("shape-bias", "shape_bias")} <= found
        assert ("dimensionality", "shape_neurons") in found
        conflict = next(entry for entry in results["results"] if entry["metric"] == "shape_decisions")
        assert conflict["n"] == 240
        assert scheme in text
    comparison = json.loads((tmp_path / "demo" / "results" / "comparison.json").read_text())
    assert {entry["metric"] for entry in comparison["paired"]} == {"top1", "shape_bias"}
    weights = (tmp_path / "demo" / "in" / "model.safetensors").stat().st_mtime_ns
    demo.run_demo(tmp_path / "demo")
    assert (tmp_path / "demo" / "in" / "model.safetensors").stat().st_mtime_ns == weights
