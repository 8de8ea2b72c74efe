"""The images of a data folder with their classes, and where ImageNet lies in a folder of several data sets."""

from __future__ import annotations

from pathlib import Path

from shapebias.data.image_set import ImageSet, part
from shapebias.data.readers.class_folders import evaluation_images, read_class_folders
from shapebias.errors import UserError
from shapebias.models.imagenet import wordnet_ids

IMAGENET = ("imagenet", "imagenet-val", "ILSVRC2012", "ILSVRC")


def class_images(root: Path) -> ImageSet:
    """The images to measure on: those of ``val/`` or ``test/``, a labelled flat folder's, or those of class folders.

    A list that gives numbers to loose images counts ImageNet's sorted WordNet identifiers, where it has each of
    0 to 999 and no ``train/`` says otherwise.

    Raises:
        UserError: none of these layouts, or labels that do not fit.
    """
    return evaluation_images(root, numbered=wordnet_ids()) or read_class_folders(root)


def find_imagenet(root: Path) -> Path | None:
    """The folder below ``root`` that is called ImageNet, else its own images to test with: of class folders ``val/``.

    Loose ones need the labels beside them: for these it is ``root`` itself.
    """
    if named := part(root, IMAGENET):
        return named
    try:
        found = evaluation_images(root, numbered=wordnet_ids())
    except (UserError, OSError):
        return None
    if found is None:
        return None
    return root if found.paths[0].parent == found.root else found.root
