"""A folder in K textures: which they are, what is written, and that dimensionality takes it."""

from __future__ import annotations

import json

import pytest

from shapebias.cli.main import main
from shapebias.errors import UserError
from shapebias.evaluators.base import EvalConfig
from shapebias.evaluators.dimensionality.dimensionality import Dimensionality
from shapebias.stylize.settings import GridSettings
from shapebias.stylize.texture_grid import choose_textures, texture_grid
from testkit.images import class_folder, noise_image


@pytest.fixture
def textures(tmp_path):
    """Four textures of three pictures."""
    for c, name in enumerate(("cracked", "marbled", "pleated", "woven")):
        for number in range(3):
            noise_image(tmp_path / "textures" / name / f"{name}_{number}.jpg", 10 * c + number)
    return tmp_path / "textures"


def test_one_picture_is_drawn_of_each_texture(textures):
    drawn = [choose_textures(textures, 3, seed=seed) for seed in range(20)]
    assert all([path.parent.name for path in paths] == ["cracked", "marbled", "pleated"] for paths in drawn)
    assert {paths[0].name for paths in drawn} == {f"cracked_{n}.jpg" for n in range(3)}
    assert drawn[0] == choose_textures(textures, 3, seed=0)
    assert choose_textures(textures, 4, seed=7)[:3] == drawn[7]
    flat = textures / "woven"
    assert choose_textures(flat, 2) == [flat / "woven_0.jpg", flat / "woven_1.jpg"]


def test_too_few_textures_are_refused(textures):
    with pytest.raises(UserError, match="has 4 folders of images, 5 textures were asked for"):
        choose_textures(textures, 5)
    with pytest.raises(UserError, match="has 3 images, 5 textures were asked for"):
        choose_textures(textures / "woven", 5)
    with pytest.raises(UserError, match="--count must be at least 2"):
        choose_textures(textures, 1)


def test_every_image_gets_the_same_textures_once_each(tmp_path, images, textures, stylizer):
    out = tmp_path / "grid"
    bank, unreadable = texture_grid(images, out, textures, stylizer, "digest", GridSettings(count=3))
    assert unreadable == []
    assert [name.split("/")[0] for name in bank.names] == ["cracked", "marbled", "pleated"]
    with (out / "copies.jsonl").open() as file:
        rows = [json.loads(line) for line in file]
    by_view = {}
    for row in rows:
        by_view.setdefault(row["view"], set()).add(row["style"])
    assert len(rows) == 12
    assert [len(styles) for styles in by_view.values()] == [1, 1, 1]
    assert set.union(*by_view.values()) == set(bank.names)
    before = {path: path.stat().st_mtime_ns for path in out.rglob("*.png")}
    texture_grid(images, out, textures, stylizer, "digest", GridSettings(count=3))  # goes on: nothing is left to do
    assert {path: path.stat().st_mtime_ns for path in out.rglob("*.png")} == before
    with pytest.raises(UserError, match="another stylization"):
        texture_grid(images, out, textures, stylizer, "digest", GridSettings(count=2))
    assert Dimensionality(EvalConfig(out, tmp_path / "out")).grid.textures == 3


def test_an_unreadable_texture_is_named(tmp_path, images, textures, stylizer):
    for path in (textures / "marbled").iterdir():
        path.write_bytes(b"")
    with pytest.raises(UserError, match=r"unreadable texture .*marbled"):
        texture_grid(images, tmp_path / "grid", textures, stylizer, "digest", GridSettings(count=3))


NETWORK = """
from torch import nn

def make():
    maps = nn.Sequential(nn.Conv2d(3, 8, 3, stride=4), nn.ReLU())
    return nn.Sequential(maps, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(8, 2))
"""


@pytest.mark.parametrize("classes", [True, False])
def test_from_the_command_line_to_a_figure(tmp_path, textures, classes, monkeypatch, capsys):
    source = class_folder(tmp_path / "images")
    source = source if classes else source / "cat"
    grid, out = tmp_path / "grid", tmp_path / "out"
    status = main(["texture-grid", str(source), "--out", str(grid), "--textures", str(textures), "--count", "3"])
    assert (status, "dimensionality=" in capsys.readouterr().err) == (0, True)
    (tmp_path / "small_network.py").write_text(NETWORK)
    monkeypatch.syspath_prepend(tmp_path)
    command = ["evaluate", "small_network:make", "--evaluators", "dimensionality", "--data", f"dimensionality={grid}"]
    status = main([*command, "--out", str(out), "--device", "cpu", "--pairs", "30", "--stage", "0"])
    assert status == 0, capsys.readouterr().err
    (path,) = out.glob("*/neurons.json")
    written = json.loads(path.read_text())
    assert written["stage"] == "0"
    images = [image for factor in ("shape", "texture") for one in written[factor] for image in one["images"]]
    assert all(0 < image["x"] < 1 and 0 < image["y"] < 1 for image in images)
    assert images
