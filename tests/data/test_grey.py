"""Deep and floating-point grey: black and white by type and declared range, not by single pixels."""

from __future__ import annotations

import struct

import numpy as np
import pytest
from PIL import Image

from shapebias.data.decode import UnreadableImage, load_rgb

UNSIGNED, SIGNED, FLOAT = 1, 2, 3  # TIFF's SampleFormat


def tiff(path, pixels, *, white_is_zero=False, declared=None, bits=None):
    """Write grey pixels (height, width) as an uncompressed TIFF of their type."""
    height, width = pixels.shape
    kind = {"u": UNSIGNED, "i": SIGNED, "f": FLOAT}[pixels.dtype.kind]
    data = pixels.tobytes() if bits is None else packed_12_bits(pixels)
    shorts = {258: bits or 8 * pixels.itemsize, 259: 1, 262: 0 if white_is_zero else 1, 277: 1, 339: kind}
    longs = {256: width, 257: height, 273: 8, 278: height, 279: len(data)}
    entries = [struct.pack("<HHIH2x", tag, 3, 1, value) for tag, value in shorts.items()]
    entries += [struct.pack("<HHII", tag, 4, 1, value) for tag, value in longs.items()]
    entries += [struct.pack("<HHIf", tag, 11, 1, value) for tag, value in zip((340, 341), declared or (), strict=False)]
    entries.sort(key=lambda entry: struct.unpack("<H", entry[:2]))
    table = struct.pack("<H", len(entries)) + b"".join(entries) + bytes(4)
    path.write_bytes(b"II*\0" + struct.pack("<I", 8 + len(data)) + data + table)
    return path


def packed_12_bits(pixels):
    first, second = pixels[:, ::2].astype(int), pixels[:, 1::2].astype(int)
    return np.stack([first >> 4, (first & 15) << 4 | second >> 8, second & 255], axis=-1).astype(np.uint8).tobytes()


def grey(path):
    found = np.asarray(load_rgb(path)).astype(int)
    np.testing.assert_array_equal(found[..., 0], found[..., 2])
    return found[..., 0]


@pytest.mark.parametrize("white_is_zero", [False, True])
@pytest.mark.parametrize(
    ("kind", "white"), [(np.uint8, 255), (np.uint16, 65535), (np.float32, 1.0), (np.float32, 255.0)]
)
def test_white_is_zero_is_read_inverted(tmp_path, kind, white, white_is_zero):
    ramp = np.linspace(0, 1, 24).reshape(4, 6)
    stored = (white * ramp).astype(kind)
    found = grey(tiff(tmp_path / "a.tif", stored, white_is_zero=white_is_zero))
    np.testing.assert_allclose(found, 255 * (1 - ramp if white_is_zero else ramp), atol=1.01)


@pytest.mark.parametrize(
    ("kind", "black", "white"),
    [
        (np.uint16, 0, 65535),
        (np.int16, 0, 32767),
        (np.int16, -32768, 32767),
        (np.int32, 0, 255),
        (np.int32, 0, 65535),
        (np.int32, 0, 2**31 - 1),
        (np.uint32, 0, 2**32 - 1),
        (np.float32, 0, 1),
        (np.float32, -1, 1),
        (np.float32, 0, 255),
        (np.float32, 0, 65535),
    ],
)
def test_each_type_has_its_black_and_white(tmp_path, kind, black, white):
    ramp = np.linspace(0, 1, 60).reshape(6, 10)
    stored = np.rint(black + (white - black) * ramp) if np.dtype(kind).kind != "f" else black + (white - black) * ramp
    found = grey(tiff(tmp_path / "a.tif", stored.astype(kind)))
    np.testing.assert_allclose(found, 255 * ramp, atol=0.51)


def test_single_pixels_do_not_decide_the_scale(tmp_path):
    ramp = np.linspace(0, 1, 2500).reshape(50, 50).astype(np.float32)
    plain = grey(tiff(tmp_path / "plain.tif", ramp))
    for value in (1.01, 3.0, 70000.0, -3.0, np.inf, -np.inf, np.nan):
        changed = ramp.copy()
        changed[20, 20] = value
        found = grey(tiff(tmp_path / "a.tif", changed))
        assert found[20, 20] == (255 if value > 1 else 0)
        found[20, 20] = plain[20, 20]
        np.testing.assert_array_equal(found, plain)
    over = grey(tiff(tmp_path / "over.tif", np.float32(1.01) * ramp))  # as resampling overshoots
    np.testing.assert_allclose(over, 255 * np.clip(1.01 * ramp, 0, 1), atol=0.51)
    sixteen = np.linspace(0, 65535, 2500).reshape(50, 50).astype(np.int32)
    plain = grey(tiff(tmp_path / "plain.tif", sixteen))
    sixteen[20, 20] = 70_000
    found = grey(tiff(tmp_path / "a.tif", sixteen))
    found[20, 20] = plain[20, 20]
    np.testing.assert_array_equal(found, plain)


def test_a_declared_range_is_black_and_white(tmp_path):
    for kind in (np.uint16, np.int32, np.float32):
        stored = np.array([[0, 1000, 2048, 4095]], dtype=kind)
        found = grey(tiff(tmp_path / "a.tif", stored, declared=(0, 4095)))
        np.testing.assert_array_equal(found, [[0, 62, 128, 255]])
    found = grey(tiff(tmp_path / "b.tif", np.array([[-3, 0, 1, 9]], dtype=np.float32), declared=(-3, 1)))
    np.testing.assert_array_equal(found, [[0, 191, 255, 255]])


def test_12_bits_are_scaled_by_12_bits(tmp_path):
    stored = np.array([[0, 1000], [2048, 4095]], dtype=np.uint16)
    np.testing.assert_array_equal(grey(tiff(tmp_path / "a.tif", stored, bits=12)), [[0, 62], [128, 255]])
    path = tmp_path / "a.pgm"
    path.write_bytes(b"P5 2 2 4095\n" + stored.astype(">u2").tobytes())
    np.testing.assert_array_equal(grey(path), [[0, 62], [128, 255]])


def test_values_without_a_usual_scale_are_unreadable_with_the_remedy(tmp_path):
    path = tiff(tmp_path / "a.tif", np.linspace(-1000, 3000, 400).reshape(20, 20).astype(np.float32))
    with pytest.raises(UnreadableImage, match=r"grey values of -990 to 2990 .*: save it in 8 or 16 bits"):
        load_rgb(path)


def test_pictures_of_mode_i_from_pillow_are_scaled(tmp_path):
    for pixels in ([[0, 32896, 65535]], [[0, 2**30, 2**31 - 1]]):
        Image.fromarray(np.array(pixels, dtype=np.int32)).save(tmp_path / "a.tif")
        np.testing.assert_array_equal(grey(tmp_path / "a.tif"), [[0, 128, 255]])
