"""The ablation from its command to its table: what it writes, going on, and what it refuses."""

from __future__ import annotations

import csv
import json
import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from scipy import stats

from shapebias.data import loaders as evaluation_module
from shapebias.data.readers.voc_multilabel import read_multilabel
from shapebias.errors import UserError
from shapebias.metrics.functional.average_precision import mean_average_precision
from shapebias.models.load import load_model
from shapebias.results.results import Results
from shapebias.stylize import load_styles, load_stylizer
from shapebias.stylize.folder import stylize_folder
from shapebias.stylize.settings import StylizeSettings
from shapebias.tasks.ablation.config import AblationConfig
from shapebias.tasks.ablation.run import ablate, find_voc12
from shapebias.tasks.classification.outputs import KINDS
from shapebias.train import samples as samples_module
from shapebias.train.settings import configure
from testkit.commands import run_command
from testkit.devkit import write_devkit
from testkit.runs import same, weights
from testkit.stopped_runs import forbid_images, signal_at_step

ROWS = ["baseline", "mmsi-style"]
RATES = (0.05, 0.02)


def config(voc, out, **values):
    given = {
        "model": "test_resnet",
        "size": 32,
        "batch_size": 4,
        "epochs": 3,
        "select_epochs": 2,
        "device": "cpu",
        **values,
    }
    return configure(AblationConfig, data=voc, out=out, **given)


def read(path):
    return json.loads(path.read_text())


@pytest.fixture(scope="module")
def voc(tmp_path_factory) -> Path:
    return write_devkit(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module")
def done(voc, tmp_path_factory) -> Path:
    """Two rows with two seeds, each row with the better of two rates."""
    out = tmp_path_factory.mktemp("ablation") / "out"
    ablate(config(voc, out), ROWS, (0, 1), rates=RATES)
    return out


def copy_of(done, tmp_path) -> Path:
    return Path(shutil.copytree(done, tmp_path / "again"))


def scored(run, images, names):
    """The mean AP of a run's network on some of ``images``, from its file alone."""
    model, logits = load_model(str(run)), []
    rows = [row for row, name in enumerate(images.names) if name in names]
    for row in rows:
        with Image.open(images.paths[row]) as image:
            logits.append(model(model.preprocessing(image.convert("RGB"))[None]).detach()[0].numpy())
    return mean_average_precision(np.stack(logits), images.targets[rows] == 1, images.targets[rows] >= 0, "ap").value


def log(run) -> list[dict[str, str]]:
    with (run / "metrics.csv").open() as file:
        return list(csv.DictReader(file))


def test_a_rows_figure_is_the_mean_of_its_networks_over_seeds_and_images(done, voc):
    for row in ROWS:
        entry = Results.load(done / row / "results.json").get("ablation-voc12", "map", kind="ap")
        val = read_multilabel(voc, 2012, "val")
        values = [scored(done / row / f"seed-{seed}", val, val.names) for seed in (0, 1)]
        assert [row["value"] for row in entry.details["seeds"]] == pytest.approx(values, abs=1e-6)
        assert entry.value == pytest.approx(np.mean(values), abs=1e-6)
        assert values[0] != values[1]
        half = stats.t.ppf(0.975, 1) * stats.sem(values)
        assert entry.ci95[0] <= max(0, entry.value - half) + 1e-5 and entry.ci95[1] >= min(1, entry.value + half) - 1e-5
        assert entry.details["interval"].startswith("over seeds and images")
        assert (entry.n, entry.details["absent_classes"]) == (6, 16)


def test_the_files_say_what_was_done(done):
    kinds = [entry["condition"]["kind"] for entry in read(done / "mmsi-style" / "results.json")["results"]]
    assert kinds == ["ap", "ap_voc2010", "ap_voc2007"]
    seen = {row: read(done / row / "seed-0" / "run.json") for row in ROWS}
    assert [run["images_seen"] for run in seen.values()] == [3 * 8, 8 * 3]
    assert [run["config"]["epochs"] for run in seen.values()] == [3, 1]
    assert seen["mmsi-style"]["config"]["stages"] == ["layer4"]
    assert len({run["initial_weights_sha256"] for run in seen.values()}) == 1
    (row,) = log(done / "mmsi-style" / "seed-0")
    assert {"natural", "stylized", "mmsi", "rho", "spread"} <= row.keys()
    run = seen["baseline"]
    assert (run["task"], run["data"]["images"]) == ("ablation-voc12", 8) and not run["inputs"]


def test_each_row_takes_the_rate_that_is_best_on_held_out_training_images(done, voc):
    fit, held_out = find_voc12(voc).held_out(0)
    names = {path.stem for path in held_out.paths}
    assert {path.stem for path in fit.paths} == set(read_multilabel(voc, 2012, "train").names) - names
    for row in ROWS:
        orders = {}
        for rate in RATES:
            trial = done / row / "select" / f"lr-{rate}"
            *_, last = log(trial)
            assert float(last["held_out"]) == pytest.approx(
                scored(trial, read_multilabel(voc, 2012, "train"), names), abs=1e-5
            )
            run = read(trial / "run.json")
            assert run["data"]["fingerprint"] == fit.fingerprint and len(log(trial)) == 2
            assert (run["lr"], run["inputs"]["held_out"]) == (rate, held_out.fingerprint)
            orders[rate] = float(last["held_out"]), -float(last["held_out_loss"])
        details = Results.load(done / row / "results.json").get("ablation-voc12", "map", kind="ap").details
        assert details["lr"] == max(orders, key=lambda rate: orders[rate])
        found = {rate: (tried["map"], -tried["loss"]) for rate, tried in details["selection"].items()}
        assert found == {f"{rate:g}": pytest.approx(order, rel=1e-4) for rate, order in orders.items()}
        assert details["split"] == {"fit": len(fit), "held_out": len(held_out), "train": 8, "test": 6}
        runs = [read(done / row / f"seed-{seed}" / "run.json") for seed in (0, 1)]
        assert {(run["lr"], run["data"]["images"]) for run in runs} == {(details["lr"], 8)}
        assert not {"held_out", "held_out_loss", "val_map"} & log(done / row / "seed-0")[0].keys()


def test_no_test_image_is_looked_at_before_a_row_is_trained(voc, tmp_path, monkeypatch):
    seen, load_rgb = [], samples_module.load_rgb
    test = set(read_multilabel(voc, 2012, "val").paths)

    def noted(path):
        seen.append(path)
        return load_rgb(path)

    for module in (samples_module, evaluation_module):
        monkeypatch.setattr(module, "load_rgb", noted)
    ablate(config(voc, tmp_path / "out", epochs=1), ["baseline"], rates=RATES)
    first = next(place for place, path in enumerate(seen) if path in test)
    assert sorted(seen[first:]) == sorted(test) and len(seen) > 3 * 8 and not set(seen[:first]) & test


def test_a_rate_that_diverges_is_left_out(voc, tmp_path, capsys):
    settings = config(voc, tmp_path / "out", model="test_vit", epochs=6, select_epochs=6)
    (found,) = ablate(settings, ["baseline"], rates=(1000.0, 0.001))
    details = found.get("ablation-voc12", "map", kind="ap").details
    assert details["lr"] == 0.001 and np.isnan(details["selection"]["1000"]["map"])
    assert "--lr 1000 is too high for baseline: skipped" in capsys.readouterr().err
    assert read(tmp_path / "out/baseline/results.json")["results"][0]["details"]["selection"]["1000"]["map"] is None


def test_the_difference_is_over_the_same_images(done):
    comparison = read(done / "comparison.json")
    row, *others = comparison["paired"]
    assert [other["condition"] for other in (row, *others)] == [{"kind": kind} for kind in KINDS]
    found = [Results.load(done / name / "results.json").get("ablation-voc12", "map", kind="ap") for name in ROWS]
    assert (row["a"], row["b"], row["n"]) == (*ROWS, 6)
    assert row["difference"] == pytest.approx(float(found[0].value or 0) - float(found[1].value or 0))
    assert row["ci95"][0] <= row["difference"] <= row["ci95"][1]


def test_the_table_has_a_line_per_row(done):
    lines = (done / "table.md").read_text().splitlines()
    table = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines if line.startswith("|")]
    lr = [f"{Results.load(done / row / 'results.json').results[0].details['lr']:g}" for row in ROWS]
    assert table[0][:8] == ["row", "λ_m", "λ_s", "stages", "lr", "epochs", "images seen", "seeds"]
    assert table[2][:8] == ["baseline", "-", "-", "-", lr[0], "3", "24", "2"]
    assert table[3][:8] == ["mmsi-style", "0.8", "0.1", "layer4", lr[1], "1", "24", "2"]
    assert "each row with the learning rate (lr) of 0.05, 0.02 that was best on" in (done / "table.md").read_text()
    assert all(len(line) == len(table[0]) for line in table)


def test_what_is_finished_is_not_done_again_and_rows_can_be_added(done, voc, tmp_path, monkeypatch):
    out = copy_of(done, tmp_path)
    before = read(out / "mmsi-style" / "results.json")["results"], read(out / "comparison.json")["paired"]
    forbid_images(monkeypatch)
    ablate(config(voc, out), ROWS, (0, 1), rates=RATES[::-1])
    assert (read(out / "mmsi-style" / "results.json")["results"], read(out / "comparison.json")["paired"]) == before
    monkeypatch.undo()
    (result,) = ablate(config(voc, out), ["mmsi"], (0, 1), rates=RATES)
    assert result.model["name"] == "mmsi"
    assert [line.split()[1] for line in (out / "table.md").read_text().splitlines() if line.startswith("| ")] == [
        *("row", "---", "baseline", "mmsi", "mmsi-style")
    ]
    assert read(out / "comparison.json")["paired"] == before[1]


def test_a_difference_goes_when_a_row_is_of_other_seeds(done, voc, tmp_path):
    out = copy_of(done, tmp_path)
    assert len(read(out / "comparison.json")["paired"]) == 3  # the kinds of mean AP
    ablate(config(voc, out), ROWS[1:], (0,), rates=RATES)
    assert read(out / "comparison.json")["paired"] == []
    last = next(line for line in (out / "table.md").read_text().splitlines() if line.startswith(f"| {ROWS[1]} "))
    assert last.split("|")[-2].strip() == "-"


def test_answers_that_are_damaged_or_of_other_weights_are_made_again(done, voc, tmp_path):
    out = copy_of(done, tmp_path)
    before = read(out / "baseline" / "results.json")["results"]
    folders = [out / "baseline" / f"seed-{seed}" / "test" for seed in (0, 1)]
    shutil.rmtree(folders[0])
    shutil.copytree(folders[1], folders[0])
    (damaged,) = folders[1].glob("*.npz")
    damaged.write_bytes(b"")
    ablate(config(voc, out), ["baseline"], (0, 1), rates=RATES)
    assert read(out / "baseline" / "results.json")["results"] == before


def test_an_ablation_that_is_stopped_goes_on_as_if_it_had_not_been(done, voc, tmp_path, monkeypatch):
    out = tmp_path / "out"
    steps = signal_at_step(
        monkeypatch, 13
    )  # 2 steps of each rate and 6 of the baseline, 2 of the first rate with views
    with pytest.raises(SystemExit) as ended:
        ablate(config(voc, out), ROWS, rates=RATES)
    assert ended.value.code == 143
    assert (out / "baseline" / "results.json").is_file()
    assert not (out / "mmsi-style" / "results.json").exists()
    ablate(config(voc, out), ROWS, rates=RATES)
    assert len(steps) == 16
    assert all(same(weights(out / row / "seed-0"), weights(done / row / "seed-0")) for row in ROWS)


def test_ready_copies_serve_as_views_and_those_of_other_images_are_refused(voc, tmp_path):
    stylizer, digest = load_stylizer("small")
    bank = load_styles(None, stylizer, digest)
    images = voc / "VOCdevkit" / "VOC2012" / "JPEGImages"
    settings = StylizeSettings(per_image=2)
    stylize_folder(images, tmp_path / "copies", stylizer, bank, settings)
    (found,) = ablate(config(voc, tmp_path / "out", stylized=tmp_path / "copies", epochs=1), ["style"], rates=RATES)
    assert found.get("ablation-voc12", "map", kind="ap").details["lambda_m"] == 0
    other = write_devkit(tmp_path / "other", train=4)
    with pytest.raises(UserError, match=r"holds no copies of the images in .*JPEGImages"):
        ablate(config(other, tmp_path / "no", stylized=tmp_path / "copies"), ["style"], rates=(0.05,))
    assert not (tmp_path / "no").exists()


def test_an_unreadable_image_is_left_out_of_the_figure_and_named(tmp_path, capsys):
    voc = write_devkit(tmp_path / "voc")
    bad = voc / "VOCdevkit/VOC2012/JPEGImages/2012_000101.jpg"
    bad.write_bytes(b"no picture")
    (found,) = ablate(config(voc, tmp_path / "out", epochs=1), ["baseline"], rates=(0.05,))
    entry = found.get("ablation-voc12", "map", kind="ap")
    assert (entry.n, len(entry.details["data"]["unreadable"])) == (5, 1)
    assert "selection" not in entry.details and not (tmp_path / "out/baseline/select").exists()
    assert "learning rate 0.05 for every row" in (tmp_path / "out/table.md").read_text()
    assert entry.details["interval"] == "bootstrap over test images"
    assert "2012_000101" in capsys.readouterr().err
    with pytest.raises(UserError, match=r"unreadable image .*2012_000101"):
        ablate(config(voc, tmp_path / "strict", epochs=1, strict=True), ["baseline"])


def test_another_setting_in_the_same_folder_is_refused(done, voc):
    with pytest.raises(UserError, match=r"holds another ablation \(lr: \[0.05, 0.02\] there, \[0.05\] now\)"):
        ablate(config(voc, done), ["mmsi"], rates=(0.05,))
    with pytest.raises(UserError, match=r"holds another ablation \(split_seed: 0 there, 1 now\)"):
        ablate(config(voc, done, split_seed=1), ROWS, rates=RATES)


def test_data_that_are_not_voc_are_refused(images, tmp_path):
    with pytest.raises(UserError, match="no VOC2012 in"):
        ablate(config(images, tmp_path / "out"), ROWS)
    assert not (tmp_path / "out").exists()


def typed(*arguments):
    run_command("ablation", "--model=test_resnet", "--size=32", "--device=cpu", *arguments)


def test_a_stage_that_does_not_exist_is_refused_with_those_that_do(voc, tmp_path):
    with pytest.raises(UserError, match=r"has no stage 'layer9': it has .*layer3, layer4"):
        ablate(config(voc, tmp_path / "out", stages=("layer9",)), ROWS)


def test_as_it_is_typed(voc, tmp_path, capsys):
    out = tmp_path / "out"
    places = (f"--data={voc}", f"--out={out}")
    typed(*places, "--rows=mmsi", "--seeds=3", "--stages=layer2", "--epochs=1", "--batch-size=4", "--lr=0.05,0.01")
    assert f"wrote {out}/table.md" in capsys.readouterr().err
    assert read(out / "mmsi" / "seed-3" / "config.json")["stages"] == ["layer2"]
    assert sorted(path.name for path in (out / "mmsi" / "select").iterdir()) == ["lr-0.01", "lr-0.05"]
    with pytest.raises(UserError, match="--lr takes numbers separated by commas"):
        typed(*places, "--lr=fast")
    with pytest.raises(UserError, match="--seeds takes whole numbers"):
        typed(*places, "--seeds=1,x")
    with pytest.raises(UserError, match="unknown row 'msi': did you mean 'mmsi'"):
        typed(*places, "--rows=msi")
