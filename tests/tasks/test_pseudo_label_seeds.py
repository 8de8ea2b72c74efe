"""Pseudo-labels by several seeds of a network: means, intervals, differences, going on, names, and the report."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from shapebias.cli.main import main
from shapebias.cli.models import load_seeded
from shapebias.data.readers.voc import VOC_CLASSES
from shapebias.data.readers.voc_labelled import read_labelled
from shapebias.data.readers.voc_masks import load_mask
from shapebias.errors import UserError
from shapebias.files import locked
from shapebias.metrics.functional.segmentation import confusion_matrix, iou, miou_interval
from shapebias.results.comparison import read_comparison
from shapebias.results.results import Results
from shapebias.stats.seeds import seed_difference, seed_interval
from shapebias.tasks.cam.evaluate import pseudo_label
from shapebias.tasks.cam.pseudo_labels import label_image
from shapebias.tasks.cam.results import cam_results
from shapebias.tasks.cam.seed_ensemble import SeedEnsemble
from shapebias.tasks.sweep import Measured
from testkit.report_page import report
from testkit.voc_labels import FAST, SIZE, save_seeds, write_voc


@pytest.fixture
def voc(tmp_path: Path) -> Path:
    return write_voc(tmp_path / "voc")


def label(specs: list[Path], voc: Path, out: Path) -> list[Results]:
    return pseudo_label(load_seeded([str(spec) for spec in specs]), data=voc, out=out, settings=FAST)


def scored(voc: Path, masks: Path) -> torch.Tensor:
    """The matrices (n, 21, 21) of written masks, in the images' order."""
    images, found = read_labelled(voc, "train"), []
    for name, truth in zip(images.names, images.masks, strict=True):
        if truth is not None:
            pair = (torch.from_numpy(load_mask(path, SIZE)) for path in (truth, masks / f"{name}.png"))
            found.append(confusion_matrix(*pair, 21))
    return torch.stack(found)


@pytest.fixture
def watched(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The networks that images are labelled by, in order."""
    made: list[str] = []

    def labelled(maps: Any, *rest: Any) -> Any:
        made.append(maps.model.identity.name)
        return label_image(maps, *rest)

    monkeypatch.setattr("shapebias.tasks.cam.pseudo_labels.label_image", labelled)
    return made


def test_a_model_whose_masks_another_process_makes_is_refused(voc: Path, tmp_path: Path) -> None:
    spec, out = save_seeds(tmp_path / "transfer/mmsi", {0: 1}), tmp_path / "out"
    with locked(out / "mmsi", "cam"), pytest.raises(UserError, match="another process is at work on cam in"):
        label([spec], voc, out)


def test_the_figure_is_the_mean_over_seeds_with_students_interval(voc: Path, tmp_path: Path) -> None:
    spec, out = save_seeds(tmp_path / "transfer/mmsi", {10: 3, 2: 1, 1: 6}), tmp_path / "out"
    (results,) = label([spec], voc, out)
    entry, home = results.get("cam", "miou"), out / "mmsi"
    matrices = [scored(voc, home / f"seed-{seed}/masks") for seed in (1, 2, 10)]
    each = [iou(one.sum(0)) for one in matrices]
    values = [one.mean for one in each]
    assert len(set(values)) == 3 and entry.value == pytest.approx(sum(values) / 3) and entry.n == 4
    over_images = miou_interval(np.stack([one.numpy() for one in matrices]), seed=0)
    interval, said = seed_interval(values, over_images, "bootstrap over images")
    assert entry.ci95 == pytest.approx(interval)
    assert entry.details["interval"] == said
    rows = entry.details["seeds"]
    assert [row["seed"] for row in rows] == [1, 2, 10]
    assert [row["value"] for row in rows] == pytest.approx(values)
    assert [row["ci95"] for row in rows] == [miou_interval(one.numpy(), seed=0) for one in matrices]
    for number, name in enumerate(("background", *VOC_CLASSES)):
        there = [one.per_class[number] for one in each if not np.isnan(one.per_class[number])]
        expected = sum(there) / len(there) if there else None
        assert entry.details["per_class"][name] == pytest.approx(expected)
    assert entry.details["pixel_accuracy"] == pytest.approx(np.mean([one.pixel_accuracy for one in each]))
    saved = Results.load(home / "results.json")
    assert saved.model["name"] == "mmsi" and saved.get("cam", "miou").details["per_class"]["train"] is None
    digests = [row["weights_sha256"] for row in rows]
    assert saved.model["seeds"] == dict(zip(("1", "2", "10"), digests, strict=True))
    assert saved.model["weights_sha256"] not in digests and saved.model["spec"] == str(spec)
    assert not (home / "masks").exists() and (home / "pictures/cam.json").is_file()
    assert json.loads((home / "pictures/cam.json").read_text())["weights_sha256"] == digests[0]
    assert not list(home.glob("seed-*/pictures"))


def test_one_threshold_is_best_for_all_seeds_where_the_mean_curve_is_highest(voc: Path, tmp_path: Path) -> None:
    spec = save_seeds(tmp_path / "net", {0: 5, 1: 3})  # each best at a threshold of its own
    (both,) = label([spec], voc, tmp_path / "both")
    curves, values = [], {}
    for seed in (0, 1):
        (single,) = label([spec / f"seed-{seed}"], voc, tmp_path / f"single-{seed}")
        best = single.get("cam", "miou_best")
        curves.append([value for _, value in best.details["curve"]])
        values[seed] = dict(best.details["curve"])
    best, mean = both.get("cam", "miou_best"), np.mean(curves, axis=0)
    assert [value for _, value in best.details["curve"]] == pytest.approx(mean)
    threshold = best.details["threshold"]
    assert threshold == best.details["curve"][int(mean.argmax())][0] and best.value == pytest.approx(mean.max())
    assert [row["value"] for row in best.details["seeds"]] == pytest.approx([values[s][threshold] for s in (0, 1)])
    assert best.value < np.mean([max(curve) for curve in curves])
    over = "over seeds and images: Student's t over 2 seeds, bootstrap over images"
    assert best.details["interval"] == f"{over} at the threshold where that mean is highest"
    alone = seed_interval([values[s][threshold] for s in (0, 1)], (best.value, best.value), "")[0]  # images add nothing
    assert best.ci95[0] <= alone[0] and alone[1] <= best.ci95[1]


def test_a_single_one_is_as_before_and_one_seed_has_the_bootstrap(voc: Path, tmp_path: Path) -> None:
    spec, out = save_seeds(tmp_path / "net", {4: 0}), tmp_path / "out"
    alone, seed = label([spec / "seed-4", spec], voc, out)
    assert (alone.model["name"], seed.model["name"]) == ("seed-4", "net")
    assert (out / "seed-4/masks/a1.png").is_file() and (out / "net/seed-4/masks/a1.png").is_file()
    for metric in ("miou", "miou_best"):
        one, other = alone.get("cam", metric), seed.get("cam", metric)
        assert (one.value, one.ci95) == (other.value, other.ci95) and one.details["interval"].startswith("bootstrap")
        assert one.details["interval"] == other.details["interval"]
        assert "seeds" not in one.details and [row["seed"] for row in other.details["seeds"]] == [4]
    assert alone.model["weights_sha256"] == seed.model["weights_sha256"] and "seeds" not in alone.model


def test_seeds_that_agree_have_the_bootstrap_over_images(voc: Path, tmp_path: Path) -> None:
    (same,) = label([save_seeds(tmp_path / "net", {0: 5, 1: 5})], voc, tmp_path / "out")
    entry = same.get("cam", "miou")
    assert entry.ci95 == tuple(entry.details["seeds"][0]["ci95"])
    assert entry.details["interval"] == "bootstrap over images, as all 2 seeds give the same"


def test_without_masks_several_seeds_are_not_scored(voc: Path, tmp_path: Path, capsys: Any) -> None:
    networks = load_seeded([str(save_seeds(tmp_path / "net", {0: 0, 1: 1}))])
    (results,) = pseudo_label(networks, data=voc, out=tmp_path / "out", split="other", settings=FAST)
    entry = results.get("cam", "miou")
    assert np.isnan(entry.value) and entry.ci95 is None and entry.n == 0
    assert "not scored" in capsys.readouterr().err


def test_only_images_that_every_seed_was_scored_on_count(voc: Path, tmp_path: Path) -> None:
    spec, out = save_seeds(tmp_path / "net", {0: 0, 1: 1}), tmp_path / "out"
    label([spec], voc, out)
    (out / "net/seed-1/masks/a2.png").unlink()
    path = voc / "VOC2012/JPEGImages/a2.jpg"
    path.write_bytes(b"x" * path.stat().st_size)  # damaged since, of the same size
    (results,) = label([spec], voc, out)
    entry = results.get("cam", "miou")
    assert entry.n == 3 and len(entry.details["data"]["unreadable"]) == 1
    kept = [0, 2, 3]  # without a2
    first = scored(voc, out / "net/seed-0/masks")[kept]
    assert entry.details["seeds"][0]["value"] == pytest.approx(iou(first.sum(0)).mean)


def test_differences_are_of_the_means_and_resample_the_same_images(voc: Path, tmp_path: Path) -> None:
    specs = [save_seeds(tmp_path / "t/in", {0: 0, 1: 1}), save_seeds(tmp_path / "t/mmsi", {0: 2, 1: 3, 2: 4})]
    a, b = label(specs, voc, tmp_path / "out")
    (row,) = read_comparison(tmp_path / "out/comparison.json").differences
    assert (row.a, row.b, row.metric, row.n) == ("in", "mmsi", "miou", 4)
    assert row.value == pytest.approx(a.get("cam", "miou").value - b.get("cam", "miou").value)
    stacks = [
        [scored(voc, tmp_path / "out" / name / f"seed-{seed}/masks").numpy() for seed in range(count)]
        for name, count in (("in", 2), ("mmsi", 3))
    ]
    rng, drawn = np.random.default_rng(3), []
    for _ in range(2000):
        rows = rng.integers(0, 4, 4)
        one, other = (np.mean([iou(stack[rows].sum(0)).mean for stack in of]) for of in stacks)
        drawn.append(one - other)
    low, high = np.percentile(drawn, [2.5, 97.5]) - (np.mean(drawn) - row.value)
    values = [[iou(stack.sum(0)).mean for stack in of] for of in stacks]
    wanted = seed_difference(*values, (low, high))[0]
    assert row.ci95 == pytest.approx(wanted, abs=0.15 * (high - low)) and row.over == "seeds and images"


def test_what_was_made_stays_after_a_kill_and_when_seeds_are_added(
    voc: Path, tmp_path: Path, watched: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    spec, out = save_seeds(tmp_path / "net", {0: 0, 1: 1}), tmp_path / "out"

    def killed(*_: Any, **__: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(
            "shapebias.tasks.cam.evaluate.cam_results", lambda *_, **__: (_ for _ in ()).throw(KeyboardInterrupt)
        )
        with pytest.raises(KeyboardInterrupt):
            label([spec], voc, out)
    assert watched == ["net/seed-0"] * 5 + ["net/seed-1"] * 5 and not (out / "net/results.json").exists()
    (out / "net/seed-1/masks/a2.png").unlink()
    (first,) = label([spec], voc, out)
    assert watched[10:] == ["net/seed-1"]
    pictures = {path: path.stat().st_mtime_ns for path in (out / "net/pictures").iterdir()}
    (again,) = label([spec], voc, out)
    assert len(watched) == 11 and [e.value for e in again.results] == [e.value for e in first.results]
    save_seeds(tmp_path / "net", {2: 2})
    (more,) = label([spec], voc, out)
    assert watched[11:] == ["net/seed-2"] * 5
    assert [row["seed"] for row in more.get("cam", "miou").details["seeds"]] == [0, 1, 2] and len(more.results) == 2
    assert pictures == {path: path.stat().st_mtime_ns for path in (out / "net/pictures").iterdir()} and pictures
    other = save_seeds(tmp_path / "elsewhere/net", {0: 7, 1: 1})
    with pytest.raises(UserError, match="contains results of another model with that name"):
        label([other], voc, out)


def test_pictures_are_made_again_where_one_is_missing_or_the_first_seed_is_another(voc: Path, tmp_path: Path) -> None:
    spec, out = save_seeds(tmp_path / "net", {1: 1, 2: 2}), tmp_path / "out"
    label([spec], voc, out)
    folder = out / "net/pictures"
    heat = folder / "cam-a1-heat.png"
    before = heat.read_bytes()
    heat.unlink()
    label([spec], voc, out)
    assert heat.read_bytes() == before
    save_seeds(tmp_path / "net", {0: 3})
    label([spec], voc, out)
    assert heat.read_bytes() != before


def test_an_unfinished_seed_is_named_before_anything_is_made(voc: Path, tmp_path: Path, capsys: Any) -> None:
    spec, out = save_seeds(tmp_path / "net", {0: 0, 1: 1}), tmp_path / "out"
    (spec / "seed-1/model.safetensors").unlink()
    assert main(["cam", str(spec), "--data", str(voc), "--out", str(out)]) == 2
    said = capsys.readouterr().err.strip()
    assert f"{spec / 'seed-1'} is not finished" in said and "run the same 'shapebias transfer' again" in said
    assert "\n" not in said and not out.exists()


def test_a_seed_of_another_kind_or_without_the_classes_is_refused_by_name(voc: Path, tmp_path: Path) -> None:
    spec = save_seeds(tmp_path / "net", {0: 0})
    save_seeds(tmp_path / "net", {1: 1}, architecture="test_byobnet")
    with pytest.raises(UserError, match="net/seed-1 and net/seed-0 differ in architecture"):
        load_seeded([str(spec)])
    zebras = save_seeds(tmp_path / "zebras", {0: 0, 1: 1}, classes=[*VOC_CLASSES[1:], "zebra"])
    with pytest.raises(UserError, match="zebras/seed-0 lacks aeroplane and has zebra"):
        label([save_seeds(tmp_path / "good", {0: 0, 1: 1}), zebras], voc, tmp_path / "out")
    assert not list((tmp_path / "out").glob("*/*"))


def names(networks: list[SeedEnsemble]) -> list[tuple[str, list[str]]]:
    return [(one.name, [model.identity.name for model in one.models.values()]) for one in networks]


def test_networks_are_called_after_the_folder_above_their_task(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    task = save_seeds(tmp_path / "a/in", {0: 0})
    other, plain = save_seeds(tmp_path / "b/in", {0: 1}), save_seeds(tmp_path / "c/in", {0: 2}, task="mine")
    (plain / "seed-0/run.json").unlink()
    (plain / "seed-x").mkdir()
    (plain / "seed-7").touch()
    assert names(load_seeded([str(task)])) == [("in", ["in/seed-0"])]
    assert names(load_seeded([str(plain)])) == [("mine", ["mine/seed-0"])]
    found = names(load_seeded([str(task), str(other), str(task / "seed-0")]))
    assert found == [("a-in", ["a-in/seed-0"]), ("b-in", ["b-in/seed-0"]), ("seed-0", ["seed-0"])]
    monkeypatch.chdir(task)
    assert names(load_seeded(["."])) == [("in", ["in/seed-0"])]
    with pytest.raises(UserError, match="two models are called 'in'"):
        pseudo_label(load_seeded([".", str(task)]), data=tmp_path, out=tmp_path / "out")


def test_a_figure_needs_no_pixel(tmp_path: Path) -> None:
    runs = {seed: {"weights_sha256": str(seed)} for seed in (0, 1)}
    at, best = cam_results(Measured("net", {0: {}, 1: {}}, {}, runs), FAST, {}, seed=0)
    assert np.isnan(at.value) and np.isnan(best.value) and best.details["threshold"] == 0.15 and at.ci95 is None


def test_the_report_shows_curve_pictures_and_figures_of_several_seeds(voc: Path, tmp_path: Path) -> None:
    specs = [save_seeds(tmp_path / "t/in", {0: 0, 1: 1}), save_seeds(tmp_path / "t/mmsi", {0: 2, 1: 3, 2: 4})]
    results = label(specs, voc, tmp_path / "out")
    page, warnings = report(tmp_path / "out")
    source, numbers = page.section("transfer"), page.section("results")
    over = "4 images, interval over seeds and images"
    assert f"in: mean of 2 seeds, {over}; mmsi: mean of 3 seeds, {over}" in source
    assert len(re.findall(r'<polyline points="[^"]+" class="line model-\d"', source)) == 2
    label_ = page.classed("curve")[0]["aria-label"]
    for result in results:
        best = result.get("cam", "miou_best")
        assert f"{result.model['name']} best at {best.details['threshold']:g} with {100 * best.value:.1f}" in label_
    shown = [image["alt"] for image in page.named("img")]
    assert len(shown) == 3 * 6 and "Image a1, labels of in" in shown and "Image a3, labels of mmsi" in shown
    rows = re.findall(r'<th scope="row">([\w-]+)<small>(\w+)', numbers)
    assert rows == [("cam", "miou"), ("cam", "miou_best")]
    assert "Paired differences" in numbers and not [w for w in warnings if "picture" in w]
