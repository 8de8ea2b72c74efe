"""Images and their copies in the same few textures, as ``shapebias texture-grid`` writes them."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from shapebias.data.folders import list_images, subfolders
from shapebias.data.image_set import ImageSet
from shapebias.data.readers.class_folders import read_class_folders
from shapebias.errors import UserError
from shapebias.files import read_json
from shapebias.stylize.folder import COPIES, MANIFEST, stylized_views, unreadable_sources, view_path

_COPY = re.compile(r"-style\d+\.png$")


@dataclass(frozen=True, eq=False)
class TextureGrid:
    """The copies of the images: that of image i in texture k is ``copies[i * textures + k]``, its class ``labels[i]``.

    ``unreadable`` lists the images without copies, "path: reason" each.
    """

    textures: int
    copies: list[Path]
    labels: np.ndarray
    unreadable: list[str]


def read_sources(root: Path) -> ImageSet:
    """Read the images below ``root``; without class folders each image is a class of its own, without a name."""
    if subfolders(root):
        return read_class_folders(root)
    paths = list_images(root)
    return ImageSet(root, tuple(paths), np.arange(len(paths)), ())


def read_grid_sources(folder: Path, root: Path) -> ImageSet:
    """Return the images that the copies below ``root`` in the grid ``folder`` were made from (``copies.jsonl``).

    Raises:
        UserError: copies in different styles, a set that is not finished, or a missing copy.
    """
    textures = stylized_views(folder)
    if not read_json(folder / MANIFEST).get("same_styles"):
        raise UserError(f"the images in {folder} have different styles: make it by 'shapebias texture-grid'")
    copies = read_sources(root)
    label_of = {
        copy: label for copy, label in zip(copies.paths, copies.targets, strict=True) if _COPY.search(copy.name)
    }
    source_label = {copy.with_name(_COPY.sub("", copy.name)): label for copy, label in label_of.items()}
    by_name = {image.relative_to(folder).as_posix(): image for image in source_label}
    names = [name for name in _listed_images(folder / COPIES) if (folder / name).is_relative_to(root)]
    images = [by_name.get(name, folder / name) for name in names]
    every = (view_path(folder, folder, image, texture) for image in images for texture in range(textures))
    if missing := [copy for copy in every if copy not in label_of]:
        raise UserError(
            f"{folder} lacks {len(missing)} copies of images in its {COPIES}, first "
            f"{missing[0].relative_to(folder)}: run the same command again, it resumes"
        )
    labels = np.array([source_label[image] for image in images])
    return replace(copies, paths=tuple(images), targets=labels, digest=lambda _: copies.fingerprint)


def read_grid(folder: Path, root: Path, sources: ImageSet) -> TextureGrid:
    """Return the copies of ``sources`` in the grid ``folder``, which lie below its ``root``.

    Raises:
        UserError: fewer than two textures, or readable images of fewer than two classes.
    """
    textures = stylized_views(folder)
    if textures < 2:
        raise UserError(f"{folder} holds one texture only: at least two are needed ({MANIFEST})")
    rows = [
        ([view_path(root, sources.root, path, texture) for texture in range(textures)], label)
        for path, label in zip(sources.paths, sources.targets.tolist(), strict=True)
    ]
    rows = [(copies, label) for copies, label in rows if copies[0].exists()]  # others were unreadable
    labels = np.array([label for _, label in rows])
    if len(set(labels.tolist())) < 2:
        what = "of one class" if sources.classes else "one"
        raise UserError(f"the readable images of {sources.root} are {what}: at least two are needed")
    return TextureGrid(textures, [copy for copies, _ in rows for copy in copies], labels, unreadable_sources(folder))


def _listed_images(path: Path) -> list[str]:
    """Return the images of a list of copies, each once, in its order."""
    try:
        with path.open(encoding="utf-8") as file:
            return list(dict.fromkeys(str(json.loads(line)["image"]) for line in file))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path} is not a list of copies ({error!r}): run the same command again") from error
