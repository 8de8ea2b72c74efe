"""Commands whose --out is a file or a folder of the user's: it stays as it is, in one line."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from shapebias.cli.main import main
from shapebias.models.build import build_classifier
from shapebias.models.checkpoint import save_classifier
from shapebias.models.classifier import Identity
from testkit.images import class_folder, noise_image
from testkit.report_fixture import measured


def refused(capsys: pytest.CaptureFixture[str], own: Path, *arguments: object) -> str:
    """Run a command that would write over ``own``, and return its one line."""
    before = own.read_bytes()
    assert main([str(argument) for argument in arguments]) == 2
    assert own.read_bytes() == before
    message = capsys.readouterr().err
    assert message.startswith("shapebias: error: ") and message.count("\n") == 1
    return message


def test_a_page_replaces_a_page_only(tmp_path, capsys):
    measured(tmp_path / "results" / "net", "net", weights="a")
    photograph, page = noise_image(tmp_path / "mine.png", 0), tmp_path / "page.html"
    for own in (photograph, tmp_path / "results" / "net" / "results.json"):
        assert "was not written by this command" in refused(capsys, own, "report", tmp_path / "results", "--out", own)
    page.touch()
    for _ in range(2):
        assert main(["report", str(tmp_path / "results"), "--out", str(page)]) == 0
    assert page.stat().st_size > 1000
    capsys.readouterr()
    own = class_folder(tmp_path / "audit") / "report.html"
    own.write_text("<html>mine</html>")
    audit = ("audit", "test_resnet", "--data", tmp_path, "--out", own.parent)
    assert f"{own} exists and was not written by this command" in refused(capsys, own, *audit)


def test_a_sheet_and_a_bank_replace_their_own_kind_only(tmp_path, capsys):
    photos, own, sheet = class_folder(tmp_path / "photos"), noise_image(tmp_path / "mine.png", 0), tmp_path / "s.png"
    show = ["stylizer", "show", str(photos), "--rows", "1", "--columns", "1", "--size", "32"]
    assert "choose another --out" in refused(capsys, own, *show, "--out", own)
    for _ in range(2):
        assert main([*show, "--out", str(sheet)]) == 0
    weights, bank = tmp_path / "model.safetensors", tmp_path / "styles.safetensors"
    model = build_classifier("test_resnet", Identity("net", "net", "test_resnet", ("a", "b")), size=32)
    save_classifier(weights, model)
    capsys.readouterr()
    encode = ["stylizer", "encode", str(photos), "--device", "cpu"]
    assert "is not a style bank" in refused(capsys, weights, *encode, "--out", weights)
    for _ in range(2):
        assert main([*encode, "--out", str(bank)]) == 0


def test_an_export_replaces_the_same_export_only(tmp_path, capsys):
    torch.manual_seed(0)
    model = build_classifier("test_resnet", Identity("net", "net", "test_resnet", ("a", "b")), size=32)
    save_classifier(tmp_path / "model.safetensors", model)
    own = tmp_path / "mine.pth"
    torch.save({"mine": torch.zeros(3)}, own)
    line = ["export", str(tmp_path / "model.safetensors"), "--out"]
    assert "exists and holds something else" in refused(capsys, own, *line, own)
    for _ in range(2):
        assert main([*line, str(tmp_path / "new.pth")]) == 0


def test_an_audit_leaves_a_file_of_its_lists_name(tmp_path, capsys):
    own = tmp_path / "out" / "audit.json"
    own.parent.mkdir()
    own.write_text('{"mine": 1}')
    images = class_folder(tmp_path / "images", ("a", "b"))
    model = build_classifier("test_resnet", Identity("net", "net", "test_resnet", ("a", "b")), size=32)
    save_classifier(tmp_path / "model.safetensors", model)
    line = ("audit", tmp_path / "model.safetensors", "--data", images, "--out", own.parent)
    assert "is not an audit file" in refused(capsys, own, *line)


def test_a_preview_over_a_photograph_is_refused_before_the_work(tmp_path, capsys):
    photos, own = class_folder(tmp_path / "photos"), noise_image(tmp_path / "mine.png", 0)
    refused(capsys, own, "stylize", photos, "--out", tmp_path / "copies", "--preview", own)
    assert not (tmp_path / "copies").exists()
