"""Making a cue-conflict set: the published naming, an honest draw, resuming, and refusals that teach."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from PIL import Image
from torch import Tensor

from shapebias.cli.main import main
from shapebias.data.decode import load_rgb
from shapebias.data.readers.class_folders import read_class_folders
from shapebias.data.readers.cue_conflict import read_cue_conflict
from shapebias.data.transforms import centre_crop, to_tensor
from shapebias.errors import UserError
from shapebias.stylize import AdaIN, load_stylizer
from shapebias.stylize.conflict_pairs import Sides, choose
from shapebias.stylize.cue_conflict import make_cue_conflict
from shapebias.stylize.settings import CueConflictSettings


def photographs(root: Path, counts: dict[str, int], side: int = 24) -> Path:
    for offset, (name, count) in enumerate(counts.items()):
        (root / name).mkdir(parents=True)
        for number in range(count):
            rng = np.random.default_rng((offset, number))
            pixels = rng.integers(0, 256, (side, side + 6, 3), dtype=np.uint8)
            Image.fromarray(pixels).save(root / name / f"{number:02}.png")
    return root


@pytest.fixture
def source(tmp_path: Path) -> Path:
    return photographs(tmp_path / "photos", {"bear": 6, "cat": 7, "dog": 6})


def make(source: Path, out: Path, strict: bool = False, **options: Any) -> tuple[int, list[str]]:
    stylizer, digest = load_stylizer()
    settings = CueConflictSettings(**options)
    return make_cue_conflict(source, out, stylizer, digest, settings, batch_size=4, strict=strict)


def table(out: Path) -> list[dict[str, str]]:
    return list(csv.DictReader((out / "cue-conflict.csv").read_text().splitlines()))


def test_a_set_has_the_published_form(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    assert make(source, out) == (45, [])  # 9 ordered pairs, 5 of each
    folder = read_cue_conflict(out)
    assert (len(folder), *map(len, folder.skipped.values())) == (30, 15, 0)
    rows = table(out)
    assert {row["file"] for row in rows} == {p.relative_to(out).as_posix() for p in out.rglob("*.png")}
    for row in rows:
        shape, n, texture, m = re.fullmatch(r"\w+/([a-z]+)(\d+)-([a-z]+)(\d+)\.png", row["file"]).groups()  # type: ignore[union-attr]
        assert row["shape_image"] == f"{shape}/{int(n) - 1:02}.png"
        assert row["texture_image"] == f"{texture}/{int(m) - 1:02}.png"
        assert row["shape_image"] != row["texture_image"]
    manifest = json.loads((out / "cue-conflict.json").read_text())
    assert manifest["alpha"] == 0.5 and manifest["stylizer_sha256"] == load_stylizer()[1]
    assert manifest["images_fingerprint"] == read_class_folders(source).fingerprint


def test_pictures_are_the_stylizers_at_alpha(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    make(source, out, alpha=0.25, per_pair=2, same=False, size=20)
    stylizer, _ = load_stylizer()
    rows = table(out)
    assert len(rows) == 12

    def square(name: str) -> Tensor:
        image = load_rgb(source / name)
        return to_tensor(centre_crop(*image.size)(image, 20))[None]

    for row in rows[::5]:
        with torch.inference_mode():
            expected = stylizer(square(row["shape_image"]), square(row["texture_image"]), 0.25)[0]
        found = to_tensor(load_rgb(out / row["file"]))
        assert found.shape == (3, 20, 20)
        assert (found - expected).abs().max() < 1.1 / 255


def test_every_image_is_encoded_once(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[bytes] = []
    real = AdaIN.encode_content

    def counting(self: AdaIN, images: Tensor) -> tuple[Tensor, Tensor]:
        seen.extend(image.numpy().tobytes() for image in images)
        return real(self, images)

    monkeypatch.setattr(AdaIN, "encode_content", counting)
    make(source, tmp_path / "set")
    rows = table(tmp_path / "set")
    assert len(seen) == len({r["shape_image"] for r in rows}) + len({r["texture_image"] for r in rows})


def test_a_pair_does_not_depend_on_the_others(source: Path, tmp_path: Path) -> None:
    def drawn(root: Path, **options: Any) -> set[str]:
        settings = CueConflictSettings(per_pair=3, **options)
        return {c.file for c in choose(read_class_folders(root), settings, Sides(224, True))}

    two = photographs(tmp_path / "two", {"bear": 6, "cat": 7})
    assert drawn(two) < drawn(source)
    assert drawn(source) != drawn(source, seed=1)
    assert len(drawn(source)) == 27


def test_a_killed_run_goes_on_and_a_finished_one_stays(source: Path, tmp_path: Path) -> None:
    out = tmp_path / "set"
    make(source, out, per_pair=2)
    before = {path: path.read_bytes() for path in out.rglob("*.*")}
    gone = sorted(out.rglob("*.png"))[3:9]
    kept = sorted(out.rglob("*.png"))[0].stat().st_mtime_ns
    for path in gone:
        path.unlink()
    (out / "bear" / ".bear1-cat2.png.x.part").touch()
    (out / "cue-conflict.csv").unlink()
    make(source, out, per_pair=2)
    after = {path: path.read_bytes() for path in out.rglob("*.*")}
    assert set(after) == set(before) and sorted(out.rglob("*.png"))[0].stat().st_mtime_ns == kept
    assert all(after[path] == before[path] for path in set(before) - set(gone))
    for path in gone:  # another batch may round a pixel otherwise
        (tmp_path / "before.png").write_bytes(before[path])
        assert (to_tensor(load_rgb(path)) - to_tensor(load_rgb(tmp_path / "before.png"))).abs().max() < 1.1 / 255
    with pytest.raises(UserError, match=r"another cue-conflict set \(alpha: 0.5 there, 0.75 now"):
        make(source, out, per_pair=2, alpha=0.75)


def test_an_unreadable_image_gives_its_place_to_another(source: Path, tmp_path: Path) -> None:
    make(source, tmp_path / "whole", per_pair=3)
    number = int(re.search(r"cat(\d+)", min(p.name for p in (tmp_path / "whole" / "cat").iterdir()))[1])  # a drawn one
    broken = f"{number - 1:02}.png"
    (source / "cat" / broken).write_bytes(b"broken")
    count, unreadable = make(source, tmp_path / "set", per_pair=3)
    assert count == 27 and len(unreadable) == 1 and broken in unreadable[0]
    assert json.loads((tmp_path / "set" / "unreadable.json").read_text()) == unreadable
    whole, now = ({p.name for p in (tmp_path / n).rglob("*.png")} for n in ("whole", "set"))
    assert not [name for name in now if re.search(rf"cat{number}\b", name.replace("-", " "))]
    kept = {name for name in whole if "cat" not in name}
    assert kept <= now
    crossed = [name for name in whole - now if not name.startswith("cat") or "-cat" not in name]
    assert all(re.search(rf"cat{number}(-|\.)", name) for name in crossed)  # the other places stayed as they were
    with pytest.raises(UserError, match=rf"unreadable image .*{number - 1:02}\.png"):
        make(source, tmp_path / "strict", per_pair=3, strict=True)


@pytest.mark.parametrize(
    ("counts", "options", "says"),
    [
        ({"cat": 5, "014": 5}, {}, "'014' in .* has no name of its own in the letters a to z"),
        ({"polar-bear": 5, "polar bear": 5}, {}, "'polar bear'"),
        ({"cat": 5, "Cat": 5}, {}, "rename the folder"),
        ({"cat": 5, "n99999999": 5}, {}, "'n99999999'"),
        ({"cat": 5, "dog": 4}, {}, "dog in .* has 4 images"),
        ({"cat": 5, "dog": 1}, {"per_pair": 1}, "has 1 image, .*--no-same"),
        ({"cat": 5}, {}, "one class only"),
        ({"cat": 5, "dog": 5}, {"alpha": 1.5}, "--alpha"),
        ({"cat": 5, "dog": 5}, {"per_pair": 0}, "--per-pair"),
        ({"cat": 5, "dog": 5}, {"size": 8}, "--size"),
        ({"cat": 5, "dog": 5}, {"seed": -1}, "--seed"),
    ],
)
def test_refusals_teach(tmp_path: Path, counts: dict[str, int], options: dict[str, Any], says: str) -> None:
    source = photographs(tmp_path / "photos", counts)
    with pytest.raises(UserError, match=says) as caught:
        make(source, tmp_path / "set", **options)
    assert "\n" not in str(caught.value) and not (tmp_path / "set").exists()


def test_a_single_image_suffices_without_pairs_of_equals(tmp_path: Path) -> None:
    source = photographs(tmp_path / "photos", {"cat": 1, "dog": 1}, side=8)
    assert make(source, tmp_path / "set", per_pair=1, same=False)[0] == 2
    assert load_rgb(tmp_path / "set" / "cat" / "cat1-dog1.png").size == (16, 16)  # the least a stylizer takes


def test_too_few_readable_images(tmp_path: Path) -> None:
    source = photographs(tmp_path / "photos", {"cat": 3, "dog": 3})
    (source / "dog" / "00.png").write_bytes(b"broken")
    with pytest.raises(UserError, match=r"too few images can be read in .*dog"):
        make(source, tmp_path / "set", per_pair=3)


def test_of_a_divided_folder_the_held_out_part_is_taken(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    counts = {"cat": 2, "dog": 2}
    held_out = photographs(tmp_path / "photos" / "val", counts)
    photographs(tmp_path / "photos" / "train", counts)
    out = tmp_path / "set"
    assert main(["cue-conflict", str(tmp_path / "photos"), "--out", str(out), "--per-pair=1", "--size=16"]) == 0
    assert str(held_out) in capsys.readouterr().err
    manifest = json.loads((out / "cue-conflict.json").read_text())
    assert (manifest["source"], manifest["categories"]) == (str(held_out), ["cat", "dog"])
    assert table(out)[0]["shape_image"].split("/")[0] in counts


def test_splits_of_a_data_set_are_no_categories(tmp_path: Path) -> None:
    source = photographs(tmp_path / "photos", {"train": 6, "training": 6})
    with pytest.raises(UserError, match=r"has train/ and training/ for one split: keep one"):
        make(source, tmp_path / "set")
    (tmp_path / "above").mkdir()
    source.rename(tmp_path / "above" / "val")
    with pytest.raises(UserError, match="has train/ and training/ for one split"):
        make(tmp_path / "above", tmp_path / "set")


def test_the_command(source: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    out = tmp_path / "set"
    assert main(["cue-conflict", str(source), "--out", str(out), "--per-pair", "2", "--no-same", "--size", "16"]) == 0
    assert "12 images" in capsys.readouterr().err
    assert main(["cue-conflict", str(source), "--out", str(source / "in")]) == 2
    assert "choose another --out" in capsys.readouterr().err


def test_imagenets_identifiers_and_other_names_become_words(tmp_path: Path) -> None:
    """``download imagenette photos`` and then ``cue-conflict photos``."""
    source = photographs(tmp_path / "photos", {"n01440764": 1, "n02102040": 1, "French horn": 1, "Café_1": 1})
    assert make(source, tmp_path / "set", per_pair=1, same=False)[0] == 12
    words = {"tench", "englishspringer", "frenchhorn", "cafe"}
    assert {path.name for path in (tmp_path / "set").iterdir() if path.is_dir()} == words
    assert (tmp_path / "set" / "tench" / "tench1-englishspringer1.png").is_file()
    (row,) = [row for row in table(tmp_path / "set") if row["file"] == "tench/tench1-cafe1.png"]
    assert row["shape_image"].split("/")[0] == "n01440764"
    found = read_cue_conflict(tmp_path / "set")
    assert {*found.classes} == words and len(found) == 12
