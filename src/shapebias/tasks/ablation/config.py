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
    """Settings of ``shapebias ablation``; each run sets its own ``row``, seed, learning rate, epochs and loss weights.

    Args:
        model: any timm model by its name, for example resnet18, or torchvision:NAME.
        data: folder of Pascal VOC 2012 as published (VOC2012, VOCdevkit, or the parent folder).
        loop: settings of the training loop; epochs are those of the baseline, and rows with views train for a third of
            them, for an equal budget.
        objective: settings of Eq. 4; each row uses those of its terms.
        views: settings of the stylized views; existing copies must be of JPEGImages.
        row: the row to train.
        init: none, pretrained (the library's weights), a weights file, or a run folder; the same for every row.
        size: side of the square training and evaluation images in pixels.
        min_crop: smallest fraction of an image's area that a random crop covers.
        test_crop: side of the centre crop in evaluation, relative to the shorter side.
        select_epochs: epochs of each trial of a learning rate; 0 for a third of the row's epochs.
        split_seed: random seed of the trials of learning rates, and of the choice of training images held out for
            them.
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
        """Refuse settings out of range.

        Args:
            views: whether any row uses stylized views.

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
