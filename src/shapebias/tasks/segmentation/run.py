"""``segment``: train models for segmentation with several seeds, evaluate them on val, and compare them."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from lightning_fabric import Fabric

from shapebias.data.image_set import ImageSet
from shapebias.data.readers.voc_masks import check_masks, read_segmentation
from shapebias.errors import UserError
from shapebias.files import locked
from shapebias.models.checkpoint import MODEL_FILE
from shapebias.models.classifier import Classifier
from shapebias.results.batch_cache import BatchCache
from shapebias.results.results import Results
from shapebias.results.runs import Run
from shapebias.results.store import ResultStore
from shapebias.stats.streams import Draw, stream
from shapebias.tasks.miou import Confusions, miou_differences
from shapebias.tasks.segmentation.config import SegmentConfig
from shapebias.tasks.segmentation.pictures import has_pictures, write_pictures
from shapebias.tasks.segmentation.results import EVALUATOR, METRIC, segmentation_result
from shapebias.tasks.segmentation.segmenter import CLASSES, load_segmenter
from shapebias.tasks.segmentation.train import build, train_segmenter
from shapebias.tasks.segmentation.whole_images import shared_confusions
from shapebias.tasks.sweep import SHARE, Measured, Sweep, check_settings, draw, run_sweep, write_results
from shapebias.train.distributed import held, on_rank_zero, setup_fabric
from shapebias.train.settings import plain

YEAR, VALIDATION = 2012, "val"
STATED = ("epochs", "batch_size", "optimizer", "weight_decay", "size", "train_split")
RATES = (0.1, 0.03, 0.01)
LEAST_TO_CHOOSE = 5  # training images, one of which is held out


def segment(
    sources: Sequence[Classifier],
    config: SegmentConfig,
    *,
    seeds: Sequence[int] = (0,),
    rates: Sequence[float] = RATES,
) -> list[Results]:
    """Train each of ``sources`` with every seed; write ``out/NAME/results.json`` and, for several models, a comparison.

    The learning rate of each model is the best of ``rates`` on a held-out fifth of the training images; the choice uses
    no image of val. Each training is a run in ``out/NAME/BACKBONE/seed-N``. Finished work is not repeated, and other
    results in the same folder are unchanged.

    Args:
        sources: the models to start from.
        config: all other settings; ``lr`` and ``seed`` are set from ``rates`` and ``seeds``.
        seeds: random seeds of the trainings.
        rates: learning rates to choose from; a single one is used without a trial.

    Returns:
        The results of every model.

    Raises:
        UserError: the settings, models or data cannot be used, or the loss is not finite.
    """
    check_settings(config, rates, seeds)
    store = ResultStore(config.loop.out)
    store.claim([source.describe() for source in sources])
    training, val = read_images(config, choosing=len(rates) > 1)
    for source in sources:
        build(source, config)  # refuse unusable models before the first training
    fabric = setup_fabric(config.loop)
    measured: list[Measured[Confusions]] = []
    written: list[Results] = []
    for source in sources:
        sweep = segmentation_training(config, fabric, source, training, val)
        with held(fabric, sweep.folder):
            found = run_sweep(config, fabric, sweep, seeds, rates)
            measured.append(found)
            details = _details(config, found.runs[seeds[0]], training, val)
            result = segmentation_result(found, CLASSES, backbone=config.backbone, details=details)
            written.append(write_results(config, fabric, source.describe(), [result]))
            on_rank_zero(fabric, lambda m=found: _show(config, m, seeds[0], val, fabric))
    if len(sources) > 1:
        condition = {"backbone": config.backbone}
        rows = miou_differences(EVALUATOR, condition, measured, len(CLASSES), seed=seeds[0])
        on_rank_zero(fabric, lambda: store.compare(rows, written))
    return written


def read_images(config: SegmentConfig, *, choosing: bool) -> tuple[ImageSet, ImageSet]:
    """Return the training images and the images of val.

    Raises:
        UserError: the data cannot be used, an image is in both splits, masks of val do not fit their images, or there
            are too few training images for ``choosing`` a learning rate.
    """
    training = read_segmentation(config.data, YEAR, config.train_split, config.masks)
    val = read_segmentation(config.data, YEAR, VALIDATION)
    if both := set(training.names) & set(val.names):
        raise UserError(
            f"{len(both)} images of the split '{config.train_split}' are also in '{VALIDATION}' (first {min(both)}): "
            "train on train or trainaug"
        )
    if choosing and len(training) < LEAST_TO_CHOOSE:
        raise UserError(
            f"{len(training)} training images are too few to choose a learning rate on a fifth of them: give one --lr"
        )
    check_masks(val)
    return training, val


def divided(images: ImageSet, seed: int) -> tuple[ImageSet, ImageSet]:
    """Split the images into four fifths to fit and a fifth to hold out, drawn with ``seed``."""
    aside = draw(len(images), int(SHARE * len(images)), stream(Draw.HELD_OUT_SPLIT, seed))
    return images.take(sorted(set(range(len(images))) - set(aside))), images.take(aside)


def segmentation_training(
    config: SegmentConfig, fabric: Fabric, source: Classifier, training: ImageSet, val: ImageSet
) -> Sweep[Confusions]:
    """Return the training of ``source`` for segmentation, for several learning rates and seeds."""
    name = source.identity.name
    return Sweep(
        name=name,
        folder=config.loop.out / name / config.backbone,
        metric=METRIC,
        images=training,
        divide=lambda seed: divided(training, seed),
        train=lambda run, fit, held_out: train_segmenter(source, run, fabric, fit, held_out),
        test=lambda run, _trained: measure(run, fabric, val),
    )


def measure(config: SegmentConfig, fabric: Fabric, val: ImageSet) -> Confusions:
    """Return the confusion matrices of a finished run on ``val``, computed or loaded from an earlier call."""
    loop = config.loop
    digest = Run.load(loop.out).finished("head", "stride")["weights_sha256"]
    key = {"weights": digest, "data": val.fingerprint}

    def cache() -> BatchCache:
        return BatchCache(loop.out / "measured", key)

    found: dict[str, np.ndarray] | None = on_rank_zero(fabric, lambda: cache().get(VALIDATION))
    if found is None:
        segmenter = load_segmenter(loop.out / MODEL_FILE).to(fabric.device)
        title = f"measuring {segmenter.design.name} ({config.backbone}, seed {loop.seed})"
        matrices = shared_confusions(segmenter, val, fabric, loop, title=title if fabric.is_global_zero else "")
        if not matrices:
            raise UserError(f"none of the {len(val)} images of '{VALIDATION}' could be read: replace the files")
        made = {"images": np.array(list(matrices)), "confusions": np.stack(list(matrices.values()))}
        on_rank_zero(fabric, lambda: cache().put(VALIDATION, **made))
        found = made
    return dict(zip(found["images"].tolist(), found["confusions"], strict=True))


def _details(config: SegmentConfig, run: dict[str, Any], training: ImageSet, val: ImageSet) -> dict[str, Any]:
    """Return further details of a result: the data and the training settings."""
    return {
        "data": {"folder": val.root.name, "split": VALIDATION, "images": len(val), "fingerprint": val.fingerprint},
        "trained_on": {
            "images": len(training),
            "masks": "VOC's" if config.masks is None else str(config.masks),
            "fingerprint": training.fingerprint,
        },
        **{name: run.get(name) for name in ("head", "stage", "stride")},
        **{name: plain(config)[name] for name in STATED},
    }


def _show(config: SegmentConfig, measured: Measured[Confusions], seed: int, val: ImageSet, fabric: Fabric) -> None:
    """Write pictures of the first seed's predictions, unless they exist."""
    home = config.loop.out / measured.name
    given = {"backbone": config.backbone, "weights_sha256": measured.runs[seed]["weights_sha256"]}
    with locked(home, "pictures", wait=True):
        if has_pictures(home / "pictures", **given):
            return
        segmenter = load_segmenter(home / config.backbone / f"seed-{seed}" / MODEL_FILE)
        write_pictures(home / "pictures", segmenter, val, **given, seed=seed, device=fabric.device)
