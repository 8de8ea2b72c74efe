"""Shape bias: counted by hand, against published raw responses, and from logits to the file of responses."""

from __future__ import annotations

import csv
import doctest
import json
import math
import re

import numpy as np
import pytest
import torch
from conftest import noise_image
from torch import nn

import shapebias.measure.shape_bias as module
from shapebias.data.evaluation import Preprocessing
from shapebias.errors import UserError
from shapebias.measure.categories16 import CATEGORIES, MEMBERS, category_probabilities
from shapebias.measure.contract import Setting
from shapebias.measure.intervals import wilson
from shapebias.measure.shape_bias import ShapeBias, score
from shapebias.models import Classifier, Identity


def counted(answers, shapes, textures, seed=0):
    outcome = score(answers, shapes, textures, tuple(map(str, range(len(answers)))), {}, mapping="own", seed=seed)
    return {entry.metric: entry for entry in outcome.entries}, outcome


def test_counted_by_hand():
    shapes = ["cat", "cat", "cat", "dog", "dog", "bear"]
    textures = ["dog", "dog", "bear", "cat", "bear", "cat"]
    answers = ["cat", "dog", "car", "dog", "dog", "na"]
    entries, outcome = counted(answers, shapes, textures)
    bias = entries["shape_bias"]
    assert (bias.value, bias.n) == (3 / 4, 4)
    assert (bias.details["shape"], bias.details["texture"], bias.details["conflict_images"]) == (3, 1, 6)
    assert bias.details["decided_fraction"] == pytest.approx(4 / 6)
    assert bias.details["per_category"]["cat"] == {"shape": 1, "texture": 1, "n": 3, "shape_bias": 0.5}
    assert math.isnan(bias.details["per_category"]["bear"]["shape_bias"])
    assert (entries["shape_decisions"].value, entries["shape_decisions"].n) == (3 / 6, 6)
    assert entries["texture_decisions"].value == pytest.approx(1 / 6)
    assert entries["texture_decisions"].ci95 == wilson(1, 6)
    assert outcome.per_image["shape_bias"].tolist() == [[1, 1], [0, 1], [0, 0], [1, 1], [1, 1], [0, 0]]
    assert {entry.condition["mapping"] for entry in outcome.entries} == {"own"}


def test_undecided_is_nan_without_interval():
    entries, _ = counted(["na", "car"], ["cat", "dog"], ["dog", "cat"])
    assert math.isnan(entries["shape_bias"].value)
    assert entries["shape_bias"].n == 0
    assert entries["shape_bias"].ci95 is None
    assert entries["shape_decisions"].value == 0


def test_interval_holds_the_value_and_is_keyed():
    rng = np.random.default_rng(0)
    answers = rng.choice(["cat", "dog", "car"], size=200).tolist()
    first, second, other = (
        counted(answers, ["cat"] * 200, ["dog"] * 200, seed=seed)[0]["shape_bias"] for seed in (0, 0, 1)
    )
    assert first.ci95 == second.ci95 != other.ci95
    assert first.ci95[0] < first.value < first.ci95[1]


def test_published_raw_responses(shared, monkeypatch):
    """Counts of published responses, parsed here by the csv module and a pattern."""
    monkeypatch.setattr(module, "bootstrap", lambda *_args, **_options: None)  # the counts are what is compared
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


def test_imagenet_is_mapped_by_the_mean_not_the_sum():
    probabilities = np.random.default_rng(0).dirichlet(np.ones(1000), size=3)
    found = category_probabilities(probabilities)
    for column, name in enumerate(CATEGORIES):
        for row in range(3):
            assert found[row, column] == pytest.approx(np.mean([probabilities[row, n] for n in MEMBERS[name]]))
    weak_dogs = np.zeros((1, 1000))  # the sum would say dog, the mean says knife
    weak_dogs[0, list(MEMBERS["dog"])] = 0.5 / len(MEMBERS["dog"])
    weak_dogs[0, MEMBERS["knife"][0]] = 0.1
    assert CATEGORIES[category_probabilities(weak_dogs).argmax()] == "knife"


class Fixed(nn.Module):
    """Gives each image of a batch, in order of the calls, the logits that were set."""

    def __init__(self, logits):
        super().__init__()
        self.logits, self.position = logits, 0
        self.unused = nn.Linear(1, 1)

    def forward(self, images):
        start, self.position = self.position, self.position + len(images)
        return self.logits[start : self.position]


def fixed(logits, classes, name="net"):
    return Classifier(Fixed(logits), Identity(name, name, "Fixed", classes), Preprocessing(16)).eval()


def conflict_folder(root):
    for name in ("cat/cat1-dog2", "cat/cat1-cat2", "cat/cat7-bear1", "dog/dog3-cat2", "dog/odd"):
        noise_image(root / f"{name}.png", 0)
    return root


@pytest.mark.parametrize("below", ["", "cue-conflict"])
def test_own_classes_to_figures_and_responses(tmp_path, below):
    conflict_folder(tmp_path / "data" / below)
    logits = torch.log(torch.tensor([[0.7, 0.2, 0.1], [0.1, 0.1, 0.8], [0.2, 0.5, 0.3]]))
    model = fixed(logits, ("cat", "dog", "bear"), "a_net")  # shape, texture?, ...
    setting = Setting(tmp_path / "data", tmp_path / "out", batch_size=2)
    outcome = ShapeBias(setting).run(model)
    bias = outcome.entries[0]
    assert outcome.images == ("cat/cat1-dog2.png", "cat/cat7-bear1.png", "dog/dog3-cat2.png")
    assert outcome.per_image["shape_bias"].tolist() == [[1, 1], [0, 1], [1, 1]]
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


def test_a_thousand_outputs_are_mapped(tmp_path):
    logits = torch.full((3, 1000), -9.0)
    logits[0, MEMBERS["cat"][0]] = logits[1, MEMBERS["bear"][3]] = logits[2, MEMBERS["truck"][0]] = 5.0
    outcome = ShapeBias(Setting(conflict_folder(tmp_path / "data"), tmp_path / "out")).run(fixed(logits, None))
    assert outcome.per_image["shape_bias"].tolist() == [[1, 1], [0, 1], [0, 0]]
    assert outcome.entries[0].condition == {"mapping": "mean"}


@pytest.mark.parametrize(
    ("outputs", "classes", "message"),
    [
        (7, None, "has 7 outputs"),
        (2, ("ant", "bee"), "has other classes"),
        (4, ("cat", "dog", "bear"), "4 outputs but 3 class names"),
        (2, ("cat", "dog", "bear"), "2 outputs but 3 class names"),
    ],
)
def test_networks_that_cannot_answer_are_refused(tmp_path, outputs, classes, message):
    evaluator = ShapeBias(Setting(conflict_folder(tmp_path / "data"), tmp_path / "out"))
    with pytest.raises(UserError, match=message):
        evaluator.run(fixed(torch.zeros(3, outputs), classes))


def test_nan_and_foreign_categories_are_refused(tmp_path):
    folder = conflict_folder(tmp_path / "data")
    with pytest.raises(UserError, match="NaN or infinity"):
        ShapeBias(Setting(folder, tmp_path)).run(fixed(torch.full((3, 1000), torch.nan), None))
    noise_image(folder / "yak" / "yak1-cat1.png", 0)
    with pytest.raises(UserError, match="not among the 16: yak"):
        ShapeBias(Setting(folder, tmp_path)).run(fixed(torch.zeros(4, 1000), None))


def test_docstring_example():
    assert doctest.testmod(module).failed == 0
