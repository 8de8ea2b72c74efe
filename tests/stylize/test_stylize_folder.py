"""Stylized folders: names, record, resuming, refusing, and what is left out."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch

from shapebias.data import ahead
from shapebias.data.ahead import same_size_batches
from shapebias.data.decode import load_rgb
from shapebias.data.transforms import to_tensor
from shapebias.errors import UserError
from shapebias.stylize.folder import stylize_folder, stylized_views, unreadable_sources, view_path
from shapebias.stylize.settings import StylizeSettings
from testkit.images import class_folder, killed_at_image, noise_image


@pytest.fixture
def out(tmp_path):
    return tmp_path / "out"


def copies(out):
    return sorted(path.relative_to(out).as_posix() for path in out.rglob("*.png"))


def style_rows(out):
    with (out / "copies.jsonl").open() as file:
        return [json.loads(line) for line in file]


def test_every_image_gets_its_copies_a_manifest_and_a_list(images, out, stylizer, bank):
    settings = StylizeSettings(per_image=3, alpha=0.5, seed=7)
    assert stylize_folder(images, out, stylizer, bank, settings) == []
    names = [f"{c}/{i}.png-style{v}.png" for c in ("bear", "cat") for i in range(2) for v in range(3)]
    assert copies(out) == names
    manifest = json.loads((out / "stylize.json").read_text())
    wanted = {"per_image": 3, "alpha": 0.5, "seed": 7, "same_styles": False, "size": 256, "stylizer_sha256": "stylizer"}
    assert wanted.items() <= manifest.items()
    assert stylized_views(out) == 3
    rows = style_rows(out)
    assert [(row["image"], row["view"]) for row in rows] == [
        (f"{c}/{i}.png", v) for c in ("bear", "cat") for i in range(2) for v in range(3)
    ]
    for row in rows:  # each copy is its image in the style the list says
        content = to_tensor(load_rgb(images / row["image"]))[None]
        code = bank.codes[[bank.names.index(row["style"])]]
        wanted_pixels = stylizer.stylize(content, code, 0.5)[0]
        copy = load_rgb(view_path(out, images, images / row["image"], int(row["view"])))
        torch.testing.assert_close(to_tensor(copy), wanted_pixels, atol=1.5 / 255, rtol=0)


def test_styles_depend_on_seed_and_name_alone(tmp_path, images, stylizer, bank):
    settings = StylizeSettings(seed=3)
    stylize_folder(images, tmp_path / "a", stylizer, bank, settings, batch_size=1)
    first = {(row["image"], row["view"]): row["style"] for row in style_rows(tmp_path / "a")}
    noise_image(images / "ant" / "new.png", 9)
    stylize_folder(images, tmp_path / "b", stylizer, bank, settings, batch_size=4)
    second = {(row["image"], row["view"]): row["style"] for row in style_rows(tmp_path / "b")}
    assert first.items() <= second.items()
    assert len(second) == len(first) + 2
    stylize_folder(images, tmp_path / "c", stylizer, bank, StylizeSettings(seed=4))
    assert second != {(row["image"], row["view"]): row["style"] for row in style_rows(tmp_path / "c")}


def test_same_styles_are_the_same_for_every_image(images, out, stylizer, bank):
    stylize_folder(images, out, stylizer, bank, StylizeSettings(per_image=3, same_styles=True))
    by_view = [{row["style"] for row in style_rows(out) if row["view"] == view} for view in range(3)]
    assert [len(styles) for styles in by_view] == [1, 1, 1]
    assert len(set.union(*by_view)) == 3


def test_a_killed_run_resumes_and_keeps_what_is_there(images, out, stylizer, bank, monkeypatch):
    killed_at_image(5, monkeypatch)
    with pytest.raises(KeyboardInterrupt):
        stylize_folder(images, out, stylizer, bank, StylizeSettings(), batch_size=1)
    monkeypatch.undo()
    there = copies(out)
    assert 4 <= len(there) < 8  # how many after the first image's depends on the threads that were writing
    assert not list(out.rglob(".*"))
    for name in there:
        load_rgb(out / name)
    with pytest.raises(UserError, match="not finished"):
        stylized_views(out)
    kept = {name: (out / name).stat().st_mtime_ns for name in there[:2]}  # both copies of the first image
    stylize_folder(images, out, stylizer, bank, StylizeSettings(), batch_size=1)
    assert len(copies(out)) == 8
    assert {name: (out / name).stat().st_mtime_ns for name in kept} == kept
    assert stylized_views(out) == 2


def test_resuming_ends_as_a_run_in_one_go_does(tmp_path, images, stylizer, bank):
    whole, broken = tmp_path / "whole", tmp_path / "broken"
    for out in (whole, broken):
        stylize_folder(images, out, stylizer, bank, StylizeSettings(), batch_size=1)
    (broken / "cat" / "0.png-style1.png").unlink()
    (broken / "copies.jsonl").unlink()
    stylize_folder(images, broken, stylizer, bank, StylizeSettings(), batch_size=1)
    assert copies(whole) == copies(broken)
    for name in (*copies(whole), "copies.jsonl"):
        assert (whole / name).read_bytes() == (broken / name).read_bytes()


@pytest.mark.parametrize("change", [{"alpha": 0.5}, {"seed": 1}, {"per_image": 1}, {"size": 32}, {"same_styles": True}])
def test_other_settings_in_the_same_folder_are_refused(images, out, stylizer, bank, change):
    stylize_folder(images, out, stylizer, bank, StylizeSettings())
    with pytest.raises(UserError, match=f"another stylization .*{next(iter(change))}"):
        stylize_folder(images, out, stylizer, bank, StylizeSettings(**change))
    noise_image(images / "cat" / "new.png", 1)
    with pytest.raises(UserError, match="images_fingerprint"):
        stylize_folder(images, out, stylizer, bank, StylizeSettings())


def test_folders_that_would_mix_originals_and_copies_are_refused(images, stylizer, bank):
    for out in (images, images / "stylized", images / "cat" / ".." / "x"):
        with pytest.raises(UserError, match="lies in"):
            stylize_folder(images, out, stylizer, bank, StylizeSettings())
    assert len(list(images.rglob("*"))) == 6


def test_mixed_sizes_keep_their_shape_and_large_ones_are_reduced(tmp_path, out, stylizer, bank):
    source = tmp_path / "source"
    sizes = {"a": (40, 32), "b": (32, 40), "c": (90, 60), "d": (40, 32), "e": (7, 5), "f": (200, 20)}
    for number, (name, size) in enumerate(sizes.items()):
        noise_image(source / f"{name}.png", number, size)
    stylize_folder(source, out, stylizer, bank, StylizeSettings(per_image=1, size=32), batch_size=2)
    found = {path.name[0]: load_rgb(path).size for path in out.glob("*.png")}
    assert found == {"a": (40, 32), "b": (32, 40), "c": (48, 32), "d": (40, 32), "e": (16, 16), "f": (200, 20)}


def test_batches_have_one_size_from_the_headers_whatever_the_order(tmp_path, monkeypatch):
    paths = [noise_image(tmp_path / f"{n:02}.png", n, (20 + n % 7, 20)) for n in range(30)]
    (tmp_path / "no.png").write_bytes(b"no image")
    made = list(same_size_batches([*paths, tmp_path / "no.png"], lambda size: size, 3))
    assert sorted(path for batch in made for path in batch) == sorted([*paths, tmp_path / "no.png"])
    assert made[-1] == (tmp_path / "no.png",)
    assert all(len({load_rgb(path).size for path in batch}) == 1 for batch in made[:-1])
    assert sorted(map(len, made[:-1])) == [1] * 5 + [2] * 2 + [3] * 7  # of 7 sizes, 2 have 5 images and 5 have 4
    monkeypatch.setattr(ahead, "PIXELS", 2 * 23 * 20)  # of large images fewer
    assert max(map(len, same_size_batches(paths, lambda size: size, 3))) == 2
    monkeypatch.setattr(ahead, "CHUNK", 7)  # the headers of seven images at a time
    assert sorted(p for batch in same_size_batches(paths, lambda size: size, 3) for p in batch) == paths


def test_unreadable_images_are_listed_and_have_no_rows(images, out, stylizer, bank):
    (images / "cat" / "0.png").write_bytes(b"")
    reason = f"{images / 'cat' / '0.png'}: empty file"
    for _ in range(2):  # a second run over a finished folder says it again
        assert stylize_folder(images, out, stylizer, bank, StylizeSettings()) == [reason]
        assert unreadable_sources(out) == [reason]
        assert len(copies(out)) == 6
        assert {row["image"] for row in style_rows(out)} == {"bear/0.png", "bear/1.png", "cat/1.png"}


def test_strict_stops_at_an_unreadable_image(images, out, stylizer, bank):
    (images / "cat" / "0.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"unreadable image .*cat/0\.png: empty file"):
        stylize_folder(images, out, stylizer, bank, StylizeSettings(), strict=True)
    with pytest.raises(UserError, match="not finished"):
        stylized_views(out)


def test_no_readable_image_is_an_error(images, out, stylizer, bank):
    for path in images.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match="none of the 4 images could be read"):
        stylize_folder(images, out, stylizer, bank, StylizeSettings())


@pytest.mark.parametrize(
    "settings",
    [
        {"alpha": -0.1},
        {"alpha": 1.1},
        {"alpha": np.nan},
        {"alpha": np.inf},
        {"per_image": 0},
        {"size": 15},
        {"seed": -1},
    ],
)
def test_settings_out_of_range_are_refused(settings):
    with pytest.raises(UserError, match=next(iter(settings)).replace("_", "-")):
        StylizeSettings(**settings)


def test_batches_of_none_and_too_few_styles_are_refused(images, out, stylizer, bank):
    with pytest.raises(UserError, match="--batch-size"):
        stylize_folder(images, out, stylizer, bank, StylizeSettings(), batch_size=0)
    with pytest.raises(UserError, match="13 different styles"):
        stylize_folder(images, out, stylizer, bank, StylizeSettings(per_image=13))
    assert not out.exists()


def test_a_foreign_folder_is_no_stylized_one(tmp_path):
    class_folder(tmp_path / "x")
    with pytest.raises(UserError, match="was not made by 'shapebias stylize'"):
        stylized_views(tmp_path / "x")
