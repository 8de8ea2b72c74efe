"""Training: schemes as data, keyed samples, the step against Eq. 4 by hand, runs that go on, collapse."""

import csv
import json
from itertools import pairwise
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from conftest import class_folder, noise_image
from safetensors.torch import load_file

from shapebias.data.folder import ImageFolder
from shapebias.errors import UserError
from shapebias.models import load_model
from shapebias.objective import MMSILoss, Weights, mmsi_loss
from shapebias.stylize.folder import StylizeSettings, stylize_folder
from shapebias.train import loop
from shapebias.train.collapse import collapse_warning
from shapebias.train.config import TrainConfig
from shapebias.train.loop import train
from shapebias.train.samples import TrainingSamples
from shapebias.train.schedule import learning_rate
from shapebias.train.schemes import SCHEMES, Phase
from shapebias.train.step import Stylizing, forward_step, weights_of


@pytest.fixture
def stylized(images, stylizer, bank, tmp_path):
    stylize_folder(images, tmp_path / "stylized", stylizer, bank, StylizeSettings(per_image=3))
    return tmp_path / "stylized"


def config(images: Path, out: Path, **values) -> TrainConfig:
    settings = {"scheme": "mmsi-sin-in", "model": "test_resnet", "epochs": 2, "batch_size": 4, "size": 32, "lr": 0.01}
    return TrainConfig(data=images, out=out, **{**settings, **values})


def test_schemes_are_those_of_the_paper():
    """Weights of natural and stylized cross entropies and of the MMSI term, as the protocol's table has them."""
    expected = {
        "in": (0, Weights(1, 0, 0)),
        "shapenet-sin": (1, Weights(0, 1, 0)),
        "shapenet-sin-in": (1, Weights(0.5, 0.5, 0)),
        "mmsi-sin": (2, Weights(0, 0.5, 0.8)),
        "mmsi-sin-in": (2, Weights(1, 0.1, 0.8)),
    }
    assert {n: (p[0].views, weights_of(p[0], lambda_m=0.8, lambda_s=0.1)) for n, p in SCHEMES.items()} == expected


def test_samples_depend_on_seed_epoch_and_index_alone(images):
    def sample(seed, epoch, index):
        folder = ImageFolder.scan(images)
        return TrainingSamples(folder, size=24, views=2, styles=12, seed=seed)[(epoch, index)]

    first = sample(0, 3, 1)
    assert torch.equal(first.image, sample(0, 3, 1).image)
    assert np.array_equal(first.styles, sample(0, 3, 1).styles)
    assert first.styles[0] != first.styles[1]
    for other in (sample(1, 3, 1), sample(0, 4, 1)):
        assert not torch.equal(first.image, other.image)


def test_image_and_ready_views_share_one_crop(tmp_path):
    """With copies equal to the image, every view must equal the image's own crop."""
    folder = ImageFolder.scan(class_folder(tmp_path / "images"))
    copies = tmp_path / "copies"
    for path in folder.paths:
        for view in range(2):
            target = copies / path.parent.name / f"{path.name}-style{view}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(path.read_bytes())
    (copies / "stylize.json").write_text(json.dumps({"per_image": 2}))
    (copies / "styles.csv").write_text("")
    samples = TrainingSamples(folder, size=24, views=2, stylized=copies)
    for epoch in range(3):
        sample = samples[(epoch, 1)]
        assert all(torch.equal(view, sample.image) for view in sample.views)


def test_views_need_two_different_styles(images, stylizer, bank, tmp_path):
    stylize_folder(images, tmp_path / "one", stylizer, bank, StylizeSettings(per_image=1))
    with pytest.raises(UserError, match="2 different styles"):
        TrainingSamples(ImageFolder.scan(images), size=24, views=2, stylized=tmp_path / "one")


def test_copies_of_other_images_are_refused(stylized, tmp_path):
    other = ImageFolder.scan(class_folder(tmp_path / "other", ("dog", "oven")))
    with pytest.raises(UserError, match="holds no copies"):
        TrainingSamples(other, size=24, views=2, stylized=stylized)


def test_a_mistake_leaves_the_output_folder_free(images, tmp_path):
    with pytest.raises(UserError, match="unknown model"):
        train(config(images, tmp_path / "run", model="resnett18"))
    assert not (tmp_path / "run").exists()


class Toy(torch.nn.Module):
    """A linear network whose latents are its inputs' channel means."""

    def __init__(self):
        super().__init__()
        self.head = torch.nn.Linear(3, 4)

    def forward(self, images, latents=False):
        pooled = images.mean((2, 3))
        return (self.head(pooled), [pooled]) if latents else self.head(pooled)


@pytest.mark.parametrize("joined", [True, False])
def test_step_is_equation_4(images, stylizer, bank, joined):
    samples = TrainingSamples(ImageFolder.scan(images), size=24, views=2, styles=len(bank))
    batch = samples.collate([samples[(0, i)] for i in range(4)])
    stylizing, model, phase = Stylizing(stylizer, bank.codes, 1.0), Toy(), SCHEMES["mmsi-sin-in"][0]
    weights = weights_of(phase, lambda_m=0.8, lambda_s=0.1)
    outcome = forward_step(model, batch, phase, weights, MMSILoss(), stylizing=stylizing, joined=joined)
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


def test_schemes_without_natural_images_show_none(images, stylizer, bank):
    samples = TrainingSamples(ImageFolder.scan(images), size=24, views=2, styles=len(bank))
    batch = samples.collate([samples[(0, i)] for i in range(4)])
    seen = []

    class Watched(Toy):
        def forward(self, images, latents=False):
            seen.append(len(images))
            return super().forward(images, latents)

    phase = SCHEMES["mmsi-sin"][0]
    stylizing = Stylizing(stylizer, bank.codes, 1.0)
    outcome = forward_step(Watched(), batch, phase, weights_of(phase, 0.8, 0.1), MMSILoss(), stylizing=stylizing)
    assert seen == [8] == [phase.images_per_sample * 4]
    assert "natural" not in outcome.values and {"stylized", "mmsi", "rho"} <= set(outcome.values)


def test_a_run_leaves_everything_behind(images, stylized, tmp_path):
    out = train(config(images, tmp_path / "run", stylized=stylized))
    run = json.loads((out / "run.json").read_text())
    assert run["scheme"] == "mmsi-sin-in" and run["images_seen"] == 2 * 4 * 3 and run["weights_sha256"]
    rows = list(csv.DictReader((out / "metrics.csv").read_text().splitlines()))
    assert [row["epoch"] for row in rows] == ["1", "2"] and rows[-1]["images"] == "24"
    assert all(float(rows[0][name]) == float(rows[0][name]) for name in ("loss", "natural", "stylized", "mmsi", "rho"))
    assert len(list((out / "examples").glob("*.png"))) == 24
    model = load_model(str(out))
    assert model.identity.classes == ("bear", "cat") and not model.training
    assert model.identity.weights_sha256 == run["weights_sha256"]
    assert not (out / "state.pt").exists()


def test_killed_between_epochs_it_goes_on_to_the_same_end(images, stylized, tmp_path, monkeypatch):
    torch.set_num_threads(1)
    settings = {"stylized": stylized, "epochs": 3}
    whole = train(config(images, tmp_path / "whole", **settings))
    original, calls = loop.save_state, []

    def save_then_kill(out, state):
        original(out, state)
        calls.append(1)
        raise KeyboardInterrupt

    monkeypatch.setattr(loop, "save_state", save_then_kill)
    for _ in range(3):  # the last time after its last epoch, before its weights are written
        with pytest.raises(KeyboardInterrupt):
            train(config(images, tmp_path / "parts", **settings))
    monkeypatch.setattr(loop, "save_state", original)
    parts = train(config(images, tmp_path / "parts", **settings))
    assert len(calls) == 3
    a, b = load_file(whole / "model.safetensors"), load_file(parts / "model.safetensors")
    assert a.keys() == b.keys() and all(torch.equal(a[name], b[name]) for name in a)
    assert train(config(images, tmp_path / "parts", **settings)) == parts  # finished: nothing is done again


def test_another_run_is_refused_with_the_difference(images, stylized, tmp_path):
    train(config(images, tmp_path / "run", stylized=stylized, epochs=1))
    with pytest.raises(UserError, match=r"lr: 0\.01 there, 0\.5 now"):
        train(config(images, tmp_path / "run", stylized=stylized, epochs=1, lr=0.5))


def test_init_from_a_run_with_other_classes_keeps_all_but_the_head(images, tmp_path, capsys):
    first = train(config(images, tmp_path / "first", scheme="in", epochs=1))
    other = class_folder(tmp_path / "other", ("bear", "cat", "dog"))
    second = config(other, tmp_path / "second", scheme="in", init=str(first), lr=0.0, epochs=1, momentum=0.0)
    train(second)
    assert "classifying layer has other classes" in capsys.readouterr().err
    a, b = load_file(first / "model.safetensors"), load_file(tmp_path / "second" / "model.safetensors")
    trained = [name for name in a if "running" not in name and "num_batches" not in name and not name.startswith("fc")]
    assert trained and all(torch.equal(a[name], b[name]) for name in trained)  # with lr 0 nothing moves
    assert b["fc.weight"].shape[0] == 3


def test_weights_of_another_network_are_refused(images, tmp_path):
    first = train(config(images, tmp_path / "first", scheme="in", epochs=1))
    with pytest.raises(UserError, match="belongs to another network"):
        train(config(images, tmp_path / "second", scheme="in", model="resnet10t", init=str(first)))


def test_unreadable_images_are_listed_or_fatal(images, stylized, tmp_path):
    (images / "cat" / "zero.png").write_bytes(b"")
    noise_image(images / "cat" / "also.png", 9)
    out = train(config(images, tmp_path / "run", scheme="in", epochs=1, batch_size=6))
    assert "zero.png: empty file" in json.loads((out / "run.json").read_text())["data"]["unreadable"][0]
    with pytest.raises(UserError, match=r"zero\.png"):
        train(config(images, tmp_path / "strict", scheme="in", epochs=1, batch_size=6, strict=True))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"scheme": "mmsi-sin-inn"}, "did you mean 'mmsi-sin-in'"),
        ({"alpha": 1.5}, "--alpha"),
        ({"lambda_m": -1.0}, "--lambda_m"),
        ({"lambda_s": float("nan")}, "--lambda_s"),
        ({"epochs": 0}, "--epochs"),
        ({"model": "resnet_eighteen"}, "unknown model"),
    ],
)
def test_settings_out_of_range_are_named(images, tmp_path, values, text):
    with pytest.raises(UserError, match=text):
        train(config(images, tmp_path / "run", **values))


def test_learning_rate_rises_then_falls():
    rates = [learning_rate(0.1, step, 100, warmup=30) for step in range(100)]
    assert rates[0] == pytest.approx(0.01) and max(rates) == pytest.approx(0.1) and rates.index(max(rates)) in (9, 10)
    assert all(a >= b for a, b in pairwise(rates[10:])) and rates[-1] < 1e-3


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
        assert warns in warning and "--lambda_m" in warning


def test_a_phase_counts_its_images():
    assert Phase("x", natural=1.0, views=2).images_per_sample == 3
    assert Phase("x", natural=0.0, views=2).images_per_sample == 2
