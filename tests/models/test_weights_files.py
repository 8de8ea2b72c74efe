"""Weight files as the usual tools write them, and files that try to run something."""

from __future__ import annotations

import argparse
import os
import pathlib
import pickle
from collections import defaultdict, deque

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch.optim.swa_utils import AveragedModel

from shapebias.errors import UserError
from shapebias.models.state_dict import load_weights, load_weights_by_order
from testkit.timm_networks import IMAGES, tiny


@pytest.fixture(scope="module")
def trained():
    torch.manual_seed(1)
    network = tiny()
    for parameter in network.parameters():
        parameter.data += 0.01
    return network


def logits(network):
    with torch.no_grad():
        return network.eval()(IMAGES)


def loaded(path, content, **options):
    torch.save(content, path, **options)
    network = tiny()
    assert load_weights(network, path) == []
    return logits(network)


@pytest.mark.parametrize("prefix", ["model.", "net.", "backbone.", "network.", "model.backbone.", "module.model."])
def test_a_prefix_common_to_all_names_is_removed(tmp_path, trained, prefix):
    """Lightning's and others' modules hold the network as an attribute."""
    content = {prefix + name: value for name, value in trained.state_dict().items()}
    assert torch.equal(loaded(tmp_path / "w.ckpt", {"state_dict": content}), logits(trained))
    save_file(content, tmp_path / "w.safetensors")
    network = tiny()
    load_weights(network, tmp_path / "w.safetensors")
    assert torch.equal(logits(network), logits(trained))


def test_names_without_a_common_prefix_stay_unknown(tmp_path, trained):
    content = {f"model.{name}": value for name, value in trained.state_dict().items()} | {"loss.scale": torch.ones(1)}
    torch.save(content, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"belongs to another network .*first unknown 'model.conv1"):
        load_weights(tiny(), tmp_path / "w.pt")


def test_averaged_models_count_their_updates(tmp_path, trained):
    content = AveragedModel(trained).state_dict()
    assert "n_averaged" in content
    assert torch.equal(loaded(tmp_path / "w.pt", content), logits(trained))
    network = tiny()
    load_weights_by_order(network, tmp_path / "w.pt")
    assert torch.equal(logits(network), logits(trained))


class _Settings(dict):
    __module__, __qualname__ = "easydict", "EasyDict"


BESIDE = {
    "parsed arguments": argparse.Namespace(lr=0.1, out=pathlib.PosixPath("out"), sizes=[1, 2]),
    "numpy scalars": {"best": np.float64(76.1), "epoch": np.int64(3), "flag": np.bool_(True)},
    "numpy arrays": {"curve": np.arange(6.0).reshape(2, 3), "names": np.array(["a", "b"])},
    "numpy's types": np.dtype("float32"),
    "paths": [pathlib.PosixPath("a"), pathlib.PurePosixPath("b"), pathlib.PureWindowsPath("c")],
    "dictionaries with a default": defaultdict(list, {"a": [1, 2], "b": [np.float32(3)]}),
    "nested dictionaries with a default": defaultdict(dict, {"a": defaultdict(int, {"b": 2})}),
    "sets and bytes": [{1, 2}, b"abc", bytearray(b"de"), 1 + 2j],
}


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("beside", BESIDE)
def test_what_trainers_put_beside_the_state_dict_is_ignored(tmp_path, trained, beside, zipped):
    content = {"args": BESIDE[beside], "model": trained.state_dict(), "last": BESIDE[beside]}
    found = loaded(tmp_path / "w.pth", content, _use_new_zipfile_serialization=zipped)
    assert torch.equal(found, logits(trained))


def test_a_lightning_checkpoint(tmp_path, trained, monkeypatch):
    """Its hyper-parameters are of a class of Lightning's, which need not be installed to read them."""
    module = type(os)("easydict")
    module.EasyDict = _Settings
    monkeypatch.setitem(__import__("sys").modules, "easydict", module)
    content = {
        "epoch": 3,
        "pytorch-lightning_version": "2.5.0",
        "hyper_parameters": _Settings(lr=0.1, root=pathlib.PosixPath("data"), nested=_Settings(a=np.float64(1))),
        "state_dict": {f"model.{name}": value for name, value in trained.state_dict().items()},
        "callbacks": {"ModelCheckpoint": {"best_model_score": torch.tensor(0.5), "dirpath": "x"}},
        "optimizer_states": [{"state": {0: {"step": torch.tensor(1.0)}}, "param_groups": [{"lr": 0.1}]}],
    }
    torch.save(content, tmp_path / "w.ckpt")
    monkeypatch.undo()
    network = tiny()
    load_weights(network, tmp_path / "w.ckpt")
    assert torch.equal(logits(network), logits(trained))


@pytest.mark.parametrize("wrapper", ["net", "weights", "params"])
def test_the_state_dict_under_the_usual_names(tmp_path, trained, wrapper):
    content = {"epoch": np.int64(3), wrapper: trained.state_dict()}
    assert torch.equal(loaded(tmp_path / "w.pt", content), logits(trained))


def test_a_refusal_passes_on_the_reason(tmp_path, trained):
    torch.save({"model": trained.state_dict(), "queue": deque([1])}, tmp_path / "w.pt")
    with pytest.raises(UserError, match=r"the Python object collections.deque, which is not data\); .*safetensors$"):
        load_weights(tiny(), tmp_path / "w.pt")
    (tmp_path / "w.pt").write_bytes(b"<html>not found</html>")
    with pytest.raises(UserError, match=r"cannot be read as weights \(.+\); it may be damaged"):
        load_weights(tiny(), tmp_path / "w.pt")


class Runs:
    """Pickled, it calls ``function`` when it is read."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


class Arguments:
    """Pickled, it is an allowed object whose state holds a call."""

    def __init__(self, call):
        self.call = call

    def __reduce__(self):
        return argparse.Namespace, (), {"a": self.call}


ATTACKS = {
    "os.system": lambda made: Runs(os.system, f"touch {made}"),
    "os.mkdir": lambda made: Runs(os.mkdir, made),
    "eval": lambda made: Runs(eval, f"open({made!r}, 'w')"),
    "open": lambda made: Runs(open, made, "w"),
    "a path that makes itself": lambda made: Runs(pathlib.Path.touch, pathlib.PosixPath(made)),
    "numpy's files": lambda made: Runs(np.save, made, 1),
    "torch's files": lambda made: Runs(torch.save, 1, made),
    "inside parsed arguments": lambda made: Arguments(Runs(os.mkdir, made)),
    "inside a dictionary with a default": lambda made: defaultdict(list, {"a": Runs(os.mkdir, made)}),
}


@pytest.mark.parametrize("attack", ATTACKS)
@pytest.mark.parametrize("protocol", [2, 4])
def test_nothing_that_a_file_holds_is_run(tmp_path, trained, attack, protocol):
    path, made, network = tmp_path / "w.pt", tmp_path / "made", tiny()
    payload = ATTACKS[attack](str(made))
    allowed = torch.serialization.get_safe_globals()
    state = trained.state_dict()
    for content in ({"model": state, "args": payload}, {"model": payload}, {"model": {**state, "x": payload}}, payload):
        files = [pickle.dumps(content, protocol=protocol)]
        for zipped in (True, False):
            torch.save(content, path, pickle_protocol=protocol, _use_new_zipfile_serialization=zipped)
            files.append(path.read_bytes())
        for file in files:
            path.write_bytes(file)
            with pytest.raises(UserError, match=r"cannot be read as weights .*pickled code, which is never run"):
                load_weights(network, path)
    assert not made.exists()
    assert {*map(str, torch.serialization.get_safe_globals())} == {*map(str, allowed)}


def test_no_constructor_of_what_is_ignored_runs(tmp_path, trained, monkeypatch):
    """Not even those of the classes that are allowed: their places are taken by stand-ins without content."""
    torch.save({"model": trained.state_dict(), "args": BESIDE["parsed arguments"]}, tmp_path / "w.pt")

    def refuse(*_arguments, **_options):
        raise AssertionError("constructed")

    monkeypatch.setattr(argparse.Namespace, "__init__", refuse)
    monkeypatch.setattr(argparse, "Namespace", refuse)
    load_weights(tiny(), tmp_path / "w.pt")


def test_a_torchscript_archive_is_refused_in_its_name(tmp_path):
    torch.jit.script(torch.nn.Linear(2, 2)).save(str(tmp_path / "net.pt"))
    with pytest.raises(UserError, match="it is a TorchScript archive, which holds code"):
        load_weights(tiny(3), tmp_path / "net.pt")
