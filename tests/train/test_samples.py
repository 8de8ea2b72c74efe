"""Samples: what they depend on, one crop for an image and its views, and what is not decoded."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import ExifTags, Image, ImageOps

from shapebias.data.decode import image_size, load_rgb
from shapebias.data.readers.class_folders import read_class_folders
from shapebias.errors import UserError
from shapebias.stylize.folder import stylize_folder
from shapebias.stylize.settings import StylizeSettings
from shapebias.train import samples as module
from shapebias.train.samples import TrainingSamples
from testkit.images import class_folder, noise_image


@pytest.fixture
def copies(images, stylizer, bank, tmp_path):
    stylize_folder(images, tmp_path / "stylized", stylizer, bank, StylizeSettings(per_image=3))
    return tmp_path / "stylized"


def test_samples_depend_on_seed_epoch_and_index_alone(images):
    def sample(seed, epoch, index):
        folder = read_class_folders(images)
        return TrainingSamples(folder, size=24, views=2, styles=12, seed=seed)[(epoch, index)]

    first = sample(0, 3, 1)
    assert torch.equal(first.image, sample(0, 3, 1).image)
    assert np.array_equal(first.styles, sample(0, 3, 1).styles)
    assert first.styles[0] != first.styles[1]
    for other in (sample(1, 3, 1), sample(0, 4, 1)):
        assert not torch.equal(first.image, other.image)


def test_image_and_ready_views_share_one_crop(tmp_path):
    """With the image and its negative as copies, every view must equal the image's own crop or its negative."""
    folder = read_class_folders(class_folder(tmp_path / "images"))
    copies = tmp_path / "copies"
    for path in folder.paths:
        for view in range(2):
            target = copies / path.parent.name / f"{path.name}-style{view}.png"
            target.parent.mkdir(parents=True, exist_ok=True)
            shown = Image.open(path).convert("RGB")
            (ImageOps.invert(shown) if view else shown).save(target)
    (copies / "stylize.json").write_text(json.dumps({"per_image": 2}))
    (copies / "copies.jsonl").write_text("")
    samples = TrainingSamples(folder, size=24, views=2, stylized=copies)
    for epoch in range(3):
        sample = samples[(epoch, 1)]
        assert all(
            min((view - x).abs().max() for x in (sample.image, 1 - sample.image)) < 0.01 for view in sample.views
        )


def test_without_natural_images_ready_views_alone_are_decoded_and_are_the_same(images, copies, monkeypatch):
    folder, decoded = read_class_folders(images), []
    monkeypatch.setattr(module, "load_rgb", lambda path: decoded.append(path) or load_rgb(path))
    with_natural = TrainingSamples(folder, size=24, views=2, stylized=copies, seed=5)
    without = TrainingSamples(folder, size=24, views=2, stylized=copies, seed=5, natural=False)
    keys = [(epoch, index) for epoch in range(2) for index in range(len(folder))]
    expected = [with_natural[key] for key in keys]
    assert set(folder.paths) < set(decoded)
    decoded.clear()
    found = [without[key] for key in keys]
    assert len(decoded) >= 2 * len(folder)
    assert not any(path in folder.paths for path in decoded)
    for one, other in zip(expected, found, strict=True):
        assert other.image is None
        assert one.label == other.label
        assert np.array_equal(one.styles, other.styles)
        assert all(torch.equal(a, b) for a, b in zip(one.views, other.views, strict=True))
    batch = without.collate(found[:4])
    assert batch.images is None
    assert batch.views.shape == (8, 3, 24, 24)
    assert torch.equal(batch.views[5], found[1].views[1])  # view after view


def test_a_stylizer_in_the_step_gets_the_natural_images_whatever_is_shown(images):
    samples = TrainingSamples(read_class_folders(images), size=24, views=2, styles=12, natural=False)
    batch = samples.collate([samples[(0, index)] for index in range(3)])
    assert batch.images.shape == (3, 3, 24, 24)
    assert batch.styles.shape == (6,)


@pytest.mark.parametrize("suffix", ["jpg", "png", "tif", "webp"])
@pytest.mark.parametrize("orientation", range(1, 9))
def test_the_size_in_the_header_is_that_of_the_upright_image(tmp_path, suffix, orientation):
    path = tmp_path / f"turned.{suffix}"
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = orientation
    Image.open(noise_image(tmp_path / "plain.png", 0, (40, 24))).save(path, exif=exif)
    assert image_size(path) == load_rgb(path).size == ((24, 40) if orientation >= 5 else (40, 24))


def test_views_need_two_different_styles(images, stylizer, bank, tmp_path):
    stylize_folder(images, tmp_path / "one", stylizer, bank, StylizeSettings(per_image=1))
    with pytest.raises(UserError, match="2 different styles"):
        TrainingSamples(read_class_folders(images), size=24, views=2, stylized=tmp_path / "one")


def test_ready_views_that_are_one_picture_are_refused(images, copies):
    for first in copies.rglob("*-style0.png"):
        first.with_name(first.name.replace("style0", "style1")).write_bytes(first.read_bytes())
    samples = TrainingSamples(read_class_folders(images), size=24, views=2, stylized=copies)
    with pytest.raises(UserError, match=r"style\d.png equals another stylized copy of .*without duplicates"):
        for epoch in range(20):  # until the two are drawn together
            _ = samples[epoch, 0]


def test_copies_of_other_images_are_refused(copies, tmp_path):
    other = read_class_folders(class_folder(tmp_path / "other", ("dog", "oven")))
    with pytest.raises(UserError, match="has no stylized copies"):
        TrainingSamples(other, size=24, views=2, stylized=copies)


@pytest.mark.parametrize("natural", [True, False])
def test_the_next_image_stands_in_for_an_unreadable_one(images, copies, natural):
    folder = read_class_folders(images)
    folder.paths[1].write_bytes(b"")
    samples = TrainingSamples(folder, size=24, views=2, stylized=copies, natural=natural)
    sample = samples[(0, 1)]
    assert (sample.label, sample.unreadable.count(str(folder.paths[1]))) == (folder.targets[2], 1)
    assert samples[(0, 0)].unreadable == ""


def test_no_readable_image_is_an_error(images):
    folder = read_class_folders(images)
    for path in folder.paths:
        path.write_bytes(b"no picture")
    with pytest.raises(UserError, match="none of the 4 training images could be read"):
        TrainingSamples(folder, size=24)[(0, 2)]


def test_a_small_data_set_is_decoded_once(images, monkeypatch):
    read = []
    monkeypatch.setattr(module, "load_rgb", lambda path: read.append(path) or load_rgb(path))
    samples = TrainingSamples(read_class_folders(images), size=24)
    first = samples[(0, 0)].image
    for epoch in range(3):
        for index in range(len(samples)):
            samples[(epoch, index)]
    assert len(read) == len(samples)
    assert torch.equal(samples[(0, 0)].image, first)


def test_images_beyond_the_limit_are_decoded_again(images):
    path = next(images.rglob("*.png"))
    size = 4 * load_rgb(path).width * load_rgb(path).height
    for limit, kept in ((size - 1, 0), (size, 1), (2 * size, 1)):
        decoded = module.Decoded(limit)
        decoded(path)
        decoded(path)
        assert len(decoded.images) == kept
        assert decoded.left == limit - kept * size
