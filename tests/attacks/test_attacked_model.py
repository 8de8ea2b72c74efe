"""What surrounds an attack does not matter to it, and the model is left as it was."""

from __future__ import annotations

import math

import pytest
import torch
from torch import nn

from shapebias.attacks import IFGSM, MIM, attack_sweep, loss_gradient, perturb
from testkit.attack_networks import ALL, LABELS, START, Of, network, pictures


class Counting(nn.Module):
    """Counts its calls in a buffer, in evaluation mode too, and puts another tensor in the place of a second."""

    calls: torch.Tensor
    last: torch.Tensor

    def __init__(self, fails_at=math.inf):
        super().__init__()
        self.network, self.fails_at = network(), fails_at
        self.register_buffer("calls", torch.tensor(0))
        self.register_buffer("last", torch.zeros(1))

    def forward(self, images):
        assert not any(module.training for module in self.modules())
        self.calls += 1
        self.last = images.detach().mean()
        if self.calls >= self.fails_at:
            raise RuntimeError("out of order")
        return self.network(images)


def state(model):
    return (
        [module.training for module in model.modules()],
        [(p.requires_grad, None if p.grad is None else p.grad.tolist(), p.tolist()) for p in model.parameters()],
        [(id(buffer), buffer.tolist()) for buffer in model.buffers()],
    )


@pytest.mark.parametrize("fails_at", [math.inf, 1, 3])
@pytest.mark.parametrize("attack", [*ALL, None], ids=str)
def test_the_model_is_left_exactly_as_it_was(attack, fails_at):
    model = Counting(fails_at)
    model.network[1].eval()  # a frozen batch norm in a network in training
    model.network[0].weight.requires_grad_(False)
    model.network[4].bias.grad = torch.ones(5)
    before = state(model)
    try:
        if attack is None:
            loss_gradient(model, pictures(), LABELS)
        else:
            perturb(model, pictures(), LABELS, attack, 2, start=START)
    except RuntimeError:
        assert fails_at < math.inf
    assert state(model) == before


def test_the_model_is_as_it_was_between_the_cells_of_a_grid():
    model = Counting()
    before = state(model)
    for cell in attack_sweep(model, pictures(), LABELS, ALL, [1, 2], start=START):
        assert state(model) == before
        if cell.attack is MIM:
            break
    assert torch.is_grad_enabled()


@pytest.mark.parametrize("attack", ALL, ids=lambda attack: attack.name)
@pytest.mark.parametrize(
    "around",
    [torch.no_grad, torch.inference_mode, lambda: torch.autocast("cpu", dtype=torch.bfloat16)],
    ids=["no_grad", "inference_mode", "autocast"],
)
def test_what_surrounds_the_call_does_not_matter(attack, around):
    wanted = perturb(network(), pictures(), LABELS, attack, 2, start=START)
    known = loss_gradient(network(), pictures(), LABELS)
    with around():
        x, labels, start = pictures(), LABELS.clone(), START.clone()
        found = perturb(network_outside(), x, labels, attack, 2, start=start)
        assert torch.equal(loss_gradient(network_outside(), x, labels), known)
        cells = list(attack_sweep(network_outside(), x, labels, [attack], [2], start=start))
    assert torch.equal(found, wanted) and torch.equal(cells[0].images, wanted)
    assert found.dtype == torch.float32 and not found.is_inference()


def network_outside():
    with torch.inference_mode(False), torch.enable_grad():
        return network()


def test_frozen_models_are_attacked():
    wanted = perturb(network(), pictures(), LABELS, MIM, 2)
    assert torch.equal(perturb(network().requires_grad_(False), pictures(), LABELS, MIM, 2), wanted)


def test_half_precision_is_there_for_the_asking():
    types = []
    model = Of(network())
    model.function[4].register_forward_hook(lambda module, given, logits: types.append(logits.dtype))
    half = loss_gradient(model, pictures(), LABELS, autocast=torch.bfloat16)
    whole = loss_gradient(model, pictures(), LABELS)
    found = perturb(model, pictures(), LABELS, IFGSM, 2, autocast=torch.bfloat16)
    assert types == [torch.bfloat16, torch.float32] + [torch.bfloat16] * 10
    assert half.dtype == found.dtype == torch.float32
    assert not torch.equal(half, whole)
    assert torch.cosine_similarity(half.flatten(), whole.flatten(), dim=0) > 0.99


def test_buffers_made_under_inference_mode_are_no_hindrance():
    model = network()
    with torch.inference_mode():
        model[1].running_mean = torch.zeros(6)
    kept = model[1].running_mean
    assert torch.equal(perturb(model, pictures(), LABELS, MIM, 2), perturb(network(), pictures(), LABELS, MIM, 2))
    assert model[1].running_mean is kept
