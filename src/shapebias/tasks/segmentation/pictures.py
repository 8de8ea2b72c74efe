"""Pictures that show an image, its ground truth and the prediction side by side, for the report."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import torch

from shapebias.data.decode import UnreadableImage, load_rgb
from shapebias.data.image_set import ImageSet
from shapebias.data.pictures import read_index, save_picture, side_by_side
from shapebias.data.readers.voc_masks import VOC_PALETTE, load_mask
from shapebias.data.transforms import to_tensor
from shapebias.files import write_json
from shapebias.metrics.functional.segmentation import confusion_matrix, iou
from shapebias.results.layout import SEGMENTATION_INDEX, SEGMENTATION_SCHEMA
from shapebias.stats.streams import Draw, stream
from shapebias.tasks.segmentation.segmenter import Segmenter
from shapebias.tasks.segmentation.whole_images import predict
from shapebias.tasks.sweep import draw

COUNT = 6


def write_pictures(
    folder: Path,
    segmenter: Segmenter,
    images: ImageSet,
    *,
    backbone: str,
    weights_sha256: str,
    seed: int,
    device: torch.device,
) -> None:
    """Write ``folder/BACKBONE-IMAGE.png`` for six images drawn with ``seed``, and the index of all pictures.

    Each shows from left to right the image, its labels and the prediction, in VOC's palette. Pictures of the other
    ``backbone`` and their rows in the index are unchanged.
    """
    segmenter.to(device).eval()
    classes, rows = segmenter.design.classes, []
    for index in draw(len(images), COUNT, stream(Draw.PICTURES, seed)):
        try:
            image = load_rgb(images.paths[index])
        except UnreadableImage:
            continue
        truth = load_mask(images.masks[index], image.size)
        with torch.inference_mode():
            answer = predict(segmenter, to_tensor(image).to(device)).cpu()
        name = f"{backbone}-{images.names[index]}.png"
        save_picture(folder / name, side_by_side(np.asarray(image), VOC_PALETTE[truth], VOC_PALETTE[answer.numpy()]))
        found = iou(confusion_matrix(torch.from_numpy(truth), answer, len(classes)))
        shown = [classes[number] for number in np.unique(truth) if number < len(classes)]
        rows.append(
            {
                "backbone": backbone,
                "image": images.names[index],
                "file": name,
                "classes": shown,
                "miou": None if np.isnan(found.mean) else found.mean,
                "pixel_accuracy": None if np.isnan(found.pixel_accuracy) else found.pixel_accuracy,
                "weights_sha256": weights_sha256,
            }
        )
    others = [
        row
        for row in read_index(folder / SEGMENTATION_INDEX, SEGMENTATION_SCHEMA)[1]
        if row.get("backbone") != backbone
    ]
    order = sorted([*others, *rows], key=lambda row: (row["backbone"], row["image"]))
    write_json(
        folder / SEGMENTATION_INDEX,
        {"schema": SEGMENTATION_SCHEMA, "parts": ["image", "truth", "prediction"], "pictures": order},
    )


def has_pictures(folder: Path, *, backbone: str, weights_sha256: str) -> bool:
    """Return whether the pictures for these weights exist."""
    rows = [
        row
        for row in read_index(folder / SEGMENTATION_INDEX, SEGMENTATION_SCHEMA)[1]
        if row.get("backbone") == backbone
    ]
    return bool(rows) and all(
        row.get("weights_sha256") == weights_sha256 and (folder / str(row.get("file"))).is_file() for row in rows
    )
