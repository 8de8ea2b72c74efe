"""Every setting of a training run, flat and typed; a run is this, the data and the code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from shapebias.errors import UserError
from shapebias.train.schemes import find_scheme


@dataclass(frozen=True)
class TrainConfig:
    """Settings of ``shapebias train``.

    Args:
        scheme: what is shown and optimised: in, shapenet-sin, shapenet-sin-in, mmsi-sin or mmsi-sin-in.
        model: any timm network by its name, for example resnet18.
        data: folder with one folder of images per class, or with train/ and val/ or test/ of such.
        out: folder of the run; an interrupted run goes on when the same command is given again.
        init: none, pretrained (timm's weights), a weights file, or a run folder.
        epochs: passes over the training images.
        batch_size: training images per step over all devices (each with its views).
        size: side of the square training and evaluation images in pixels.
        optimizer: sgd (Nesterov, as in the paper's recipes) or adamw.
        lr: peak learning rate; it rises over the first epoch and falls as a cosine.
        momentum: momentum of SGD.
        weight_decay: weight decay.
        min_crop: smallest part of an image's area that a random crop shows.
        lambda_m: weight of the MMSI term (Eq. 4); 0 is the control without it.
        lambda_s: weight of each stylized view's cross entropy (Eq. 4).
        axis: what the MMSI correlation runs over: batch (one per neuron) or channel (one per sample).
        eps: floor of 1 - rho^2 in the MMSI term.
        stages: modules whose pooled outputs the MMSI term compares, as in '["layer3", "layer4"]'; default the last
            pooled latent.
        views: whether natural images and views pass the network joined in one batch or apart.
        stylized: folder made by 'shapebias stylize' to take the views from; default: stylize in the step.
        styles: folder of style images or a style bank; default the bank of the package.
        alpha: strength of the style when stylizing in the step, 0 to 1.
        seed: every random choice follows from it.
        workers: processes that decode images beside the training.
        device: auto, cpu, cuda or mps.
        devices: how many of them.
        precision: 32-true, bf16-mixed or 16-mixed.
        strict: stop at an unreadable image instead of leaving it out and listing it.
    """

    scheme: str
    model: str
    data: Path
    out: Path
    init: str = "none"
    epochs: int = 20
    batch_size: int = 64
    size: int = 224
    optimizer: Literal["sgd", "adamw"] = "sgd"
    lr: float = 0.05
    momentum: float = 0.9
    weight_decay: float = 1e-4
    min_crop: float = 0.25
    lambda_m: float = 0.8
    lambda_s: float = 0.1
    axis: Literal["batch", "channel"] = "batch"
    eps: float = 1e-4
    stages: tuple[str, ...] = ()
    views: Literal["joined", "apart"] = "joined"
    stylized: Path | None = None
    styles: Path | None = None
    alpha: float = 1.0
    seed: int = 0
    workers: int = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = 1
    precision: Literal["32-true", "bf16-mixed", "16-mixed"] = "32-true"
    strict: bool = False

    def check(self) -> None:
        """Refuse settings out of range, naming the setting and the range.

        Raises:
            UserError: the first setting that cannot be.
        """
        find_scheme(self.scheme)
        for name, lowest, highest in [
            ("alpha", 0.0, 1.0),
            ("lambda_m", 0.0, 1e6),
            ("lambda_s", 0.0, 1e6),
            ("lr", 0.0, 1e3),
            ("momentum", 0.0, 0.9999),
            ("weight_decay", 0.0, 1e3),
            ("eps", 1e-12, 0.5),
            ("min_crop", 0.01, 1.0),
            ("epochs", 1, 100_000),
            ("batch_size", 2, 1_000_000),
            ("size", 16, 4096),
            ("seed", 0, 2**32 - 1),
            ("workers", 0, 1024),
            ("devices", 1, 100_000),
        ]:
            value = getattr(self, name)
            if not lowest <= value <= highest:
                raise UserError(f"--{name} must lie between {lowest:g} and {highest:g}, not {value}")
        if self.batch_size % self.devices:
            raise UserError(f"--batch_size {self.batch_size} does not divide over --devices {self.devices}")
        if self.stylized is not None and (self.styles is not None or self.alpha != 1.0):
            raise UserError("--stylized takes ready copies: leave out --styles and --alpha, or --stylized")
