"""Networks as they are typed: weights named in a MODEL, the source of attacks, crops, and options that clash."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from shapebias.cli.main import main
from shapebias.cli.networks import load_networks, measuring_options
from shapebias.errors import UserError
from shapebias.files import sha256
from shapebias.models import load_model
from shapebias.models.imagenet import wordnet_ids
from shapebias.results.results import Results
from testkit.images import class_folder
from testkit.timm_networks import IMAGES, tiny


@pytest.fixture
def file(tmp_path):
    torch.save(tiny().state_dict(), tmp_path / "mine.pth")
    return tmp_path / "mine.pth"


def load(*models, source=None, checkpoint=None, remap=False, classes=None, crop=None):
    return load_networks(models, source, checkpoint=checkpoint, remap_by_order=remap, classes=classes, crop=crop)


def options(**given):
    base = {"seed": 0, "batch_size": 1, "workers": 0, "device": "cpu", "attacks": "fgsm", "epsilon": None}
    return measuring_options({**base, **given})


def test_weights_named_in_the_model(file):
    found = load_model(f"timm:test_resnet={file}")
    assert torch.equal(found.network(IMAGES), tiny()(IMAGES))
    identity = found.identity
    assert (identity.name, identity.architecture, identity.spec) == ("mine", "test_resnet", f"timm:test_resnet={file}")
    assert identity.weights_sha256 == sha256(file)
    assert identity.classes == wordnet_ids()


def test_several_networks_with_files_of_their_own_and_a_source(file, tmp_path):
    torch.save(tiny(seed=2).state_dict(), tmp_path / "other.pth")
    spec = "timm:test_resnet={}".format
    networks, source = load(spec(file), spec(tmp_path / "other.pth"), source=spec(file), remap=True)
    assert [network.identity.name for network in networks] == ["mine", "other"]
    assert source is not None
    assert source.identity.name == "mine"
    assert load(spec(file))[1] is None


def test_the_order_of_tensors_is_asked_for_files_only(file, tmp_path):
    renamed = {
        f"x{number}.{name.rpartition('.')[2]}": t for number, (name, t) in enumerate(tiny().state_dict().items())
    }
    torch.save(renamed, tmp_path / "renamed.pth")
    networks, _ = load(f"timm:test_resnet={tmp_path / 'renamed.pth'}", remap=True)
    assert torch.equal(networks[0].network(IMAGES), tiny()(IMAGES))
    with pytest.raises(UserError, match="says how a file of weights is read"):
        load("timm:test_resnet", remap=True)


@pytest.mark.parametrize(
    ("models", "given", "message"),
    [
        (["timm:test_resnet=none.pth"], {}, r"none\.pth"),
        (["timm:test_resnet="], {}, "no file of weights after the '='"),
        (["timm:test_resnet=FILE"], {"checkpoint": Path("FILE")}, "leave out --checkpoint"),
        (["a", "b"], {"checkpoint": Path("FILE")}, "MODEL=FILE"),
        (["a", "b"], {"classes": Path("FILE")}, "go with one MODEL"),
        (["timm:test_resnet=FILE"], {"crop": 0.0}, "--crop 0 is not a fraction"),
        (["timm:test_resnet=FILE"], {"crop": 1.5}, "--crop 1.5 is not a fraction"),
    ],
)
def test_what_cannot_be_loaded(file, models, given, message):
    models = [spec.replace("FILE", str(file)) for spec in models]
    with pytest.raises(UserError, match=message):
        load(*models, **given)


def test_a_crop_is_every_measured_network_s(file, tmp_path):
    folder = class_folder(tmp_path / "f", wordnet_ids()[:2])
    command = ["evaluate", f"timm:test_resnet={file}", "--evaluators=accuracy", f"--data={folder}", "--device=cpu"]
    assert main([*command, f"--out={tmp_path / 'out'}", "--crop=1"]) == 0
    results = Results.load(tmp_path / "out" / "mine" / "results.json")
    assert results.model["preprocessing"]["crop"] == 1.0


def test_figures_of_one_crop_are_not_mixed_with_those_of_another(file, tmp_path, capfd):
    folder = class_folder(tmp_path / "f", wordnet_ids()[:2])
    command = ["evaluate", f"timm:test_resnet={file}", "--evaluators=accuracy", f"--data={folder}", "--device=cpu"]
    assert main([*command, f"--out={tmp_path / 'out'}"]) == 0
    assert main([*command, f"--out={tmp_path / 'out'}", "--crop=1"]) == 2
    assert "of this network with another preprocessing" in capfd.readouterr().err


def test_attacks_and_sizes_from_text():
    found = options(attacks="fgsm, mim", epsilon="0.5,8")
    assert (found["attacks"], found["epsilons"]) == (("fgsm", "mim"), (0.5, 8.0))
    assert options()["epsilons"] == ()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"epsilon": "eight"}, "--epsilon takes numbers separated by commas, in units of 1/255, not 'eight'"),
        ({"epsilon": "-1"}, "--epsilon -1 is not a size"),
        ({"epsilon": "0"}, "in units of 1/255"),
        ({"epsilon": "256"}, "at most 255"),
        ({"epsilon": "nan"}, "--epsilon nan"),
        ({"epsilon": ","}, "--epsilon ',' names no size"),
        ({"epsilon": ""}, "--epsilon '' names no size"),
        ({"epsilon": "1e-9"}, r"below \.001"),
        ({"epsilon": "1,1"}, "twice"),
        ({"attacks": "fgms"}, "unknown attack 'fgms': did you mean 'fgsm'"),
        ({"attacks": "mim,mim"}, "twice"),
        ({"limit": 0}, "--limit must be at least 1 image"),
    ],
)
def test_options_that_cannot_be(given, message):
    with pytest.raises(UserError, match=message):
        options(**given)
