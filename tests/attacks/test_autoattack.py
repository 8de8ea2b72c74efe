"""AutoAttack, where its library is installed."""

from __future__ import annotations

import sys

import pytest
import torch
from torch import nn

from shapebias.attacks import autoattack
from shapebias.errors import UserError
from testkit.attack_networks import LABELS, Of, network, pictures


@pytest.fixture
def fragile():
    """A network that AutoAttack fools at once: where it does not, it takes many seconds."""
    pytest.importorskip("pyautoattack", reason="pyautoattack is not installed: the extra 'autoattack'")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(512, 6))
    return model.to(memory_format=torch.channels_last)


def left(model):
    """What must not change."""
    flags = [module.training for module in model.modules()]
    weights = [(p.requires_grad, p.grad, p.tolist()) for p in model.parameters()]
    return flags, weights, [buffer.tolist() for buffer in model.buffers()]


def test_autoattack_fools_what_was_right_and_leaves_the_rest(fragile):
    x = torch.rand(4, 3, 8, 8, generator=torch.Generator().manual_seed(0)).to(memory_format=torch.channels_last)
    with torch.no_grad():
        labels = fragile.eval()(x).argmax(1)
    labels[0] = (labels[0] + 1) % 6
    fragile.train()
    before, random, trace = left(fragile), torch.get_rng_state(), sys.gettrace()
    with torch.inference_mode():
        found = autoattack(fragile, x.clone(), labels.clone(), 24, seed=3, batch_size=3)
    assert left(fragile) == before
    assert torch.equal(torch.get_rng_state(), random) and sys.gettrace() is trace
    assert torch.equal(found[0], x[0])
    assert (fragile.eval()(found).argmax(1) != labels).all()
    assert (found.double() - x.double()).abs().max() <= 24 / 255
    assert found.min() >= 0 and found.max() <= 1 and found.is_contiguous(memory_format=torch.channels_last)
    assert torch.equal(found, autoattack(fragile, x, labels, 24, seed=3, batch_size=3))


def test_autoattack_refuses_what_it_cannot_attack(fragile):
    x, labels = torch.rand(2, 3, 8, 8), torch.zeros(2, dtype=torch.int64)
    with pytest.raises(UserError, match="at least 4 classes, and the model has 3"):
        autoattack(Of(lambda images: fragile(images)[:, :3]), x, labels, 1, seed=0, batch_size=2)
    with pytest.raises(UserError, match="float32"):
        autoattack(fragile.double(), x.double(), labels, 1, seed=0, batch_size=2)


def test_autoattack_without_its_library_says_how_to_get_it(monkeypatch):
    monkeypatch.setitem(sys.modules, "pyautoattack", None)
    with pytest.raises(UserError, match=r'pip install "shapebias\[autoattack\]"'):
        autoattack(network(), pictures(), LABELS, 1, seed=0, batch_size=2)
