"""The tasks by name, as their data sets are published, and any folder of classes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import numpy as np

from shapebias.data.image_set import TEST_NAMES, TRAIN_NAMES, ImageSet, digest_targets, part
from shapebias.data.readers.class_folders import evaluation_images, read_class_folders
from shapebias.data.readers.classification import fetch_caltech101, fetch_voc, read_cifar100, read_dtd
from shapebias.data.readers.voc_multilabel import NO_OBJECT, read_multilabel
from shapebias.errors import UserError, unknown
from shapebias.tasks.classification.task import Task, stratified

FOLDER = "folder"
BACKGROUND = "BACKGROUND_Google"
CALTECH_FOLDER = "101_ObjectCategories"
PER_CLASS = 30  # of Caltech-101, as is usual
TESTED = 0.2  # of a folder that is not divided


def find_task(name: str, data: Path, *, seed: int = 0, download: bool = False) -> Task:
    """The task ``name`` from ``data``.

    Args:
        name: voc07, voc12, caltech101, cifar100, dtd or folder.
        data: where the data set lies; for ``folder`` class folders, or ``train/`` and ``val/`` or ``test/`` of such.
        seed: of dividing what is not divided: Caltech-101, and folders without ``val/`` and ``test/``.
        download: fetch the task's images to ``data`` if they are not there.

    Raises:
        UserError: an unknown task, or data that are not its.
    """
    check_task(name)
    if download and name == FOLDER:
        raise UserError("--download fetches the tasks that have a name: put your own folder's images there yourself")
    if not download and not Path(data).is_dir():
        raise UserError(f"no folder {data}: give the folder of {name} as --data")
    return TASKS[name](Path(data), seed, download)


def check_task(name: str) -> None:
    """Refuse a task that there is not."""
    if name not in TASKS:
        raise UserError(f"{unknown('task', name, TASKS)}, or a folder of classes")


def _voc(year: int, train: str, test: str) -> Callable[[Path, int, bool], Task]:
    def read(data: Path, _seed: int, download: bool) -> Task:
        for split in (train, test) if download else ():
            fetch_voc(data, year, split)
        parts = [read_multilabel(data, year, split) for split in (train, test)]
        notes = [
            f"{len(found.skipped[NO_OBJECT])} images of {split} show no object and are left out"
            for split, found in zip((train, test), parts, strict=True)
            if found.skipped[NO_OBJECT]
        ]
        unseen = [name for name, column in zip(parts[0].classes, parts[0].targets.T, strict=True) if 1 not in column]
        if unseen:
            notes.append(f"no training image shows {', '.join(unseen)}: not to be learned")
        return Task(f"voc{year % 100:02}", "multi", parts[0].classes, parts[0], parts[1], tuple(notes))

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
    named = [row for row, label in enumerate(found.labels) if label != BACKGROUND]
    whole = _numbered(found.take(named), classes)
    rng = np.random.default_rng(seed)
    training = np.zeros(len(whole), dtype=bool)
    few = []
    for label, name in enumerate(classes):
        own = rng.permutation(np.flatnonzero(whole.targets == label))
        if len(own) < 2:
            raise UserError(f"{root / name} has one image: each class needs at least two, to train with and to test on")
        few += [name] if len(own) <= PER_CLASS else []
        training[own[: PER_CLASS if len(own) > PER_CLASS else max(1, round(len(own) * 2 / 3))]] = True
    notes = (f"classes of no more than {PER_CLASS} images: {len(few)}, of which two thirds train",) if few else ()
    train, test = whole.take(np.flatnonzero(training)), whole.take(np.flatnonzero(~training))
    return Task("caltech101", "single", classes, train, test, notes)


def _published(name: str, read: Callable[[Path, bool], tuple[ImageSet, ImageSet]]) -> Callable[..., Task]:
    def make(data: Path, _seed: int, download: bool) -> Task:
        train, test = read(data, download)
        return _divided(name, train, test)

    return make


def _folder(data: Path, seed: int, _download: bool) -> Task:
    name = data.resolve().name
    if train := part(data, TRAIN_NAMES):
        found = read_class_folders(train)
        test = evaluation_images(data, found.classes)
        if test is None:
            raise UserError(f"{data} has {train.name}/ and nothing to test on: add {' or '.join(TEST_NAMES[:2])}/")
        return _divided(name, found, test)
    if tests := part(data, TEST_NAMES):
        raise UserError(f"{data} has {tests.name}/ and nothing to train with: add train/ with one folder per class")
    found = read_class_folders(data)
    whole = _numbered(found, found.classes)
    testing = stratified(whole.targets, TESTED, seed)
    if missing := sorted({*whole.targets.tolist()} - {*whole.targets[testing].tolist()}):
        names = ", ".join(found.classes[label] for label in missing[:3])
        raise UserError(f"{data} has too few images of {names} to test on a fifth of them: give at least 3 per class")
    train, test = whole.take(np.flatnonzero(~testing)), whole.take(np.flatnonzero(testing))
    note = f"{data} is not divided: a fifth of each class, drawn by --split_seed {seed}, is for testing"
    return Task(name, "single", found.classes, train, test, (note,))


def _divided(name: str, train: ImageSet, test: ImageSet) -> Task:
    """Test images by the numbers of the training images' classes, of which they may lack some."""
    if strange := [label for label in test.classes if label not in train.classes]:
        raise UserError(
            f"{test.root} has classes that {train.root} has no image of: {', '.join(strange[:3])}"
            f"{' ...' if len(strange) > 3 else ''}: add training images, or remove them"
        )
    lacking = [label for label in train.classes if label not in test.classes]
    notes = (f"classes without a test image: {len(lacking)}, first {lacking[0]}",) if lacking else ()
    parts = [_numbered(images, train.classes) for images in (train, test)]
    return Task(name, "single", train.classes, parts[0], parts[1], notes)


def _numbered(images: ImageSet, classes: tuple[str, ...]) -> ImageSet:
    """The images with targets counted in ``classes``, which are then part of the fingerprint."""
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
