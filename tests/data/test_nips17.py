"""The NeurIPS 2017 competition's images: what their CSV says, and what is wrong with it, by file and line."""

from __future__ import annotations

import csv
from dataclasses import replace

import pytest

from shapebias.data.readers.class_folders import read_class_folders
from shapebias.data.readers.nips17 import (
    NO_IMAGE,
    attribution,
    digest_attacked,
    find_competition,
    no_table,
    read_competition,
)
from shapebias.errors import UserError
from shapebias.models.imagenet import wordnet_ids
from testkit.competition import COLUMNS, ROWS, competition
from testkit.images import class_folder, noise_image

CLASSES = tuple(f"class{n}" for n in range(1000))


def read(root, **options):
    return read_competition(find_competition(root), CLASSES, **options)


def test_labels_count_from_one(tmp_path):
    found = read(competition(tmp_path / "set"))
    assert found.names == ("aa", "bb", "cc")
    assert found.labels == ("class0", "class999", "class2")
    assert found.columns["target"] == ("class999", "class1", "class3")
    assert [path.name for path in found.paths] == ["aa.png", "bb.png", "cc.png"]
    assert all(path.is_file() for path in found.paths)
    assert found.skipped[NO_IMAGE] == ()


@pytest.mark.parametrize("name", ["images.csv", "dev_dataset.csv", "anything.csv"])
@pytest.mark.parametrize("folder", ["images", "."])
@pytest.mark.parametrize("below", [".", "nips17"])
def test_where_it_lies(tmp_path, name, folder, below):
    competition(tmp_path / below, name=name, folder=folder)
    (tmp_path / below / "categories.csv").write_text("CategoryId,CategoryName\n1,tench\n")
    assert find_competition(tmp_path) == tmp_path / below / name
    assert read(tmp_path).labels == ("class0", "class999", "class2")
    if folder == "images":
        assert find_competition(tmp_path / below / "images") == tmp_path / below / name


def test_folders_of_other_things_are_none_of_it(tmp_path):
    class_folder(tmp_path / "classes")
    (tmp_path / "classes" / "images.csv").write_text("a,b\n1,2\n")
    for name in ("one.csv", "two.csv"):  # which one is meant is not known
        competition(tmp_path / "two", name=name)
    for name in ("classes", "two", "absent"):
        assert find_competition(tmp_path / name) is None
    competition(tmp_path / "beside", folder=".")  # its images are beside the CSV, not those in images/
    class_folder(tmp_path / "beside" / "images")
    assert find_competition(tmp_path / "beside" / "images") is None
    (tmp_path / "file").write_text("x")
    assert find_competition(tmp_path / "file") is None


def test_images_without_a_table_are_told(tmp_path):
    noise_image(tmp_path / "set" / "images" / "aa.png", 0)
    assert "no CSV that says what they show: put images.csv" in str(no_table(tmp_path / "set"))
    assert no_table(class_folder(tmp_path / "classes")) is None
    table = competition(tmp_path / "whole") / "images.csv"
    assert str(no_table(table)) == f"{table} is a file: give its folder, {tmp_path / 'whole'}"


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([*ROWS, ROWS[0]], "images.csv, line 6: aa has a row in line 2 already"),  # one row has two lines
        ([("aa", "0", "1"), *ROWS[1:]], "line 2: TrueLabel '0' of aa is no class: labels count from 1 to 1000"),
        ([("aa", "1001", "1"), *ROWS[1:]], "line 2: TrueLabel '1001' of aa"),
        ([("aa", "1.0", "1"), *ROWS[1:]], "line 2: TrueLabel '1.0' of aa"),
        ([("aa", "-1", "1"), *ROWS[1:]], "line 2: TrueLabel '-1' of aa"),
        ([("aa", "²", "1"), *ROWS[1:]], "line 2: TrueLabel '²' of aa"),
        ([("aa", "1" * 5000, "1"), *ROWS[1:]], "line 2: TrueLabel '1111111111"),
        ([("aa",), *ROWS[1:]], "line 2: 1 fields where the header has 6"),
        ([("aa", "", ""), *ROWS[1:]], "line 2: TrueLabel '' of aa"),
        ([("aa", "1", "tench"), *ROWS[1:]], "line 2: TargetClass 'tench' of aa"),
        ([("", "1", "1"), *ROWS], "line 2: no ImageId"),
        (ROWS[:1], "images: 2 (bb.png, cc.png): add rows or remove the images"),
        ([], "has no rows"),
    ],
)
def test_bad_rows_are_refused_by_line(tmp_path, rows, message):
    with pytest.raises(UserError) as error:
        read(competition(tmp_path / "set", rows))
    assert message in str(error.value)
    assert "\n" not in str(error.value)
    assert len(str(error.value)) < 400


def test_many_images_without_a_row_are_counted_and_three_named(tmp_path):
    names = [f"x{n}" for n in range(9)]
    with pytest.raises(UserError, match=r"no row for images in .*: 9 \(x0.png, x1.png, x2.png \.\.\.\)"):
        read(competition(tmp_path / "set", images=["aa", "bb", "cc", *names]))


def test_rows_without_an_image_are_left_out_and_listed(tmp_path):
    root = competition(tmp_path / "set", images=("aa", "cc"))
    found = read(root)
    assert found.names == ("aa", "cc")
    assert found.labels == ("class0", "class2")
    assert found.columns["target"] == ("class999", "class3")
    assert found.skipped[NO_IMAGE] == (f"{root / 'images' / 'bb'}.png: not there (row in line 4 of images.csv)",)
    with pytest.raises(UserError, match=r"line 4: no image bb.png in .*leave out --strict"):
        read(root, strict=True)
    with pytest.raises(UserError, match=r"none of the 3 images of .* is in"):
        read(competition(tmp_path / "none", images=()))


def test_a_row_cannot_name_an_image_elsewhere(tmp_path):
    noise_image(tmp_path / "aa.png", 0)
    found = read(competition(tmp_path / "set", [*ROWS, ("../../aa", "1", "2")]))
    assert found.names == ("aa", "bb", "cc")
    assert len(found.skipped[NO_IMAGE]) == 1


def test_columns(tmp_path):
    without_target = competition(tmp_path / "a", [row[:2] for row in ROWS], COLUMNS[:2])
    assert "target" not in read(without_target).columns
    assert attribution(read(without_target)) is None
    for column in COLUMNS[:2]:
        columns = [name if name != column else "Other" for name in COLUMNS]
        with pytest.raises(UserError, match=f"images.csv, line 1: no column {column} .it has"):
            read(competition(tmp_path / column, columns=columns))
    marked = competition(tmp_path / "b")
    text = (marked / "images.csv").read_text("utf-8")
    (marked / "images.csv").write_text(text, encoding="utf-8-sig")
    assert read(marked).names == ("aa", "bb", "cc")


def test_tables_that_are_not_text_are_refused(tmp_path):
    root = competition(tmp_path / "set")
    (root / "images.csv").write_text("ImageId,TrueLabel\naä,1\n", encoding="utf-16")
    with pytest.raises(UserError, match=r"images.csv is not readable as CSV: not UTF-8"):
        read(root)
    (root / "images.csv").write_bytes(b'ImageId,TrueLabel\n"' + b"a" * 200_000 + b'",1\n')
    with pytest.raises(UserError, match=r"images.csv is not readable as CSV"):
        read(root)


def test_two_images_of_one_name_are_refused(tmp_path):
    root = competition(tmp_path / "set")
    noise_image(root / "images" / "aa.jpg", 0)
    with pytest.raises(UserError, match=r"aa.jpg and aa.png: keep one"):
        read(root)


def test_whose_photographs_they_are(tmp_path):
    lines = attribution(read(competition(tmp_path / "set")).take([1, 2])).splitlines()
    assert lines[-2:] == [
        'bb, Bob "the, cat", https://b.example/2, CC BY 2.0',
        "cc, Ćira, https://c.example/3, CC BY 2.0",
    ]
    assert "aa" not in "".join(lines[-3:])


def test_class_folders_give_the_same_kind_without_targets(tmp_path):
    folder = read_class_folders(class_folder(tmp_path / "images", ("bear", "cat", "dog"), per_class=4))
    found = replace(folder, digest=digest_attacked)
    assert found.names[:2] == ("bear/0.png", "bear/1.png")
    assert found.labels == ("bear",) * 4 + ("cat",) * 4 + ("dog",) * 4
    assert not found.columns
    assert found.classes == folder.classes
    drawn = found.subsample(3, seed=1)
    assert sorted(drawn.labels) == ["bear", "cat", "dog"]
    assert drawn.paths == folder.subsample(3, seed=1).paths
    assert (drawn.drawn_from, found.subsample(12, 0).drawn_from, found.subsample(None, 0)) == (12, None, found)


def test_the_fingerprint_changes_with_labels_and_targets(tmp_path):
    prints = {read(competition(tmp_path / "set")).fingerprint, read(competition(tmp_path / "set")).fingerprint}
    assert len(prints) == 1
    for rows in ([("aa", "2", "1000"), *ROWS[1:]], [("aa", "1", "999"), *ROWS[1:]]):
        prints.add(read(competition(tmp_path / "set", rows)).fingerprint)
    assert len(prints) == 3


def test_the_published_images(shared):
    found = read_competition(find_competition(shared / "data"), wordnet_ids(), strict=True)
    with (shared / "data" / "nips17" / "images.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert len(found) == len(rows) == 100
    assert [wordnet_ids().index(label) + 1 for label in found.labels] == [int(row["TrueLabel"]) for row in rows]
    assert [wordnet_ids().index(name) + 1 for name in found.columns["target"]] == [
        int(row["TargetClass"]) for row in rows
    ]
    authors = [" ".join(row["Author"].split()) for row in rows]
    assert all(author in line for author, line in zip(authors, found.columns["credit"], strict=True))
