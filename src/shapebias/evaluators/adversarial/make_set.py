"""Make adversarial images against one model and store them as PNG, each at most epsilon levels from its original."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from shapebias.data.decode import UnreadableImage
from shapebias.data.encode import is_there
from shapebias.data.image_set import ImageSet
from shapebias.data.materialize import Skip, materialize, save_png
from shapebias.data.readers.nips17 import ATTRIBUTION, attribution
from shapebias.errors import UserError
from shapebias.evaluators.adversarial.adversarial_set import (
    IDENTITY,
    ZERO,
    AdversarialSet,
    manifest_images,
    read_set,
    stored_path,
)
from shapebias.evaluators.adversarial.attack_images import AttackLabels
from shapebias.evaluators.adversarial.batches import attack_batch, image_batches
from shapebias.evaluators.adversarial.columns import CLEAN, Column, attack_columns, attack_details
from shapebias.evaluators.base import EvalConfig
from shapebias.files import read_json, write_json, write_text
from shapebias.models.classifier import Classifier, frozen_eval
from shapebias.results.layout import ADVERSARIAL_MANIFEST, ADVERSARIAL_SCHEMA

ZERO_FILE = "zero_gradients.json"  # names of images, written before the images themselves
TOLERANCE = 1e-4  # levels of 8 bits: far above float32's rounding errors, far below what an attack moves


def rounded_towards(original: Tensor, perturbed: Tensor, epsilon: float) -> Tensor:
    """Round ``perturbed`` to levels of 8 bits, towards ``original``: never more than epsilon levels from it.

    A change of a whole number of levels stays whole: 2/255 in float32 may be 1.9999999 levels.

    Args:
        original: uint8, levels.
        perturbed: float in [0, 1], of the same shape.
        epsilon: in units of 1/255, which are levels.
    """
    levels = original.to(torch.float64)
    change = perturbed.detach().cpu().to(torch.float64) * 255 - levels
    whole = (change.abs() + TOLERANCE).floor().clamp(max=math.floor(epsilon + TOLERANCE))
    return (levels + whole * change.sign()).clamp(0, 255).to(torch.uint8)


def make_set(parent: Path, source: Classifier, images: ImageSet, config: EvalConfig) -> AdversarialSet:
    """Return the set of ``images`` attacked on ``source``, in a folder of ``parent`` named after all it depends on.

    Images that are there are not made again, so that a killed run resumes and several models share one set. Those that
    cannot be read or whose gradient is not finite are listed in the manifest, and those whose gradient is zero.

    Raises:
        UserError: the folder cannot be written, no image can be made, or one cannot under
            strict.
    """
    identity = _identity(source, images, config)
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    folder = parent / f"transfer-attack-{digest}"
    head = {"schema": ADVERSARIAL_SCHEMA, "kind": "set", **identity}
    columns = attack_columns(config.attacks, config.epsilons)
    labels = AttackLabels.of(source, images, targeted=config.targeted)
    unreadable, odd = list[str](), list[str]()

    def files(row: int) -> list[Path]:
        return [stored_path(folder, column, images.names[row]) for column in columns]

    def make(missing: list[int], skip: Skip) -> Iterator[int]:
        (folder / ADVERSARIAL_MANIFEST).unlink(missing_ok=True)  # while it is not there, the set is not finished
        if (credit := attribution(images)) is not None:
            write_text(folder / ATTRIBUTION, credit)
        paths = [images.paths[row] for row in missing]
        batches = image_batches(paths, source.preprocessing, config, none_is_error=False)
        for local, shown in batches:
            rows = [missing[index] for index in local]
            names = [images.names[row] for row in rows]
            attacked = _make_batch(folder, source, shown, names, labels.take(rows), config)
            for index in set(range(len(rows))) - set(attacked):
                odd.append(names[index])
                for path in files(rows[index]):
                    path.unlink(missing_ok=True)
            yield len(rows)
        unreadable.extend(batches.unreadable)
        for reason in unreadable:
            skip(UnreadableImage(*reason.split(": ", 1)))

    def finish() -> None:
        there = [row for row in range(len(images)) if all(map(is_there, files(row)))]
        if not there:
            raise UserError(f"the gradient of {source.identity.name} is not finite for any image of {images.root}")
        lists = {"images": manifest_images(images.take(there)), "unreadable": unreadable}
        lists |= {"gradients_not_finite": sorted(odd), ZERO: sorted(_known_zero(folder) - set(odd))}
        write_json(folder / ADVERSARIAL_MANIFEST, {**head, "finished": True, **lists})

    with frozen_eval(source, config.device):
        materialize(
            folder,
            head,
            range(len(images)),
            files,
            make,
            marker=IDENTITY,
            what="set of adversarial images",
            title=f"{source.identity.name}: adversarial images",
            each=len(columns),
            unit="pictures",
            strict=config.strict,
            wait=True,
            finish=finish,
            listing=None,
        )
    return read_set(folder)


def _identity(source: Classifier, images: ImageSet, config: EvalConfig) -> dict[str, Any]:
    """Return all that the stored images depend on, as JSON."""
    return {
        "source": {
            "name": source.identity.name,
            "architecture": source.identity.architecture,
            "weights_sha256": source.weights_sha256(),
            "preprocessing": asdict(source.preprocessing),
            "mean": source.mean.flatten().tolist(),
            "std": source.std.flatten().tolist(),
        },
        "images_fingerprint": images.fingerprint,
        **attack_details(config),
        "seed": config.seed,
        "size": source.preprocessing.size,
        "rounding": "towards the original",
    }


def _make_batch(
    folder: Path, source: Classifier, shown: Tensor, names: list[str], labels: AttackLabels, config: EvalConfig
) -> list[int]:
    """Attack the images of a batch and write them; return the rows of those whose gradient is finite."""
    levels = shown.mul(255).round().to(torch.uint8)

    def write(column: Column, perturbed: Tensor, rows: list[int]) -> None:
        original = levels[rows]
        stored = original if column == CLEAN else rounded_towards(original, perturbed, column.epsilon or 0.0)
        for row, image in zip(rows, stored, strict=True):
            save_png(stored_path(folder, column, names[row]), image / 255)

    def note_zero(rows: list[int]) -> None:
        write_json(folder / ZERO_FILE, sorted(_known_zero(folder) | {names[row] for row in rows}))

    attacked, _ = attack_batch(source, shown, names, labels, config, write, note_zero=note_zero)
    return attacked


def _known_zero(folder: Path) -> set[str]:
    """Return the images found so far to have a gradient of zero, also by earlier calls."""
    try:
        names = read_json(folder / ZERO_FILE)
    except UserError:
        return set()
    return {str(name) for name in names} if isinstance(names, list) else set()
