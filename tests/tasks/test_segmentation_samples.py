"""Samples of segmentation: image and mask stay together, follow from their key, and are padded where they end."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shapebias.data.readers.voc_masks import read_segmentation, save_mask
from shapebias.errors import UserError
from shapebias.tasks.segmentation.train import SegmentationSamples, Window, random_window
from testkit.segmentation_data import COLOURS, painted, small_voc, square_labels

FILL = (0.5, 0.25, 0.75)


@pytest.fixture(scope="module")
def images(tmp_path_factory):
    return read_segmentation(small_voc(tmp_path_factory.mktemp("voc")), 2012, "train")


def same(one, other):
    return torch.equal(one.image, other.image) and torch.equal(one.label, other.label)


def test_a_key_gives_the_same_sample_and_another_key_or_seed_another(images):
    samples, again, other = (SegmentationSamples(images, size=32, fill=FILL, seed=seed) for seed in (5, 5, 6))
    order = [(0, 0), (0, 1), (3, 0), (0, 0)]
    found = [samples[key] for key in order]
    assert same(found[0], found[3])
    assert all(same(again[key], sample) for key, sample in zip(reversed(order), reversed(found), strict=True))
    assert not same(found[0], found[1]) and not same(found[0], found[2])
    assert not same(other[(0, 0)], found[0])


@given(number=st.integers(0, 30), seed=st.integers(0, 2**32), size=st.integers(8, 90))
@settings(max_examples=60, deadline=None)
def test_every_label_lies_on_its_own_colour(number, seed, size):
    """The image is painted by its labels: away from the edges between them, the window's colours say its labels."""
    labels = square_labels(number)
    labels[labels == 255] = 0
    image = Image.fromarray(painted(labels))
    window = random_window(*image.size, size, np.random.default_rng(seed))
    shown = np.asarray(window(image, Image.Resampling.BILINEAR, (1, 2, 3))).astype(int)
    cut = np.asarray(window(Image.fromarray(labels), Image.Resampling.NEAREST, 255))
    assert shown.shape[:2] == cut.shape == (size, size)
    assert np.array_equal((shown == (1, 2, 3)).all(2), cut == 255)  # what lies beyond the edge is beyond it in both
    for label, colour in COLOURS.items():
        own = (np.abs(shown - colour) <= 2).all(2)
        assert (cut[own] == label).all()
    mixed = ~np.any([(np.abs(shown - colour) <= 2).all(2) for colour in (*COLOURS.values(), (1, 2, 3))], axis=0)
    # a bilinear edge is as wide as two pixels of the image, or of the window, and a square has four of them
    assert mixed.sum() <= 4 * 5 * size


@given(width=st.integers(1, 200), height=st.integers(1, 200), size=st.integers(1, 128), seed=st.integers(0, 2**32))
@settings(max_examples=100, deadline=None)
def test_a_window_shows_as_much_of_the_scaled_image_as_it_can(width, height, size, seed):
    window = random_window(width, height, size, np.random.default_rng(seed))
    shown = np.asarray(window(Image.new("L", (width, height), 7), Image.Resampling.NEAREST, 255))
    expected = [min(size, side) for side in window.scaled]
    assert [int((shown == 7).any(axis).sum()) for axis in (0, 1)] == expected
    assert set(np.unique(shown)) <= {7, 255}
    for scaled, side in zip(window.scaled, (width, height), strict=True):
        assert max(1, 0.5 * side - 0.5) <= scaled <= max(1, 2 * side + 0.5)


def test_windows_are_mirrored_half_the_time_and_reach_every_corner():
    windows = [random_window(60, 40, 32, np.random.default_rng(seed)) for seed in range(400)]
    assert 150 < sum(window.flip for window in windows) < 250
    large = [window for window in windows if window.scaled[0] > 100]
    assert min(window.corner[0] for window in large) < 10
    assert max(window.corner[0] - (window.scaled[0] - 32) for window in large) > -10


def test_a_window_on_the_unscaled_image_is_a_plain_cut():
    pixels = np.random.default_rng(0).integers(0, 256, (30, 40, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    for kind in (Image.Resampling.BILINEAR, Image.Resampling.NEAREST):
        plain, mirrored = (np.asarray(Window((40, 30), (5, 3), 16, f)(image, kind, (0, 0, 0))) for f in (False, True))
        assert np.array_equal(plain, pixels[3:19, 5:21])
        assert np.array_equal(mirrored, plain[:, ::-1])
    over = np.asarray(Window((40, 30), (-6, 20), 16, False)(image, Image.Resampling.BILINEAR, (9, 9, 9)))
    assert np.array_equal(over[:10, 6:], pixels[20:30, :10])
    assert (over[10:] == 9).all() and (over[:, :6] == 9).all()


def test_beyond_the_edge_is_the_fill_and_label_255(images):
    samples = SegmentationSamples(images, size=200, fill=FILL, seed=0)  # no image reaches 200 pixels at twice its size
    image, labels = samples[(0, 0)].image, samples[(0, 0)].label
    corner = [image[:, y, x] for y in (0, -1) for x in (0, -1)]
    filled = torch.tensor([round(255 * value) / 255 for value in FILL])
    assert any(torch.allclose(pixel, filled) for pixel in corner)
    beyond = torch.isclose(image, filled[:, None, None]).all(0)
    assert (labels[beyond] == 255).all() and beyond.any()


def test_an_unreadable_image_is_stood_in_for_and_named(tmp_path):
    images = read_segmentation(small_voc(tmp_path), 2012, "train")
    images.paths[1].write_bytes(b"not a picture")
    samples = SegmentationSamples(images, size=32, fill=FILL)
    batch = samples.collate([samples[(0, 0)], samples[(0, 1)]])
    assert batch.images.shape == (2, 3, 32, 32) and batch.labels.shape == (2, 32, 32)
    assert batch.labels.dtype == torch.int64
    assert batch.unreadable == [f"{images.paths[1]}: not an image"]
    assert samples.files([(0, 1)]) == [str(images.paths[1])]
    for path in images.paths:
        path.write_bytes(b"not a picture")
    with pytest.raises(UserError, match="none of the 6 training images could be read"):
        samples[(0, 0)]


def test_masks_that_do_not_fit_stop_it(tmp_path):
    images = read_segmentation(small_voc(tmp_path), 2012, "train")
    samples = SegmentationSamples(images, size=32, fill=FILL)
    save_mask(images.masks[0], np.zeros((5, 5), dtype=np.uint8))
    with pytest.raises(UserError, match="is 5x5 but its image 48x40"):
        samples[(0, 0)]
    Image.new("RGB", (40, 52)).save(images.masks[1])
    with pytest.raises(UserError, match="a mask in colours"):
        samples[(0, 1)]
    Image.fromarray(np.full((61, 37), 40, dtype=np.uint8)).save(images.masks[2])
    with pytest.raises(UserError, match="holds the value 40"):
        samples[(0, 2)]
