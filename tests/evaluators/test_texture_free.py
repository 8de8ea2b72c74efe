"""Silhouettes, edges and sketches: mapped and own answers, Sketchy's names, and folders that do not fit."""

from __future__ import annotations

import csv
import shutil

import numpy as np
import pytest
import torch

from shapebias.data.categories16 import CATEGORIES, MEMBERS
from shapebias.errors import UserError
from shapebias.evaluators.base import EvalConfig
from shapebias.evaluators.names import EVALUATORS
from shapebias.evaluators.run import evaluate_all
from shapebias.evaluators.texture_free import SKETCHY, Edges, Silhouettes, Sketches
from shapebias.stats.intervals import wilson
from testkit.fixed_networks import WNIDS, fixed
from testkit.images import class_folder, noise_image


def saying(*names):
    """ImageNet logits whose answers are ``names`` by any mapping."""
    logits = torch.full((len(names), 1000), -9.0)
    for row, name in enumerate(names):
        logits[row, list(MEMBERS[name])] = 4.0
    return logits


def test_the_evaluators_are_named():
    assert {name: EVALUATORS[name] for name in ("silhouettes", "edges", "sketches")} == {
        "silhouettes": Silhouettes,
        "edges": Edges,
        "sketches": Sketches,
    }


@pytest.mark.parametrize("evaluator", [Silhouettes, Edges, Sketches])
@pytest.mark.parametrize("classes", [None, WNIDS])
@pytest.mark.parametrize("mapping", ["mean", "max"])
def test_imagenet_networks_answer_by_the_16_categories(tmp_path, evaluator, classes, mapping):
    data = class_folder(tmp_path / "data", ("bear", "cat"), 2)
    config = EvalConfig(data, tmp_path / "out", batch_size=3, mapping=mapping)
    outcome = evaluator(config).run(fixed(saying("bear", "truck", "cat", "cat"), classes, "a_net"))
    (entry,) = outcome.results
    assert (entry.evaluator, entry.metric, entry.value, entry.n) == (evaluator.name, "top1", 0.75, 4)
    assert entry.ci95 == wilson(3, 4)
    assert entry.condition == {"mapping": mapping}
    assert entry.details["per_category"] == {"bear": {"n": 2, "value": 0.5}, "cat": {"n": 2, "value": 1.0}}
    assert entry.details["chance"] == 1 / 16
    assert outcome.images == ("bear/0.png", "bear/1.png", "cat/0.png", "cat/1.png")
    assert outcome.per_image[entry.key].tolist() == [[1], [0], [1], [1]]
    assert entry.details["responses"] == f"{evaluator.name}_a-net_session-1.csv"
    with (tmp_path / "out" / "a_net" / entry.details["responses"]).open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert [row["object_response"] for row in rows] == ["bear", "truck", "cat", "cat"]
    assert [row["category"] for row in rows] == ["bear", "bear", "cat", "cat"]


def test_own_classes_skip_the_mapping(tmp_path):
    data = class_folder(tmp_path / "data", ("songbird", "yak"), 1)
    logits = torch.tensor([[0.0, 1.0, 3.0], [0.0, 2.0, 1.0]])
    (entry,) = Sketches(EvalConfig(data, tmp_path)).run(fixed(logits, ("ant", "yak", "songbird"))).results
    assert (entry.value, entry.condition, entry.details["answers"]) == (1.0, {"mapping": "own"}, 3)


def test_sketchys_names_are_their_categories(tmp_path):
    data = class_folder(tmp_path / "data" / "sketchy", (*SKETCHY, "bear"), 1)
    wanted = [SKETCHY.get(name, name) for name in sorted((*SKETCHY, "bear"))]
    (entry,) = Sketches(EvalConfig(data.parent, tmp_path)).run(fixed(saying(*wanted), None)).results
    assert entry.value == 1.0
    assert set(entry.details["per_category"]) == {*SKETCHY.values(), "bear"}
    sixteen = torch.eye(16)[[CATEGORIES.index(name) for name in wanted]]
    (entry,) = Sketches(EvalConfig(data, tmp_path)).run(fixed(sixteen, CATEGORIES)).results
    assert (entry.value, entry.condition) == (1.0, {"mapping": "own"})


def test_folders_of_other_things_are_left_out_and_counted(tmp_path, capsys):
    data = class_folder(tmp_path / "data", ("bear", "church", "oven"), 2)
    network = fixed(saying("bear", "bear", "oven", "bear"), None)
    (found,) = evaluate_all([network], evaluators=["edges"], data={"": data}, out=tmp_path / "out").results
    (entry,) = found.results
    assert (entry.n, entry.value) == (4, 0.75)
    assert entry.details["other_categories_left_out"] == {"church": 2}
    assert "skipped 2 images of categories that are not evaluated: church (2)" in capsys.readouterr().err


def test_folders_and_networks_that_do_not_fit_are_refused(tmp_path):
    data = class_folder(tmp_path / "data", ("church", "yak"), 1)
    with pytest.raises(UserError, match="no folder of a category: church, yak are neither"):
        Edges(EvalConfig(data, tmp_path)).check(fixed(torch.zeros(3, 1000), None))
    shutil.rmtree(data / "yak"), shutil.rmtree(data / "church")
    noise_image(data / "bear" / "1.png", 0), noise_image(data / "oven" / "1.png", 0)
    edges = Edges(EvalConfig(data, tmp_path))
    with pytest.raises(UserError, match="net has other classes"):
        edges.run(fixed(torch.zeros(2, 2), ("bear", "church")))
    with pytest.raises(UserError, match="1000, but not ImageNet's"):
        edges.run(fixed(torch.zeros(2, 1000), tuple(map(str, range(1000)))))
    with pytest.raises(UserError, match="NaN or infinity"):
        edges.run(fixed(torch.full((2, 1000), torch.inf), None))
    with pytest.raises(UserError, match="has 12 outputs"):
        edges.run(fixed(torch.zeros(2, 12), None))
    with pytest.raises(UserError, match="no folder"):
        Edges(EvalConfig(tmp_path / "none", tmp_path))


def test_networks_are_compared_and_parts_found_below_one_root(tmp_path):
    for name in ("silhouettes", "edges"):
        class_folder(tmp_path / "data" / name, ("bear", "cat"), 3)
    networks = [
        fixed(saying(*["bear"] * 12), None, "bears"),
        fixed(saying(*["bear"] * 3, *["cat"] * 3).repeat(2, 1), None, "both"),
    ]
    found = evaluate_all(
        networks, evaluators=["silhouettes", "edges"], data={"": tmp_path / "data"}, out=tmp_path / "out"
    ).results
    assert [[entry.value for entry in one.results] for one in found] == [[0.5, 0.5], [1.0, 1.0]]
    assert {entry.details["data"]["folder"] for entry in found[0].results} == {
        str(tmp_path / "data" / name) for name in ("silhouettes", "edges")
    }
    assert len({entry.key for one in found for entry in one.results}) == 2


def test_shared_sets_are_read_whole(shared, tmp_path):
    for evaluator, folder, count in (
        (Silhouettes, shared / "data" / "filled-silhouettes", 80),
        (Edges, shared / "data" / "edges", 80),
        (Sketches, shared / "data" / "sketchy", 140),
    ):
        logits = torch.from_numpy(np.random.default_rng(0).normal(size=(count, 1000)))
        (entry,) = evaluator(EvalConfig(folder, tmp_path / "out")).run(fixed(logits, None)).results
        assert entry.n == count
        assert set(entry.details["per_category"]) <= set(CATEGORIES)
