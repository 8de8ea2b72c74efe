"""The attacks: each formula written out in numpy, their bounds, their starts, and gradients taken once."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import kstest
from torch.nn import functional

from shapebias.attacks import FGSM, IFGSM, MIM, PGD, Attack, attack_sweep, loss_gradient, perturb, uniform_start
from shapebias.attacks.attack import ball_bounds
from shapebias.errors import UserError
from testkit.attack_networks import ALL, LABELS, START, Of, linear, network, pictures

# What the attacks do


def slope(model, images, labels):
    """The gradient of each image's own loss, as anyone would write it."""
    images = torch.tensor(images, requires_grad=True)
    model.eval()
    functional.cross_entropy(model(images), labels, reduction="sum").backward()
    assert images.grad is not None
    return images.grad.numpy()


def fgsm(x, e, start, gradient):
    return np.clip(x + e * np.sign(gradient(x)), 0, 1)


def ifgsm(x, e, start, gradient):
    a = x
    for _ in range(10):
        a = np.clip(np.clip(a + e / 10 * np.sign(gradient(a)), x - e, x + e), 0, 1)
    return a


def mim(x, e, start, gradient):
    a, g = x, np.zeros_like(x)
    for _ in range(5):
        now = gradient(a)
        g = g + now / np.abs(now).sum(axis=(1, 2, 3), keepdims=True)
        a = np.clip(np.clip(a + e / 5 * np.sign(g), x - e, x + e), 0, 1)
    return a


def pgd(x, e, start, gradient):
    a = np.clip(x + e * start, 0, 1)
    for _ in range(10):
        a = np.clip(np.clip(a + 2.5 * e / 10 * np.sign(gradient(a)), x - e, x + e), 0, 1)
    return a


FORMULAS = {"fgsm": fgsm, "ifgsm": ifgsm, "mim": mim, "pgd": pgd}


@pytest.mark.parametrize("epsilon", [0.1, 0.5, 8, 60])
@pytest.mark.parametrize("targeted", [False, True])
@pytest.mark.parametrize("attack", ALL, ids=lambda attack: attack.name)
def test_every_attack_is_its_formula(attack, targeted, epsilon):
    model, x = network(torch.float64), pictures(torch.float64)
    targets = (LABELS + 1) % 5 if targeted else None
    sign, classes = (-1, targets) if targeted else (1, LABELS)
    found = perturb(model, x, LABELS, attack, epsilon, targets=targets, start=START)
    wanted = FORMULAS[attack.name](
        x.numpy(), epsilon / 255, START.double().numpy(), lambda a: sign * slope(model, a, classes)
    )
    np.testing.assert_allclose(found.numpy(), wanted, rtol=0, atol=1e-12)


def test_single_precision_goes_where_double_does():
    model, x = network(torch.float64), pictures(torch.float32)
    for attack in ALL:
        double = perturb(model, x.double(), LABELS, attack, 4, start=START)
        single = perturb(network(), x, LABELS, attack, 4, start=START)
        assert single.dtype == torch.float32
        assert (single - double).abs().gt(1e-6).float().mean() < 0.01


@pytest.mark.parametrize("attack", ALL, ids=lambda attack: attack.name)
def test_the_loss_grows_and_that_of_a_target_falls(attack):
    model, x, targets = network().eval(), pictures(), (LABELS + 2) % 5

    def loss(images, labels):
        with torch.no_grad():
            return functional.cross_entropy(model(images), labels, reduction="none")

    away = perturb(model, x, LABELS, attack, 2, start=START)
    towards = perturb(model, x, LABELS, attack, 2, targets=targets, start=START)
    assert (loss(away, LABELS) > loss(x, LABELS)).all()
    assert (loss(towards, targets) < loss(x, targets)).all()


def test_misclassified_images_are_attacked_all_the_same():
    model = network().eval()
    wrong = (model(pictures()).argmax(1) + 1) % 5
    assert (perturb(model, pictures(), wrong, FGSM, 1) != pictures()).flatten(1).any(1).all()


@pytest.mark.parametrize("attack", ALL, ids=lambda attack: attack.name)
def test_an_image_does_not_depend_on_its_batch(attack):
    model, x = network(torch.float64), pictures(torch.float64)
    whole = perturb(model, x, LABELS, attack, 3, start=START)
    for row in range(4):
        alone = perturb(model, x[row, None], LABELS[row, None], attack, 3, start=START[row, None])
        torch.testing.assert_close(alone[0], whole[row], rtol=0, atol=1e-12)


@pytest.mark.parametrize("attack", ALL, ids=lambda attack: attack.name)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize("epsilon", [1e-7, 0.1, 0.3, 1, 8, 200, 255])
def test_no_value_is_further_than_epsilon_or_outside_the_range(attack, dtype, epsilon):
    x = pictures(dtype)
    x[0, :, :6], x[1, :, :6] = 0, 1
    found = perturb(network(dtype), x, LABELS, attack, epsilon, start=START)
    assert (found.double() - x.double()).abs().max() <= epsilon / 255
    assert found.min() >= 0 and found.max() <= 1
    if epsilon >= 0.1:
        assert (found.double() - x.double()).abs().max() > 0.999 * epsilon / 255 * min(1, attack.steps * attack.step)


@given(st.floats(0, 1, width=32), st.floats(1e-7, 255))
def test_the_bounds_are_inside_epsilon_exactly_and_no_narrower_than_rounding(value, epsilon):
    low, high = ball_bounds(torch.tensor([value]), epsilon / 255)
    exact, radius = Fraction(value), Fraction(epsilon / 255)
    assert 0 <= exact - Fraction(low.item()) <= radius
    assert 0 <= Fraction(high.item()) - exact <= radius
    narrowest = radius - Fraction(2.0**-22)
    assert low.item() == 0 or exact - Fraction(low.item()) >= narrowest
    assert high.item() == 1 or Fraction(high.item()) - exact >= narrowest


def test_a_gradient_of_zero_is_no_step():
    for attack in ALL:
        flat = Of(lambda images: linear(images) * 0)
        found = perturb(flat, pictures(), LABELS, attack, 4, start=START)
        begun = (pictures() + 4 / 255 * START).clamp(0, 1) if attack.random_start else pictures()
        torch.testing.assert_close(found, begun, rtol=0, atol=1e-7)


def test_the_images_given_are_not_changed_and_their_layout_stays():
    x = pictures().to(memory_format=torch.channels_last).requires_grad_()
    for attack in ALL:
        found = perturb(network(), x, LABELS, attack, 4, start=START)
        assert found.is_contiguous(memory_format=torch.channels_last)
        assert not found.requires_grad and not found.is_inference()
    assert torch.equal(x, pictures()) and x.grad is None


def test_a_model_may_change_its_input_in_place():
    found = perturb(Of(lambda images: linear(images.sub_(0.5))), pictures(), LABELS, MIM, 4)
    torch.testing.assert_close(found, perturb(Of(lambda images: linear(images - 0.5)), pictures(), LABELS, MIM, 4))


# The gradient, and what is saved


def test_the_gradient_is_that_of_the_sum():
    x = pictures(torch.float64)
    found = loss_gradient(network(torch.float64), x, LABELS).numpy()
    np.testing.assert_allclose(found, slope(network(torch.float64), x.numpy(), LABELS), rtol=1e-10)


def test_a_known_gradient_is_not_taken_again():
    model = Of(network().eval())
    known = loss_gradient(model, pictures(), LABELS)
    for attack in (FGSM, IFGSM, MIM):
        model.calls = 0
        found = perturb(model, pictures(), LABELS, attack, 2, gradient=known)
        assert model.calls == attack.steps - 1
        assert torch.equal(found, perturb(model, pictures(), LABELS, attack, 2))
    model.calls = 0
    assert torch.equal(
        perturb(model, pictures(), LABELS, PGD, 2, gradient=known, start=START),
        perturb(model, pictures(), LABELS, PGD, 2, start=START),
    )
    assert model.calls == 20


@pytest.mark.parametrize("targets", [None, (LABELS + 1) % 5])
def test_a_grid_is_its_cells_with_fewer_gradients(targets):
    model, epsilons = Of(network().eval()), [0.1, 0.2, 0.3, 0.4, 0.5]
    cells = list(attack_sweep(model, pictures(), LABELS, ALL, epsilons, targets=targets, start=START))
    assert model.calls == 116
    model.calls = 0
    for cell, (attack, epsilon) in zip(cells, [(a, e) for a in ALL for e in epsilons], strict=True):
        assert (cell.attack, cell.epsilon) == (attack, epsilon)
        alone = perturb(model, pictures(), LABELS, attack, epsilon, targets=targets, start=START)
        assert torch.equal(cell.images, alone)
    assert model.calls == 130


def test_a_grid_makes_each_cell_when_it_is_asked_for_and_refuses_at_once():
    model = Of(network().eval())
    cells = attack_sweep(model, pictures(), LABELS, [PGD, FGSM], [1, 2], start=START)
    assert model.calls == 0
    next(cells)
    assert model.calls == 10
    with pytest.raises(UserError, match="start"):
        attack_sweep(model, pictures(), LABELS, [FGSM, PGD], [1])
    with pytest.raises(UserError, match="epsilon"):
        attack_sweep(model, pictures(), LABELS, [FGSM], [1, 0])


# Random starts


def test_starts_are_uniform_and_a_function_of_seed_and_name():
    shape = (3, 3, 40, 40)
    start = uniform_start(shape, 7, ["x/1.png", "x/2.png", "y\udcff.png"])
    assert start.dtype == torch.float32 and start.shape == shape
    assert start.min() >= -1 and start.max() <= 1
    assert kstest(start.flatten().numpy(), "uniform", args=(-1, 2)).pvalue > 0.01
    again = uniform_start((2, *shape[1:]), 7, ["y\udcff.png", "x/1.png"])
    assert torch.equal(again, start[[2, 0]])
    assert not torch.equal(uniform_start(shape, 8, ["x/1.png", "x/2.png", "y"])[:2], start[:2])
    assert not torch.equal(start[0], start[1])


def test_starts_leave_random_states_alone_and_need_a_name_each():
    before, other = torch.get_rng_state(), np.random.get_state()[1]
    uniform_start((2, 3, 4, 4), 0, ["a", "b"])
    assert torch.equal(torch.get_rng_state(), before) and np.array_equal(np.random.get_state()[1], other)
    with pytest.raises(UserError, match="2 images and 1 names"):
        uniform_start((2, 3, 4, 4), 0, ["a"])


def test_attacks_of_ones_own_are_settings_too():
    own = Attack("own", "Own", steps=3, step=0.5)
    model = Of(network().eval())
    assert (perturb(model, pictures(), LABELS, own, 2) - pictures()).abs().max() > 0.99 * 2 / 255
    assert model.calls == 3
