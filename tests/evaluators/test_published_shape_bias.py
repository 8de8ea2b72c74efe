"""The published shape bias beside the measured one, for weights that are known and no others."""

from __future__ import annotations

import json

import pytest
import torch
from torch import nn

from shapebias.data.transforms import Preprocessing
from shapebias.evaluators import evaluate
from shapebias.models import Classifier, Identity
from shapebias.models.imagenet import wordnet_ids
from shapebias.results.published import _TIMM, published_shape_bias
from shapebias.results.table import print_table
from testkit.images import noise_image
from testkit.report_page import report


def described(spec, weights, digits="ab" * 32, architecture="resnet50"):
    return {"spec": spec, "architecture": architecture, "weights": weights, "weights_sha256": digits}


@pytest.mark.parametrize(
    ("model", "value"),
    [
        (described("torchvision:resnet50", "IMAGENET1K_V2"), 0.17191),
        (
            described("torchvision:resnet50.IMAGENET1K_V1", "IMAGENET1K_V1", architecture="resnet50.IMAGENET1K_V1"),
            0.21465,
        ),
        (described("timm:resnet50", "resnet50.a1_in1k"), 0.20991),
        (described("torchvision:resnet50=sin.pth", "sin.pth", "c8e5653e" + "0" * 56), 0.814),
        (described("timm:resnet50", "r.pth", "0676ba61" + "0" * 56), 0.21465),
        (described("timm:resnet18", "r.pth", "0676ba61" + "0" * 56, architecture="resnet18"), None),
        (described("torchvision:resnet50", "resnet50.a1_in1k"), None),
        (described("torchvision:resnet50=mine.pth", "mine.pth"), None),
        (described("runs/mmsi", None), None),
        ({"name": "x"}, None),
    ],
)
def test_weights_that_are_known(model, value):
    found = published_shape_bias(model)
    assert (found and found["value"]) == value


def test_the_table_is_that_of_the_source(shared):
    published = json.loads((shared / "reference" / "published.json").read_text())
    source = {row["model"]: row["shape_bias"] for row in published["gavrikov2024"]}
    other = {"fb_ssl_yfcc100m_ft_in1k": "ssl_resnet50", "fb_swsl_ig1b_ft_in1k": "swsl_resnet50"}
    other |= {
        "tv_in1k": "tv_resnet50",
        "tv2_in1k": "tv2_resnet50",
        "goog_distilled_in1k": "resnetv2_50x1_bit_distilled",
    }
    for name, value in _TIMM.items():
        base, _, tag = name.partition(".")
        assert value == source.get(name, source.get(other.get(tag, base))), name
    geirhos = [row["shape_bias"] for row in published["geirhos2019"]]
    digits = ("c8e5653e", "2a0d100e", "ca06340c")
    assert [published_shape_bias(described("x", "y", d))["value"] for d in digits] == geirhos[1:]


@pytest.fixture
def measured(tmp_path):
    for name in ("cat/cat1-dog2", "cat/cat7-bear1", "dog/dog3-cat2"):
        noise_image(tmp_path / "cue-conflict" / f"{name}.png", 0)

    def measure(weights, **options):
        torch.manual_seed(0)
        identity = Identity("resnet50", "torchvision:resnet50", "resnet50", wordnet_ids(), weights=weights)
        network = nn.Sequential(nn.AdaptiveAvgPool2d(2), nn.Flatten(), nn.Linear(12, 1000))
        model = Classifier(network, identity, Preprocessing(16))
        out = tmp_path / "out"
        return evaluate(model, evaluators=["shape-bias"], data=tmp_path, out=out, **options), out

    return measure


def test_results_terminal_and_page_state_it(measured, capsys):
    results, out = measured("IMAGENET1K_V1")
    details = results.get("shape-bias", "shape_bias").details
    assert details["published"]["value"] == 0.21465 and "Gavrikov" in details["published"]["source"]
    capsys.readouterr()
    print_table([results])
    sentence = "published for torchvision's resnet50.IMAGENET1K_V1: 21.5 % on the 1,280 published images (Gavrikov"
    assert f"resnet50: shape bias {sentence}" in capsys.readouterr().err
    page, _ = report(out)
    assert sentence in page.text
    assert "<dt>weights</dt><dd>IMAGENET1K_V1</dd>" in page.source


def test_it_is_not_stated_for_other_weights_or_another_mapping(measured):
    for weights, options in (("mine.pth", {}), ("IMAGENET1K_V1", {"mapping": "max"})):
        results, _ = measured(weights, **options)
        found = results.get("shape-bias", "shape_bias", mapping=options.get("mapping", "mean"))
        assert "published" not in found.details
