"""Small run and results folders as training and measuring write them, for the tests of the report."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
from PIL import Image

CATEGORIES = ("bear", "cat", "dog")
COLUMNS = (
    "phase,epoch,step,images,lr,loss,natural,stylized,mmsi,rho,"
    "train_top1,train_stylized_top1,val_top1,images_per_second,seconds"
)


def picture(path: Path, seed: int) -> None:
    """A little picture of noise."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = np.random.default_rng(seed).integers(0, 256, (16, 16, 3), dtype=np.uint8)
    Image.fromarray(pixels).save(path)


def conflicts(folder: Path) -> Path:
    """Cue-conflict pictures of every pair of categories, the pairs of equals included."""
    for i, shape in enumerate(CATEGORIES):
        for j, texture in enumerate(CATEGORIES):
            picture(folder / shape / f"{shape}1-{texture}2.png", 10 * i + j)
    return folder


def answers(rule: str) -> list[tuple[str, str, str]]:
    """Rows of (answer, shape, image name) for a network that follows ``rule`` everywhere."""
    rows = []
    for shape in CATEGORIES:
        for texture in CATEGORIES:
            answer = {"shape": shape, "texture": texture}.get(rule, rule)
            rows.append((answer, shape, f"0001_net_dnn_0_{shape}_00_{shape}1-{texture}2.png"))
    return rows


def entry(benchmark: str, metric: str, value: float | None, n: int | None = 200, **more: Any) -> dict[str, Any]:
    """One result with an interval of five points either side."""
    bounds = None if value is None else [max(value - 0.05, 0.0), min(value + 0.05, 1.0)]
    fields = {"condition": {}, "ci95": bounds, "details": {}} | more
    return {"benchmark": benchmark, "metric": metric, "value": value, "n": n} | fields


def measured(
    folder: Path,
    name: str,
    *,
    weights: str | None = "ab" * 32,
    bias: float | None = 0.625,
    pictures: Path | str = "nowhere",
    rows: list[tuple[str, str, str]] | None = None,
    results: list[dict[str, Any]] | None = None,
    **changes: Any,
) -> Path:
    """Write ``results.json`` and the raw answers; ``changes`` replace whole fields of the record."""
    folder.mkdir(parents=True)
    rows = answers("shape") if rows is None else rows
    responses = "cue-conflict_net_session-1.csv"
    with (folder / responses).open("w", newline="", encoding="utf-8", errors="replace") as file:
        writer = csv.writer(file)
        writer.writerow(["subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename"])
        for trial, (answer, shape, image) in enumerate(rows, 1):
            writer.writerow([name, 1, trial, "NaN", answer, shape, 0, image])
    per_category = {c: {"shape": 5, "texture": 3, "n": 9, "shape_bias": 0.625} for c in CATEGORIES}
    details = {
        "conflict_images": 6,
        "per_category": per_category,
        "responses": responses,
        "data": {"folder": str(pictures), "images": 9, "fingerprint": "f1" * 32, "unreadable": []},
    }
    accuracy = {"per_category": {c: {"n": 20, "value": 0.5} for c in CATEGORIES}}
    standard = [
        entry("accuracy", "top1", 0.8125, 320, details=accuracy),
        entry("stylized", "top1", 0.3371, 320, details=accuracy, condition={"styles": "held-out"}),
        entry("shape-bias", "shape_bias", bias, 1234, details=details),
        entry("dimensionality", "shape_neurons", 0.2468, 512, details={"scores": {"shape": 0.3141}, "neurons": 512}),
        entry("dimensionality", "texture_neurons", 0.2519, 512),
        entry("dimensionality", "residual_neurons", 0.5013, 512),
        entry("noise", "error", None, None, condition={"severity": 3}),
        entry("noise", "ratio", 1.75, 10, ci95=[1.5, 2.0]),
    ]
    record = {
        "schema": "shapebias/results/1",
        "model": {"name": name, "architecture": "resnet10t", "weights_sha256": weights, "classes": list(CATEGORIES)},
        "environment": {"command": "shapebias measure somewhere", "torch": "2.6.0", "date": "2026-01-01"},
        "results": standard if results is None else results,
    } | changes
    (folder / "results.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def trained(
    folder: Path, name: str, *, weights: str | None = "ab" * 32, views: int = 2, curves: bool = True, **changes: Any
) -> Path:
    """Write a run of three epochs; ``changes`` replace whole fields of its record."""
    folder.mkdir(parents=True)
    record = {
        "schema": "shapebias/run/1",
        "name": name,
        "scheme": "mmsi-sin-in" if views == 2 else "in",
        "model": "resnet10t",
        "seed": 7,
        "weights_sha256": weights,
        "config": {"epochs": 3, "lambda_m": 0.8},
        "environment": {"torch": "2.6.0"},
        "data": {"folder": "data/train", "images": 60, "fingerprint": "d4" * 32, "unreadable": []},
        "seconds": 81.2,
        "images_seen": 540,
        "warnings": [],
    } | changes
    (folder / "run.json").write_text(json.dumps(record), encoding="utf-8")
    if curves:
        stylized = ["2.0", "-0.1", "0.4"] if views == 2 else ["", "", ""]
        with (folder / "metrics.csv").open("w", newline="", encoding="utf-8") as file:
            file.write(COLUMNS + "\n")
            for epoch in range(3):
                images, loss = 180 * (epoch + 1), 3.0 - epoch
                cells = ["main" if epoch < 2 else "fine-tune", epoch, epoch, images, 0.1, loss, loss, *stylized]
                csv.writer(file).writerow([*cells, 0.5, "", 0.4 if epoch else "", 100, 1])
    for view in ("natural", "view-a", "view-b")[: views + 1] if views else ():
        picture(folder / "examples" / f"00-{view}.png", len(view))
    return folder
