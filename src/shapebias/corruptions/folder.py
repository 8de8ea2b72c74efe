"""Corrupt a whole folder of classes, in the layout in which ImageNet-C is published; resumable.

``OUT/CORRUPTION/SEVERITY/CLASS/NAME.JPEG`` at JPEG quality 85, as the public set. An image is prepared as there: its
shorter side resized to 256 (bilinear), the central 224 cut out, then corrupted. One whose shorter side is below 224
is never enlarged: its central square is corrupted at its own size.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
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
from shapebias.corruptions.layout import MANIFEST, UNREADABLE, corruption_folders
from shapebias.data.decode import UnreadableImage, image_size, load_rgb
from shapebias.data.image_batches import Preprocessing
from shapebias.data.image_set import ImageSet
from shapebias.data.transforms import to_image
from shapebias.data.workers import ignore_signals
from shapebias.errors import UserError
from shapebias.files import atomic, claim_folder, locked, remove_leftovers, write_json
from shapebias.progress import progress

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
) -> list[str]:
    """Write the corrupted copies of every image of ``source`` to ``out``.

    Copies that are already there are kept, so that a killed run goes on where it was, and other corruptions and
    severities can be added by another call. The bytes depend on the image, its path in ``source`` and ``seed``,
    not on the number of ``workers``. Images of one name that differ in their endings keep these: ``a.png.JPEG``.

    Returns:
        The unreadable images, one "path: reason" each.

    Raises:
        UserError: the library is missing, a folder of other work, an image of less than 32 pixels, no readable
            image, or, if ``strict``, an unreadable one.
    """
    out = Path(out)
    check_cells(corruptions, severities)
    if workers < 0:
        raise UserError(f"--workers must be at least 0, not {workers}")
    if seed < 0:
        raise UserError(f"--seed must be at least 0, not {seed}")
    if corruption_folders(source.root):
        raise UserError(f"{source.root} holds corrupted images already: give a folder with one folder per class")
    if out.resolve().is_relative_to(source.root.resolve()):
        raise UserError(f"{out} lies in {source.root}, whose images it would add to: choose another --out")
    _, version = corruption_library()
    identity: dict[str, Any] = {
        "schema": "shapebias/corruptions/1",
        "source": str(source.root.resolve()),
        "images": len(source),
        "images_fingerprint": source.fingerprint,
        "seed": seed,
        "library": f"{LIBRARY} {version}",
        "jpeg_quality": QUALITY,
    }
    claim_folder(out, identity, marker=MANIFEST, describe=lambda _: "set of corrupted images")
    with locked(out):
        cells = [(corruption, severity) for corruption in corruptions for severity in severities]
        copies = _Copies(source.root, out, seed, tuple(_jobs(source, out, cells)))
        unreadable: list[str] = []
        if len(copies):
            (out / UNREADABLE).unlink(missing_ok=True)  # while it is not there, the set is not finished
            remove_leftovers(out)
            copies.check_sizes()
            total, missing = len(source) * len(cells), sum(len(job.cells) for job in copies.jobs)
            with progress("corrupt", total=total, done=total - missing) as bar:
                for job, reason in _made(copies, workers):
                    if reason and strict:
                        raise UserError(f"unreadable image {reason} (remove it, or leave out --strict)")
                    unreadable += [reason] * bool(reason)
                    bar.advance(len(copies.jobs[job].cells))
        if len(unreadable) == len(source):
            raise UserError(f"none of the {len(source)} images could be read, first {unreadable[0]}")
        write_json(out / UNREADABLE, unreadable)
    return unreadable


@dataclass(frozen=True)
class _Job:
    """An image, the name of its copies, and the cells in which it has none yet."""

    path: Path
    file: str
    cells: tuple[Cell, ...]


@dataclass(frozen=True)
class _Copies(Dataset[tuple[int, str, str]]):
    """Item by item makes all missing copies of one image: (its number, why unreadable, why it cannot be written)."""

    root: Path
    out: Path
    seed: int
    jobs: tuple[_Job, ...]

    def __len__(self) -> int:
        return len(self.jobs)

    def __getitem__(self, index: int) -> tuple[int, str, str]:
        job = self.jobs[index]
        try:
            image = prepared(load_rgb(job.path))
            name = job.path.relative_to(self.root).as_posix()
            for corruption, severity in job.cells:
                copy = corrupt(image, corruption, severity, seed=self.seed, name=name)
                with atomic(_copy_path(self.out, corruption, severity, job.file), durable=False) as temporary:
                    copy.save(temporary, format="jpeg", quality=QUALITY, optimize=True)
        except UnreadableImage as error:
            return index, str(error), ""
        except UserError as error:  # as text: a process hands on an exception with its traceback in its message
            return index, "", str(error)
        return index, "", ""

    def check_sizes(self) -> None:
        """Refuse images that are too small to be corrupted, before any work; unreadable ones are found later."""
        for job in self.jobs:
            try:
                width, height = image_size(job.path)
            except UnreadableImage:
                continue
            if min(width, height) < SMALLEST:
                raise UserError(
                    f"{job.path} is {width} x {height} pixels: images to corrupt need {SMALLEST} at least, remove it"
                )


def prepared(image: Image.Image) -> Image.Image:
    """An RGB image as ImageNet-C corrupts it: 224 pixels square, or the central square of a smaller one."""
    if (side := min(image.size)) >= SIZE:
        return to_image(_PUBLISHED(image))
    left, top = (image.width - side) // 2, (image.height - side) // 2
    return image.crop((left, top, left + side, top + side))


def _made(copies: _Copies, workers: int) -> Any:
    """(Number of the job, why its image is unreadable), as they are done."""
    context = "spawn" if workers else None  # OpenCV's threads do not survive a fork
    start = _start_worker if workers else None
    loader = DataLoader(
        copies,
        batch_size=1,
        num_workers=workers,
        collate_fn=list,
        worker_init_fn=start,
        multiprocessing_context=context,
    )
    for [(index, unreadable, failure)] in loader:
        if failure:
            raise UserError(failure)
        yield index, unreadable


def _start_worker(worker: int) -> None:
    import cv2  # of the library's own requirements

    ignore_signals(worker)
    cv2.setNumThreads(1)


def _jobs(source: ImageSet, out: Path, cells: Sequence[Cell]) -> list[_Job]:
    """The images that lack copies, with the copies that they lack."""
    found, same = [], dict[tuple[Cell, ...], tuple[Cell, ...]]()
    for path, file in zip(source.paths, _file_names(source), strict=True):
        missing = tuple(cell for cell in cells if not _is_there(_copy_path(out, *cell, file)))
        if missing:  # the same for nearly all, and kept once
            found.append(_Job(path, file, same.setdefault(missing, missing)))
    return found


def _is_there(path: Path) -> bool:
    """Whether a copy is; one of no bytes, as a full disk leaves it, is not."""
    try:
        return path.stat().st_size > 0
    except OSError:
        return False


def _copy_path(out: Path, corruption: str, severity: int, file: str) -> Path:
    return out / corruption / str(severity) / file


def _file_names(source: ImageSet) -> list[str]:
    """``CLASS/NAME.JPEG`` for each image; names that would be taken twice keep their endings before it."""
    whole = []
    for path, label in zip(source.paths, source.labels, strict=True):
        folder = source.root / label
        below = path.relative_to(folder if path.is_relative_to(folder) else source.root)
        whole.append(Path(label) / below)
    names = [path.with_suffix(".JPEG").as_posix() for path in whole]
    while twice := {name for name, count in Counter(names).items() if count > 1}:
        names = [f"{path.as_posix()}.JPEG" if n in twice else n for path, n in zip(whole, names, strict=True)]
    return names
