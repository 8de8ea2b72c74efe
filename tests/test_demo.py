"""The demonstration end to end, in short: every file there, the page whole, a second call training nothing again."""

import json

from shapebias import demo


def test_demo(tmp_path):
    page = demo.run_demo(tmp_path / "demo", quick=True)
    text = page.read_text()
    assert page.name == "report.html" and "<script" not in text and '="http' not in text
    for scheme in demo.QUICK.epochs:
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
    demo.run_demo(tmp_path / "demo", quick=True)
    assert (tmp_path / "demo" / "in" / "model.safetensors").stat().st_mtime_ns == weights
