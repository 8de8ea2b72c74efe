"""The one walk through folders: links, loops, images by their first bytes, and what is passed over and said."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest
from PIL import Image

from shapebias.cli.main import main
from shapebias.data.folders import list_images, loose_images, subfolders
from shapebias.data.readers.class_folders import read_class_folders
from shapebias.errors import UserError
from testkit.images import class_folder, noise_image


def names(root: Path) -> list[str]:
    return [path.relative_to(root).as_posix() for path in list_images(root)]


def test_linked_class_folders_and_images_are_there_for_every_reader(tmp_path):
    class_folder(tmp_path / "elsewhere", ("dog",), 3)
    root = class_folder(tmp_path / "photos", ("bear", "cat"))
    (root / "dog").symlink_to(tmp_path / "elsewhere" / "dog")
    (root / "cat" / "linked.png").symlink_to(tmp_path / "elsewhere" / "dog" / "0.png")
    (root / "cat" / "more").symlink_to(tmp_path / "elsewhere" / "dog")
    read = read_class_folders(root)
    assert list(read.paths) == list_images(root)
    assert {name: read.labels.count(name) for name in read.classes} == {"bear": 2, "cat": 6, "dog": 3}


def test_links_that_lead_back_end_and_are_said(tmp_path, capsys):
    root = class_folder(tmp_path / "photos")
    (root / "cat" / "up").symlink_to(root)
    (root / "cat" / "self").symlink_to(root / "cat")
    (root / "bear" / "top").symlink_to("/")
    (root / "bear" / "circle").symlink_to(root / "bear" / "circle")
    assert names(root) == ["bear/0.png", "bear/1.png", "cat/0.png", "cat/1.png"]
    assert [*read_class_folders(root).paths] == list_images(root)
    assert "3 links back to a folder above (bear/top, cat/self, cat/up)" in capsys.readouterr().err


def test_folders_nested_deeper_than_pythons_stack_are_walked(tmp_path):
    start = os.open(tmp_path, os.O_RDONLY)
    try:
        os.chdir(start)
        for _ in range(1100):
            os.mkdir("d")  # noqa: PTH102 - relative to where it is
            os.chdir("d")
        noise = noise_image(tmp_path / "a.png", 0).read_bytes()
        Path("b.png").write_bytes(noise)
    finally:
        os.chdir(start)
        os.close(start)
    found = [path.name for path in list_images(tmp_path)]
    subprocess.run(["rm", "-rf", tmp_path / "d"], check=True)  # pytest's own removal recurses
    assert found == ["a.png", "b.png"]


@pytest.fixture
def twelve(tmp_path):
    """Twelve photographs of two classes under every ending, or none, and other files beside them."""
    root = tmp_path / "photos"
    for label, shift in (("bear", 0), ("cat", 6)):
        (root / label).mkdir(parents=True)
        image = Image.open(noise_image(tmp_path / "one.png", shift))
        for name, kind in (
            *(("a.jfif", "jpeg"), ("b.jpe", "jpeg"), ("c.JPG", "jpeg"), ("d", "png")),
            *(("e.jpg?w=640", "jpeg"), ("f.photo", "webp")),
        ):
            image.save(root / label / name, format=kind)
    return root


def test_images_of_any_ending_or_none_are_taken_by_their_first_bytes(twelve, capsys):
    assert len(list_images(twelve)) == len(read_class_folders(twelve)) == 12
    assert loose_images(twelve / "cat") == ["a.jfif", "b.jpe", "c.JPG", "d", "e.jpg?w=640", "f.photo"]
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("kind", ["jpeg", "png", "gif", "bmp", "tiff", "webp", "ppm", "jpeg2000"])
def test_every_format_is_known_by_its_first_bytes(tmp_path, kind):
    with Image.open(noise_image(tmp_path / "one.png", 0)) as image:
        (tmp_path / "a").mkdir()
        image.save(tmp_path / "a" / "download", format=kind)
    assert names(tmp_path / "a") == ["download"]


def test_what_is_passed_over_is_counted_and_named_once(tmp_path, capsys):
    root = class_folder(tmp_path / "photos")
    for name in ("cat/a.heic", "cat/b.mov", "bear/c", "bear/d.zip", "bear/labels.txt", "cat/.hidden"):
        (root / name).write_bytes(b"no picture")
    os.mkfifo(root / "cat" / "pipe.png")
    noise_image(root / "stray.png", 0)
    (root / "empty").mkdir()
    read_class_folders(root)
    list_images(root)
    error = capsys.readouterr().err
    assert error.count("\n") == 1 and f"in {root} passed over: " in error
    assert "4 files that are no images of a known kind (bear/c, bear/d.zip, cat/b.mov ...)" in error
    assert "1 photographs of kinds that are not read, to be converted to JPEG or PNG first (cat/a.heic)" in error
    assert "1 images outside of the class folders (stray.png)" in error
    assert "1 folders without an image (empty)" in error


def test_leavings_of_servers_archives_and_desktops_are_no_classes_and_no_images(tmp_path, capsys):
    root = class_folder(tmp_path / "photos", ("bear", "cat"), 6)
    for name in (
        *("@eaDir/0.png/thumb.jpg", "cat/@eaDir/0.png/SYNOPHOTO_THUMB_XL.jpg", "#recycle/old.png"),
        *("__MACOSX/cat/._0.png", "__MACOSX/cat/0.png", ".ipynb_checkpoints/0-checkpoint.png", "$RECYCLE.BIN/x.png"),
    ):
        noise_image(tmp_path / "one.png", 0)
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes((tmp_path / "one.png").read_bytes())
    (root / "cat" / "Thumbs.db").write_bytes(b"x")
    read = read_class_folders(root)
    assert (len(read), read.classes) == (12, ("bear", "cat"))
    assert list(read.paths) == list_images(root) and subfolders(root) == ["bear", "cat"]
    assert "7 files and folders of other programs (#recycle, $RECYCLE.BIN, .ipynb_checkpoints ...)" in (
        capsys.readouterr().err
    )


def test_a_folder_without_images_says_what_was_there(tmp_path):
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.heic").write_bytes(b"x")
    with pytest.raises(
        UserError, match=r"no images below .*1 photographs .* converted to JPEG or PNG first, first a.heic"
    ):
        list_images(tmp_path / "photos")


@pytest.mark.parametrize("command", ["stylize", "corrupt"])
def test_commands_that_make_copies_follow_links(tmp_path, command):
    noise_image(tmp_path / "elsewhere" / "dog" / "x.jfif.png", 0).rename(tmp_path / "elsewhere" / "dog" / "x.jfif")
    root = class_folder(tmp_path / "photos")
    (root / "dog").symlink_to(tmp_path / "elsewhere" / "dog")
    more = ["--corruptions=fog", "--severities=1"] if command == "corrupt" else []
    if more:
        pytest.importorskip("imagecorruptions")
    assert main([command, str(root), "--out", str(tmp_path / "out"), *more]) == 0
    found = {path.parent.name for path in (tmp_path / "out").rglob("*.png" if not more else "*.JPEG")}
    assert found == {"bear", "cat", "dog"}


def test_a_link_to_the_data_set_itself_is_no_class(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    class_folder(tmp_path / "photos")
    (tmp_path / "photos" / "again").symlink_to(".")
    assert read_class_folders(tmp_path / "photos").classes == ("bear", "cat")
    assert "1 links back to a folder above (again)" in capsys.readouterr().err
