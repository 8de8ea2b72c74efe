"""Every setting of a training run, flat and typed; a run is this, the data and the code."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from shapebias.errors import UserError
from shapebias.train.schemes import find_scheme


@dataclass(frozen=True)
class TrainConfig:
    """Settings of ``shapebias train``.

    Args:
        scheme: what is shown and optimised: in, shapenet-sin, shapenet-sin-in, shapenet, mmsi-sin, mmsi-sin-in, mmsi.
        model: any timm network by its name, for example resnet18, or torchvision:NAME.
        data: folder with one folder of images per class, with train/ and val/ or test/ of such, or ImageNet.
        out: folder of the run; an interrupted run goes on when the same command is given again.
        init: none, pretrained (the library's weights), a weights file, or a run folder.
        epochs: passes over the training images, fine-tuning aside.
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
        finetune_epochs: passes over the natural images in the second phase of shapenet and mmsi.
        finetune_lr: peak learning rate of that phase.
        finetune_drop_every: epochs between its drops.
        finetune_batch_size: training images per step in that phase; 0 for --batch_size.
        clip_norm: largest norm of the gradient; 0 does not clip.
        ema_decay: decay of a moving average of the weights, which is then what is validated and kept; 0 for none.
        min_crop: smallest part of an image's area that a random crop shows.
        test_crop: side of the centre that measuring keeps, as a part of the shorter side; .875 is ImageNet's usual.
        lambda_m: weight of the MMSI term (Eq. 4); 0 is the control without it.
        lambda_s: weight of each stylized view's cross entropy (Eq. 4).
        ramp_epochs: epochs over which lambda_m rises from zero.
        axis: what the MMSI correlation runs over: batch (one per neuron) or channel (one per sample).
        eps: floor of 1 - rho^2 in the MMSI term.
        stages: modules whose pooled outputs the MMSI term compares; default the last pooled latent.
        views: whether natural images and views pass the network joined in one batch or apart.
        stylized: folder made by 'shapebias stylize' to take the views from; default: stylize in the step.
        stylizer: what stylizes in the step: small (the package's), vgg19 (the paper's, downloaded once), or its file.
        styles: folder of style images or a style bank; default the bank of the package.
        alpha: strength of the style when stylizing in the step, 0 to 1.
        seed: every random choice follows from it.
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

    scheme: str
    model: str
    data: Path
    out: Path
    init: str = "none"
    epochs: int = 20
    batch_size: int = 64
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
    finetune_epochs: int = 10
    finetune_lr: float = 0.005
    finetune_drop_every: int = 30
    finetune_batch_size: int = 0
    clip_norm: float = 0.0
    ema_decay: float = 0.0
    min_crop: float = 0.25
    test_crop: float = 1.0
    lambda_m: float = 0.8
    lambda_s: float = 0.1
    ramp_epochs: float = 0.0
    axis: Literal["batch", "channel"] = "batch"
    eps: float = 1e-4
    stages: tuple[str, ...] = ()
    views: Literal["joined", "apart"] = "joined"
    stylized: Path | None = None
    stylizer: str = "small"
    styles: Path | None = None
    alpha: float = 1.0
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

    def check(self) -> None:
        """Refuse settings out of range, naming the setting and the range.

        Raises:
            UserError: the first setting that cannot be.
        """
        phases = find_scheme(self.scheme)
        check_loop(self, "batch_size", "finetune_batch_size")
        part = self.batch_size // self.accumulate
        if part < LEAST_TO_CORRELATE and self.axis == "batch" and any(phase.mmsi for phase in phases):
            raise UserError(
                f"--axis batch correlates over the images of a part, and --batch_size {self.batch_size} leaves {part}: "
                f"at least {LEAST_TO_CORRELATE} are needed, and dozens make sense"
            )
        if self.stylized is not None and (self.styles is not None or self.alpha != 1.0 or self.stylizer != "small"):
            raise UserError("--stylized takes ready copies: leave out --styles, --stylizer and --alpha, or --stylized")
        shows_views = any(phase.views for phase in phases)
        if shows_views and self.alpha == 0:
            raise UserError(f"--alpha 0 leaves images as they are: the scheme '{self.scheme}' needs stylized ones")
        if shows_views and self.stylized is None and self.stylizer == "vgg19" and self.styles is None:
            raise UserError(
                f"the scheme '{self.scheme}' needs styles, and the package's are for the small stylizer: "
                "give --styles a folder of paintings"
            )


def check_loop(config: Any, *batches: str, **others: tuple[float, float]) -> None:
    """Refuse what no task can be trained with: settings out of range, batches that do not divide, Nesterov without SGD.

    Args:
        config: any task's settings; those that are None are left alone.
        batches: the names of its batch sizes.
        others: ranges of settings that ``RANGES`` lacks, or other ones.

    Raises:
        UserError: the first setting that cannot be.
    """
    for name, (lowest, highest) in {**RANGES, **others}.items():
        value = getattr(config, name, None)
        if value is not None and not lowest <= value <= highest:
            raise UserError(f"--{name} must lie between {lowest:g} and {highest:g}, not {value}")
    for name in batches:
        if getattr(config, name) % (config.devices * config.nodes * config.accumulate):
            raise UserError(
                f"--{name} {getattr(config, name)} does not divide over {config.devices} devices x {config.nodes} "
                f"nodes x {config.accumulate} accumulated parts"
            )
    if config.nesterov and (config.optimizer != "sgd" or not config.momentum):
        raise UserError("--nesterov needs --optimizer sgd and a --momentum above 0")


LEAST_TO_CORRELATE = 3  # two points always correlate wholly
RANGES: dict[str, tuple[float, float]] = {
    "alpha": (0.0, 1.0),
    "lambda_m": (0.0, 1e6),
    "lambda_s": (0.0, 1e6),
    "ramp_epochs": (0.0, 1e5),
    "lr": (0.0, 1e3),
    "finetune_lr": (0.0, 1e3),
    "momentum": (0.0, 0.9999),
    "weight_decay": (0.0, 1e3),
    "clip_norm": (0.0, 1e9),
    "ema_decay": (0.0, 0.999999),
    "eps": (1e-12, 0.5),
    "min_crop": (0.01, 1.0),
    "test_crop": (0.1, 1.0),
    "epochs": (1, 100_000),
    "finetune_epochs": (1, 100_000),
    "warmup_epochs": (0.0, 1e5),
    "drop_every": (1, 100_000),
    "finetune_drop_every": (1, 100_000),
    "batch_size": (2, 1_000_000),
    "finetune_batch_size": (0, 1_000_000),
    "accumulate": (1, 1_000_000),
    "size": (16, 4096),
    "seed": (0, 2**32 - 1),
    "workers": (0, 1024),
    "devices": (1, 100_000),
    "nodes": (1, 100_000),
    "checkpoint_minutes": (0.0, 1e6),
    "keep": (1, 1000),
}
# Of the tasks that choose a learning rate.
CHOOSING: dict[str, tuple[float, float]] = {"split_seed": RANGES["seed"], "select_epochs": (0, 100_000)}
