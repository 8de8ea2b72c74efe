"""The attacks beside another library's, on a small network and on a published one."""

from __future__ import annotations

import csv
import importlib
import warnings

import pytest
import torch
from torch import nn

import shapebias.libraries  # noqa: F401 - torchvision loads, before the other library asks for it
from shapebias.attacks import FGSM, IFGSM, MIM, PGD, Attack, attack_sweep, perturb, uniform_start
from shapebias.data.decode import load_rgb
from testkit.published import published_network

IMAGES = 3


@pytest.fixture(scope="module")
def oracle():
    """torchattacks, whose pins fit no current environment: it is there where somebody installed it without them."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return importlib.import_module("torchattacks")
        except ImportError as error:
            pytest.skip(f"torchattacks cannot be imported: {error}")


@pytest.fixture(scope="module")
def small():
    torch.manual_seed(3)
    layers = [nn.Conv2d(3, 6, 3, 2, 1), nn.BatchNorm2d(6), nn.ReLU(), nn.Conv2d(6, 8, 3), nn.SiLU()]
    return nn.Sequential(*layers, nn.Flatten(), nn.Linear(8 * 36, 10)).double().eval()


@pytest.fixture
def batch():
    generator = torch.Generator().manual_seed(4)
    return torch.rand(5, 3, 16, 16, generator=generator, dtype=torch.float64), torch.tensor([0, 9, 4, 4, 7])


def close(found, wanted):
    torch.testing.assert_close(found, wanted, rtol=0, atol=1e-9)


@pytest.mark.parametrize("epsilon", [0.1, 4, 16])
def test_fgsm(oracle, small, batch, epsilon):
    close(perturb(small, *batch, FGSM, epsilon), oracle.FGSM(small, eps=epsilon / 255)(*batch))


@pytest.mark.parametrize("epsilon", [0.1, 4, 16])
def test_ifgsm_step_by_step(oracle, small, batch, epsilon):
    x, labels = batch
    radius = epsilon / 255
    step = oracle.BIM(small, eps=radius, alpha=radius / 10, steps=1)
    at = x
    for number in range(1, IFGSM.steps + 1):
        wanted = step(at, labels).clamp(x - radius, x + radius)
        at = perturb(small, x, labels, Attack("part", "Part", steps=number, step=IFGSM.step), epsilon)
        close(at, wanted)
    close(at, perturb(small, x, labels, IFGSM, epsilon))
    close(at, oracle.BIM(small, eps=radius, alpha=radius / 10, steps=10)(x, labels))


@pytest.mark.parametrize("epsilon", [0.1, 4, 16])
def test_mim_whose_mean_in_place_of_the_l1_norm_gives_the_same_signs(oracle, small, batch, epsilon):
    radius = epsilon / 255
    for number in range(1, MIM.steps + 1):
        part = Attack("part", "Part", steps=number, step=MIM.step, decay=1.0)
        wanted = oracle.MIFGSM(small, eps=radius, alpha=radius / 5, steps=number, decay=1.0)(*batch)
        close(perturb(small, *batch, part, epsilon), wanted)


@pytest.mark.parametrize("epsilon", [0.1, 4, 16])
def test_pgd_step_by_step_from_our_start(oracle, small, batch, epsilon):
    x, labels = batch
    radius = epsilon / 255
    start = uniform_start(x.shape, 1, list("abcde")).double()
    step = oracle.PGD(small, eps=radius, alpha=radius / 4, steps=1, random_start=False)
    at = (x + radius * start).clamp(0, 1)
    for number in range(1, PGD.steps + 1):
        wanted = step(at, labels).clamp(x - radius, x + radius)
        part = Attack("part", "Part", steps=number, step=PGD.step, random_start=True)
        at = perturb(small, x, labels, part, epsilon, start=start)
        close(at, wanted)


def test_targeted(oracle, small, batch):
    x, labels = batch
    targets = (labels + 3) % 10
    theirs = oracle.BIM(small, eps=4 / 255, alpha=4 / 2550, steps=10)
    theirs.set_mode_targeted_by_label(quiet=True)
    close(perturb(small, x, labels, IFGSM, 4, targets=targets), theirs(x, targets))


@pytest.fixture(scope="module")
def published():
    return published_network().eval()


@pytest.fixture(scope="module")
def photographs(published, shared):
    folder = shared / "data" / "nips17"
    with (folder / "images.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))[:IMAGES]
    images = [published.preprocessing(load_rgb(folder / "images" / f"{row['ImageId']}.png")) for row in rows]
    return torch.stack(images), torch.tensor([int(row["TrueLabel"]) - 1 for row in rows])  # counted from 1 there


def test_fgsm_on_a_published_network(oracle, published, photographs):
    epsilons = [0.1, 0.5, 8]
    for cell in attack_sweep(published, *photographs, [FGSM], epsilons):
        theirs = oracle.FGSM(published, eps=cell.epsilon / 255)(*photographs)
        same = (cell.images - theirs).abs() <= 1e-6  # rounding at the bounds
        assert same.float().mean() >= 0.999


def test_a_published_model_answers_no_photograph_right_at_half_a_level(published, photographs):
    images, labels = photographs
    start = uniform_start(images.shape, 0, [str(row) for row in range(IMAGES)])
    right = {}
    with torch.no_grad():
        clean = int((published(images).argmax(1) == labels).sum())
        for cell in attack_sweep(published, images, labels, [FGSM, MIM], [0.5], start=start):
            right[cell.attack.name] = int((published(cell.images).argmax(1) == labels).sum())
    assert clean >= 2 and right == {"fgsm": 0, "mim": 0}
