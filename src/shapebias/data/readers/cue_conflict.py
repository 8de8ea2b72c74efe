"""Cue-conflict images under their published names: ``SHAPE/shapeN-textureM.png``, as in ``cat/cat1-elephant2.png``."""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from shapebias.data.image_set import fingerprint, list_images
from shapebias.errors import UserError

_NAME = re.compile(r"([a-z]+)\d+-([a-z]+)\d+")


@dataclass(frozen=True)
class CueConflictFolder:
    """Images whose shape and texture belong to different categories.

    ``same`` counts the images left out because both cues agree, ``foreign`` lists those outside the naming.
    """

    root: Path
    paths: tuple[Path, ...]
    shapes: tuple[str, ...]
    textures: tuple[str, ...]
    same: int
    foreign: tuple[str, ...]

    @cached_property
    def fingerprint(self) -> str:
        """SHA-256 over every image's relative path and size in bytes."""
        return fingerprint(self.root, self.paths)

    @classmethod
    def scan(cls, root: Path) -> CueConflictFolder:
        """Read a folder of the published naming.

        Raises:
            UserError: no folder, no images, none with two different cues in its name, or one of them twice.
        """
        paths, shapes, textures, foreign, same = [], [], [], [], 0
        for path in list_images(root):
            cues = parse_name(path.stem)
            if cues is None or path.parent.name != cues[0]:
                foreign.append(path.relative_to(root).as_posix())
            elif cues[0] == cues[1]:
                same += 1
            else:
                paths.append(path)
                shapes.append(cues[0])
                textures.append(cues[1])
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
                f"cat/cat1-elephant2.png ({same} with equal cues, {len(foreign)} of other names)"
            )
        return cls(Path(root), tuple(paths), tuple(shapes), tuple(textures), same, tuple(foreign))


def parse_name(stem: str) -> tuple[str, str] | None:
    """Shape and texture category of a file name without its ending; None outside the naming.

    >>> parse_name("cat1-elephant2")
    ('cat', 'elephant')
    """
    match = _NAME.fullmatch(stem)
    return (match[1], match[2]) if match else None
