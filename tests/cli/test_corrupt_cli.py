"""The command that corrupts a folder."""

from __future__ import annotations

import importlib.util

import pytest

from shapebias.cli.main import main
from testkit.images import class_folder


@pytest.mark.skipif(
    importlib.util.find_spec("imagecorruptions") is None, reason="imagecorruptions-imaug is not installed"
)
def test_the_command_draws_and_chooses(tmp_path, capsys):
    class_folder(tmp_path / "in" / "val", per_class=3)
    out = tmp_path / "out"
    command = ["corrupt", str(tmp_path / "in"), "--out"]
    given = ["--corruptions", "fog, contrast", "--severities=1,3", "--limit=4"]
    assert main([*command, str(out), *given]) == 0
    found = [path.relative_to(out).as_posix() for path in sorted(out.rglob("*.JPEG"))]
    assert len(found) == 2 * 2 * 4
    assert len([name for name in found if "/bear/" in name]) == 8
    assert "4 images in 2 corruptions at 2 severities" in capsys.readouterr().err
    for change, words in (
        ("--severities=1,6", "no severity 6"),
        ("--corruptions=frog", "did you mean 'f"),
        ("--limit=0", "--limit must be at least 1"),
        ("--seed=-1", "--seed must be at least 0"),
    ):
        assert main([*command, str(tmp_path / "new"), change]) == 2
        assert words in capsys.readouterr().err
