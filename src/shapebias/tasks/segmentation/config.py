"""Every setting of a training for segmentation, flat and typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shapebias.errors import UserError
from shapebias.train.config import CHOOSING, check_loop


@dataclass(frozen=True)
class SegmentConfig:
    """Settings of ``shapebias segment``; a run is one network, one ``seed`` and these.

    Args:
        data: folder with VOCdevkit/VOC2012, or one of its parts.
        out: folder of the results; trainings that are finished are not done again, others go on.
        freeze: train nothing but one convolution on the backbone's map, the paper's read-out, instead of all weights.
        train_split: a list of ImageSets/Segmentation: train or trainaug; what is measured is always val.
        masks: folder of masks to train on instead of VOC's, NAME.png each, such as 'shapebias cam' writes.
        head: torchvision's head for fine-tuning, fcn (the default) or deeplab.
        stage: module whose map the head gets; default the last with one.
        output_stride: how much smaller the map is than the image, for timm's networks that let it be chosen.
        size: side of the square training crops in pixels; measuring shows whole images at their own size.
        epochs: passes over the training images.
        batch_size: training images per step over all devices.
        accumulate: parts in which a step's images pass the network, to save memory.
        optimizer: sgd or adamw.
        lr: peak learning rate.
        momentum: momentum of SGD.
        nesterov: Nesterov's kind of momentum.
        weight_decay: weight decay.
        schedule: how the learning rate falls: as a cosine to zero, or in steps by 10 every --drop_every epochs.
        warmup_epochs: epochs over which it first rises, at most a tenth of all.
        drop_every: epochs between the drops of --schedule step.
        clip_norm: largest norm of the gradient; 0 does not clip.
        ema_decay: decay of a moving average of the weights, which is then what is measured and kept; 0 for none.
        select_epochs: passes over them when learning rates are tried; 0 for a third of --epochs.
        seed: of the head's start and of every random choice.
        split_seed: of the fifth of the training images that learning rates are chosen on.
        workers: processes that decode images.
        device: auto, cpu, cuda or mps.
        devices: how many of them on each node.
        nodes: how many machines.
        precision: 32-true, bf16-mixed or 16-mixed.
        channels_last: keep images and weights in channels-last order, faster on most devices.
        compile: compile the network (torch.compile); no option, since every size of image would be compiled anew.
        checkpoint_minutes: time between checkpoints within an epoch; one is also written after each epoch.
        keep: how many checkpoints of an unfinished run are kept.
        strict: stop at an unreadable image instead of leaving it out and listing it.
        task: what the run is of, in its files.
    """

    data: Path
    out: Path
    freeze: bool = False
    train_split: str = "train"
    masks: Path | None = None
    head: Literal["fcn", "deeplab"] | None = None
    stage: str | None = None
    output_stride: Literal[8, 16, 32] = 16
    size: int = 256
    epochs: int = 50
    batch_size: int = 16
    accumulate: int = 1
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = 0.02
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    schedule: Literal["cosine", "step"] = "cosine"
    warmup_epochs: float = 1.0
    drop_every: int = 20
    clip_norm: float = 0.0
    ema_decay: float = 0.0
    select_epochs: int = 0
    seed: int = 0
    split_seed: int = 0
    workers: int = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = 1
    nodes: int = 1
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    channels_last: bool = True
    compile: bool = False
    checkpoint_minutes: float = 5.0
    keep: int = 3
    strict: bool = False
    task: str = "segmentation"

    @property
    def backbone(self) -> Literal["frozen", "finetuned"]:
        """The condition of the figures."""
        return "frozen" if self.freeze else "finetuned"

    def check(self) -> None:
        """Refuse settings out of range, naming the setting and the range.

        Raises:
            UserError: the first setting that cannot be.
        """
        check_loop(self, "batch_size", size=(32, 4096), **CHOOSING)
        if self.lr <= 0:
            raise UserError(f"--lr must be above 0, not {self.lr:g}")
        if self.freeze and self.head is not None:
            raise UserError(f"--freeze trains one convolution and no other head: leave out --head {self.head}")
