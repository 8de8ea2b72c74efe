"""Accuracy under corruptions: results by hand, layouts, parts of the set, resuming, and what is refused."""

from __future__ import annotations

import importlib.util
import json
import math
import shutil
import sys

import numpy as np
import pytest
import torch
from PIL import Image
from torch import nn

from shapebias.corruptions.corruption import CORRUPTIONS, GROUPS, SEVERITIES, corruption_library
from shapebias.corruptions.layout import read_corrupted
from shapebias.data.transforms import Preprocessing, Squashed
from shapebias.errors import UserError
from shapebias.evaluators.base import EvalConfig
from shapebias.evaluators.corruption.corruption_scores import (
    CorruptionAnswers,
    corruption_error,
    corruption_results,
)
from shapebias.evaluators.corruption.corruptions import Corruptions
from shapebias.models import Classifier, Identity
from shapebias.models.imagenet import wordnet_ids
from shapebias.results.pairing import paired
from shapebias.results.results import Results
from shapebias.stats.intervals import wilson
from testkit.images import class_folder, noise_image

needs_library = pytest.mark.skipif(
    importlib.util.find_spec("imagecorruptions") is None, reason="imagecorruptions-imaug is not installed"
)
SIDE = 16
CELLS = tuple((corruption, severity) for corruption in CORRUPTIONS for severity in SEVERITIES)
CLASSES = ("ant", "bear", "cat")


class Reading(nn.Module):
    """Says the class whose number is the red level of the top left pixel; the next best is ``second``.

    It stops like a killed process after ``stop`` batches.
    """

    def __init__(self, classes, second=0, stop=None):
        super().__init__()
        self.classes, self.second, self.stop, self.shapes = classes, second, stop, []
        self.unused = nn.Linear(1, 1)

    def forward(self, images):
        if len(self.shapes) == self.stop:
            raise KeyboardInterrupt
        self.shapes.append(tuple(images.shape))
        numbers = (images[:, 0, 0, 0] * 255).round().long()
        logits = torch.full((len(images), self.classes), -1.0)
        logits[:, self.second] = 1.0
        logits[torch.arange(len(images)), numbers] = 2.0
        return logits


def reading(classes=CLASSES, name="net", preprocessing=None, second=0, stop=None, **identity):
    network = Reading(len(classes), second, stop)
    preprocessing = preprocessing or Preprocessing(SIDE)
    options = {"mean": (0.0,) * 3, "std": (1.0,) * 3}
    return Classifier(network, Identity(name, name, "Reading", classes, **identity), preprocessing, **options).eval()


def picture(path, says, side=SIDE):
    """An image that ``Reading`` takes for class number ``says``."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.zeros((side, side, 3), np.uint8)
    pixels[..., 0] = says
    Image.fromarray(pixels).save(path, format="png")


def corrupted(root, says, classes=CLASSES, groups=False, side=SIDE):
    """A set of a folder for each of ``says[corruption, severity][class]``: what its images say, in their order."""
    group_of = {name: group for group, names in GROUPS.items() for name in names}
    for (corruption, severity), by_class in says.items():
        for name, answers in zip(classes, by_class, strict=True):
            for number, answer in enumerate(answers):
                base = root / group_of[corruption] if groups else root
                picture(base / corruption / str(severity) / name / f"{number}.JPEG", answer, side)
    return root


def random_says(seed, cells=CELLS, classes=3, per_class=2):
    """Answers that are right more often than not, and as (images, cells) which of them are right."""
    rng = np.random.default_rng(seed)
    labels = np.repeat(np.arange(classes), per_class)
    answers = np.where(rng.random((len(labels), len(cells))) < 0.6, labels[:, None], rng.integers(classes))
    answers = np.where(rng.random(answers.shape) < 0.2, (answers + 1) % classes, answers)
    says = {cell: answers[:, n].reshape(classes, per_class).tolist() for n, cell in enumerate(cells)}
    return says, answers == labels[:, None]


def entries_of(outcome):
    return {(e.metric, e.condition.get("corruption"), e.condition.get("severity")): e for e in outcome.results}


@pytest.mark.parametrize("groups", [False, True])
def test_results_counted_by_hand(tmp_path, groups):
    says, right = random_says(0)
    data = corrupted(tmp_path / "data", says, groups=groups)
    outcome = Corruptions(EvalConfig(data, tmp_path / "out", batch_size=4)).run(reading())
    entries = entries_of(outcome)
    assert len(entries) == len(outcome.results) == 75 + 15 + 1
    for n, cell in enumerate(CELLS):
        entry = entries["top1", *cell]
        count = int(right[:, n].sum())
        assert (entry.value, entry.n, entry.ci95) == (count / 6, 6, wilson(count, 6))
        assert entry.condition == {"corruption": cell[0], "severity": cell[1]}
    for n, corruption in enumerate(CORRUPTIONS):
        entry = entries["top1", corruption, None]
        assert entry.value == pytest.approx(right[:, 5 * n : 5 * n + 5].mean())
        assert entry.n == 6
        assert entry.ci95[0] <= entry.value <= entry.ci95[1]
    mean = entries["mean_top1", None, None]
    assert mean.value == pytest.approx(right.mean())
    assert (mean.n, mean.condition, mean.details["shown"]) == (6, {}, "as they are")
    assert mean.details["data"]["images"] == 6 * 75
    assert "warning" not in mean.details
    assert outcome.images == tuple(f"{name}/{i}.JPEG" for name in CLASSES for i in range(2))
    assert len(outcome.per_image) == 16
    np.testing.assert_allclose(outcome.per_image[mean.key][:, 0], right.mean(axis=1))
    np.testing.assert_allclose(outcome.per_image[entries["top1", "shot_noise", None].key][:, 0], right[:, 5:10].mean(1))
    assert not list((tmp_path / "out").rglob("*.npz"))


def test_interval_of_a_mean_is_that_of_resampled_images():
    rng = np.random.default_rng(1)
    right = (rng.random((200, 75)) < rng.random((200, 1))).astype(np.int8)
    entries, _ = corruption_results(CorruptionAnswers(right, CELLS, {}), {}, {}, seed=3)
    mean = entries[-1]
    draws = rng.integers(200, size=(4000, 200))
    wanted = np.percentile(right.mean(axis=1)[draws].mean(axis=1), [2.5, 97.5])
    assert mean.metric == "mean_top1"
    np.testing.assert_allclose(mean.ci95, wanted, atol=0.006)
    # resampling the copies one by one would give an interval that is far too narrow
    assert mean.ci95[1] - mean.ci95[0] > 3 * 2 * 1.96 * math.sqrt(0.25 / right.size)


def test_mce_by_numpy():
    noise_and_blur = [886428, 894468, 922640, 819880, 826268, 785948, 798360]
    alexnet = np.array([*noise_and_blur, 866816, 826572, 819324, 564592, 853204, 646056, 717840, 606500])
    rng = np.random.default_rng(2)
    right = (rng.random((50, 75)) < rng.random(75)).astype(np.int8)
    entry = corruption_error(CorruptionAnswers(right, CELLS, {}), {}, seed=0)
    errors = 1 - right.mean(axis=0).reshape(15, 5)
    ce = errors.sum(axis=1) / (5 * alexnet / 1e6)
    assert entry.value == pytest.approx(ce.mean(), rel=1e-12)
    assert list(entry.details["per_corruption"]) == list(CORRUPTIONS)
    np.testing.assert_allclose(list(entry.details["per_corruption"].values()), ce, rtol=1e-12)
    assert entry.ci95[0] < entry.value < entry.ci95[1]
    right[0, 3] = -1
    uneven = corruption_error(CorruptionAnswers(right, CELLS, {}), {}, seed=0).details["warning"]
    assert "1 of 75 severities lack images" in uneven
    right[0, 3] = 0
    wrong = corruption_error(CorruptionAnswers(np.zeros_like(right), CELLS, {}), {}, seed=0)
    assert wrong.value == pytest.approx((1e6 / alexnet).mean())
    assert "warning" not in wrong.details


def test_a_part_of_the_classes_is_answered_among_them_and_mce_is_of_the_published_set_alone(tmp_path):
    wnids = wordnet_ids()
    some = (wnids[3], wnids[250])
    # number 5 is none of the folder's classes: the next best among these is then taken, wnids[3]
    data = corrupted(tmp_path / "data", {cell: [[3, 5], [250, 5]] for cell in CELLS}, some)
    outcome = Corruptions(EvalConfig(data, tmp_path / "out")).run(reading(wnids, second=3))
    entries = entries_of(outcome)
    assert {json.dumps(e.condition.get("answers")) for e in outcome.results} == {'"2 of 1000 classes"'}
    assert entries["mean_top1", None, None].value == pytest.approx(0.75)
    assert entries["mean_top1", None, None].details["classes"] == {"in_folder": 2, "of_network": 1000}
    assert ("mce", None, None) not in entries  # it would be compared with published mCE, and is not comparable
    assert "AlexNet's errors on ImageNet-C's full public set" in entries["mean_top1", None, None].details["mce"]
    assert entries["mean_top1", None, None].condition == {"answers": "2 of 1000 classes"}


def test_parts_of_the_set_have_no_silent_mean(tmp_path):
    cells = [c for c in CELLS if c[0] != "fog" and c not in [("snow", 2), ("snow", 4)]]
    says, right = random_says(3, cells)
    data = corrupted(tmp_path / "data", says, groups=True)
    for other in ("extra/spatter/1/ant", "speckle_noise/1/ant", "notes", "weather/old"):
        (data / other).mkdir(parents=True)
    outcome = Corruptions(EvalConfig(data, tmp_path / "out")).run(reading())
    entries = entries_of(outcome)
    mean = entries["mean_top1", None, None]
    assert (mean.value, mean.ci95, mean.n) == (None, None, 0)
    assert mean.details["missing"] == {"snow": [2, 4], "fog": [1, 2, 3, 4, 5]}
    assert mean.details["warning"] == ("mean_top1 is undefined, 7 of 75 severities are missing: snow at 2 and 4, fog")
    assert mean.details["ignored"] == ["extra", "notes", "speckle_noise", "weather/old"]
    present = entries["mean_top1_of_present", None, None]
    assert present.value == pytest.approx(right.mean())
    assert present.details["present"]["snow"] == [1, 3, 5]
    assert "fog" not in present.details["present"]
    assert sum(map(len, present.details["present"].values())) == 68
    assert ("top1", "snow", 1) in entries
    assert not {("top1", "snow", None), ("top1", "fog", None), ("top1", "fog", 1), ("mce", None, None)} & set(entries)
    assert len([key for key in entries if key[0] == "top1" and key[2] is None]) == 13


def test_uneven_severities_are_named_and_skipped_in_the_means_alone(tmp_path):
    says, right = random_says(4)
    data = corrupted(tmp_path / "data", says)
    (data / "fog" / "2" / "bear" / "1.JPEG").unlink()
    broken = data / "snow" / "5" / "cat" / "0.JPEG"
    broken.write_bytes(b"")
    outcome = Corruptions(EvalConfig(data, tmp_path / "out")).run(reading())
    entries = entries_of(outcome)
    assert entries["top1", "fog", 2].n == entries["top1", "snow", 5].n == 5
    assert entries["top1", "fog", 1].n == 6
    whole = [0, 1, 2, 5]  # neither bear/1 nor cat/0
    for entry, columns in (
        (entries["mean_top1", None, None], slice(None)),
        (entries["top1", "frost", None], slice(40, 45)),
    ):
        assert (entry.n, entry.value) == (4, pytest.approx(right[whole, columns].mean()))
        assert entry.details["uneven"] == {"fog/2": 5, "snow/5": 5}
        if entry.metric == "mean_top1":
            assert entry.details["warning"] == (
                "2 of 75 severities lack images that others have (first snow/5: 5 of 6): "
                "the means are over the 4 images that all have"
            )
            assert entry.details["data"]["unreadable"] == [f"{broken}: empty file"]
    assert outcome.images == ("ant/0.JPEG", "ant/1.JPEG", "bear/0.JPEG", "cat/1.JPEG")
    assert {len(values) for values in outcome.per_image.values()} == {4}
    with pytest.raises(UserError, match=r"unreadable image .*cat/0\.JPEG"):
        Corruptions(EvalConfig(data, tmp_path / "strict", strict=True)).run(reading())


def test_means_over_no_common_image_are_undefined():
    right = np.full((2, 75), -1, np.int8)
    right[0, :40], right[1, 40:] = 1, 0
    entries, per_image = corruption_results(CorruptionAnswers(right, CELLS, {}), {}, {}, seed=0)
    means = [entry for entry in entries if "severity" not in entry.condition]
    assert {(entry.value, entry.n, entry.ci95) for entry in means} == {(None, 0, None)}
    assert {len(values) for values in per_image.values()} == {0}
    assert corruption_error(CorruptionAnswers(right, CELLS, {}), {}, seed=0).value is None


@pytest.mark.parametrize("squashed", [False, True])
def test_public_files_are_never_cropped(tmp_path, squashed):
    cells = [("fog", 1)]
    kind = Squashed if squashed else Preprocessing
    for side, shown in ((SIDE, "as they are"), (2 * SIDE, f"resized to {SIDE}")):
        data = corrupted(tmp_path / f"data{side}", {("fog", 1): [[0], [1], [2]]}, side=side)
        picture(data / "fog" / "1" / "ant" / "0.JPEG", 0, side)
        border = np.zeros((side, side, 3), np.uint8)  # what makes it a cat lies at its very edge
        border[0 : side // SIDE, 0 : side // SIDE, 0] = 2
        Image.fromarray(border).save(data / "fog" / "1" / "cat" / "0.JPEG", format="png")
        model = reading(preprocessing=kind(SIDE, crop=0.5, interpolation="bilinear"))
        outcome = Corruptions(EvalConfig(data, tmp_path / f"out{side}")).run(model)
        entries = entries_of(outcome)
        assert entries["mean_top1", None, None].details["shown"] == shown
        assert entries["top1", *cells[0]].n == 3
        if side == SIDE:
            assert entries["top1", *cells[0]].value == 1.0
        assert model.network.shapes == [(3, 3, SIDE, SIDE)]


def test_a_killed_measurement_resumes(tmp_path):
    says, _ = random_says(5)
    data = corrupted(tmp_path / "data", says)
    config = EvalConfig(data, tmp_path / "out", batch_size=8)
    whole = Corruptions(config).run(reading())
    done = 5 * CORRUPTIONS.index("fog")
    model = reading(weights_sha256="a", stop=done)
    with pytest.raises(KeyboardInterrupt):
        Corruptions(config).run(model)
    assert len(model.network.shapes) == done
    again = reading(weights_sha256="a")
    outcome = Corruptions(config).run(again)
    assert len(again.network.shapes) == 75 - done
    assert outcome.results == whole.results
    assert not (tmp_path / "out" / "net" / "unfinished" / "corruptions").exists()
    fresh = reading(weights_sha256="a")
    Corruptions(config).run(fresh)
    assert len(fresh.network.shapes) == 75


@pytest.mark.parametrize("change", ["weights", "cell", "limit", "preprocessing"])
def test_what_was_measured_otherwise_is_measured_again(tmp_path, change):
    data = corrupted(tmp_path / "data", {(c, 1): [[0, 1], [1, 1], [2, 1]] for c in ("frost", "fog")})
    config = EvalConfig(data, tmp_path / "out")
    with pytest.raises(KeyboardInterrupt):
        Corruptions(config).run(reading(weights_sha256="a", stop=1))  # in the second of two cells
    again = reading(weights_sha256="a")
    if change == "weights":
        again = reading(weights_sha256="b")
    elif change == "preprocessing":
        again = reading(weights_sha256="a", preprocessing=Preprocessing(SIDE, interpolation="bicubic"))
    elif change == "cell":
        noise_image(data / "frost" / "1" / "ant" / "9.png", 0, (SIDE, SIDE))
        picture(data / "frost" / "1" / "ant" / "9.png", 1)
    else:
        config = EvalConfig(data, tmp_path / "out", limit=4)
    Corruptions(config).run(again)
    assert len(again.network.shapes) == 2


def test_a_limit_takes_the_same_images_of_every_severity(tmp_path):
    says, right = random_says(6, per_class=5)
    data = corrupted(tmp_path / "data", says)
    evaluator = Corruptions(EvalConfig(data, tmp_path / "out", limit=6, seed=1))
    outcome = evaluator.run(reading())
    assert len(outcome.images) == 6
    assert [sum(name.startswith(c) for name in outcome.images) for c in CLASSES] == [2, 2, 2]
    rows = [5 * CLASSES.index(name.split("/")[0]) + int(name.split("/")[1][0]) for name in outcome.images]
    mean = entries_of(outcome)["mean_top1", None, None]
    assert (mean.n, mean.value, mean.details["limit"]) == (6, pytest.approx(right[rows].mean()), 6)
    two = Corruptions(EvalConfig(data, tmp_path / "out2", limit=2)).run(reading())  # two of three classes are left:
    assert "answers" not in two.results[0].condition  # the answers are among all of the folder's
    assert len(two.images) == 2


@pytest.mark.parametrize(
    ("spoil", "words"),
    [
        (lambda root: (root / "fog" / "6").mkdir(), "fog holds '6', which is no severity: expected .*fog/1 to .*fog/5"),
        (lambda root: (root / "fog" / "severity_1").mkdir(), "'severity_1', which is no severity"),
        (lambda root: shutil.rmtree(root / "fog" / "3" / "cat"), r"fog/3 lacks 1 \(cat\), unlike .*gaussian_noise/1"),
        (lambda root: picture(root / "fog" / "1" / "yak" / "0.png", 0), r"fog/1 also has 1 \(yak\)"),
        (lambda root: [path.unlink() for path in (root / "fog" / "2").rglob("*.JPEG")], "no images below .*fog/2"),
        (lambda root: shutil.copytree(root / "fog", root / "weather" / "fog"), "has fog twice"),
    ],
)
def test_folders_that_do_not_fit_are_refused(tmp_path, spoil, words):
    data = corrupted(
        tmp_path / "data", {(c, s): [[0], [1], [2]] for c in ("gaussian_noise", "fog") for s in SEVERITIES}
    )
    spoil(data)
    with pytest.raises(UserError, match=words):
        Corruptions(EvalConfig(data, tmp_path / "out"))


def test_models_and_data_that_do_not_fit_are_refused(tmp_path):
    data = corrupted(tmp_path / "data", {("fog", 1): [[0], [1], [2]]})
    evaluator = Corruptions(EvalConfig(data, tmp_path / "out"))
    with pytest.raises(UserError, match="different classes"):
        evaluator.check(reading(("ant", "bear", "yak")))
    with pytest.raises(UserError, match="are not known"):
        evaluator.check(reading().__class__(nn.Linear(1, 1), Identity("n", "n", "n"), Preprocessing(SIDE)))
    model = reading()
    model.network.forward = lambda images: torch.full((len(images), 3), torch.nan)
    with pytest.raises(UserError, match=r"^net answers .*/fog/1/ant/0\.JPEG with NaN or infinity"):
        evaluator.run(model)
    model.network.forward = lambda images: torch.zeros(len(images), 4)
    with pytest.raises(UserError, match="4 outputs but 3 class names"):
        evaluator.run(model)
    model.network.forward = lambda images: torch.zeros(1, 3)
    with pytest.raises(UserError, match="1 rows of output for 3 images"):
        evaluator.run(model)
    with pytest.raises(UserError, match="no folder"):
        Corruptions(EvalConfig(tmp_path / "none", tmp_path / "out"))
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match="has no class folders"):
        Corruptions(EvalConfig(tmp_path / "empty", tmp_path / "out"))


def test_it_is_found_below_a_root_of_data_sets(tmp_path):
    assert Corruptions.find(class_folder(tmp_path / "other" / "photos").parent) is None
    data = corrupted(tmp_path / "ImageNet-C", {("fog", 1): [[0], [1], [2]]}, groups=True)
    assert Corruptions.find(tmp_path) == data
    assert Corruptions.find(data) == data


def test_two_models_are_compared_by_images(tmp_path):
    says, right = random_says(7)
    evaluator = Corruptions(EvalConfig(corrupted(tmp_path / "data", says), tmp_path / "out"))
    good, bad = reading(name="good"), reading(name="bad")
    bad.network.forward = lambda images: torch.tensor([[1.0, 0.0, 0.0]]).repeat(len(images), 1)
    measured = []
    for model in (good, bad):
        outcome = evaluator.run(model)
        measured.append((Results({"name": model.identity.name}, {}, outcome.results), {"corruptions": outcome}))
    rows = paired(measured, seed=0)
    assert len(rows) == 16
    (mean,) = (row for row in rows if row.metric == "mean_top1")
    assert mean.value == pytest.approx(right.mean() - 1 / 3)
    assert mean.n == 6


@needs_library
def test_other_data_are_corrupted_once_and_measured(tmp_path, monkeypatch):
    root = tmp_path / "data" / "val"
    for number, name in enumerate(CLASSES):
        for i in range(3):
            noise_image(root / name / f"{i}.png", 10 * number + i, (32, 40))
    (root / "cat" / "2.png").write_bytes(b"")
    config = EvalConfig(tmp_path / "data", tmp_path / "out", limit=8, seed=2)
    evaluator = Corruptions(config)
    with pytest.raises(UserError, match="different classes"):
        evaluator.check(reading(("ant", "bear")))
    assert not (tmp_path / "out").exists()
    classes = (*CLASSES, *map(str, range(253)))
    outcome = evaluator.run(reading(classes, preprocessing=Preprocessing(32)))
    made = read_corrupted(tmp_path / "out" / "images" / "corruptions-8-seed2")
    assert len(made.cells) == 75
    kept = len(made.names)
    assert kept in (7, 8)  # the unreadable image may have been drawn
    mean = entries_of(outcome)["mean_top1", None, None]
    assert (mean.n, mean.condition) == (kept, {"answers": "3 of 256 classes"})
    assert mean.details["shown"] == "as they are"
    assert mean.details["images"].startswith("made with imagecorruptions")
    assert len(mean.details["data"]["unreadable"]) == 8 - kept
    times = {path: path.stat().st_mtime_ns for path in made.root.rglob("*.JPEG")}
    assert len(times) == 75 * kept
    again = Corruptions(config).run(reading(classes, "other", Preprocessing(32)))
    assert {path: path.stat().st_mtime_ns for path in made.root.rglob("*.JPEG")} == times
    assert [entry.value for entry in again.results] == [entry.value for entry in outcome.results]
    with pytest.raises(UserError, match="--limit 1 leaves one class"):
        Corruptions(EvalConfig(tmp_path / "data", tmp_path / "out", limit=1))


def test_without_the_library_other_data_are_refused_before_anything_is_measured(images, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    corruption_library.cache_clear()
    try:
        with pytest.raises(UserError, match="corrupting images needs the library"):
            Corruptions(EvalConfig(images, tmp_path / "out"))
        Corruptions(EvalConfig(corrupted(tmp_path / "data", {("fog", 1): [[0], [1], [2]]}), tmp_path / "out"))
    finally:
        corruption_library.cache_clear()
