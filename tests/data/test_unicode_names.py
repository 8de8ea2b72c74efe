"""A name is one name however Unicode spells it, and a folder may have an equals sign in its name."""

from __future__ import annotations

import unicodedata
from pathlib import Path

import pytest

from shapebias.cli.measuring import parse_data
from shapebias.data.readers.class_folders import check_same_classes, evaluation_images, training_images
from shapebias.data.readers.nips17 import read_competition
from shapebias.evaluators.class_subset import answering_among
from shapebias.tasks.classification.task import find_task
from testkit.fixed_networks import fixed
from testkit.images import class_folder, noise_image

CAFE = unicodedata.normalize("NFC", "café")
CAFE_DECOMPOSED = unicodedata.normalize("NFD", "café")


def test_class_folders_match_in_either_form(tmp_path):
    class_folder(tmp_path / "train", (CAFE, "bar"), 3)
    class_folder(tmp_path / "val", (CAFE_DECOMPOSED, "bar"))
    test = evaluation_images(tmp_path)
    assert test is not None
    check_same_classes(training_images(tmp_path), test)
    assert test.classes == ("bar", CAFE) and all(path.is_file() for path in test.paths)
    assert find_task("folder", tmp_path).classes == ("bar", CAFE)


def test_two_spellings_in_one_folder_are_one_class(tmp_path):
    class_folder(tmp_path, (CAFE, CAFE_DECOMPOSED, "bar"))
    found = training_images(tmp_path)
    assert found.classes == ("bar", CAFE) and found.targets.tolist() == [0, 0, 1, 1, 1, 1]


def test_a_network_knows_its_classes_in_either_form(tmp_path):
    folder = training_images(class_folder(tmp_path, (CAFE, "bar")))
    among = answering_among(fixed([[0.0, 1.0]] * 4, ("bar", CAFE_DECOMPOSED)), folder)
    assert among.outputs.tolist() == [0, 1]


def test_rows_of_tables_match_files_in_either_form(tmp_path):
    noise_image(tmp_path / "images" / f"{CAFE_DECOMPOSED}.png", 0)
    (tmp_path / "images.csv").write_text(f"ImageId,TrueLabel\n{CAFE},1\n", encoding="utf-8")
    assert read_competition(tmp_path / "images.csv", ("n1",)).names == (CAFE,)
    noise_image(tmp_path / "val" / f"{CAFE}.png", 0)
    (tmp_path / "val.txt").write_text(f"{CAFE_DECOMPOSED}.png 0\n", encoding="utf-8")
    found = evaluation_images(tmp_path, ("n1",))
    assert found is not None and found.labels == ("n1",)


@pytest.mark.parametrize("name", ["lr=0.1", "accuracy=x"])
def test_a_folder_with_an_equals_sign_is_a_folder_where_it_exists(tmp_path, monkeypatch, name):
    monkeypatch.chdir(tmp_path)
    assert parse_data([name]) == {name.partition("=")[0]: Path(name.partition("=")[2])}
    Path(name).mkdir()
    assert parse_data([name]) == {"": Path(name)}
    assert parse_data([f"accuracy={name}"]) == {"accuracy": Path(name)}
