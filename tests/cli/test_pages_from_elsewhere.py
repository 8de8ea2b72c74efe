"""Pages of results that were measured with relative paths, and of an audit of runs: curves and pictures are there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shapebias.cli.main import main
from shapebias.report import build_report
from testkit.report_page import Page


@pytest.fixture(scope="module")
def audited(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training and an audit of it, all typed with relative paths."""
    folder = tmp_path_factory.mktemp("work")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        few = "--train-per-class 2 --test-per-class 1"
        assert main(f"shapes16 --out shapes --size 32 {few}".split()) == 0
        settings = "--model test_resnet --size 32 --epochs 1 --batch-size 8 --device cpu"
        assert main(f"train --scheme in --data shapes {settings} --out runs/plain".split()) == 0
        chosen = "--evaluators shape-bias,dimensionality --pairs 50 --device cpu"
        assert main(f"audit runs/plain --data shapes {chosen} --out audit".split()) == 0
    return folder


def test_the_page_of_an_audit_shows_the_training_of_its_runs(audited):
    page = Page(audited / "audit" / "report.html")
    assert "training-curves" in page.sections()


def test_results_of_relative_data_keep_their_pictures_in_another_folder(audited, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    warnings = build_report([audited / "audit"], tmp_path / "page.html")
    assert not [warning for warning in warnings if "pictures" in warning]
    page = Page(tmp_path / "page.html")
    assert page.classed("card")
    assert page.section("neurons").count("<img") >= 2


def test_folders_of_data_are_recorded_as_absolute_paths(audited):
    results = json.loads((audited / "audit" / "plain" / "results.json").read_text())["results"]
    folders = [row["details"]["data"]["folder"] for row in results if "data" in row["details"]]
    folders.append(json.loads((audited / "audit" / "plain" / "decisions.json").read_text())["folder"])
    folders.append(json.loads((audited / "runs" / "plain" / "run.json").read_text())["data"]["folder"])
    assert all(folder.startswith(str(audited)) for folder in folders)
    assert len(folders) == 4
