"""A few images beside their truth, their pseudo-labels and the map of their best class, with an index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image

from shapebias.data.decode import load_rgb
from shapebias.data.image_set import ImageSet
from shapebias.data.readers.voc import VOC_CLASSES
from shapebias.data.readers.voc_masks import VOC_PALETTE, load_mask
from shapebias.data.transforms import to_tensor
from shapebias.errors import UserError
from shapebias.files import atomic, read_json, write_json
from shapebias.metrics.functional.segmentation import confusion_matrix, iou
from shapebias.tasks.cam.images import shown_classes
from shapebias.tasks.cam.labels import normalised
from shapebias.tasks.cam.pseudo_labels import Labelled, outputs
from shapebias.tasks.cam.raw import ClassMaps
from shapebias.tasks.cam.scales import CamSettings, summed_cams

FOLDER, INDEX, SCHEMA = "pictures", "cam.json", "shapebias/cam-pictures/1"
VIEWS = ("image", "truth", "pseudo_label", "heat")
PICTURES = 6
STRENGTH = 0.65  # of the colours laid on a picture
_RAMP = np.array([[13, 8, 135], [126, 3, 168], [204, 71, 120], [248, 149, 64], [240, 249, 33]], dtype=np.float64)


def drawn(images: ImageSet, made: Labelled, seed: int) -> list[int]:
    """The numbers of the images that are shown, rising: a draw from those with a class and a truth."""
    among = [number for number in sorted(made.tallies) if shown_classes(images, number)]
    rng = np.random.default_rng(seed)
    return sorted(rng.permutation(among)[:PICTURES].tolist())


def write_pictures(
    maps: ClassMaps,
    images: ImageSet,
    made: Labelled,
    settings: CamSettings,
    out: Path,
    *,
    device: str,
    seed: int,
) -> None:
    """Write PNGs to ``out/pictures`` and their index, ``cam.json``.

    ``{"schema", "threshold", "scales", "flip", "size", "seed", "weights_sha256", "pictures": [{"name", "classes",
    "best_class", "miou", "image", "truth", "pseudo_label", "heat"}]}``; the last four are files' names in that folder.
    The best class is the one whose summed map is highest before each is divided by its maximum; ``heat`` is its map so
    divided. Pictures that are there already, of the same images by the same network, stay.
    """
    folder, order, rows = out / FOLDER, outputs(maps.model), []
    head: dict[str, Any] = {"schema": SCHEMA, **settings.to_json(), "seed": seed}
    head["weights_sha256"] = maps.model.identity.weights_sha256
    shown = drawn(images, made, seed)
    if _there(folder, head, [images.names[number] for number in shown]):
        return
    for number in shown:
        picture = load_rgb(images.paths[number])
        pixels, classes, name = np.asarray(picture), shown_classes(images, number), images.names[number]
        with torch.inference_mode():
            image = to_tensor(picture).to(device)
            cams = summed_cams(maps, image, [order[one - 1] for one in classes], settings)
            best = int(cams.amax((1, 2)).argmax())
            heat = normalised(cams)[best].cpu().numpy()
        mask = images.masks[number]
        assert mask is not None
        truth = load_mask(mask, picture.size)
        predicted = load_mask(made.masks / f"{name}.png", picture.size)
        views = {
            "image": pixels,
            "truth": overlaid(pixels, truth),
            "pseudo_label": overlaid(pixels, predicted),
            "heat": heated(pixels, heat),
        }
        files = _files(name)
        for view, values in views.items():
            with atomic(folder / files[view], durable=False) as temporary:
                Image.fromarray(values).save(temporary, format="PNG")
        rows.append(_row(name, classes, best, truth, predicted) | files)
    write_json(folder / INDEX, {**head, "pictures": rows})


def overlaid(pixels: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """RGB ``pixels`` (H, W, 3) uint8 in grey, and classes (H, W) on them in VOC's colours; the background stays."""
    grey = np.repeat(pixels.mean(2, keepdims=True), 3, axis=2)
    mixed = (1 - STRENGTH) * grey + STRENGTH * VOC_PALETTE[labels]
    return np.where((labels > 0)[..., None], mixed, grey).round().astype(np.uint8)


def heated(pixels: np.ndarray, heat: np.ndarray) -> np.ndarray:
    """RGB ``pixels`` (H, W, 3) uint8 in grey under ``heat`` (H, W) in [0, 1], dark blue to yellow."""
    grey = np.repeat(pixels.mean(2, keepdims=True), 3, axis=2)
    stops = np.linspace(0, 1, len(_RAMP))
    colours = np.stack([np.interp(heat, stops, channel) for channel in _RAMP.T], axis=2)
    return ((1 - STRENGTH) * grey + STRENGTH * colours).round().astype(np.uint8)


def _files(name: str) -> dict[str, str]:
    return {view: f"cam-{name}-{view.replace('_', '-')}.png" for view in VIEWS}


def _there(folder: Path, head: dict[str, Any], names: Sequence[str]) -> bool:
    """Whether the pictures of these images by this network and these settings are in ``folder``, with their index."""
    try:
        index = read_json(folder / INDEX)
        same = {key: index[key] for key in head} == head and [row["name"] for row in index["pictures"]] == list(names)
    except (UserError, KeyError, TypeError):
        return False
    return same and all((folder / file).is_file() for name in names for file in _files(name).values())


def _row(name: str, classes: Sequence[int], best: int, truth: np.ndarray, predicted: np.ndarray) -> dict[str, Any]:
    matrix = confusion_matrix(torch.from_numpy(truth), torch.from_numpy(predicted), len(VOC_CLASSES) + 1)
    score = iou(matrix).mean
    return {
        "name": name,
        "classes": [VOC_CLASSES[number - 1] for number in classes],
        "best_class": VOC_CLASSES[classes[best] - 1],
        "miou": score if np.isfinite(score) else None,
    }
