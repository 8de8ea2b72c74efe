"""The generated data set: the same bytes every time, named as published, and worth looking at."""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from shapebias.data.shapes16 import CATEGORIES, MANIFEST, count, generate, render_image, render_mask, texture
from shapebias.data.shapes16.generate import _plan
from shapebias.errors import UserError

SMALL = {"size": 32, "train_per_class": 2, "test_per_class": 1, "conflict_per_pair": 1, "silhouettes_per_class": 1}


def hashes(folder: Path) -> dict[str, str]:
    return {
        p.relative_to(folder).as_posix(): hashlib.sha256(p.read_bytes()).hexdigest()
        for p in sorted(folder.rglob("*.png"))
    }


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, dict]:
    folder = tmp_path_factory.mktemp("shapes16") / "data"
    return folder, generate(folder, **SMALL)


def test_the_sixteen_categories_in_the_published_order() -> None:
    assert len(CATEGORIES) == 16
    assert list(CATEGORIES) == sorted(CATEGORIES)


def test_same_bytes_again(made: tuple[Path, dict], tmp_path: Path) -> None:
    folder, manifest = made
    calls: list[int] = []
    again = generate(tmp_path / "again", **SMALL, on_image=lambda: calls.append(1))
    assert again == manifest
    assert hashes(tmp_path / "again") == hashes(folder)
    counts = {k: v for k, v in SMALL.items() if k != "size"}
    assert len(calls) == count(**counts)["total"] == len(hashes(folder))


def test_larger_counts_change_no_image_and_another_seed_changes_all(made: tuple[Path, dict], tmp_path: Path) -> None:
    few = hashes(made[0])
    more = {**SMALL, "train_per_class": 3, "test_per_class": 0, "silhouettes_per_class": 2, "conflict_per_pair": 0}
    generate(tmp_path / "more", **more)
    many = hashes(tmp_path / "more")
    shared = few.keys() & many.keys()
    assert len(shared) == 16 * 3
    assert all(few[name] == many[name] for name in shared)
    generate(tmp_path / "other", **{**more, "train_per_class": 1}, seed=1)
    other = hashes(tmp_path / "other")
    assert not set(other.values()) & set(many.values())


def test_no_picture_twice(made: tuple[Path, dict]) -> None:
    found = hashes(made[0])
    assert len(set(found.values())) == len(found)


def test_manifest(made: tuple[Path, dict]) -> None:
    folder, manifest = made
    assert json.loads((folder / MANIFEST).read_text()) == manifest
    total = hashlib.sha256()
    for name in sorted(hashes(folder)):
        total.update((folder / name).read_bytes())
    assert manifest["sha256"] == total.hexdigest()
    assert manifest["images"]["total"] == len(hashes(folder))


def test_names_and_counts(made: tuple[Path, dict]) -> None:
    folder, _ = made
    for split, each in (("train", 2), ("test", 1), ("silhouettes", 1)):
        for name in CATEGORIES:
            files = sorted(p.name for p in (folder / split / name).iterdir())
            assert files == [f"{name}{n}.png" for n in range(1, each + 1)]
    conflict = sorted((folder / "cue-conflict").rglob("*.png"))
    pairs = set()
    for path in conflict:
        match = re.fullmatch(r"([a-z]+)(\d+)-([a-z]+)(\d+)\.png", path.name)
        assert match is not None
        assert path.parent.name == match[1]
        assert {match[1], match[3]} <= set(CATEGORIES)
        assert match[1] != match[3]
        pairs.add((match[1], match[3]))
    assert len(pairs) == len(conflict) == 240
    for name in CATEGORIES:
        numbers = [re.match(r"[a-z]+(\d+)-", p.name) for p in (folder / "cue-conflict" / name).iterdir()]
        assert len({m[1] for m in numbers if m}) == 15
    with Image.open(conflict[0]) as image:
        assert (image.mode, image.size) == ("RGB", (32, 32))


def test_more_images_a_pair_keep_their_numbers_apart() -> None:
    parameters = {**SMALL, "train_per_class": 0, "test_per_class": 0, "silhouettes_per_class": 0, "own": 0.9, "seed": 0}
    once = [path for path, *_ in _plan({**parameters, "conflict_per_pair": 1})]
    twice = [path for path, *_ in _plan({**parameters, "conflict_per_pair": 2})]
    assert len(set(twice)) == 480
    assert set(once) < set(twice)
    assert len({path.split("-")[1] for path in (p.rsplit("/", 1)[1] for p in twice)}) == 480


def test_same_parameters_return_at_once_and_others_are_refused(made: tuple[Path, dict]) -> None:
    folder, manifest = made
    calls: list[int] = []
    assert generate(folder, **SMALL, on_image=lambda: calls.append(1)) == manifest
    assert not calls
    with pytest.raises(UserError, match="seed 0 there, 5 now"):
        generate(folder, **SMALL, seed=5)


def test_an_interrupted_run_goes_on(tmp_path: Path) -> None:
    few = {**SMALL, "conflict_per_pair": 0}
    manifest = generate(tmp_path / "whole", **few)

    class Stop(Exception):
        pass

    left = iter(range(20))

    def stop() -> None:
        if next(left, None) is None:
            raise Stop

    with pytest.raises(Stop):
        generate(tmp_path / "cut", **few, on_image=stop)
    assert "sha256" not in json.loads((tmp_path / "cut" / MANIFEST).read_text())
    assert generate(tmp_path / "cut", **few) == manifest
    assert hashes(tmp_path / "cut") == hashes(tmp_path / "whole")


@pytest.mark.parametrize(
    ("wrong", "text"),
    [({"size": 4}, "size"), ({"own": 1.5}, "own"), ({"test_per_class": -1}, "test-per-class"), ({"seed": -1}, "seed")],
)
def test_wrong_parameters_are_named(tmp_path: Path, wrong: dict, text: str) -> None:
    with pytest.raises(UserError, match=text):
        generate(tmp_path, **{**SMALL, **wrong})
    assert not list(tmp_path.iterdir())


def test_other_people_s_pictures_are_not_mixed_with_ours(tmp_path: Path) -> None:
    (tmp_path / "train" / "cat").mkdir(parents=True)
    (tmp_path / "train" / "cat" / "cat1.png").write_bytes(b"my own")
    with pytest.raises(UserError, match=r"not empty .* 1 \(train\): choose another"):
        generate(tmp_path, **SMALL)
    assert (tmp_path / "train" / "cat" / "cat1.png").read_bytes() == b"my own"
    with pytest.raises(UserError, match="is a file"):
        generate(tmp_path / "train" / "cat" / "cat1.png", **SMALL)


def test_unknown_names_are_refused_with_the_nearest() -> None:
    rng = np.random.default_rng(0)
    with pytest.raises(UserError, match="'elephant'"):
        render_image("elefant", None, 32, rng)
    with pytest.raises(UserError, match="'knife'"):
        render_image("cat", "knive", 32, rng)


@pytest.mark.parametrize("name", CATEGORIES)
def test_figures_lie_inside_the_frame_and_differ(name: str) -> None:
    masks = np.stack([render_mask(name, 64, np.random.default_rng((3, n))) for n in range(12)])
    border = np.ones((64, 64), bool)
    border[1:-1, 1:-1] = False
    assert masks[:, border].max() == 0
    for mask in masks:
        rows, columns = np.nonzero(mask.max(axis=1) > 0.5)[0], np.nonzero(mask.max(axis=0) > 0.5)[0]
        side = max(np.ptp(rows), np.ptp(columns)) / 64
        assert 0.45 <= side <= 0.92
        assert 0.02 <= mask.mean() <= 0.65
    solid = masks > 0.5
    overlaps = [(a & b).sum() / (a | b).sum() for i, a in enumerate(solid) for b in solid[:i]]
    assert max(overlaps) < 0.97
    assert np.mean(overlaps) < 0.8


def test_a_silhouette_is_black_on_white() -> None:
    for name in CATEGORIES:
        image = np.asarray(render_image(name, None, 64, np.random.default_rng(1)))
        assert image.shape == (64, 64, 3)
        assert (image[..., 0] == image[..., 1]).all()
        assert (image[..., 0] == image[..., 2]).all()
        assert np.isin(image, (0, 255)).mean() > 0.6
        assert image[0].min() == 255
        assert image.min() == 0


def test_the_same_draw_puts_the_same_figure_in_any_texture() -> None:
    plain = np.asarray(render_image("cat", None, 64, np.random.default_rng(4)))[..., 0] < 64
    shown = [np.asarray(render_image("cat", t, 64, np.random.default_rng(4))).astype(int) for t in ("car", "bottle")]
    changed = np.abs(shown[0] - shown[1]).max(axis=-1)
    assert changed[plain].min() > 8
    assert changed[0].max() == 0


def features(patch: np.ndarray) -> np.ndarray:
    grey = patch @ np.array([0.299, 0.587, 0.114])
    steps = [np.abs(np.diff(grey, axis=0)).mean(), np.abs(np.diff(grey, axis=1)).mean()]
    return np.concatenate([patch.mean((0, 1)), patch.std((0, 1)), 2 * np.array(steps)])


def test_textures_are_told_apart_from_small_patches() -> None:
    def sample(seed: int, n: int) -> np.ndarray:
        patches = [
            [texture(t, 64, np.random.default_rng((seed, k, n)))[:20, :20] for n in range(n)]
            for k, t in enumerate(CATEGORIES)
        ]
        return np.array([[features(patch) for patch in row] for row in patches])

    means = sample(0, 8).mean(axis=1)
    test = sample(1, 8)
    guess = np.linalg.norm(test[:, :, None] - means, axis=-1).argmin(axis=-1)
    assert (guess == np.arange(16)[:, None]).mean() > 0.8


def test_textures_are_alike_in_strength_and_the_outline_is_the_stronger_edge() -> None:
    weights = np.array([0.299, 0.587, 0.114])
    for name in CATEGORIES:
        grey = np.array([texture(name, 64, np.random.default_rng((2, n))) @ weights for n in range(4)])
        assert grey.min() >= 0
        assert grey.max() <= 1
        assert 0.3 < grey.mean() < 0.7
        assert 0.05 < grey.std(axis=(1, 2)).mean() < 0.11
        contrast = []
        for n in range(4):
            rng = np.random.default_rng((6, n))
            image = np.asarray(render_image("elephant", name, 64, rng)) @ weights / 255
            inside = np.asarray(render_image("elephant", None, 64, np.random.default_rng((6, n))))[..., 0] == 0
            contrast.append(abs(image[inside].mean() - image[0].mean()) / image[inside].std())
        assert np.mean(contrast) > 2


def test_the_background_does_not_tell_the_category() -> None:
    one = np.asarray(render_image("car", "car", 48, np.random.default_rng(9)))
    two = np.asarray(render_image("knife", "bear", 48, np.random.default_rng(9)))
    assert np.abs(one[0].astype(int) - two[0].astype(int)).max() <= 2


def test_own_is_the_share_of_figures_in_their_own_texture(tmp_path: Path) -> None:
    size = {"size": 16, "train_per_class": 3, "test_per_class": 0, "conflict_per_pair": 0, "silhouettes_per_class": 0}
    generate(tmp_path / "own", **size, own=1.0)
    generate(tmp_path / "none", **size, own=0.0)
    generate(tmp_path / "most", **size, own=0.9)
    own, none, most = (hashes(tmp_path / name) for name in ("own", "none", "most"))
    assert not any(own[name] == none[name] for name in own)
    assert all(most[name] in (own[name], none[name]) for name in own)
    assert np.mean([most[name] == own[name] for name in own]) > 0.7
