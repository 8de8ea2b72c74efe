"""Commands under ``torchrun``: the work is divided, and the files are those of one process."""

from __future__ import annotations

import importlib.util
import json
import os

import pytest

from shapebias.cli.main import main
from shapebias.files import locked
from shapebias.models.imagenet import wordnet_ids
from testkit.images import class_folder
from testkit.processes import torchrun

NETWORKS = """
import os
from pathlib import Path
import torch

class Network(torch.nn.Module):
    def __init__(self, seed):
        super().__init__()
        torch.manual_seed(seed)
        self.seed, self.features, self.fc = seed, torch.nn.Conv2d(3, 4, 7, 7), torch.nn.Linear(4, 1000)

    def forward(self, images):
        with Path(os.environ["PASSES"]).open("a") as file:
            len(images) > 1 and file.write(f"{self.seed} {len(images)}\\n")
        return self.fc(self.features(images).mean((2, 3)))

def one():
    return Network(1)

def two():
    return Network(2)
"""
CORRUPTED = pytest.mark.skipif(
    importlib.util.find_spec("imagecorruptions") is None, reason="imagecorruptions-imaug is not installed"
)


def files_of(folder):
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


def errors_of(done):
    return [line for line in done.stderr.splitlines() if line.startswith("shapebias: ")]


@CORRUPTED
def test_corrupt_divides_the_images(tmp_path, capsys):
    class_folder(tmp_path / "in", per_class=3)
    command = ["corrupt", str(tmp_path / "in"), "--corruptions=fog,contrast", "--severities=1", "--out"]
    assert main([*command, str(tmp_path / "alone")]) == 0
    done = torchrun(*command, tmp_path / "two")
    assert done.returncode == 0, done.stderr
    assert files_of(tmp_path / "two") == files_of(tmp_path / "alone")
    assert done.stderr.count("wrote ") == 1
    capsys.readouterr()


@CORRUPTED
@pytest.mark.parametrize("rank", [0, 1])
def test_an_error_of_one_process_ends_both(tmp_path, rank):
    class_folder(tmp_path / "in", per_class=2)
    sorted((tmp_path / "in").rglob("*.png"))[rank].write_bytes(b"broken")
    command = ["corrupt", tmp_path / "in", "--corruptions=fog", "--severities=1", "--strict", "--out", tmp_path / "out"]
    done = torchrun(*command)
    (line,) = errors_of(done)
    assert line.startswith("shapebias: error: unreadable image ")
    assert "Traceback" not in done.stderr.partition(line)[0]
    assert "exitcode  : 2" in done.stderr


@CORRUPTED
def test_a_second_job_is_refused(tmp_path):
    class_folder(tmp_path / "in", per_class=2)
    with locked(tmp_path / "out"):
        done = torchrun("corrupt", tmp_path / "in", "--corruptions=fog", "--severities=1", "--out", tmp_path / "out")
    (line,) = errors_of(done)
    assert "another process is at work in" in line
    assert not list((tmp_path / "out").rglob("*.JPEG"))


def test_evaluate_divides_models_and_evaluators(tmp_path, monkeypatch, capsys):
    (tmp_path / "two_networks.py").write_text(NETWORKS)
    monkeypatch.syspath_prepend(tmp_path)
    class_folder(tmp_path / "photos", wordnet_ids()[:2], per_class=4)
    command = ["evaluate", "two_networks:one", "two_networks:two", "--evaluators=accuracy,dimensionality"]
    command += ["--data", str(tmp_path / "photos"), "--pairs=20", "--device=cpu", "--out"]
    monkeypatch.setenv("PASSES", str(tmp_path / "alone.txt"))
    assert main([*command, str(tmp_path / "alone")]) == 0, capsys.readouterr().err
    capsys.readouterr()
    path = f"{tmp_path}:{os.environ.get('PYTHONPATH', '')}"
    done = torchrun(*command, tmp_path / "two", PASSES=str(tmp_path / "two.txt"), PYTHONPATH=path)
    assert done.returncode == 0, done.stderr
    passes = [sorted((tmp_path / f"{name}.txt").read_text().splitlines()) for name in ("alone", "two")]
    assert passes[0] == passes[1]
    alone, two = files_of(tmp_path / "alone"), files_of(tmp_path / "two")
    assert alone.keys() == two.keys()
    for name in alone:
        if not name.endswith(".json"):
            assert alone[name] == two[name], name
            continue
        there = str(tmp_path / "two").encode()
        values = [json.loads(text.replace(there, there[:-3] + b"alone")) for text in (alone[name], two[name])]
        for value in values:
            if "environment" in value:
                for changing in ("command", "date", "threads"):
                    del value["environment"][changing]
        assert values[0] == values[1], name
    assert done.stderr.count("comparison.json") == 1
