"""Settings of training a model for segmentation."""

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
    """Settings of ``shapebias segment``; a run is one model, one seed and these.

    Args:
        data: folder with VOCdevkit/VOC2012, or one of its parts.
        loop: settings of the training loop; ``compile`` is no option, since every image size would be compiled anew.
        freeze: train nothing but one convolution on the backbone's map, the paper's read-out, instead of all weights.
        train_split: a list of ImageSets/Segmentation: train or trainaug; evaluation is always on val.
        masks: folder of masks to train on instead of VOC's, NAME.png each, such as 'shapebias cam' writes.
        head: torchvision's head for fine-tuning, fcn (the default) or deeplab.
        stage: module whose map the head gets (default: the last with one).
        output_stride: how much smaller the map is than the image, for timm's models that let it be chosen.
        size: side of the square training crops in pixels; evaluation takes whole images at their own size.
        select_epochs: passes over the training images when learning rates are tried; 0 for a third of --epochs.
        split_seed: random seed of the fifth of the training images that learning rates are chosen on.
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
        """Refuse settings out of range, naming the setting and the range.

        Raises:
            UserError: the first such setting.
        """
        self.loop.check()
        check_ranges(self, size=(32, 4096))
        if self.freeze and self.head is not None:
            raise UserError(f"--freeze trains one convolution and no other head: leave out --head {self.head}")
