"""The splits of a data set are found under their usual names and never become classes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shapebias.cli.main import main
from shapebias.data.readers.class_folders import evaluation_images, read_class_folders, training_images
from shapebias.data.readers.splits import find_splits
from shapebias.errors import UserError
from shapebias.evaluators.base import EvalConfig
from shapebias.evaluators.dimensionality.dimensionality import Dimensionality
from shapebias.stylize.texture_grid import choose_textures
from shapebias.tasks.classification.task import find_task
from testkit.images import class_folder, noise_image


def photos(root: Path, *splits: str, per_class: int = 3) -> Path:
    for split in splits:
        class_folder(root / split, per_class=per_class)
    return root


@pytest.mark.parametrize(
    ("train", "held_out"),
    [
        ("train", "valid"),
        ("Train", "Test"),
        ("TRAIN", "VAL"),
        ("training", "testing"),
        ("Training", "Validation"),
        ("train", "dev"),
        ("train", "holdout"),
        ("train", "hold-out"),
    ],
)
def test_train_and_held_out_images_by_any_usual_name(tmp_path, train, held_out):
    root = photos(tmp_path, train, held_out)
    test = evaluation_images(root)
    assert training_images(root).root == root / train and test is not None and test.root == root / held_out
    assert training_images(root).classes == test.classes == ("bear", "cat")


def test_the_validation_split_goes_before_the_test_split(tmp_path):
    found = find_splits(photos(tmp_path, "Train", "test", "Valid"))
    assert found and (found.train, found.val, found.test) == (tmp_path / "Train", tmp_path / "Valid", tmp_path / "test")
    assert found.held_out == tmp_path / "Valid"


@pytest.mark.parametrize(
    ("there", "message"),
    [
        (
            ("train", "eval"),
            r"has eval/ and train/, which look like splits .*but eval/ is not known: rename to train",
        ),
        (("train2017", "val2017"), r"train2017/ and val2017/ are not known"),
        (("trainset", "testset"), r"testset/ and trainset/ are not known"),
        (("train", "Train", "val"), r"has Train/ and train/ for one split"),
        (("train", "val", "validation"), r"has val/ and validation/ for one split"),
    ],
)
def test_folders_that_look_like_splits_but_are_not_known_are_refused(tmp_path, there, message):
    photos(tmp_path, *there)
    for read in (training_images, evaluation_images, read_class_folders):
        with pytest.raises(UserError, match=message) as caught:
            read(tmp_path)
        assert "\n" not in str(caught.value)


@pytest.mark.parametrize("splits", [("test",), ("train",), ("train", "val")])
def test_splits_mixed_with_class_folders_are_refused(tmp_path, splits):
    class_folder(photos(tmp_path, *splits))
    for read in (training_images, read_class_folders):
        with pytest.raises(UserError, match=r"mixes splits of a data set .*class folders \(2 \(bear, cat\)\): move"):
            read(tmp_path)


def test_splits_inside_class_folders_are_refused(tmp_path):
    for name in ("bear", "cat"):
        photos(tmp_path / name, "train", "test")
    with pytest.raises(UserError, match=r"bear is a class folder with splits in it \(test, train\): move each to"):
        training_images(tmp_path)


@pytest.mark.parametrize("name", ["train", "test", "dev"])
def test_a_class_that_is_called_like_a_split_stays_a_class(tmp_path, name):
    class_folder(tmp_path, ("bear", "cat", name))
    assert training_images(tmp_path).classes == tuple(sorted(("bear", "cat", name)))
    assert evaluation_images(tmp_path) is None


@pytest.mark.parametrize("labelled", [True, False])
def test_loose_images_for_validation_beside_other_data_are_no_class(tmp_path, labelled):
    noise_image(tmp_path / "nips17" / "x.png", 0)
    name = "a.png" if labelled else "ILSVRC2012_val_00000001.png"
    noise_image(tmp_path / "val" / name, 0)
    if labelled:
        (tmp_path / "val.txt").write_text("a.png 0\n")
        found = evaluation_images(tmp_path, ("n1",))
        assert found is not None and found.labels == ("n1",)
    else:
        with pytest.raises(UserError, match="no file says what they show"):
            evaluation_images(tmp_path)


def test_other_data_beside_known_splits_are_left_and_named(tmp_path, capsys):
    photos(tmp_path, "train", "val", "extra-data")
    class_folder(tmp_path / "cue-conflict")
    noise_image(tmp_path / "unsorted" / "a.png", 0)
    assert training_images(tmp_path).root == tmp_path / "train"
    evaluation_images(tmp_path)
    assert capsys.readouterr().err == f"warning: of {tmp_path} train/ and val/ are taken, not unsorted\n"


def test_commands_never_take_splits_for_classes(tmp_path, capsys):
    root, out = photos(tmp_path / "photos", "Train", "valid"), tmp_path / "out"
    made = ["cue-conflict", str(root), "--out", str(out / "cues"), "--per-pair=1", "--size=16"]
    assert main(made) == 0
    assert json.loads((out / "cues" / "cue-conflict.json").read_text())["categories"] == ["bear", "cat"]
    (root / "valid").rename(root / "rest-eval")
    (root / "Train").rename(root / "eval")
    refused = [
        made,
        ["corrupt", str(root), "--out", str(out / "c"), "--corruptions=fog"],
        ["train", "--scheme=in", "--model=resnet18", "--data", str(root), "--out", str(out / "run")],
    ]
    for command in refused:
        capsys.readouterr()
        assert main(command) == 2, command
        assert "eval/ is not known: rename to train, training, val" in capsys.readouterr().err, command
    for read in (lambda: find_task("folder", root), lambda: Dimensionality(EvalConfig(root, out))):
        with pytest.raises(UserError, match="eval/ is not known"):
            read()


def test_splits_are_no_textures(tmp_path):
    with pytest.raises(UserError, match="holds train/ and val/, splits of a data set and no classes: give one of them"):
        choose_textures(photos(tmp_path, "train", "val"), 2)


def test_a_data_set_in_a_folder_of_its_archive(tmp_path):
    photos(tmp_path / "dataset", "train", "test")
    with pytest.raises(UserError, match=r"has only dataset/ with splits in it \(test, train\): give .*dataset$"):
        training_images(tmp_path)
