"""Raw responses: the published files to the last byte, and every way in which a file can be wrong."""

from __future__ import annotations

from pathlib import Path

import pytest

from shapebias.errors import UserError
from shapebias.results.responses import read_responses, trials_of, write_responses

HEADER = "subj,session,trial,rt,object_response,category,condition,imagename"
ROW = "anna,1,1,0.8,cat,cat,0,0001_x_cat1-dog2.png"


def file(tmp_path, *lines, text=None):
    path = tmp_path / "raw.csv"
    path.write_text("\n".join(lines) + "\n" if text is None else text, encoding="utf-8")
    return path


def test_written_by_hand(tmp_path):
    (trial,) = read_responses(file(tmp_path, HEADER, ROW))
    assert (trial.observer, trial.session, trial.number, trial.seconds) == ("anna", "1", "1", "0.8")
    assert (trial.response, trial.image, trial.cues) == ("cat", "cat1-dog2.png", ("cat", "dog"))
    assert trial.place.endswith("raw.csv, line 2")


def test_columns_in_another_order_with_others_beside_them(tmp_path):
    plain = read_responses(file(tmp_path, HEADER, ROW))
    names, cells = HEADER.split(","), ROW.split(",")
    turned = file(tmp_path, ",".join(["note", *names[::-1]]), ",".join(['"a, note"', *cells[::-1]]), "", " , ")
    assert read_responses(turned) == plain
    assert read_responses(file(tmp_path, text=f"\ufeff{HEADER}\r\n{ROW}\r\n")) == plain


def test_written_and_read_back(tmp_path):
    images = [Path("a/cat1-dog2.png"), Path("a/dog10-bear3.JPEG"), Path("cat4-cat5.png")]
    trials = trials_of("a_net", ["cat", "na", "oven"], ["cat", "dog", "cat"], images)
    write_responses(tmp_path / "one.csv", trials)
    assert (tmp_path / "one.csv").read_text().splitlines()[:3] == [
        HEADER,
        "a_net,1,1,NaN,cat,cat,0,0001_cue_a-net_00_cat_00_cat1-dog2.png",
        "a_net,1,2,NaN,na,dog,0,0002_cue_a-net_00_dog_00_dog10-bear3.JPEG",
    ]
    found = read_responses(tmp_path / "one.csv")
    assert found == trials
    assert [trial.image for trial in found] == [image.name for image in images]
    write_responses(tmp_path / "two.csv", found)
    assert (tmp_path / "two.csv").read_bytes() == (tmp_path / "one.csv").read_bytes()


def test_published_files_are_read_and_written_the_same(shared, tmp_path):
    files = sorted((shared / "data" / "responses").glob("*.csv"))
    assert files
    for path in files:
        trials = read_responses(path)
        assert len(trials) == 1280
        write_responses(tmp_path / path.name, trials)
        assert (tmp_path / path.name).read_bytes() == path.read_bytes().replace(b"\r\n", b"\n")


@pytest.mark.parametrize(
    ("lines", "message"),
    [
        ([HEADER], "raw.csv holds no trials"),
        ([HEADER.replace("rt,", "").replace("subj", "who"), ROW], "raw.csv, line 1: no column subj, rt "),
        ([HEADER, ROW, "anna,1,2"], "raw.csv, line 3: 3 fields where the header has 8"),
        ([HEADER, ROW.replace(",cat,cat", ",kitten,cat")], "line 2: the response 'kitten' is neither one of the 16"),
        ([HEADER, ROW.replace(",cat,cat", ",,cat")], "line 2: the response '' is neither"),
        ([HEADER, ROW.replace("cat1-dog2", "cat1-yak2")], "line 2: 'yak' in the image name 'cat1-yak2.png'"),
        ([HEADER, ROW.replace("cat1-dog2", "photo")], "line 2: '0001_x_photo.png' does not end in"),
        ([HEADER, ROW.replace("anna", " ")], "raw.csv, line 2: no participant"),
        (
            [HEADER, ROW.replace(",cat,0", ",dog,0")],
            "line 2: the category 'dog' is not the shape .*'cat1-dog2.png', .*cat",
        ),
        ([HEADER, ROW, ROW], r"line 3: trial 1 of anna, session 1, occurs twice \(first in .*line 2"),
        ([HEADER, ROW, ROW.replace("1,1,", "1,2,", 1)], "line 3: image cat1-dog2.png of anna, session 1, occurs twice"),
        ([HEADER, ROW, ROW.replace("cat1-", "cat2-")], "line 3: trial 1 of anna"),
    ],
)
def test_files_that_cannot_be_used_name_the_line(tmp_path, lines, message):
    with pytest.raises(UserError, match=message):
        read_responses(file(tmp_path, *lines))


def test_files_that_are_none(tmp_path):
    with pytest.raises(UserError, match=r"raw\.csv is empty"):
        read_responses(file(tmp_path, text=""))
    with pytest.raises(UserError, match="no file"):
        read_responses(tmp_path / "none.csv")
    with pytest.raises(UserError, match="not readable"):
        read_responses(tmp_path)
    (tmp_path / "picture.csv").write_bytes(b"\x89PNG\r\n\xff\xfe")
    with pytest.raises(UserError, match="not readable as CSV"):
        read_responses(tmp_path / "picture.csv")


def test_a_second_session_and_another_observer_are_no_repetition(tmp_path):
    rows = [ROW, ROW.replace("anna,1,", "anna,2,"), ROW.replace("anna", "ben")]
    assert len(read_responses(file(tmp_path, HEADER, *rows))) == 3


def test_other_categories_can_be_told(tmp_path):
    path = file(tmp_path, HEADER, ROW.replace(",cat,cat", ",yak,cat"))
    assert read_responses(path, categories=("cat", "dog", "yak"))[0].response == "yak"
