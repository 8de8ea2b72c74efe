"""A published ImageNet network measured from end to end: counts that others found with the same weights and images."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest
import torch
from torch import nn

from shapebias.evaluators.accuracy import Accuracy
from shapebias.evaluators.base import EvalConfig
from shapebias.evaluators.shape_bias import ShapeBias
from testkit.published import published_network


class Remembering(nn.Module):
    """A network that answers a batch it has seen before from memory."""

    def __init__(self, network):
        super().__init__()
        self.network, self.answers = network, {}

    def forward(self, images):
        key = tuple(images[:, 0, ::37, ::37].flatten().tolist())
        if key not in self.answers:
            self.answers[key] = self.network(images)
        return self.answers[key]


@pytest.fixture(scope="module")
def model():
    model = published_network()
    model.network = Remembering(model.network)
    return model


@pytest.fixture
def expected(shared):
    return json.loads((shared / "reference" / "efficientnet_lite0.json").read_text())


def test_its_preprocessing_is_the_published_one(model):
    preprocessing = model.preprocessing
    assert (preprocessing.size, preprocessing.crop, preprocessing.interpolation) == (224, 0.875, "bicubic")
    assert torch.equal(model.mean.flatten(), torch.full((3,), 0.5))
    assert torch.equal(model.std.flatten(), torch.full((3,), 0.5))


def test_accuracy(model, expected, shared, tmp_path):
    outcome = Accuracy(EvalConfig(shared / "data" / "imagenet-sample", tmp_path)).run(model)
    found = {f"{e.metric}_correct": round(e.value * e.n) for e in outcome.results if not e.condition}
    assert found == {key: expected["imagenet_sample"][key] for key in ("top1_correct", "top5_correct")}
    assert [e.n for e in outcome.results] == [expected["imagenet_sample"]["n"]] * 4
    among = {e.metric: round(e.value * e.n) for e in outcome.results if e.condition}
    assert among == {"top1": 118, "top5": 120}  # of logits that timm's own transform and network gave


@pytest.mark.parametrize("shown", ["timm", "as-is"])
@pytest.mark.parametrize("mapping", ["mean", "sum", "max"])
def test_shape_bias(model, expected, shared, tmp_path, monkeypatch, mapping, shown):
    wanted = expected["cue_conflict"][f"{shown}/{mapping}"]
    if shown == "as-is":  # what --crop 1 does
        monkeypatch.setattr(model, "preprocessing", replace(model.preprocessing, crop=1.0))
    outcome = ShapeBias(EvalConfig(shared / "data" / "cue-conflict", tmp_path, mapping=mapping)).run(model)
    bias = next(entry for entry in outcome.results if entry.metric == "shape_bias")
    assert {key: bias.details[key] for key in ("conflict_images", "shape", "texture")} == {
        key: wanted[key] for key in ("conflict_images", "shape", "texture")
    }
    assert bias.value == pytest.approx(wanted["shape_bias"], abs=1e-5)
