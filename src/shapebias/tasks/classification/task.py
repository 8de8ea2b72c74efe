"""Classification tasks by name, with the published splits of their data sets, and any folder of classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from shapebias.data.folders import part
from shapebias.data.image_set import ImageSet, digest_targets
from shapebias.data.readers.class_folders import evaluation_images, read_class_folders, splits_of, training_images
from shapebias.data.readers.classification import fetch_caltech101, fetch_voc, read_cifar100, read_dtd
from shapebias.data.readers.voc_multilabel import NO_OBJECT, read_multilabel
from shapebias.errors import UserError, first_three, unknown
from shapebias.files import safe_name
from shapebias.stats.streams import Draw, stream
from shapebias.tasks.sweep import SHARE

FOLDER = "folder"
BACKGROUND = "BACKGROUND_Google"
CALTECH_FOLDER = "101_ObjectCategories"
PER_CLASS = 30  # training images per class of Caltech-101, as is usual
TESTED = 0.2  # fraction of the images to test on, for a folder without a split


@dataclass(frozen=True, eq=False)
class Task:
    """Training and test images, each with one class or with any number of classes.

    ``notes`` are lines of information about the split for the user. ``use`` is the first part of the evaluator's name.
    """

    name: str
    train: ImageSet
    test: ImageSet
    notes: tuple[str, ...] = ()
    use: str = "transfer"

    @property
    def classes(self) -> tuple[str, ...]:
        """The names that the targets stand for."""
        return self.train.classes

    @property
    def single(self) -> bool:
        """True if each image has one class, False if it can have any number."""
        return self.train.targets.ndim == 1

    @property
    def metric(self) -> str:
        """The name of the metric: top1, or map if images can have several classes."""
        return "top1" if self.single else "map"

    @property
    def evaluator(self) -> str:
        """The evaluator's name in the results."""
        return f"{self.use}-{self.name}"

    def held_out(self, seed: int) -> tuple[ImageSet, ImageSet]:
        """Split the training images into those to fit and those to choose settings on.

        Raises:
            UserError: there are too few images.
        """
        aside = stratified(self.train.targets, SHARE, stream(Draw.HELD_OUT_SPLIT, seed))
        if not aside.any():
            raise UserError(
                f"{len(self.train)} training images of {len(self.classes)} classes in {self.train.root} are too few to "
                "hold some out for choosing settings: give at least 3 per class, or a single --lr"
            )
        return self.train.take(np.flatnonzero(~aside)), self.train.take(np.flatnonzero(aside))


def find_task(name: str, data: Path, *, seed: int = 0, download: bool = False) -> Task:
    """Return the task ``name`` from ``data``.

    Args:
        name: voc07, voc12, caltech101, cifar100, dtd or folder.
        data: folder of the data set; for ``folder`` one with class folders, or with ``train/`` and ``val/`` or
            ``test/`` that contain them.
        seed: random seed of the split of data without one: Caltech-101, and folders without ``val/`` and ``test/``.
        download: fetch the task's images to ``data`` if they are not there.

    Raises:
        UserError: the task is unknown, or the data are not those of the task.
    """
    check_task(name)
    if download and name == FOLDER:
        raise UserError("--download is not available for --task folder: put the images in --data yourself")
    if not download and not Path(data).is_dir():
        raise UserError(f"there is no folder {data}: give the folder of {name} as --data")
    return TASKS[name](Path(data), seed, download)


def check_task(name: str) -> None:
    """Refuse an unknown task."""
    if name not in TASKS:
        raise UserError(f"{unknown('task', name, TASKS)}, or a folder of classes")


def stratified(targets: np.ndarray, share: float, rng: np.random.Generator) -> np.ndarray:
    """Draw a ``share`` of the images of every class, and return which rows are drawn, (n,) bool.

    Shares are rounded to whole images: a fifth of a class of two is none. If images can have several classes, the
    classes are drawn in turn, the rarest first, and images that are already drawn count towards their share.

    Args:
        targets: see ``ImageSet``.
        share: fraction of each class to draw.
        rng: the random numbers of the draw.
    """
    taken = np.zeros(len(targets), dtype=bool)
    if targets.ndim == 1:
        for label in range(int(targets.max(initial=-1)) + 1):
            taken[_draw(rng, np.flatnonzero(targets == label), share)] = True
        return taken
    decided = np.zeros(len(targets), dtype=bool)
    shows = targets == 1
    for label in np.argsort(shows.sum(0), kind="stable"):
        rows = np.flatnonzero(shows[:, label])
        free = rows[~decided[rows]]
        wanted = _count(len(rows), share) - int(taken[rows].sum())
        taken[rng.permutation(free)[: max(0, wanted)]] = True
        decided[rows] = True
    taken[_draw(rng, np.flatnonzero(~decided), share)] = True
    return taken


def _draw(rng: np.random.Generator, rows: np.ndarray, share: float) -> np.ndarray:
    return rng.permutation(rows)[: _count(len(rows), share)]


def _count(of: int, share: float) -> int:
    return int(of * share + 0.5)


def _voc(year: int, train: str, test: str) -> Callable[[Path, int, bool], Task]:
    def read(data: Path, _seed: int, download: bool) -> Task:
        for split in (train, test) if download else ():
            fetch_voc(data, year, split)
        parts = read_multilabel(data, year, train), read_multilabel(data, year, test)
        notes = [
            f"{len(found.skipped[NO_OBJECT])} images of {split} show no object and are skipped"
            for split, found in zip((train, test), parts, strict=True)
            if found.skipped[NO_OBJECT]
        ]
        unseen = [name for name, column in zip(parts[0].classes, parts[0].targets.T, strict=True) if 1 not in column]
        if unseen:
            notes.append(f"no training image shows {', '.join(unseen)}: cannot be learned")
        return Task(f"voc{year % 100:02}", *parts, tuple(notes))

    return read


def _caltech101(data: Path, seed: int, download: bool) -> Task:
    below = (CALTECH_FOLDER, f"caltech101/{CALTECH_FOLDER}", f"caltech-101/{CALTECH_FOLDER}")
    if download and part(data, below) is None:
        fetch_caltech101(data)
    root = part(data, below) or data
    found = read_class_folders(root)
    if root == data and BACKGROUND not in found.classes:
        raise UserError(f"{data} is not Caltech-101: expected {data}/{CALTECH_FOLDER}/CLASS/image_0001.jpg")
    classes = tuple(name for name in found.classes if name != BACKGROUND)
    whole = _numbered(found.take([row for row, label in enumerate(found.labels) if label != BACKGROUND]), classes)
    rng = stream(Draw.TEST_SPLIT, seed)
    training = np.zeros(len(whole), dtype=bool)
    few = []
    for label, name in enumerate(classes):
        own = rng.permutation(np.flatnonzero(whole.targets == label))
        if len(own) < 2:
            raise UserError(f"{root / name} has one image: each class needs at least two, for training and test")
        few += [name] if len(own) <= PER_CLASS else []
        training[own[: PER_CLASS if len(own) > PER_CLASS else max(1, round(len(own) * 2 / 3))]] = True
    notes = (
        (f"classes with at most {PER_CLASS} images: {len(few)}; two thirds of their images are for training",)
        if few
        else ()
    )
    return Task("caltech101", whole.take(np.flatnonzero(training)), whole.take(np.flatnonzero(~training)), notes)


def _published(name: str, read: Callable[[Path, bool], tuple[ImageSet, ImageSet]]) -> Callable[..., Task]:
    def make(data: Path, _seed: int, download: bool) -> Task:
        return _divided(name, *read(data, download))

    return make


def _folder(data: Path, seed: int, _download: bool) -> Task:
    name = safe_name(data.resolve().name)
    found = training_images(data)
    if splits_of(data):
        test = evaluation_images(data, found.classes)
        if test is None:
            raise UserError(f"{data} has {found.root.name}/ but no test images: add val/ or test/")
        return _divided(name, found, test)
    whole = _numbered(found, found.classes)
    testing = stratified(whole.targets, TESTED, stream(Draw.TEST_SPLIT, seed))
    if missing := sorted({*whole.targets.tolist()} - {*whole.targets[testing].tolist()}):
        names = first_three(found.classes[label] for label in missing)
        raise UserError(f"{data} has too few images of {names} to test on a fifth of them: give at least 3 per class")
    note = f"{data} has no train and test split: a fifth of each class, drawn with --split-seed {seed}, is for testing"
    return Task(name, whole.take(np.flatnonzero(~testing)), whole.take(np.flatnonzero(testing)), (note,))


def _divided(name: str, train: ImageSet, test: ImageSet) -> Task:
    """Return the task with all targets numbered by the training classes; some may have no test images."""
    if strange := [label for label in test.classes if label not in train.classes]:
        raise UserError(
            f"{test.root} has classes without training images in {train.root} ({first_three(strange)}): "
            "add training images, or remove these classes"
        )
    lacking = [label for label in train.classes if label not in test.classes]
    notes = (f"classes without a test image: {len(lacking)}, first {lacking[0]}",) if lacking else ()
    return Task(name, _numbered(train, train.classes), _numbered(test, train.classes), notes)


def _numbered(images: ImageSet, classes: tuple[str, ...]) -> ImageSet:
    """Return the images with targets numbered by ``classes`` and included in the fingerprint."""
    number = {label: n for n, label in enumerate(classes)}
    targets = np.array([number[label] for label in images.labels])
    return replace(images, targets=targets, classes=classes, digest=digest_targets)


TASKS: dict[str, Callable[[Path, int, bool], Task]] = {
    "voc07": _voc(2007, "trainval", "test"),
    "voc12": _voc(2012, "train", "val"),
    "caltech101": _caltech101,
    "cifar100": _published("cifar100", read_cifar100),
    "dtd": _published("dtd", read_dtd),
    FOLDER: _folder,
}
