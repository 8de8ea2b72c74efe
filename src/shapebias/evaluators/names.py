"""Measurements by name, and building those that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from shapebias.errors import UserError, unknown
from shapebias.evaluators.accuracy.accuracy import Accuracy
from shapebias.evaluators.accuracy.out_of_distribution import ImageNetSketch, StylizedImageNet
from shapebias.evaluators.accuracy.stylized import Stylized
from shapebias.evaluators.adversarial.transfer_attack import TransferAttack
from shapebias.evaluators.adversarial.white_box import WhiteBox
from shapebias.evaluators.base import EvalConfig, Evaluator
from shapebias.evaluators.corruption.corruptions import Corruptions
from shapebias.evaluators.dimensionality.dimensionality import Dimensionality
from shapebias.evaluators.shape_bias.shape_bias import ShapeBias
from shapebias.evaluators.shape_bias.texture_free import Edges, Silhouettes, Sketches

EVALUATORS: dict[str, type[Evaluator]] = {
    "accuracy": Accuracy,
    "stylized": Stylized,
    "stylized-imagenet": StylizedImageNet,
    "imagenet-sketch": ImageNetSketch,
    "shape-bias": ShapeBias,
    "silhouettes": Silhouettes,
    "edges": Edges,
    "sketches": Sketches,
    "white-box": WhiteBox,
    "transfer-attack": TransferAttack,
    "corruptions": Corruptions,
    "dimensionality": Dimensionality,
}


def check_evaluators(evaluators: Sequence[str]) -> None:
    """Refuse evaluators that do not exist, with the nearest name."""
    if not evaluators:
        raise UserError(f"no evaluators given: choose from {', '.join(EVALUATORS)}")
    for name in evaluators:
        if name not in EVALUATORS:
            raise unknown("evaluator", name, EVALUATORS)


def build(
    evaluators: Sequence[str],
    data: Mapping[str, Path],
    setting: Callable[[Path], EvalConfig],
) -> dict[str, Evaluator]:
    """Build the evaluators of these names; ``data`` maps names to folders, "" serves those without their own.

    Raises:
        UserError: unknown evaluators, one without data, data for one that is not asked for, or data that do not fit.
    """
    check_evaluators(evaluators)
    for name in data:
        if name:
            check_evaluators([name])
    for name in evaluators:
        if name not in data and "" not in data:
            raise UserError(f"evaluator '{name}' has no data: add --data {name}=DIR, or --data DIR for all evaluators")
    for name in data:
        if name and name not in evaluators:
            raise UserError(
                f"--data {name}={data[name]}: '{name}' is not among --evaluators: add it, or leave this out"
            )
    folders = {name: data[name] if name in data else _below(EVALUATORS[name], data[""]) for name in evaluators}
    return {name: EVALUATORS[name](setting(folder)) for name, folder in folders.items()}


def _below(evaluator: type[Evaluator], root: Path) -> Path:
    """Where in a folder of several data sets an evaluator's own is by its usual name, else the folder itself."""
    try:
        return evaluator.find(root) or root
    except UserError:  # the evaluator says it better
        return root
