"""Settings of one run of the ablation."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from shapebias.errors import UserError
from shapebias.train.config import LoopConfig, ObjectiveConfig, ViewsConfig
from shapebias.train.settings import check_ranges


@dataclass(frozen=True)
class AblationConfig:
    """Settings of ``shapebias ablation``; a run is this with its ``row``, seed, learning rate, epochs and weights.

    Args:
        model: any timm model by its name, for example resnet18, or torchvision:NAME.
        data: folder of Pascal VOC 2012 as published (VOCdevkit, the folder above it, or VOC2012).
        loop: settings of the training loop; epochs are the baseline's, and rows with views get a third of them, for the
            same budget.
        objective: settings of Eq. 4, as far as a row has its terms.
        views: settings of the stylized views; ready copies are of JPEGImages.
        row: the row that is trained.
        init: none, pretrained (the library's weights), a weights file, or a run folder; the same for every row.
        size: side of the square training and evaluation images in pixels.
        min_crop: smallest part of an image's area that a random crop shows.
        test_crop: side of the centre crop in evaluation, relative to the shorter side.
        select_epochs: passes over the training images when learning rates are tried; 0 for a third of the row's.
        split_seed: random seed of the training images held out to choose learning rates on, and of those trainings.
    """

    model: str
    data: Path
    loop: LoopConfig = field(default_factory=partial(LoopConfig, epochs=30, batch_size=32))
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    views: ViewsConfig = field(default_factory=ViewsConfig)
    row: str = "baseline"
    init: str = "none"
    size: int = 224
    min_crop: float = 0.25
    test_crop: float = 1.0
    select_epochs: int = 0
    split_seed: int = 0

    def check(self, *, views: bool) -> None:
        """Refuse settings out of range, naming the setting; ``views``: whether any row shows stylized ones.

        Raises:
            UserError: the first such setting.
        """
        check_ranges(self)
        self.loop.check()
        self.views.check("rows with views need" if views else None)
        if views:
            self.objective.check_part(self.loop)
        stages = self.objective.stages
        if len(set(stages)) < len(stages):
            raise UserError("--stages names a stage twice: give each once, the deepest first")
