"""Numbers in the headers of checkpoints that were edited or damaged: refused in one line, before anything is built."""

from __future__ import annotations

import json

import pytest
import torch
from safetensors import safe_open
from safetensors.torch import load_file, save_file

from shapebias.errors import UserError
from shapebias.libraries import timm
from shapebias.models.build import build_classifier
from shapebias.models.checkpoint import load_classifier, save_classifier
from shapebias.models.classifier import Identity
from shapebias.models.load import load_model
from shapebias.tasks.segmentation.segmenter import load_segmenter, save_segmenter, segmenter_from


def classifier():
    torch.manual_seed(0)
    return build_classifier("test_resnet", Identity("net", "net", "test_resnet", ("a", "b")), size=32)


def changed(path, **values):
    """Change a checkpoint's header; a value of None is taken out."""
    with safe_open(path, framework="pt") as file:
        header = json.loads(file.metadata()["shapebias"])
    header = {name: value for name, value in (header | values).items() if value is not None}
    save_file(load_file(path), path, metadata={"shapebias": json.dumps(header)})
    return path


@pytest.fixture
def checkpoint(tmp_path):
    save_classifier(tmp_path / "model.safetensors", classifier().eval())
    return tmp_path / "model.safetensors"


WRONG = [
    ({"size": 0}, "its size is 0, not 8 to 4096 pixels"),
    ({"size": -5}, "its size is -5"),
    ({"size": 1e30}, r"its size is 1e\+30"),
    ({"size": 10**30}, "its size is 1000000"),
    ({"size": True}, "its size is True"),
    ({"size": "32"}, "its size is '32'"),
    ({"size": None}, "size"),
    ({"std": [1, 1, -0.1]}, r"its std is \[1, 1, -0.1\], not 0.0001 to 10000"),
    ({"std": [1, 1, 0]}, "its std is"),
    ({"std": [1, 1]}, "its std is not three numbers"),
    ({"mean": [1, 1, float("nan")]}, "its mean is"),
    ({"mean": "abc"}, "its mean is not three numbers"),
    ({"mean": [0, 0, 10**400]}, "its mean is not three numbers"),
    ({"classes": "ab"}, "its classes are not a list of names"),
    ({"classes": [1, 2]}, "its classes are not a list of names"),
    ({"architecture": 3}, "its architecture is 3"),
    ({"name": ""}, "its name is ''"),
]
CROPS = [({"crop": crop}, "its crop is") for crop in (float("nan"), 5, -1, 0, 1e-30, "0.9", [1])]


@pytest.mark.parametrize(("values", "message"), WRONG + CROPS)
def test_a_classifier_whose_header_cannot_be(checkpoint, values, message):
    with pytest.raises(UserError, match=f"does not say what network it holds .*{message}") as caught:
        load_classifier(changed(checkpoint, **values))
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        *WRONG,
        ({"output_stride": 0}, "at stride 0"),
        ({"head": "x"}, "its head is 'x'"),
        ({"stage": 3}, "its stage is 3"),
    ],
)
def test_a_segmenter_whose_header_cannot_be(tmp_path, values, message):
    path = tmp_path / "model.safetensors"
    save_segmenter(path, segmenter_from(classifier(), head="convolution", size=32, output_stride=8))
    with pytest.raises(UserError, match=f"does not state which model it holds .*{message}"):
        load_segmenter(changed(path, **values))


def test_an_older_checkpoint_without_crop_and_normalisation_is_read(checkpoint):
    found = load_classifier(changed(checkpoint, crop=None, mean=None, std=None))
    assert found.preprocessing.crop == 1 and found.std.min() > 0


def test_weights_without_numbers_are_refused(tmp_path):
    path = tmp_path / "meta.pth"
    torch.save({name: value.to("meta") for name, value in classifier().network.state_dict().items()}, path)
    (tmp_path / "classes.txt").write_text("a\nb\n")
    with pytest.raises(UserError, match="holds no numbers"):
        load_model("timm:test_resnet", checkpoint=path, classes=tmp_path / "classes.txt")


@pytest.mark.parametrize("prefix", ["hf-hub:", "hf_hub:", "timm:hf-hub:"])
def test_a_header_never_has_a_repository_downloaded(checkpoint, tmp_path, monkeypatch, prefix):
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **__: pytest.fail("went to the network"))
    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", lambda *_, **__: None)
    source = classifier()
    save_segmenter(
        tmp_path / "segmenter.safetensors", segmenter_from(source, head="convolution", size=32, output_stride=8)
    )
    for path, load in ((checkpoint, load_classifier), (tmp_path / "segmenter.safetensors", load_segmenter)):
        with pytest.raises(
            UserError, match=r"safetensors .* from the repository a/b, which a file cannot have downloaded"
        ) as got:
            load(changed(path, architecture=f"{prefix}a/b"))
        assert "\n" not in str(got.value)


def test_a_header_may_name_a_repository_in_the_cache(checkpoint, tmp_path, monkeypatch):
    timm.models.save_for_hf(timm.create_model("test_resnet"), tmp_path / "hub", safe_serialization=True)
    (tmp_path / "hub" / "model.safetensors").rename(tmp_path / "hub" / "pytorch_model.bin")

    def cached(_, name, **__):
        return str(tmp_path / "hub" / name) if (tmp_path / "hub" / name).exists() else None

    monkeypatch.setattr("huggingface_hub.try_to_load_from_cache", cached)
    monkeypatch.setattr("huggingface_hub.hf_hub_download", lambda *_, **__: pytest.fail("went to the network"))
    assert load_classifier(changed(checkpoint, architecture="hf-hub:a/b")).identity.classes == ("a", "b")
