"""Every setting of one run of the ablation, flat and typed."""

from __future__ import annotations

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Literal

from shapebias.errors import UserError
from shapebias.train.config import CHOOSING, TrainConfig, check_loop


@dataclass(frozen=True)
class AblationConfig:
    """Settings of ``shapebias ablation``; a run is this with its ``row``, ``seed``, ``lr`` and own epochs and weights.

    Args:
        model: any timm network by its name, for example resnet18, or torchvision:NAME.
        data: folder of Pascal VOC 2012 as published (VOCdevkit, the folder above it, or VOC2012).
        out: folder of the ablation; an interrupted one goes on when the same command is given again.
        row: the row that is trained.
        init: none, pretrained (the library's weights), a weights file, or a run folder; the same for every row.
        epochs: passes of the baseline over the training images; rows with views get a third, for the same budget.
        select_epochs: passes over them when learning rates are tried; 0 for a third of the row's.
        batch_size: training images per step over all devices (each with its views).
        accumulate: parts in which a step's images pass the network, to save memory; batch statistics are a part's.
        size: side of the square training and evaluation images in pixels.
        optimizer: sgd or adamw.
        lr: peak learning rate.
        momentum: momentum of SGD.
        nesterov: Nesterov's kind of momentum.
        weight_decay: weight decay.
        schedule: how the learning rate falls: as a cosine to zero, or in steps by 10 every --drop_every epochs.
        warmup_epochs: epochs over which it first rises, at most a tenth of all.
        drop_every: epochs between the drops of --schedule step.
        clip_norm: largest norm of the gradient; 0 does not clip.
        ema_decay: decay of a moving average of the weights, which is then what is measured; 0 for none.
        min_crop: smallest part of an image's area that a random crop shows.
        test_crop: side of the centre that measuring keeps, as a part of the shorter side.
        lambda_m: weight of the MMSI term in the rows that have it (Eq. 4).
        lambda_s: weight of each stylized view's loss in the rows that have it (Eq. 4).
        axis: what the MMSI correlation runs over: batch (one per neuron) or channel (one per sample).
        eps: floor of 1 - rho^2 in the MMSI term.
        stages: modules whose pooled outputs the MMSI term compares, the deepest first.
        stylized: copies of JPEGImages made by 'shapebias stylize' to take the views from; default: stylize in the step.
        stylizer: what stylizes in the step: small (the package's), vgg19 (the paper's, downloaded once), or its file.
        styles: folder of style images or a style bank; default the bank of the package.
        alpha: strength of the style when stylizing in the step, 0 to 1.
        seed: every random choice of the run follows from it.
        split_seed: which training images are held out to choose learning rates on, and every random choice of that.
        workers: processes that decode images beside the training.
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

    model: str
    data: Path
    out: Path
    row: str = "baseline"
    init: str = "none"
    epochs: int = 30
    select_epochs: int = 0
    batch_size: int = 32
    accumulate: int = 1
    size: int = 224
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = 0.05
    momentum: float = 0.9
    nesterov: bool = False
    weight_decay: float = 1e-4
    schedule: Literal["cosine", "step"] = "cosine"
    warmup_epochs: float = 1.0
    drop_every: int = 20
    clip_norm: float = 0.0
    ema_decay: float = 0.0
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

    def check(self, *, views: bool) -> None:
        """Refuse settings out of range, naming the setting; ``views``: whether any row shows stylized ones.

        Raises:
            UserError: the first setting that cannot be.
        """
        if views and self.alpha == 0:
            raise UserError("--alpha 0 leaves images as they are: rows with views need stylized ones")
        if views and self.stylized is None and self.stylizer == "vgg19" and self.styles is None:
            raise UserError("rows with views need styles, and the package's are for the small stylizer: give --styles")
        training(self, views=views).check()
        check_loop(self, **CHOOSING)
        if self.lr <= 0:
            raise UserError(f"--lr must be above 0, not {self.lr:g}")
        if len(set(self.stages)) < len(self.stages):
            raise UserError("--stages names a stage twice: give each once, the deepest first")


def training(config: AblationConfig, *, views: bool = True) -> TrainConfig:
    """The settings as training by a scheme has them, for what both share: ranges, and where views come from."""
    shared = {field.name for field in fields(TrainConfig)} & {field.name for field in fields(AblationConfig)}
    return TrainConfig(scheme="mmsi-sin-in" if views else "in", **{name: getattr(config, name) for name in shared})
