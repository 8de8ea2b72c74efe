"""Pictures passed through a network batch by batch, each batch's findings on disk, so that a killed run goes on."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from torch import Tensor

from shapebias.data.image_batches import ImageBatches, Preprocessing
from shapebias.errors import UserError
from shapebias.evaluators.base import EvalConfig
from shapebias.progress import Bar
from shapebias.results.batch_cache import BatchCache

Look = Callable[[list[int], Tensor], dict[str, np.ndarray]]
ROWS, UNREADABLE = "rows", "unreadable"


def through_batches(
    paths: Sequence[Path],
    names: Sequence[str],
    preprocessing: Preprocessing,
    setting: EvalConfig,
    kept: BatchCache,
    look: Look,
    bar: Bar,
    *,
    each: int = 1,
) -> tuple[dict[str, np.ndarray], list[str]]:
    """What ``look`` found in every batch, those that ``kept`` holds not looked at again.

    Args:
        paths: image files.
        names: what they are called; a batch is kept by the names in it.
        preprocessing: how they are shown.
        setting: batch size, device, workers and strictness.
        kept: where the batches are kept; whoever calls clears it.
        look: from the numbers of a batch's images, and these on the device, to arrays to keep.
        bar: of ``each`` units per image; ``look`` advances it, and those kept or left out are advanced here.
        each: how far an image brings the bar.

    Returns:
        The arrays of all batches, joined along the first axis in the order of the images, ``rows`` with the numbers
        of the images shown among them; and the unreadable files, "path: reason" each.

    Raises:
        UserError: no image could be read, or one under strict.
    """
    size = setting.batch_size
    batches = [range(first, min(first + size, len(paths))) for first in range(0, len(paths), size)]
    parts = [ascii([names[row] for row in batch]) for batch in batches]  # not all names are UTF-8
    found = {number: part for number, name in enumerate(parts) if (part := kept.get(name)) is not None}
    for number in found:
        bar.done += each * len(batches[number])
    bar.first = bar.done  # its rate is that of what is left
    missing = [number for number in range(len(batches)) if number not in found]
    rows = [row for number in missing for row in batches[number]]
    reasons: list[str] = []
    for local, images in readable_batches(
        [paths[row] for row in rows], preprocessing, setting, reasons, any_before=bool(found)
    ):
        shown = [rows[index] for index in local]
        number = shown[0] // size
        arrays = look(shown, images.to(setting.device))
        bar.advance(each * (len(batches[number]) - len(shown)))
        found[number] = {**arrays, ROWS: np.array(shown), UNREADABLE: np.array(reasons, dtype=np.str_)}
        kept.put(parts[number], **found[number])
    ordered = [found[number] for number in sorted(found)]
    arrays = {key: np.concatenate([part[key] for part in ordered]) for key in ordered[0] if key != UNREADABLE}
    told = [str(reason) for part in ordered for reason in part[UNREADABLE]] + reasons
    return arrays, list(dict.fromkeys(told))


def readable_batches(
    paths: Sequence[Path], preprocessing: Preprocessing, setting: EvalConfig, reasons: list[str], *, any_before: bool
) -> Iterator[tuple[list[int], Tensor]]:
    """``ImageBatches``, for which a rest without any readable image is no error where others were read before.

    ``reasons`` becomes the list of what was unreadable, up to and in the batch given.
    """
    if not paths:
        return
    batches = ImageBatches(
        paths, preprocessing, batch_size=setting.batch_size, workers=setting.workers, strict=setting.strict
    )
    try:
        for batch in batches:
            reasons[:] = batches.unreadable
            yield batch
    except UserError:
        if setting.strict or not any_before or len(batches.unreadable) < len(paths):
            raise
    reasons[:] = batches.unreadable
