"""The images behind a folder of copies in the same textures, as dimensionality takes them."""

from __future__ import annotations

import csv
import re
from pathlib import Path

from shapebias.data.image_set import fingerprint, list_images
from shapebias.data.readers.class_folders import read_class_folders
from shapebias.errors import UserError
from shapebias.stylize.folder import view_path

_COPY = re.compile(r"-style\d+\.png$")


def images_of(root: Path) -> tuple[list[Path], list[int], bool, str]:
    """The images below ``root``, their classes' numbers, whether there are classes, and the fingerprint.

    Without class folders each image is a class of its own.
    """
    if root.is_dir() and any(p.is_dir() and not p.name.startswith(".") for p in root.iterdir()):
        folder = read_class_folders(root)
        return list(folder.paths), folder.targets.tolist(), True, folder.fingerprint
    paths = list_images(root)
    return paths, list(range(len(paths))), False, fingerprint(root, paths)


def images_of_grid(grid: Path, root: Path, textures: int) -> tuple[list[Path], list[int], bool, str]:
    """As ``images_of``, for the images that the copies below ``root`` in ``grid`` were made from (``styles.csv``).

    Raises:
        UserError: a copy that the list names is missing.
    """
    copies, labels, classes, digest = images_of(root)
    there = {copy: label for copy, label in zip(copies, labels, strict=True) if _COPY.search(copy.name)}
    found = {copy.with_name(_COPY.sub("", copy.name)): label for copy, label in there.items()}
    named = {_text(image.relative_to(grid)): image for image in found}
    listed = [name for name in _listed(grid / "styles.csv") if (grid / name).is_relative_to(root)]
    images = [named.get(name, grid / name) for name in listed]
    every = (view_path(grid, grid, image, view) for image in images for view in range(textures))
    if missing := [copy for copy in every if copy not in there]:
        raise UserError(
            f"{grid} lacks {len(missing)} copies of images in its styles.csv, first {missing[0].relative_to(grid)}: "
            "run the same command again, it goes on"
        )
    return images, [found[image] for image in images], classes, digest


def _listed(path: Path) -> list[str]:
    """The images of a list of styles, each once, in its order."""
    try:
        with path.open(newline="", encoding="utf-8") as file:
            return list(dict.fromkeys(row["image"] or "" for row in csv.DictReader(file)))
    except (OSError, ValueError, KeyError, csv.Error) as error:
        raise UserError(f"{path} is not a list of styles ({error!r}): run the same command again") from error


def _text(path: Path) -> str:
    """A path as the list writes it."""
    return path.as_posix().encode(errors="backslashreplace").decode()
