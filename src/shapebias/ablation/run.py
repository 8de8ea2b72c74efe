"""One row of the ablation with one seed: a run given to the loop."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from lightning_fabric import Fabric

from shapebias.ablation.config import AblationConfig
from shapebias.ablation.objective import multilabel_step
from shapebias.ablation.rows import Row
from shapebias.ablation.samples import MultilabelBatch, MultilabelSamples
from shapebias.ablation.scores import Scores, kept_scores, score
from shapebias.ablation.start import starting_network, weights_file
from shapebias.data.voc import MultilabelImages
from shapebias.environment import environment
from shapebias.files import read_json, sha256
from shapebias.metrics.average_precision import mean_average_precision
from shapebias.models.checkpoint import save_classifier
from shapebias.models.classifier import Classifier
from shapebias.models.hashing import weights_sha256
from shapebias.models.load import load_model
from shapebias.objective import MMSILoss, Weights
from shapebias.train.agreement import rank_zero_first
from shapebias.train.collapse import collapse_warning
from shapebias.train.interruption import Interruption
from shapebias.train.record import About, Record
from shapebias.train.schedule import Schedule
from shapebias.train.session import run_session
from shapebias.train.views import Views
from shapebias.train.work import LoopSettings, Outcome, Work

VALUES = ("loss", "natural", "stylized", "mmsi", "rho", "spread", "val_map")


@dataclass(frozen=True)
class Splits:
    """What all rows are trained and measured on."""

    train: MultilabelImages
    val: MultilabelImages


@dataclass(frozen=True)
class Trained:
    """A finished run: its run.json, the network's description of itself, and its scores on val."""

    config: AblationConfig
    run: dict[str, Any]
    network: Classifier
    scores: Scores


def run_row(config: AblationConfig, row: Row, fabric: Fabric, splits: Splits, found: Views) -> Trained:
    """Train ``row`` by its settings, from where an earlier attempt stopped, and score it, unless that is done.

    Raises:
        UserError: a folder that holds another run, a network or weights that cannot be used, a loss that is not finite.
    """
    train, val = splits.train, splits.val
    classifier = rank_zero_first(fabric, lambda: starting_network(config))
    initial = {} if config.init in ("none", "pretrained") else {"init": sha256(weights_file(config.init))}
    about = About(
        title=f"{row.name} seed {config.seed}",
        head={"task": "ablation-voc12", "row": row.name, "model": config.model, "seed": config.seed},
        data={"folder": str(train.root), "images": len(train), "fingerprint": train.fingerprint},
        values=VALUES,
        environment=environment(str(fabric.device)),
        inputs={**(found.inputs if row.views else {}), **initial, "validation": val.fingerprint},
    )
    record = Record(config, about, save_classifier)
    record.initial_weights = weights_sha256(classifier.network)
    work = _work(config, row, train, found)

    def held_out(network: Classifier, interruption: Interruption) -> dict[str, float | None]:
        options: dict[str, Any] = {"workers": config.workers, "strict": config.strict, "note": record.note_unreadable}
        scores = score(network, val, fabric, interruption=interruption, **options)
        if interruption.name:
            return {"val_map": None}
        truth, counts = val.truth[scores.rows], val.counts[scores.rows]
        return {"val_map": mean_average_precision(scores.logits, truth, counts, "ap").value}

    run_session(LoopSettings.of(config), fabric, classifier, [work], record, validate=held_out)
    network = load_model(str(config.out)).to(fabric.device)
    digest = network.identity.weights_sha256
    assert digest is not None
    scores = kept_scores(
        config.out,
        digest,
        val,
        fabric,
        lambda: score(network, val, fabric, workers=config.workers, strict=config.strict, note=record.note_unreadable),
    )
    return Trained(config, read_json(config.out / "run.json"), network.cpu(), scores)


def _work(config: AblationConfig, row: Row, train: MultilabelImages, found: Views) -> Work:
    """The row as the loop wants it."""
    samples = MultilabelSamples(
        train,
        size=config.size,
        views=row.views,
        styles=len(found.stylizing.codes) if found.stylizing else 0,
        stylized=config.stylized,
        min_crop=config.min_crop,
        seed=config.seed,
    )
    mmsi, weights = MMSILoss(axis=config.axis, eps=config.eps), Weights(1.0, config.lambda_s, config.lambda_m)

    def forward(model: Any, batch: MultilabelBatch, _epoch: float) -> Outcome:
        return multilabel_step(model, batch, weights, mmsi, views=row.views, stylizing=found.stylizing)

    def warn(averages: dict[str, float]) -> str | None:
        spread, classes = averages.get("spread"), len(train.classes)
        return collapse_warning(rho=None, stylized_top1=None, spread=spread, classes=classes, lambda_m=config.lambda_m)

    schedule = Schedule(config.lr, config.epochs, config.schedule, config.warmup_epochs, config.drop_every)
    return Work(row.name, samples, schedule, config.batch_size, row.images_per_sample, forward, warn)
