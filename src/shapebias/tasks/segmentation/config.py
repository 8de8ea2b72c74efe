"""Settings of training for segmentation."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Literal

from shapebias.errors import UserError
from shapebias.train.config import LoopConfig
from shapebias.train.settings import check_ranges


@dataclass(frozen=True)
class SegmentConfig:
    """Settings of ``shapebias segment``; each run has one model and one seed.

    Args:
        data: folder that contains VOCdevkit/VOC2012, or VOCdevkit or VOC2012 itself.
        loop: settings of the training loop; ``compile`` is not available, since every image size would be compiled.
        freeze: train only one convolution on the backbone's feature map, the paper's read-out, instead of all weights.
        train_split: a list in ImageSets/Segmentation: train or trainaug; evaluation is always on val.
        masks: folder of masks NAME.png to train on instead of VOC's, such as those written by 'shapebias cam'.
        head: torchvision's head for fine-tuning, fcn (the default) or deeplab.
        stage: module whose feature map is the input of the head (default: the last that has one).
        output_stride: ratio of the image's size to the feature map's, for timm models that support a choice.
        size: side of the square training crops in pixels; evaluation uses whole images at their own size.
        select_epochs: epochs of each trial of a learning rate; 0 for a third of --epochs.
        split_seed: random seed for holding out the fifth of the training images that learning rates are chosen on.
        task: name of the task in the run's files.
    """

    data: Path
    loop: LoopConfig = field(default_factory=partial(LoopConfig, epochs=50, batch_size=16, lr=0.02))
    freeze: bool = False
    train_split: str = "train"
    masks: Path | None = None
    head: Literal["fcn", "deeplab"] | None = None
    stage: str | None = None
    output_stride: Literal[8, 16, 32] = 16
    size: int = 256
    select_epochs: int = 0
    split_seed: int = 0
    task: str = "segmentation"

    @property
    def backbone(self) -> Literal["frozen", "finetuned"]:
        """The condition of the results."""
        return "frozen" if self.freeze else "finetuned"

    def check(self) -> None:
        """Refuse settings that are out of range or conflict.

        Raises:
            UserError: the first such setting.
        """
        self.loop.check()
        check_ranges(self, size=(32, 4096))
        if self.freeze and self.head is not None:
            raise UserError(f"--freeze trains one convolution as the head: remove --head {self.head}")
