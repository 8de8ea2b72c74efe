"""The columns of a table of attacks: their results, and the details of how they were made."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from shapebias.attacks.attack import ATTACKS
from shapebias.data.image_set import ImageSet
from shapebias.data.readers.nips17 import NO_IMAGE
from shapebias.errors import first_three
from shapebias.evaluators.adversarial.attack_images import AttackLabels
from shapebias.evaluators.base import EvalConfig, EvalResult, data_details
from shapebias.results.results import Result
from shapebias.stats.intervals import wilson

NO_ATTACK = "none"
AUTOATTACK = {"name": "autoattack", "title": "AutoAttack", "version": "standard", "draws": "depend on the batches too"}


@dataclass(frozen=True)
class Column:
    """One attack at one epsilon, in units of 1/255; or the images without attack (Clean)."""

    attack: str = NO_ATTACK
    epsilon: float | None = None

    @property
    def condition(self) -> dict[str, Any]:
        """The condition of its results."""
        return {"attack": self.attack} if self.epsilon is None else {"attack": self.attack, "epsilon": self.epsilon}


CLEAN = Column()


def attack_columns(attacks: Sequence[str], epsilons: Sequence[float]) -> tuple[Column, ...]:
    """Return Clean, then every attack at every epsilon, attack by attack."""
    return CLEAN, *(Column(attack, float(epsilon)) for attack in attacks for epsilon in epsilons)


def column_results(
    evaluator: str,
    columns: Sequence[Column],
    answers: np.ndarray,
    labels: AttackLabels,
    names: Sequence[str],
    details: dict[str, Any],
    **condition: Any,
) -> EvalResult:
    """Return the results of a table: top-1, and of targeted attacks the share of images answered as their target.

    Args:
        evaluator: its name.
        columns: the attacks.
        answers: (images, columns), the largest outputs of the model.
        labels: of these images.
        names: of these images.
        details: of the result without attack.
        condition: further conditions of all results. Those of targeted attacks also state that, Clean does not.
    """
    results, per_image = [], {}
    hits = {"top1": labels.labels.numpy()}
    if labels.targets is not None:
        hits["target_rate"] = labels.targets.numpy()
    for metric, outputs in hits.items():
        for number, column in enumerate(columns):
            targeted = {"targeted": True} if labels.targets is not None and column != CLEAN else {}
            hit = answers[:, number] == outputs
            result = Result(
                evaluator=evaluator,
                metric=metric,
                value=float(hit.mean()),
                n=len(hit),
                ci95=wilson(int(hit.sum()), len(hit)),
                condition={**column.condition, **targeted, **condition},
                details=details if (metric, column) == ("top1", CLEAN) else {},
            )
            results.append(result)
            per_image[result.key] = hit[:, None].astype(np.float64)
    return EvalResult(results, tuple(names), per_image)


def attack_details(config: EvalConfig) -> dict[str, Any]:
    """Return how the images are attacked; ``step`` is the length of a step as a fraction of epsilon."""
    return {
        "norm": "L-infinity",
        "epsilons": [float(epsilon) for epsilon in config.epsilons],
        "epsilon_unit": "1/255",
        "targeted": config.targeted,
        "attacks": {name: asdict(ATTACKS[name]) if name in ATTACKS else AUTOATTACK for name in config.attacks},
    }


def attacked_data(images: ImageSet, measured: int, unreadable: Sequence[str], seed: int) -> dict[str, Any]:
    """Return the details of the data, of which ``measured`` images were attacked."""
    about = data_details(images.root, measured, images.fingerprint, [*images.skipped.get(NO_IMAGE, ()), *unreadable])
    if images.drawn_from is None:
        return about
    return {**about, "drawn": {"images": len(images), "of": images.drawn_from, "seed": seed}}


def gradient_details(not_finite: Sequence[str], zero: Sequence[str], model: str) -> dict[str, Any]:
    """Return the images whose gradient is not finite or zero, and a warning where there are any.

    Args:
        not_finite: images that were skipped, for their gradient is not finite.
        zero: images that were not skipped, but whose gradient without attack is exactly zero: right answers on them
            are no evidence of robustness.
        model: the name of the model whose gradient it is.
    """
    warnings = []
    if not_finite:
        warnings.append(
            f"the gradient of {model} is not finite for {len(not_finite)} of the images, skipped everywhere: "
            f"{first_three(not_finite)}"
        )
    if zero:
        warnings.append(
            f"the gradient of {model} is exactly zero for {len(zero)} of the images: the attack cannot move them "
            f"along it, which is no robustness: {first_three(zero)}"
        )
    found = {"gradients_not_finite": list(not_finite), "zero_gradients": {"count": len(zero), "names": list(zero)}}
    return {**found, "warning": "; ".join(warnings)} if warnings else found
