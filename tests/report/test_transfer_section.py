"""The report's part on other tasks: charts of transfer, pictures of labels, and the curve of pseudo-labels."""

from __future__ import annotations

import base64
import io
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shapebias.data.readers.voc_masks import VOC_PALETTE
from shapebias.report.collect import collect
from shapebias.report.pictures import embed_image
from shapebias.stats.seeds import seed_interval
from testkit.report_fixture import attacked, model, picture, result, trained
from testkit.report_page import ATTRIBUTE, EVIL, report

SETTINGS = {"scales": [1.0, 0.5, 1.5, 2.0], "flip": True, "size": None}
T, IMAGES = "Student's t over seeds", "bootstrap over images"
VIEWS = ("image", "truth", "pseudo_label", "heat")


def transferred(task: str, metric: str, value: float, method: str = "finetune", **more: Any) -> dict[str, Any]:
    kind = {"kind": more.pop("kind")} if "kind" in more else {}
    return result(f"transfer-{task}", metric, value, condition={"method": method} | kind, **more)


def segmented(backbone: str = "frozen", weights: str = "w", **details: Any) -> dict[str, Any]:
    told = {"seeds": [{"seed": 0, "weights_sha256": weights}], "interval": IMAGES} | details
    return result("segmentation", "miou", 0.5, condition={"backbone": backbone}, details=told)


def pseudo(curve: list[Any], threshold: float = 0.15) -> list[dict[str, Any]]:
    given = {"threshold": threshold, "scales": "multi"}
    return [
        result("cam", "miou", 0.3, condition=given, details={"interval": IMAGES, **SETTINGS}),
        result("cam", "miou_best", 0.4, condition={"scales": "multi"}, details={"curve": curve, **SETTINGS}),
    ]


def segmentation_pictures(home: Path, shown: list[int], weights: str = "w", seed: int = 0, **row: Any) -> None:
    """One picture as segmenting writes it, its truth class 1 throughout, its prediction the classes in ``shown``."""
    image = np.random.default_rng(seed).integers(0, 256, (8, 12, 3), dtype=np.uint8)
    truth = np.ones((8, 12), dtype=np.uint8)
    predicted = np.resize(np.array(shown, dtype=np.uint8), (8, 12))
    gap = np.full((8, 4, 3), 255, dtype=np.uint8)
    whole = np.concatenate([image, gap, VOC_PALETTE[truth], gap, VOC_PALETTE[predicted]], axis=1)
    folder = home / "pictures"
    folder.mkdir(exist_ok=True)
    Image.fromarray(whole).save(folder / "frozen-one.png")
    rows = [{"backbone": "frozen", "image": "one", "file": "frozen-one.png", "miou": 0.25, "weights_sha256": weights}]
    record = {"schema": "shapebias/segmentation-pictures/1", "pictures": [rows[0] | row]}
    (folder / "pictures.json").write_text(json.dumps(record))


def cam_pictures(home: Path, threshold: float = 0.15, count: int = 1, first: int = 0, **row: Any) -> None:
    """Images, equal for all models, and labels and maps of a model's own."""
    folder, rows = home / "pictures", []
    for number in range(count):
        files = {view: f"cam-{number}-{view}.png" for view in VIEWS}
        for place, (view, file) in enumerate(files.items()):
            picture(folder / file, 10 * number + place + (first if view in VIEWS[2:] else 0))
        rows.append({"name": str(number), "classes": ["cat", "sofa"], "best_class": "cat", "miou": 0.5} | files | row)
    record = {"schema": "shapebias/cam-pictures/1", "threshold": threshold, **SETTINGS, "pictures": rows}
    (folder / "cam.json").write_text(json.dumps(record))


def legend(source: str) -> list[tuple[str, str]]:
    return [(name, colour) for colour, name in re.findall(r'<i style="background: (#\w{6})"></i>([^<]+)</li>', source)]


def notes(source: str) -> list[str]:
    return re.findall(r'<p class="note">(.*?)</p>', source)


def images(source: str) -> list[np.ndarray]:
    uris = re.findall(r'src="data:image/\w+;base64,([^"]+)"', source)
    return [np.asarray(Image.open(io.BytesIO(base64.b64decode(uri))).convert("RGB")) for uri in uris]


def test_the_section_is_absent_where_nothing_was_measured(tmp_path: Path) -> None:
    home = model(tmp_path / "in", "a", *attacked("transfer-attack", source="b"))
    cam_pictures(home)  # pictures without a figure
    page, warnings = report(tmp_path / "in")
    assert not page.section("transfer") and not [w for w in warnings if "pictures" in w]


def test_a_chart_for_each_task_and_method_names_kind_seeds_and_interval(tmp_path: Path) -> None:
    seeds = {"interval": seed_interval([0.5, 0.6, 0.7], (0.5, 0.7), "bootstrap over test images")[1], "seeds": [{}] * 3}
    one = {"interval": "bootstrap over test images", "seeds": [{}]}
    classes = {"interval": "Wilson's over test images", "per_category": {str(n): {} for n in range(4)}}
    same = {"interval": "Wilson's over test images, as all 2 seeds give the same", "seeds": [{}, {}]}
    model(
        tmp_path / "in",
        "a",
        result("segmentation", "miou", 0.2, condition={"backbone": "frozen"}, details={"all_background": 0.035}),
        result("ablation-voc12", "map", 0.4, condition={"kind": "ap"}, details={"interval": T, "seeds": [{}, {}]}),
        transferred("mine", "top1", 0.75, details=same),
        transferred("dtd", "top1", 0.5, "linear", details=classes),
        transferred("voc07", "map", 0.61, kind="ap_voc2007", details=seeds),
        transferred("voc07", "map", 0.6, kind="ap", details=seeds),
    )
    model(tmp_path / "in", "b", transferred("voc07", "map", 0.7, kind="ap", details=one))
    page, _ = report(tmp_path / "in")
    source = page.section("transfer")
    labels = [a["aria-label"].replace("\u202f", " ") for a in page.classed("intervals")]
    assert labels == [
        "Pascal VOC 2007, classes in an image, mean average precision; not interpolated; all weights trained further: "
        "a 60.0 %, b 70.0 %",
        "Describable Textures (DTD), right answers; linear read-out of frozen features: a 50.0 %",
        "mine, right answers; all weights trained further: a 75.0 %",
        "Pascal VOC 2012, ablation of the method, mean average precision; not interpolated: a 40.0 %",
        "Pascal VOC 2012, segmentation, mean IoU of all classes; one convolution on a frozen model: a 20.0 %",
    ]
    assert notes(source) == [
        "a: mean of 3 seeds, 200 test images, interval over seeds and images; "
        "b: 1 seed, 200 test images, interval over images",
        "200 test images, interval over images",
        "mean of 2 seeds, 200 test images, interval over images",
        "mean of 2 seeds, 200 test images, interval over seeds",
        "200 test images, answering background everywhere: 3.5\u202f%",
    ]
    assert re.findall(r'x1="([\d.]+%)"[^>]*class="guess"', source) == ["25%"]


def test_only_another_kind_of_mean_ap_is_shown_and_named(tmp_path: Path) -> None:
    model(tmp_path / "in", "a", transferred("voc07", "map", 0.6, kind="ap_voc2007"))
    assert "11 points" in report(tmp_path / "in")[0].section("transfer")


def test_segmentation_pictures_of_all_models_share_image_truth_and_legend(tmp_path: Path) -> None:
    for name, shown in (("a", [0, 15]), ("b", [1, 255])):
        segmentation_pictures(model(tmp_path / "in", name, segmented()), shown)
    page, warnings = report(tmp_path / "in")
    source = page.section("transfer")
    assert [a["alt"] for a in page.named("img")] == [
        "Image one as it is",
        "Image one, its true labels",
        "Image one, prediction of a",
        "Image one, prediction of b",
    ]
    shown = images(source)
    assert all(image.shape == (8, 12, 3) for image in shown)
    assert (shown[1] == VOC_PALETTE[1]).all()
    assert (shown[2] == VOC_PALETTE[np.resize([0, 15], (8, 12))]).all()
    assert (shown[3] == VOC_PALETTE[np.resize([1, 255], (8, 12))]).all()
    assert legend(source) == [
        ("background", "#000000"),
        ("aeroplane", "#800000"),
        ("person", "#c08080"),
        ("border, ignored", "#e0e0c0"),
    ]
    assert "prediction (25\u202f%)" in source and not [w for w in warnings if "pictures" in w]


def test_colours_of_labels_stay_exact_where_they_are_made_smaller() -> None:
    labels = np.random.default_rng(0).integers(0, 21, (90, 120)).astype(np.uint8)
    small = embed_image(Image.fromarray(VOC_PALETTE[labels]), largest=40, labels=True)
    (shown,) = images(f'src="{small.uri}"')
    assert shown.shape == (30, 40, 3)
    assert {tuple(c) for c in shown.reshape(-1, 3).tolist()} <= {tuple(c) for c in VOC_PALETTE[:21].tolist()}


def test_other_images_of_the_same_name_are_not_mixed(tmp_path: Path) -> None:
    for seed, name in enumerate("ab"):
        segmentation_pictures(model(tmp_path / "in", name, segmented()), [0], seed=seed)
    assert [a["alt"] for a in report(tmp_path / "in")[0].named("img")].count("Image one as it is") == 2


def test_pictures_of_other_weights_or_another_threshold_are_skipped(tmp_path: Path) -> None:
    segmentation_pictures(model(tmp_path / "in", "a", segmented()), [0], weights="older")
    cam_pictures(model(tmp_path / "in", "b", *pseudo([])), threshold=0.3)
    page, warnings = report(tmp_path / "in")
    assert not page.named("img")
    assert sum("that can be shown" in w for w in warnings) == 2


def test_pseudo_labels_and_maps_stand_beside_their_image(tmp_path: Path) -> None:
    for first, name in ((100, "a"), (200, "b")):
        cam_pictures(model(tmp_path / "in", name, *pseudo([])), count=8, first=first)
    page, _ = report(tmp_path / "in")
    source = page.section("transfer")
    assert len(page.named("img")) == 6 * 6  # six images of eight; image, truth, and two of each network
    assert [a["alt"] for a in page.named("img")][2:6] == [
        "Image 0, labels of a",
        "Image 0, map of cat of a",
        "Image 0, labels of b",
        "Image 0, map of cat of b",
    ]
    assert legend(source) == [("cat", "#400000"), ("sofa", "#00c000")]
    assert "four scales, mirrored, threshold 0.15" in source


def test_the_curve_has_its_best_and_the_threshold_of_the_protocol(tmp_path: Path) -> None:
    curve = [[t / 100, 0.4 - abs(t / 100 - 0.25)] for t in range(0, 61)]
    model(tmp_path / "in", "a", *pseudo(curve))
    model(tmp_path / "in", "b", *pseudo([[0.5, 0.1], [0.0, 0.3], [0.7, None], ["x", 0.2], [2, 0.1], [0.1], 7]))
    page, _ = report(tmp_path / "in")
    source = page.section("transfer")
    label = page.classed("curve")[0]["aria-label"].replace("\u202f", " ")
    assert "a best at 0.25 with 40.0 % (35.0\u201345.0 %)" in label and "b best at 0 with 30.0 %" in label
    lines = re.findall(r'<polyline points="([^"]+)" class="line model-(\d)"', source)
    points = [[tuple(map(float, p.split(","))) for p in line.split()] for line, _ in lines]
    assert [len(line) for line in points] == [61, 2] and [index for _, index in lines] == ["0", "1"]
    (left, low), (right, high) = points[1]
    assert left < right and low < high  # from threshold 0 to .5, and down
    protocol = float(re.findall(r'<line x1="([\d.]+)" x2="[\d.]+" y1="[\d.]+" y2="[\d.]+" class="guess"', source)[0])
    assert protocol == pytest.approx(left + 0.15 / 0.5 * (right - left), abs=0.1)
    assert "Mean IoU at the threshold 0.15, the protocol&#39;s" in source


def test_numbers_of_other_tasks_stand_together_as_percentages(tmp_path: Path) -> None:
    results = [
        result("dimensionality", "shape_neurons", 0.2),
        *pseudo([]),
        segmented(),
        transferred("own", "top1", 0.5),
        *attacked("transfer-attack")[:1],
        result("zoo", "top1", 0.1),
    ]
    model(tmp_path / "in", "a", *results)
    rows = re.findall(r'<th scope="row">([\w-]+)<small>(\w+)', report(tmp_path / "in")[0].section("results"))
    assert rows == [
        ("transfer-attack", "top1"),
        ("transfer-own", "top1"),
        ("segmentation", "miou"),
        ("cam", "miou"),
        ("cam", "miou_best"),
        ("dimensionality", "shape_neurons"),
        ("zoo", "top1"),
    ]


@pytest.mark.parametrize(
    "file", ["../../secret.png", "/etc/passwd", "link.png", "nul\0.png", "note.txt", 7, "none.png"]
)
def test_no_picture_from_outside_the_folder(tmp_path: Path, file: Any) -> None:
    picture(tmp_path / "in" / "secret.png", 1)
    home = model(tmp_path / "in", "a", segmented(), *pseudo([]))
    cam_pictures(home, heat=file)
    segmentation_pictures(home, [0], file=file)
    (home / "pictures" / "link.png").symlink_to(tmp_path / "in" / "secret.png")
    Image.open(home / "pictures" / "frozen-one.png").save(home / "pictures" / "note.txt", format="PNG")
    page, warnings = report(tmp_path / "in")
    assert not page.named("img") and sum("that can be shown" in w for w in warnings) == 2


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": "other"}'])
def test_a_folder_without_the_right_index_is_not_shown(tmp_path: Path, content: str) -> None:
    home = model(tmp_path / "in", "a", segmented(), *pseudo([]))
    cam_pictures(home)
    segmentation_pictures(home, [0])
    for name in ("cam.json", "pictures.json"):
        (home / "pictures" / name).write_text(content)
    page, warnings = report(tmp_path / "in")
    assert not page.named("img") and sum("(skipped)" in w for w in warnings) == 2


def test_a_linked_pictures_folder_is_not_followed(tmp_path: Path) -> None:
    home = model(tmp_path / "in", "a", *pseudo([]))
    cam_pictures(tmp_path / "elsewhere")
    (home / "pictures").symlink_to(tmp_path / "elsewhere" / "pictures")
    assert not report(tmp_path / "in")[0].named("img")


def test_hostile_and_malformed_records_are_escaped_or_ignored(tmp_path: Path) -> None:
    home = model(
        tmp_path / "in",
        EVIL,
        transferred(EVIL, "top1", 0.5, ATTRIBUTE, details={"seeds": 7, "interval": [], "per_category": 3}),
        segmented(EVIL, weights="w"),
        *pseudo([[0, 0.1], [1, 0.2]]),
        result("cam", "miou_best", 0.2, condition={"scales": [EVIL]}, details={"curve": {"a": 1}}),
    )
    cam_pictures(home, name=ATTRIBUTE, best_class=EVIL, classes=[EVIL, "cat", 3], miou="high")
    segmentation_pictures(home, [200], backbone=EVIL, image=EVIL, miou=None)
    page, _ = report(tmp_path / "in")
    page.assert_escaped()
    assert len(page.named("img")) == 3 + 4
    assert {colour for _, colour in legend(page.source)} == {"#400000", "#800000"}


def test_seeds_and_trials_below_a_measured_model_are_parts_of_it(tmp_path):
    model(tmp_path, "in", transferred("caltech101", "top1", 0.5))
    task = {"scheme": None, "task": "caltech101"}
    trained(tmp_path / "in/caltech101/seed-0", "seed-0", weights="seed", **task)
    trained(tmp_path / "in/caltech101/select/lr-0.1", "lr-0.1", weights=None, **task)
    (alone,) = collect([tmp_path]).models
    assert alone.name == "in"
    assert not collect([tmp_path]).warnings
    assert [one.name for one in collect([tmp_path / "in/caltech101/seed-0"]).models] == ["seed-0"]
    trained(tmp_path / "in/scheme", "other", weights="other")  # of no task: a network of its own
    assert sorted(one.name for one in collect([tmp_path]).models) == ["in", "other"]


def test_a_page_of_other_tasks_has_no_headings_of_what_was_not_measured(tmp_path):
    model(tmp_path / "a", "in", transferred("caltech101", "top1", 0.5))
    found = set(report(tmp_path / "a")[0].sections())
    unmeasured = {"shape-bias", "training-pictures", "decisions", "categories", "accuracy", "neurons"}
    assert "transfer" in found and not found & unmeasured
    assert "Shape or texture?" not in report(tmp_path / "a")[0].text
    model(tmp_path / "b", "in", result("accuracy", "top1", 0.5))
    found = set(report(tmp_path / "b")[0].sections())
    assert found & unmeasured == {"accuracy"} and "transfer" not in found
