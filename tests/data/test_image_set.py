"""Sets of images: rows, draws, and fingerprints, which must never change for a layout."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from shapebias.data.image_set import digest_targets
from shapebias.data.readers.class_folders import evaluation_images, read_class_folders
from shapebias.data.readers.cue_conflict import read_cue_conflict
from shapebias.data.readers.nips17 import digest_attacked, read_competition
from shapebias.data.readers.voc_labelled import read_labelled
from shapebias.data.readers.voc_masks import read_segmentation
from shapebias.data.readers.voc_multilabel import read_multilabel

OBJECT = "<annotation><object><name>{}</name><difficult>{}</difficult></object></annotation>"


@pytest.fixture(scope="module")
def root(tmp_path_factory) -> Path:
    """Every layout, of files whose sizes alone count: readers of these do not decode."""
    root = tmp_path_factory.mktemp("layouts")

    def put(name: str, content: str) -> None:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(content)

    for number, name in enumerate(("cat/b.png", "cat/a.png", "ant/deep/c.jpg", "dog/d.png", "dog/e.png", "dog/f.png")):
        put(f"folders/{name}", "x" * number)
    for number in range(4):
        put(f"loose/val/i{number}.jpg", "x" * number)
    put("loose/val.txt", "i0.jpg 1\ni1.jpg 0\ni2.jpg 2\ni3.jpg 0\n")
    for name in ("cat/cat1-dog2.png", "cat/cat1-cat2.png", "dog/dog10-cat3.png", "dog/other.png"):
        put(f"cue/{name}", name)
    put("nips17/images.csv", "ImageId,TrueLabel,TargetClass\naa,2,3\nbb,1,2\n")
    put("nips17/images/aa.png", "aa")
    put("nips17/images/bb.png", "bbb")
    for number, (kind, difficult) in enumerate((("dog", 0), ("cat", 1), ("person", 0))):
        put(f"VOC2012/JPEGImages/2008_0{number}.jpg", "x" * number)
        put(f"VOC2012/Annotations/2008_0{number}.xml", OBJECT.format(kind, difficult))
        put(f"VOC2012/SegmentationClass/2008_0{number}.png", "y" * number)
    for part in ("Main", "Segmentation"):
        put(f"VOC2012/ImageSets/{part}/train.txt", "2008_02\n2008_00\n2008_01\n")
    return root


def read(root: Path, layout: str):
    names = ("n1", "n2", "n3")
    if layout.startswith("folders"):
        found = read_class_folders(root / "folders")
        drawn = {"folders": None, "folders drawn": 4, "folders to train": None, "folders to attack": 3}[layout]
        digest = {"folders to train": digest_targets, "folders to attack": digest_attacked}.get(layout, found.digest)
        return replace(found, digest=digest).subsample(drawn, 5)
    return {
        "loose": lambda: evaluation_images(root / "loose", names),
        "cue": lambda: read_cue_conflict(root / "cue"),
        "nips17": lambda: read_competition(root / "nips17" / "images.csv", names),
        "multilabel": lambda: read_multilabel(root, 2012, "train"),
        "masks": lambda: read_segmentation(root, 2012, "train"),
        "other masks": lambda: read_segmentation(root, 2012, "train", root / "VOC2012" / "SegmentationClass"),
        "labelled": lambda: read_labelled(root, "train"),
    }[layout]()


FINGERPRINTS = {
    "folders": "4f7ee5317c113a49",
    "folders drawn": "bc52bf60e3dfc5e3",
    "folders to train": "6dbf8cd5d47a7a8d",
    "folders to attack": "8047010174e610f2",
    "loose": "14b766eeeaf24936",
    "cue": "54d0e3c98caf2acb",
    "nips17": "f808a42a2ddeb9b8",
    "multilabel": "4ea63ffd8c149d68",
    "masks": "7b76c4a76577954a",
    "other masks": "cb6565f8a0d0988f",
    "labelled": "da1a2ac3f2556cd6",
}


@pytest.mark.parametrize("layout", FINGERPRINTS)
def test_fingerprints_stay(root, layout):
    assert read(root, layout).fingerprint[:16] == FINGERPRINTS[layout]


def test_rows_keep_their_columns(root):
    found = read(root, "nips17").take([1, 0])
    assert (found.names, found.labels, found.columns["target"]) == (("bb", "aa"), ("n1", "n2"), ("n2", "n3"))
    assert [path.stem for path in found.paths] == ["bb", "aa"]
    masks = read(root, "masks").take(np.array([2]))
    assert (len(masks), masks.names, [mask.stem for mask in masks.masks]) == (1, ("2008_01",), ["2008_01"])


def test_names_are_paths_where_none_are_given(root):
    found = read(root, "folders")
    assert found.names[0] == "ant/deep/c.jpg" and found.masks == (None,) * 6
    assert (found.drawn_from, read(root, "folders drawn").drawn_from) == (None, 6)
