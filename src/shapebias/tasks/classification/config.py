"""Settings of fine-tuning a model on another classification task."""

from __future__ import annotations

from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from shapebias.train.config import LoopConfig
from shapebias.train.settings import check_ranges


@dataclass(frozen=True)
class TransferConfig:
    """Settings of ``shapebias transfer``; those of training apply to ``--method finetune`` alone.

    Args:
        task: voc07, voc12, caltech101, cifar100, dtd, or folder for folders of classes in DATA.
        data: folder of the task's images.
        loop: settings of the training loop.
        split_seed: random seed of the splits: into training and test images if the data set has no such split, and of
            the training images into those to fit and those to choose settings on.
        download: fetch the task's images to DATA if they are not there.
        select_epochs: epochs of each trial of a learning rate; 0 for a third of --epochs.
        size: side of the square images in pixels (default: that of the model).
        crop: side of the centre crop in evaluation, relative to the shorter side (default: that of the model).
        min_crop: smallest fraction of an image's area that a random crop covers.
    """

    task: str
    data: Path
    loop: LoopConfig = field(default_factory=partial(LoopConfig, epochs=30, lr=0.01))
    split_seed: int = 0
    download: bool = False
    select_epochs: int = 0
    size: int | None = None
    crop: float | None = None
    min_crop: float = 0.25

    def check(self) -> None:
        """Refuse settings out of range.

        Raises:
            UserError: the first such setting.
        """
        self.loop.check()
        check_ranges(self)
