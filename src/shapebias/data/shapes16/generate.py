"""Writing the data set: train, test, cue-conflict and silhouettes, the same bytes every time."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from shapebias.data.categories16 import CATEGORIES
from shapebias.data.encode import save_image
from shapebias.data.shapes16.render import render_image
from shapebias.errors import UserError, check_at_least, check_between
from shapebias.files import claim_folder, locked, read_json, remove_leftovers, write_json

MANIFEST = "shapes16.json"
VERSION = 1
MOST_PER_CLASS = 100_000

_TRAIN, _TEST, _CONFLICT, _SILHOUETTE = range(4)
_SPLITS = ("train", "test", "cue-conflict", "silhouettes")


def count(
    *,
    train_per_class: int = 120,
    test_per_class: int = 25,
    conflict_per_pair: int = 1,
    silhouettes_per_class: int = 25,
) -> dict[str, int]:
    """Count the images that each split will hold, by split name, with their sum as ``total``."""
    k = len(CATEGORIES)
    counts = {
        "train": k * train_per_class,
        "test": k * test_per_class,
        "cue-conflict": k * (k - 1) * conflict_per_pair,
        "silhouettes": k * silhouettes_per_class,
    }
    return {**counts, "total": sum(counts.values())}


def generate(
    folder: Path,
    *,
    size: int = 64,
    train_per_class: int = 120,
    test_per_class: int = 25,
    conflict_per_pair: int = 1,
    silhouettes_per_class: int = 25,
    own: float = 0.98,
    seed: int = 0,
    on_image: Callable[[], None] | None = None,
) -> dict[str, Any]:
    """Write the data set as PNG files into ``folder`` and return its manifest.

    Every image depends on the seed, its split, its category and its number alone, so larger counts
    add images and change none. A folder that already holds the same data set is left as it is, and
    an interrupted run resumes to the same end.

    Args:
        folder: where to write; made if it is not there.
        size: side of the images in pixels.
        train_per_class: training images a category.
        test_per_class: test images a category, drawn as the training images are.
        conflict_per_pair: images for each of the 240 pairs of a shape and another category's texture.
        silhouettes_per_class: black-on-white figures a category.
        own: probability that a training or test figure wears its own category's texture; otherwise
            it wears one of the other fifteen.
        seed: the data set's seed.
        on_image: called after each image; ``count`` gives the number of calls.

    Raises:
        UserError: a parameter is out of range, or the folder holds something else.
    """
    folder = Path(folder)
    counts = {
        "train_per_class": train_per_class,
        "test_per_class": test_per_class,
        "conflict_per_pair": conflict_per_pair,
        "silhouettes_per_class": silhouettes_per_class,
    }
    _check(size, counts, own, seed)
    parameters: dict[str, Any] = {"size": size, **counts, "own": float(own), "seed": seed}
    head = {"dataset": "shapes16", "version": VERSION, "parameters": parameters}
    with locked(folder):
        found = _existing(folder, parameters)
        if found is None:
            claim_folder(folder, head, marker=MANIFEST, describe=lambda _: "data set")
        elif "sha256" in found:
            return found
        remove_leftovers(folder)
        manifest = {**head, "categories": list(CATEGORIES), "images": count(**counts)}
        manifest["sha256"] = _write(folder, parameters, on_image)
        write_json(folder / MANIFEST, manifest)
    return manifest


def _write(folder: Path, parameters: dict[str, Any], on_image: Callable[[], None] | None) -> str:
    """Write every image, and return the SHA-256 of all of them in the order of their names."""
    plan = list(_plan(parameters))
    _refuse_strangers(folder, {path for path, *_ in plan})
    for path, shape, texture, key in plan:
        image = render_image(shape, texture, parameters["size"], np.random.default_rng(key))
        save_image(folder / path, image, compress_level=6)
        if on_image is not None:
            on_image()
    total = hashlib.sha256()
    for path in sorted(path for path, *_ in plan):
        total.update((folder / path).read_bytes())
    return total.hexdigest()


def _plan(parameters: dict[str, Any]) -> Iterator[tuple[str, str, str | None, tuple[int, ...]]]:
    """Every image: its path in the folder, shape, texture and the key of its random numbers."""
    seed, own = parameters["seed"], parameters["own"]
    for split, per_class in ((_TRAIN, parameters["train_per_class"]), (_TEST, parameters["test_per_class"])):
        for c, shape in enumerate(CATEGORIES):
            for n in range(1, per_class + 1):
                key = (seed, split, c, n)
                # A stream of its own (the trailing 1) says what is worn, so that ``own`` never moves a figure.
                worn = np.random.default_rng((*key, 1))
                others = [name for name in CATEGORIES if name != shape]
                borrowed = others[int(worn.integers(len(others)))]
                texture = shape if worn.random() < own else borrowed
                yield f"{_SPLITS[split]}/{shape}/{shape}{n}.png", shape, texture, key
    each = parameters["conflict_per_pair"]
    for c, shape in enumerate(CATEGORIES):
        for t, texture in enumerate(CATEGORIES):
            if t == c:
                continue
            # Shape images are numbered by the texture they meet, texture images by the shape.
            shape_slot, texture_slot = t - (t > c), c - (c > t)
            for n in range(each):
                a, b = (n * (len(CATEGORIES) - 1) + slot + 1 for slot in (shape_slot, texture_slot))
                yield f"cue-conflict/{shape}/{shape}{a}-{texture}{b}.png", shape, texture, (seed, _CONFLICT, c, t, n)
    for c, shape in enumerate(CATEGORIES):
        for n in range(1, parameters["silhouettes_per_class"] + 1):
            yield f"silhouettes/{shape}/{shape}{n}.png", shape, None, (seed, _SILHOUETTE, c, n)


def _check(size: int, counts: dict[str, int], own: float, seed: int) -> None:
    if not 16 <= size <= 1024:
        raise UserError(f"shapes16 images of {size} pixels cannot be drawn: choose a size of 16 to 1024")
    check_between(0, MOST_PER_CLASS, **counts)
    if not 0.0 <= own <= 1.0:
        raise UserError(f"own is {own}: choose a probability from 0 to 1")
    check_at_least(0, seed=seed)


def _existing(folder: Path, parameters: dict[str, Any]) -> dict[str, Any] | None:
    """The manifest of the same data set in ``folder``, with ``sha256`` once it is whole; None without one."""
    path = folder / MANIFEST
    if not path.is_file():
        return None
    found = read_json(path)
    there = found.get("parameters") if isinstance(found, dict) else None
    if not isinstance(there, dict):
        raise UserError(f"{path} is no manifest of shapes16: choose another folder or delete it")
    if found.get("version") != VERSION:
        raise UserError(
            f"{folder} holds shapes16 of version {found.get('version')}, this is {VERSION}: "
            "delete it or choose another folder"
        )
    if there != parameters:
        keys = [k for k in sorted({*there, *parameters}) if there.get(k) != parameters.get(k)]
        difference = ", ".join(f"{k} {there.get(k)} there, {parameters.get(k)} now" for k in keys)
        raise UserError(
            f"{folder} holds shapes16 with other parameters ({difference}): delete it or choose another folder"
        )
    return found


def _refuse_strangers(folder: Path, ours: set[str]) -> None:
    """Never mix with, or write over, what someone else keeps in folders of the same names."""
    for split in _SPLITS:
        for file in sorted((folder / split).rglob("*")):
            name = file.relative_to(folder).as_posix()
            if file.is_file() and not file.name.startswith(".") and name not in ours:
                raise UserError(
                    f"{folder} holds {name}, which is not of this shapes16: delete it or choose another folder"
                )
