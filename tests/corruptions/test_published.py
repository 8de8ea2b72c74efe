"""Elastic transform and frost are those of Hendrycks & Dietterich (2019), by a reference written out here."""

from __future__ import annotations

from importlib.resources import files

import numpy as np
import pytest
from PIL import Image

from shapebias.corruptions import SEVERITIES, corrupt
from shapebias.stats.streams import Draw, stream

pytest.importorskip("imagecorruptions")
PIXELS = 224


def picture() -> np.ndarray:
    rows, columns = np.mgrid[:PIXELS, :PIXELS]
    waves = [np.sin(rows / (9 + c)) + np.cos(columns / (11 - c)) for c in range(3)]
    return np.clip(np.stack(waves, axis=-1) * 50 + 120, 0, 255).astype(np.uint8)


def elastic_reference(pixels: np.ndarray, severity: int, rng: np.random.Generator) -> np.ndarray:
    ndimage = pytest.importorskip("scipy.ndimage")
    alpha = [488, 488, 12.2, 17.08, 29.28][severity - 1]
    sigma = [170.8, 19.52, 2.44, 2.44, 2.44][severity - 1]
    jitter = [24.4, 48.8, 4.88, 4.88, 4.88][severity - 1]
    before = np.array([[186, 186], [186, 38], [38, 38]], dtype=float)  # 112 +- 224 // 3
    after = before + rng.uniform(-jitter, jitter, size=(3, 2))
    solved = np.linalg.solve(np.hstack([after, np.ones((3, 1))]), before)  # from the new to the old place
    rows, columns = np.mgrid[:PIXELS, :PIXELS]
    place = np.stack([columns, rows, np.ones_like(rows)], axis=-1) @ solved
    image, at = pixels / 255, [place[..., 1], place[..., 0]]
    turned = [ndimage.map_coordinates(image[..., c], at, order=1, mode="mirror") for c in range(3)]
    fields = [rng.uniform(-1, 1, size=(PIXELS, PIXELS)) for _ in range(2)]
    dx, dy = (alpha * ndimage.gaussian_filter(field, sigma, mode="reflect", truncate=3) for field in fields)
    bent = [ndimage.map_coordinates(channel, [rows + dy, columns + dx], order=1, mode="reflect") for channel in turned]
    return np.clip(np.stack(bent, axis=-1), 0, 1) * 255


@pytest.mark.parametrize("severity", SEVERITIES)
def test_elastic_transform_is_the_published_one(severity):
    wanted = elastic_reference(picture(), severity, stream(Draw.CORRUPTION, 3, "elastic_transform", severity, "a"))
    found = np.array(corrupt(picture(), "elastic_transform", severity, seed=3, name="a"), dtype=float)
    assert np.abs(found - wanted).mean() < 1.5  # OpenCV interpolates at steps of 1/32 pixel
    assert np.abs(found - picture()).mean() > 2


@pytest.mark.parametrize("severity", SEVERITIES)
def test_frost_is_an_unscaled_crop_of_one_of_five_pictures(severity):
    own, added = [(1, 0.4), (0.8, 0.6), (0.7, 0.7), (0.65, 0.7), (0.6, 0.75)][severity - 1]
    rng = stream(Draw.CORRUPTION, 3, "frost", severity, "a")
    name = ("frost1.png", "frost2.png", "frost3.png", "frost4.jpg", "frost5.jpg")[rng.integers(5)]
    with (files("imagecorruptions") / "frost" / name).open("rb") as file:
        ice = np.array(Image.open(file).convert("RGB"), dtype=float)
    top, left = (int(rng.integers(side - PIXELS)) for side in ice.shape[:2])
    wanted = np.clip(own * picture() + added * ice[top : top + PIXELS, left : left + PIXELS], 0, 255)
    found = np.array(corrupt(picture(), "frost", severity, seed=3, name="a"), dtype=float)
    assert np.abs(found - wanted).max() < 4  # decoders of JPEG differ in rounding


def test_images_larger_than_the_frost_are_covered():
    assert corrupt(np.zeros((1500, 60, 3), np.uint8), "frost", 1).size == (60, 1500)
    assert corrupt(np.zeros((60, 2500, 3), np.uint8), "frost", 1).size == (2500, 60)
