"""Networks of users': evaluated whatever memory order they take, and left exactly as they were."""

from __future__ import annotations

import copy

import pytest
import torch
from torch import nn

from shapebias.cli.main import main
from shapebias.data.transforms import Preprocessing
from shapebias.errors import UserError
from shapebias.evaluators import Results, evaluate
from shapebias.models import Classifier, Identity
from shapebias.models.classifier import frozen_eval
from testkit.images import class_folder

CLASSES = ("a", "b", "c")
LAST = torch.channels_last


class Flattens(nn.Module):
    """A network that flattens as many tutorials do; it raises for maps that lie in channels-last order."""

    def __init__(self, seed=0):
        super().__init__()
        torch.manual_seed(seed)
        self.body = nn.Sequential(nn.Conv2d(3, 8, 3, 2), nn.BatchNorm2d(8), nn.ReLU(), nn.AdaptiveAvgPool2d(4))
        self.register_buffer("kernel", torch.rand(1, 8, 4, 4) + 0.5)
        self.head = nn.Linear(128, 3)

    def forward(self, images):
        maps = self.body(images) * self.kernel
        self.order = maps.stride()
        return self.head(maps.view(len(images), -1))


class Reshapes(Flattens):
    """The same network, flattening in any order."""

    def forward(self, images):
        maps = self.body(images) * self.kernel
        self.order = maps.stride()
        return self.head(maps.flatten(1))


def state(network):
    """All that a caller may see: values and where they lie, gradients, flags, modes, hooks."""
    tensors = {**dict(network.named_parameters()), **dict(network.named_buffers())}
    return {
        "ids": {name: id(value) for name, value in tensors.items()},
        "memory": {name: (v.data_ptr(), v.stride(), v.dtype, v.device) for name, v in tensors.items()},
        "gradients": {name: (id(v.grad), v.requires_grad) for name, v in network.named_parameters()},
        "modes": {name: module.training for name, module in network.named_modules()},
        "hooks": {name: (len(m._forward_hooks), len(m._forward_pre_hooks)) for name, m in network.named_modules()},
    }


def in_use(network):
    """In the middle of a training: some modules in training mode, a frozen layer, gradients."""
    network.train()
    network.body[1].eval()
    network.body[0].weight.requires_grad = False
    network(torch.rand(2, 3, 32, 32)).sum().backward()
    return network


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    root = tmp_path_factory.mktemp("images")
    class_folder(root / "val", CLASSES, 3)
    return root


EVERY = ("accuracy", "stylized", "white-box", "dimensionality")


@pytest.mark.parametrize("kind", [Flattens, Reshapes])
def test_a_network_is_left_as_it_was(folder, kind):
    network = in_use(kind())
    image = torch.rand(1, 3, 32, 32)
    expected, before, values = copy.deepcopy(network).eval()(image), state(network), copy.deepcopy(network.state_dict())
    evaluate(network, evaluators=EVERY, data=folder, classes=CLASSES, pairs=20, attacks=("fgsm",), epsilons=(1.0,))
    assert state(network) == before
    assert all(torch.equal(value, values[name]) for name, value in network.state_dict().items())
    assert torch.equal(network.eval()(image), expected)


def test_it_is_left_so_after_a_failure(folder):
    network = in_use(Flattens())
    before = state(network)
    network.head.bias.data[0] = torch.nan
    with pytest.raises(UserError, match="NaN"):
        evaluate(network, evaluators=["accuracy"], data=folder, classes=CLASSES)
    assert state(network) == before


def test_the_answers_do_not_depend_on_the_order(folder):
    found = []
    for kind in (Flattens, Reshapes):
        results = evaluate(kind().eval(), evaluators=["accuracy"], data=folder, classes=CLASSES)
        found.append([(result.metric, result.value) for result in results.results])
    assert found[0] == found[1]


def test_the_order_is_channels_last_where_the_network_takes_it():
    for kind, last in ((Flattens, False), (Reshapes, True)):
        network = kind()
        model = Classifier(network, Identity("net", "net", "x"), Preprocessing(32))
        images = torch.rand(2, 3, 32, 32)
        with frozen_eval(model, "cpu"):
            placed = model.place(images)
            assert placed.is_contiguous(memory_format=LAST) == last
            model(placed)
            assert network.body[0].weight.is_contiguous(memory_format=LAST) == last
            assert (network.order[1] == 1) == last
        assert network.body[0].weight.is_contiguous()
        assert model.place(images).is_contiguous()


def test_a_network_of_the_users_own_order_keeps_it(folder):
    network = Reshapes().to(memory_format=LAST).eval()
    before = state(network)
    evaluate(network, evaluators=["accuracy"], data=folder, classes=CLASSES)
    assert state(network) == before and network.body[0].weight.is_contiguous(memory_format=LAST)


@pytest.mark.parametrize("method", ["knn", "linear"])
def test_transfer_reads_out_a_network_that_flattens_by_view(tmp_path, monkeypatch, method):
    (tmp_path / "their_flattening_net.py").write_text(
        "import torch\nfrom torch import nn\n"
        "class Net(nn.Module):\n"
        "    def __init__(self):\n"
        "        super().__init__()\n"
        "        torch.manual_seed(0)\n"
        "        self.body = nn.Sequential(nn.Conv2d(3, 4, 9, 8), nn.AdaptiveAvgPool2d(4))\n"
        "        self.head = nn.Linear(64, 5)\n"
        "    def forward(self, images):\n"
        "        return self.head(self.body(images).view(len(images), -1))\n"
    )
    monkeypatch.chdir(tmp_path)
    for part in ("train", "val"):
        class_folder(tmp_path / "data" / part, CLASSES, 5)
    command = ["transfer", "their_flattening_net:Net", "--data", "data", "--method", method, "--out", "out"]
    assert main(command) == 0
    assert Results.load(tmp_path / "out" / "Net" / "results.json").results


@pytest.mark.filterwarnings("ignore:.*torch.jit.*:DeprecationWarning")
def test_a_torchscript_network_is_measured_and_left_as_it_was(tmp_path):
    data = class_folder(tmp_path / "data", CLASSES)
    network = torch.jit.trace(Reshapes().eval(), torch.rand(2, 3, 32, 32))
    images = torch.rand(2, 3, 32, 32)
    before = network(images)
    wrapped = Classifier(network, Identity("net", "net", "net", CLASSES), Preprocessing(32))
    evaluate(wrapped, evaluators="accuracy", data=data, out=tmp_path / "out")
    torch.testing.assert_close(network(images), before, rtol=0, atol=0)
