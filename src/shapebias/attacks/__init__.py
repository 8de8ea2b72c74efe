"""L-infinity attacks on a network: one loop with four settings, and AutoAttack through its authors' code."""

from shapebias.attacks.attack import ATTACKS, FGSM, IFGSM, MIM, PGD, Attack
from shapebias.attacks.autoattack import autoattack
from shapebias.attacks.gradient import GradientNotFinite, loss_gradient
from shapebias.attacks.grid import Cell, perturb_grid
from shapebias.attacks.perturb import perturb, uniform_start

__all__ = [
    "ATTACKS",
    "FGSM",
    "IFGSM",
    "MIM",
    "PGD",
    "Attack",
    "Cell",
    "GradientNotFinite",
    "autoattack",
    "loss_gradient",
    "perturb",
    "perturb_grid",
    "uniform_start",
]
