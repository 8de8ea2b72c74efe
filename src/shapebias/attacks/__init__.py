"""L-infinity attacks on a model: one loop with four settings, and AutoAttack through its authors' code.

``attack`` holds the settings and the loop, ``gradient`` the gradient that they follow, ``checks`` those of arguments.
"""

from shapebias.attacks.attack import (
    ATTACKS,
    FGSM,
    IFGSM,
    MIM,
    PGD,
    Attack,
    AttackResult,
    attack_sweep,
    perturb,
    uniform_start,
)
from shapebias.attacks.autoattack import autoattack
from shapebias.attacks.gradient import GradientNotFinite, loss_gradient

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
