"""Collect the numbers that the golden commands left in the work folder, as one flat dictionary.

A key is "FILE: WHAT"; folders of classes are written as ``*`` and hashes of weights as ``#``. Floats are rounded to
seven significant digits. Keys that end in "here" hold hashes that are the same on one kind of processor only.

Left out: times and rates, hashes of weights and of files, settings of all but a few runs (they repeat), paths, arrays
kept for going on (.npz, key.json, identity.json), and of long lists everything but their lengths and means.
"""

from __future__ import annotations

import csv
import hashlib
import json
import re
from collections import Counter, defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np
from data import ANIMALS, WORDNET, shape_names
from PIL import Image

INPUTS = (
    *("photos", "textures", "tasks", "nips17", "VOCdevkit", "observers", "weights", "imagenet-sketch", "imagenet"),
    *("stylized-imagenet", "vgg19", "golden_network.py", "classes.txt", "vgg16.h5", "commands.log", "__pycache__"),
)
SAME_PIXELS = ("shapes16/", "photos-c/", "imagenet-c/", "results/corruptions/images/")  # on every processor
COPIES = "copies.jsonl"
SAME_TABLES = ("cue-conflict.csv",)
WITH_SETTINGS = (
    *("runs/in", "runs/adamw", "runs/stages", "transfer/in/voc12/seed-0", "ablation/mmsi/seed-0"),
    *("segmentation/in/finetuned/seed-0", "segmentation-frozen/in/frozen/seed-0"),
)
CLOCK = ("seconds", "images_per_second", "date")
PLACES = ("out", "data", "masks", "stylized", "styles", "init", "stylizer")
UNUSED_JSON = ("identity.json", "key.json", "config.json")
IMAGES = (".png", ".jpeg", ".jpg")
UNUSED = re.compile(  # ranks, and what follows from other numbers
    r"\.neuron$|\.images(\[|\.| )|details (right|most|notes)\b|miou_best .* details |per_category\.\w+\.shape_bias$"
)
LONGEST = 12  # items of a list that are given one by one
_CLASSES = {*shape_names(), *ANIMALS, *WORDNET}
_HASH = re.compile(r"-[0-9a-f]{8,64}(?![\w-])")


def collect(work: Path) -> dict[str, Any]:
    """Return every number of the finished folder ``work`` by its key, sorted."""
    files = sorted(path for path in work.rglob("*") if path.is_file() and path.relative_to(work).parts[0] not in INPUTS)
    found: dict[str, Any] = {}
    for path in files:
        name = plain_name(path.relative_to(work).as_posix())
        for key, value in numbers_of(path, name):
            if not UNUSED.search(key):
                found[f"{name}: {_HASH.sub('-#', key)}"] = rounded(value)
    for key, value in [*pictures(work, files), *counts(work, files)]:
        found[key] = rounded(value)
    return dict(sorted(found.items()))


def numbers_of(path: Path, name: str) -> Iterable[tuple[str, Any]]:
    """Return the numbers in one file, by what they are."""
    if path.name == "results.json":
        return results(json.loads(path.read_text()))
    if path.name == "comparison.json":
        return comparison(json.loads(path.read_text()))
    if path.name == "run.json":
        return run(json.loads(path.read_text()), name.removesuffix("/run.json") in WITH_SETTINGS)
    if path.suffix == ".json" and path.name not in UNUSED_JSON and path.parent.name != "audit":
        return leaves(json.loads(path.read_text()))
    if path.name == "audit.json":
        content = json.loads(path.read_text())
        return [(kind, " ".join(row["evaluator"] for row in content[kind])) for kind in ("missing", "refused")]
    if path.name == "metrics.csv":
        return log(path)
    if path.suffix == ".csv":
        same = path.name in SAME_TABLES
        lines = path.read_text().splitlines()
        return [("rows", len(lines)), ("sha256" if same else "sha256 here", sha256("\n".join(lines).encode()))]
    if path.name == COPIES:  # the copies' own hashes are those of one processor
        records = [json.loads(line) for line in path.read_text().splitlines()]
        kept = [[record["image"], record["view"], record["style"]] for record in records]
        return [("rows", len(kept)), ("sha256", sha256(json.dumps(kept).encode()))]
    if path.suffix in (".safetensors", ".pth"):
        return weights(path)
    return page(path.read_text()) if path.suffix == ".html" else ()


def results(content: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """Return the figures of a network with their counts, intervals and details."""
    for key in ("parameters", "input_size"):
        yield f"model {key}", content["model"].get(key)
    for entry in content["results"]:
        name = f"{entry['evaluator']}/{entry['metric']} {condition(entry['condition'])}"
        low, high = entry["ci95"] or (None, None)
        yield from ((f"{name} {k}", v) for k, v in (("value", entry["value"]), ("n", entry["n"]), ("low", low)))
        yield f"{name} high", high
        for key, value in leaves(entry["details"]):
            if value is not None:
                yield f"{name} details {key}", value


def comparison(content: dict[str, Any]) -> Iterable[tuple[str, Any]]:
    """Return the differences of a comparison."""
    for row in content["paired"]:
        sides = [condition(row[f"condition_{side}"]) if f"condition_{side}" in row else "" for side in "ab"]
        conditions = " ".join([condition(row["condition"]), *filter(None, sides)])
        name = f"{row['evaluator']}/{row['metric']} {conditions} {row['a']}-{row['b']}"
        low, high = row["ci95"] or (None, None)
        for key, value in (("difference", row["difference"]), ("n", row["n"]), ("low", low), ("high", high)):
            yield f"{name} {key}", value


def run(content: dict[str, Any], with_settings: bool) -> Iterable[tuple[str, Any]]:
    """Return what a training says of itself; the settings of a few."""
    for key in ("scheme", "task", "row", "method", "seed", "lr", "images_seen"):
        if key in content:
            yield key, content[key]
    yield "images", content["data"]["images"]
    yield "classes", len(content.get("classes") or ())
    yield "warnings", len(content["warnings"])
    yield "finished", content["weights_sha256"] is not None
    if with_settings:
        for key, value in content["config"].items():
            if key not in PLACES:
                yield f"config {key}", " ".join(value) if isinstance(value, list) else value


def log(path: Path) -> Iterable[tuple[str, Any]]:
    """Return every cell of metrics.csv but for the clock's."""
    with path.open() as file:
        for number, row in enumerate(csv.DictReader(file), 1):
            for column, cell in row.items():
                if column not in CLOCK and cell:
                    yield f"row {number} {column}", cell if column == "phase" else float(cell)


def weights(path: Path) -> Iterable[tuple[str, Any]]:
    """Return statistics of the tensors in a file; ``projection`` tells apart what means and norms do not."""
    import torch
    from safetensors.torch import load_file

    tensors = load_file(path) if path.suffix == ".safetensors" else torch.load(path, weights_only=True)
    flat = [tensors[name].double().flatten().numpy() for name in sorted(tensors)]
    joined = np.concatenate(flat) if flat else np.zeros(1)
    yield from (("tensors", len(tensors)), ("elements", len(joined)), ("mean", joined.mean()))
    yield "norm", float(np.linalg.norm(joined))
    yield "projection", float(joined @ np.random.default_rng(0).standard_normal(len(joined)))


def page(text: str) -> Iterable[tuple[str, Any]]:
    """Return how often each heading stands on a page, and how many pictures, drawings and rows it has."""
    headings: Counter[str] = Counter()
    for level, inner in re.findall(r"<h([23])[^>]*>(.*?)</h\1>", text, re.DOTALL):
        said = re.sub(r"<[^>]+>", "", re.sub(r"<small>.*?</small>", "", inner, flags=re.DOTALL))
        if 'class="cue"' not in inner:  # which images are shown depends on single answers
            headings[f"h{level} {re.sub(r'^[0-9]+ ', 'N ', ' '.join(said.split()))}"] += 1
    yield from headings.items()
    for tag in ("img", "svg", "tr"):
        yield f"<{tag}>", len(re.findall(rf"<{tag}[\s>]", text))


def leaves(value: Any, name: str = "") -> Iterable[tuple[str, Any]]:
    """Return the numbers in a JSON value by their paths; of long lists their lengths and means."""
    if isinstance(value, dict):
        for key, item in value.items():
            if key not in CLOCK and item != {"n": 0, "value": None}:
                yield from leaves(item, f"{name}.{key}" if name else key)
    elif isinstance(value, list):
        if len(value) <= LONGEST and not any(isinstance(item, str) for item in value):
            for number, item in enumerate(value):
                yield from leaves(item, f"{name}[{number}]")
            if not value:
                yield f"{name} length", 0
            return
        yield f"{name} length", len(value)
        gathered: dict[str, list[float]] = defaultdict(list)
        for item in value:
            for key, number in leaves(item):
                if isinstance(number, int | float) and not isinstance(number, bool):
                    gathered[key].append(number)
        yield from ((f"{name}[] mean {key}".rstrip(), float(np.mean(them))) for key, them in gathered.items())
    elif isinstance(value, int | float):
        yield name, value


def pictures(work: Path, files: Iterable[Path]) -> Iterable[tuple[str, Any]]:
    """Return count, mean and standard deviation of the pixels of every folder of images, and their hash."""
    groups: dict[str, list[Path]] = defaultdict(list)
    for path in files:
        if path.suffix.lower() in IMAGES:
            groups[plain_name(path.parent.relative_to(work).as_posix())].append(path)
    for name, paths in groups.items():
        total = hashlib.sha256()
        count, first, second = 0, 0.0, 0.0
        for path in paths:
            pixels = np.asarray(Image.open(path))
            total.update(f"{path.name} {pixels.shape}".encode() + pixels.tobytes())
            count += pixels.size
            first, second = first + float(pixels.sum()), second + float((pixels.astype(np.float64) ** 2).sum())
        yield f"{name}/ pixels: images", len(paths)
        yield f"{name}/ pixels: values", count
        yield f"{name}/ pixels: mean", first / count
        yield f"{name}/ pixels: std", max(second / count - (first / count) ** 2, 0.0) ** 0.5
        same = f"{name}/".startswith(SAME_PIXELS)
        yield f"{name}/ pixels: sha256{'' if same else ' here'}", total.hexdigest()


def counts(work: Path, files: Iterable[Path]) -> Iterable[tuple[str, Any]]:
    """Return how many files of each kind every command left."""
    found: Counter[str] = Counter()
    for path in files:
        parts = path.relative_to(work).parts
        tree = "/".join(parts[: 2 if parts[0] in ("runs", "results", "transfer") else 1][: len(parts) - 1])
        found[f"{tree or '.'}/ files: {path.suffix}"] += 1
    return found.items()


def condition(value: dict[str, Any]) -> str:
    """Return a condition in one short text."""
    return "{" + ", ".join(f"{key} {value[key]}" for key in sorted(value)) + "}"


def plain_name(name: str) -> str:
    """Return a path with ``*`` for class folders and ``#`` for hashes."""
    return _HASH.sub("-#", "/".join("*" if part in _CLASSES else part for part in name.split("/")))


def sha256(content: bytes) -> str:
    """Return the hash of some bytes."""
    return hashlib.sha256(content).hexdigest()


def rounded(value: Any) -> Any:
    """Return a float with seven significant digits, anything else as it is."""
    return float(f"{float(value):.7g}") if isinstance(value, float) else value
