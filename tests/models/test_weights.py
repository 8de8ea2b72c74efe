"""Weights from outside: the files that people publish, and those that must be refused."""

from __future__ import annotations

import pytest
import torch
from safetensors.torch import save_file

from shapebias.errors import UserError
from shapebias.libraries import timm
from shapebias.models.state_dict import compare, load_weights, weights_sha256
from shapebias.models.weights_file import PREFIXES, WRAPPERS

IMAGES = torch.rand(2, 3, 32, 32, generator=torch.Generator().manual_seed(0))


def tiny(classes=3, seed=0):
    torch.manual_seed(seed)
    return timm.create_model("test_resnet", num_classes=classes).eval()


@pytest.fixture
def weights():
    return {name: value.clone() for name, value in tiny(seed=1).state_dict().items()}


def loaded(path, content, *, zipped=True):
    """Logits of a network that loaded ``content`` from ``path``."""
    torch.save(content, path, _use_new_zipfile_serialization=zipped)
    network = tiny()
    assert load_weights(network, path) == []
    with torch.no_grad():
        return network(IMAGES)


@pytest.fixture
def expected():
    with torch.no_grad():
        return tiny(seed=1)(IMAGES)


@pytest.mark.parametrize("zipped", [True, False])
@pytest.mark.parametrize("wrapper", [None, *WRAPPERS])
def test_wrappers_and_both_formats_of_torch_save(tmp_path, weights, expected, wrapper, zipped):
    content = weights if wrapper is None else {"epoch": 3, wrapper: weights}
    assert torch.equal(loaded(tmp_path / "w.pth.tar", content, zipped=zipped), expected)


def test_the_plain_weights_come_before_their_average(tmp_path, weights, expected):
    average = {name: torch.zeros_like(value) for name, value in weights.items()}
    content = {"model_ema": average, "state_dict_ema": average, "state_dict": weights}
    assert torch.equal(loaded(tmp_path / "w.pt", content), expected)
    content = {"model_ema": weights, "model": "test_resnet"}
    assert torch.equal(loaded(tmp_path / "w.pt", content), expected)


def test_a_file_as_stylized_imagenet_publishes_them(tmp_path, weights, expected):
    content = {
        "epoch": 60,
        "arch": "resnet50",
        "state_dict": {f"module.{k}": v for k, v in weights.items() if "num_batches_tracked" not in k},
        "best_prec1": torch.tensor(60.2),
        "optimizer": {"state": {0: {"momentum_buffer": torch.zeros(2)}}, "param_groups": [{"lr": 0.1, "params": [0]}]},
    }
    assert any("num_batches_tracked" in name for name in weights)
    assert torch.equal(loaded(tmp_path / "sin.pth.tar", content, zipped=False), expected)


@pytest.mark.parametrize("prefix", ["module.", "_orig_mod.", "_orig_mod.module.", "module.module."])
def test_prefixes_in_front(tmp_path, weights, expected, prefix):
    assert torch.equal(loaded(tmp_path / "w.pt", {prefix + k: v for k, v in weights.items()}), expected)


@pytest.mark.parametrize("prefix", PREFIXES)
def test_prefixes_inside(tmp_path, weights, expected, prefix):
    content = {k.replace("layer1.", f"layer1.{prefix}."): v for k, v in weights.items()}
    assert content.keys() != weights.keys()
    assert torch.equal(loaded(tmp_path / "w.pt", content), expected)
    save_file(content, tmp_path / "w.safetensors")
    network = tiny()
    load_weights(network, tmp_path / "w.safetensors")
    assert weights_sha256(network) == weights_sha256(tiny(seed=1))


def test_names_that_the_network_itself_holds_are_kept(tmp_path):
    wrapped = torch.nn.DataParallel(tiny())
    torch.save(torch.nn.DataParallel(tiny(seed=1)).state_dict(), tmp_path / "w.pt")
    load_weights(wrapped, tmp_path / "w.pt")
    assert weights_sha256(wrapped.module) == weights_sha256(tiny(seed=1))


def test_two_names_that_become_one_are_refused(tmp_path, weights):
    weights["module.fc.bias"] = weights["fc.bias"] + 1
    with pytest.raises(UserError, match=r"'fc.bias' and 'module.fc.bias', which are both 'fc.bias'"):
        loaded(tmp_path / "w.pt", weights)


@pytest.mark.parametrize("type_", [torch.float16, torch.bfloat16, torch.float64])
def test_other_floating_types_become_ours(tmp_path, weights, type_):
    network = tiny()
    torch.save({k: v.to(type_) for k, v in weights.items()}, tmp_path / "w.pt")  # counters too
    load_weights(network, tmp_path / "w.pt")
    for name, value in network.state_dict().items():
        if value.is_floating_point():
            assert value.dtype == torch.float32
            assert torch.equal(value, weights[name].to(type_).float())


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite_are_refused(tmp_path, weights, value):
    weights["layer2.0.conv1.weight"][0, 0, 0, 0] = value
    with pytest.raises(UserError, match=r"'layer2.0.conv1.weight' holds values that are not finite"):
        loaded(tmp_path / "w.pt", weights)


def test_values_too_large_for_float32_and_integers_are_refused(tmp_path, weights):
    with pytest.raises(UserError, match="not finite"):
        loaded(tmp_path / "w.pt", weights | {"fc.bias": torch.full((3,), 1e300, dtype=torch.float64)})
    with pytest.raises(UserError, match=r"'fc.bias' is of type torch.int8, not torch.float32"):
        loaded(tmp_path / "w.pt", weights | {"fc.bias": torch.ones(3, dtype=torch.int8)})


def test_a_refused_file_changes_nothing(tmp_path, weights):
    network = tiny()
    torch.save(weights | {"fc.bias": torch.full((3,), float("nan"))}, tmp_path / "w.pt")
    with pytest.raises(UserError):
        load_weights(network, tmp_path / "w.pt")
    assert weights_sha256(network) == weights_sha256(tiny())


def test_another_network_is_told_by_counts_and_first_names(tmp_path, weights):
    del weights["layer1.0.conv1.weight"], weights["fc.bias"]
    weights["classifier.weight"] = torch.zeros(1)
    weights["layer2.0.conv1.weight"] = torch.zeros(1)
    message = (
        r"another network \(2 tensors missing, 1 unknown, 1 of another shape of \d+: first missing "
        r"'layer1.0.conv1.weight', first unknown 'classifier.weight', 'layer2.0.conv1.weight' is \(1,\) there, \(."
    )
    for except_head in (False, True):
        torch.save(weights, tmp_path / "w.pt")
        with pytest.raises(UserError, match=message):
            load_weights(tiny(), tmp_path / "w.pt", except_head=except_head)


@pytest.mark.parametrize(
    "content",
    [
        {},
        {"state_dict": {}},
        {"epoch": 3},
        {"state_dict": {"a": 1}},
        {"tensors": {"a": torch.zeros(1)}},
        torch.zeros(1),
    ],
)
def test_files_without_a_state_dict_are_refused(tmp_path, content):
    with pytest.raises(UserError, match=r"does not hold a state dict .*bare or under one of state_dict, model,"):
        loaded(tmp_path / "w.pt", content)


def test_a_whole_network_is_pickled_code(tmp_path):
    with pytest.raises(UserError, match="pickled code, which is never run"):
        loaded(tmp_path / "w.pt", {"model": tiny()})


def test_differences_of_state_dicts():
    a, b = torch.zeros(1), torch.zeros(2)
    assert not compare({"x": a, "n.num_batches_tracked": a}, {"x": b[:1]})
    assert not compare({"x": a}, {"y": b}, ignore=("x", "y"))
    assert compare({"x": a, "z": a}, {}).first == "first missing 'x'"
    assert compare({"x": a}, {"x": a, "y": b}).first == "first unknown 'y'"
    found = compare({"x": a, "w": a}, {"x": b, "y": b})
    assert str(found) == (
        "1 tensors missing, 1 unknown, 1 of another shape of 2: "
        "first missing 'w', first unknown 'y', 'x' is (2,) there, (1,) here"
    )
