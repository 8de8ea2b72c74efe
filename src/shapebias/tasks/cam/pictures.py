"""Example images with their ground truth, pseudo-labels and the map of the best class, with an index."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from shapebias.data.decode import load_rgb
from shapebias.data.image_set import ImageSet
from shapebias.data.pictures import overlay_heat, overlay_labels, read_index, save_picture
from shapebias.data.readers.voc import MASK_CLASSES
from shapebias.data.readers.voc_labelled import shown_classes
from shapebias.data.readers.voc_masks import load_mask
from shapebias.data.transforms import to_tensor
from shapebias.files import write_json
from shapebias.metrics.functional.segmentation import confusion_matrix, iou
from shapebias.results.layout import CAM_INDEX, CAM_SCHEMA, PICTURES_FOLDER
from shapebias.stats.streams import Draw, stream
from shapebias.tasks.cam.class_maps import ClassMaps
from shapebias.tasks.cam.multiscale import CamSettings, normalise, summed_cams
from shapebias.tasks.cam.pseudo_labels import PseudoLabels, voc_outputs

VIEWS = ("image", "truth", "pseudo_label", "heat")
COUNT = 6


def draw_images(images: ImageSet, made: PseudoLabels, seed: int) -> list[int]:
    """Draw the numbers of the images to show, in ascending order, from those with a class and ground truth."""
    among = [number for number in sorted(made.counts) if shown_classes(images, number)]
    rng = stream(Draw.PICTURES, seed)
    return sorted(rng.permutation(among)[:COUNT].tolist())


def write_pictures(
    maps: ClassMaps,
    images: ImageSet,
    made: PseudoLabels,
    settings: CamSettings,
    out: Path,
    *,
    device: str,
    seed: int,
) -> None:
    """Write PNGs to ``out/pictures`` and their index, ``cam.json``, unless those of the same images and model exist.

    ``{"schema", "threshold", "scales", "flip", "size", "seed", "weights_sha256", "pictures": [{"name", "classes",
    "best_class", "miou", "image", "truth", "pseudo_label", "heat"}]}``; the last four are file names in that folder.
    The best class has the highest maximum in the summed maps before normalisation; ``heat`` is its normalised map.
    """
    folder, order, rows = out / PICTURES_FOLDER, voc_outputs(maps.model), []
    head: dict[str, Any] = {"schema": CAM_SCHEMA, **settings.to_json(), "seed": seed}
    head["weights_sha256"] = maps.model.identity.weights_sha256
    shown = draw_images(images, made, seed)
    if _is_written(folder, head, [images.names[number] for number in shown]):
        return
    for number in shown:
        picture = load_rgb(images.paths[number])
        pixels, classes, name = np.asarray(picture), shown_classes(images, number), images.names[number]
        with torch.inference_mode():
            image = to_tensor(picture).to(device)
            cams = summed_cams(maps, image, [order[one - 1] for one in classes], settings)
            best = int(cams.amax((1, 2)).argmax())
            heat = normalise(cams)[best].cpu().numpy()
        mask = images.masks[number]
        assert mask is not None
        truth = load_mask(mask, picture.size)
        predicted = load_mask(made.masks / f"{name}.png", picture.size)
        views = (pixels, overlay_labels(pixels, truth), overlay_labels(pixels, predicted), overlay_heat(pixels, heat))
        files = _files(name)
        for file, view in zip(files.values(), views, strict=True):
            save_picture(folder / file, view)
        score = iou(confusion_matrix(torch.from_numpy(truth), torch.from_numpy(predicted), len(MASK_CLASSES))).mean
        rows.append(
            {
                "name": name,
                "classes": [MASK_CLASSES[number] for number in classes],
                "best_class": MASK_CLASSES[classes[best]],
                "miou": score if np.isfinite(score) else None,
                **files,
            }
        )
    write_json(folder / CAM_INDEX, {**head, "pictures": rows})


def _files(name: str) -> dict[str, str]:
    return {view: f"cam-{name}-{view.replace('_', '-')}.png" for view in VIEWS}


def _is_written(folder: Path, head: dict[str, Any], names: Sequence[str]) -> bool:
    """Return whether ``folder`` has the pictures of these images with the same model and settings, and their index."""
    found, rows = read_index(folder / CAM_INDEX, CAM_SCHEMA)
    same = found == head and [row.get("name") for row in rows] == list(names)
    return same and all((folder / file).is_file() for name in names for file in _files(name).values())
