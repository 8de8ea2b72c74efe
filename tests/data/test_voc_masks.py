"""Masks of VOC's classes: written and read alike, and what is refused."""

from __future__ import annotations

import struct
import zlib

import numpy as np
import pytest
from PIL import Image

from shapebias.data.readers.voc_masks import VOC_PALETTE, load_mask, save_mask
from shapebias.errors import UserError


def refused(message, function, *arguments):
    with pytest.raises(UserError, match=message) as error:
        function(*arguments)
    assert "\n" not in str(error.value)


def test_the_palette_has_the_published_colours():
    assert VOC_PALETTE.shape == (256, 3) and len(np.unique(VOC_PALETTE, axis=0)) == 256
    published = {0: (0, 0, 0), 1: (128, 0, 0), 3: (128, 128, 0), 8: (64, 0, 0), 15: (192, 128, 128), 20: (0, 64, 128)}
    for number, colour in {**published, 255: (224, 224, 192)}.items():
        assert tuple(VOC_PALETTE[number]) == colour


def test_a_saved_mask_reads_the_same_in_vocs_colours(tmp_path):
    labels = np.resize(np.array([*range(21), 255]), (5, 11))
    save_mask(tmp_path / "new" / "mask.png", labels)
    found = load_mask(tmp_path / "new" / "mask.png", (11, 5))
    assert found.dtype == np.uint8
    np.testing.assert_array_equal(found, labels)
    with Image.open(tmp_path / "new" / "mask.png") as image:
        assert image.mode == "P"
        np.testing.assert_array_equal(np.asarray(image.convert("RGB")), VOC_PALETTE[labels])
    assert [path.name for path in (tmp_path / "new").iterdir()] == ["mask.png"]


def test_grey_masks_of_8_bits_and_small_palettes_read_alike(tmp_path):
    labels = np.array([[0, 1, 2], [3, 1, 0]], dtype=np.uint8)
    Image.fromarray(labels).save(tmp_path / "grey.png")
    small = Image.fromarray(labels)
    small.putpalette(VOC_PALETTE[:4].tobytes())
    small.save(tmp_path / "small.png", bits=2)
    for name in ("grey.png", "small.png"):
        np.testing.assert_array_equal(load_mask(tmp_path / name, (3, 2)), labels)


def test_a_mask_saved_again_with_another_palette_has_the_same_classes(tmp_path):
    """As optimisers and editors save it: the palette reordered, or cut to the colours that occur."""
    labels = np.array([[0, 0, 13, 13], [15, 15, 255, 255]], dtype=np.uint8)
    path = tmp_path / "mask.png"
    used = np.unique(labels)
    orders = {"cut": used, "reversed": used[::-1], "all reversed": np.arange(256)[::-1]}
    for name, numbers in orders.items():
        place = {int(number): index for index, number in enumerate(numbers)}
        image = Image.fromarray(np.vectorize(place.get)(labels).astype(np.uint8))
        image.putpalette(VOC_PALETTE[numbers].tobytes())
        image.save(path, optimize=name == "cut")
        np.testing.assert_array_equal(load_mask(path, (4, 2)), labels, err_msg=name)
    save_mask(path, labels)
    with Image.open(path) as image:
        image.convert("RGB").quantize(256).save(path, optimize=True)
    np.testing.assert_array_equal(load_mask(path, (4, 2)), labels)


def test_palettes_of_other_colours_are_refused(tmp_path):
    path = tmp_path / "mask.png"
    image = Image.fromarray(np.array([[0, 1], [2, 0]], dtype=np.uint8))
    image.putpalette([0, 0, 0, 1, 1, 1, 2, 2, 2])
    image.save(path)
    refused(
        r"mask.png has pixels of the colour \(1, 1, 1\), which is none of VOC's palette: save", load_mask, path, (2, 2)
    )
    image.putpalette(VOC_PALETTE[[0, 33, 1]].tobytes())
    image.save(path)
    refused("mask.png holds the value 33", load_mask, path, (2, 2))


@pytest.mark.parametrize("palette", [False, True])
@pytest.mark.parametrize("pixels", [[[0, 255], [255, 0]], [[255, 255], [255, 255]]])
def test_a_black_and_white_mask_is_not_one_where_everything_is_ignored(tmp_path, pixels, palette):
    path = tmp_path / "mask.png"
    image = Image.fromarray(np.array(pixels, dtype=np.uint8))
    if palette:
        image.putpalette(bytes(value for level in range(256) for value in (level,) * 3))
    image.save(path)
    message = r"colour \(255, 255, 255\), which is none" if palette else "is black and white .255 and no class.: save"
    refused(message, load_mask, path, (2, 2))
    save_mask(path, np.array(pixels))  # in VOC's colours it is one
    np.testing.assert_array_equal(load_mask(path, (2, 2)), pixels)


def grey_of_4_bits(path):
    """A PNG of 2x1 pixels 1 and 2 of 15: Pillow scales them to 17 and 34."""

    def chunk(kind, data):
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", 2, 1, 4, 0, 0, 0, 0)
    parts = (chunk(b"IHDR", header), chunk(b"IDAT", zlib.compress(b"\0\x12")), chunk(b"IEND", b""))
    path.write_bytes(b"\x89PNG\r\n\x1a\n" + b"".join(parts))


def test_masks_that_are_none_are_refused(tmp_path):
    path = tmp_path / "mask.png"
    labels = np.zeros((4, 6), dtype=np.uint8)
    labels[1, 2], labels[3, 3] = 33, 21
    Image.fromarray(labels).save(path)
    refused(r"mask.png holds the value 21: classes are 0 \(background\) to 20", load_mask, path, (6, 4))
    refused("mask.png is 6x4 but its image 4x6: resize the mask", load_mask, path, (4, 6))
    Image.fromarray(VOC_PALETTE[labels]).save(path)
    refused(r"is a mask in colours \(RGB\): save class numbers, as a palette PNG", load_mask, path, (6, 4))
    Image.fromarray(labels.astype(np.uint16)).save(path)
    refused("is a mask in mode I;16", load_mask, path, (6, 4))
    Image.fromarray(labels > 0).save(path)
    refused("is a mask in mode 1", load_mask, path, (6, 4))
    grey_of_4_bits(path)
    refused("is a mask in grey of less than 8 bits", load_mask, path, (2, 1))
    Image.fromarray(labels).save(path, format="JPEG")
    refused("is not a PNG", load_mask, path, (6, 4))
    save_mask(path, np.resize(np.arange(21), (40, 60)))
    path.write_bytes(path.read_bytes()[:-40])
    refused("cannot be read as a mask", load_mask, path, (60, 40))
    refused("no mask", load_mask, tmp_path / "none.png", (6, 4))


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (np.full((2, 2), 21), "holds the value 21"),
        (np.full((2, 2), -1), "holds the value -1"),
        (np.full((2, 2), 256), "holds the value 256"),
        (np.zeros((2, 2)), "whole numbers .*, not float64"),
        (np.zeros((1, 2, 2), dtype=int), r"of shape \(1, 2, 2\)"),
        (np.zeros((0, 2), dtype=int), r"of shape \(0, 2\)"),
    ],
)
def test_only_class_numbers_are_saved(tmp_path, labels, message):
    refused(message, save_mask, tmp_path / "mask.png", labels)
    assert not list(tmp_path.iterdir())
