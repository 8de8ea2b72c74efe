"""Tables as spreadsheets save them: semicolons, blank rows, names of columns in any case."""

from __future__ import annotations

from pathlib import Path

import pytest

from shapebias.data.readers.class_folders import evaluation_images
from shapebias.data.readers.nips17 import find_competition, read_competition
from shapebias.data.tables import columns_of, read_table
from shapebias.errors import UserError
from shapebias.models.classes import read_class_names
from shapebias.results.responses import is_response_file, read_responses
from testkit.images import noise_image

NAMES = ("n1", "n2", "n3")


def as_saved(text: str, program: str) -> bytes:
    lines = text.splitlines()
    separator = "," if program == "blank rows" else "\t" if program == "tabs" else ";"
    if program == "capitals":
        lines[0] = lines[0].upper()
    if program == "blank rows":
        lines = [line for one in lines for line in (one, "," * one.count(","), "")]
    lines = [line.replace(",", separator) for line in lines]
    if program == "sep":
        lines.insert(0, "sep=;")
    return ("\ufeff" if program == "mark" else "").encode() + "\r\n".join(lines).encode() + b"\r\n\r\n"


PROGRAMS = ["semicolons", "tabs", "capitals", "blank rows", "sep", "mark"]


@pytest.mark.parametrize("program", PROGRAMS)
def test_images_csv_from_a_spreadsheet(tmp_path, program):
    for name in ("aa", "bb"):
        noise_image(tmp_path / "images" / f"{name}.png", 0)
    table = tmp_path / "images.csv"
    table.write_bytes(as_saved("ImageId,TrueLabel,TargetClass\naa,2,3\nbb,1,2", program))
    assert find_competition(tmp_path) == table
    found = read_competition(table, NAMES)
    assert (found.names, found.labels, found.columns["target"]) == (("aa", "bb"), ("n2", "n1"), ("n3", "n2"))


@pytest.mark.parametrize("program", PROGRAMS)
def test_responses_from_a_spreadsheet(tmp_path, program):
    text = (
        "Subj,Session,trial,RT,object_response,category,condition,imagename,note\n"
        "anna,1,1,.5,cat,cat,0,1_x_cat1-dog2.png,\nanna,1,2,.5,dog,cat,0,1_x_cat2-dog1.png,slow"
    )
    path = tmp_path / "raw.csv"
    path.write_bytes(as_saved(text, program))
    assert is_response_file(path)
    assert [(t.observer, t.session, t.response, t.seconds) for t in read_responses(path)] == [
        ("anna", "1", "cat", ".5"),
        ("anna", "1", "dog", ".5"),
    ]


@pytest.mark.parametrize("program", PROGRAMS)
def test_the_labels_of_imagenet_from_a_spreadsheet(tmp_path, program):
    for name in ("a", "b"):
        noise_image(tmp_path / "val" / f"{name}.png", 0)
    solution = as_saved("ImageId,PredictionString\na,n02 1 2 3 4\nb,n01 1 2 3 4", program)
    (tmp_path / "LOC_val_solution.csv").write_bytes(solution)
    found = evaluation_images(tmp_path)
    assert found is not None and dict(zip(found.names, found.labels, strict=True)) == {"b.png": "n01", "a.png": "n02"}


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"", r"x\.csv is empty: expected a header \(Name,Value\)"),
        (b"\r\n", r"x\.csv is empty"),
        (b"Name,Other\na,1\n", r"x\.csv, line 1: no column Value \(it has Name, Other\)"),
        (b"sep=;\nName;Other\n", r"x\.csv, line 2: no column Value"),
        (b"NAME,name,Value\na,b,1\n", r"x\.csv, line 1: the column Name is there twice"),
        (b"Name,Value\n\n,\na\n", r"x\.csv, line 4: 1 fields where the header has 2"),
        ("Name,Value\nä,1\n".encode("utf-16"), r"x\.csv is not readable as CSV: not UTF-8 .*, save it as UTF-8"),
        ("Name,Value\nä,1\n".encode("latin-1"), r"x\.csv is not readable as CSV: not UTF-8"),
    ],
)
def test_tables_that_cannot_be_read_name_the_cause(tmp_path, content, message):
    (tmp_path / "x.csv").write_bytes(content)
    with pytest.raises(UserError, match=message) as caught:
        read_table(tmp_path / "x.csv", ("Name", "Value"))
    assert "\n" not in str(caught.value)


def test_lines_are_counted_as_in_the_file_and_the_exact_name_of_a_column_goes_first(tmp_path: Path) -> None:
    (tmp_path / "x.csv").write_text('sep=;\nname;Name;value\n\n;;\n1;"a\nb";2\n0;c;3;4\n')
    assert read_table(tmp_path / "x.csv", ("Name", "Value"), ("More",)) == [
        (6, {"Name": "a\nb", "Value": "2"}),
        (7, {"Name": "c", "Value": "3"}),
    ]
    assert columns_of(tmp_path / "x.csv", ("NAME", "other")) == {"NAME"}
    assert columns_of(tmp_path, ("NAME",)) is None


def test_blank_lines_at_the_end_of_class_names_are_none(tmp_path):
    (tmp_path / "names.txt").write_text("\ufeffant\r\nbee\r\n\r\n  \r\n", encoding="utf-8")
    assert read_class_names(tmp_path / "names.txt") == ("ant", "bee")
