"""Training: schemes as data, the step against Eq. 4 by hand, whole runs of every scheme, collapse."""

from __future__ import annotations

import json

import pytest
import torch
import torch.nn.functional as F

from shapebias.data.readers.class_folders import read_class_folders
from shapebias.errors import UserError
from shapebias.losses import MMSILoss, Weights, mmsi_loss
from shapebias.models import load_model
from shapebias.stylize.folder import stylize_folder
from shapebias.stylize.settings import StylizeSettings
from shapebias.train import step as step_module
from shapebias.train.run import train
from shapebias.train.samples import TrainingSamples
from shapebias.train.schemes import SCHEMES, Phase
from shapebias.train.step import collapse_warning, forward_step, loss_weights
from shapebias.train.views import Stylizing
from testkit.images import class_folder, noise_image
from testkit.runs import config, furthest, numbers, rows, same, weights

NATURAL = (0, Weights(1, 0, 0), False)
PAPER = {  # phase by phase: views, weights of Eq. 4, whether it is fine-tuning
    "in": [NATURAL],
    "shapenet-sin": [(1, Weights(0, 1, 0), False)],
    "shapenet-sin-in": [(1, Weights(0.5, 0.5, 0), False)],
    "shapenet": [(1, Weights(0.5, 0.5, 0), False), (0, Weights(1, 0, 0), True)],
    "mmsi-sin": [(2, Weights(0, 0.5, 0.8), False)],
    "mmsi-sin-in": [(2, Weights(1, 0.1, 0.8), False)],
    "mmsi": [(2, Weights(1, 0.1, 0.8), False), (0, Weights(1, 0, 0), True)],
}


def test_schemes_are_those_of_the_paper():
    def told(phase):
        return phase.views, loss_weights(phase, lambda_m=0.8, lambda_s=0.1), phase.finetuning

    assert {name: [told(phase) for phase in phases] for name, phases in SCHEMES.items()} == PAPER


def test_a_phase_counts_its_images():
    assert Phase("x", natural=1.0, views=2).images_per_sample == 3
    assert Phase("x", natural=0.0, views=2).images_per_sample == 2


class Toy(torch.nn.Module):
    """A linear network whose latents are its inputs' channel means."""

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(3, 4)
        self.seen = []

    def forward(self, images, latents=False):
        self.seen.append(len(images))
        pooled = images.mean((2, 3))
        return (self.head(pooled), [pooled]) if latents else self.head(pooled)


@pytest.fixture
def batch(images, bank):
    samples = TrainingSamples(read_class_folders(images), size=24, views=2, styles=len(bank))
    return samples.collate([samples[(0, i)] for i in range(4)])


@pytest.mark.parametrize("joint", [True, False])
def test_step_is_equation_4(batch, stylizer, bank, joint):
    stylizing, model, phase = Stylizing(stylizer, bank.codes, 1.0), Toy(), SCHEMES["mmsi-sin-in"][0]
    given = loss_weights(phase, lambda_m=0.8, lambda_s=0.1)
    outcome = forward_step(model, batch, phase, given, MMSILoss(), stylizing=stylizing, joint=joint)
    assert model.seen == ([12] if joint else [4, 4, 4])
    views = [
        torch.cat(
            [stylizer.stylize(batch.images[n][None], bank.codes[batch.styles[4 * v + n]][None]) for n in range(4)]
        )
        for v in range(2)
    ]
    cross = [F.cross_entropy(model(x), batch.labels) for x in (batch.images, *views)]
    pooled = [view.mean((2, 3)) for view in views]
    expected = cross[0] + 0.1 * (cross[1] + cross[2]) + 0.8 * mmsi_loss(*pooled)
    torch.testing.assert_close(outcome.loss, expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(outcome.values["natural"], cross[0].detach(), rtol=1e-4, atol=1e-5)


def test_schemes_without_natural_images_show_none(batch, stylizer, bank):
    model, phase = Toy(), SCHEMES["mmsi-sin"][0]
    stylizing = Stylizing(stylizer, bank.codes, 1.0)
    outcome = forward_step(model, batch, phase, loss_weights(phase, 0.8, 0.1), MMSILoss(), stylizing=stylizing)
    assert model.seen == [8] == [phase.images_per_sample * 4]
    assert "natural" not in outcome.values
    assert {"stylized", "mmsi", "rho"} <= set(outcome.values)


@pytest.mark.parametrize("scheme", SCHEMES)
def test_every_scheme_trains_its_phases_and_counts_their_images(images, tmp_path, scheme):
    """Four images in one step an epoch; the budget counts every image through the network, fine-tuning included."""
    out = tmp_path / "run"
    settings = {"lr": 0.01, "finetune_lr": 0.003, "warmup_epochs": 0.0, "schedule": "step"}
    train(config(images, out, scheme=scheme, epochs=2, finetune_epochs=3, **settings))
    phases = SCHEMES[scheme]
    expected = []
    for phase in phases:
        for _ in range(3 if phase.finetuning else 2):
            seen = expected[-1][-1] if expected else 0
            lr = 0.003 if phase.finetuning else 0.01
            expected.append((phase.name, str(len(expected) + 1), lr, seen + 4 * phase.images_per_sample))
    found = rows(out)
    assert [(row["phase"], row["epoch"], float(row["lr"]), int(row["images"])) for row in found] == expected
    assert json.loads((out / "run.json").read_text())["images_seen"] == expected[-1][-1]
    assert (found[0]["natural"] != "") == (phases[0].natural > 0)
    assert (found[0]["stylized"] != "") == (phases[0].views > 0)
    assert (found[0]["mmsi"] != "") == phases[0].mmsi
    files = {path.name for path in out.glob("*.safetensors")}
    if len(phases) == 1:
        assert files == {"model.safetensors"}
    else:
        assert files == {"joint.safetensors", "model.safetensors"}
        assert furthest(weights(out, "joint"), weights(out)) > 1e-4
        assert load_model(str(out / "joint.safetensors")).identity.scheme == scheme


def test_the_control_shows_the_same_images_and_leaves_the_term_out(images, tmp_path, monkeypatch):
    shown = []

    def watched(model, batch, *arguments, **options):
        shown[-1].append((batch.images.clone(), batch.labels.clone(), batch.styles.clone()))
        return forward_step(model, batch, *arguments, **options)

    monkeypatch.setattr(step_module, "forward_step", watched)
    for name, weight in (("mmsi", 0.8), ("control", 0.0)):
        shown.append([])
        train(config(images, tmp_path / name, lambda_m=weight))
    assert len(shown[0]) == 2
    for one, other in zip(*shown, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(one, other, strict=True))
    assert furthest(weights(tmp_path / "mmsi"), weights(tmp_path / "control")) > 1e-5
    first = [numbers(tmp_path / name)[0] for name in ("mmsi", "control")]  # before the first update
    assert first[0]["mmsi"] == first[1]["mmsi"] < 0  # the control computes and logs it all the same
    for row, weight in zip(first, (0.8, 0.0), strict=True):
        assert row["loss"] == pytest.approx(row["natural"] + 0.1 * row["stylized"] + weight * row["mmsi"], rel=1e-4)


def test_a_run_leaves_everything_behind(images, stylizer, bank, tmp_path):
    class_folder(tmp_path / "split" / "val")
    images.rename(tmp_path / "split" / "train")
    data = tmp_path / "split"
    stylize_folder(data / "train", tmp_path / "stylized", stylizer, bank, StylizeSettings(per_image=3))
    out = train(config(data, tmp_path / "run", stylized=tmp_path / "stylized"))
    run = json.loads((out / "run.json").read_text())
    assert (run["scheme"], run["images_seen"], run["warnings"]) == ("mmsi-sin-in", 2 * 4 * 3, [])
    assert set(run["inputs"]) - {"validation"} == {"stylized stylize.json", "stylized copies.jsonl"}
    assert [row["epoch"] for row in rows(out)] == ["1", "2"]
    for row in numbers(out):
        assert {"loss", "natural", "stylized", "mmsi", "rho", "spread", "train_top1", "val_top1"} <= set(row)
        assert all(value == value for value in row.values())
    assert len(list((out / "examples").glob("*.png"))) == 24
    assert not (out / "checkpoints").exists()
    model = load_model(str(out))
    assert model.identity.classes == ("bear", "cat")
    assert model.identity.weights_sha256 == run["weights_sha256"]
    assert not model.training


@pytest.mark.parametrize("model", ["resnett18", "torchvision:resnett18", "nowhere:resnet18"])
def test_a_mistake_leaves_the_output_folder_free(images, tmp_path, model):
    with pytest.raises(UserError, match=r"unknown (torchvision )?model"):
        train(config(images, tmp_path / "run", model=model))
    assert not (tmp_path / "run").exists()


def test_init_from_a_run_with_other_classes_keeps_all_but_the_head(images, tmp_path, capsys):
    first = train(config(images, tmp_path / "first", scheme="in", epochs=1))
    other = class_folder(tmp_path / "other", ("bear", "cat", "dog"))
    train(config(other, tmp_path / "second", scheme="in", init=str(first), lr=0.0, epochs=1, momentum=0.0))
    assert "classification layer is for other classes" in capsys.readouterr().err
    a, b = weights(first), weights(tmp_path / "second")
    trained = [name for name in a if "running" not in name and "num_batches" not in name and not name.startswith("fc")]
    assert trained
    assert same({name: a[name] for name in trained}, {name: b[name] for name in trained})  # with lr 0 nothing moves
    assert b["fc.weight"].shape[0] == 3


def test_weights_of_another_network_are_refused(images, tmp_path):
    first = train(config(images, tmp_path / "first", scheme="in", epochs=1))
    with pytest.raises(UserError, match="belongs to another network"):
        train(config(images, tmp_path / "second", scheme="in", model="resnet10t", init=str(first)))


def test_unreadable_images_are_listed_or_fatal(images, tmp_path):
    (images / "cat" / "zero.png").write_bytes(b"")
    noise_image(images / "cat" / "also.png", 9)
    out = train(config(images, tmp_path / "run", scheme="in", epochs=1, batch_size=6))
    assert "zero.png: empty file" in json.loads((out / "run.json").read_text())["data"]["unreadable"][0]
    with pytest.raises(UserError, match=r"zero\.png"):
        train(config(images, tmp_path / "strict", scheme="in", epochs=1, batch_size=6, strict=True))


@pytest.mark.parametrize(
    ("values", "warns"),
    [
        ({"rho": 0.999, "stylized_top1": 0.07, "spread": 0.5}, "rho 0.999"),
        ({"rho": 0.999, "stylized_top1": 0.60, "spread": 0.5}, None),
        ({"rho": 0.70, "stylized_top1": 0.07, "spread": 0.5}, None),
        ({"rho": 0.0, "stylized_top1": 0.07, "spread": 1e-6}, "hardly vary"),
        ({"rho": 0.999, "stylized_top1": 0.07, "spread": 0.5, "lambda_m": 0.0}, None),
    ],
)
def test_collapse_is_noticed(values, warns):
    warning = collapse_warning(**{"classes": 16, "lambda_m": 0.8, **values})
    assert (warns is None) == (warning is None)
    if warns:
        assert warns in warning
        assert "--lambda-m" in warning


def test_unreadable_validation_images_are_listed(images, tmp_path):
    data = tmp_path / "data"
    class_folder(data / "train")
    class_folder(data / "val")
    (data / "val" / "cat" / "zero.png").write_bytes(b"")
    out = train(config(data, tmp_path / "run", scheme="in", epochs=1))
    assert "zero.png" in json.loads((out / "run.json").read_text())["data"]["unreadable"][0]


def test_too_few_images_to_correlate_are_refused(images, tmp_path):
    with pytest.raises(UserError, match="4 training images, 2 per accumulation step"):
        train(config(images, tmp_path / "run", batch_size=8, grad_accum_steps=2))
    assert not (tmp_path / "run").exists()
