"""Models of one's own classes on images of the 16 categories, and on those of their own in words."""

from __future__ import annotations

import json

import pytest
import torch

from shapebias.cli.main import main
from shapebias.data.categories16 import MEMBERS
from shapebias.errors import UserError
from shapebias.evaluators import evaluate
from shapebias.evaluators.base import EvalConfig
from shapebias.evaluators.class_map import read_class_map
from shapebias.evaluators.shape_bias import ShapeBias
from shapebias.evaluators.texture_free import Silhouettes
from testkit.fixed_networks import WNIDS, fixed
from testkit.images import class_folder, noise_image

PETS = ("Abyssinian", "Persian", "beagle", "hamster")
TABLE = {"Abyssinian": "cat", "Persian": "cat", "beagle": "dog"}
ANSWERS = torch.tensor([[0.3, 0.3, 0.35, 0.05], [0.1, 0.1, 0.7, 0.1], [0.1, 0.1, 0.2, 0.6]]).log()


@pytest.fixture
def conflicts(tmp_path):
    """Two images of cat and dog, and one of a category that the pets have not."""
    for name in ("cat/cat1-dog1", "dog/dog1-cat1", "cat/cat2-knife1"):
        noise_image(tmp_path / "conflicts" / f"{name}.png", 0)
    return tmp_path / "conflicts"


@pytest.mark.parametrize(("mapping", "first"), [("mean", "dog"), ("sum", "cat"), ("max", "dog")])
def test_own_classes_answer_with_their_categories(conflicts, tmp_path, mapping, first):
    """Probabilities of cat: mean .3, sum .6, maximum .3; of dog .35 by each."""
    config = EvalConfig(conflicts, tmp_path / "out", mapping=mapping, class_map=TABLE)
    found = ShapeBias(config).run(fixed(ANSWERS[:2], PETS))
    decisions = json.loads((tmp_path / "out" / "net" / "decisions.json").read_text())["images"]
    assert [row["decision"] for row in decisions] == [first, "dog"]
    bias = found.results[0]
    assert (bias.value, bias.n) == ((1.0 if first == "cat" else 0.5), 2)
    assert bias.condition == {"mapping": mapping}
    assert bias.details["class_map"] == TABLE
    assert bias.details["other_categories_left_out"] == {"knife": 1}


def test_silhouettes_of_categories_that_cannot_be_answered_are_counted(tmp_path):
    data = class_folder(tmp_path / "silhouettes", ("cat", "dog", "knife"), 1)
    found = Silhouettes(EvalConfig(data, tmp_path / "out", class_map=TABLE)).run(fixed(ANSWERS[:2], PETS)).results[0]
    assert (found.value, found.n) == (0.5, 2)
    assert found.details["chance"] == 0.5
    assert found.details["other_categories_left_out"] == {"knife": 1}


def test_a_model_of_imagenet_beside_is_mapped_as_ever(conflicts):
    logits = torch.full((3, 1000), -9.0)
    logits[:, MEMBERS["cat"][0]] = 5.0
    found = evaluate(fixed(logits, WNIDS), evaluators="shape-bias", data=conflicts, class_map=TABLE, device="cpu")
    assert found.get("shape-bias", "shape_bias").n == 3
    assert "class_map" not in found.get("shape-bias", "shape_bias").details


def test_images_in_the_words_of_the_models_own_classes(tmp_path):
    """Classes such as ``n01440764``, of images that ``cue-conflict`` called by their names in words."""
    noise_image(tmp_path / "set" / "tench" / "tench1-frenchhorn1.png", 0)
    noise_image(tmp_path / "set" / "frenchhorn" / "frenchhorn1-tench1.png", 1)
    own = ("n01440764", "n03394916", "Garbage truck")
    found = evaluate(fixed(torch.eye(3)[:2], own), evaluators="shape-bias", data=tmp_path / "set", device="cpu")
    bias = found.get("shape-bias", "shape_bias")  # tench for a French horn, then a French horn for a tench
    assert (bias.value, bias.n, bias.condition) == (0.0, 2, {"mapping": "own"})


def test_a_refused_model_is_told_of_the_class_map(conflicts):
    with pytest.raises(UserError, match=r"give --class-map FILE with lines such as 'Abyssinian,cat'"):
        evaluate(fixed(ANSWERS, PETS), evaluators="shape-bias", data=conflicts, device="cpu")
    with pytest.raises(UserError, match=r"--class-map gives net the categories bird, of which .* has no images"):
        evaluate(fixed(ANSWERS, PETS), evaluators="shape-bias", data=conflicts, class_map={"beagle": "bird"})
    with pytest.raises(UserError, match=r"no image in .* has two cues among the categories that net can answer: dog"):
        evaluate(fixed(ANSWERS, PETS), evaluators="shape-bias", data=conflicts, class_map={"beagle": "dog"})
    found = evaluate(
        fixed(ANSWERS, PETS), evaluators="shape-bias", data=conflicts, class_map={**TABLE, "bagel": "dog"}, device="cpu"
    )
    warning = found.get("shape-bias", "shape_bias").details["warning"]
    assert warning == "--class-map names no classes of net: 1 (bagel)"


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("a.csv", "Abyssinian,cat\nPersian,cat\nbeagle,dog\n"),
        ("a.csv", "\ufeffclass;category\r\nAbyssinian;cat\r\nPersian;cat\r\n;\r\nbeagle; dog\r\n\r\n"),
        ("a.tsv", "Abyssinian\tcat\nPersian\tcat\nbeagle\tdog\n"),
        ("a.json", json.dumps(TABLE)),
    ],
)
def test_a_class_map_is_read(tmp_path, name, text):
    (tmp_path / name).write_text(text, encoding="utf-8")
    assert read_class_map(tmp_path / name) == TABLE


@pytest.mark.parametrize(
    ("name", "text", "says"),
    [
        ("a.csv", "tabby,cats\n", "line 1: unknown category 'cats': did you mean 'cat'"),
        ("a.csv", "tabby,cat\ntabby,dog\n", "line 2: 'tabby' is cat already"),
        ("a.csv", "tabby\n", "line 1: a class and its category are expected"),
        ("a.csv", "", "maps no class"),
        ("a.json", "[1]", "is not a JSON object"),
        ("a.json", '{"tabby": 3}', "unknown category '3'"),
    ],
)
def test_a_class_map_that_cannot_be_used_is_refused(tmp_path, capsys, name, text, says):
    (tmp_path / name).write_text(text)
    command = ["evaluate", "resnet50", "--evaluators=shape-bias", f"--data={tmp_path}", "--out", str(tmp_path / "out")]
    assert main([*command, f"--class-map={tmp_path / name}"]) == 2
    assert says in capsys.readouterr().err
    with pytest.raises(UserError, match="no file"):
        read_class_map(tmp_path / "none.csv")
