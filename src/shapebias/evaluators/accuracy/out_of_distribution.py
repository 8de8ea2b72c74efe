"""Accuracy on ImageNet's classes in other looks: Stylized-ImageNet and ImageNet-Sketch (Table 4)."""

from __future__ import annotations

import re
from pathlib import Path

from shapebias.data.image_set import ImageSet, part
from shapebias.evaluators.accuracy.accuracy import Accuracy, Answering
from shapebias.evaluators.accuracy.class_images import class_images
from shapebias.evaluators.accuracy.class_subset import ClassSubset

_WNID = re.compile(r"n\d{8}")


class OutOfDistribution(Accuracy):
    """Accuracy where a folder with some of the network's classes is scored over those classes' logits only.

    ``condition.answers`` says so exactly then. All else is as for ``accuracy``.
    """

    def answering(self, among: ClassSubset) -> list[Answering]:
        """Among the folder's classes alone."""
        return [(among.outputs if among.restricted else None, among.condition)]


class StylizedImageNet(OutOfDistribution):
    """Evaluator ``stylized-imagenet``: the published Stylized-ImageNet (Geirhos et al. 2019), its ``val/`` as it is."""

    name = "stylized-imagenet"
    needs = "Stylized-ImageNet's val/ in folders of WordNet identifiers (github rgeirhos/Stylized-ImageNet)"

    @classmethod
    def find(cls, root: Path) -> Path | None:
        """The folder of that name below ``root``."""
        return part(root, ("stylized-imagenet", "SIN", "stylized_imagenet"))


class ImageNetSketch(OutOfDistribution):
    """Evaluator ``imagenet-sketch``: black and white sketches of ImageNet's classes (Wang et al. 2019)."""

    name = "imagenet-sketch"
    needs = "ImageNet-Sketch, sketch/WNID/*.JPEG (github HaohanWang/ImageNet-Sketch)"

    @classmethod
    def find(cls, root: Path) -> Path | None:
        """The folder of that name below ``root``; one called ``sketch`` only with folders of WordNet identifiers."""
        sketch = part(root, ("sketch",))
        return part(root, ("imagenet-sketch", "imagenet_sketch")) or (sketch if sketch and _has_wnids(sketch) else None)

    def images(self, data: Path) -> ImageSet:
        """Those of ``sketch/`` in it, as the archive has them, else its own."""
        below = data / "sketch"
        return class_images(below if _has_wnids(below) else data)


def _has_wnids(folder: Path) -> bool:
    try:
        return any(_WNID.fullmatch(child.name) and child.is_dir() for child in folder.iterdir())
    except OSError:
        return False
