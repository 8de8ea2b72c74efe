"""The command line in this process: exit statuses, one line for each mistake, help, and JSON alone on stdout."""

from __future__ import annotations

import errno
import json
import os
import tempfile

import pytest
import torch
from safetensors.torch import save_file

from shapebias.cli.main import COMMANDS, main
from shapebias.models import Identity
from shapebias.models.build import build_classifier
from shapebias.models.checkpoint import save_classifier
from testkit.images import class_folder, noise_image


@pytest.fixture
def work(tmp_path, monkeypatch):
    """A working folder with images, a checkpoint and some useless files."""
    class_folder(tmp_path / "photos")
    class_folder(tmp_path / "one", ("cat",))
    (tmp_path / "empty").mkdir()
    (tmp_path / "file").write_text("text")
    (tmp_path / "bad.yaml").write_text("scheme: [in\nmodel")
    (tmp_path / "under.yaml").write_text("batch_size: 3\n")
    (tmp_path / "flag.yaml").write_text("nesterov: 3\n")
    (tmp_path / "odd.yaml").write_text("scheme: in\nbanana: 3\n")
    (tmp_path / "cut.safetensors").write_bytes(b"\x40\0\0\0\0\0\0\0{")
    save_file({"a": torch.zeros(1)}, tmp_path / "foreign.safetensors")
    (tmp_path / "nets.py").write_text("def number(): return 3\ndef fail(): raise ValueError('x\\ny')\n")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def checkpoint(path, classes=("bear", "cat")):
    torch.manual_seed(0)
    save_classifier(path, build_classifier("test_resnet", Identity("net", "net", "test_resnet", classes), size=32))


EVALUATE = "evaluate nets:number --evaluators accuracy --data photos --out r"
TRAIN = "train --scheme in --model test_resnet --data photos --out r"

MISTAKES = [
    ("trian", "unknown command trian: did you mean train?"),
    ("--verson", "unknown option --verson: did you mean --version?"),
    ("stylize", "required: IMAGES, --out"),
    ("train --scheme in --data photos", "required: --model, --out"),
    (TRAIN + " --modle test_resnet", "unknown option --modle: did you mean --model?"),
    (TRAIN + " --batch_size 4", "unknown option --batch_size: did you mean --batch-size?"),
    (TRAIN + " --loop.lr 4", "unknown option --loop.lr: did you mean --lr?"),
    (TRAIN + " --epochs ten", "--epochs takes a whole number, not 'ten'"),
    (TRAIN + " --lr=0.1x", "--lr takes a number, not '0.1x'"),
    (TRAIN + " --optimizer adam", "--optimizer takes sgd or adamw, not 'adam'"),
    (TRAIN + " --nesterov true", "unexpected: true"),
    (TRAIN + " --epochs", "--epochs needs a value"),
    ("stylize none --out out", "no folder none"),
    ("stylize empty --out out", "no images below empty"),
    ("stylize photos --out file", "file is a file"),
    ("stylize photos --out one", "not empty"),
    ("stylize photos --out photos/copies", "lies in"),
    ("stylize photos --out out --alpha 1.5", "alpha"),
    ("stylize photos --out out --alpha -0.1", "alpha"),
    ("stylize photos --out out --alpha nan", "alpha"),
    ("stylize photos --out out --alpha inf", "alpha"),
    ("stylize photos --out out --alpha .nan", "alpha"),
    ("stylize photos --out out --per-image 0", "per-image"),
    ("stylize photos --out out --per-image two", "--per-image takes a whole number, not 'two'"),
    ("stylize photos --out out --per-image 1000000", "different styles"),
    ("stylize photos --out out --size 3", "size"),
    ("stylize photos --out out --seed -1", "seed"),
    ("stylize photos --out out --batch-size 0", "--batch-size must be at least 1"),
    ("stylize photos --out out --device tpu", "unknown device 'tpu'"),
    ("stylize photos --out out --device cuda:77", "cuda:77"),
    ("stylize photos --out out --styles none", "no style bank none"),
    ("stylize photos --out out --styles file", "not a style bank"),
    ("stylize photos --out out --banana 3", "unknown option --banana"),
    ("stylizer", "use one of stylizer train, stylizer show, stylizer encode"),
    ("stylizer show none", "no folder none"),
    ("stylizer show photos --rows 0", "rows"),
    ("stylizer show photos --stylizer file", "not the small AdaIN"),
    ("stylizer show photos --out file/sheet.png --rows 1 --columns 1 --size 16", "cannot write"),
    (EVALUATE.replace("photos", "none"), "returned int"),
    ("evaluate photos --evaluators accuracy --data photos --out r", "not a run folder"),
    ("evaluate nowhere --evaluators accuracy --data photos --out r", "no model 'nowhere'"),
    ("evaluate timm:resnet5000 --evaluators accuracy --data photos --out r", "did you mean resnet"),
    ("evaluate nets:absent --evaluators accuracy --data photos --out r", "absent"),
    ("evaluate nets:fail --evaluators accuracy --data photos --out r", "ValueError: x y"),
    ("evaluate cut.safetensors --evaluators accuracy --data photos --out r", "not a safetensors file"),
    ("evaluate foreign.safetensors --evaluators accuracy --data photos --out r", "not written by"),
    ("evaluate file --evaluators accuracy --data photos --out r", "not a safetensors file"),
    (EVALUATE.replace("accuracy", "acuracy"), "did you mean 'accuracy'"),
    (EVALUATE.replace("accuracy", ","), "no evaluators given"),
    (EVALUATE.replace("--data photos", ""), "required: --data"),
    (EVALUATE.replace("--data photos", "--data accuracy="), "names no folder"),
    (EVALUATE + " --data photos", "twice"),
    (EVALUATE.replace("photos", "accuracy=photos") + " --data accuracy=one", "twice"),
    (EVALUATE + " --batch-size 0", "--batch-size must be at least 1"),
    (EVALUATE + " --seed -1", "seed"),
    (EVALUATE + " --workers -1", "workers"),
    (EVALUATE + " --device tpu", "tpu"),
    ("evaluate net.safetensors --evaluators accuracy --data empty --out r", "no class folders"),
    ("evaluate net.safetensors --evaluators accuracy --data one --out r", "one class only"),
    (
        "evaluate net.safetensors --evaluators shape-bias --data accuracy=photos --out r",
        "is not among --evaluators",
    ),
    ("evaluate net.safetensors --evaluators shape-bias --data photos --out r", "no cue-conflict images"),
    ("evaluate net.safetensors --evaluators accuracy --data photos --out file", "is a file: choose another --out"),
    (
        "evaluate net.safetensors net.safetensors --evaluators accuracy --data photos --out r",
        "two models are called 'net'",
    ),
    (TRAIN.replace("scheme in", "scheme mmsi-sin-inn"), "did you mean 'mmsi-sin-in'"),
    (TRAIN.replace("test_resnet", "test_resnett"), "did you mean test_resnet"),
    (TRAIN.replace("photos", "none"), "none"),
    (TRAIN.replace("photos", "empty"), "no class folders"),
    (TRAIN.replace("photos", "one"), "one class only"),
    (TRAIN.replace("--out r", "--out file"), "file"),
    (TRAIN.replace("--out r", "--out one"), "not empty"),
    (TRAIN.replace("--out r", ""), "required: --out"),
    (TRAIN + " --alpha 2", "alpha"),
    (TRAIN + " --lambda-m -1", "--lambda-m must lie"),
    (TRAIN + " --lambda-m nan", "--lambda-m takes a number, not 'nan'"),
    (TRAIN + " --lambda-s inf", "--lambda-s"),
    (TRAIN + " --batch-size 1", "--batch-size must lie"),
    (TRAIN + " --seed -1", "seed"),
    (TRAIN + " --axis diagonal", "axis"),
    (TRAIN + " --init nowhere", "nowhere"),
    (TRAIN + " --init foreign.safetensors", "another network"),
    ("train --config none.yaml --out r", "none.yaml"),
    ("train --config bad.yaml --out r", "cannot read --config bad.yaml"),
    ("train --config odd.yaml --out r", "unknown option banana in odd.yaml"),
    ("train --config under.yaml --out r", "unknown option batch_size in under.yaml: did you mean batch-size?"),
    ("train --config flag.yaml --out r", "--nesterov takes true or false, not '3' (in flag.yaml)"),
    ("train --config file --out r", "--config file holds no settings"),
]


@pytest.mark.parametrize(("line", "message"), MISTAKES, ids=[line or "nothing" for line, _ in MISTAKES])
def test_a_mistake_is_one_line_and_status_2(work, capsys, line, message):
    if "net.safetensors" in line:
        checkpoint(work / "net.safetensors")
    before = sorted(path for path in work.rglob("*") if "__pycache__" not in path.parts)
    assert main(line.split()) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("shapebias: error: ")
    assert captured.err.count("\n") == 1, captured.err
    assert message in captured.err
    after = sorted(path for path in work.rglob("*") if "__pycache__" not in path.parts)
    left = [path for path in after if path not in before and path != work / "r"]
    assert left == []


def test_the_commands_by_purpose(capsys):
    assert main([]) == 0
    alone = capsys.readouterr()
    assert main(["--help"]) == 0
    assert capsys.readouterr() == alone
    assert alone.err == ""
    titles = ["make data:", "train:", "measure:", "show:"]
    assert [line for line in alone.out.splitlines() if line in titles] == titles
    assert all(any(line.startswith(f"  {name} ") for line in alone.out.splitlines()) for name in COMMANDS)
    assert max(map(len, alone.out.splitlines())) <= 80


def test_help_of_a_first_word(capsys):
    assert main(["stylizer", "--help"]) == 0
    assert [line[:18].strip() for line in capsys.readouterr().out.splitlines() if line[2] != " "] == [
        "stylizer train",
        "stylizer show",
        "stylizer encode",
    ]


def test_version(capsys):
    assert main(["--version"]) == 0
    assert capsys.readouterr().out.startswith("shapebias ")


def test_options_with_hyphens_and_flags(work, capsys):
    assert main(["stylize", "photos", "--per-image", "1", "--out=out", "--size=32", "--same-styles"]) == 0
    manifest = json.loads((work / "out" / "stylize.json").read_text())
    assert (manifest["per_image"], manifest["same_styles"], manifest["seed"]) == (1, True, 0)
    assert len(list((work / "out").rglob("*.png"))) == 4
    assert capsys.readouterr().out == ""


def test_stylize_in_a_folder_of_other_settings_and_with_unreadable_images(work, capsys):
    (work / "photos" / "cat" / "0.png").write_bytes(b"")
    assert main(["stylize", "photos", "--out", "out", "--per-image", "1", "--strict"]) == 2
    assert capsys.readouterr().err.splitlines()[-1].startswith("shapebias: error: unreadable image photos/cat/0.png")
    assert main(["stylize", "photos", "--out", "out", "--per-image", "1"]) == 0
    assert "warning: skipped unreadable image photos/cat/0.png: empty file" in capsys.readouterr().err
    assert main(["stylize", "photos", "--out", "out", "--per-image", "2"]) == 2
    assert "per_image: 1 there, 2 now" in capsys.readouterr().err


def test_json_stands_alone_on_stdout(work, capsys):
    checkpoint(work / "net.safetensors")
    line = "evaluate net.safetensors --evaluators accuracy --data photos --out r --batch-size 3 --json"
    assert main(line.split()) == 0
    captured = capsys.readouterr()
    (found,) = json.loads(captured.out, parse_constant=lambda name: pytest.fail(name))
    assert found == json.loads((work / "r" / "net" / "results.json").read_text())
    assert found["results"][0]["n"] == 4
    assert found["model"]["spec"] == "net.safetensors"
    assert "wrote r/net/results.json" in captured.err


def test_stylizer_show_writes_a_sheet(work, capsys):
    assert (
        main(["stylizer", "show", "photos", "--out", "sheet.png", "--rows", "2", "--columns", "2", "--size", "32"]) == 0
    )
    assert (work / "sheet.png").is_file()
    assert "wrote sheet.png" in capsys.readouterr().err


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS])
def test_a_full_or_read_only_disk_is_one_line(work, capsys, monkeypatch, code):
    def refuse(*_args, **_options):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    assert main(["stylize", "photos", "--out", "out"]) == 2
    captured = capsys.readouterr()
    assert captured.err.count("\n") == 1
    assert os.strerror(code) in captured.err


def test_our_own_faults_are_not_swallowed(work, monkeypatch):
    def broken(*_args, **_options):
        raise ZeroDivisionError

    monkeypatch.setattr("shapebias.stylize.folder.stylize_folder", broken)
    with pytest.raises(ZeroDivisionError):
        main(["stylize", "photos", "--out", "out"])


@pytest.mark.parametrize(("raised", "status"), [(KeyboardInterrupt(), 130), (SystemExit(143), 143), (SystemExit(), 2)])
def test_endings_have_their_status(work, capsys, monkeypatch, raised, status):
    def end(*_args, **_options):
        raise raised

    monkeypatch.setattr("shapebias.stylize.folder.stylize_folder", end)
    assert main(["stylize", "photos", "--out", "out"]) == status
    assert capsys.readouterr().err.count("every finished file is whole") == (status != 2)


def test_uncommon_file_names(work):
    noise_image(work / "photos" / "cat" / "ä b=c.PNG", 1)
    assert main(["stylize", "photos", "--out", "out", "--per-image", "1"]) == 0
    assert (work / "out" / "cat" / "ä b=c.PNG-style0.png").is_file()
