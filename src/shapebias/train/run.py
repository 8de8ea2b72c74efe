"""``train``: train a model with one of the paper's schemes, from the settings to a finished run."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from lightning_fabric import Fabric

from shapebias.data.encode import save_image
from shapebias.data.holdout import TrainedOn, files_of, hold_out
from shapebias.data.image_set import ImageSet
from shapebias.data.materialize import check_outside
from shapebias.data.readers.class_folders import check_same_classes, evaluation_images, training_images
from shapebias.data.transforms import to_image
from shapebias.errors import UserError
from shapebias.losses import Weights
from shapebias.models.build import build_classifier
from shapebias.models.checkpoint import MODEL_FILE, save_classifier
from shapebias.models.classifier import Classifier, Identity, check_size
from shapebias.models.predict import Loading, PredictedBatches
from shapebias.models.state_dict import load_weights
from shapebias.train.checkpoints import Interruption
from shapebias.train.config import LoopConfig, TrainConfig
from shapebias.train.distributed import everywhere, on_rank_zero, rank_zero_first, setup_fabric
from shapebias.train.log import RunInfo
from shapebias.train.precision import with_precision
from shapebias.train.samples import TrainingSamples
from shapebias.train.schemes import Phase, find_scheme
from shapebias.train.session import run_training
from shapebias.train.step import loss_weights, ramp, training_phase
from shapebias.train.task import Schedule, TrainingPhase, TrainingTask
from shapebias.train.views import BANK_FILE, Stylizing, Views, find_views

EXAMPLES = 8
COLUMNS = (
    *("loss", "natural", "stylized", "mmsi", "rho", "spread"),
    *("train_top1", "train_stylized_top1", "val_top1"),
)


PhaseMaker = Callable[[TrainConfig, Phase, ImageSet, Views], TrainingPhase]


def train(config: TrainConfig, *, make_phase: PhaseMaker | None = None) -> Path:
    """Train a model with the settings ``config``, resuming an interrupted run, and return the run folder.

    Args:
        config: the settings.
        make_phase: makes the phases of the scheme in the place of ``scheme_phase``: for experiments with other samples
            or another objective.

    Raises:
        UserError: the settings, data or folder cannot be used, or the loss is not finite.
    """
    config.check()
    images, held_out, trained_on = read_images(config.data, config.holdout)
    check_outside(config.loop.out, images.root)  # where its examples would be a class
    untrained = replace(config, init="none")
    config = replace(config, loop=with_precision(config.loop, lambda: build_model(untrained, images.classes)))
    fabric = setup_fabric(config.loop)
    phases = find_scheme(config.scheme)
    classifier = rank_zero_first(fabric, lambda: build_model(config, images.classes))
    classifier.identity = replace(classifier.identity, trained_on=trained_on)
    most = max(phase.views for phase in phases)
    views = rank_zero_first(fabric, lambda: find_views(config.views, fabric, config.loop.out, images.root, most))
    if any(phase.mmsi for phase in phases):
        config.objective.check_images(config.loop, images.root, len(images))
    parts = [(make_phase or scheme_phase)(config, phase, images, views) for phase in phases]

    def evaluate(
        model: Classifier, interruption: Interruption, note: Callable[[Sequence[str]], None]
    ) -> dict[str, float | None]:
        top1 = None if held_out is None else validate(model, held_out, fabric, config.loop, interruption, note)
        return {"val_top1": top1}

    def begin() -> None:
        if fabric.is_global_zero:
            _warn_of_skipped(images, config.loop.batch_size)
            if held_out is None:
                advice = "every image is trained on and val_top1 stays empty: --holdout 0.2 would hold out a fifth"
                print(f"warning: {config.data} has no validation images; {advice}", file=sys.stderr)
        if (bank := views.bank) is not None:
            on_rank_zero(fabric, lambda: bank.save(config.loop.out / BANK_FILE))
        first = parts[0].samples
        assert isinstance(first, TrainingSamples)
        on_rank_zero(fabric, lambda: _write_examples(config.loop.out, first, views.stylizing, fabric.device))

    info = RunInfo(
        title=f"{config.scheme} {config.model}",
        head={"scheme": config.scheme, "model": config.model, "seed": config.loop.seed, "classes": images.classes},
        images=images,
        columns=COLUMNS,
        inputs={**views.inputs, **({} if held_out is None else {"validation": held_out.fingerprint})},
    )
    task = TrainingTask(info, classifier, parts, save_classifier, evaluate, begin)
    run_training(config, fabric, task)
    return config.loop.out


def read_images(data: Path, holdout: float) -> tuple[ImageSet, ImageSet | None, TrainedOn]:
    """Return the images to train with, those to validate on, and what to remember of the former.

    Raises:
        UserError: no such data, different classes in the two, or a ``holdout`` of a data set that is divided already.
    """
    whole = training_images(data)
    held_out = evaluation_images(data, whole.classes)
    if held_out is not None:
        if holdout:
            raise UserError(f"--holdout divides an undivided folder, but {data} has {held_out.root.name}/: remove it")
        check_same_classes(whole, held_out)
        return whole, held_out, TrainedOn(files_of(whole))
    if not holdout:
        return whole, None, TrainedOn(files_of(whole))
    images, held_out = hold_out(whole, holdout)
    return images, held_out, TrainedOn(files_of(images), holdout, files_of(whole))


def build_model(config: TrainConfig, classes: tuple[str, ...]) -> Classifier:
    """Return a timm or torchvision model for ``classes``, initialised as ``config.init`` says.

    A classification layer for another number of classes is initialised at random, with a note.

    Raises:
        UserError: the model is unknown, or the weights do not fit it.
    """
    out = config.loop.out
    identity = Identity(out.name, spec=str(out), architecture=config.model, classes=classes, scheme=config.scheme)
    pretrained = config.init == "pretrained"
    model = build_classifier(
        config.model,
        identity,
        pretrained=pretrained,
        size=config.size,
        crop=config.test_crop,
        stages=config.objective.stages,
    )
    check_size(model)
    heads = getattr(model.network, "pretrained_cfg", {}).get("num_classes", 1000)
    if pretrained and len(classes) != heads:
        print(
            f"{config.model}: its pretrained classification layer is for other classes and was skipped", file=sys.stderr
        )
    if config.init not in ("none", "pretrained"):
        path = Path(config.init)
        path = path / MODEL_FILE if path.is_dir() else path
        if skipped := load_weights(model.network, path, except_head=True):
            names = ", ".join(skipped)
            print(f"{path}: its classification layer is for other classes and was skipped ({names})", file=sys.stderr)
    return model


def scheme_phase(config: TrainConfig, phase: Phase, images: ImageSet, views: Views) -> TrainingPhase:
    """Return a phase of the scheme for the training loop; fine-tuning has its own schedule and batch size."""
    loop, objective = config.loop, config.objective
    schedule, batch_size = Schedule.of(loop), loop.batch_size
    if phase.finetuning:
        rate, epochs, drop_every = config.finetune_lr, config.finetune_epochs, config.finetune_drop_every
        schedule = replace(schedule, peak=rate, epochs=epochs, drop_every=drop_every)
        batch_size = config.finetune_batch_size or batch_size

    def weights(epoch: float) -> Weights:
        return loss_weights(phase, objective.lambda_m * ramp(epoch, config.ramp_epochs), objective.lambda_s)

    joint = config.batchnorm == "joint"
    made = training_phase(config, phase, images, views, weights=weights, joint=joint)
    return replace(made, schedule=schedule, batch_size=batch_size)


def validate(
    model: Classifier,
    images: ImageSet,
    fabric: Fabric,
    config: LoopConfig,
    interruption: Interruption,
    note: Callable[[Sequence[str]], None],
) -> float:
    """Return the top-1 accuracy of ``model`` on the readable ``images``, computed by all ranks together.

    Unreadable images are passed to ``note``. After an ``interruption`` it stops early and the value is meaningless.
    """
    model.eval()
    own = slice(fabric.global_rank, None, fabric.world_size)
    targets, paths = torch.from_numpy(images.targets)[own], list(images.paths[own])
    loading = Loading(workers=config.workers, strict=config.strict)

    def counts() -> tuple[int, int]:
        right = count = 0
        batches = PredictedBatches(model, paths, loading)
        for rows, logits in batches if paths else ():
            right += int((logits.argmax(1).cpu() == targets[rows]).sum())
            count += len(rows)
            if interruption.name:
                break
        note(batches.unreadable)
        return right, count

    right, count = (sum(numbers) for numbers in zip(*everywhere(fabric, counts), strict=True))
    return right / max(count, 1)


def _warn_of_skipped(images: ImageSet, batch_size: int) -> None:
    """Warn of a large number of images skipped in each epoch."""
    over = len(images) % batch_size
    if len(images) < batch_size:
        print(
            f"warning: --batch-size {batch_size} is reduced to {len(images)}, the number of training images",
            file=sys.stderr,
        )
    elif over > 0.05 * len(images):
        reason = f"each epoch skips {over} of {len(images)} images, different ones each time: they do not fill a batch"
        print(f"warning: {reason}", file=sys.stderr)


def _write_examples(out: Path, samples: TrainingSamples, stylizing: Stylizing | None, device: torch.device) -> None:
    """Write some training images and their views as PNGs: NN-natural, NN-view-a, NN-view-b."""
    chosen = [round(n * (len(samples) - 1) / (EXAMPLES - 1)) for n in range(EXAMPLES)]
    batch = samples.collate([samples[(0, index)] for index in chosen]).to(device)
    views = batch.views if batch.views is not None else stylizing(batch) if stylizing and samples.views else None
    groups = [("natural", batch.images)] if batch.images is not None else []
    groups += list(zip(("view-a", "view-b"), [] if views is None else views.split(len(chosen)), strict=False))
    for name, group in groups:
        for number, image in enumerate(group):
            save_image(out / "examples" / f"{number:02}-{name}.png", to_image(image))
