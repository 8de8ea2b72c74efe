"""Images attacked batch by batch: what white-box, transfer-attack and the making of adversarial sets share.

``attack_batch`` attacks the images of one batch, ``map_batches`` passes the batches of a set of images, each of whose
arrays are stored on disk, so that a killed run resumes after the last batch.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
from torch import Tensor

from shapebias.attacks.attack import ATTACKS, attack_sweep, uniform_start
from shapebias.attacks.autoattack import autoattack
from shapebias.attacks.gradient import GradientNotFinite, loss_gradient
from shapebias.data.loaders import ImageBatches
from shapebias.data.transforms import Preprocessing
from shapebias.errors import UserError
from shapebias.evaluators.adversarial.attack_images import AttackLabels
from shapebias.evaluators.adversarial.columns import CLEAN, Column
from shapebias.evaluators.base import EvalConfig
from shapebias.models.classifier import Classifier
from shapebias.progress import Bar
from shapebias.results.batch_cache import BatchCache

T = TypeVar("T")
ROWS, UNREADABLE = "rows", "unreadable"


def attack_batch(
    model: Classifier,
    images: Tensor,
    names: Sequence[str],
    labels: AttackLabels,
    config: EvalConfig,
    use: Callable[[Column, Tensor, list[int]], T],
    *,
    note_zero: Callable[[list[int]], None] | None = None,
    bar: Bar | None = None,
) -> tuple[list[int], list[T]]:
    """Attack the images of a batch whose gradients are finite.

    When a gradient turns out not to be finite, the batch starts again without its image.

    Args:
        model: the model to attack.
        images: (N, 3, H, W) in [0, 1], on any device.
        names: of the images, which random starts depend on.
        labels: of the images.
        config: attacks, epsilons, random seed, device and strictness.
        use: called with each column, Clean first, its images on the device, and their rows in the batch.
        note_zero: called, before any ``use``, with the rows whose gradient without attack is exactly zero.
        bar: advanced by one unit per image and column.

    Returns:
        The rows of the attacked images, and what ``use`` returned column by column; nothing where there are none.

    Raises:
        UserError: a gradient that is not finite, under strict; or a model that cannot be attacked.
    """
    rows, found = list(range(len(names))), list[T]()
    before = bar.done if bar else 0

    def attempt() -> Iterator[T]:
        clean = model.place(images[rows])
        chosen = labels.take(rows)
        gradient = loss_gradient(model, clean, chosen.labels if chosen.targets is None else chosen.targets)
        zero = (~gradient.flatten(1).any(dim=1)).nonzero().flatten().tolist()  # NaN is not zero
        if zero and note_zero:
            note_zero([rows[index] for index in zero])
        yield use(CLEAN, clean, rows)
        for column, perturbed in _perturbed(model, clean, [names[row] for row in rows], chosen, config, gradient):
            if bar:
                bar.advance(len(rows))
            yield use(column, perturbed, rows)

    while rows and not found:
        try:
            found = list(attempt())
        except GradientNotFinite as error:
            odd = {rows[index] for index in error.indices}
            if config.strict:
                raise UserError(
                    f"the gradient of {model.identity.name} is not finite for {names[min(odd)]} "
                    "(remove the image, or omit --strict)"
                ) from error
            rows = [row for row in rows if row not in odd]
        if bar:
            bar.done = before
    if bar:
        bar.advance(len(names) * (1 + len(config.attacks) * len(config.epsilons)))
    return rows, found


def _perturbed(
    model: Classifier,
    images: Tensor,
    names: Sequence[str],
    labels: AttackLabels,
    config: EvalConfig,
    gradient: Tensor,
) -> Iterator[tuple[Column, Tensor]]:
    """Yield every attack at every epsilon on ``images``, attack by attack; ``gradient`` is that at the images."""
    ours = [ATTACKS[name] for name in config.attacks if name in ATTACKS]
    needs_start = any(attack.random_start for attack in ours)
    start = uniform_start(images.shape, config.seed, names).to(images) if needs_start else None
    sweep = attack_sweep(
        model, images, labels.labels, ours, config.epsilons, targets=labels.targets, start=start, gradient=gradient
    )
    for name in config.attacks:
        for epsilon in config.epsilons:
            if name in ATTACKS:
                perturbed = next(sweep).images
            else:
                size = len(images)
                perturbed = autoattack(model, images, labels.labels, epsilon, seed=config.seed, batch_size=size)
            yield Column(name, float(epsilon)), perturbed


def map_batches(
    paths: Sequence[Path],
    names: Sequence[str],
    preprocessing: Preprocessing,
    config: EvalConfig,
    cache: BatchCache,
    measure: Callable[[list[int], Tensor], dict[str, np.ndarray]],
    bar: Bar,
    *,
    each: int = 1,
) -> tuple[dict[str, np.ndarray], list[str]]:
    """Return what ``measure`` finds in every batch; batches in the cache are not measured again.

    Args:
        paths: image files.
        names: their names; those of a batch are its key in the cache.
        preprocessing: of the images.
        config: batch size, device, workers and strictness.
        cache: of the batches; the caller clears it.
        measure: maps the rows of a batch's images, and these on the device, to arrays.
        bar: of ``each`` units per image; ``measure`` advances it, cached and unreadable images advance it here.
        each: units per image.

    Returns:
        The arrays of all batches, joined along the first axis in the order of the images, with the rows of the images
        that could be read as ``rows``; and the unreadable files, "path: reason" each.

    Raises:
        UserError: no image could be read, or one could not under strict.
    """
    size = config.batch_size
    ranges = [range(first, min(first + size, len(paths))) for first in range(0, len(paths), size)]
    parts = [ascii([names[row] for row in batch]) for batch in ranges]  # not all names are UTF-8
    found = {number: part for number, name in enumerate(parts) if (part := cache.get(name)) is not None}
    for number in found:
        bar.done += each * len(ranges[number])
    bar.first = bar.done  # its rate is that of the remaining batches
    rows = [row for number, batch in enumerate(ranges) if number not in found for row in batch]
    batches = image_batches([paths[row] for row in rows], preprocessing, config, none_is_error=not found)
    for local, images in batches:
        shown = [rows[index] for index in local]
        number = shown[0] // size
        arrays = measure(shown, images.to(config.device))
        bar.advance(each * (len(ranges[number]) - len(shown)))
        found[number] = {**arrays, ROWS: np.array(shown), UNREADABLE: np.array(batches.unreadable, dtype=np.str_)}
        cache.put(parts[number], **found[number])
    ordered = [found[number] for number in sorted(found)]
    joined = {key: np.concatenate([part[key] for part in ordered]) for key in ordered[0] if key != UNREADABLE}
    unreadable = [str(reason) for part in ordered for reason in part[UNREADABLE]] + batches.unreadable
    return joined, list(dict.fromkeys(unreadable))


def image_batches(
    paths: Sequence[Path], preprocessing: Preprocessing, config: EvalConfig, *, none_is_error: bool
) -> ImageBatches:
    """Return the batches of image files as ``config`` asks for them."""
    return ImageBatches(
        paths,
        preprocessing,
        batch_size=config.batch_size,
        workers=config.workers,
        strict=config.strict,
        none_is_error=none_is_error,
    )


class GradientCount:
    """The number of images whose gradients were taken."""

    images = 0


@contextmanager
def count_gradients(model: Classifier) -> Iterator[GradientCount]:
    """Count the images whose gradients are taken meanwhile."""
    count = GradientCount()

    def add(_module: Any, inputs: tuple[Any, ...]) -> None:
        if inputs and isinstance(inputs[0], Tensor) and inputs[0].requires_grad:
            count.images += len(inputs[0])

    handle = model.register_forward_pre_hook(add)
    try:
        yield count
    finally:
        handle.remove()
