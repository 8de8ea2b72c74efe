"""Every setting of a training for segmentation, flat and typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shapebias.errors import UserError


@dataclass(frozen=True)
class SegmentConfig:
    """Settings of ``shapebias segment``; a run is one network, one ``seed`` and these.

    Args:
        data: folder with VOCdevkit/VOC2012, or one of its parts.
        out: folder of the results; trainings that are finished are not done again, others go on.
        freeze: train nothing but one convolution on the backbone's map, the paper's read-out, instead of all weights.
        train_split: a list of ImageSets/Segmentation: train or trainaug; what is measured is always val.
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
        val_images: validation images for the curve over the epochs, drawn once; 0 for none. The result is on all.
        seed: of the head's start and of every random choice.
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
    val_images: int = 200
    seed: int = 0
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
        for name, (lowest, highest) in RANGES.items():
            value = getattr(self, name)
            if not lowest <= value <= highest:
                raise UserError(f"--{name} must lie between {lowest:g} and {highest:g}, not {value}")
        if not self.lr:
            raise UserError("--lr must be more than 0")
        if self.batch_size % (self.devices * self.nodes * self.accumulate):
            raise UserError(
                f"--batch_size {self.batch_size} does not divide over {self.devices} devices x {self.nodes} nodes x "
                f"{self.accumulate} accumulated parts"
            )
        if self.nesterov and (self.optimizer != "sgd" or not self.momentum):
            raise UserError("--nesterov needs --optimizer sgd and a --momentum above 0")
        if self.freeze and self.head is not None:
            raise UserError(f"--freeze trains one convolution and no other head: leave out --head {self.head}")


RANGES: dict[str, tuple[float, float]] = {
    "lr": (0.0, 1e3),
    "momentum": (0.0, 0.9999),
    "weight_decay": (0.0, 1e3),
    "clip_norm": (0.0, 1e9),
    "ema_decay": (0.0, 0.999999),
    "epochs": (1, 100_000),
    "warmup_epochs": (0.0, 1e5),
    "drop_every": (1, 100_000),
    "batch_size": (2, 1_000_000),
    "accumulate": (1, 1_000_000),
    "size": (32, 4096),
    "val_images": (0, 1_000_000),
    "seed": (0, 2**32 - 1),
    "workers": (0, 1024),
    "devices": (1, 100_000),
    "nodes": (1, 100_000),
    "checkpoint_minutes": (0.0, 1e6),
    "keep": (1, 1000),
}
