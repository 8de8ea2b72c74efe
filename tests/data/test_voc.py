"""Reading Pascal VOC: devkits written by hand, the reference data, and what is refused."""

from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest

from shapebias.data.decode import image_size
from shapebias.data.readers.voc import VOC_CLASSES, find_voc
from shapebias.data.readers.voc_masks import load_mask, read_segmentation, save_mask
from shapebias.data.readers.voc_multilabel import NO_OBJECT, read_multilabel
from shapebias.errors import UserError
from testkit.images import noise_image

DOG, CAT, PERSON = (VOC_CLASSES.index(name) for name in ("dog", "cat", "person"))
OBJECT = "<object><name>{}</name><difficult>{}</difficult></object>"
TRAIN = {  # name: objects (class, difficult)
    "2008_02": [("dog", 0), ("person", 1), ("dog", 1)],
    "2008_01": [("cat", 1)],
    "2008_03": [],
    "2008_04": [("person", 0), ("cat", 0)],
}


def annotation(*objects, inside=""):
    return f"<annotation>{inside}{''.join(OBJECT.format(*each) for each in objects)}</annotation>"


def listed(path: Path, *lines: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(f"{line}\n" for line in lines))


@pytest.fixture
def year(tmp_path) -> Path:
    """A year's folder of four images, with annotations, and masks of three."""
    folder = tmp_path / "voc" / "VOCdevkit" / "VOC2012"
    (folder / "Annotations").mkdir(parents=True)
    for seed, (name, objects) in enumerate(TRAIN.items()):
        noise_image(folder / "JPEGImages" / f"{name}.jpg", seed, size=(9, 7))
        (folder / "Annotations" / f"{name}.xml").write_text(annotation(*objects))
    listed(folder / "ImageSets/Main/train.txt", *TRAIN)
    listed(folder / "ImageSets/Main/dog_train.txt", "2008_02  1")
    listed(folder / "ImageSets/Segmentation/train.txt", "2008_02", "2008_01")
    listed(folder / "ImageSets/Segmentation/trainaug.txt", "2008_02", "2008_01", "2008_04")
    for place, name in (("", "2008_02"), ("", "2008_01"), ("Aug", "2008_04"), ("Aug", "2008_01")):
        save_mask(folder / f"SegmentationClass{place}" / f"{name}.png", np.zeros((7, 9), dtype=np.uint8))
    return folder


def refused(message, function, *arguments):
    with pytest.raises(UserError, match=message) as error:
        function(*arguments)
    assert "\n" not in str(error.value)


def test_the_classes_are_in_the_official_order():
    assert len(VOC_CLASSES) == 20
    assert list(VOC_CLASSES) == sorted(VOC_CLASSES)
    assert VOC_CLASSES[0] == "aeroplane" and VOC_CLASSES[14] == "person" and VOC_CLASSES[-1] == "tvmonitor"


def test_annotations_become_truth_and_counts(year):
    images = read_multilabel(year, 2012, "train")
    assert images.names == ("2008_02", "2008_01", "2008_04")  # in the list's order
    assert images.skipped == {NO_OBJECT: ("2008_03",)}
    assert [path.name for path in images.paths] == ["2008_02.jpg", "2008_01.jpg", "2008_04.jpg"]
    assert images.classes == VOC_CLASSES and len(images) == 3
    assert {tuple(at) for at in np.argwhere(images.targets == 1)} == {(0, DOG), (2, PERSON), (2, CAT)}
    assert {tuple(at) for at in np.argwhere(images.targets == -1)} == {(0, PERSON), (1, CAT)}


def test_lists_say_the_same_as_annotations(year):
    annotated = read_multilabel(year, 2012, "train")
    for name in VOC_CLASSES:
        flags = {}
        for image, objects in TRAIN.items():
            difficult = [d for c, d in objects if c == name]
            flags[image] = -1 if not difficult else int(0 in difficult)
        lines = [f"{image} {flag:2d}" for image, flag in sorted(flags.items())]
        listed(year / f"ImageSets/Main/{name}_train.txt", *lines, "2008_99 -1")
    shutil.rmtree(year / "Annotations")
    found = read_multilabel(year, 2012, "train")
    np.testing.assert_array_equal(found.targets, annotated.targets)
    assert (found.names, found.skipped) == (annotated.names, annotated.skipped)
    assert found.fingerprint == annotated.fingerprint


@pytest.mark.parametrize("up", range(4))
def test_the_year_is_found_from_the_folders_above_it(year, up):
    root = [year, *year.parents][up]
    assert find_voc(root, 2012) == year
    assert find_voc(root, 2007) is None
    refused(r"no VOC2007 in .*give the folder that VOCdevkit/VOC2007", read_multilabel, root, 2007, "train")
    refused("no VOC 2010 here: give 2007 or 2012", find_voc, root, 2010)


def test_the_fingerprint_follows_images_and_labels_but_not_the_place(year):
    before = read_multilabel(year, 2012, "train").fingerprint
    moved = shutil.copytree(year, year.parents[3] / "elsewhere")
    assert read_multilabel(moved, 2012, "train").fingerprint == before
    (moved / "Annotations/2008_01.xml").write_text(annotation(("cat", 0)))
    after = read_multilabel(moved, 2012, "train").fingerprint
    (moved / "Annotations/2008_01.xml").write_text(annotation(("cat", 1)))
    with (moved / "JPEGImages/2008_01.jpg").open("ab") as file:
        file.write(b"\0")
    assert len({before, after, read_multilabel(moved, 2012, "train").fingerprint}) == 3
    masks = read_segmentation(year, 2012, "train").fingerprint
    assert masks != read_segmentation(year, 2012, "trainaug").fingerprint
    assert masks != read_segmentation(moved, 2012, "train").fingerprint


def test_segmentation_reads_official_masks_before_augmented_ones(year):
    images = read_segmentation(year, 2012, "trainaug")
    assert images.names == ("2008_02", "2008_01", "2008_04")
    assert [mask.parent.name for mask in images.masks] == [
        "SegmentationClass",
        "SegmentationClass",
        "SegmentationClassAug",
    ]
    assert all(path.is_file() for path in (*images.paths, *images.masks))


@pytest.mark.parametrize(
    ("file", "content", "message"),
    [
        ("2008_01.xml", "<annotation><object>", "is not XML"),
        ("2008_01.xml", "<html></html>", "is not an annotation of VOC's"),
        ("2008_01.xml", annotation(("unicorn", 0)), "2008_01.xml: unknown class 'unicorn'"),
        ("2008_01.xml", annotation(("do\ng", 0)), "2008_01.xml: unknown class 'do g': did you mean 'dog'"),
        ("2008_01.xml", "<annotation><object/></annotation>", "2008_01.xml: unknown class ''"),
        ("2008_01.xml", annotation(("dog", "yes")), "<difficult> must be 0 or 1, not 'yes'"),
        ("2008_01.xml", '<!DOCTYPE a [<!ENTITY b "c">]>' + annotation(), "declares a document type"),
        ("2008_01.xml", annotation(inside="<a></a>" * 150_000), "is larger than 1 MB"),
        ("2008_01.xml", "<a>" * 300_000, "is not XML"),
        ("2008_01.xml", "", "is not XML"),
    ],
)
def test_annotations_that_are_none_are_refused(year, file, content, message):
    (year / "Annotations" / file).write_text(content)
    refused(message, read_multilabel, year, 2012, "train")


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32", "utf-7", "cp037"])
def test_no_encoding_hides_a_document_type(year, encoding):
    text = f'<?xml version="1.0" encoding="{encoding}"?><!DOCTYPE a [<!ENTITY b "dog">]>' + annotation(("&b;", 0))
    (year / "Annotations/2008_01.xml").write_bytes(text.encode(encoding))
    refused("is not XML|declares a document type", read_multilabel, year, 2012, "train")


def test_other_elements_and_letters_do_not_disturb(year):
    inside = "<owner><name>J\xfcrgen</name></owner>"
    part = OBJECT.format("dog", 0).replace("</object>", "<part><name>head</name></part></object>")
    data = f"<annotation>{inside}{part}</annotation>".encode("latin-1")
    (year / "Annotations/2008_01.xml").write_bytes(data)
    assert read_multilabel(year, 2012, "train").targets[1].nonzero()[0].tolist() == [DOG]


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        (["2008_01", "2008_02", "2008_01"], r"train.txt, line 3: 2008_01 is in line 1 already: keep one"),
        (["2008_01", "", "../2008_02"], r"train.txt, line 3: '../2008_02' is no image name"),
        (["2008_01  1"], r"train.txt, line 1: '2008_01  1' is no image name: expected one name"),
        ([""], "train.txt names no image"),
        (["2008_03"], "no image of .*train.txt has an object"),
        (
            ["2008_01", "a", "b", "c", "d"],
            r"JPEGImages lacks 4 of the 5 images \(a, b, c ...\) of ImageSets/Main/train.txt: unpack all of it there",
        ),
    ],
)
def test_lists_that_do_not_fit_are_refused(year, lines, message):
    listed(year / "ImageSets/Main/train.txt", *lines)
    refused(message, read_multilabel, year, 2012, "train")


def test_what_is_missing_is_named(year):
    refused(r"no split 'test' in .*Main: there are train$", read_multilabel, year, 2012, "test")
    refused(r"no split 'val' in .*: there are train, trainaug$", read_segmentation, year, 2012, "val")
    refused("no split '../Main/train'", read_segmentation, year, 2012, "../Main/train")
    (year / "Annotations/2008_02.xml").unlink()
    refused(r"Annotations lacks 1 of the 4 images \(2008_02\)", read_multilabel, year, 2012, "train")
    (year / "SegmentationClassAug/2008_04.png").unlink()
    refused(r"SegmentationClass lacks 1 of the 3 images \(2008_04\)", read_segmentation, year, 2012, "trainaug")
    (year / "JPEGImages/2008_01.jpg").unlink()
    refused(r"JPEGImages lacks 1 of the 2 images \(2008_01\)", read_segmentation, year, 2012, "train")
    (year / "ImageSets/Main/train.txt").write_bytes(b"\xff\xfe1")
    refused("train.txt cannot be read as UTF-8", read_multilabel, year, 2012, "train")


def test_lists_of_one_class_that_do_not_fit_are_refused(year):
    shutil.rmtree(year / "Annotations")
    refused(r"no aeroplane_train.txt in .*, and no Annotations", read_multilabel, year, 2012, "train")
    aeroplanes = year / "ImageSets/Main/aeroplane_train.txt"
    for lines, message in (
        (["2008_01 -1"], r"aeroplane_train.txt lacks 3 of the 4 images \(2008_02, 2008_03, 2008_04\) of train.txt"),
        (["2008_01 2"], "line 1: '2008_01 2' is not an image's name and 1, 0 or -1"),
        (["2008_01"], "line 1: '2008_01' is not"),
        (["2008_01 1", "2008_01 1"], "line 2: 2008_01 is in a line above already"),
    ):
        listed(aeroplanes, *lines)
        refused(message, read_multilabel, year, 2012, "train")


@pytest.mark.parametrize(("split", "count"), [("train", 160), ("val", 160), ("trainval", 320)])
def test_the_reference_lists_read(shared, tmp_path, split, count):
    images = read_multilabel(shared / "data", 2012, split)
    assert len(images) == count == len(images.names) and images.skipped == {NO_OBJECT: ()}
    assert (images.targets >= 0).all() and images.targets.any(1).all()
    if split == "val":  # without annotations, from the lists of each class
        folder = shared / "data/voc/VOCdevkit/VOC2012"
        for name in ("JPEGImages", "ImageSets"):
            (tmp_path / name).symlink_to(folder / name)
        np.testing.assert_array_equal(read_multilabel(tmp_path, 2012, split).targets, images.targets)


@pytest.mark.parametrize(("split", "count"), [("train", 140), ("val", 140), ("trainaug", 180)])
def test_the_reference_masks_read_and_fit_their_boxes(shared, split, count):
    images = read_segmentation(shared / "data" / "voc", 2012, split)
    assert len(images) == count
    boxes = read_multilabel(shared / "data" / "voc", 2012, "trainval")
    row = {name: number for number, name in enumerate(boxes.names)}
    for name, image, mask in zip(images.names, images.paths, images.masks, strict=True):
        labels = load_mask(mask, image_size(image))
        shown = {int(value) - 1 for value in np.unique(labels)} - {-1, 254}
        assert shown and shown <= set((boxes.targets[row[name]] == 1).nonzero()[0].tolist())
