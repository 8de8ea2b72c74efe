"""Cue-conflict images under their published names: ``SHAPE/shapeN-textureM.png``, as in ``cat/cat1-elephant2.png``."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path

import numpy as np

from shapebias.data.folders import list_images
from shapebias.data.image_set import ImageSet
from shapebias.errors import UserError

SAME, OTHER = "same category", "other names"
_NAME = re.compile(r"([a-z]+)\d+-([a-z]+)\d+")
_PHOTOGRAPHS = re.compile(r"(?:.*/)?([a-z]+\d+)-([a-z]+\d+)\.\w+(?: \(\d+\))?")


def read_cue_conflict(root: Path) -> ImageSet:
    """Read a folder of the published naming: targets (N, 2) are the classes of shape and texture, always different.

    ``skipped`` has the images whose cues agree ("same category") and those outside the naming ("other names").

    Raises:
        UserError: no folder, no images, none with two different cues in its name, or one of them twice.
    """
    root = Path(root)
    paths, cues, other, same = list[Path](), list[tuple[str, str]](), list[str](), list[str]()
    for path in list_images(root):
        found, name = parse_name(path.stem), path.relative_to(root).as_posix()
        if found is None or path.parent.name != found[0]:
            other.append(name)
        elif found[0] == found[1]:
            same.append(name)
        else:
            paths.append(path)
            cues.append(found)
    names: dict[str, Path] = {}
    for path in paths:
        if names.setdefault(path.stem, path) is not path:
            raise UserError(
                f"{root} holds {path.stem} twice, {names[path.stem].relative_to(root)} and "
                f"{path.relative_to(root)}: give a folder with each image once"
            )
    if not paths:
        raise UserError(
            f"no cue-conflict images below {root}: expected SHAPE/shapeN-textureM.png, as in "
            f"cat/cat1-elephant2.png ({len(same)} with equal cues, {len(other)} of other names)"
        )
    classes = tuple(sorted({name for pair in cues for name in pair}))
    targets = np.array([[classes.index(name) for name in pair] for pair in cues], dtype=np.int64)
    return ImageSet(root, tuple(paths), targets, classes, skipped={SAME: tuple(same), OTHER: tuple(other)})


def parse_name(stem: str) -> tuple[str, str] | None:
    """Shape and texture category of a file name without its ending; None outside the naming.

    >>> parse_name("cat1-elephant2")
    ('cat', 'elephant')
    """
    match = _NAME.fullmatch(stem)
    return (match[1], match[2]) if match else None


def photographs(images: Iterable[str]) -> list[tuple[str, str]] | None:
    """The photographs that the shape and the texture of images come from, by file name; None if one is named otherwise.

    >>> photographs(["cat/cat1-elephant2.png", "cat/cat1-elephant2.png (2)"])  # the second in a second session
    [('cat1', 'elephant2'), ('cat1', 'elephant2')]
    """
    matches = [_PHOTOGRAPHS.fullmatch(image) for image in images]
    return None if None in matches else [(match[1], match[2]) for match in matches if match]
