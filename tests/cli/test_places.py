"""Names and places at the limits: too long, empty, links to themselves, no space; and code of the user that exits."""

from __future__ import annotations

import errno

import pytest

from shapebias.cli import main as module
from shapebias.cli.main import COMMANDS, main
from testkit.images import class_folder

LONG = "x" * 300
DEEP = "/".join(["y" * 100] * 45)  # longer than any path of Linux

LEAVING = """import sys
from torch import nn
def quiet(): sys.exit()
class Late(nn.Module):
    def __init__(self):
        super().__init__()
        self.layer = nn.Linear(1, 2)
    def forward(self, x): sys.exit()
"""


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A working folder with images, a link to itself and modules that exit."""
    class_folder(tmp_path / "photos")
    (tmp_path / "loop").symlink_to("loop")
    (tmp_path / "quits.py").write_text("import sys\nsys.exit(0)\n")
    (tmp_path / "leaving.py").write_text(LEAVING)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def refused(capsys, *arguments):
    assert main(arguments) == 2
    out, err = capsys.readouterr()
    assert out == ""
    lines = err.splitlines()
    assert lines[-1].startswith("shapebias: error: ")
    assert "Traceback" not in err
    return lines[-1]


PLACES = [
    ("stylize", "PLACE", "--out", "made"),
    ("stylize", "photos", "--out", "PLACE"),
    ("stylize", "photos", "--out", "made", "--stylizer", "PLACE"),
    ("stylize", "photos", "--out", "made", "--styles", "PLACE"),
    ("corrupt", "PLACE", "--out", "made"),
    ("shapes16", "--out", "PLACE"),
    ("cue-conflict", "PLACE", "--out", "made"),
    ("train", "--scheme", "in", "--model", "resnet18", "--data", "PLACE", "--out", "made"),
    ("train", "--resume", "PLACE"),
    ("evaluate", "PLACE", "--evaluators", "accuracy", "--data", "photos", "--out", "made"),
    ("transfer", "PLACE", "--task", "photos", "--out", "made"),
    ("transfer", "resnet18", "--task", "PLACE", "--out", "made"),
    ("export", "PLACE", "--out", "made.pth"),
    ("report", "PLACE", "--out", "page.html"),
    ("report", "photos", "--out", "PLACE"),
    ("score-responses", "PLACE", "--out", "made"),
]


@pytest.mark.parametrize("arguments", PLACES, ids=lambda arguments: " ".join(arguments[:3]))
@pytest.mark.parametrize("place", [LONG, DEEP, "loop"], ids=["long", "deep", "loop"])
def test_a_place_that_the_system_refuses_is_one_line(work, capsys, place, arguments):
    line = refused(capsys, *(place if argument == "PLACE" else argument for argument in arguments))
    assert place[:100] in line
    assert {path.name for path in work.iterdir()} - {"made"} == {"photos", "loop", "quits.py", "leaving.py"}


def test_an_error_of_the_system_names_its_file_and_what_to_do(monkeypatch, capsys):
    def fail(error):
        def command():
            raise error

        monkeypatch.setitem(COMMANDS, "demo", command)
        monkeypatch.setattr(module, "Parser", lambda *_: type("Nothing", (), {"read": lambda *_: {}})())
        return refused(capsys, "demo")

    long = fail(OSError(errno.ENAMETOOLONG, "File name too long", LONG + "tail"))
    assert long == f"shapebias: error: {LONG} ...: File name too long: check this path"
    assert fail(OSError(errno.ENOSPC, "No space left on device")).endswith("No space left on device: free some space")
    assert fail(PermissionError(errno.EACCES, "Permission denied", "a")).endswith(
        "a: Permission denied: check this path"
    )
    full = fail(RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried ... bytes"))
    assert "not enough memory ([enforce fail] DefaultCPUAllocator" in full
    assert full.endswith("): lower --batch-size or another number that takes memory")
    assert "Unable to allocate 7 TiB" in fail(MemoryError("Unable to allocate 7 TiB for an array"))
    with pytest.raises(RuntimeError, match="a bug"):
        fail(RuntimeError("a bug"))
    with pytest.raises(OSError, match="no number"):
        fail(OSError("no number"))


@pytest.mark.parametrize("option", ["--out=", "--data=", "--model="])
def test_an_empty_place_is_not_the_current_folder(work, capsys, option):
    arguments = ["train", "--scheme=in", "--model=resnet18", "--data=photos", "--out=made"]
    given = [option if argument.startswith(option) else argument for argument in arguments]
    assert (
        refused(capsys, *given)
        == f"shapebias: error: {option[:-1]} is empty: give a value, or . for the current folder"
    )
    assert "IMAGES is empty" in refused(capsys, "stylize", "", "--out", "made")


@pytest.mark.parametrize(
    ("spec", "reason"),
    [
        ("quits:net", "importing the module of 'quits:net' failed: SystemExit: 0"),
        ("leaving:quiet", "calling 'leaving:quiet' without arguments failed: SystemExit"),
        ("leaving:Late", "evaluate was ended before it was done by code that exits (SystemExit: None)"),
    ],
)
def test_a_model_that_exits_does_not_end_the_command_as_if_it_was_done(work, capsys, spec, reason):
    line = refused(capsys, "evaluate", spec, "--evaluators", "accuracy", "--data", "photos", "--out", "made")
    assert reason in line
    assert not list(work.glob("made/**/results.json"))


@pytest.mark.parametrize(
    ("arguments", "range_"),
    [
        (
            "evaluate resnet18 --evaluators accuracy --data photos --out r --pairs 99999999999",
            "--pairs must be at most",
        ),
        (
            "evaluate resnet18 --evaluators accuracy --data photos --out r --batch-size 99999999",
            "--batch-size must be at m",
        ),
        (
            "evaluate resnet18 --evaluators accuracy --data photos --out r --workers 99999",
            "--workers must be at most 1024",
        ),
        ("stylize photos --out r --size 99999", "--size must be at most 4096, not 99999"),
        ("stylizer show photos --out r.png --rows 9999 --columns 9999", "100 megapixels: lower one"),
        ("stylizer show photos --out r.png --size 99999", "--size must be at most 4096"),
        ("cue-conflict photos --out r --size 99999", "--size must be at most 4096"),
        ("texture-grid photos --textures photos --out r --size 99999", "--size must be at most 4096"),
        ("corrupt photos --out r --workers 99999", "--workers must be at most 1024"),
        ("corrupt photos --out r --seed 99999999999", "--seed must be at most 4294967295"),
        ("shapes16 --out r --train-per-class 99999999999", "--train-per-class must lie between 0 and 100000"),
        ("shapes16 --out r --size 99999", "16 to 1024"),
        (
            "train --scheme in --model resnet18 --data photos --out r --size 99999",
            "--size must lie between 16 and 4096",
        ),
        ("cam resnet18 --data photos --out r --size 99999", "--size must be at most 4096"),
    ],
)
def test_numbers_beyond_any_memory_are_refused_by_their_range(work, capsys, arguments, range_):
    assert range_ in refused(capsys, *arguments.split())
    assert not (work / "r").exists()
