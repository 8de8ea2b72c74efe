"""What cannot be attacked, and that it says why."""

from __future__ import annotations

import math

import pytest
import torch
from torch.nn import functional

from shapebias.attacks import FGSM, IFGSM, MIM, PGD, GradientNotFinite, attack_sweep, loss_gradient, perturb
from shapebias.errors import UserError
from testkit.attack_networks import ALL, LABELS, START, Of, linear, network, pictures


def brittle(images):
    """Its gradient is NaN where the mean is below a half."""
    mean = images.mean((1, 2, 3))
    return torch.stack([(mean - 0.5).sqrt(), torch.zeros_like(mean)], dim=1)


def test_gradients_that_are_not_finite_name_their_rows():
    levels = torch.tensor([0.6, 0.4, 0.7, 0.2])
    flat = levels.view(4, 1, 1, 1).expand(4, 3, 8, 8).contiguous()
    for attack in ALL:
        with pytest.raises(GradientNotFinite) as caught:
            perturb(Of(brittle), flat, torch.zeros(4, dtype=torch.int64), attack, 1, start=torch.zeros_like(flat))
        assert caught.value.indices == (1, 3)
    assert not loss_gradient(Of(brittle), flat, torch.zeros(4, dtype=torch.int64))[1].isfinite().any()


def test_gradients_that_fail_on_the_way_name_their_rows():
    levels = torch.tensor([0.6, 0.52, 0.7])
    flat = levels.view(3, 1, 1, 1).expand(3, 3, 8, 8).contiguous()
    labels = torch.zeros(3, dtype=torch.int64)
    perturb(Of(brittle), flat, labels, FGSM, 20)  # one step from a finite gradient
    for attack in (IFGSM, MIM):
        with pytest.raises(GradientNotFinite, match=r"1 of the images: rows 1$"):
            perturb(Of(brittle), flat, labels, attack, 20)
        with pytest.raises(GradientNotFinite):
            list(attack_sweep(Of(brittle), flat, labels, [attack], [0.1, 20]))


@pytest.mark.parametrize(
    ("function", "words"),
    [
        (lambda images: linear(images.detach()), "does not depend differentiably"),
        (torch.no_grad()(linear), "does not depend differentiably"),
        (lambda images: linear(images).argmax(1), r"returned shape \(4,\)"),
        (lambda images: (linear(images), 1), "returned tuple"),
        (lambda images: linear(images)[:2], r"returned shape \(2, 5\)"),
        (lambda images: linear(images)[:, :3], "labels hold 3, and the model has 3 outputs"),
        (lambda images: linear(images).round().long(), "does not depend differentiably"),
    ],
)
def test_models_that_cannot_be_attacked_say_why(function, words):
    with pytest.raises(UserError, match=words):
        perturb(Of(function), pictures(), LABELS, IFGSM, 1)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x.numpy(), "tensor of images"),
        (lambda x: x[0], r"images\[None\]"),
        (lambda x: x[:, :1], "RGB"),
        (lambda x: x.permute(0, 2, 3, 1), r"movedim\(-1, 1\)"),
        (lambda x: x[:0], "at least one image"),
        (lambda x: (x * 255).to(torch.uint8), r"torch.uint8: images.float\(\) / 255"),
        (lambda x: x * 255, "levels of 8 bits.*divide by 255"),
        (lambda x: (x - 0.45) / 0.22, "normalised"),
        (lambda x: x * 1e4, r"shapebias\.Classifier\(network, identity, preprocessing, mean=, std=\)"),
        (lambda x: x + 1e-4, r"clamp\(0, 1\)"),
        (lambda x: x.masked_fill(x > 0.9, torch.nan), "NaN"),
        (lambda x: x.masked_fill(x > 0.9, torch.inf), "to inf"),
        (lambda x: x.half(), r"torch.float16.*autocast=torch.float16"),
        (lambda x: x.bfloat16(), "autocast=torch.bfloat16"),
        (lambda x: x.double(), "model is torch.float32 and the images are torch.float64"),
    ],
)
def test_images_that_cannot_be_attacked_say_what_they_look_like(change, words):
    images = pictures()
    images[0, 0, 0, 0] = 1.0
    with pytest.raises(UserError, match=words) as caught:
        perturb(network(), change(images), LABELS, FGSM, 1)
    assert "\n" not in str(caught.value)
    with pytest.raises(UserError, match=words):
        loss_gradient(network(), change(images), LABELS)


@pytest.mark.parametrize(
    ("classes", "words"),
    [
        (LABELS.int(), "int64"),
        (LABELS.tolist(), "must be a tensor of int64, one class per image, not list"),
        (LABELS.numpy(), "must be a tensor of int64.* not ndarray"),
        (LABELS[:3], r"shape \(4,\)"),
        (functional.one_hot(LABELS), r"shape \(4,\)"),
        (LABELS - 1, "hold -1: classes are counted from 0"),
        (LABELS + 2, "hold 5, and the model has 5 outputs"),
    ],
)
def test_labels_and_targets_are_classes_of_the_model(classes, words):
    with pytest.raises(UserError, match=f"labels .*{words}"):
        perturb(network(), pictures(), classes, FGSM, 1)
    with pytest.raises(UserError, match=f"targets .*{words}"):
        perturb(network(), pictures(), LABELS, FGSM, 1, targets=classes)


@pytest.mark.parametrize("epsilon", [0, -1, 255.1, math.nan, math.inf])
def test_epsilon_has_a_unit_and_bounds(epsilon):
    with pytest.raises(UserError, match=r"units of 1/255, above 0 and at most 255"):
        perturb(network(), pictures(), LABELS, FGSM, epsilon)


@pytest.mark.parametrize("epsilon", ["8", None, [8]])
def test_epsilon_is_a_number(epsilon):
    with pytest.raises(
        UserError, match=r"epsilon must be a number, in units of 1/255, not (the text '8'|NoneType|list)$"
    ):
        perturb(network(), pictures(), LABELS, FGSM, epsilon)


def test_attacks_are_no_names_and_models_are_modules():
    for attack in (
        lambda: perturb(network(), pictures(), LABELS, "fgsm", 1),
        lambda: attack_sweep(network(), pictures(), LABELS, ["fgsm"], [1]),
    ):
        with pytest.raises(UserError, match=r"attack is an Attack such as .*FGSM, not the text 'fgsm'"):
            attack()
    for refused in (
        lambda: perturb(linear, pictures(), LABELS, FGSM, 1),
        lambda: loss_gradient(linear, pictures(), LABELS),
    ):
        with pytest.raises(UserError, match=r"the model must be a torch\.nn\.Module, not function"):
            refused()


def test_starts_gradients_and_precisions_that_do_not_fit_are_refused():
    def attack(which, **given):
        perturb(network(), pictures(), LABELS, which, 1, **given)

    with pytest.raises(UserError, match="PGD starts at a random point: pass start="):
        attack(PGD)
    with pytest.raises(UserError, match=r"start has the shape \(2, 3, 12, 12\)"):
        attack(PGD, start=START[:2])
    for outside in (2 * START, START * math.nan):
        with pytest.raises(UserError, match=r"fraction of epsilon in \[-1, 1\]"):
            attack(PGD, start=outside)
    with pytest.raises(UserError, match="gradient has the shape"):
        attack(FGSM, gradient=START[:1])
    for what, given in (("start", {"start": START.numpy()}), ("gradient", {"gradient": [0]})):
        with pytest.raises(UserError, match=f"{what} must be a tensor of the images' shape, not"):
            attack(PGD if what == "start" else FGSM, **given)
    with pytest.raises(UserError, match="gradient has the shape"):
        attack_sweep(network(), pictures(), LABELS, [FGSM], [1], gradient=START[:1])
    with pytest.raises(UserError, match=r"autocast must be torch\.bfloat16"):
        attack(FGSM, autocast=torch.float64)


def test_a_model_made_under_inference_mode_is_refused():
    with torch.inference_mode():
        model = network()
    with pytest.raises(UserError, match="made under torch"):
        perturb(model, pictures(), LABELS, FGSM, 1)
