"""From the runs of the rows to results: mean average precision over seeds, and differences over the same images."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from itertools import combinations
from typing import Any, get_args

import numpy as np

from shapebias.ablation.rows import Row
from shapebias.ablation.run import Trained
from shapebias.data.voc import MultilabelImages
from shapebias.measure.evaluate import describe
from shapebias.measure.over_seeds import t_interval
from shapebias.measure.results import Entry, Results
from shapebias.metrics.average_precision import (
    Kind,
    bootstrap_map,
    mean_average_precision,
    resampled_map,
)

BENCHMARK = "ablation-voc12"
KINDS: tuple[Kind, ...] = get_args(Kind)
DRAWS_SEED = 0  # of the bootstrap: the same draws for every row and seed
RESAMPLES = 1000


def results_of(row: Row, runs: Sequence[Trained], val: MultilabelImages, train: MultilabelImages) -> Results:
    """The figures of one row over its seeds, each kind of mean AP with its interval.

    The interval is Student's t over seeds where there are two or more, else the bootstrap over the test images.
    """
    first = runs[0]
    digests = [str(run.network.identity.weights_sha256) for run in runs]
    together = digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
    model = {
        **describe(first.network),
        "name": row.name,
        "spec": str(first.config.out.parent),
        "weights_sha256": together,
    }
    environment = {**first.run["environment"], "seeds": [run.config.seed for run in runs]}
    return Results(model, environment, [_entry(kind, row, runs, val, train) for kind in KINDS])


def _entry(kind: Kind, row: Row, runs: Sequence[Trained], val: MultilabelImages, train: MultilabelImages) -> Entry:
    seeds, per_class = [], []
    for run in runs:
        given = _scored(run, val)
        found = mean_average_precision(*given, kind)
        per_class.append(found.per_class)
        interval = bootstrap_map(*given, kind, seed=DRAWS_SEED, resamples=RESAMPLES)
        seeds.append({"seed": run.config.seed, "value": found.value, "ci95": interval, "n": len(run.scores.rows)})
    values = [entry["value"] for entry in seeds]
    over_seeds = t_interval(values)
    config = runs[0].config
    means = np.mean(per_class, axis=0)  # a class is absent for all or none: the truth is the same
    return Entry(
        BENCHMARK,
        "map",
        value=float(np.mean(values)),
        n=seeds[0]["n"],
        ci95=seeds[0]["ci95"] if over_seeds is None else over_seeds,
        condition={"kind": kind},
        details={
            "interval": "bootstrap over images" if over_seeds is None else "Student's t over seeds",
            "seeds": seeds,
            "per_class": dict(zip(val.classes, means.tolist(), strict=True)),
            "absent_classes": int(np.isnan(means).sum()),
            "row": {"says": row.says, "views": row.views, "stages": list(config.stages)},
            "lambda_m": config.lambda_m,
            "lambda_s": config.lambda_s,
            "lr": config.lr,
            "epochs": config.epochs,
            "images_seen": [run.run["images_seen"] for run in runs],
            "seconds": [run.run["seconds"] for run in runs],
            "initial_weights_sha256": [run.run["initial_weights_sha256"] for run in runs],
            "data": {"split": "val", "images": len(val), "fingerprint": val.fingerprint},
            "training": {"split": "train", "images": len(train), "fingerprint": train.fingerprint},
            "unlabelled": len(val.unlabelled),
            "unreadable": sorted({reason for run in runs for reason in run.scores.unreadable}),
        },
    )


def differences(measured: Mapping[str, Sequence[Trained]], val: MultilabelImages) -> list[dict[str, Any]]:
    """Every two rows' difference of mean AP over the images that all runs scored, averaged over each row's seeds.

    The interval is the bootstrap's over images, the same draws for both: how far the difference between these very
    networks depends on the test images. It says nothing of other seeds.
    """
    every = [run for runs in measured.values() for run in runs]
    common = sorted(set.intersection(*(set(run.scores.rows.tolist()) for run in every)))
    values: dict[str, float] = {}
    draws: dict[str, np.ndarray] = {}
    for name, runs in measured.items():
        given = [_scored(run, val, common) for run in runs]
        values[name] = float(np.mean([mean_average_precision(*each, "ap").value for each in given]))
        draws[name] = np.mean(
            [resampled_map(*each, "ap", seed=DRAWS_SEED, resamples=RESAMPLES) for each in given], axis=0
        )
    return [
        {
            "benchmark": BENCHMARK,
            "metric": "map",
            "condition": {"kind": "ap"},
            "a": a,
            "b": b,
            "difference": values[a] - values[b],
            "ci95": _percentiles(draws[a] - draws[b]),
            "n": len(common),
        }
        for a, b in combinations(measured, 2)
    ]


def _scored(
    run: Trained, val: MultilabelImages, rows: Sequence[int] | None = None
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Scores, truth and counts of the images in ``rows``, or of all that the run scored."""
    kept = run.scores.rows if rows is None else np.asarray(rows, dtype=np.int64)
    at = np.searchsorted(run.scores.rows, kept)
    return run.scores.logits[at], val.truth[kept], val.counts[kept]


def _percentiles(values: np.ndarray) -> tuple[float, float] | None:
    values = values[~np.isnan(values)]
    if not len(values):
        return None
    low, high = np.percentile(values, [2.5, 97.5])
    return float(low), float(high)
