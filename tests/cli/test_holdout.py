"""Training on an undivided folder: what is held out, and what evaluations of the run on that folder say of it."""

from __future__ import annotations

import json
import shutil

import numpy as np
import pytest

from shapebias.cli.main import main
from shapebias.data.holdout import TrainedOn, hold_out
from shapebias.data.readers.class_folders import read_class_folders
from shapebias.errors import UserError
from shapebias.evaluators import evaluate
from shapebias.models.load import load_model
from testkit.images import class_folder, noise_image
from testkit.report_page import Page

SMALL = ["--scheme=in", "--model=test_resnet", "--epochs=1", "--batch-size=4", "--size=32", "--device=cpu"]
PER_CLASS = 12


@pytest.fixture(scope="module")
def photos(tmp_path_factory):
    return class_folder(tmp_path_factory.mktemp("data") / "photos", ("bear", "cat", "dog"), PER_CLASS)


@pytest.fixture(scope="module")
def runs(photos):
    """Trained on all images, and on those that are not held out."""
    folder = photos.parent / "runs"
    for name, more in (("all", []), ("most", ["--holdout=0.25"])):
        assert main(["train", *SMALL, *more, f"--data={photos}", f"--out={folder / name}"]) == 0
    return folder


def names(images):
    return {path.relative_to(images.root).as_posix() for path in images.paths}


def test_an_image_is_held_out_by_its_name_alone(photos, tmp_path):
    images = read_class_folders(photos)
    train, held_out = hold_out(images, 0.25)
    assert names(train) | names(held_out) == names(images)
    assert not names(train) & names(held_out)
    moved = shutil.copytree(photos, tmp_path / "elsewhere")
    noise_image(moved / "cat" / "new.png", 7)
    again = hold_out(read_class_folders(moved), 0.25)
    assert names(again[1]) - {"cat/new.png"} == names(held_out)
    assert names(hold_out(images, 0.1)[1]) <= names(held_out) <= names(hold_out(images, 0.5)[1])


def test_about_the_fraction_is_held_out_and_every_class_is_on_either_side(tmp_path):
    for name, count in (("many", 400), ("two", 2)):
        (tmp_path / name).mkdir()
        for number in range(count):
            (tmp_path / name / f"{number}.png").write_bytes(b"\x89PNG\r\n\x1a\n")
    images = read_class_folders(tmp_path)
    train, held_out = hold_out(images, 0.2)
    assert 50 <= np.bincount(held_out.targets)[0] <= 110  # of 400: 80 expected, 8 the standard deviation
    for part in (train, held_out):
        assert part.classes == images.classes
        assert np.bincount(part.targets)[1] == 1
    (tmp_path / "two" / "0.png").unlink()
    with pytest.raises(UserError, match=r"--holdout needs two images of every class.*: two in .* has one"):
        hold_out(read_class_folders(tmp_path), 0.2)


def test_a_run_validates_on_what_it_held_out(photos, runs):
    train, held_out = hold_out(read_class_folders(photos), 0.25)
    record = json.loads((runs / "most" / "run.json").read_text())
    assert record["config"]["holdout"] == 0.25
    assert record["data"]["images"] == len(train) < 3 * PER_CLASS
    assert record["inputs"]["validation"] == held_out.fingerprint
    assert "val_top1" in (runs / "most" / "metrics.csv").read_text()
    trained = load_model(str(runs / "most")).identity.trained_on
    assert trained == TrainedOn(train.fingerprint, 0.25, read_class_folders(photos).fingerprint)


def test_evaluations_of_the_run_take_the_held_out_images(photos, runs, tmp_path, capfd):
    """By every evaluator of photographs, and for the other models of the command too."""
    _, held_out = hold_out(read_class_folders(photos), 0.25)
    command = ["evaluate", str(runs / "most"), str(runs / "all"), f"--data={photos}", f"--out={tmp_path / 'out'}"]
    chosen = "--evaluators=accuracy,stylized,white-box,dimensionality"
    assert main([*command, chosen, "--attacks=fgsm", "--epsilon=1", "--pairs=20", "--device=cpu"]) == 0
    said = capfd.readouterr().err
    assert f"accuracy: measured on the {len(held_out)} images of {photos} that the training of most held out" in said
    for name, seen in (("most", "none"), ("all", "all")):
        rows = json.loads((tmp_path / "out" / name / "results.json").read_text())["results"]
        data = {row["evaluator"]: row["details"]["data"] for row in rows if "data" in row["details"]}
        assert {*data} == {"accuracy", "stylized", "white-box", "dimensionality"}
        assert {one["training_images"] for one in data.values()} == {seen}
        assert data["accuracy"]["images"] == data["white-box"]["images"] == len(held_out)
        assert data["stylized"]["images"] == data["dimensionality"]["images"] == len(held_out)


def test_figures_on_the_training_images_are_marked(photos, runs, tmp_path, capfd):
    """In the terminal, in the results and on the page, also of a part of the images."""
    out = tmp_path / "out"
    command = ["audit", str(runs / "all"), f"--data={photos}", f"--out={out}", "--evaluators=accuracy"]
    assert main([*command, "--limit=20", "--device=cpu"]) == 0
    text = "all is measured on the images that it was trained on, which says little about new ones"
    assert f"warning: accuracy: {text}" in capfd.readouterr().err
    (top1,) = json.loads((out / "all" / "results.json").read_text())["results"]
    assert text in top1["details"]["warning"]
    assert top1["details"]["data"]["training_images"] == "all"
    assert text in Page(out / "report.html").text
    other = class_folder(tmp_path / "other", ("bear", "cat", "dog"), 3)
    found = evaluate(runs / "all", evaluators="accuracy", data=other, device="cpu").get("accuracy", "top1")
    assert "training_images" not in found.details["data"]
    assert "warning" not in found.details


def test_a_divided_folder_is_not_divided_again(tmp_path, capfd):
    class_folder(tmp_path / "data" / "train", per_class=4)
    class_folder(tmp_path / "data" / "val", per_class=2)
    command = ["train", *SMALL, f"--data={tmp_path / 'data'}", f"--out={tmp_path / 'run'}"]
    assert main([*command, "--holdout=0.2"]) == 2
    assert "has val/: remove it" in capfd.readouterr().err
    assert main([*command, "--holdout=1"]) == 2
    assert "--holdout must lie between 0 and 0.9" in capfd.readouterr().err
    assert main(command) == 0
    assert "no validation images" not in capfd.readouterr().err
    found = evaluate(tmp_path / "run", evaluators="accuracy", data=tmp_path / "data" / "train", device="cpu")
    assert found.get("accuracy", "top1").details["data"]["training_images"] == "all"


def test_an_undivided_folder_is_said_to_have_no_validation(images, tmp_path, capfd):
    assert main(["train", *SMALL, f"--data={images}", f"--out={tmp_path / 'run'}"]) == 0
    assert f"warning: {images} has no validation images" in capfd.readouterr().err
