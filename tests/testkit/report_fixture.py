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
    """Rows of (answer, shape, image name) for a model that follows ``rule`` everywhere."""
    rows = []
    for shape in CATEGORIES:
        for texture in CATEGORIES:
            answer = {"shape": shape, "texture": texture}.get(rule, rule)
            rows.append((answer, shape, f"0001_net_dnn_0_{shape}_00_{shape}1-{texture}2.png"))
    return rows


def result(evaluator: str, metric: str, value: float | None, n: int = 200, **more: Any) -> dict[str, Any]:
    """One result with an interval of five points either side."""
    bounds = None if value is None else [max(value - 0.05, 0.0), min(value + 0.05, 1.0)]
    fields = {"condition": {}, "ci95": bounds, "details": {}} | more
    return {"evaluator": evaluator, "metric": metric, "value": value, "n": n} | fields


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
        result("accuracy", "top1", 0.8125, 320, details=accuracy),
        result("stylized", "top1", 0.3371, 320, details=accuracy, condition={"styles": "held-out"}),
        result("shape-bias", "shape_bias", bias, 1234, details=details),
        result("dimensionality", "shape_neurons", 0.2468, 512, details={"scores": {"shape": 0.3141}, "neurons": 512}),
        result("dimensionality", "texture_neurons", 0.2519, 512),
        result("dimensionality", "residual_neurons", 0.5013, 512),
        result("noise", "error", None, 0, condition={"severity": 3}),
        result("noise", "ratio", 1.75, 10, ci95=[1.5, 2.0]),
    ]
    record = {
        "schema": "shapebias/results/1",
        "model": {"name": name, "architecture": "resnet10t", "weights_sha256": weights, "classes": list(CATEGORIES)},
        "environment": {"command": "shapebias measure somewhere", "torch": "2.6.0", "date": "2026-01-01"},
        "results": standard if results is None else results,
    } | changes
    (folder / "results.json").write_text(json.dumps(record), encoding="utf-8")
    return folder


def model(root: Path, name: str, *results: dict[str, Any]) -> Path:
    """A measured model with these results."""
    return measured(root / name, name, weights=name, results=list(results))


def compared(folder: Path, *rows: dict[str, Any]) -> None:
    """Write ``comparison.json`` with these paired differences."""
    (folder / "comparison.json").write_text(json.dumps({"schema": "shapebias/comparison/1", "paired": list(rows)}))


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


CORRUPTIONS = (
    *("gaussian_noise", "shot_noise", "impulse_noise", "defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    *("snow", "frost", "fog", "brightness", "contrast", "elastic_transform", "pixelate", "jpeg_compression"),
)
WHITE_BOX = {attack: (0.1, 0.2, 0.3, 0.4, 0.5) for attack in ("fgsm", "pgd", "ifgsm", "mim")}


def attacked(
    evaluator: str = "white-box", level: float = 0.7, examples: dict[str, Any] | None = None, **condition: Any
) -> list[dict[str, Any]]:
    """Results of a model under attack: clean, then every attack, the accuracy falling with every epsilon."""
    grid = WHITE_BOX if evaluator == "white-box" else {attack: (2, 4, 8, 16) for attack in WHITE_BOX}
    details = {} if examples is None else {"examples": examples}
    results = [result(evaluator, "top1", level, 1000, condition={"attack": "none"}, details=details)]
    for number, (attack, epsilons) in enumerate(grid.items()):
        for power, epsilon in enumerate(epsilons, 1):
            value = level * 0.8 ** (power + number)
            cell = {"attack": attack, "epsilon": epsilon} | condition
            results.append(result(evaluator, "top1", value, 1000, condition=cell))
    return results


def corrupted(level: float = 0.8, absent: tuple[tuple[str, int], ...] = (), **condition: Any) -> list[dict[str, Any]]:
    """Results of a model on corrupted pictures, worse with every severity; ``absent`` cells are not there."""
    results: list[dict[str, Any]] = []
    present: dict[str, list[int]] = {}
    for number, name in enumerate(CORRUPTIONS):
        values = {s: level * (0.97 - 0.02 * number) ** s for s in (1, 2, 3, 4, 5) if (name, s) not in absent}
        for severity, value in values.items():
            cell = {"corruption": name, "severity": severity} | condition
            results.append(result("corruptions", "top1", value, 500, condition=cell))
            present.setdefault(name, []).append(severity)
        if len(values) == 5:
            mean = {"corruption": name} | condition
            results.append(result("corruptions", "top1", sum(values.values()) / 5, 500, condition=mean))
    results.append(result("corruptions", "mean_top1", None if absent else level * 0.55, 500, condition=condition))
    if absent:
        more = {"condition": condition, "details": {"present": present}}
        results.append(result("corruptions", "mean_top1_of_present", level * 0.6, 500, **more))
    else:
        ends = [1.55 - level, 1.65 - level]
        results.append(result("corruptions", "mce", 1.6 - level, 500, condition=condition, ci95=ends))
    return results


def adversarial(folder: Path, attacks: tuple[str, ...] = ("mim",), manifest: bool = True) -> dict[str, Any]:
    """A folder of attacked pictures as measuring writes it, and the ``examples`` that name them."""
    images = []
    for number, attack in enumerate(attacks):
        files = {view: f"{attack}/{number}-{view}.png" for view in ("clean", "adversarial", "difference")}
        for place, file in enumerate(files.values()):
            picture(folder / file, 3 * number + place)
        answers = {"answer_clean": "tench", "answer_adversarial": "goldfish", "label": "tench"}
        images.append({"image": str(number), "attack": attack, "epsilon": 8} | files | answers)
    if manifest:
        (folder / "adversarial.json").write_text('{"schema": "shapebias/adversarial/1"}')
    return {"folder": str(folder), "images": images}
