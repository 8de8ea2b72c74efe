"""Folders, the order of samples, crops, and what a network is shown when it is measured."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from shapebias.data.folders import list_images, part
from shapebias.data.image_set import ImageSet
from shapebias.data.loaders import EpochBatchSampler, ImageBatches, epoch_order
from shapebias.data.readers.class_folders import read_class_folders
from shapebias.data.readers.cue_conflict import OTHER, SAME, parse_name, read_cue_conflict
from shapebias.data.transforms import Crop, Preprocessing, centre_crop, random_crop
from shapebias.errors import UserError
from shapebias.libraries import timm, torchvision
from testkit.images import class_folder, noise_image


def test_scan_reads_classes_nested_images_and_nothing_else(tmp_path):
    class_folder(tmp_path, ("dog", "cat"))
    noise_image(tmp_path / "dog" / "deep" / "er" / "x.JPG", 1)
    noise_image(tmp_path / "dog" / ".hidden.png", 2)
    noise_image(tmp_path / "dog" / ".thumbnails" / "a.png", 3)
    noise_image(tmp_path / ".cache" / "a.png", 4)
    noise_image(tmp_path / "loose.png", 5)
    (tmp_path / "dog" / "notes.txt").write_text("x")
    (tmp_path / "empty").mkdir()
    (tmp_path / "dog" / "folder.png").mkdir()
    found = read_class_folders(tmp_path)
    assert found.classes == ("cat", "dog")
    relative = [path.relative_to(tmp_path).as_posix() for path in found.paths]
    assert relative == ["cat/0.png", "cat/1.png", "dog/0.png", "dog/1.png", "dog/deep/er/x.JPG"]
    assert found.targets.tolist() == [0, 0, 1, 1, 1]
    assert len(found) == 5


def test_folds_that_would_be_classes_are_pointed_out(tmp_path, capsys):
    for fold in ("fold1", "fold2"):
        class_folder(tmp_path / "folds" / fold, ("cat", "dog"))
        class_folder(tmp_path / "cameras" / fold / "front", ("a",))
    assert read_class_folders(tmp_path / "folds").classes == ("fold1", "fold2")
    error = capsys.readouterr().err
    assert "all hold the same folders, 2 (cat, dog): if those are the classes, give " in error
    read_class_folders(tmp_path / "cameras")
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda root: None, "no folder"),
        (lambda root: root.mkdir(), "no class folders"),
        (lambda root: noise_image(root / "a.png", 0), "no class folders"),
        (lambda root: (root / "cat").mkdir(parents=True), "no images below"),
        (lambda root: class_folder(root, ("cat",)), "one class only"),
        (lambda root: root.write_text("a file"), "no folder"),
    ],
)
def test_scan_refuses_what_is_no_folder_of_classes(tmp_path, build, message):
    root = tmp_path / "root"
    build(root)
    with pytest.raises(UserError, match=message) as caught:
        read_class_folders(root)
    assert "\n" not in str(caught.value)
    assert str(root) in str(caught.value)


def test_fingerprint_changes_with_names_and_sizes_only(tmp_path, images):
    first = read_class_folders(images).fingerprint
    assert read_class_folders(images).fingerprint == first
    images.rename(tmp_path / "moved")
    moved = tmp_path / "moved"
    assert read_class_folders(moved).fingerprint == first
    (moved / "cat" / "0.png").rename(moved / "cat" / "9.png")
    renamed = read_class_folders(moved).fingerprint
    with (moved / "cat" / "9.png").open("ab") as file:
        file.write(b"x")
    grown = read_class_folders(moved).fingerprint
    noise_image(moved / "cat" / "new.png", 7)
    assert len({first, renamed, grown, read_class_folders(moved).fingerprint}) == 4


def unequal(root):
    """Classes of 1, 2, 3, 4 and 10 images."""
    for name, count in zip("abcde", (1, 2, 3, 4, 10), strict=True):
        for i in range(count):
            noise_image(root / name / f"{i}.png", i, (4, 4))
    return read_class_folders(root)


def counts(folder):
    return {name: folder.labels.count(name) for name in folder.classes}


def test_a_draw_is_spread_over_the_classes(tmp_path):
    folder = unequal(tmp_path)
    assert counts(folder.subsample(5, 0)) == dict.fromkeys("abcde", 1)
    assert counts(folder.subsample(12, 0)) == {"a": 1, "b": 2, "c": 3, "d": 3, "e": 3}
    assert counts(folder.subsample(19, 0)) == {"a": 1, "b": 2, "c": 3, "d": 4, "e": 9}
    assert {len(folder.subsample(3, seed).classes) for seed in range(9)} == {3}
    assert len({folder.subsample(3, seed).classes for seed in range(20)}) > 3
    assert folder.subsample(None, 0) is folder.subsample(20, 0) is folder.subsample(99, 0) is folder


@given(limit=st.integers(1, 19), more=st.integers(0, 19), seed=st.integers(0, 5))
@settings(max_examples=40, deadline=None)
def test_a_draw_keeps_labels_and_order_and_is_part_of_larger_draws_of_its_seed(limit, more, seed):
    labels = [0] * 1 + [1] * 2 + [2] * 3 + [3] * 4 + [4] * 10
    paths = tuple(Path("root") / "abcde"[label] / f"{n:02d}.png" for n, label in enumerate(labels))
    folder = ImageSet(Path("root"), paths, np.array(labels), tuple("abcde"))
    drawn, larger = folder.subsample(limit, seed), folder.subsample(limit + more, seed)
    assert len(drawn) == len(set(drawn.paths)) == limit
    assert list(drawn.paths) == sorted(drawn.paths)
    assert list(drawn.labels) == [path.parent.name for path in drawn.paths]
    assert set(drawn.classes) == {path.parent.name for path in drawn.paths}
    assert drawn.paths == folder.subsample(limit, seed).paths
    assert drawn.drawn_from == (len(folder) if limit < len(folder) else None)
    assert {*drawn.paths} <= {*larger.paths}


def test_draws_of_different_seeds_differ(tmp_path):
    folder = unequal(tmp_path)
    assert len({folder.subsample(10, seed).paths for seed in range(5)}) > 1


def test_a_link_to_nothing_is_listed_and_unreadable_not_a_crash(images):
    (images / "cat" / "gone.png").symlink_to(images / "nowhere.png")
    found = read_class_folders(images)
    assert len(found.fingerprint) == 64
    batches = ImageBatches(found.paths, Preprocessing(16), batch_size=2)
    assert sum(len(numbers) for numbers, _ in batches) == 4
    assert len(batches.unreadable) == 1
    assert "gone.png" in batches.unreadable[0]


def test_list_images_and_part(images, tmp_path):
    assert [path.name for path in list_images(images)] == ["0.png", "1.png", "0.png", "1.png"]
    with pytest.raises(UserError, match="no folder"):
        list_images(tmp_path / "none")
    (tmp_path / "bare").mkdir()
    with pytest.raises(UserError, match="no images"):
        list_images(tmp_path / "bare")
    assert part(images, ["val", "cat"]) == images / "cat"
    assert part(images, ["val"]) is None


def test_published_names_of_cue_conflict_images(tmp_path):
    assert parse_name("cat1-elephant2") == ("cat", "elephant")
    assert [parse_name(n) for n in ("cat-dog1", "cat1", "cat1-dog2-bear3", "Cat1-dog2", "cat1_dog1")] == [None] * 5
    for name in ("cat/cat1-dog2.png", "cat/cat1-cat2.png", "dog/cat1-dog2.png", "cat/photo.png", "dog/dog10-cat3.png"):
        noise_image(tmp_path / name, 0)
    found = read_cue_conflict(tmp_path)
    assert found.classes == ("cat", "dog")
    assert found.targets.tolist() == [[0, 1], [1, 0]]
    assert found.skipped == {SAME: ("cat/cat1-cat2.png",), OTHER: ("cat/photo.png", "dog/cat1-dog2.png")}
    assert len(found.fingerprint) == 64


def test_a_folder_without_conflicts_is_refused(tmp_path):
    noise_image(tmp_path / "cat" / "cat1-cat2.png", 0)
    with pytest.raises(UserError, match="1 with equal cues, 0 of other names"):
        read_cue_conflict(tmp_path)


@given(
    count=st.integers(4, 60), per_rank=st.integers(1, 4), ranks=st.sampled_from([1, 2, 4]), seed=st.integers(0, 2**40)
)
@settings(max_examples=60, deadline=None)
def test_batches_do_not_depend_on_the_number_of_ranks(count, per_rank, ranks, seed):
    batch = per_rank * ranks
    single = EpochBatchSampler(count, batch, seed=seed)
    several = [EpochBatchSampler(count, batch, seed=seed, rank=rank, ranks=ranks) for rank in range(ranks)]
    for sampler in (single, *several):
        sampler.epoch = 3
    batches = list(single)
    assert len(batches) == len(single) == max(1, count // batch)
    assert {len(keys) for keys in batches} == {min(batch, count)}
    assert {epoch for keys in batches for epoch, _ in keys} == {3}
    indices = [index for keys in batches for _, index in keys]
    assert len(set(indices)) == len(indices)
    assert set(indices) <= set(range(count))
    for whole, *parts in zip(batches, *several, strict=True):
        shown = [key for keys in parts for key in keys]
        assert len({len(keys) for keys in parts}) == 1  # ranks that share a step have equal parts of it
        assert len(shown) == len(whole) // ranks * ranks
        assert shown and set(shown) <= set(whole)
        if len(whole) == batch:
            assert sorted(whole) == sorted(shown)


def test_order_is_a_permutation_keyed_by_seed_and_epoch():
    orders = [epoch_order(50, seed=seed, epoch=epoch).tolist() for seed in (0, 1) for epoch in (0, 1)]
    assert all(sorted(order) == list(range(50)) for order in orders)
    assert len({tuple(order) for order in orders}) == 4
    assert epoch_order(50, seed=1, epoch=0).tolist() == orders[2]


def test_a_batch_that_ranks_cannot_share_is_refused():
    with pytest.raises(ValueError, match="does not divide"):
        EpochBatchSampler(10, 5, seed=0, ranks=2)


@given(width=st.integers(1, 600), height=st.integers(1, 600), seed=st.integers(0, 2**32))
@settings(max_examples=80, deadline=None)
def test_random_crops_lie_inside_and_can_be_cut(width, height, seed):
    crop = random_crop(width, height, np.random.default_rng(seed))
    left, top, right, bottom = crop.box
    assert -1e-9 <= left < right <= 1 + 1e-9
    assert -1e-9 <= top < bottom <= 1 + 1e-9
    aspect = (right - left) * width / ((bottom - top) * height)
    assert 0.749 < aspect < 1.334
    assert crop(Image.new("RGB", (width, height)), 8).size == (8, 8)
    assert crop == random_crop(width, height, np.random.default_rng(seed))


def test_crop_areas_are_uniform_and_half_are_mirrored():
    rng = np.random.default_rng(0)
    crops = [random_crop(300, 300, rng, scale=(0.2, 0.6)) for _ in range(2000)]
    areas = np.array([(right - left) * (bottom - top) for left, top, right, bottom in (crop.box for crop in crops)])
    assert areas.min() >= 0.2 - 1e-9
    assert areas.max() <= 0.6 + 1e-9
    histogram = np.histogram(areas, bins=4, range=(0.2, 0.6))[0]
    assert abs(histogram - 500).max() < 90  # within 4.6 standard deviations of a uniform draw
    assert abs(sum(crop.flip for crop in crops) - 1000) < 100


def test_an_image_too_narrow_for_the_aspect_gets_its_central_square():
    crop = random_crop(1000, 10, np.random.default_rng(0), scale=(0.9, 1.0))
    assert crop.box == centre_crop(1000, 10).box


def test_centre_crop_and_mirror_against_slicing():
    pixels = np.random.default_rng(0).integers(0, 256, (20, 32, 3), dtype=np.uint8)
    image = Image.fromarray(pixels)
    np.testing.assert_array_equal(np.asarray(centre_crop(32, 20)(image, 20)), pixels[:, 6:26])
    crop = centre_crop(32, 20, fraction=0.5)
    np.testing.assert_array_equal(np.asarray(crop(image, 10)), pixels[5:15, 11:21])
    mirrored = Crop(crop.box, flip=True)(image, 10)
    np.testing.assert_array_equal(np.asarray(mirrored), pixels[5:15, 11:21][:, ::-1])


def test_the_same_fractions_cut_the_same_part_of_a_smaller_copy():
    gradient = np.linspace(0, 255, 256).astype(np.uint8)
    image = Image.fromarray(np.stack([np.tile(gradient, (256, 1))] * 3, axis=-1))
    crop = Crop((0.25, 0.25, 0.75, 0.75))
    large, small = (np.asarray(crop(picture, 16)).astype(int) for picture in (image, image.resize((64, 64))))
    np.testing.assert_allclose(large, small, atol=3)


SIZES = [(500, 375), (375, 500), (224, 224), (256, 256), (257, 255), (31, 97), (640, 201), (223, 999), (48, 48)]


@pytest.mark.parametrize("interpolation", ["bilinear", "bicubic"])
@pytest.mark.parametrize(("resize", "size"), [(256, 224), (232, 224), (146, 128), (224, 224), (342, 299), (73, 64)])
def test_preprocessing_is_torchvisions(resize, size, interpolation):
    transforms = torchvision.transforms
    mode = transforms.InterpolationMode(interpolation)
    wanted = transforms.Compose([transforms.Resize(resize, mode), transforms.CenterCrop(size), transforms.ToTensor()])
    ours = Preprocessing(size=size, crop=size / resize, interpolation=interpolation)
    for seed, (width, height) in enumerate(SIZES):
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        image = Image.fromarray(pixels)
        found = ours(image)
        assert found.shape == (3, size, size)
        assert torch.equal(found, wanted(image)), (width, height)


@pytest.mark.parametrize("name", ["resnet18.tv_in1k", "resnet50.a1_in1k", "vit_tiny_patch16_224", "efficientnet_b0"])
def test_preprocessing_is_timms_own(name):
    config = timm.data.resolve_data_config(timm.get_pretrained_cfg(name).to_dict())
    wanted = timm.data.create_transform(**{**config, "mean": (0.0,) * 3, "std": (1.0,) * 3}, is_training=False)
    size, crop = config["input_size"][-1], config["crop_pct"]
    ours = Preprocessing(size=size, crop=crop, interpolation=config["interpolation"])
    for seed, (width, height) in enumerate(SIZES):
        pixels = np.random.default_rng(seed).integers(0, 256, (height, width, 3), dtype=np.uint8)
        image = Image.fromarray(pixels)
        torch.testing.assert_close(ours(image), wanted(image), atol=1e-6, rtol=0)


def test_the_shorter_side_is_the_recipes_whatever_the_rounding(monkeypatch):
    """``size / (size / resize)`` may come out just below ``resize``; the shorter side must not."""
    seen = []
    monkeypatch.setattr(Image.Image, "resize", lambda _s, wanted, _m: seen.append(wanted) or Image.new("RGB", wanted))
    for size in (64, 96, 160, 224):
        for resize in range(size, size + 60):
            Preprocessing(size=size, crop=size / resize)(Image.new("RGB", (10, 10)))
            assert seen.pop() == (resize, resize)


def damaged(images):
    (images / "cat" / "0.png").write_bytes(b"")
    return read_class_folders(images).paths


def test_unreadable_images_are_listed_and_the_others_keep_their_numbers(images):
    batches = ImageBatches(damaged(images), Preprocessing(16), batch_size=2)
    for _ in range(2):  # a second pass counts afresh
        found = list(batches)
        assert [numbers for numbers, _ in found] == [[0, 1], [3]]
        assert [tuple(tensor.shape) for _, tensor in found] == [(2, 3, 16, 16), (1, 3, 16, 16)]
        assert batches.unreadable == [f"{images / 'cat' / '0.png'}: empty file"]


def test_strict_stops_and_names_the_file(images):
    with pytest.raises(UserError, match=r"cat/0\.png: empty file"):
        list(ImageBatches(damaged(images), Preprocessing(16), batch_size=2, strict=True))


def test_no_readable_image_at_all_is_an_error(images):
    for path in read_class_folders(images).paths:
        path.write_text("no picture")
    with pytest.raises(UserError, match="none of the 4 images could be read"):
        list(ImageBatches(read_class_folders(images).paths, Preprocessing(16), batch_size=3))


def test_workers_change_nothing(images):
    paths = damaged(images)
    plain, parallel = (ImageBatches(paths, Preprocessing(16), batch_size=2, workers=n) for n in (0, 1))
    for (a, x), (b, y) in zip(plain, parallel, strict=True):
        assert a == b
        assert torch.equal(x, y)
    assert plain.unreadable == parallel.unreadable
