"""Transfer from end to end: choosing, repeating, going on, frozen networks, and the figures."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from shapebias.data.image_set import ImageSet
from shapebias.errors import UserError
from shapebias.files import locked
from shapebias.metrics.functional.average_precision import mean_ap_draws, mean_average_precision
from shapebias.models.build import build_classifier
from shapebias.models.classifier import Classifier, Identity
from shapebias.models.predict import Predictions
from shapebias.models.state_dict import weights_sha256
from shapebias.results.comparison import read_comparison
from shapebias.results.results import Results
from shapebias.stats.bootstrap import percentile_interval
from shapebias.stats.intervals import wilson
from shapebias.stats.seeds import seed_difference, seed_interval
from shapebias.tasks.classification import task as task_module
from shapebias.tasks.classification.config import TransferConfig
from shapebias.tasks.classification.finetune import init_model
from shapebias.tasks.classification.outputs import features_of
from shapebias.tasks.classification.results import differences, task_results
from shapebias.tasks.classification.run import transfer
from shapebias.tasks.classification.task import Task, find_task
from shapebias.tasks.sweep import Measured
from shapebias.train.settings import configure
from testkit.images import class_folder
from testkit.runs import same, weights
from testkit.stopped_runs import die_at_step, forbid_images

CLASSES = ("ant", "bee", "cow")


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data") / "things"
    class_folder(root / "train", CLASSES, 5)
    class_folder(root / "test", CLASSES, 4)
    return root


def network(name: str = "one", architecture: str = "test_resnet", seed: int = 0) -> Classifier:
    torch.manual_seed(seed)
    identity = Identity(name, f"timm:{architecture}", architecture, ("x", "y"))
    model = build_classifier(architecture, identity, size=32).eval()
    model.identity = replace(identity, weights_sha256=weights_sha256(model.network))
    return model


def config(data: Path, out: Path, **values) -> TransferConfig:
    settings = {"task": "folder", "epochs": 2, "batch_size": 4, "select_epochs": 1, "device": "cpu"}
    return configure(TransferConfig, data=data, out=out, **{**settings, **values})


def several(data: Path, seed: int = 0) -> Task:
    """The images of ``data`` with any number of classes each."""
    rng = np.random.default_rng(seed)
    task = find_task("folder", data)

    def part(of: ImageSet) -> ImageSet:
        targets = rng.integers(-1, 2, (len(of), 4)).astype(np.int8)
        targets[np.arange(len(of)), np.arange(len(of)) % 4] = 1
        return replace(of, targets=targets, classes=("p", "q", "r", "s"))

    return replace(task, train=part(task.train), test=part(task.test))


@pytest.fixture(scope="module")
def finetuned(data, one_thread, tmp_path_factory):
    out = tmp_path_factory.mktemp("out")
    return out, transfer([network()], config(data, out), seeds=(0, 1), rates=(0.01, 0.1))


def test_finetuning_chooses_on_training_images_alone(data, finetuned):
    out, (results,) = finetuned
    task = find_task("folder", data)
    fit, held_out = task.held_out(0)
    assert not {*fit.paths, *held_out.paths} & set(task.test.paths)
    for rate in ("0.01", "0.1"):
        run = json.loads((out / "one" / "things" / "select" / f"lr-{rate}" / "run.json").read_text())
        assert run["data"]["fingerprint"] == fit.fingerprint and run["data"]["images"] == len(fit)
        assert run["inputs"]["held_out"] == held_out.fingerprint
    details = results.get("transfer-things", "top1").details
    best = max(details["selection"].items(), key=lambda item: (item[1]["top1"], -item[1]["loss"]))[0]
    assert f"{details['lr']:g}" == best
    for seed in (0, 1):
        run = json.loads((out / "one" / "things" / f"seed-{seed}" / "run.json").read_text())
        assert (run["data"]["images"], run["lr"], run["seed"]) == (len(task.train), details["lr"], seed)
        assert "held_out" not in run["inputs"] and run["classes"] == list(CLASSES)
    assert details["split"] == {"fit": 12, "held_out": 3, "train": 15, "test": 12}


def test_the_figure_is_the_mean_over_seeds(finetuned):
    out, (results,) = finetuned
    entry = results.get("transfer-things", "top1", method="finetune")
    values = [row["value"] for row in entry.details["seeds"]]
    assert [row["seed"] for row in entry.details["seeds"]] == [0, 1]
    assert entry.value == pytest.approx(np.mean(values)) and entry.n == 12
    over_seeds = "over seeds and images: Student's t over 2 seeds, Wilson's over test images"
    same = "Wilson's over test images, as all 2 seeds give the same"
    assert entry.details["interval"] == (over_seeds if values[0] != values[1] else same)
    over_images = [row["ci95"] for row in entry.details["seeds"]]
    assert all(entry.ci95[1] - entry.ci95[0] >= 0.6 * (high - low) for low, high in over_images)
    assert Results.load(out / "one" / "results.json").get("transfer-things", "top1").value == entry.value


def test_what_is_finished_is_not_done_again(data, finetuned, monkeypatch):
    out, (before,) = finetuned
    forbid_images(monkeypatch)
    (after,) = transfer([network()], config(data, out), seeds=(0, 1), rates=(0.01, 0.1))
    assert after.results == before.results


def test_a_killed_command_goes_on_to_the_same_weights(data, finetuned, tmp_path, monkeypatch):
    done, _ = finetuned
    die_at_step(monkeypatch, 11)  # 3 steps of each rate, then 6 of the first seed
    with pytest.raises(KeyboardInterrupt):
        transfer([network()], config(data, tmp_path), seeds=(0, 1), rates=(0.01, 0.1))
    assert not (tmp_path / "one" / "results.json").exists()
    transfer([network()], config(data, tmp_path), seeds=(0, 1), rates=(0.01, 0.1))
    for seed in ("seed-0", "seed-1"):
        one, other = (weights(out / "one" / "things" / seed) for out in (done, tmp_path))
        assert same(one, other)


def test_other_settings_in_the_same_folder_are_refused(data, finetuned):
    out, _ = finetuned
    with pytest.raises(UserError, match=r"holds another run .*epochs"):
        transfer([network()], config(data, out, epochs=3), seeds=(0,), rates=(0.01,))
    with pytest.raises(UserError, match="results of another model with that name"):
        transfer([network(seed=1)], config(data, out), seeds=(0,), rates=(0.01,))


@pytest.mark.parametrize("method", ["finetune", "knn"])
def test_a_model_that_another_process_transfers_is_refused(data, tmp_path, method):
    with locked(tmp_path / "one" / "things"), pytest.raises(UserError, match="another process is at work in"):
        transfer([network()], config(data, tmp_path), method=method, rates=[0.01])


def test_a_new_head_depends_on_the_seed_and_all_else_is_the_source(data, tmp_path):
    source, task = network(), find_task("folder", data)
    one, again, other = (init_model(config(data, tmp_path, seed=seed), source, task) for seed in (0, 0, 1))
    states = [model.network.state_dict() for model in (one, again, other)]
    assert all(torch.equal(states[0][key], states[1][key]) for key in states[0])
    differing = {key for key in states[0] if not torch.equal(states[0][key], states[2][key])}
    assert differing == {"fc.weight", "fc.bias"}
    given = source.network.state_dict()
    assert all(torch.equal(given[key], states[2][key]) for key in given if not key.startswith("fc."))


@pytest.mark.parametrize("method", ["linear", "knn"])
def test_read_outs_leave_the_network_as_it_was(data, tmp_path, method):
    model = network()
    model.train()
    before = {key: value.clone() for key, value in model.network.state_dict().items()}
    (results,) = transfer([model], config(data, tmp_path), method=method)
    after = model.network.state_dict()
    assert all(torch.equal(before[key], after[key]) for key in before)  # running statistics too
    assert all(module.training for module in model.modules())
    assert model.preprocessing.size == 32
    entry = results.get("transfer-things", "top1", method=method)
    assert "seeds" not in entry.details and entry.value is not None
    assert entry.ci95 == wilson(round(entry.value * 12), 12)


def test_features_are_the_classifying_layers_input(data, tmp_path):
    model, part = network(), find_task("folder", data).test
    found = features_of(model, part, config(data, tmp_path).loop)
    layer = model.network.get_submodule("fc")
    images = torch.stack([model.preprocessing(finetune_image(path)) for path in part.paths])
    with torch.inference_mode():
        np.testing.assert_allclose(layer(torch.from_numpy(found.values)), model(images), atol=1e-5)


def finetune_image(path: Path):
    from shapebias.data.decode import load_rgb

    return load_rgb(path)


@pytest.mark.parametrize("method", ["finetune", "linear", "knn"])
def test_several_classes_per_image_give_three_kinds_of_mean_ap_and_differences(data, tmp_path, monkeypatch, method):
    monkeypatch.setitem(task_module.TASKS, "voc12", lambda *_: replace(several(data), name="voc12"))
    networks = [network("one"), network("two", seed=1)]
    settings = config(data, tmp_path, task="voc12", epochs=1)
    results = transfer(networks, settings, method=method, rates=(0.01,))
    found = [entry for entry in results[0].results if entry.evaluator == "transfer-voc12"]
    assert [entry.condition["kind"] for entry in found] == ["ap", "ap_voc2010", "ap_voc2007"]
    assert all(entry.metric == "map" and entry.ci95 is not None for entry in found)
    rows = read_comparison(tmp_path / "comparison.json").differences
    assert [row.condition["kind"] for row in rows] == ["ap", "ap_voc2010", "ap_voc2007"]
    other = results[1].get("transfer-voc12", "map", kind="ap", method=method)
    assert found[0].value is not None and other.value is not None
    assert rows[0].value == pytest.approx(found[0].value - other.value)
    assert rows[0].ci95[0] <= rows[0].value <= rows[0].ci95[1]


def test_figures_of_hand_made_answers(data):
    task = several(data)
    rng = np.random.default_rng(3)
    rows = np.arange(len(task.test))
    answers = {str(seed): Predictions(rows, rng.normal(size=(12, 4))) for seed in range(3)}
    measured = Measured("one", answers, {"lr": 0.1})
    found = task_results(task, "finetune", measured, seed=0)[0]
    truth = task.test.targets
    each = [mean_average_precision(a.values, truth == 1, truth >= 0, "ap").value for a in answers.values()]
    draws = [mean_ap_draws(a.values, truth == 1, truth >= 0, "ap", seed=0) for a in answers.values()]
    over_images = percentile_interval(np.mean(draws, axis=0), bias_corrected_for=found.value, bounds=(0.0, 1.0))
    assert found.value == pytest.approx(np.mean(each))
    assert found.ci95 == pytest.approx(seed_interval(each, over_images, "")[0])
    assert found.details["absent_classes"] == 0 and found.details["lr"] == 0.1
    (row,) = differences(task, "finetune", [measured, replace(measured, name="same")], seed=0)[:1]
    half = seed_difference(each, each, (0.0, 0.0))[0][1]  # the images add nothing, other seeds do
    assert row.value == 0 and row.ci95 == pytest.approx((-half, half)) and (row.n, row.p) == (12, 1.0)
    first = replace(measured, outputs={"0": answers["0"]})
    (row,) = differences(task, "finetune", [first, replace(first, name="same")], seed=0)[:1]
    assert row.ci95 == (0.0, 0.0) and row.over == "images"


def test_differences_are_over_the_images_that_both_answered(data):
    task = find_task("folder", data)
    right = np.eye(3)[task.test.targets]
    one = Measured("one", {"": Predictions(np.arange(12), right)}, {})
    other = Measured("two", {"": Predictions(np.arange(2, 12), np.roll(right[2:], 1, axis=1))}, {})
    (row,) = differences(task, "knn", [one, other], seed=0)
    assert (row.value, row.n, row.a, row.b) == (1.0, 10, "one", "two")


def test_seeds_that_agree_leave_the_interval_to_the_images(data):
    task = find_task("folder", data)
    answers = Predictions(np.arange(12), np.eye(3)[np.zeros(12, dtype=int)])
    (entry,) = task_results(task, "finetune", Measured("one", {"0": answers, "1": answers}, {}), seed=0)
    assert entry.ci95 == pytest.approx(wilson(4, 12)) and "all 2 seeds give the same" in entry.details["interval"]


def test_an_unreadable_test_image_is_left_out_and_named_or_refused(data, tmp_path, capsys):
    root = tmp_path / "broken"
    class_folder(root / "train", CLASSES, 4)
    class_folder(root / "val", CLASSES, 3)
    (root / "val" / "bee" / "1.png").write_bytes(b"nothing")
    (results,) = transfer([network()], config(root, tmp_path / "out"), method="knn")
    entry = results.get("transfer-broken", "top1")
    assert entry.n == 8 and len(entry.details["data"]["unreadable"]) == 1
    assert "skipped unreadable image" in capsys.readouterr().err
    with pytest.raises(UserError, match="unreadable image"):
        transfer([network()], config(root, tmp_path / "out", strict=True), method="knn")


def test_a_rate_that_diverges_is_left_out(data, tmp_path, capsys):
    given = {"epochs": 6, "select_epochs": 6}
    (results,) = transfer([network(architecture="test_vit")], config(data, tmp_path, **given), rates=(1000.0, 0.001))
    details = results.get("transfer-things", "top1").details
    assert details["lr"] == 0.001 and np.isnan(details["selection"]["1000"]["top1"])
    assert "--lr 1000 is too high" in capsys.readouterr().err
    assert json.loads((tmp_path / "one" / "results.json").read_text())  # without NaN


@pytest.mark.parametrize(
    ("values", "options", "message"),
    [
        ({}, {"seeds": ()}, "--seeds is empty"),
        ({}, {"seeds": (1, 1)}, "--seeds names a number twice"),
        ({}, {"seeds": (-1,)}, "--seed must lie between 0"),
        ({}, {"rates": ()}, "--lr is empty"),
        ({}, {"rates": (0.0, 0.1)}, "--lr must be above 0"),
        ({}, {"rates": (-0.1,)}, "--lr must lie between 0"),
        ({}, {"method": "liner"}, "unknown method 'liner': did you mean 'linear'"),
        ({"devices": 2}, {"method": "knn"}, "--method knn runs on one device"),
        ({"batch_size": 5, "grad_accum_steps": 2}, {}, "is not divisible by"),
        ({"crop": 2.0}, {}, "--crop must lie between"),
        ({"nesterov": True, "momentum": 0.0}, {}, "--nesterov needs"),
        ({"task": "imagenet"}, {}, "unknown task 'imagenet'"),
    ],
)
def test_settings_that_cannot_be_are_refused(data, tmp_path, values, options, message):
    with pytest.raises(UserError, match=message) as raised:
        transfer([network()], config(data, tmp_path / "out", **values), **options)
    assert "\n" not in str(raised.value)


def test_a_size_that_the_network_does_not_take_is_refused(data, tmp_path):
    with pytest.raises(UserError, match="test_vit does not take images of --size 17"):
        transfer([network(architecture="test_vit")], config(data, tmp_path, size=17), method="knn")
