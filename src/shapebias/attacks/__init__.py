"""L-infinity attacks on a network: one loop with four settings, and AutoAttack through its authors' code."""

from shapebias.attacks.attack import ATTACKS, FGSM, IFGSM, MIM, PGD, Attack
from shapebias.attacks.autoattack import autoattack
from shapebias.attacks.gradient import GradientNotFinite, loss_gradient
from shapebias.attacks.perturb import perturb, uniform_start
from shapebias.attacks.sweep import AttackResult, attack_sweep

__all__ = [
    "ATTACKS",
    "FGSM",
    "IFGSM",
    "MIM",
    "PGD",
    "Attack",
    "AttackResult",
    "GradientNotFinite",
    "attack_sweep",
    "autoattack",
    "loss_gradient",
    "perturb",
    "uniform_start",
]
