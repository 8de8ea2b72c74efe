"""The columns of a table of attacks, the figures in them, and what is said about how they were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from shapebias.attacks.attack import ATTACKS
from shapebias.data.image_set import ImageSet
from shapebias.data.readers.nips17 import NO_IMAGE
from shapebias.evaluators.base import EvalResult, data_details
from shapebias.results.results import Result
from shapebias.stats.intervals import wilson

NONE = "none"
AUTOATTACK = {"name": "autoattack", "title": "AutoAttack", "version": "standard", "draws": "depend on the batches too"}


@dataclass(frozen=True)
class Column:
    """One attack at one epsilon, in units of 1/255; or the images without attack (Clean)."""

    attack: str = NONE
    epsilon: float | None = None

    @property
    def condition(self) -> dict[str, Any]:
        """As results files name it."""
        return {"attack": self.attack} if self.epsilon is None else {"attack": self.attack, "epsilon": self.epsilon}


CLEAN = Column()


def columns_of(attacks: Sequence[str], epsilons: Sequence[float]) -> tuple[Column, ...]:
    """Clean, then every attack at every epsilon, attack by attack."""
    return CLEAN, *(Column(attack, float(epsilon)) for attack in attacks for epsilon in epsilons)


def outcome_of(
    evaluator: str,
    columns: Sequence[Column],
    answers: np.ndarray,
    truth: tuple[np.ndarray, np.ndarray | None],
    names: Sequence[str],
    details: dict[str, Any],
    **condition: Any,
) -> EvalResult:
    """The figures of a table: top-1, and of targeted attacks the share of images answered as their target.

    Args:
        evaluator: whose they are.
        columns: what was done to the images.
        answers: (images, columns), the network's outputs that were largest.
        truth: (images,), the right outputs; and those that the attacks go to, None where they go away from the right.
        names: the images.
        details: of the figure without attack.
        condition: what else all figures hold under. Of a targeted attack they say so, of Clean not.
    """
    labels, targets = truth
    entries, per_image = [], {}
    wanted = {"top1": labels} if targets is None else {"top1": labels, "target_rate": targets}
    for metric, right in wanted.items():
        for number, column in enumerate(columns):
            targeted = {"targeted": True} if targets is not None and column != CLEAN else {}
            hit = answers[:, number] == right
            entry = Result(
                evaluator=evaluator,
                metric=metric,
                value=float(hit.mean()),
                n=len(hit),
                ci95=wilson(int(hit.sum()), len(hit)),
                condition={**column.condition, **targeted, **condition},
                details=details if (metric, column) == ("top1", CLEAN) else {},
            )
            entries.append(entry)
            per_image[entry.key] = hit[:, None].astype(np.float64)
    return EvalResult(entries, tuple(names), per_image)


def attack_details(attacks: Sequence[str], epsilons: Sequence[float], *, targeted: bool) -> dict[str, Any]:
    """How the images were attacked; ``step`` is the length of a step as a fraction of epsilon."""
    return {
        "norm": "L-infinity",
        "epsilons": [float(epsilon) for epsilon in epsilons],
        "epsilon_unit": "1/255",
        "targeted": targeted,
        "attacks": {name: asdict(ATTACKS[name]) if name in ATTACKS else AUTOATTACK for name in attacks},
    }


def data_of(images: ImageSet, shown: int, unreadable: Sequence[str], seed: int) -> dict[str, Any]:
    """What the figures were measured on: ``shown`` of ``images``."""
    about = data_details(images.root, shown, images.fingerprint, [*images.skipped.get(NO_IMAGE, ()), *unreadable])
    if images.drawn_from is None:
        return about
    return {**about, "drawn": {"images": len(images), "of": images.drawn_from, "seed": seed}}


def gradient_details(odd: Sequence[str], zero: Sequence[str], network: str) -> dict[str, Any]:
    """The images whose gradient is not finite, those whose gradient is zero, and a warning where there are any.

    Args:
        odd: left out, for their gradient is not finite.
        zero: shown, but the gradient at the image itself is exactly zero: their answers say nothing of robustness.
        network: whose gradient it is.
    """
    said = []
    if odd:
        said.append(
            f"the gradient of {network} is not finite for {len(odd)} of the images, left out everywhere: {_first(odd)}"
        )
    if zero:
        said.append(
            f"the gradient of {network} is exactly zero for {len(zero)} of the images: the attack cannot move them "
            f"along it, which is no robustness: {_first(zero)}"
        )
    found = {"gradients_not_finite": list(odd), "zero_gradients": {"count": len(zero), "names": list(zero)}}
    return {**found, "warning": "; ".join(said)} if said else found


def _first(names: Sequence[str]) -> str:
    return f"{', '.join(names[:3])}{' ...' if len(names) > 3 else ''}"
