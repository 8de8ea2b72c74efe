"""Folders of made images: resuming, refusing, and the sources that cannot be read."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from shapebias.data.decode import UnreadableImage
from shapebias.data.materialize import Skip, materialize, read_unreadable, save_png
from shapebias.errors import UserError
from shapebias.files import locked

MADE: list[str] = []


def write(out: Path, items: str = "abc", *, broken: str = "", seed: int = 0, **options) -> list[str]:
    MADE.clear()

    def make(missing: list[str], skip: Skip) -> Iterator[int]:
        for item in missing:
            if item in broken:
                skip(UnreadableImage(item, "broken"))
                continue
            MADE.append(item)
            save_png(out / f"{item}.png", torch.zeros(3, 2, 2))
            yield 1

    how = {"marker": "set.json", "what": "set", "title": "set", **options}
    return materialize(out, {"seed": seed}, list(items), lambda item: [out / f"{item}.png"], make, **how)


def test_only_what_is_missing_or_empty_is_made(tmp_path):
    out = tmp_path / "out"
    assert write(out) == [] and MADE == ["a", "b", "c"]
    assert sorted(path.name for path in out.iterdir()) == ["a.png", "b.png", "c.png", "set.json", "unreadable.json"]
    (out / "a.png").unlink()
    (out / "b.png").write_bytes(b"")
    (out / ".c.png.x.part").touch()
    assert write(out) == [] and MADE == ["a", "b"]
    (out / ".styles.csv.x.part").touch()  # of a process killed while it wrote its last file
    assert write(out) == [] and MADE == []
    assert not list(out.glob(".*"))


def test_skipped_sources_are_listed_and_tried_again(tmp_path):
    assert write(tmp_path, broken="b") == ["b: broken"] == read_unreadable(tmp_path, "make")
    assert write(tmp_path, unreadable=["z: gone"]) == ["z: gone"] and MADE == ["b"]
    assert json.loads((tmp_path / "unreadable.json").read_text()) == ["z: gone"]
    with pytest.raises(UserError, match="none of the 2 images could be read, first d: broken"):
        write(tmp_path / "other", "de", broken="de")


def test_a_folder_that_is_not_finished_has_no_list(tmp_path):
    write(tmp_path)
    with pytest.raises(UserError, match="unreadable image d: broken"):
        write(tmp_path, "abcd", broken="d", strict=True)
    assert not (tmp_path / "unreadable.json").exists() and read_unreadable(tmp_path, "make") == []
    (tmp_path / "unreadable.json").write_text("{}")
    with pytest.raises(UserError, match="is not a list of files: run the same 'make' again"):
        read_unreadable(tmp_path, "make")


def test_tables_are_written_before_the_list(tmp_path):
    seen: list[bool] = []
    write(tmp_path, finish=lambda: seen.append((tmp_path / "unreadable.json").exists()))
    write(tmp_path / "none", listing=None)
    assert seen == [False] and not (tmp_path / "none" / "unreadable.json").exists()


def test_folders_of_others_are_refused(tmp_path):
    write(tmp_path / "set")
    with pytest.raises(UserError, match=r"another set \(seed: 0 there, 1 now\)"):
        write(tmp_path / "set", seed=1)
    (tmp_path / "photo.jpg").touch()
    with pytest.raises(UserError, match="is not empty"):
        write(tmp_path)
    with locked(tmp_path / "set"), pytest.raises(UserError, match="another process is at work"):
        write(tmp_path / "set")
