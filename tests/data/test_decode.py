"""Decoding: every mode of image to the pixels a person would see, every damaged file to a reason."""

from __future__ import annotations

import os
import struct
import warnings
import zlib

import numpy as np
import pytest
from PIL import Image

from shapebias.data.decode import UnreadableImage, image_size, load_rgb
from shapebias.data.transforms import to_image, to_tensor
from testkit.images import noise_image

GREY = np.array([[0, 60, 120], [180, 240, 255]], dtype=np.uint8)


def decoded(image, path, **options):
    image.save(path, **options)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = load_rgb(path)
    assert found.mode == "RGB"
    return np.asarray(found).astype(int)


def test_grey_becomes_three_equal_channels(tmp_path):
    found = decoded(Image.fromarray(GREY), tmp_path / "a.png")
    np.testing.assert_array_equal(found, np.stack([GREY] * 3, axis=-1))


def test_rgb_is_left_as_it_is(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    np.testing.assert_array_equal(decoded(Image.fromarray(pixels), tmp_path / "a.png"), pixels)


@pytest.mark.parametrize("suffix", ["png", "gif", "bmp", "tif"])
def test_palette_is_looked_up(tmp_path, suffix):
    palette = Image.new("P", (2, 2))
    palette.putdata([0, 1, 2, 1])
    palette.putpalette([255, 0, 0, 0, 255, 0, 10, 20, 30])
    wanted = [[[255, 0, 0], [0, 255, 0]], [[10, 20, 30], [0, 255, 0]]]
    np.testing.assert_array_equal(decoded(palette, tmp_path / f"a.{suffix}"), wanted)


@pytest.mark.parametrize("transparency", [0, b"\x00\xff\x80"], ids=["one entry", "by entry"])
def test_transparent_palette_entries_are_laid_on_white(tmp_path, transparency):
    palette = Image.new("P", (3, 1))
    palette.putdata([0, 1, 2])
    palette.putpalette([255, 0, 0, 0, 255, 0, 0, 0, 0])
    last = 0 if transparency == 0 else 127  # half-transparent black on white
    found = decoded(palette, tmp_path / "a.png", transparency=transparency)
    np.testing.assert_allclose(found, [[[255, 255, 255], [0, 255, 0], [last] * 3]], atol=1)


@pytest.mark.parametrize("suffix", ["png", "tif", "webp"])
def test_alpha_is_laid_on_white(tmp_path, suffix):
    pixels = np.array([[[200, 100, 0, 255], [200, 100, 0, 0], [200, 100, 0, 51]]], dtype=np.uint8)
    options = {"lossless": True, "exact": True} if suffix == "webp" else {}
    found = decoded(Image.fromarray(pixels), tmp_path / f"a.{suffix}", **options)
    share = pixels[..., 3:] / 255
    np.testing.assert_allclose(found, pixels[..., :3] * share + 255 * (1 - share), atol=1)


def test_grey_with_alpha_is_laid_on_white(tmp_path):
    image = Image.fromarray(np.array([[[80, 255], [80, 0], [80, 51]]], dtype=np.uint8))
    assert image.mode == "LA"
    np.testing.assert_allclose(decoded(image, tmp_path / "a.png"), [[[80] * 3, [255] * 3, [220] * 3]], atol=1)


@pytest.mark.parametrize(("mode", "colour"), [("L", 60), ("RGB", (10, 20, 30))])
def test_a_transparent_colour_becomes_white(tmp_path, mode, colour):
    image = Image.new(mode, (2, 1), colour)
    image.putpixel((1, 0), 200 if mode == "L" else (200, 200, 200))
    found = decoded(image, tmp_path / "a.png", transparency=colour)
    np.testing.assert_array_equal(found, [[[255] * 3, [200] * 3]])


@pytest.mark.parametrize("suffix", ["jpg", "tif"])
def test_cmyk_is_converted(tmp_path, suffix):
    inks = {(0, 0, 0, 0): (255, 255, 255), (0, 255, 255, 0): (255, 0, 0), (0, 0, 0, 255): (0, 0, 0)}
    for number, (ink, wanted) in enumerate(inks.items()):
        options = {"quality": 100, "subsampling": 0} if suffix == "jpg" else {}
        found = decoded(Image.new("CMYK", (16, 16), ink), tmp_path / f"{number}.{suffix}", **options)
        np.testing.assert_allclose(found[8, 8], wanted, atol=3)


def test_16_bits_are_scaled(tmp_path):
    deep = np.array([[0, 257, 32896], [65535, 1000, 65000]], dtype=np.uint16)
    image = Image.fromarray(deep)
    assert image.mode == "I;16"
    for suffix in ("png", "tif"):
        found = decoded(image, tmp_path / f"a.{suffix}")
        np.testing.assert_array_equal(found[..., 0], np.rint(deep / 257))
        np.testing.assert_array_equal(found[..., 0], found[..., 2])


def test_one_bit_is_black_and_white(tmp_path):
    bits = np.array([[True, False, True]])
    np.testing.assert_array_equal(decoded(Image.fromarray(bits), tmp_path / "a.png")[0, :, 1], [255, 0, 255])


UPRIGHT = {  # EXIF orientation -> how the stored pixels become the picture that is meant
    1: lambda a: a,
    2: np.fliplr,
    3: lambda a: np.rot90(a, 2),
    4: np.flipud,
    5: lambda a: a.swapaxes(0, 1),
    6: lambda a: np.rot90(a, -1),
    7: lambda a: np.rot90(a.swapaxes(0, 1), 2),
    8: lambda a: np.rot90(a, 1),
}


@pytest.mark.parametrize("orientation", UPRIGHT)
@pytest.mark.parametrize("deep", [False, True])
def test_exif_orientation_is_applied(tmp_path, orientation, deep):
    pixels = np.random.default_rng(0).integers(0, 256, (3, 5, 3), dtype=np.uint8)
    if deep:
        pixels = pixels[..., 0].astype(np.uint16) * 257
    exif = Image.Exif()
    exif[0x0112] = orientation
    found = decoded(Image.fromarray(pixels), tmp_path / "a.png", exif=exif)
    wanted = UPRIGHT[orientation](pixels)
    np.testing.assert_array_equal(found[..., 0] if deep else found, wanted // 257 if deep else wanted)


def test_an_image_with_broken_exif_is_decoded_as_it_is_stored(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    for kind in ("png", "webp"):
        for exif in (b"Exif\0\0no TIFF at all", b"Exif\0\0MM\0*\0\0\0\x08\0\1\1\x12\0\3\0\0"):
            path = tmp_path / f"a.{kind}"
            found = decoded(Image.fromarray(pixels), path, exif=exif, lossless=True)
            np.testing.assert_array_equal(found, pixels)
            assert image_size(path) == (7, 5)


def test_an_orientation_among_exif_that_cannot_be_written_again_is_applied(tmp_path):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    entries = struct.pack(">HHIH2xHHII", 0x0112, 3, 1, 6, 0x011A, 2, 1, 0x41000000)  # a resolution that is text
    exif = b"Exif\0\0MM\0*\0\0\0\x08\0\2" + entries + bytes(4)
    for kind in ("png", "webp"):
        found = decoded(Image.fromarray(pixels), tmp_path / f"a.{kind}", exif=exif, lossless=True)
        np.testing.assert_array_equal(found, np.rot90(pixels, -1))


@pytest.mark.parametrize("place", ["before", "after"])
@pytest.mark.parametrize("kind", [b"zTXt", b"iTXt", b"iCCP", b"gAMA", b"text that is no chunk"[:4]])
def test_a_png_with_text_too_large_or_metadata_garbled_is_decoded(tmp_path, kind, place):
    pixels = np.random.default_rng(0).integers(0, 256, (5, 7, 3), dtype=np.uint8)
    exif = Image.Exif()
    exif[0x0112] = 6
    path = tmp_path / "a.png"
    Image.fromarray(pixels).save(path, exif=exif)
    whole = path.read_bytes()
    body = {
        b"zTXt": b"prompt\0\0" + zlib.compress(bytes(3_000_000)),
        b"iTXt": b"prompt\0\1\0\0\0" + zlib.compress(bytes(3_000_000)),
        b"iCCP": b"profile\0\0" + zlib.compress(bytes(3_000_000)),
    }.get(kind, b"")
    check = zlib.crc32(kind + body) if body else 1
    chunk = struct.pack(">I", len(body)) + kind + body + struct.pack(">I", check)
    cut = whole.index(b"IDAT") - 4 if place == "before" else whole.index(b"IEND") - 4
    path.write_bytes(whole[:cut] + chunk + whole[cut:])
    np.testing.assert_array_equal(np.asarray(load_rgb(path)), np.rot90(pixels, -1))
    assert image_size(path) == (5, 7)


def test_broken_exif_neither_warns_nor_fails(tmp_path):
    path = tmp_path / "a.jpg"
    Image.new("RGB", (8, 8)).save(path, exif=b"Exif\0\0II*\0\x08\0\0\0\xff\x00\x12\x01")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_rgb(path).size == (8, 8)


def broken(tmp_path, kind):
    path = noise_image(tmp_path / ("a.jpg" if "jpg" in kind else "a.png"), 0, (64, 64))
    whole = path.read_bytes()
    if kind == "empty":
        path.write_bytes(b"")
    elif kind.startswith("truncated"):
        path.write_bytes(whole[: len(whole) // 2])
    elif kind == "text in a jpg":
        path.write_text("not a picture at all\n" * 20)
    elif kind == "garbled png":
        path.write_bytes(whole[:60] + bytes(len(whole) - 60))
    elif kind == "png header only":
        path.write_bytes(whole[:33])
    elif kind == "missing":
        path.unlink()
    elif kind == "folder of that name png":
        path.unlink()
        path.mkdir()
    elif kind == "bomb":
        header = whole[12:16] + struct.pack(">II", 60_000, 60_000) + whole[24:29]
        path.write_bytes(whole[:12] + header + struct.pack(">I", zlib.crc32(header)) + whole[33:])
    return path


@pytest.mark.parametrize(
    ("kind", "reason"),
    [
        ("empty", "empty file"),
        ("truncated jpg", "truncated"),
        ("truncated png", "truncated"),
        ("text in a jpg", "not an image"),
        ("garbled png", ""),
        ("png header only", ""),
        ("missing", "No such file"),
        ("folder of that name png", "directory"),
        ("bomb", "more than 179 megapixels: reduce the image or cut it up"),
    ],
)
def test_damaged_files_are_unreadable_with_a_reason(tmp_path, kind, reason):
    path = broken(tmp_path, kind)
    with pytest.raises(UnreadableImage) as caught:
        load_rgb(path)
    assert caught.value.path == path
    assert reason in caught.value.reason
    assert caught.value.reason.strip()
    assert "\n" not in str(caught.value)


def test_a_large_but_allowed_picture_does_not_warn(tmp_path, monkeypatch):
    path = noise_image(tmp_path / "a.png", 0, (40, 40))
    monkeypatch.setattr(Image, "MAX_IMAGE_PIXELS", 1000)  # 1600 pixels: above it, below twice it
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert load_rgb(path).size == (40, 40)


def test_a_decoder_that_fails_oddly_is_an_unreadable_file(tmp_path, monkeypatch):
    path = noise_image(tmp_path / "a.png", 0)

    def fail(_image):
        raise struct.error("unpack requires\na buffer")

    monkeypatch.setattr("shapebias.data.decode.to_rgb", fail)
    with pytest.raises(UnreadableImage, match="unpack requires a buffer"):
        load_rgb(path)


def test_only_formats_of_pictures_are_tried(tmp_path):
    """PostScript would run Ghostscript, whatever the file is called."""
    path = tmp_path / "x.jpg"
    path.write_bytes(b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 8 8\n%%EndComments\nshowpage\n%%EOF\n")
    for read in (load_rgb, image_size):
        with pytest.raises(UnreadableImage, match="not an image"):
            read(path)


@pytest.mark.parametrize("kind", ["WEBP", "GIF", "BMP", "TIFF", "PPM", "PNG", "JPEG2000", "MPO"])
def test_a_picture_is_decoded_whatever_it_is_called(tmp_path, kind):
    path = tmp_path / "x.jpg"
    Image.new("RGB", (9, 8), (200, 100, 0)).save(path, format=kind)
    np.testing.assert_allclose(np.asarray(load_rgb(path))[4, 4], [200, 100, 0], atol=4)


def test_files_that_hold_no_data_are_not_opened(tmp_path):
    os.mkfifo(tmp_path / "pipe.jpg")
    (tmp_path / "loop.jpg").symlink_to("loop.jpg")
    for name, reason in (("pipe.jpg", "not a file of data"), ("loop.jpg", "symbolic links"), ("n" * 300, "too long")):
        for read in (load_rgb, image_size):
            with pytest.raises(UnreadableImage, match=reason):
                read(tmp_path / name)


def test_tensor_and_back_is_exact():
    pixels = np.random.default_rng(0).integers(0, 256, (6, 4, 3), dtype=np.uint8)
    tensor = to_tensor(Image.fromarray(pixels))
    assert tensor.shape == (3, 6, 4)
    np.testing.assert_allclose(tensor.permute(1, 2, 0), pixels / 255, rtol=1e-6)
    np.testing.assert_array_equal(np.asarray(to_image(tensor)), pixels)
