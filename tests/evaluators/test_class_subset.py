"""Answering among a folder's classes only, and noticing classes that are in another order."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from shapebias.data.readers.class_folders import read_class_folders
from shapebias.errors import UserError
from shapebias.evaluators.accuracy import Accuracy, ImageNetSketch, StylizedImageNet
from shapebias.evaluators.base import EvalConfig
from shapebias.evaluators.class_subset import answering_among, order_warning
from shapebias.evaluators.stylized import Stylized
from shapebias.stats.intervals import wilson
from testkit.fixed_networks import WNIDS, fixed
from testkit.images import class_folder

NAMES = tuple("abcdefghij")


def net(classes, logits=None):
    return fixed(torch.zeros(1, len(classes)) if logits is None else logits, classes)


def test_outputs_are_those_of_the_folders_classes_in_their_order(tmp_path):
    folder = read_class_folders(class_folder(tmp_path / "f", ("c", "a", "j"), 1))
    among = answering_among(net(NAMES[::-1]), folder)
    assert among.outputs.dtype == torch.int64
    assert [NAMES[::-1][output] for output in among.outputs.tolist()] == ["a", "c", "j"] == list(among.classes)
    assert (among.restricted, among.condition) == (True, {"answers": "3 of 10 classes"})


def test_nothing_is_said_where_all_classes_are_there(tmp_path):
    folder = read_class_folders(class_folder(tmp_path / "f", NAMES, 1))
    among = answering_among(net(NAMES), folder)
    assert (among.restricted, among.condition) == (False, {})
    assert among.outputs.tolist() == list(range(10))


def test_labels_of_a_drawn_part_keep_the_places_of_the_whole(tmp_path):
    folder = read_class_folders(class_folder(tmp_path / "f", NAMES, 3))
    among = answering_among(net(NAMES[::-1]), folder)
    assert among.labels(folder).tolist() == folder.targets.tolist()
    part = folder.subsample(4, seed=2)
    assert len(part.classes) == 4
    assert [among.classes[place] for place in among.labels(part)] == [path.parent.name for path in part.paths]


def test_unknown_classes_and_foreign_folders_are_refused(tmp_path):
    folder = read_class_folders(class_folder(tmp_path / "f", ("a", "z"), 1))
    with pytest.raises(UserError, match="has no z"):
        answering_among(net(NAMES), folder)
    with pytest.raises(UserError, match="are not known"):
        answering_among(fixed(torch.zeros(1, 10), None), folder)


@pytest.fixture
def some(tmp_path):
    """Seven of ImageNet's classes, five images each."""
    return class_folder(tmp_path / "some", tuple(WNIDS[n] for n in (3, 14, 159, 265, 358, 979, 999)), 5)


def ranks(logits, targets):
    """How many logits of each row are larger than the target's, by plain numpy."""
    return (logits > logits[np.arange(len(targets)), targets][:, None]).sum(axis=1)


def test_figures_of_a_subset_against_numpy(some, tmp_path):
    logits = torch.randn(35, 1000, generator=torch.Generator().manual_seed(0))
    outputs = np.repeat([3, 14, 159, 265, 358, 979, 999], 5)
    logits[torch.arange(35), torch.from_numpy(outputs)] += 2
    everything, subset = (
        ranks(logits.numpy(), outputs),
        ranks(logits.numpy()[:, np.unique(outputs)], np.arange(35) // 5),
    )
    wanted = {
        ("top1", None): everything == 0,
        ("top5", None): everything < 5,
        ("top1", "7 of 1000 classes"): subset == 0,
        ("top5", "7 of 1000 classes"): subset < 5,
    }
    assert 0 < wanted["top1", None].sum() < wanted["top1", "7 of 1000 classes"].sum() < 35
    config = EvalConfig(some, tmp_path, batch_size=8)
    outcome = Accuracy(config).run(fixed(logits, WNIDS))
    found = {(entry.metric, entry.condition.get("answers")): entry for entry in outcome.results}
    assert {key: entry.value for key, entry in found.items()} == {key: right.mean() for key, right in wanted.items()}
    for key, right in wanted.items():
        assert found[key].ci95 == wilson(int(right.sum()), 35)
        if key[0] == "top1":
            assert outcome.per_image[found[key].key][:, 0].tolist() == right.tolist()
            assert found[key].details["classes"] == {"in_folder": 7, "of_network": 1000}
            shares = [values["value"] for values in found[key].details["per_category"].values()]
            assert shares == pytest.approx(right.reshape(7, 5).mean(axis=1))
    for evaluator in (StylizedImageNet, ImageNetSketch):
        outcome = evaluator(config).run(fixed(logits, WNIDS))
        assert [(e.evaluator, e.metric, e.condition) for e in outcome.results] == [
            (evaluator.name, metric, {"answers": "7 of 1000 classes"}) for metric in ("top1", "top5")
        ]
        assert [e.value for e in outcome.results] == [subset_right.mean() for subset_right in (subset == 0, subset < 5)]


def test_five_classes_or_fewer_have_no_top5_of_their_own(tmp_path):
    data = class_folder(tmp_path / "few", WNIDS[:5], 2)
    outcome = Accuracy(EvalConfig(data, tmp_path)).run(fixed(torch.zeros(10, 1000), WNIDS))
    assert [(e.metric, bool(e.condition)) for e in outcome.results] == [
        ("top1", False),
        ("top5", False),
        ("top1", True),
    ]


@pytest.mark.parametrize("evaluator", [Accuracy, StylizedImageNet, ImageNetSketch])
def test_all_classes_have_no_condition(tmp_path, evaluator):
    data = class_folder(tmp_path / "all", NAMES, 1)
    outcome = evaluator(EvalConfig(data, tmp_path)).run(fixed(torch.eye(10), NAMES))
    assert [(e.metric, e.value, e.condition) for e in outcome.results] == [("top1", 1.0, {}), ("top5", 1.0, {})]


def test_a_limit_does_not_make_a_subset_of_a_whole_folder(tmp_path):
    data = class_folder(tmp_path / "all", NAMES, 2)
    outcome = Accuracy(EvalConfig(data, tmp_path, limit=3)).run(fixed(torch.zeros(3, 10), NAMES))
    assert [entry.condition for entry in outcome.results] == [{}, {}]
    assert outcome.results[0].details["data"]["drawn"] == {"images": 3, "of": 20, "seed": 0}
    assert outcome.results[0].details["classes"] == {"in_folder": 10, "of_network": 10}
    assert len(outcome.results[0].details["per_category"]) == 3


def test_what_was_drawn_is_scored_against_its_own_classes(tmp_path):
    data = class_folder(tmp_path / "all", NAMES, 4)
    evaluator = Accuracy(EvalConfig(data, tmp_path, limit=7, seed=5))
    truth = [NAMES.index(path.parent.name) for path in evaluator.folder.paths]
    outcome = evaluator.run(fixed(torch.eye(10)[truth], NAMES))
    assert outcome.results[0].value == 1
    assert len(outcome.images) == 7
    whole = Accuracy(EvalConfig(data, tmp_path, limit=40))
    assert "drawn" not in whole.run(fixed(torch.zeros(40, 10), NAMES)).results[0].details["data"]


def test_subset_and_styles_stand_in_one_condition(some, tmp_path):
    evaluator = Stylized(EvalConfig(some, tmp_path / "out", limit=7))
    outcome = evaluator.run(fixed(torch.zeros(7, 1000), WNIDS))
    assert outcome.results[0].condition == {"styles": "held-out", "answers": "7 of 1000 classes"}


TARGETS = np.repeat(np.arange(10), 8)


def test_no_warning_above_chance_or_on_few_images():
    rng = np.random.default_rng(0)
    random = rng.integers(0, 10, 80)
    assert order_warning(TARGETS, TARGETS, NAMES, 10) is None
    assert order_warning(np.where(rng.random(80) < 0.5, TARGETS, random), TARGETS, NAMES, 10) is None
    assert order_warning((TARGETS + 1)[:49] % 10, TARGETS[:49], NAMES, 10) is None


@pytest.mark.parametrize("answers", [np.zeros(80, dtype=int), np.random.default_rng(1).integers(0, 10, 80)])
def test_chance_without_an_order_is_only_said(answers):
    right = int((answers == TARGETS).sum())
    text = order_warning(answers, TARGETS, NAMES, 10)
    assert text is not None
    assert text.startswith(f"{right} of 80 images right is no more than chance (1 in 10)")
    assert text.endswith("in another order than their names")


@pytest.mark.parametrize(
    ("shift", "expected"),
    [(1, "the name 1 place later"), (9, "the name 1 place earlier"), (3, "the name 3 places later")],
)
def test_a_shift_is_recognised_with_some_noise(shift, expected):
    answers = (TARGETS + shift) % 10
    answers[::8] = 0
    assert f"% of the answers are {expected}" in order_warning(answers, TARGETS, NAMES, 10)


def test_a_shift_is_told_even_where_a_few_right_answers_are_above_chance():
    names, targets = tuple(map(str, range(1000))), np.arange(0, 480, 4)
    answers = targets + 1
    answers[:3] -= 1
    assert wilson(3, 120)[0] > 1 / 1000
    assert order_warning(answers, targets, names, 1000) == (
        "3 of 120 images right: unless it is untrained, the network's classes may be in another order than their "
        "names; 98% of the answers are the name 1 place later"
    )
    answers[::2] = targets[::2]
    assert order_warning(answers, targets, names, 1000) is None


def test_a_permutation_is_recognised_and_named():
    order = np.array([4, 0, 7, 1, 9, 2, 8, 3, 6, 5])
    answers = order[TARGETS]
    answers[::8] = 0
    text = order_warning(answers, TARGETS, NAMES, 10)
    assert "in 10 of 10 classes most images get one other name" in text
    assert text.endswith("a is called e, b is called a, c is called h")


def test_the_warning_stands_with_the_figure(tmp_path):
    data = class_folder(tmp_path / "f", NAMES[:4], 15)
    logits = torch.eye(10)[torch.arange(4).repeat_interleave(15) + 2]
    found = Accuracy(EvalConfig(data, tmp_path)).run(fixed(logits, NAMES)).results
    assert "100% of the answers are the name 2 places later" in found[0].details["warning"]
    assert "warning" not in found[1].details
    right = torch.eye(10)[torch.arange(4).repeat_interleave(15)]
    assert "warning" not in Accuracy(EvalConfig(data, tmp_path)).run(fixed(right, NAMES)).results[0].details


def test_natural_images_alone_raise_doubts_about_the_order_of_classes(tmp_path):
    """A good model may answer stylized copies or sketches by chance, which says nothing about its class names."""
    data = class_folder(tmp_path / "f", NAMES[:4], 15)
    answers = torch.eye(10)[(torch.arange(4).repeat_interleave(15) + 1) % 4]
    for evaluator in (Stylized, StylizedImageNet, ImageNetSketch):
        found = evaluator(EvalConfig(data, tmp_path / "out")).run(fixed(answers, NAMES)).results
        assert found[0].value == 0
        assert "warning" not in found[0].details
