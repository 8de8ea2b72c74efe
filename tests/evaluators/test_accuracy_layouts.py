"""Accuracies on ImageNet as people have it, on its out-of-distribution sets, and on copies of flat folders."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
import torch

from shapebias.errors import UserError
from shapebias.evaluators import evaluate
from shapebias.evaluators.accuracy import Accuracy, ImageNetSketch, StylizedImageNet
from shapebias.evaluators.base import EvalConfig
from shapebias.evaluators.stylized import Stylized, held_out_copies
from shapebias.stylize.folder import stylize_folder, view_path
from shapebias.stylize.settings import StylizeSettings
from testkit.fixed_networks import WNIDS, fixed
from testkit.imagenet_layout import CLASS_OF, CSV, VAL
from testkit.imagenet_layout import WNIDS as THREE
from testkit.images import class_folder, killed_at_image, nearly_same, noise_image


def flat_val(folder: Path) -> Path:
    """Six loose images, called as ImageNet's."""
    for n, name in enumerate(VAL):
        noise_image(folder / f"{name}.JPEG", n)
    return folder


def perfect(evaluator, wnid_of):
    """A network with ImageNet's classes that is right on every image but the first, by the images' names."""
    logits = torch.eye(1000)[[WNIDS.index(wnid_of(path.name)) for path in evaluator.folder.paths]]
    logits[0] *= -1
    return fixed(logits, WNIDS)


def wnid_of(name: str) -> str:
    return THREE[CLASS_OF[name.partition(".")[0]]]


def in_class_folders(root: Path) -> Path:
    for name in VAL:
        noise_image(root / wnid_of(name) / f"{name}.JPEG", 0)
    return root


def published(root: Path) -> Path:
    flat_val(root / "ILSVRC" / "Data" / "CLS-LOC" / "val")
    (root / "ILSVRC" / "Data" / "CLS-LOC" / "train" / THREE[0]).mkdir(parents=True)
    for wnid in THREE:
        noise_image(root / "ILSVRC" / "Data" / "CLS-LOC" / "train" / wnid / "1.JPEG", 0)
    (root / "LOC_val_solution.csv").write_text(CSV)
    return root


def with_solution(root: Path) -> Path:
    flat_val(root / "val")
    (root / "LOC_val_solution.csv").write_text(CSV)
    return root


def with_meta(root: Path) -> Path:
    flat_val(root / "val")
    torch.save(({wnid: (wnid,) for wnid in WNIDS}, [wnid_of(name) for name in VAL]), root / "meta.bin")
    return root


LAYOUTS = {
    "val of class folders": lambda root: in_class_folders(root / "val").parent,
    "class folders": in_class_folders,
    "as published": published,
    "its CLS-LOC": lambda root: published(root) / "ILSVRC" / "Data" / "CLS-LOC",
    "its flat val": lambda root: published(root) / "ILSVRC" / "Data" / "CLS-LOC" / "val",
    "flat val with a solution": with_solution,
    "that val itself": lambda root: with_solution(root) / "val",
    "flat val with torchvision's meta.bin": with_meta,
    "that val": lambda root: with_meta(root) / "val",
}


@pytest.mark.parametrize("layout", LAYOUTS)
def test_every_layout_of_imagenet_is_scored(tmp_path, layout):
    evaluator = Accuracy(EvalConfig(LAYOUTS[layout](tmp_path / "data"), tmp_path / "out", batch_size=4))
    top1, top5, among = evaluator.run(perfect(evaluator, wnid_of)).results
    assert (top1.value, top1.n, top1.condition) == (5 / 6, 6, {})
    assert (among.value, among.condition) == (5 / 6, {"answers": "3 of 1000 classes"})
    assert (top5.value, top5.condition) == (5 / 6, {})
    assert len(top1.details["data"]["fingerprint"]) == 64


@pytest.fixture(scope="module")
def thousand(tmp_path_factory):
    """A flat val folder of one image per class, called in another order than the classes, without labels."""
    folder = tmp_path_factory.mktemp("thousand") / "val"
    first = noise_image(folder / "ILSVRC2012_val_00000001.JPEG", 0, (8, 8)).read_bytes()
    for n in range(2, 1001):
        (folder / f"ILSVRC2012_val_{n:08d}.JPEG").write_bytes(first)
    return folder


def index_of(name: str) -> int:
    """The class of the ``n``-th image: a fixed permutation."""
    return int(name[15:23]) * 7 % 1000


@pytest.fixture
def labelled(thousand, tmp_path):
    shutil.copytree(thousand, tmp_path / "imagenet" / "val")
    lines = [f"{path.name} {index_of(path.name)}\n" for path in sorted(thousand.iterdir())]
    (tmp_path / "imagenet" / "val.txt").write_text("".join(lines))
    return tmp_path / "imagenet"


def test_a_list_of_a_thousand_indices_needs_no_train_folder(labelled, tmp_path):
    evaluator = Accuracy(EvalConfig(labelled, tmp_path / "out", batch_size=100))
    assert {path.parent for path in evaluator.folder.paths} == {evaluator.folder.root}
    assert evaluator.folder.classes == WNIDS
    assert Accuracy(EvalConfig(labelled / "val", tmp_path / "out")).folder.paths == evaluator.folder.paths
    found = evaluator.run(perfect(evaluator, lambda name: WNIDS[index_of(name)])).results
    assert [(e.metric, e.value, e.condition) for e in found] == [("top1", 0.999, {}), ("top5", 0.999, {})]


def test_a_network_with_its_outputs_in_another_order_is_warned_of(labelled, tmp_path):
    evaluator = Accuracy(EvalConfig(labelled, tmp_path / "out"))
    truth = torch.tensor([index_of(path.name) for path in evaluator.folder.paths])
    (top1, _) = evaluator.run(fixed(torch.eye(1000)[(truth + 1) % 1000], WNIDS)).results
    assert top1.value == 0
    assert "no more than chance (1 in 1000)" in top1.details["warning"]
    assert "100% of the answers are the name 1 place later" in top1.details["warning"]


def test_any_other_indices_without_train_are_refused(labelled, tmp_path):
    text = (labelled / "val.txt").read_text()
    (labelled / "val.txt").write_text(text.replace(" 0\n", " 1000\n"))
    with pytest.raises(UserError, match=r"not there, and it has not each of 0 to 999.*LOC_val_solution.csv"):
        Accuracy(EvalConfig(labelled, tmp_path / "out"))


def test_limit_draws_over_the_classes(labelled, tmp_path):
    evaluator = Accuracy(EvalConfig(labelled, tmp_path / "out", limit=40, seed=3))
    found = evaluator.run(perfect(evaluator, lambda name: WNIDS[index_of(name)])).results[0]
    assert (found.value, found.n, found.condition) == (39 / 40, 40, {})
    assert found.details["data"]["drawn"] == {"images": 40, "of": 1000, "seed": 3}
    again = Accuracy(EvalConfig(labelled, tmp_path / "out", limit=40, seed=3))
    other = Accuracy(EvalConfig(labelled, tmp_path / "out", limit=40, seed=4))
    assert again.folder.fingerprint == evaluator.folder.fingerprint != other.folder.fingerprint


def test_found_below_a_folder_of_data_sets(tmp_path):
    assert Accuracy.find(tmp_path / "nowhere") is Accuracy.find(tmp_path) is None
    class_folder(tmp_path / "paintings")
    (tmp_path / "val").write_text("a file")
    assert Accuracy.find(tmp_path) is None
    for name in ("ILSVRC", "ILSVRC2012", "imagenet-val", "imagenet"):
        (tmp_path / name).mkdir()
        assert Accuracy.find(tmp_path) == Stylized.find(tmp_path) == tmp_path / name


def test_found_as_the_folders_own_images_to_test_with(tmp_path):
    for number, name in enumerate(("val", "test")):
        class_folder(tmp_path / str(number) / name)
        assert Accuracy.find(tmp_path / str(number)) == tmp_path / str(number) / name
    assert Accuracy.find(with_solution(tmp_path / "loose")) == tmp_path / "loose"
    assert Accuracy.find(published(tmp_path / "kaggle") / "ILSVRC") == tmp_path / "kaggle" / "ILSVRC"
    flat_val(tmp_path / "unlabelled" / "val")
    assert Accuracy.find(tmp_path / "unlabelled") is None
    assert Accuracy.find(with_solution(tmp_path / "flat") / "val") == tmp_path / "flat" / "val"


@pytest.mark.parametrize("name", ["stylized-imagenet", "SIN", "stylized_imagenet"])
def test_stylized_imagenet_is_found_and_its_val_measured(tmp_path, name):
    assert StylizedImageNet.find(tmp_path) is None
    class_folder(tmp_path / name / "train", THREE, 1)
    in_class_folders(tmp_path / name / "val")
    assert StylizedImageNet.find(tmp_path) == tmp_path / name
    evaluator = StylizedImageNet(EvalConfig(tmp_path / name, tmp_path / "out"))
    top1 = evaluator.run(perfect(evaluator, wnid_of)).results[0]
    assert (top1.evaluator, top1.n, top1.condition) == ("stylized-imagenet", 6, {"answers": "3 of 1000 classes"})
    assert top1.details["data"]["folder"] == str(tmp_path / name / "val")


@pytest.mark.parametrize("name", ["sketch", "imagenet-sketch", "imagenet_sketch", "imagenet-sketch/sketch"])
def test_imagenet_sketch_is_found_and_measured(tmp_path, name):
    class_folder(tmp_path / "sketch", ("dog", "guitar"))  # another data set of that name
    assert ImageNetSketch.find(tmp_path) is None
    shutil.rmtree(tmp_path / "sketch")
    in_class_folders(tmp_path / name)
    place = ImageNetSketch.find(tmp_path)
    assert place == tmp_path / name.partition("/")[0]
    evaluator = ImageNetSketch(EvalConfig(place, tmp_path / "out"))
    top1 = evaluator.run(perfect(evaluator, wnid_of)).results[0]
    assert (top1.evaluator, top1.n) == ("imagenet-sketch", 6)
    assert top1.details["data"]["folder"] == str(tmp_path / name)


def test_out_of_distribution_sets_of_any_network_by_name(tmp_path):
    data = class_folder(tmp_path / "own", ("bear", "cat"), 3)
    logits = torch.tensor([[2.0, 1.0, 9.0], [1.0, 2.0, 9.0]]).repeat_interleave(3, 0)
    for evaluator in ("stylized-imagenet", "imagenet-sketch"):
        found = evaluate(fixed(logits, ("bear", "cat", "dog")), evaluators=[evaluator], data=data, device="cpu")
        assert found.get(evaluator, "top1").value == 1  # among bear and cat, though dog is the largest of all
        assert found.get(evaluator, "top1").condition == {"answers": "2 of 3 classes"}


def test_a_flat_val_is_stylized_with_its_labels(tmp_path):
    data = with_solution(tmp_path / "data")
    evaluator = Stylized(EvalConfig(data, tmp_path / "out"))
    evaluator.run(fixed(torch.zeros(6, 1000), WNIDS))
    copies = _classes(evaluator.folder)
    assert copies == {f"{name}.JPEG-style0.png": wnid_of(name) for name in VAL}
    assert evaluator.folder.root == tmp_path / "out" / "images" / "stylized"
    again = Stylized(EvalConfig(data, tmp_path / "out"))
    again.run(fixed(torch.zeros(6, 1000), WNIDS))
    assert again.folder.fingerprint == evaluator.folder.fingerprint


def _classes(folder):
    return {path.name: label for path, label in zip(folder.paths, folder.labels, strict=True)}


def test_of_a_limit_only_what_is_drawn_is_stylized(tmp_path):
    data = with_solution(tmp_path / "data")
    for seed in (0, 1):
        evaluator = Stylized(EvalConfig(data, tmp_path / "out", limit=3, seed=seed))
        drawn = {path.name for path in evaluator.folder.paths}
        outcome = evaluator.run(fixed(torch.zeros(3, 1000), WNIDS))
        folder = tmp_path / "out" / "images" / f"stylized-3-seed{seed}"
        assert {path.name for path in folder.glob("*.png")} == {f"{name}-style0.png" for name in drawn}
        assert outcome.results[0].details["data"]["drawn"] == {"images": 3, "of": 6, "seed": seed}
        assert outcome.results[0].condition["styles"] == "held-out"


def test_a_drawn_image_gets_the_style_it_has_among_all(tmp_path):
    data = with_solution(tmp_path / "data") / "val"
    whole = held_out_copies(data, EvalConfig(data, tmp_path / "out"), "all", per_image=1)
    some = held_out_copies(
        data, EvalConfig(data, tmp_path / "out"), "some", per_image=1, images=[data / f"{VAL[4]}.JPEG"]
    )
    (copy,) = some.glob("*.png")
    drawn, every = (
        [
            (record["image"], record["style"])
            for record in map(json.loads, (folder / "copies.jsonl").read_text().splitlines())
        ]
        for folder in (some, whole)
    )
    assert drawn[0] in every
    assert nearly_same(copy, whole / copy.name)


def test_a_killed_stylization_resumes(tmp_path, monkeypatch):
    data = with_solution(tmp_path / "data")
    config = EvalConfig(data, tmp_path / "out", limit=4)
    killed_at_image(3, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        Stylized(config).run(fixed(torch.zeros(4, 1000), WNIDS))
    monkeypatch.undo()
    folder = tmp_path / "out" / "images" / "stylized-4-seed0"
    there = {path: path.stat().st_mtime_ns for path in folder.glob("*.png")}
    assert len(there) == 2
    outcome = Stylized(config).run(fixed(torch.zeros(4, 1000), WNIDS))
    assert outcome.results[0].n == 4
    assert all(path.stat().st_mtime_ns == time for path, time in there.items())


def test_an_unreadable_source_is_left_out_of_the_copies_and_named(tmp_path):
    data = with_solution(tmp_path / "data")
    (data / "val" / f"{VAL[1]}.JPEG").write_bytes(b"")
    outcome = Stylized(EvalConfig(data, tmp_path / "out")).run(fixed(torch.zeros(5, 1000), WNIDS))
    assert outcome.results[0].n == 5
    (reason,) = outcome.results[0].details["data"]["unreadable"]
    assert f"{VAL[1]}.JPEG" in reason


@pytest.mark.parametrize("below", ["", "val"])
def test_given_copies_of_a_flat_folder_have_their_sources_classes(tmp_path, stylizer, bank, below):
    data = with_solution(tmp_path / "data")
    given = tmp_path / "given"
    stylize_folder(data / below, given, stylizer, bank, StylizeSettings(per_image=2))
    evaluator = Stylized(EvalConfig(given, tmp_path / "out"))
    names = _classes(evaluator.folder)
    assert names == {f"{name}.JPEG-style{view}.png": wnid_of(name) for name in VAL for view in range(2)}
    assert view_path(given, data / below, data / "val" / f"{VAL[0]}.JPEG", 1) in evaluator.folder.paths
    data.rename(tmp_path / "moved")
    with pytest.raises(UserError, match="has no class folders, and the images it was made of are not in"):
        Stylized(EvalConfig(given, tmp_path / "out"))
