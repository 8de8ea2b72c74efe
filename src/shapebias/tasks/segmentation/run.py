"""``segment``: networks trained for segmentation by several seeds, measured on all of val, and compared."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from lightning_fabric import Fabric

from shapebias.data.image_set import ImageSet
from shapebias.data.readers.voc_masks import check_masks, read_segmentation
from shapebias.device import choose_device
from shapebias.environment import environment
from shapebias.errors import UserError
from shapebias.evaluators.evaluate import check_networks, record
from shapebias.files import read_json
from shapebias.models.checkpoint import MODEL_FILE
from shapebias.models.classifier import Classifier
from shapebias.results.batch_cache import BatchCache
from shapebias.results.results import COMPARISON_FILE, Result, Results, write_comparison
from shapebias.tasks.segmentation.checkpoint import load_segmenter
from shapebias.tasks.segmentation.config import SegmentConfig
from shapebias.tasks.segmentation.figures import METRIC, Measured, compared, entry_of
from shapebias.tasks.segmentation.pictures import has_pictures, write_pictures
from shapebias.tasks.segmentation.segmenter import CLASSES
from shapebias.tasks.segmentation.train import build, drawn, shared_confusions, train_segmenter
from shapebias.tasks.sweep import SHARE, check_settings, select_lr
from shapebias.train.config import plain, update
from shapebias.train.distributed import on_rank_zero
from shapebias.train.session import setup_fabric

YEAR, VALIDATION = 2012, "val"
STATED = ("epochs", "batch_size", "optimizer", "weight_decay", "size", "train_split")
RATES = (0.1, 0.03, 0.01)
LEAST_TO_CHOOSE = 5  # training images, of which one is held out


def segment(
    sources: Sequence[Classifier],
    config: SegmentConfig,
    *,
    seeds: Sequence[int] = (0,),
    rates: Sequence[float] = RATES,
) -> list[Results]:
    """Train each of ``sources`` by every seed, and write ``out/NAME/results.json`` and, for several, a comparison.

    Of several ``rates`` each network gets the one that is best on a fifth of the training images, held out for that:
    no image of val has a say in it. Each training is a run in ``out/NAME/BACKBONE/seed-N``. What an earlier call
    finished is not done again, and its other figures stay.

    Args:
        sources: the networks to begin from.
        config: everything else; its ``lr`` and ``seed`` are those of ``rates`` and ``seeds`` in turn.
        seeds: of the trainings.
        rates: learning rates to choose from; a single one is taken as it is.

    Returns:
        Every network's figures.

    Raises:
        UserError: settings, networks or data that cannot be used, or a loss that is not finite.
    """
    check(config, seeds, rates)
    check_networks(sources, config.loop.out)
    training = read_segmentation(config.data, YEAR, config.train_split, config.masks)
    val = read_segmentation(config.data, YEAR, VALIDATION)
    if both := set(training.names) & set(val.names):
        raise UserError(
            f"{len(both)} images of the split '{config.train_split}' are in '{VALIDATION}' too (first {min(both)}): "
            "train on train or trainaug"
        )
    if len(rates) > 1 and len(training) < LEAST_TO_CHOOSE:
        raise UserError(
            f"{len(training)} training images are too few to choose a learning rate on a fifth of them: give one --lr"
        )
    check_masks(val)
    for source in sources:
        build(source, config)  # what cannot be used is refused before the first training
    fabric = setup_fabric(config.loop, choose_device(None if config.loop.device == "auto" else config.loop.device))
    runs: dict[str, list[Measured]] = {}
    written: list[Results] = []
    for source in sources:
        home = config.loop.out / source.identity.name
        made, how = _trained(config, fabric, source, home / config.backbone, training, val, seeds, rates)
        runs[source.identity.name] = made
        details = {**_details(config, home / config.backbone / f"seed-{seeds[0]}", training, val), **how}
        entry = entry_of(made, CLASSES, backbone=config.backbone, details=details)
        written.append(on_rank_zero(fabric, lambda s=source, e=entry: _write(s, config, e, fabric)))
        on_rank_zero(fabric, lambda h=home, m=made: _show(h, config, m[0], val, fabric))
    if len(sources) > 1:
        rows = compared(runs, backbone=config.backbone, seed=seeds[0])
        on_rank_zero(fabric, lambda: write_comparison(config.loop.out / COMPARISON_FILE, rows, written))
    return written


def check(config: SegmentConfig, seeds: Sequence[int], rates: Sequence[float]) -> None:
    """Refuse settings that cannot be, before anything is loaded.

    Raises:
        UserError: the first of them.
    """
    check_settings(lambda rate, seed: update(config, lr=rate, seed=seed).check(), rates, seeds)


def divided(training: ImageSet, seed: int) -> tuple[ImageSet, ImageSet]:
    """A fifth of the images, drawn by ``seed``, held out: the others first."""
    aside = drawn(len(training), int(SHARE * len(training)), seed=seed)
    return training.take(sorted(set(range(len(training))) - set(aside))), training.take(aside)


def _trained(
    config: SegmentConfig,
    fabric: Fabric,
    source: Classifier,
    home: Path,
    training: ImageSet,
    val: ImageSet,
    seeds: Sequence[int],
    rates: Sequence[float],
) -> tuple[list[Measured], dict[str, Any]]:
    """A network's trainings with the best of ``rates``, measured, and how that was chosen."""

    def trial(run: SegmentConfig, fit: ImageSet, held_out: ImageSet) -> None:
        train_segmenter(source, run, fabric, fit, held_out=held_out)

    told = {"folder": home, "name": source.identity.name, "metric": METRIC}
    rate, how = select_lr(config, fabric, rates, partial(divided, training), trial, **told)
    made = []
    for seed in seeds:
        one = update(config, select_epochs=0, lr=rate, seed=seed, out=home / f"seed-{seed}")
        train_segmenter(source, one, fabric, training)
        made.append(_measured(one, fabric, val))
    return made, how


def _measured(config: SegmentConfig, fabric: Fabric, val: ImageSet) -> Measured:
    """A finished run on all of ``val``, measured or as it was kept."""
    digest = str(read_json(config.loop.out / "run.json")["weights_sha256"])
    key = {"weights": digest, "data": val.fingerprint}

    def earlier() -> dict[str, np.ndarray] | None:
        return BatchCache(config.loop.out / "measured", key).get(VALIDATION)

    found = on_rank_zero(fabric, earlier)
    if found is None:
        segmenter = load_segmenter(config.loop.out / MODEL_FILE).to(fabric.device)
        title = f"measuring {segmenter.design.name} ({config.backbone}, seed {config.loop.seed})"
        title = title if fabric.is_global_zero else ""
        matrices = shared_confusions(segmenter, val, range(len(val)), fabric, config, title=title)
        if not matrices:
            raise UserError(f"none of the {len(val)} images of '{VALIDATION}' could be read: replace the files")
        found = {"images": np.array(list(matrices)), "confusions": np.stack(list(matrices.values()))}
        kept: dict[str, np.ndarray] = found
        on_rank_zero(fabric, lambda: BatchCache(config.loop.out / "measured", key).put(VALIDATION, **kept))
    numbers = [int(number) for number in found["images"]]
    return Measured(config.loop.seed, digest, dict(zip(numbers, found["confusions"], strict=True)))


def _details(config: SegmentConfig, run: Path, training: ImageSet, val: ImageSet) -> dict[str, Any]:
    """What else a reader may want to know of a figure."""
    of = read_json(run / "run.json")
    return {
        "data": {"folder": val.root.name, "split": VALIDATION, "images": len(val), "fingerprint": val.fingerprint},
        "trained_on": {
            "images": len(training),
            "masks": "VOC's" if config.masks is None else str(config.masks),
            "fingerprint": training.fingerprint,
        },
        **{name: of[name] for name in ("head", "stage", "stride")},
        **{name: plain(config)[name] for name in STATED},
    }


def _write(source: Classifier, config: SegmentConfig, entry: Result, fabric: Fabric) -> Results:
    """The network's file with the figure in it, beside those that stand there already."""
    made = {**environment(str(fabric.device)), "seed": config.split_seed}
    return record(source.describe(), made, [entry], config.loop.out)


def _show(home: Path, config: SegmentConfig, run: Measured, val: ImageSet, fabric: Fabric) -> None:
    """Pictures by the first seed's network, unless they are there."""
    folder, given = home / "pictures", {"backbone": config.backbone, "weights_sha256": run.weights_sha256}
    if has_pictures(folder, **given):
        return
    segmenter = load_segmenter(home / config.backbone / f"seed-{run.seed}" / MODEL_FILE)
    write_pictures(folder, segmenter, val, **given, seed=run.seed, device=fabric.device)
