"""Make adversarial images against one network and store them as PNG, each at most epsilon levels from its original."""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Callable, Sequence
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import torch
from PIL import Image
from torch import Tensor

from shapebias.data.image_set import ImageSet
from shapebias.data.readers.nips17 import ATTRIBUTION, attribution
from shapebias.errors import UserError
from shapebias.evaluators.adversarial.adversarial_set import (
    MANIFEST,
    SCHEMA,
    ZERO,
    AdversarialSet,
    manifest_images,
    read_set,
    stored,
)
from shapebias.evaluators.adversarial.attack_examples import save_png
from shapebias.evaluators.adversarial.attack_table import CLEAN, Column, attack_details, columns_of
from shapebias.evaluators.adversarial.attacked import Truth, attacked, clean_gradient, finite_only
from shapebias.evaluators.adversarial.kept_batches import readable_batches
from shapebias.evaluators.base import EvalConfig
from shapebias.files import locked, read_json, remove_leftovers, write_json, write_text
from shapebias.models.classifier import Classifier
from shapebias.progress import Bar, progress

Note = Callable[[Sequence[str]], None]
TOLERANCE = 1e-4  # levels of 8 bits: far above float32's rounding errors, far below what an attack moves


def rounded_towards(original: Tensor, changed: Tensor, epsilon: float) -> Tensor:
    """``changed`` in levels of 8 bits, each value rounded towards ``original``: never more than epsilon levels from it.

    A change of a whole number of levels stays whole: 2/255 in float32 may be 1.9999999 levels.

    Args:
        original: uint8, levels.
        changed: float in [0, 1], of the same shape.
        epsilon: in units of 1/255, which are levels.
    """
    levels = original.to(torch.float64)
    change = changed.detach().cpu().to(torch.float64) * 255 - levels
    whole = (change.abs() + TOLERANCE).floor().clamp(max=math.floor(epsilon + TOLERANCE))
    return (levels + whole * change.sign()).clamp(0, 255).to(torch.uint8)


def make_set(
    parent: Path, source: Classifier, images: ImageSet, epsilons: Sequence[float], setting: EvalConfig
) -> AdversarialSet:
    """The set of ``images`` attacked on ``source``, in a folder of ``parent`` that is named after all it depends on.

    Images that are there whole are not made again, so a killed run goes on and several networks share one set. Those
    that cannot be read or whose gradient is not finite are listed in the manifest, and those whose gradient is zero.

    Raises:
        UserError: another process makes it, the folder cannot be written, no image can be made, or one cannot under
            strict.
    """
    identity = _identity(source, images, epsilons, setting)
    digest = hashlib.sha256(json.dumps(identity, sort_keys=True).encode()).hexdigest()[:16]
    folder = parent / f"transfer-attack-{digest}"
    columns = columns_of(setting.attacks, epsilons)
    with locked(folder):
        remove_leftovers(folder)
        if not _is_whole(folder, strict=setting.strict):
            zero = _known_zero(folder)
            head = {"schema": SCHEMA, "kind": "set", **identity}

            def note(names: Sequence[str]) -> None:
                zero.update(names)
                write_json(folder / MANIFEST, {**head, "finished": False, ZERO: sorted(zero)})

            note(())
            if (credit := attribution(images)) is not None:
                write_text(folder / ATTRIBUTION, credit)
            unreadable, odd = _make(folder, source, images, columns, epsilons, setting, note)
            there = [row for row, name in enumerate(images.names) if _is_there(folder, columns, name)]
            if not there:
                raise UserError(f"the gradient of {source.identity.name} is not finite for any image of {images.root}")
            lists = {"images": manifest_images(images.take(there)), "unreadable": unreadable}
            lists |= {"gradients_not_finite": odd, ZERO: sorted(zero - set(odd))}
            write_json(folder / MANIFEST, {**head, "finished": True, **lists})
    return read_set(folder)


def _identity(source: Classifier, images: ImageSet, epsilons: Sequence[float], setting: EvalConfig) -> dict[str, Any]:
    """All that the stored images depend on, as JSON."""
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
        **attack_details(setting.attacks, epsilons, targeted=setting.targeted),
        "seed": setting.seed,
        "size": source.preprocessing.size,
        "rounding": "towards the original",
    }


def _is_there(folder: Path, columns: Sequence[Column], name: str) -> bool:
    """Whether all of an image's pictures are; one of no bytes, as a full disk leaves it, is not."""
    paths = (stored(folder, column, name) for column in columns)
    return all(path.is_file() and path.stat().st_size > 0 for path in paths)


def _known_zero(folder: Path) -> set[str]:
    """The images that an earlier call found to have a gradient of zero: what is there is not looked at again."""
    try:
        found = read_json(folder / MANIFEST)
    except UserError:
        return set()
    names = found.get(ZERO) if isinstance(found, dict) else None
    return {str(name) for name in names} if isinstance(names, list) else set()


def _is_whole(folder: Path, *, strict: bool) -> bool:
    """Whether nothing is left to make; under ``strict`` what could not be made is tried again."""
    try:
        found = read_set(folder)
    except UserError:
        return False
    if strict and (found.unreadable or found.odd):
        return False
    return all(_is_there(folder, found.columns, name) for name in found.images.names)


def _make(
    folder: Path,
    source: Classifier,
    images: ImageSet,
    columns: Sequence[Column],
    epsilons: Sequence[float],
    setting: EvalConfig,
    note: Note,
) -> tuple[list[str], list[str]]:
    """Make the images that are missing; the unreadable ones and those whose gradient is not finite.

    ``note`` is told which ones have a gradient of zero, before they are there.
    """
    name, width = source.identity.name, len(columns)
    missing = [row for row, image in enumerate(images.names) if not _is_there(folder, columns, image)]
    truth = Truth.of(source, images, targeted=setting.targeted)
    source.to(device=setting.device, memory_format=torch.channels_last)  # type: ignore[call-overload]
    unreadable: list[str] = []
    odd: list[str] = []
    total, done = len(images) * width, (len(images) - len(missing)) * width
    batches = readable_batches(
        [images.paths[row] for row in missing], source.preprocessing, setting, unreadable, any_before=done > 0
    )
    with progress(f"{name}: adversarial images", total=total, done=done, unit="pictures") as bar:
        for local, shown in batches:
            rows = [missing[index] for index in local]
            names, begun = [images.names[row] for row in rows], bar.done
            of = truth.at(rows)
            attack = partial(_attack, folder, source, shown, of, names, epsilons, setting, bar, note)
            there, _ = finite_only(names, attack, network=name, strict=setting.strict)
            for row in set(range(len(rows))) - set(there):
                odd.append(names[row])
                for column in columns:
                    stored(folder, column, names[row]).unlink(missing_ok=True)
            bar.done = begun
            bar.advance(len(rows) * width)
    return unreadable, sorted(odd)


def _attack(
    folder: Path,
    source: Classifier,
    shown: Tensor,
    truth: Truth,
    names: Sequence[str],
    epsilons: Sequence[float],
    setting: EvalConfig,
    bar: Bar,
    note: Note,
    rows: list[int],
) -> None:
    """Attack some of a batch's images and write them."""
    clean, called = shown[rows], [names[row] for row in rows]
    levels = clean.mul(255).round().to(torch.uint8)
    images = clean.to(setting.device).contiguous(memory_format=torch.channels_last)
    gradient, zero = clean_gradient(source, images, truth.at(rows))
    if zero.any():
        note([name for name, flat in zip(called, zero, strict=True) if flat])
    found = attacked(source, images, truth.at(rows), called, setting.attacks, epsilons, setting.seed, gradient)
    _write(folder, CLEAN, levels, called, bar)
    for column, changed in found:
        _write(folder, column, rounded_towards(levels, changed, column.epsilon or 0.0), called, bar)


def _write(folder: Path, column: Column, levels: Tensor, names: Sequence[str], bar: Bar) -> None:
    for name, picture in zip(names, levels.permute(0, 2, 3, 1).contiguous().numpy(), strict=True):
        save_png(Image.fromarray(picture), stored(folder, column, name))
    bar.advance(len(names))
