"""Pseudo-labels of a small devkit: masks, figures, going on after a kill, pictures, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image

from shapebias.data.decode import load_rgb
from shapebias.data.readers.voc import VOC_CLASSES
from shapebias.data.readers.voc_labelled import read_labelled, shown_classes
from shapebias.data.readers.voc_masks import load_mask, save_mask
from shapebias.data.transforms import to_tensor
from shapebias.errors import UserError
from shapebias.metrics.functional.segmentation import confusion_matrix, iou
from shapebias.models.classifier import Classifier
from shapebias.models.load import load_model
from shapebias.results.comparison import read_comparison
from shapebias.results.results import Results
from shapebias.tasks.cam import evaluate
from shapebias.tasks.cam.class_maps import find_class_maps
from shapebias.tasks.cam.multiscale import CamSettings, apply_threshold
from shapebias.tasks.cam.pseudo_labels import label_image, voc_outputs
from shapebias.tasks.cam.seed_ensemble import SeedEnsemble
from testkit.commands import run_command
from testkit.voc_labels import FAST, OBJECTS, SIZE, save_model, write_voc


@pytest.fixture
def voc(tmp_path) -> Path:
    return write_voc(tmp_path / "voc")


@pytest.fixture
def model(tmp_path) -> Classifier:
    return load_model(str(save_model(tmp_path / "net") / "model.safetensors"))


def pseudo_label(models: list[Classifier], **options: Any) -> list[Results]:
    return evaluate.pseudo_label([SeedEnsemble.of_one(model) for model in models], **options)


def test_masks_and_figures_are_those_of_the_maps(voc, model, tmp_path):
    (results,) = pseudo_label([model], data=voc, out=tmp_path / "out", settings=FAST)
    images, folder = read_labelled(voc, "train"), tmp_path / "out" / "net"
    maps, total = find_class_maps(model, torch.rand(3, 64, 64)), torch.zeros(21, 21, dtype=torch.int64)
    for number, (name, path, truth) in enumerate(zip(images.names, images.paths, images.masks, strict=True)):
        classes = shown_classes(images, number)
        found = load_mask(folder / "masks" / f"{name}.png", SIZE)
        with torch.inference_mode():
            labels, scores = label_image(maps, to_tensor(load_rgb(path)), classes, voc_outputs(model), FAST)
        assert (found == apply_threshold(labels, scores, 0.15)).all() and set(np.unique(found)) <= {0, *classes}
        if truth is not None:
            total += confusion_matrix(torch.from_numpy(load_mask(truth, SIZE)), torch.from_numpy(found), 21)
    entry = results.get("cam", "miou")
    assert entry.condition == {"threshold": 0.15, "scales": "1,0.5 flipped"} and entry.n == 4
    expected = iou(total)
    assert entry.value == pytest.approx(expected.mean) and len(entry.details["absent"]) == expected.absent > 10
    assert entry.details["per_class"]["cat"] == pytest.approx(expected.per_class[VOC_CLASSES.index("cat") + 1])
    assert (entry.details["images_without_mask"], entry.details["images_without_class"]) == (1, 1)
    assert entry.ci95 is not None and entry.ci95[0] <= entry.ci95[1]
    saved = Results.load(folder / "results.json").get("cam", "miou")
    assert saved.value == entry.value and saved.details["per_class"]["train"] is None


def test_the_best_threshold_is_the_highest_point_of_the_curve(voc, model, tmp_path):
    (results,) = pseudo_label([model], data=voc, out=tmp_path / "out", settings=FAST)
    at, best = results.get("cam", "miou"), results.get("cam", "miou_best")
    curve = dict(best.details["curve"])
    assert len(curve) == 101 and curve[0.15] == at.value
    assert best.value == max(curve.values()) == curve[best.details["threshold"]]


def test_a_difficult_object_is_an_object_for_masks(voc):
    images = read_labelled(voc, "train")
    assert tuple(shown_classes(images, n) for n in range(5)) == ((8, 15), (12,), (8,), (), (3,))
    assert [mask is None for mask in images.masks] == [False] * 4 + [True]


def test_a_killed_run_goes_on_and_a_finished_one_makes_nothing_again(voc, model, tmp_path, monkeypatch):
    out = tmp_path / "out"
    (whole,) = pseudo_label([model], data=voc, out=out, settings=FAST)
    masks = out / "net" / "masks"
    first = {path.name: path.read_bytes() for path in masks.glob("*.png")}
    (masks / "a2.png").unlink()
    (out / "net" / "counts" / "a3.npz").unlink()
    made = []

    def watched(maps, image, classes, *rest):
        made.append(classes)
        return label_image(maps, image, classes, *rest)

    monkeypatch.setattr("shapebias.tasks.cam.pseudo_labels.label_image", watched)
    (again,) = pseudo_label([model], data=voc, out=out, settings=FAST)
    assert made == [(12,), (8,)]
    pseudo_label([model], data=voc, out=out, settings=FAST)
    assert len(made) == 2
    assert {path.name: path.read_bytes() for path in masks.glob("*.png")} == first and len(first) == 5
    assert [entry.value for entry in again.results] == [entry.value for entry in whole.results]


def test_masks_of_other_settings_or_of_another_network_are_refused(voc, model, tmp_path):
    out = tmp_path / "out"
    pseudo_label([model], data=voc, out=out, settings=FAST)
    with pytest.raises(UserError, match=r"threshold: 0.15 there, 0.2 now.*choose another --out"):
        pseudo_label([model], data=voc, out=out, settings=CamSettings(FAST.scales, threshold=0.2))
    other = load_model(str(save_model(tmp_path / "b" / "net", seed=1) / "model.safetensors"))
    with pytest.raises(UserError, match="another model with that name"):
        pseudo_label([other], data=voc, out=out, settings=FAST)


def test_damaged_counts_are_told_of_in_one_line(voc, model, tmp_path):
    pseudo_label([model], data=voc, out=tmp_path / "out", settings=FAST)
    (tmp_path / "out" / "net" / "counts" / "a1.npz").write_bytes(b"PK broken")
    with pytest.raises(UserError, match=r"a1\.npz is damaged"):
        pseudo_label([model], data=voc, out=tmp_path / "out", settings=FAST)


def test_pictures_are_of_scored_images_with_classes_and_the_index_names_them(voc, model, tmp_path):
    pseudo_label([model], data=voc, out=tmp_path / "out", settings=FAST)
    folder = tmp_path / "out" / "net" / "pictures"
    index = json.loads((folder / "cam.json").read_text())
    assert index["schema"] == "shapebias/cam-pictures/1"
    assert [row["name"] for row in index["pictures"]] == ["a1", "a2", "a3"]
    for row in index["pictures"]:
        assert row["best_class"] in row["classes"] == OBJECTS[row["name"]] and 0 <= row["miou"] <= 1
        for view in ("image", "truth", "pseudo_label", "heat"):
            with Image.open(folder / row[view]) as picture:
                assert picture.size == SIZE and picture.mode == "RGB"


def test_two_networks_are_compared_over_the_same_images(voc, model, tmp_path):
    other = load_model(str(save_model(tmp_path / "other", seed=1) / "model.safetensors"))
    a, b = pseudo_label([model, other], data=voc, out=tmp_path / "out", settings=FAST)
    (row,) = read_comparison(tmp_path / "out" / "comparison.json").differences
    assert (row.a, row.b, row.metric, row.n) == ("net", "other", "miou", 4)
    assert row.value == pytest.approx(a.get("cam", "miou").value - b.get("cam", "miou").value)


def test_outputs_in_another_order_make_the_same_masks(voc, tmp_path):
    order = np.random.default_rng(0).permutation(20)
    model = load_model(str(save_model(tmp_path / "net") / "model.safetensors"))
    mixed = load_model(
        str(save_model(tmp_path / "mixed", classes=[VOC_CLASSES[i] for i in order]) / "model.safetensors")
    )
    with torch.no_grad():
        mixed.network.fc.weight.copy_(model.network.fc.weight[order])
        mixed.network.fc.bias.copy_(model.network.fc.bias[order])
    a, b = pseudo_label([model, mixed], data=voc, out=tmp_path / "out", settings=FAST)
    assert a.get("cam", "miou").value == b.get("cam", "miou").value


def test_images_without_any_mask_are_labelled_and_said_not_to_be_scored(voc, model, tmp_path, capsys):
    (results,) = pseudo_label([model], data=voc, out=tmp_path / "out", split="other", settings=FAST)
    entry = results.get("cam", "miou")
    assert entry.value is None or np.isnan(entry.value)
    assert entry.n == 0 and entry.ci95 is None and "not scored" in capsys.readouterr().err
    assert (tmp_path / "out" / "net" / "masks" / "b1.png").is_file()


def test_unreadable_images_are_left_out_and_listed_or_stop_it(voc, model, tmp_path):
    (voc / "VOC2012/JPEGImages/a2.jpg").write_bytes(b"no image")
    (results,) = pseudo_label([model], data=voc, out=tmp_path / "out", settings=FAST)
    entry = results.get("cam", "miou")
    assert entry.n == 3 and len(entry.details["data"]["unreadable"]) == 1 and entry.details["images_labelled"] == 4
    with pytest.raises(UserError, match=r"a2\.jpg"):
        pseudo_label([model], data=voc, out=tmp_path / "strict", settings=FAST, strict=True)


def test_other_classes_are_refused_by_name(voc, tmp_path):
    other = load_model(str(save_model(tmp_path / "net", classes=[*VOC_CLASSES[1:], "zebra"]) / "model.safetensors"))
    with pytest.raises(UserError, match="net lacks aeroplane and has zebra"):
        pseudo_label([other], data=voc, out=tmp_path / "out", settings=FAST)


def test_every_network_is_looked_at_before_any_is_measured(voc, model, tmp_path):
    bad = load_model(str(save_model(tmp_path / "bad", architecture="mobilenetv3_small_050") / "model.safetensors"))
    with pytest.raises(UserError, match=r"bad \(mobilenetv3_small_050\) has no class activation maps"):
        pseudo_label([model, bad], data=voc, out=tmp_path / "out", settings=FAST)
    assert not (tmp_path / "out" / "net" / "masks").exists()


def test_masks_of_another_size_missing_images_and_splits_are_refused(voc, model):
    with pytest.raises(UserError, match=r"no split .trian.*there are train"):
        read_labelled(voc, "trian")
    save_mask(voc / "VOC2012/SegmentationClass/a2.png", np.zeros((9, 9), dtype=np.uint8))
    with pytest.raises(UserError, match=r"a2.png is 9x9 but its image 44x36"):
        read_labelled(voc, "train")
    (voc / "VOC2012/JPEGImages/a3.jpg").unlink()
    with pytest.raises(UserError, match=r"lacks 1 of the 5 images .*a3"):
        read_labelled(voc, "train")


def test_without_annotations_classes_come_from_the_lists(voc):
    folder = voc / "VOC2012"
    for path in (folder / "Annotations").iterdir():
        path.unlink()
    (folder / "Annotations").rmdir()
    for name in VOC_CLASSES:
        flag = {"dog": "1", "bird": "0"}.get(name, "-1")
        (folder / "ImageSets/Main" / f"{name}_other.txt").write_text(f"b1 {flag}\n")
    assert shown_classes(read_labelled(voc, "other"), 0) == (3, 12)


def test_the_command_takes_a_folder_with_weights_and_says_what_it_wrote(voc, tmp_path, capsys):
    net, out = save_model(tmp_path / "net"), tmp_path / "out"
    given = (net, "--data", voc, "--out", out, "--no-flip", "--size", "64", "--json")
    run_command("cam", *given, "--scales", "1")
    said = capsys.readouterr()
    assert json.loads(said.out)[0]["results"][0]["condition"] == {"threshold": 0.15, "scales": "single"}
    assert str(out / "net" / "masks") in said.err
    with pytest.raises(UserError, match="--scales takes numbers"):
        run_command("cam", *given, "--scales", "1,x")


def test_the_shared_devkit_reads(shared):
    images = read_labelled(shared / "data" / "voc", "train")
    assert len(images) == 140 and (images.targets == 1).any(1).all() and all(images.masks)
    assert len(read_labelled(shared / "data" / "voc", "trainaug")) == 180
