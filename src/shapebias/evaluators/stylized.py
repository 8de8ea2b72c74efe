"""Accuracy on images stylized here, in styles held out from training (Table 4's Stylized-IN, made on the fly)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shapebias.data.folders import subfolders
from shapebias.data.image_set import ImageSet
from shapebias.data.readers.class_folders import held_out_folder
from shapebias.errors import UserError
from shapebias.evaluators.accuracy import OutOfDistribution
from shapebias.evaluators.base import EvalConfig
from shapebias.evaluators.class_subset import class_images
from shapebias.files import read_json
from shapebias.models.classifier import Classifier
from shapebias.results.results import EvalResult
from shapebias.stylize import load_styles, load_stylizer
from shapebias.stylize.folder import (
    MANIFEST,
    copies_format,
    stylize_folder,
    stylized_views,
    unreadable_sources,
    view_path,
)
from shapebias.stylize.settings import StylizeSettings


class Stylized(OutOfDistribution):
    """Evaluator ``stylized``: accuracy on images stylized in styles held out from training.

    A folder made by ``shapebias stylize`` is taken as it is; any other is stylized once, one style per
    image, below the output folder, when the first model has been found to have its classes: of a limit
    only the images that are drawn. The copies have the classes of the images that they were made from.
    """

    name = "stylized"
    needs = "what 'accuracy' takes, which is stylized first, or a folder made of it by 'shapebias stylize'"

    def __init__(self, config: EvalConfig) -> None:
        self.ready = (config.data / MANIFEST).is_file()
        super().__init__(config)
        self.condition = {"styles": "as given" if self.ready else "held-out"}
        if self.ready:
            self.left_out = unreadable_sources(config.data)

    def images(self, data: Path) -> ImageSet:
        """The images to stylize, or the copies that are given."""
        return given_copies(data) if self.ready else class_images(data, self.config.holdouts)

    def run(self, model: Classifier) -> EvalResult:
        """Stylize the folder for the first model; then as for ``accuracy``."""
        self.check(model)
        if not self.ready:
            config, images = self.config, self.folder.paths if self.drawn or self.whole.held_out else None
            name = "stylized-held-out" if self.whole.held_out else "stylized"
            name += f"-{len(self.folder)}-seed{config.seed}" if self.drawn else ""
            copies = held_out_copies(self.folder.root, config, name, per_image=1, images=images)
            self.folder = copies_of(self.folder, self.folder.root, copies, views=1)
            self.left_out, self.ready = unreadable_sources(copies), True
        return super().run(model)


def held_out_copies(
    source: Path,
    config: EvalConfig,
    name: str,
    *,
    per_image: int,
    same_styles: bool = False,
    images: Sequence[Path] | None = None,
) -> Path:
    """``source``, or just ``images`` below it, stylized in the package's held-out styles below the output folder."""
    stylizer, digest = load_stylizer()
    bank = load_styles(None, stylizer, digest).split("held-out")
    out = config.out / "images" / name
    settings = StylizeSettings(per_image=per_image, same_styles=same_styles, seed=config.seed)
    how = {"images": images, "device": config.device, "strict": config.strict, "wait": True}
    stylize_folder(source, out, stylizer, bank, settings, **how)
    return out


def given_copies(data: Path) -> ImageSet:
    """The copies in a folder of ``shapebias stylize``, with the classes of their folders, else of their sources.

    Raises:
        UserError: not finished, or copies without class folders whose sources are no longer there.
    """
    views = stylized_views(data)  # refuses one that is not finished
    if subfolders(held_out_folder(data) or data):
        return class_images(data)
    source = Path(str(read_json(data / MANIFEST).get("source")))
    if not source.is_dir():
        raise UserError(
            f"{data} has no class folders, and the images it was made of are not in {source}: put them back there, "
            "or stylize a folder that has one folder of images per class"
        )
    found = copies_of(class_images(source), source, data, views)
    if not len(found):
        raise UserError(f"{data} holds no copies of the labelled images in {source}: give that folder, or stylize anew")
    return found


def copies_of(folder: ImageSet, source: Path, copies: Path, views: int) -> ImageSet:
    """The stylized copies of ``folder``'s images in ``copies`` that are there, each with its image's class.

    ``source`` is the folder that was stylized: the images lie in it or below.
    """
    kind = copies_format(copies)
    found = [
        (row, copy)
        for row, path in enumerate(folder.paths)
        for copy in (view_path(copies, source, path, view, kind) for view in range(views))
        if copy.is_file()
    ]
    taken = folder.take([row for row, _ in found])
    return replace(taken, root=copies, paths=tuple(copy for _, copy in found))
