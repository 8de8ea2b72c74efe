"""Every setting of fine-tuning one network on a task with one learning rate and seed, flat and typed."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shapebias.errors import UserError
from shapebias.train.config import CHOOSING, RANGES, check_loop


@dataclass(frozen=True)
class TransferConfig:
    """Settings of ``shapebias transfer``; those of training have a say with ``--method finetune`` alone.

    Args:
        task: voc07, voc12, caltech101, cifar100, dtd, or folder for folders of classes in DATA.
        data: where the task's images lie.
        out: folder of the results.
        lr: peak learning rate.
        seed: of the new layer, the order of the images and their crops.
        split_seed: of every division: into training and test images where the task has none, and those to choose on.
        download: fetch the task's images to DATA if they are not there.
        epochs: passes over the training images.
        select_epochs: passes over them when learning rates are tried; 0 for a third of --epochs.
        batch_size: training images per step over all devices.
        accumulate: parts in which a step's images pass the network, to save memory; batch statistics are a part's.
        size: side of the square images in pixels; default that of the network.
        crop: side of the centre that measuring keeps, as a part of the shorter side; default that of the network.
        min_crop: smallest part of an image's area that a random crop shows.
        optimizer: sgd or adamw.
        momentum: momentum of SGD.
        nesterov: Nesterov's kind of momentum.
        weight_decay: weight decay.
        schedule: how the learning rate falls: as a cosine to zero, or in steps by 10 every --drop_every epochs.
        warmup_epochs: epochs over which it first rises, at most a tenth of all.
        drop_every: epochs between the drops of --schedule step.
        clip_norm: largest norm of the gradient; 0 does not clip.
        ema_decay: decay of a moving average of the weights, which is then what is measured and kept; 0 for none.
        workers: processes that decode images.
        device: auto, cpu, cuda or mps.
        devices: how many of them on each node.
        nodes: how many machines.
        precision: 32-true, bf16-mixed or 16-mixed.
        channels_last: keep images and weights in channels-last order, faster on most devices.
        compile: compile the network (torch.compile): minutes to begin with, faster steps.
        checkpoint_minutes: time between checkpoints within an epoch; one is also written after each epoch.
        keep: how many checkpoints of an unfinished run are kept.
        strict: stop at an unreadable image instead of leaving it out and listing it.
    """

    task: str
    data: Path
    out: Path
    lr: float = 0.01
    seed: int = 0
    split_seed: int = 0
    download: bool = False
    epochs: int = 30
    select_epochs: int = 0
    batch_size: int = 64
    accumulate: int = 1
    size: int | None = None
    crop: float | None = None
    min_crop: float = 0.25
    optimizer: Literal["sgd", "adamw"] = "sgd"
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    schedule: Literal["cosine", "step"] = "cosine"
    warmup_epochs: float = 1.0
    drop_every: int = 20
    clip_norm: float = 0.0
    ema_decay: float = 0.0
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

    def check(self) -> None:
        """Refuse settings out of range, naming the setting and the range.

        Raises:
            UserError: the first setting that cannot be.
        """
        check_loop(self, "batch_size", crop=RANGES["test_crop"], **CHOOSING)
        if self.lr <= 0:
            raise UserError(f"--lr must be above 0, not {self.lr:g}")
