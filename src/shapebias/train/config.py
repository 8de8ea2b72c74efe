"""Settings of training: of the loop, shared by all tasks, and of training with a scheme."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from pathlib import Path
from typing import Literal

from shapebias.errors import UserError, option
from shapebias.train.schemes import find_scheme
from shapebias.train.settings import check_ranges

LEAST_TO_CORRELATE = 3  # two points always have a correlation of 1 or -1


@dataclass(frozen=True)
class LoopConfig:
    """Settings of a training loop, the same for every task.

    Args:
        out: folder of the run; an interrupted run resumes when the same command is run again.
        seed: random seed; every random choice of the run follows from it.
        epochs: passes over the training images.
        batch_size: training images per step over all devices (each with its views).
        grad_accum_steps: number of parts that each batch is split into to save memory; each part has its own batch
            statistics.
        optimizer: sgd or adamw.
        lr: peak learning rate.
        momentum: momentum of SGD.
        nesterov: use Nesterov momentum.
        weight_decay: weight decay, of all weights including those of norms and biases.
        schedule: decay of the learning rate: a cosine to zero, or division by 10 every --drop-every epochs.
        warmup_epochs: epochs over which the learning rate first rises, at most a tenth of all.
        drop_every: epochs between the drops of --schedule step.
        clip_norm: largest norm of the gradient; 0 for no clipping.
        ema_decay: decay of a moving average of the weights, which is then evaluated and saved; 0 for none.
        workers: processes that decode images in parallel with training.
        device: auto, cpu, cuda or mps.
        devices: devices on each node.
        nodes: machines.
        precision: 32-true, bf16-mixed, 16-mixed, or (train only) auto, the faster of the first two on this machine.
        channels_last: keep images and weights in channels-last order, faster on most devices.
        compile: compile the model (torch.compile): minutes at the start, faster steps.
        checkpoint_minutes: time between checkpoints within an epoch; one is also written after each epoch.
        keep_checkpoints: checkpoints of an unfinished run to keep.
        strict: stop at an unreadable image instead of skipping and listing it.
    """

    out: Path = Path("run")
    seed: int = 0
    epochs: int = 20
    batch_size: int = 64
    grad_accum_steps: int = 1
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
    workers: int = 0
    device: Literal["auto", "cpu", "cuda", "mps"] = "auto"
    devices: int = 1
    nodes: int = 1
    precision: Literal["32-true", "bf16-mixed", "16-mixed", "auto"] = "32-true"
    channels_last: bool = True
    compile: bool = False
    checkpoint_minutes: float = 5.0
    keep_checkpoints: int = 3
    strict: bool = False

    def check(self) -> None:
        """Refuse settings out of range, a batch size that does not divide evenly, and Nesterov momentum without SGD.

        Raises:
            UserError: the first such setting.
        """
        check_ranges(self)
        self.check_batch("batch_size", self.batch_size)
        if self.nesterov and (self.optimizer != "sgd" or not self.momentum):
            raise UserError("--nesterov needs --optimizer sgd and a --momentum above 0")

    def check_batch(self, name: str, size: int) -> None:
        """Refuse a batch ``size`` (the setting ``name``) not divisible by devices and accumulation steps."""
        if size % (self.devices * self.nodes * self.grad_accum_steps):
            raise UserError(
                f"{option(name)} {size} is not divisible by {self.devices} devices x {self.nodes} nodes x "
                f"{self.grad_accum_steps} accumulation steps: give a multiple"
            )


@dataclass(frozen=True)
class ObjectiveConfig:
    """Settings of the objective, Eq. 4: the weights of its terms, and the MMSI term.

    Args:
        lambda_m: weight of the MMSI term (Eq. 4); 0 is the control without it.
        lambda_s: weight of each stylized view's loss (Eq. 4).
        axis: axis of the MMSI correlation: batch (one per neuron) or channel (one per sample).
        eps: floor of 1 - rho^2 in the MMSI term.
        stages: modules whose pooled outputs the MMSI term compares, in an ablation the deepest first (default: the last
            pooled latent, in an ablation the last four stages).
    """

    lambda_m: float = 0.8
    lambda_s: float = 0.1
    axis: Literal["batch", "channel"] = "batch"
    eps: float = 1e-4
    stages: tuple[str, ...] = ()

    def check_part(self, loop: LoopConfig) -> None:
        """Refuse accumulation steps with too few images for the correlation in the MMSI term."""
        part = loop.batch_size // loop.grad_accum_steps
        if part < LEAST_TO_CORRELATE and self.axis == "batch":
            raise UserError(
                f"--axis batch correlates over the images of an accumulation step, and --batch-size {loop.batch_size} "
                f"gives only {part}: use at least {LEAST_TO_CORRELATE}, better dozens"
            )

    def check_images(self, loop: LoopConfig, root: Path, images: int) -> None:
        """Refuse a data set with too few training images for the correlation in the MMSI term."""
        part = min(loop.batch_size, images) // loop.grad_accum_steps
        if part < LEAST_TO_CORRELATE and self.axis == "batch":
            raise UserError(
                f"{root} has {images} training images, {part} per accumulation step, too few for the MMSI correlation: "
                "add images, or give --axis channel"
            )


@dataclass(frozen=True)
class ViewsConfig:
    """Settings of the stylized views.

    Args:
        stylized: folder of stylized copies made by 'shapebias stylize' to take the views from (default: stylize during
            training).
        stylizer: stylizer to use during training: small (in the package), vgg19 (the paper's, downloaded once), or a
            file.
        styles: folder of style images, or a style bank (default: the bank included in the package).
        alpha: strength of the style when stylizing during training, 0 to 1.
    """

    stylized: Path | None = None
    stylizer: str = "small"
    styles: Path | None = None
    alpha: float = 1.0

    def check(self, need: str | None) -> None:
        """Refuse settings that conflict, or that give no stylized views where they are needed.

        Args:
            need: subject and verb of the message, such as "the scheme 'mmsi' needs"; None where no views are needed.

        Raises:
            UserError: the first such setting.
        """
        if need is None and self != ViewsConfig():
            changed = [option(one.name) for one in fields(self) if getattr(self, one.name) != one.default]
            raise UserError(
                f"{' and '.join(changed)}: nothing that is to be trained shows stylized views: remove the option, or "
                "choose what has views, such as --scheme mmsi-sin-in"
            )
        if self.stylized is not None and (self.styles is not None or self.alpha != 1.0 or self.stylizer != "small"):
            raise UserError(
                "--stylized uses existing copies: remove --styles, --stylizer and --alpha, or remove --stylized"
            )
        if need and self.alpha == 0:
            raise UserError(f"--alpha 0 does not stylize images, but {need} stylized views: give --alpha above 0")
        if need and self.stylized is None and self.stylizer == "vgg19" and self.styles is None:
            raise UserError(
                f"{need} styles, and those in the package are for the small stylizer only: give --styles a folder "
                "of paintings"
            )


@dataclass(frozen=True)
class TrainConfig:
    """Settings of ``shapebias train``.

    Args:
        scheme: training images and objective: in, shapenet-sin, shapenet-sin-in, shapenet, mmsi-sin, mmsi-sin-in, mmsi.
        model: any timm model by its name, for example resnet18, or torchvision:NAME.
        data: folder with one subfolder of images per class, or with train/ and val/ or test/ that contain such
            subfolders, or ImageNet.
        loop: settings of the training loop.
        objective: settings of Eq. 4.
        views: settings of the stylized views.
        init: none, pretrained (the library's weights), a weights file, or a run folder.
        size: side of the square training and evaluation images in pixels.
        holdout: fraction of an undivided data folder to hold out for validation, by the images' names; of that folder,
            'evaluate' measures the run on the same images alone.
        min_crop: smallest fraction of an image's area that a random crop covers.
        test_crop: side of the centre crop in evaluation, relative to the shorter side; .875 is usual for ImageNet.
        finetune_epochs: passes over the natural images in the second phase of shapenet and mmsi.
        finetune_lr: peak learning rate of that phase.
        finetune_drop_every: epochs between the drops of its learning rate.
        finetune_batch_size: training images per step in that phase; 0 for --batch-size.
        ramp_epochs: epochs over which lambda_m rises from zero.
        batchnorm: joint normalises natural images and views as one batch, separate each with its own statistics.
    """

    scheme: str
    model: str
    data: Path
    loop: LoopConfig = field(default_factory=LoopConfig)
    objective: ObjectiveConfig = field(default_factory=ObjectiveConfig)
    views: ViewsConfig = field(default_factory=ViewsConfig)
    init: str = "none"
    size: int = 224
    holdout: float = 0.0
    min_crop: float = 0.25
    test_crop: float = 1.0
    finetune_epochs: int = 10
    finetune_lr: float = 0.005
    finetune_drop_every: int = 30
    finetune_batch_size: int = 0
    ramp_epochs: float = 0.0
    batchnorm: Literal["joint", "separate"] = "joint"

    def check(self) -> None:
        """Refuse settings that are out of range or conflict.

        Raises:
            UserError: the first such setting.
        """
        phases = find_scheme(self.scheme)
        check_ranges(self)
        self.loop.check()
        self.loop.check_batch("finetune_batch_size", self.finetune_batch_size)
        if any(phase.mmsi for phase in phases):
            self.objective.check_part(self.loop)
        self.views.check(f"the scheme '{self.scheme}' needs" if any(phase.views for phase in phases) else None)
