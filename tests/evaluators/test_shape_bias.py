"""Shape bias: counted by hand, against published raw responses, and from logits to the file of responses."""

from __future__ import annotations

import csv
import json
import math
import re
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from shapebias.data.categories16 import CATEGORIES, MEMBERS, category_probabilities, is_imagenet
from shapebias.data.transforms import Preprocessing
from shapebias.errors import UserError
from shapebias.evaluators.base import EvalConfig
from shapebias.evaluators.shape_bias import ShapeBias, score
from shapebias.libraries import timm
from shapebias.models import Classifier, Identity
from shapebias.stats.crossed import Crossed
from shapebias.stats.intervals import wilson
from testkit.fixed_networks import WNIDS, fixed
from testkit.images import noise_image


def counted(answers, shapes, textures, seed=0):
    outcome = score(answers, shapes, textures, tuple(map(str, range(len(answers)))), {}, mapping="own", seed=seed)
    return {entry.metric: entry for entry in outcome.results}, outcome


def test_counted_by_hand():
    shapes = ["cat", "cat", "cat", "dog", "dog", "bear"]
    textures = ["dog", "dog", "bear", "cat", "bear", "cat"]
    answers = ["cat", "dog", "car", "dog", "dog", "na"]
    entries, outcome = counted(answers, shapes, textures)
    bias = entries["shape_bias"]
    assert (bias.value, bias.n) == (3 / 4, 4)
    assert (bias.details["shape"], bias.details["texture"], bias.details["conflict_images"]) == (3, 1, 6)
    assert bias.details["decided_fraction"] == pytest.approx(4 / 6)
    of_cats = {"shape": 1, "texture": 1, "n": 3, "shape_bias": 0.5, "ci95": wilson(1, 2)}
    assert bias.details["per_category"]["cat"] == of_cats
    assert (bias.details["interval"], bias.details["effective_decisions"]) == ("over images", 4)
    assert math.isnan(bias.details["per_category"]["bear"]["shape_bias"])
    assert (entries["shape_decisions"].value, entries["shape_decisions"].n) == (3 / 6, 6)
    assert entries["texture_decisions"].value == pytest.approx(1 / 6)
    assert entries["texture_decisions"].ci95 == wilson(1, 6)
    neither = entries["neither_decisions"]
    assert (neither.value, neither.n, neither.ci95) == (2 / 6, 6, wilson(2, 6))
    assert outcome.per_image[outcome.results[0].key].tolist() == [[1, 1], [0, 1], [0, 0], [1, 1], [1, 1], [0, 0]]
    assert {entry.condition["mapping"] for entry in outcome.results} == {"own"}


def test_undecided_is_nan_without_interval():
    entries, _ = counted(["na", "car"], ["cat", "dog"], ["dog", "cat"])
    assert math.isnan(entries["shape_bias"].value)
    assert entries["shape_bias"].n == 0
    assert entries["shape_bias"].ci95 is None
    assert entries["shape_decisions"].value == 0


def test_intervals_are_over_photographs_where_names_say_that_images_share_them():
    rng = np.random.default_rng(0)
    images = [("cat", f"cat/cat{n}-dog{m}.png") for n in range(8) for m in range(3)]
    images += [("dog", f"dog/dog{n}-cat{m}.png") for n in range(8) for m in range(3)]
    shapes, names = zip(*images, strict=True)
    textures = ["dog" if shape == "cat" else "cat" for shape in shapes]
    answers = rng.choice(["cat", "dog", "car"], size=len(names)).tolist()
    bias, shape, texture, neither = score(answers, shapes, textures, names, {}, mapping="own", seed=0).results
    crossed = Crossed.of([tuple(Path(name).stem.split("-")) for name in names])
    pairs = np.array([[answer == s, answer in (s, t)] for answer, s, t in zip(answers, shapes, textures, strict=True)])
    assert bias.ci95 == crossed.interval(pairs.astype(float))
    assert (bias.details["interval"], bias.details["effective_decisions"]) == (
        "over photographs",
        crossed.effective(pairs.astype(float)),
    )
    assert shape.ci95 == crossed.interval(np.stack([pairs[:, 0], np.ones(48)], axis=1))
    assert texture.ci95 == crossed.interval(np.stack([pairs[:, 1] ^ pairs[:, 0], np.ones(48)], axis=1))
    assert neither.ci95 == crossed.interval(np.stack([~pairs[:, 1], np.ones(48)], axis=1))
    own = Crossed.of([tuple(Path(name).stem.split("-")) for name in names[:24]])
    assert bias.details["per_category"]["cat"]["ci95"] == own.interval(pairs[:24].astype(float))


def test_interval_holds_the_value_and_is_keyed():
    rng = np.random.default_rng(0)
    answers = rng.choice(["cat", "dog", "car"], size=200).tolist()
    first, second, other = (
        counted(answers, ["cat"] * 200, ["dog"] * 200, seed=seed)[0]["shape_bias"] for seed in (0, 0, 1)
    )
    assert first.ci95 == second.ci95 != other.ci95
    assert first.ci95[0] < first.value < first.ci95[1]


def test_published_raw_responses(shared):
    """Counts of published responses, parsed here by the csv module and a pattern."""
    published = json.loads((shared / "reference" / "responses.json").read_text())
    assert published
    for name, wanted in published.items():
        answers, shapes, textures = [], [], []
        with (shared / "data" / "responses" / name).open(newline="") as file:
            for row in csv.DictReader(file):
                cues = re.fullmatch(r"([a-z]+)\d+-([a-z]+)\d+\.png", row["imagename"].rsplit("_", 1)[1])
                if cues[1] != cues[2]:
                    answers.append(row["object_response"])
                    shapes.append(cues[1])
                    textures.append(cues[2])
        assert len(answers) == wanted["conflict_trials"], name
        bias = counted(answers, shapes, textures)[0]["shape_bias"]
        assert (bias.details["shape"], bias.details["texture"]) == (wanted["shape"], wanted["texture"]), name
        assert bias.value == pytest.approx(wanted["shape_bias"], abs=1e-6)


def test_members_are_disjoint_and_207():
    indices = [index for members in MEMBERS.values() for index in members]
    assert len(indices) == len(set(indices)) == 207
    assert set(indices) <= set(range(1000))
    assert tuple(MEMBERS) == tuple(CATEGORIES) == tuple(sorted(CATEGORIES))
    assert len(CATEGORIES) == 16


def test_members_are_the_published_ones(shared):
    published = json.loads((shared / "reference" / "imagenet16.json").read_text())
    assert {name: list(members) for name, members in MEMBERS.items()} == published


@pytest.mark.parametrize(("mapping", "function"), [("mean", np.mean), ("sum", np.sum), ("max", np.max)])
def test_each_mapping_is_plain_numpy_over_the_published_members(shared, mapping, function):
    published = json.loads((shared / "reference" / "imagenet16.json").read_text())
    probabilities = np.random.default_rng(0).dirichlet(np.ones(1000), size=3)
    found = category_probabilities(probabilities, mapping)
    assert found.shape == (3, 16)
    for column, name in enumerate(sorted(published)):
        for row in range(3):
            assert found[row, column] == pytest.approx(function([probabilities[row, n] for n in published[name]]))


def test_mappings_differ_where_they_should():
    row = np.zeros((1, 1000))
    row[0, list(MEMBERS["dog"])] = 0.5 / len(MEMBERS["dog"])  # many weak members: the sum's favourite
    row[0, MEMBERS["knife"][0]] = 0.1  # one alone: the mean's
    row[0, MEMBERS["bird"][7]] = 0.2  # the strongest single class
    said = {mapping: CATEGORIES[category_probabilities(row, mapping).argmax()] for mapping in ("mean", "sum", "max")}
    assert said == {"mean": "knife", "sum": "dog", "max": "bird"}
    assert (category_probabilities(row) == category_probabilities(row, "mean")).all()
    with pytest.raises(UserError, match="unknown mapping 'median'"):
        category_probabilities(row, "median")


def test_the_order_of_imagenet_is_timms():
    wnids = timm.data.ImageNetInfo("imagenet-1k").label_names()
    assert is_imagenet(wnids)
    assert not is_imagenet(wnids[::-1])
    assert not is_imagenet([*wnids[:-1], "n99999999"])
    assert not is_imagenet([str(n) for n in range(1000)])


def conflict_folder(root):
    for name in ("cat/cat1-dog2", "cat/cat1-cat2", "cat/cat7-bear1", "dog/dog3-cat2", "dog/odd"):
        noise_image(root / f"{name}.png", 0)
    return root


@pytest.mark.parametrize("below", ["", "cue-conflict"])
def test_own_classes_to_figures_and_responses(tmp_path, below):
    conflict_folder(tmp_path / "data" / below)
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.2, 0.5, 0.3]]))
    model = fixed(logits, ("cat", "dog", "bear"), "a_net")  # shape, texture?, ...
    config = EvalConfig(tmp_path / "data", tmp_path / "out", batch_size=2)
    outcome = ShapeBias(config).run(model)
    bias = outcome.results[0]
    assert outcome.images == ("cat/cat1-dog2.png", "cat/cat7-bear1.png", "dog/dog3-cat2.png")
    assert outcome.per_image[outcome.results[0].key].tolist() == [[1, 1], [0, 1], [1, 1]]
    assert bias.value == pytest.approx(2 / 3)
    assert bias.condition == {"mapping": "own"}
    assert bias.details["same_category_left_out"] == 1
    assert bias.details["other_names_left_out"] == ["dog/odd.png"]
    assert bias.details["confidence"]["shape"] == pytest.approx((0.7 + 0.1 + 0.5) / 3)
    assert bias.details["confidence"]["texture"] == pytest.approx((0.2 + 0.8 + 0.2) / 3)
    with (tmp_path / "out" / "a_net" / "cue-conflict_a-net_session-1.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == ["subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename"]
    assert [row["object_response"] for row in rows] == ["cat", "bear", "dog"]
    assert [row["category"] for row in rows] == ["cat", "cat", "dog"]
    assert [row["trial"] for row in rows] == ["1", "2", "3"]
    assert [row["imagename"].rsplit("_", 1)[1] for row in rows] == [image.split("/")[1] for image in outcome.images]


@pytest.mark.parametrize("classes", [None, WNIDS])
@pytest.mark.parametrize("mapping", ["mean", "sum", "max"])
def test_a_thousand_outputs_are_mapped(tmp_path, mapping, classes):
    logits = torch.full((3, 1000), -9.0)
    logits[0, MEMBERS["cat"][0]] = logits[1, MEMBERS["bear"][3]] = logits[2, MEMBERS["truck"][0]] = 5.0
    config = EvalConfig(conflict_folder(tmp_path / "data"), tmp_path / "out", mapping=mapping)
    outcome = ShapeBias(config).run(fixed(logits, classes))
    assert outcome.per_image[outcome.results[0].key].tolist() == [[1, 1], [0, 1], [0, 0]]
    assert outcome.results[0].condition == {"mapping": mapping}


def test_decisions_are_written_for_the_page_of_pictures(tmp_path):
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.25, 0.25, 0.5]]))
    config = EvalConfig(conflict_folder(tmp_path / "data"), tmp_path / "out")
    outcome = ShapeBias(config).run(fixed(logits, ("cat", "dog", "bear")))
    assert outcome.results[0].details["decisions"] == "decisions.json"
    found = json.loads((tmp_path / "out" / "net" / "decisions.json").read_text())
    assert found["folder"] == str(tmp_path / "data")
    keys = ("image", "shape", "texture", "decision", "p_decision", "p_shape", "p_texture")
    assert found["images"] == [
        dict(zip(keys, values, strict=True))
        for values in (
            ("cat/cat1-dog2.png", "cat", "dog", "cat", 0.7, 0.7, 0.2),
            ("cat/cat7-bear1.png", "cat", "bear", "bear", 0.8, 0.1, 0.8),
            ("dog/dog3-cat2.png", "dog", "cat", "bear", 0.5, 0.25, 0.25),
        )
    ]


def test_mapped_decisions_are_shares_of_the_16_scores(tmp_path):
    logits = torch.randn(3, 1000, generator=torch.Generator().manual_seed(0)) * 4
    config = EvalConfig(conflict_folder(tmp_path / "data"), tmp_path / "out")
    ShapeBias(config).run(fixed(logits, None))
    scores = category_probabilities(logits.double().softmax(1).numpy())
    shares = scores / scores.sum(1, keepdims=True)
    for row, image in enumerate(json.loads((tmp_path / "out" / "net" / "decisions.json").read_text())["images"]):
        assert image["p_decision"] == round(float(shares[row].max()), 4)
        assert image["decision"] == CATEGORIES[shares[row].argmax()]
        assert image["p_shape"] == round(float(shares[row, CATEGORIES.index(image["shape"])]), 4)


@pytest.mark.parametrize(
    ("outputs", "classes", "message"),
    [
        (7, None, "has 7 outputs"),
        (2, ("ant", "bee"), "has other classes"),
        (1000, tuple(map(str, range(1000))), "1000, but not ImageNet's WordNet identifiers"),
        (1000, WNIDS[::-1], "1000, but not ImageNet's WordNet identifiers"),
        (1001, None, "has 1001 outputs"),
        (4, ("cat", "dog", "bear"), "4 outputs but 3 class names"),
        (2, ("cat", "dog", "bear"), "2 outputs but 3 class names"),
    ],
)
def test_networks_that_cannot_answer_are_refused(tmp_path, outputs, classes, message):
    evaluator = ShapeBias(EvalConfig(conflict_folder(tmp_path / "data"), tmp_path / "out"))
    with pytest.raises(UserError, match=message):
        evaluator.run(fixed(torch.zeros(3, outputs), classes))


def test_nan_and_foreign_categories_are_refused(tmp_path):
    folder = conflict_folder(tmp_path / "data")
    with pytest.raises(UserError, match="NaN or infinity"):
        ShapeBias(EvalConfig(folder, tmp_path)).run(fixed(torch.full((3, 1000), torch.nan), None))
    noise_image(folder / "yak" / "yak1-cat1.png", 0)
    with pytest.raises(UserError, match="nor among the 16: yak"):
        ShapeBias(EvalConfig(folder, tmp_path)).run(fixed(torch.zeros(4, 1000), None))


@pytest.mark.parametrize(
    ("output", "message"),
    [
        (torch.zeros(2, 1000), "2 rows of output for 3 images"),
        (torch.zeros(3, 1000, 1, 1), r"\(3, 1000, 1, 1\), not \(N, classes\)"),
        ((torch.zeros(3, 1000),), "tuple, not"),
    ],
)
def test_outputs_of_another_form_are_refused(tmp_path, output, message):
    class Odd(nn.Module):
        def forward(self, images):
            return output

    model = Classifier(Odd(), Identity("net", "net", "Odd", None), Preprocessing(16))
    with pytest.raises(UserError, match=message):
        ShapeBias(EvalConfig(conflict_folder(tmp_path / "data"), tmp_path / "out")).run(model)


def test_folders_without_a_conflict_or_with_an_image_twice_are_refused(tmp_path):
    noise_image(tmp_path / "same" / "cat" / "cat1-cat2.png", 0)
    noise_image(tmp_path / "same" / "cat" / "photo.png", 0)
    with pytest.raises(UserError, match=r"no cue-conflict images .*1 with equal cues, 1 of other names"):
        ShapeBias(EvalConfig(tmp_path / "same", tmp_path))
    for parent in ("a", "b"):
        noise_image(tmp_path / "two" / parent / "cat" / "cat1-dog2.png", 0)
    with pytest.raises(UserError, match=r"holds cat1-dog2 twice, a/cat/cat1-dog2\.png and b/cat"):
        ShapeBias(EvalConfig(tmp_path / "two", tmp_path))


@pytest.mark.parametrize("mapping", ["mean", "sum", "max"])
def test_confidence_is_the_share_in_the_decisions_file(tmp_path, mapping):
    conflict_folder(tmp_path / "data")
    torch.manual_seed(0)
    config = EvalConfig(tmp_path / "data", tmp_path / "out", mapping=mapping)
    bias = ShapeBias(config).run(fixed(5 * torch.randn(3, 1000), None)).results[0]
    rows = json.loads((tmp_path / "out" / "net" / "decisions.json").read_text())["images"]
    for cue in ("shape", "texture"):
        shares = [row[f"p_{cue}"] for row in rows]
        assert bias.details["confidence"][cue] == pytest.approx(sum(shares) / len(shares), abs=1e-4)
