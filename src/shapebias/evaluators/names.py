"""The evaluators by name, and building those that are asked for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from shapebias.errors import UserError, unknown
from shapebias.evaluators.accuracy import Accuracy, ImageNetSketch, StylizedImageNet
from shapebias.evaluators.adversarial.transfer_attack import TransferAttack
from shapebias.evaluators.adversarial.white_box import WhiteBox
from shapebias.evaluators.base import EvalConfig, Evaluator
from shapebias.evaluators.corruption.corruptions import Corruptions
from shapebias.evaluators.dimensionality.dimensionality import Dimensionality
from shapebias.evaluators.shape_bias import ShapeBias
from shapebias.evaluators.stylized import Stylized
from shapebias.evaluators.texture_free import Edges, Silhouettes, Sketches
from shapebias.results.audit import Skipped

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
COSTLY = ("white-box", "transfer-attack", "corruptions")  # a hundred passes for each image


def listed(names: str | Sequence[str]) -> tuple[str, ...]:
    """Return names given as a sequence, or as text separated by commas."""
    parts = names.split(",") if isinstance(names, str) else names
    return tuple(part.strip() for part in parts)


def check_evaluators(names: Sequence[str]) -> None:
    """Refuse evaluators that do not exist, with the nearest name."""
    if not names:
        raise UserError(f"no evaluators given: choose from {', '.join(EVALUATORS)}")
    for name in names:
        if name not in EVALUATORS:
            raise unknown("evaluator", name, EVALUATORS)


def check_data(names: Sequence[str], data: Mapping[str, Path]) -> None:
    """Refuse data of evaluators that are not asked for, and folders that do not exist."""
    for name, folder in data.items():
        if name and name not in names:
            check_evaluators([name])
            raise UserError(f"--data {name}={folder}: '{name}' is not among --evaluators: add it, or leave this out")
    for name, folder in data.items():
        if not folder.exists():
            raise UserError(f"--data {name + '=' if name else ''}{folder}: there is no such folder")


def build(
    names: Sequence[str], data: Mapping[str, Path], config: Callable[[str, Path], EvalConfig], *, skip: bool
) -> tuple[dict[str, Evaluator], list[Skipped]]:
    """Build the evaluators of these names.

    Args:
        names: of the evaluators.
        data: folders by name; under "" a folder that serves the others, or has theirs below it by the usual names.
        config: from a name and its folder to what its evaluator is told.
        skip: skip evaluators without data of their own, and those whose data do not fit, instead of refusing them.

    Returns:
        The evaluators, and what was skipped.

    Raises:
        UserError: without ``skip``, an evaluator without data, or data that do not fit.
    """
    folders = {name: data.get(name) or _below(EVALUATORS[name], data.get(""), strict=skip) for name in names}
    without = [name for name, folder in folders.items() if folder is None]
    if without and not skip:
        name = without[0]
        raise UserError(f"evaluator '{name}' has no data: add --data {name}=DIR, or --data DIR for all evaluators")
    evaluators: dict[str, Evaluator] = {}
    skipped = []
    for name, folder in folders.items():
        kind = EVALUATORS[name]
        if folder is None:
            where = f"not found in {data['']}" if "" in data else "no folder was given"
            skipped.append(Skipped(name, f"{where}: add --data {name}=DIR", kind.needs))
            continue
        told = config(name, folder)
        try:
            evaluators[name] = kind(told)
        except UserError as error:
            if not skip:
                raise
            skipped.append(Skipped(name, str(error), kind.needs))
    return evaluators, skipped


def _below(kind: type[Evaluator], root: Path | None, *, strict: bool) -> Path | None:
    """Find an evaluator's data in a folder of several data sets; without them the folder itself, under strict None."""
    if root is None:
        return None
    try:
        return kind.find(root) or (None if strict else root)
    except UserError:  # the evaluator says it better
        return root
