"""Measuring from end to end: accuracy, several networks, what is made once, and what is left as it was."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

import shapebias.evaluators.stylized as stylized
from shapebias.cli.main import main
from shapebias.errors import UserError
from shapebias.evaluators import Results, evaluate
from shapebias.evaluators.accuracy import Accuracy
from shapebias.evaluators.names import check_evaluators
from shapebias.evaluators.run import evaluate_all
from shapebias.libraries import timm
from shapebias.models import wrap
from shapebias.stats.intervals import wilson
from shapebias.stylize.folder import stylize_folder
from shapebias.stylize.settings import StylizeSettings
from testkit.fixed_networks import COLOURS, ByColour, by_colour, killed_at_second_run
from testkit.images import class_folder, noise_image


def test_accuracy_of_a_plain_module(colours):
    network = wrap(ByColour(), name="mine", classes=COLOURS)
    top1 = evaluate(network, evaluators=["accuracy"], data=colours, device="cpu").get("accuracy", "top1")
    assert (top1.value, top1.n) == (11 / 12, 12)
    assert top1.ci95 == wilson(11, 12)
    assert top1.details["per_category"]["green"] == {"n": 4, "value": 0.75}
    assert top1.details["data"]["images"] == 12


def test_without_a_device_the_best_there_is_is_taken_and_recorded(colours):
    found = evaluate(by_colour("net"), evaluators=["accuracy"], data=str(colours), device=None)
    device = "cuda" if torch.cuda.is_available() else "cpu"
    assert found.environment["device"] == (torch.cuda.get_device_name() if device == "cuda" else "cpu")
    assert found.get("accuracy", "top1").value == 11 / 12


@pytest.mark.parametrize("device", ["gpu", "cuda:99", "cpu:x", "meta"])
def test_devices_that_are_not_here_are_refused(colours, device):
    with pytest.raises(UserError, match=device):
        evaluate(by_colour("net"), evaluators=["accuracy"], data=colours, device=device)


def test_measuring_leaves_the_network_as_it_was(colours):
    module = ByColour()
    before = {name: value.clone() for name, value in module.state_dict().items()}
    twice = [evaluate(wrap(module, classes=COLOURS), evaluators=["accuracy"], data=colours) for _ in range(2)]
    assert twice[0].to_json()["results"] == twice[1].to_json()["results"]
    assert all(torch.equal(value, before[name]) for name, value in module.state_dict().items())
    assert not any(m._forward_hooks or m._forward_pre_hooks for m in module.modules())


def one_conflict(root):
    noise_image(root / "cat" / "cat1-dog1.png", 0)
    return root


def test_training_modes_are_put_back(tmp_path):
    class Thousand(nn.Module):
        def __init__(self):
            super().__init__()
            self.frozen, self.head, self.modes = nn.BatchNorm2d(3), nn.Linear(3, 1000), []

        def forward(self, images):
            self.modes.append((self.training, self.frozen.training))
            return self.head(self.frozen(images).mean((2, 3)))

    network = Thousand().train()
    network.frozen.eval()
    evaluate(network, evaluators=["shape-bias"], data=one_conflict(tmp_path / "c"), device="cpu")
    assert set(network.modes) == {(False, False)}
    assert network.training
    assert not network.frozen.training
    assert network.head.training


def test_a_timm_network_keeps_its_own_habits(colours):
    torch.manual_seed(0)
    network = timm.create_model("test_resnet", num_classes=3)
    found = evaluate(wrap(network, name="tiny", classes=COLOURS), evaluators=["accuracy"], data=colours, device="cpu")
    config = network.pretrained_cfg
    assert found.model["input_size"] == config["input_size"][-1]
    assert found.model["preprocessing"]["interpolation"] == config["interpolation"]
    assert found.model["mean"] == [round(v, 4) for v in config["mean"]]
    assert found.model["parameters"] == sum(p.numel() for p in network.parameters())
    assert len(found.model["weights_sha256"]) == 64
    assert found.get("accuracy", "top1").n == 12


def test_top5_only_with_more_than_five_classes(tmp_path):
    for count, metrics in ((5, ["top1"]), (6, ["top1", "top5"])):
        names = tuple("abcdef"[:count])
        data = class_folder(tmp_path / str(count), names, per_class=1)
        network = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, count))
        network[2].weight.data.zero_()
        network[2].bias.data = torch.arange(count, 0, -1).float()  # always a, then b, ...
        found = evaluate(wrap(network, classes=names), evaluators=["accuracy"], data=data)
        assert [entry.metric for entry in found.results] == metrics
        assert found.get("accuracy", "top1").value == pytest.approx(1 / count)
    assert found.get("accuracy", "top5").value == pytest.approx(5 / 6)


@pytest.mark.parametrize(
    ("classes", "message"),
    [
        (None, "are not known"),
        (("blue", "green", "yellow"), "different classes: the network has no red"),
        ((*COLOURS, "yellow"), "3 outputs but 4 class names"),
    ],
)
def test_classes_that_do_not_fit_are_refused(colours, classes, message):
    with pytest.raises(UserError, match=message):
        evaluate(by_colour("net", classes=classes), evaluators=["accuracy"], data=colours)


def test_outputs_follow_their_names_not_the_folders_order(colours):
    reordered = wrap(ByColour(turn=1), classes=("red", "blue", "green"))
    assert evaluate(reordered, evaluators=["accuracy"], data=colours).get("accuracy", "top1").value == 11 / 12


def test_several_networks_are_compared_on_the_same_copies(colours, tmp_path, monkeypatch, capsys):
    (colours / "red" / "3.png").write_bytes(b"")
    made = []
    monkeypatch.setattr(
        stylized, "stylize_folder", lambda *args, **options: made.append(args[1]) or stylize_folder(*args, **options)
    )
    networks = [by_colour("right"), by_colour("wrong", turn=1), by_colour("same")]
    out = tmp_path / "out"
    found = evaluate_all(
        networks, evaluators=["accuracy", "stylized", "dimensionality"], data={"": colours}, out=out
    ).results
    assert len(made) == 2  # one set of stylized copies and one grid for all three
    assert [result.model["name"] for result in found] == ["right", "wrong", "same"]
    for result in found:
        saved = Results.load(out / result.model["name"] / "results.json")
        assert saved.to_json() == result.to_json()
        assert result.get("accuracy", "top1").n == result.get("stylized", "top1").n == 11
        for evaluator, metric in (("accuracy", "top1"), ("stylized", "top1"), ("dimensionality", "shape_neurons")):
            unreadable = result.get(evaluator, metric).details["data"]["unreadable"]
            assert [reason.rsplit("/", 1)[1] for reason in unreadable] == ["3.png: empty file"]
        assert result.get("stylized", "top1").condition == {"styles": "held-out"}
        assert result.environment["seed"] == 0
    assert "warning: skipped unreadable image" in capsys.readouterr().err
    comparison = json.loads((out / "comparison.json").read_text())
    assert comparison["models"] == ["right", "wrong", "same"]
    pairs = {(p["a"], p["b"], p["evaluator"]): p for p in comparison["paired"]}
    assert len(pairs) == 6
    for (a, b, evaluator), pair in pairs.items():
        values = {r.model["name"]: r.get(evaluator, "top1").value for r in found}
        assert pair["difference"] == pytest.approx(values[a] - values[b])
        assert pair["n"] == 11
    assert pairs["right", "same", "accuracy"]["ci95"] == [0.0, 0.0]
    low, high = pairs["right", "wrong", "accuracy"]["ci95"]
    assert 0 < low <= pairs["right", "wrong", "accuracy"]["difference"] <= high


def test_a_refused_network_is_left_in_training_mode(colours):
    network = ByColour().train()
    with pytest.raises(UserError, match="has 2 class names"):
        evaluate(network, evaluators=["accuracy"], data=colours, classes=("a", "b"))
    assert network.training
    assert network.head.training


def test_later_calls_add_to_what_is_there(colours, tmp_path, capsys):
    out, pair = tmp_path / "out", [by_colour("a"), by_colour("b", turn=1)]
    for number, network in enumerate(pair):
        network.identity = replace(network.identity, weights_sha256=str(number))
    for stage in (None, "head"):
        evaluate_all(pair[:1], evaluators=["dimensionality"], data={"": colours}, out=out, stage=stage, pairs=100)
        err = capsys.readouterr().err
        assert err.count("warning: dimensionality: 100 pairs of only 12 images") == 1
    stages = [e.condition.get("stage") for e in Results.load(out / "a/results.json").results]
    assert stages == [None] * 5 + ["head"] * 5
    for evaluator in ("accuracy", "stylized", "accuracy"):
        evaluate_all(pair, evaluators=[evaluator], data={"": colours}, out=out)
    rows = json.loads((out / "comparison.json").read_text())["paired"]
    assert sorted(row["evaluator"] for row in rows) == ["accuracy", "stylized"]
    (out / "comparison.json").write_text("[]")
    with pytest.raises(UserError, match="not a comparison of this version"):
        evaluate_all(pair, evaluators=["accuracy"], data={"": colours}, out=out)


def test_stylized_folders_are_taken_as_given_when_finished(colours, tmp_path, stylizer, bank):
    given = tmp_path / "given"
    stylize_folder(colours, given, stylizer, bank, StylizeSettings(per_image=2))
    found = evaluate(by_colour("net"), evaluators=["stylized"], data=given).get("stylized", "top1")
    assert found.condition == {"styles": "as given"}
    assert found.n == 24
    (given / "copies.jsonl").unlink()
    with pytest.raises(UserError, match="not finished"):
        evaluate(by_colour("net"), evaluators=["stylized"], data=given)


def test_data_by_evaluator_and_its_test_part(colours, tmp_path):
    class_folder(tmp_path / "split" / "train", COLOURS, 1)
    colours.rename(tmp_path / "split" / "val")
    found = evaluate(by_colour("net"), evaluators=["accuracy"], data={"accuracy": tmp_path / "split"})
    assert found.get("accuracy", "top1").value == 11 / 12
    with pytest.raises(UserError, match="evaluator 'stylized' has no data"):
        evaluate(by_colour("net"), evaluators=["stylized"], data={})
    with pytest.raises(UserError, match="'stylized' is not among --evaluators"):
        evaluate(by_colour("net"), evaluators=["accuracy"], data={"": colours, "stylized": tmp_path / "split"})
    with pytest.raises(UserError, match="did you mean 'accuracy'"):
        evaluate(by_colour("net"), evaluators=["accuracy"], data={"acuracy": tmp_path, "": tmp_path / "split"})


@pytest.mark.parametrize("numbers", [{"seed": -1}, {"batch_size": 0}, {"batch_size": -3}])
def test_numbers_out_of_range_are_refused(colours, numbers):
    with pytest.raises(UserError, match=f"--{next(iter(numbers)).replace('_', '-')} must be at least"):
        evaluate(by_colour("net"), evaluators=["accuracy"], data=colours, **numbers)


def test_networks_of_one_name_and_unwritable_folders_are_refused_first(colours, tmp_path):
    with pytest.raises(UserError, match="two models are called 'net'"):
        evaluate_all(
            [by_colour("net"), by_colour("net")], evaluators=["accuracy"], data={"": colours}, out=tmp_path / "o"
        )
    (tmp_path / "file").write_text("x")
    with pytest.raises(UserError, match="is a file: choose another --out"):
        evaluate_all([by_colour("net")], evaluators=["accuracy"], data={"": colours}, out=tmp_path / "file")


def test_evaluators_are_named():
    with pytest.raises(UserError, match="no evaluators given"):
        check_evaluators([])
    with pytest.raises(UserError, match="did you mean 'shape-bias'"):
        check_evaluators(["shape_bias"])


def test_killed_and_called_again_it_measures_what_was_left(colours, tmp_path, monkeypatch):
    measured = killed_at_second_run(Accuracy, monkeypatch)
    arguments = {"evaluators": ["accuracy"], "data": {"": colours}, "out": tmp_path / "out", "device": "cpu"}
    with pytest.raises(KeyboardInterrupt):
        evaluate_all([by_colour("a"), by_colour("b")], **arguments)
    found = evaluate_all([by_colour("a"), by_colour("b")], **arguments).results
    assert measured == ["a", "b", "b"]
    assert [len(results.results) for results in found] == [1, 1]
    assert not list((tmp_path / "out").glob("*/unfinished"))
    evaluate_all([by_colour("a"), by_colour("b")], **arguments)
    assert measured[3:] == ["a", "b"]  # finished, it is measured anew


def test_figures_on_other_images_do_not_stay_beside_new_ones(colours, tmp_path):
    arguments = {"evaluators": ["accuracy"], "out": tmp_path / "out", "device": "cpu"}
    more = nn.Linear(3, 6)  # with a top-5, and figures among the folder's classes
    for limit in (None, 6):
        network = by_colour("a", classes=(*COLOURS, "x", "y", "z"))
        network.network.head = more
        (found,) = evaluate_all([network], data={"": colours}, limit=limit, **arguments).results
    assert len(found.results) > 2
    assert {entry.n for entry in found.results} == {6}


def test_results_under_another_normalisation_are_not_mixed(colours, tmp_path):
    arguments = {"evaluators": ["accuracy"], "data": {"": colours}, "out": tmp_path / "out", "device": "cpu"}
    evaluate_all([by_colour("a")], **arguments)
    other = by_colour("a")
    other.mean = other.mean + 1
    with pytest.raises(UserError, match="with another mean"):
        evaluate_all([other], **arguments)


def test_a_folder_of_data_sets_is_searched_for_each_evaluators_own(colours, tmp_path):
    root = tmp_path / "datasets"
    one_conflict(root / "cue-conflict")
    colours.rename(root / "val")
    network = by_colour("a", classes=(*COLOURS, "cat", "dog"))
    network.network.head = nn.Linear(3, 5)
    found = evaluate(network, evaluators=["accuracy", "shape-bias"], data=root, device="cpu")
    assert {entry.evaluator for entry in found.results} == {"accuracy", "shape-bias"}


def test_a_model_that_is_refused_does_not_stop_the_others(colours, tmp_path, monkeypatch, capfd):
    """Of several models the others are measured; what was not is named, and the exit status tells."""
    classes = {"a": COLOURS, "b": COLOURS, "other": ("x", "y", "z")}
    monkeypatch.setattr(
        "shapebias.models.load._published", lambda spec: by_colour(spec[2:], classes=classes[spec.partition(":")[2]])
    )
    out = tmp_path / "out"
    command = ["evaluate", "--evaluators=accuracy", f"--data={colours}", f"--out={out}", "--device=cpu"]
    assert main([*command, "x:other", "x:a", "x:b"]) == 2
    said = capfd.readouterr().err
    assert "not measured: accuracy of other: " in said
    assert "different classes" in said
    assert said.splitlines()[-1].startswith("shapebias: error: not everything was measured")
    assert "1 (other)" in said.splitlines()[-1]
    assert {path.parent.name for path in out.glob("*/results.json")} == {"a", "b"}
    assert (out / "comparison.json").is_file()
    assert main([*command, "x:a", "x:b"]) == 0
    capfd.readouterr()
    assert main([*command, "x:other"]) == 2
    assert capfd.readouterr().err.count("\n") == 1  # one model alone: only the reason
