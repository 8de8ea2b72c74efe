"""The results file: what is in it, what it refuses, and that it reads back the same."""

from __future__ import annotations

import json
import math
import re

import pytest

from shapebias.errors import UserError
from shapebias.results.results import Result, Results
from shapebias.results.table import print_table, rows


def results(*entries, name="net"):
    return Results({"name": name, "classes": ["a", "b"]}, {"torch": "x", "seed": 0}, list(entries))


TOP1 = Result("accuracy", "top1", 0.5, 10, (0.25, 0.75), {}, {"per_category": {"a": {"n": 1, "value": 0.5}}})
SHAPE = Result("shape-bias", "shape_bias", math.nan, 0, None, {"mapping": "own"}, {"inner": [math.nan, math.inf, (1,)]})


def test_the_file_has_its_schema_and_no_nan(tmp_path):
    path = tmp_path / "results.json"
    results(TOP1, SHAPE).save(path)
    text = path.read_text()
    assert "NaN" not in text
    found = json.loads(text, parse_constant=lambda name: pytest.fail(name))
    assert found["schema"] == "shapebias/results/1"
    assert set(found) == {"schema", "model", "environment", "results"}
    top1, shape = found["results"]
    assert list(top1) == ["evaluator", "metric", "condition", "value", "ci95", "n", "details"]
    assert (top1["value"], top1["ci95"], top1["n"]) == (0.5, [0.25, 0.75], 10)
    assert shape["value"] is None
    assert shape["ci95"] is None
    assert shape["details"] == {"inner": [None, None, [1]]}


def test_round_trip(tmp_path):
    path = tmp_path / "results.json"
    results(TOP1, SHAPE).save(path)
    found = Results.load(path)
    assert found.results[0] == TOP1
    assert found.results[1].value is None
    assert found.model == {"name": "net", "classes": ["a", "b"]}
    assert found.environment == {"torch": "x", "seed": 0}
    found.save(tmp_path / "again.json")
    assert (tmp_path / "again.json").read_bytes() == path.read_bytes()


def test_a_figure_given_twice_is_refused_unless_its_condition_differs(tmp_path):
    with pytest.raises(ValueError, match="given twice"):
        results(TOP1, TOP1).save(tmp_path / "a.json")
    assert not (tmp_path / "a.json").exists()
    results(SHAPE, Result("shape-bias", "shape_bias", 0.5, 1, None, {"mapping": "mean"})).save(tmp_path / "b.json")
    assert Result("a", "b", 0, 1, None, {"x": 1, "y": 2}).key == Result("a", "b", 1, 2, None, {"y": 2, "x": 1}).key


def test_get_finds_the_one_figure():
    mean = Result("shape-bias", "shape_bias", 0.5, 1, None, {"mapping": "mean"})
    found = results(TOP1, SHAPE, mean)
    assert found.get("accuracy", "top1") is TOP1
    assert found.get("shape-bias", "shape_bias", mapping="mean") is mean
    with pytest.raises(KeyError, match="2 results"):
        found.get("shape-bias", "shape_bias")
    with pytest.raises(KeyError, match="0 results"):
        found.get("accuracy", "top5")


@pytest.mark.parametrize(
    "content",
    [
        "[]",
        "{}",
        '{"schema": "shapebias/results/0"}',
        '{"schema": "shapebias/results/1"}',
        '{"schema": "shapebias/results/1", "model": {}, "environment": {}, "results": [{"ci95": null}]}',
        '{"schema": "shapebias/results/1", "model": {}, "environment": {}, "results": [3]}',
        '{"schema": "shapebias/results/1", "model": {}, "environment": {}, "results": null}',
        '{"schema": "shapebias/results/1", "model": [], "environment": {}, "results": []}',
        '{"schema": "shapebias/results/1", "model": {}, "environment": {}, "results": {}}',
        "[" * 100_000,
        "{",
    ],
)
def test_other_files_are_refused_in_one_line(tmp_path, content):
    path = tmp_path / "results.json"
    path.write_text(content)
    with pytest.raises(UserError, match=r"results\.json") as caught:
        Results.load(path)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        ({"evaluator": None}, "no evaluator and metric in results[0]"),
        ({"metric": 3}, "no evaluator and metric in results[0]"),
        ({"value": "high"}, "the value 'high' in results[0]"),
        ({"value": True}, "the value True in results[0]"),
        ({"value": 10**400}, "in results[0] is not a number"),
        ({"n": None}, "the count None in results[0]"),
        ({"ci95": ["a"]}, "the interval ['a'] in results[0]"),
        ({"condition": []}, "the condition or the details in results[0]"),
        ({"details": None}, "the condition or the details in results[0]"),
        ({"ci95": []}, "the interval [] in results[0]"),
        ({"details": {"data": [None]}}, "details.data in results[0]"),
        ({"details": {"data": {"fingerprint": 3}}}, "details.data in results[0]"),
        ({"details": {"data": {"images": [9]}}}, "the number of images in results[0] is not a whole number"),
    ],
)
def test_a_damaged_result_is_named(tmp_path, change, said):
    item = {"evaluator": "e", "metric": "m", "condition": {}, "value": 0.5, "ci95": [0.4, 0.6], "n": 9, "details": {}}
    record = {"schema": "shapebias/results/1", "model": {"name": "x"}, "environment": {}, "results": [item | change]}
    path = tmp_path / "results.json"
    path.write_text(json.dumps(record))
    with pytest.raises(UserError, match=re.escape(said)):
        Results.load(path)


@pytest.mark.parametrize(
    "change", [{"name": 3}, {"weights_sha256": []}, {"seeds": ["0"]}, {"seeds": {"0": None}}, {"classes": "cat"}]
)
def test_a_damaged_model_is_named(tmp_path, change):
    record = {"schema": "shapebias/results/1", "model": {"name": "x"} | change, "environment": {}, "results": []}
    (tmp_path / "results.json").write_text(json.dumps(record))
    with pytest.raises(UserError, match=f"damaged results file .*model.{next(iter(change))}"):
        Results.load(tmp_path / "results.json")


def test_undefined_numbers_of_a_file_are_none(tmp_path):
    item = {"evaluator": "e", "metric": "m", "condition": {}, "value": 0.5, "ci95": [0.4, 0.6], "n": 9, "details": {}}
    items = [item | {"value": math.nan}, item | {"metric": "other", "ci95": [0.4, math.inf]}]
    record = {"schema": "shapebias/results/1", "model": {"name": "x"}, "environment": {}, "results": items}
    (tmp_path / "results.json").write_text(json.dumps(record))
    first, second = Results.load(tmp_path / "results.json").results
    assert (first.value, first.ci95, second.ci95) == (None, (0.4, 0.6), None)


def test_table_in_percent_with_dashes_for_what_is_not_there(capsys):
    both = [results(TOP1, SHAPE, name="x"), results(TOP1, name="y")]
    assert rows(both) == [
        ("accuracy top1", "50.0 [25.0, 75.0]", "50.0 [25.0, 75.0]"),
        ("shape-bias shape_bias", "-", "-"),
    ]
    print_table(both)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "50.0 [25.0, 75.0]" in captured.err
