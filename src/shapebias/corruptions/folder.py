"""Corrupt a whole folder of classes, in the layout in which ImageNet-C is published; resumable.

``OUT/CORRUPTION/SEVERITY/CLASS/NAME.JPEG`` at JPEG quality 85, as the public set. An image is prepared as there: its
shorter side resized to 256 (bilinear), the central 224 cropped, then corrupted. One whose shorter side is below 224 is
never enlarged: its central square is corrupted at its own size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from PIL import Image
from torch.utils.data import DataLoader, Dataset

from shapebias.corruptions.corruption import (
    CORRUPTIONS,
    LIBRARY,
    SEVERITIES,
    SMALLEST,
    Cell,
    check_cells,
    corrupt,
    corruption_library,
)
from shapebias.corruptions.layout import MANIFEST, corruption_folders
from shapebias.corruptions.published import PUBLISHED
from shapebias.data.decode import UnreadableImage, image_size, load_rgb
from shapebias.data.encode import is_there, save_image
from shapebias.data.image_set import ImageSet
from shapebias.data.loaders import ignore_signals
from shapebias.data.materialize import Skip, check_outside, materialize
from shapebias.data.transforms import Preprocessing, to_image
from shapebias.errors import UserError, check_at_least

SIZE = 224
QUALITY = 85
_PUBLISHED = Preprocessing(size=SIZE, crop=SIZE / 256, interpolation="bilinear")


def corrupt_folder(
    source: ImageSet,
    out: Path,
    *,
    seed: int = 0,
    corruptions: Sequence[str] = CORRUPTIONS,
    severities: Sequence[int] = SEVERITIES,
    workers: int = 0,
    strict: bool = False,
    wait: bool = False,
    over_ranks: bool = False,
) -> list[str]:
    """Write the corrupted copies of every image of ``source`` to ``out``.

    Existing copies are kept, so that a killed run resumes, and other corruptions and severities can be added by another
    call. The bytes depend on the image, its path in ``source`` and ``seed``, not on the number of ``workers``. Images
    of one name that differ in their suffixes keep these: ``a.png.JPEG``. With ``wait`` another process in ``out`` is
    waited for. With ``over_ranks`` the images are divided over the processes of ``torchrun``, each of which makes this
    call.

    Returns:
        The unreadable images, one "path: reason" each.

    Raises:
        UserError: the library is missing, a folder of other work, an image of less than 32 pixels, no readable
            image, or, if ``strict``, an unreadable one.
    """
    out = Path(out)
    check_cells(corruptions, severities)
    check_at_least(0, workers=workers, seed=seed)
    if corruption_folders(source.root):
        raise UserError(f"{source.root} holds corrupted images already: give a folder with one folder per class")
    check_outside(out, source.root)
    _, version = corruption_library()
    identity: dict[str, Any] = {
        "schema": "shapebias/corruptions/1",
        "source": str(source.root.resolve()),
        "images": len(source),
        "images_fingerprint": source.fingerprint,
        "seed": seed,
        "library": f"{LIBRARY} {version}, without its {' and '.join(PUBLISHED)}",
        "jpeg_quality": QUALITY,
    }
    cells = tuple((corruption, severity) for corruption in corruptions for severity in severities)
    images = [_Image(path, name) for path, name in zip(source.paths, _copy_names(source), strict=True)]

    def copies(image: _Image) -> list[Path]:
        return [_copy_path(out, cell, image.name) for cell in cells]

    def make(missing: list[_Image], skip: Skip) -> Iterator[int]:
        _check_sizes(missing)
        for unreadable, failure in _in_processes(_Corrupted(source.root, out, seed, cells, tuple(missing)), workers):
            if failure:
                raise UserError(failure)
            if unreadable:
                skip(UnreadableImage(*unreadable))
            else:
                yield 1

    return materialize(
        out,
        identity,
        images,
        copies,
        make,
        marker=MANIFEST,
        what="set of corrupted images",
        title="corrupt",
        each=len(cells),
        strict=strict,
        wait=wait,
        over_ranks=over_ranks,
    )


def prepare(image: Image.Image) -> Image.Image:
    """Return an RGB image as ImageNet-C corrupts it: 224 pixels square, or the central square of a smaller one."""
    if (side := min(image.size)) >= SIZE:
        return to_image(_PUBLISHED(image))
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


@dataclass(frozen=True)
class _Image:
    """A source image, and the name of its copies: ``CLASS/NAME.JPEG``."""

    path: Path
    name: str


@dataclass(frozen=True)
class _Corrupted(Dataset[tuple[tuple[str, str] | None, str]]):
    """Makes the missing copies of one image per item: its path and why it is unreadable, and why a write failed."""

    root: Path
    out: Path
    seed: int
    cells: tuple[Cell, ...]
    images: tuple[_Image, ...]

    def __len__(self) -> int:
        return len(self.images)

    def __getitem__(self, index: int) -> tuple[tuple[str, str] | None, str]:
        source = self.images[index]
        missing = [(cell, path) for cell in self.cells if not is_there(path := _copy_path(self.out, cell, source.name))]
        try:
            image = prepare(load_rgb(source.path))
            name = source.path.relative_to(self.root).as_posix()
            for (corruption, severity), path in missing:
                copy = corrupt(image, corruption, severity, seed=self.seed, name=name)
                save_image(path, copy, "jpeg", quality=QUALITY, optimize=True)
        except UnreadableImage as error:
            return (str(error.path), error.reason), ""
        except UserError as error:  # as text: a worker process would put its traceback into the message
            return None, str(error)
        return None, ""


def _in_processes(copies: _Corrupted, workers: int) -> Iterator[tuple[tuple[str, str] | None, str]]:
    """Yield the items of ``copies`` as they are made by ``workers`` processes, in this one for 0."""
    loader = DataLoader(
        copies,
        batch_size=1,
        num_workers=workers,
        collate_fn=list,
        worker_init_fn=_start_worker if workers else None,
        multiprocessing_context="spawn" if workers else None,  # OpenCV's threads do not survive a fork
    )
    for [item] in loader:
        yield item


def _start_worker(worker: int) -> None:
    import cv2  # required by the library

    ignore_signals(worker)
    cv2.setNumThreads(1)


def _check_sizes(images: Sequence[_Image]) -> None:
    """Refuse images that are too small to be corrupted, before any work; unreadable ones are found later."""
    for image in images:
        try:
            width, height = image_size(image.path)
        except UnreadableImage:
            continue
        if min(width, height) < SMALLEST:
            raise UserError(
                f"{image.path} is {width} x {height} pixels: images to corrupt need at least {SMALLEST}, remove it"
            )


def _copy_path(out: Path, cell: Cell, name: str) -> Path:
    corruption, severity = cell
    return out / corruption / str(severity) / name


def _copy_names(source: ImageSet) -> list[str]:
    """Return ``CLASS/NAME.JPEG`` for each image; names that would occur twice keep their suffix before it."""
    whole = []
    for path, label in zip(source.paths, source.labels, strict=True):
        parts = path.relative_to(source.root).parts
        whole.append(Path(label, *(parts[1:] or parts)))  # loose ones have no folder of their class
    names = [path.with_suffix(".JPEG").as_posix() for path in whole]
    while twice := {name for name, count in Counter(names).items() if count > 1}:
        names = [f"{path.as_posix()}.JPEG" if n in twice else n for path, n in zip(whole, names, strict=True)]
    return names
