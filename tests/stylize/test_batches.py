"""Batches of stylized images: sizes, formats, colors, and a device whose memory runs out."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from shapebias.data.decode import load_rgb
from shapebias.data.transforms import to_tensor
from shapebias.errors import UserError
from shapebias.files import sha256
from shapebias.stylize import AdaIN, StyleBank
from shapebias.stylize.batches import LUMINANCE, Stylizing
from shapebias.stylize.folder import check_copies, stylize_folder
from shapebias.stylize.settings import StylizeSettings
from testkit.images import class_folder, noise_image


@pytest.fixture
def stylizer():
    torch.manual_seed(0)
    return AdaIN(channels=(4, 4, 8), blocks=1).eval().requires_grad_(False)


@pytest.fixture
def bank(stylizer):
    codes = stylizer.encode_style(torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    return StyleBank(codes, tuple("abcde"), "digest")


CONTENT = np.random.default_rng(0).integers(0, 256, (6, 24, 20, 3), dtype=np.uint8)
NUMBERS = np.array([[0, 1], [2, 3], [4, 0], [1, 2], [3, 4], [0, 2]])


def test_a_batch_that_does_not_fit_is_halved_and_so_are_later_ones(stylizer, bank, monkeypatch):
    stylizing = Stylizing(stylizer, bank, StylizeSettings())
    whole = stylizing.views(CONTENT, NUMBERS)
    stylize, tried = stylizer.stylize, []

    def small(images, *arguments):
        tried.append(len(images))
        if len(images) > 2:
            raise torch.OutOfMemoryError("out of memory")
        return stylize(images, *arguments)

    monkeypatch.setattr(stylizer, "stylize", small)
    assert (stylizing.views(CONTENT, NUMBERS).int() - whole.int()).abs().max() <= 1
    assert tried == [6, 3, 1, 1, 1, 1, 1, 1]
    tried.clear()
    stylizing.views(CONTENT, NUMBERS)
    assert tried == [1] * 6


def test_an_image_that_does_not_fit_alone_is_an_error_with_a_remedy(stylizer, bank, monkeypatch):
    def never(*_):
        raise torch.OutOfMemoryError("out of memory")

    monkeypatch.setattr(stylizer, "stylize", never)
    with pytest.raises(UserError, match="too little memory for an image of 20 x 24 pixels: use a smaller --size"):
        Stylizing(stylizer, bank, StylizeSettings()).views(CONTENT, NUMBERS)


def test_preserved_colors_are_those_of_the_image_and_the_brightness_is_the_stylized(stylizer, bank):
    content = np.full((1, 24, 20, 3), (130, 110, 120), dtype=np.uint8)
    plain, kept = (
        Stylizing(stylizer, bank, StylizeSettings(preserve_color=preserve)).views(content, NUMBERS[:1]).double()
        for preserve in (False, True)
    )
    weights = torch.tensor(LUMINANCE, dtype=torch.double)
    inside = ((kept > 0) & (kept < 255)).all(-1)
    assert inside.any()
    assert ((kept @ weights) - (plain @ weights))[inside].abs().max() <= 1.01  # each rounds to 8 bits
    assert (kept[..., 0] - kept[..., 1] - 20)[inside].abs().max() <= 1
    assert (kept[..., 2] - kept[..., 1] - 10)[inside].abs().max() <= 1


@pytest.mark.parametrize(
    ("settings", "size"),
    [
        (StylizeSettings(size=32), (48, 32)),
        (StylizeSettings(size=0), (90, 60)),
        (StylizeSettings(crop=True, size=32), (32, 32)),
        (StylizeSettings(crop=True, size=0), (60, 60)),
    ],
)
def test_sizes(tmp_path, stylizer, bank, settings, size):
    noise_image(tmp_path / "source" / "a.png", 0, (90, 60))
    stylize_folder(tmp_path / "source", tmp_path / "out", stylizer, bank, settings)
    assert {load_rgb(path).size for path in (tmp_path / "out").glob("*.png")} == {size}


@pytest.mark.parametrize("kind", ["jpeg", "webp"])
def test_other_formats_hold_the_same_pictures_nearly(tmp_path, stylizer, bank, kind):
    source, out = class_folder(tmp_path / "source"), tmp_path / "out"
    stylize_folder(source, out, stylizer, bank, StylizeSettings(format=kind, quality=100))
    check_copies(out, source)
    stylize_folder(source, tmp_path / "png", stylizer, bank, StylizeSettings())
    with Image.open(out / "cat" / f"0.png-style1.{kind}") as image:
        assert image.format == kind.upper()
    same = to_tensor(load_rgb(tmp_path / "png" / "cat" / "0.png-style1.png"))
    other = to_tensor(load_rgb(out / "cat" / f"0.png-style1.{kind}"))
    assert (same - other).abs().mean() < 0.05
    for line in (out / "copies.jsonl").read_text().splitlines():
        record = json.loads(line)
        assert record["sha256"] == sha256(out / record["file"])
        assert record["style"] in bank.names


@pytest.mark.parametrize("quality", [0, 101])
def test_quality_out_of_range_is_refused(quality):
    with pytest.raises(UserError, match="--quality"):
        StylizeSettings(quality=quality)


def test_images_with_several_frames_are_named_and_the_first_is_used(tmp_path, stylizer, bank, capsys):
    source = tmp_path / "source"
    source.mkdir()
    frames = [Image.new("RGB", (40, 40), colour) for colour in ("red", "blue")]
    frames[0].save(source / "a.gif", save_all=True, append_images=frames[1:])
    frames[0].save(source / "b.tif", save_all=True, append_images=frames[1:])
    frames[0].save(source / "c.png")
    stylize_folder(source, tmp_path / "out", stylizer, bank, StylizeSettings())
    told = capsys.readouterr().err
    assert "2 images hold several frames or pages, first a.gif: only the first of each was stylized" in told
    first, single = (to_tensor(load_rgb(tmp_path / "out" / f"{n}-style0.png")) for n in ("b.tif", "c.png"))
    assert (first.mean((1, 2)) - single.mean((1, 2))).abs().max() < 1


def test_an_image_too_large_to_stylize_is_named_with_the_limit(tmp_path, stylizer, bank, monkeypatch):
    monkeypatch.setattr("shapebias.stylize.batches.MOST_PIXELS", 60 * 60)
    noise_image(tmp_path / "source" / "a.png", 0, (90, 60))
    noise_image(tmp_path / "source" / "b.png", 0, (40, 40))
    settings = StylizeSettings(size=0)
    found = stylize_folder(tmp_path / "source", tmp_path / "out", stylizer, bank, settings)
    assert [one.partition(": ")[2] for one in found] == [
        "90 x 60 is more than the 0.0 million pixels that are stylized: give --size"
    ]
    assert len(list((tmp_path / "out").glob("b.png-*"))) == 2


def test_large_copies_are_made_a_view_at_a_time_and_are_the_same(tmp_path, stylizer, bank, monkeypatch):
    source = class_folder(tmp_path / "source")
    stylize_folder(source, tmp_path / "together", stylizer, bank, StylizeSettings())
    monkeypatch.setattr("shapebias.stylize.batches.AT_ONCE", 1)
    stylize_folder(source, tmp_path / "apart", stylizer, bank, StylizeSettings())
    for path in (tmp_path / "together").rglob("*.png"):
        other = to_tensor(load_rgb(tmp_path / "apart" / path.relative_to(tmp_path / "together")))
        assert ((to_tensor(load_rgb(path)) - other).abs() * 255).max() <= 1
