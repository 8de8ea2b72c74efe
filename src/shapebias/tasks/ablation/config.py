"""Settings of one run of the ablation."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from functools import partial
from pathlib import Path
from typing import Literal

from shapebias.errors import UserError
from shapebias.train.config import LoopConfig, TrainConfig, check_ranges


@dataclass(frozen=True)
class AblationConfig:
    """Settings of ``shapebias ablation``; a run is this with its ``row``, seed, learning rate, epochs and weights.

    Args:
        model: any timm model by its name, for example resnet18, or torchvision:NAME.
        data: folder of Pascal VOC 2012 as published (VOCdevkit, the folder above it, or VOC2012).
        loop: settings of the training loop; epochs are the baseline's, and rows with views get a third of them, for the
            same budget.
        row: the row that is trained.
        init: none, pretrained (the library's weights), a weights file, or a run folder; the same for every row.
        select_epochs: passes over the training images when learning rates are tried; 0 for a third of the row's.
        size: side of the square training and evaluation images in pixels.
        min_crop: smallest part of an image's area that a random crop shows.
        test_crop: side of the centre crop in evaluation, relative to the shorter side.
        lambda_m: weight of the MMSI term in the rows that have it (Eq. 4).
        lambda_s: weight of each stylized view's loss in the rows that have it (Eq. 4).
        axis: axis of the MMSI correlation: batch (one per neuron) or channel (one per sample).
        eps: floor of 1 - rho^2 in the MMSI term.
        stages: modules whose pooled outputs the MMSI term compares, the deepest first (default: the model's last four).
        stylized: copies of JPEGImages by 'shapebias stylize' to take the views from (default: stylize in the step).
        stylizer: stylizer for the step: small (the package's), vgg19 (the paper's, downloaded once), or its file.
        styles: folder of style images or a style bank (default: the bank of the package).
        alpha: strength of the style when stylizing in the step, 0 to 1.
        split_seed: random seed of the training images held out to choose learning rates on, and of those trainings.
    """

    model: str
    data: Path
    loop: LoopConfig = field(default_factory=partial(LoopConfig, epochs=30, batch_size=32))
    row: str = "baseline"
    init: str = "none"
    select_epochs: int = 0
    size: int = 224
    min_crop: float = 0.25
    test_crop: float = 1.0
    lambda_m: float = 0.8
    lambda_s: float = 0.1
    axis: Literal["batch", "channel"] = "batch"
    eps: float = 1e-4
    stages: tuple[str, ...] = ()
    stylized: Path | None = None
    stylizer: str = "small"
    styles: Path | None = None
    alpha: float = 1.0
    split_seed: int = 0

    def check(self, *, views: bool) -> None:
        """Refuse settings out of range, naming the setting; ``views``: whether any row shows stylized ones.

        Raises:
            UserError: the first such setting.
        """
        if views and self.alpha == 0:
            raise UserError("--alpha 0 leaves images as they are: rows with views need stylized ones")
        if views and self.stylized is None and self.stylizer == "vgg19" and self.styles is None:
            raise UserError("rows with views need styles, and the package's are for the small stylizer: give --styles")
        training(self, views=views).check()
        check_ranges(vars(self))
        if self.loop.lr <= 0:
            raise UserError(f"--lr must be above 0, not {self.loop.lr:g}")
        if len(set(self.stages)) < len(self.stages):
            raise UserError("--stages names a stage twice: give each once, the deepest first")


def training(config: AblationConfig, *, views: bool = True) -> TrainConfig:
    """Return the settings as training by a scheme has them, for what both share: ranges, and the source of views."""
    shared = {one.name for one in fields(TrainConfig)} & {one.name for one in fields(AblationConfig)}
    return TrainConfig(scheme="mmsi-sin-in" if views else "in", **{name: getattr(config, name) for name in shared})
