"""The command that corrupts a folder."""

from __future__ import annotations

import importlib.util

import pytest

from shapebias.cli.corrupting import corrupt as corrupt_command
from shapebias.errors import UserError
from testkit.images import class_folder
from testkit.processes import run


@pytest.mark.skipif(
    importlib.util.find_spec("imagecorruptions") is None, reason="imagecorruptions-imaug is not installed"
)
def test_the_command_draws_and_chooses(tmp_path, capsys):
    class_folder(tmp_path / "in" / "val", per_class=3)
    out = tmp_path / "out"
    options = {"seed": 0, "workers": 0, "strict": False}
    corrupt_command(tmp_path / "in", out, corruptions="fog, contrast", severities="1,3", limit=4, **options)
    found = [path.relative_to(out).as_posix() for path in sorted(out.rglob("*.JPEG"))]
    assert len(found) == 2 * 2 * 4
    assert len([name for name in found if "/bear/" in name]) == 8
    assert "4 images in 2 corruptions at 2 severities" in capsys.readouterr().err
    for change, words in (
        ({"severities": "1,6"}, "no severity 6"),
        ({"severities": "one"}, "--severities one is not a number"),
        ({"corruptions": "frog"}, "did you mean 'frost'|did you mean 'fog'"),
        ({"limit": 0}, "--limit must be at least 1"),
        ({"seed": -1}, "--seed"),
    ):
        given = {"corruptions": None, "severities": None, "limit": None, **options, **change}
        with pytest.raises(UserError, match=words):
            corrupt_command(tmp_path / "in", tmp_path / "new", **given)


def test_its_arguments_need_no_torch():
    program = "from shapebias.cli.corrupting import corrupt_arguments as a; import sys; a(); print(*sys.modules)"
    done = run(program)
    assert done.returncode == 0, done.stderr
    assert not set(done.stdout.split()) & {"torch", "numpy", "imagecorruptions"}
