"""Photographs as people have them: layouts, labels of loose images, the fast scan, and Imagenette."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import re
import tarfile
import threading
from functools import partial
from pathlib import Path

import pytest
import torch

from shapebias.cli.main import main
from shapebias.data.download import download_imagenette
from shapebias.data.folders import IMAGE_SUFFIXES, list_images
from shapebias.data.image_set import ImageSet, fingerprint
from shapebias.data.readers import class_folders as layouts
from shapebias.data.readers.class_folders import check_same_classes, read_class_folders, training_images
from shapebias.errors import UserError
from shapebias.libraries import torchvision
from testkit.imagenet_layout import CLASS_OF, CSV, VAL, WNIDS
from testkit.images import class_folder, noise_image

TXT = "".join(f"{name}.JPEG {c}\n" for name, c in CLASS_OF.items())


def imagenet(base: Path) -> Path:
    """``base`` as ImageNet's CLS-LOC folder: train in folders, val loose."""
    for c, wnid in enumerate(WNIDS):
        noise_image(base / "train" / wnid / f"{wnid}_1.JPEG", c)
    for n, name in enumerate(VAL):
        noise_image(base / "val" / f"{name}.JPEG", 10 + n)
    return base


@pytest.fixture
def flat(tmp_path):
    return imagenet(tmp_path / "a" / "b" / "photos")


def found_classes(folder: ImageSet) -> dict[str, int]:
    return {path.stem: WNIDS.index(label) for path, label in zip(folder.paths, folder.labels, strict=True)}


def same_images(one: ImageSet | None, other: ImageSet | None) -> bool:
    assert one is not None and other is not None
    return (one.root, one.paths, one.labels) == (other.root, other.paths, other.labels)


def message(call) -> str:
    with pytest.raises(UserError) as caught:
        call()
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_class_folders_directly_below(images):
    assert same_images(training_images(images), read_class_folders(images))
    assert layouts.evaluation_images(images) is None


@pytest.mark.parametrize("name", ["val", "test", "validation"])
def test_train_and_test_folders_also_by_links(tmp_path, name):
    class_folder(tmp_path / "elsewhere" / "one")
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "train").symlink_to(tmp_path / "elsewhere" / "one")
    class_folder(tmp_path / "photos" / name, ("bear",))
    (tmp_path / "photos" / name / "cat").symlink_to(tmp_path / "elsewhere" / "one" / "cat")
    train, test = training_images(tmp_path / "photos"), layouts.evaluation_images(tmp_path / "photos")
    assert test is not None
    assert (train.root, test.root) == (tmp_path / "photos" / "train", tmp_path / "photos" / name)
    assert len(train) == len(test) == 4
    check_same_classes(train, test)


@pytest.mark.parametrize("levels", [0, 1, 2, 3])
def test_imagenet_as_published_from_any_of_its_folders(tmp_path, levels):
    root = tmp_path / "imagenet"
    imagenet(root / "ILSVRC" / "Data" / "CLS-LOC")
    (root / "LOC_val_solution.csv").write_text(CSV)
    given = root.joinpath(*("ILSVRC", "Data", "CLS-LOC")[:levels])
    train = training_images(given)
    test = layouts.evaluation_images(given, train.classes)
    assert train.classes == WNIDS
    assert test is not None and test.root == root / "ILSVRC" / "Data" / "CLS-LOC" / "val"
    assert found_classes(test) == CLASS_OF
    assert test.targets.tolist() == sorted(test.targets.tolist())
    check_same_classes(train, test)
    assert same_images(layouts.evaluation_images(given), test)


@pytest.mark.parametrize("place", [".", "val", "..", "../.."])
def test_the_solution_may_lie_in_folders_above(flat, place, monkeypatch):
    (flat / place / "LOC_val_solution.csv").write_text("\ufeff" + CSV, encoding="utf-8")
    monkeypatch.chdir(flat)
    for root in (flat, Path()):
        test = layouts.evaluation_images(root)
        assert test and found_classes(test) == CLASS_OF


@pytest.mark.parametrize("name", ["val.txt", "val/val.txt", "ILSVRC2012_val.txt", "val/ILSVRC2012_val.txt"])
@pytest.mark.parametrize("prefix", ["", "val/"])
def test_caffe_lists_count_in_the_sorted_classes(flat, name, prefix):
    (flat / name).write_text("".join(prefix + line + "\n" for line in TXT.splitlines()) + "\n")
    for classes in (None, WNIDS, WNIDS[::-1]):
        test = layouts.evaluation_images(flat, classes)
        assert test and found_classes(test) == CLASS_OF


def test_sorted_into_folders_it_is_the_plain_case(flat):
    for name, c in CLASS_OF.items():
        (flat / "val" / WNIDS[c]).mkdir(exist_ok=True)
        (flat / "val" / f"{name}.JPEG").rename(flat / "val" / WNIDS[c] / f"{name}.JPEG")
    test = layouts.evaluation_images(flat)
    assert same_images(test, read_class_folders(flat / "val"))
    noise_image(flat / "val" / f"{VAL[0]}.JPEG", 1)
    assert "1 images beside them" in message(lambda: layouts.evaluation_images(flat))


def test_loose_images_without_labels_name_both_files(flat):
    text = message(lambda: layouts.evaluation_images(flat))
    assert "LOC_val_solution.csv" in text and "val.txt" in text and str(flat / "val") in text


def without(row: int) -> str:
    return "\n".join(line for n, line in enumerate(CSV.splitlines()) if n != row)


@pytest.mark.parametrize(
    ("name", "text", "expected"),
    [
        ("LOC_val_solution.csv", CSV + f"gone_1,{WNIDS[0]} 1\ngone_0,{WNIDS[0]} 1\n", "not in .*2 .gone_0, gone_1"),
        ("LOC_val_solution.csv", without(3), f"no row for images in .*1 .{VAL[2]}"),
        ("LOC_val_solution.csv", CSV.replace(WNIDS[1], "n99"), "does not|do not have: 1 .n99"),
        ("LOC_val_solution.csv", CSV + f"{VAL[0]},{WNIDS[0]} 1\n", "line 8: .* another class"),
        ("LOC_val_solution.csv", CSV + "x,\n", "line 8: an image and its class"),
        ("LOC_val_solution.csv", CSV + "x\n", "line 8: 1 fields where the header has 2"),
        ("LOC_val_solution.csv", CSV.replace("ImageId", "Image"), "line 1: no column ImageId"),
        ("LOC_val_solution.csv", "", "is empty"),
        ("LOC_val_solution.csv", b"ImageId,PredictionString\n\xff\xfe\n", "not UTF-8"),
        ("LOC_val_solution.csv", f"ImageId,PredictionString\nx,{'y' * 200_000}\n", "not readable as CSV"),
        ("val.txt", TXT.replace(" 1", " one"), "line 3: expected 'filename index'"),
        ("val.txt", TXT.replace(" 2", " 3"), "3 indices, up to 3, but .* 3 classes"),
        ("val.txt", TXT.replace(" 2", " 1"), "2 indices, up to 1, but .* 3 classes"),
        ("val.txt", "".join(f"{name} {n}\n" for n, name in enumerate(VAL, 1)), "6 indices, up to 6"),
    ],
)
def test_labels_that_do_not_fit_are_refused(flat, name, text, expected):
    (flat / name).write_bytes(text if isinstance(text, bytes) else text.encode())
    with pytest.raises(UserError, match=expected) as caught:
        layouts.evaluation_images(flat)
    assert "\n" not in str(caught.value)
    assert name in str(caught.value)


def test_a_list_of_indices_needs_the_training_classes(flat):
    (flat / "train").rename(flat / "elsewhere")
    (flat / "val.txt").write_text(TXT)
    assert "not there" in message(lambda: layouts.evaluation_images(flat))
    test = layouts.evaluation_images(flat, WNIDS)
    assert test and found_classes(test) == CLASS_OF


NUMBERED = ("n0", "n1", "n2")


def test_a_list_of_indices_without_training_classes_counts_the_names_that_are_given(flat):
    (flat / "train").rename(flat / "elsewhere")
    (flat / "train").mkdir()  # an empty one says nothing either
    (flat / "val.txt").write_text(TXT.replace(".JPEG 1", ".JPEG 01"))
    test = layouts.evaluation_images(flat, numbered=lambda: NUMBERED[::-1])
    assert test and dict(zip((path.stem for path in test.paths), test.labels, strict=True)) == {
        name: NUMBERED[c] for name, c in CLASS_OF.items()
    }
    test = layouts.evaluation_images(flat, WNIDS, numbered=lambda: NUMBERED)
    assert test and test.classes == WNIDS
    text = message(lambda: layouts.evaluation_images(flat, numbered=lambda: ("n0", "n1")))
    assert "has not each of 0 to 1, which would be ImageNet's" in text and "LOC_val_solution.csv" in text
    (flat / "val.txt").write_text(TXT.replace(" 2", f" {'9' * 5000}"))
    assert "expected 'filename index'" in message(lambda: layouts.evaluation_images(flat, numbered=lambda: NUMBERED))


@pytest.mark.parametrize(
    ("name", "text"),
    [("LOC_val_solution.csv", CSV), ("val/LOC_val_solution.csv", CSV), ("val.txt", TXT), ("val/val.txt", TXT)],
)
def test_the_loose_images_may_be_given_themselves(flat, name, text, monkeypatch):
    assert "no file says what they show" in message(lambda: layouts.evaluation_images(flat / "val"))
    (flat / name).write_text(text)
    test = layouts.evaluation_images(flat / "val")
    assert test and found_classes(test) == CLASS_OF
    assert same_images(test, layouts.evaluation_images(flat))
    monkeypatch.chdir(flat / "val")
    test = layouts.evaluation_images(Path())
    assert test and found_classes(test) == CLASS_OF


def test_loose_images_of_no_known_kind_are_no_evaluation_images(tmp_path):
    noise_image(tmp_path / "pictures" / "a.png", 0)
    assert layouts.evaluation_images(tmp_path / "pictures") is None
    assert layouts.evaluation_images(tmp_path / "nowhere") is None
    noise_image(tmp_path / "pictures" / "cat" / "b.png", 0)
    (tmp_path / "pictures" / "val.txt").write_text("a.png 0\n")
    assert layouts.evaluation_images(tmp_path / "pictures") is None


def meta(folder: Path, wnids: object) -> Path:
    """torchvision's file: the names of each identifier's class, and the identifiers of the images."""
    torch.save(({wnid: (wnid, "words") for wnid in WNIDS}, wnids), folder / "meta.bin")
    return folder / "meta.bin"


@pytest.mark.parametrize("place", [".", "val"])
def test_torchvisions_meta_bin_labels_images_by_their_number(flat, place):
    meta(flat / place, [WNIDS[CLASS_OF[name]] for name in VAL])
    _, wnids = torchvision.datasets.imagenet.load_meta_file(flat / place)
    assert wnids == [WNIDS[CLASS_OF[name]] for name in VAL]
    for root in (flat, flat / "val"):
        test = layouts.evaluation_images(root)
        assert test and found_classes(test) == CLASS_OF
    (flat / "LOC_val_solution.csv").write_text(CSV.replace(f"{VAL[0]},{WNIDS[2]}", f"{VAL[0]},{WNIDS[1]}"))
    test = layouts.evaluation_images(flat)
    assert test and found_classes(test) == {**CLASS_OF, VAL[0]: 1}  # what names the images goes first


class Harmful:
    """Pickled, it would make a file when it is loaded."""

    def __reduce__(self):
        return Path.touch, (Path("harmed"),)


def test_a_meta_bin_that_does_not_fit_is_refused_and_never_run(flat, monkeypatch):
    monkeypatch.chdir(flat)
    for wnids, expected in (
        ([WNIDS[0]] * 5, "has no row for images"),
        ([WNIDS[0]] * 7, "lists images that are not in"),
        (["n9"] * 6, "classes that the training images do not have"),
        (WNIDS[0], "does not list a WordNet identifier"),
        ([1, 2, 3], "does not list a WordNet identifier"),
        (Harmful(), r"meta\.bin cannot be read"),
    ):
        meta(flat, wnids)
        assert re.search(expected, message(lambda: layouts.evaluation_images(flat)))
    for content in (b"", b"not torch's", torch.tensor(3).numpy().tobytes()):
        (flat / "meta.bin").write_bytes(content)
        assert "meta.bin cannot be read" in message(lambda: layouts.evaluation_images(flat))
    assert not (flat / "harmed").exists()


@pytest.mark.parametrize("place", ["ILSVRC2012_devkit_t12/data", ".", "val"])
def test_the_development_kits_own_order_is_never_guessed(flat, place):
    (flat / place).mkdir(parents=True, exist_ok=True)
    (flat / place / "ILSVRC2012_validation_ground_truth.txt").write_text(
        "".join(f"{c + 1}\n" for c in CLASS_OF.values())
    )
    text = message(lambda: layouts.evaluation_images(flat))
    assert "an order of its own" in text and "parse_devkit_archive" in text and "val.txt" in text
    assert hasattr(torchvision.datasets.imagenet, "parse_devkit_archive")
    meta(flat, [WNIDS[CLASS_OF[name]] for name in VAL])
    test = layouts.evaluation_images(flat)
    assert test and found_classes(test) == CLASS_OF


def test_two_images_of_one_name_are_refused(flat):
    (flat / "LOC_val_solution.csv").write_text(CSV)
    noise_image(flat / "val" / f"{VAL[0]}.png", 1)
    assert "several images of one name" in message(lambda: layouts.evaluation_images(flat))


def test_the_fingerprint_of_labelled_images_knows_their_classes(flat):
    prints = set()
    for text in (CSV, CSV.replace(WNIDS[0], "n0"), CSV.replace(f"{VAL[0]},{WNIDS[2]}", f"{VAL[0]},{WNIDS[1]}")):
        (flat / "LOC_val_solution.csv").write_text(text)
        test = layouts.evaluation_images(flat, [*WNIDS, "n0"])
        assert test is not None
        assert test.fingerprint == test.fingerprint != fingerprint(test.root, test.paths)
        prints.add(test.fingerprint)
    assert len(prints) == 3


def test_differing_classes_are_shown(tmp_path):
    train = read_class_folders(class_folder(tmp_path / "train", ("ant", "bee", "cat", "dog", "elk"), 1))
    test = read_class_folders(class_folder(tmp_path / "val", ("elk", "Cat"), 1))
    check_same_classes(train, train)
    text = message(lambda: check_same_classes(train, test))
    assert "4 (ant, bee, cat ...) missing, 1 (Cat) surplus in val" in text
    assert str(train.root) in text and str(test.root) in text


def images_by_definition(folder: Path) -> list[Path]:
    """The definition: every file below, links followed, by the ending of its name."""
    files = [Path(parent, name) for parent, _, names in os.walk(folder, followlinks=True) for name in names]
    return sorted(
        path
        for path in files
        if path.suffix.lower() in IMAGE_SUFFIXES
        and not any(name.startswith(".") for name in path.relative_to(folder).parts)
    )


def fingerprint_as_before(root: Path, paths: list[Path]) -> str:
    digest = hashlib.sha256()
    for path in paths:
        size = path.stat().st_size if path.exists() else -1
        digest.update(f"{path.relative_to(root).as_posix()}\0{size}\n".encode(errors="surrogateescape"))
    return digest.hexdigest()


@pytest.fixture
def jumble(tmp_path):
    """Nested, hidden, linked and oddly named files of different sizes."""
    root = tmp_path / "jumble"
    names = """a.png a/b.png a/b/c.JPG a/b.d/e.jpeg a-b/z.PNG A/x.Tiff b .hidden.png .cache/a.png c/.thumbs/a.png
    c/notes.txt c/.png c/a..gif c/a.png.txt c/png c/trailing. c/ü.webp c/sp ace.bmp d/d/d/d/d.ppm z/10.png z/9.png"""
    for n, name in enumerate(line.strip() for line in names.replace("sp ace", "sp\0ace").split()):
        path = root / name.replace("\0", " ")
        if name == "a/b/c.JPG":
            (root / "a" / "b").mkdir(parents=True)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(b"x" * n)
    (root / "c" / "folder.png").mkdir()
    (root / "c" / "folder.png" / "in.png").write_bytes(b"1")
    (root / "c" / "gone.png").symlink_to(root / "nowhere.png")
    (root / "c" / "loop.png").symlink_to(root / "c" / "loop.png")
    (root / "c" / "link.png").symlink_to(root / "a.png")
    (root / "c" / "linked-folder").symlink_to(root / "a")
    (root / "c" / "linked.png").symlink_to(root / "a")
    (root / "linked-class").symlink_to(root / "z")
    os.close(os.open(os.fsencode(root) + b"/c/\xff.png", os.O_CREAT | os.O_WRONLY))
    return root


def test_the_fast_scan_finds_what_the_definition_says(jumble, monkeypatch):
    expected = images_by_definition(jumble)
    assert len(expected) == 25
    assert list_images(jumble) == expected
    assert fingerprint(jumble, expected) == fingerprint_as_before(jumble, expected)
    assert list_images(jumble / "linked-class") == images_by_definition(jumble / "linked-class")
    scanned = read_class_folders(jumble)
    assert scanned.classes == ("A", "a", "a-b", "c", "d", "linked-class", "z")
    assert list(scanned.paths) == [p for name in scanned.classes for p in images_by_definition(jumble / name)]
    assert scanned.fingerprint == fingerprint_as_before(jumble, list(scanned.paths))
    monkeypatch.chdir(jumble)
    assert list_images(Path()) == images_by_definition(Path())
    assert fingerprint(Path(), list_images(Path())) == fingerprint(jumble, expected)
    with pytest.raises(ValueError, match="subpath"):
        fingerprint(jumble / "a", expected)


@pytest.fixture
def served(tmp_path, monkeypatch):
    """A tiny Imagenette on a server of our own; yields the archive."""
    folder = tmp_path / "server"
    for wnid in WNIDS[:2]:
        for name in (f"train/{wnid}/1.JPEG", f"train/{wnid}/2.JPEG", f"val/{wnid}/3.JPEG"):
            noise_image(folder / "imagenette2-160" / name, 0)
    archive = folder / "imagenette2-160.tgz"
    with tarfile.open(archive, "w:gz") as tar:
        tar.add(folder / "imagenette2-160", "imagenette2-160")
    handler = partial(http.server.SimpleHTTPRequestHandler, directory=str(folder))
    monkeypatch.setattr(http.server.SimpleHTTPRequestHandler, "log_message", lambda *_: None)
    for variable in ("http_proxy", "HTTP_PROXY"):
        monkeypatch.delenv(variable, raising=False)
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
        thread.start()
        url = f"http://127.0.0.1:{server.server_address[1]}/{archive.name}"
        known = (url, hashlib.md5(archive.read_bytes()).hexdigest())
        monkeypatch.setattr(torchvision.datasets.Imagenette, "_ARCHIVES", {"160px": known, "320px": (url, "0" * 32)})
        yield archive
        server.shutdown()
        thread.join()


def test_imagenette_comes_whole_once_and_is_usable_as_data(served, tmp_path, capsys):
    out = tmp_path / "photos"
    (tmp_path / ".photos.part" / "imagenette2-160").mkdir(parents=True)  # left by a killed process
    assert main(["download", "imagenette", "--out", str(out)]) == 0
    assert f"--data {out}" in capsys.readouterr().err
    test = layouts.evaluation_images(out)
    assert test is not None
    check_same_classes(training_images(out), test)
    assert (len(training_images(out)), len(test)) == (4, 2)
    assert sorted(path.name for path in out.iterdir()) == ["download.json", "train", "val"]
    assert not (tmp_path / ".photos.part").exists()
    served.unlink()
    assert main(["download", "imagenette", "--out", str(out)]) == 0
    assert "already there" in capsys.readouterr().err
    assert main(["download", "imagenette", "--out", str(out), "--size", "320px"]) == 2
    assert "holds another download" in capsys.readouterr().err


def test_a_download_that_fails_is_one_line_and_leaves_nothing(served, tmp_path, monkeypatch, capsys):
    other = json.loads(json.dumps(torchvision.datasets.Imagenette._ARCHIVES))
    assert "corrupted" in message(lambda: download_imagenette(tmp_path / "bad", size="320px"))
    served.unlink()
    assert "File not found" in message(lambda: download_imagenette(tmp_path / "none"))
    other["160px"][0] = "http://127.0.0.1:9/imagenette2-160.tgz"
    monkeypatch.setattr(torchvision.datasets.Imagenette, "_ARCHIVES", other)
    capsys.readouterr()
    assert main(["download", "imagenette", "--out", str(tmp_path / "none")]) == 2
    error = capsys.readouterr().err
    assert "Connection refused" in error and "as --data" in error and error.count("\n") == 1
    assert not (tmp_path / "none").exists() and not (tmp_path / ".none.part").exists()


def test_a_download_refuses_other_peoples_folders(images, tmp_path):
    (tmp_path / "file").write_text("x")
    assert "not empty" in message(lambda: download_imagenette(images))
    assert "is a file" in message(lambda: download_imagenette(tmp_path / "file"))
    assert "unknown size" in message(lambda: download_imagenette(tmp_path / "x", size="16px"))
