"""Tar shards in WebDataset layout: copies with the samples' other fields, resuming, and shards cut short."""

from __future__ import annotations

import io
import json
import tarfile

import pytest
import torch

from shapebias.data.decode import load_rgb
from shapebias.errors import UserError
from shapebias.stylize import AdaIN, StyleBank
from shapebias.stylize.folder import stylize_folder
from shapebias.stylize.settings import StylizeSettings
from shapebias.stylize.shards import stylize_shards
from testkit.images import nearly_same, noise_image

pytest.importorskip("webdataset", reason="webdataset is not installed")


@pytest.fixture
def stylizer():
    torch.manual_seed(0)
    return AdaIN(channels=(4, 4, 8), blocks=1).eval().requires_grad_(False)


@pytest.fixture
def bank(stylizer):
    codes = stylizer.encode_style(torch.rand(5, 3, 32, 32, generator=torch.Generator().manual_seed(1)))
    return StyleBank(codes, tuple("abcde"), "digest")


@pytest.fixture
def shards(tmp_path):
    """Two shards of two images each, which ``photos`` holds too."""
    for number in range(4):
        noise_image(tmp_path / "photos" / f"{number}.png", number, (32 + number % 2, 30))
    (tmp_path / "shards").mkdir()
    for number in range(2):
        with tarfile.open(tmp_path / "shards" / f"{number}.tar", "w") as tar:
            for image in (2 * number, 2 * number + 1):
                content = (tmp_path / "photos" / f"{image}.png").read_bytes()
                for name, data in ((f"{image}.png", content), (f"{image}.cls", str(image).encode())):
                    entry = tarfile.TarInfo(name)
                    entry.size = len(data)
                    tar.addfile(entry, io.BytesIO(data))
    return tmp_path / "shards"


def members(path):
    with tarfile.open(path) as tar:
        return {entry.name: tar.extractfile(entry).read() for entry in tar}


def test_copies_are_those_of_a_folder_with_the_other_fields(tmp_path, shards, stylizer, bank):
    settings, out = StylizeSettings(), tmp_path / "out"
    assert stylize_shards(shards, out, stylizer, bank, settings) == []
    stylize_folder(tmp_path / "photos", tmp_path / "copies", stylizer, bank, settings)
    made = members(out / "0.tar") | members(out / "1.tar")
    assert sorted(made) == sorted(f"{i}-style{v}.{kind}" for i in range(4) for v in range(2) for kind in ("cls", "png"))
    for image in range(4):
        for view in range(2):
            assert made[f"{image}-style{view}.cls"] == str(image).encode()
            (tmp_path / "one.png").write_bytes(made[f"{image}-style{view}.png"])
            assert nearly_same(tmp_path / "one.png", tmp_path / "copies" / f"{image}.png-style{view}.png")
    lines = [json.loads(line) for line in (out / "1.jsonl").read_text().splitlines()]
    assert [(line["image"], line["view"]) for line in lines] == [(f"{i}.png", v) for i in (2, 3) for v in range(2)]
    assert load_rgb(tmp_path / "one.png").size == (33, 30)


def test_a_killed_job_resumes_with_the_shards_that_are_missing(tmp_path, shards, stylizer, bank):
    stylize_shards(shards, tmp_path / "out", stylizer, bank, StylizeSettings())
    whole = {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()}
    (tmp_path / "out" / "1.tar").unlink()
    (tmp_path / "out" / ".unpacked-3").mkdir()
    kept = (tmp_path / "out" / "0.tar").stat().st_mtime_ns
    stylize_shards(shards, tmp_path / "out", stylizer, bank, StylizeSettings())
    assert {path.name: path.read_bytes() for path in (tmp_path / "out").iterdir()} == whole
    assert (tmp_path / "out" / "0.tar").stat().st_mtime_ns == kept


def test_a_shard_cut_short_is_named_and_fatal_under_strict(tmp_path, shards, stylizer, bank):
    path = shards / "1.tar"
    path.write_bytes(path.read_bytes()[: 512 * 9 + 100])
    found = stylize_shards(shards, tmp_path / "out", stylizer, bank, StylizeSettings())
    assert len(found) == 1
    assert found[0].startswith("1.tar: cut short or damaged after ")
    assert "<_io" not in found[0]
    assert json.loads((tmp_path / "out" / "unreadable.json").read_text()) == found
    assert len(members(tmp_path / "out" / "0.tar")) == 8
    with pytest.raises(UserError, match=r"1\.tar: cut short"):
        stylize_shards(shards, tmp_path / "strict", stylizer, bank, StylizeSettings(), strict=True)


def test_unreadable_images_and_samples_without_one_are_named(tmp_path, shards, stylizer, bank):
    with tarfile.open(shards / "2.tar", "w") as tar:
        for name, data in (("bad.jpg", b"no image"), ("../../text.txt", b"words")):
            entry = tarfile.TarInfo(name)
            entry.size = len(data)
            tar.addfile(entry, io.BytesIO(data))
    found = stylize_shards(shards, tmp_path / "out", stylizer, bank, StylizeSettings())
    assert found[0].startswith("2.tar: its sample ")
    assert found[1] == "2.tar/bad.jpg: not an image"
    assert members(tmp_path / "out" / "2.tar") == {}


def test_a_folder_without_shards_is_refused(tmp_path, stylizer, bank):
    with pytest.raises(UserError, match=r"no \.tar files"):
        stylize_shards(tmp_path, tmp_path / "out", stylizer, bank, StylizeSettings())
