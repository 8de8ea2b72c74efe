"""The results file: what is in it, what it refuses, and that it reads back the same."""

from __future__ import annotations

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from shapebias.errors import UserError
from shapebias.evaluators.base import EvalResult
from shapebias.results.comparison import paired
from shapebias.results.results import Result, Results, changed, drop_rows, read_comparison, write_comparison
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
    with pytest.raises(KeyError, match="2 figures"):
        found.get("shape-bias", "shape_bias")
    with pytest.raises(KeyError, match="0 figures"):
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
    ],
)
def test_a_damaged_result_is_named(tmp_path, change, said):
    item = {"evaluator": "e", "metric": "m", "condition": {}, "value": 0.5, "ci95": [0.4, 0.6], "n": 9, "details": {}}
    record = {"schema": "shapebias/results/1", "model": {"name": "x"}, "environment": {}, "results": [item | change]}
    path = tmp_path / "results.json"
    path.write_text(json.dumps(record))
    with pytest.raises(UserError, match=re.escape(said)):
        Results.load(path)


def test_undefined_numbers_of_a_file_are_none(tmp_path):
    item = {"evaluator": "e", "metric": "m", "condition": {}, "value": 0.5, "ci95": [0.4, 0.6], "n": 9, "details": {}}
    items = [item | {"value": math.nan}, item | {"metric": "other", "ci95": [0.4, math.inf]}]
    record = {"schema": "shapebias/results/1", "model": {"name": "x"}, "environment": {}, "results": items}
    (tmp_path / "results.json").write_text(json.dumps(record))
    first, second = Results.load(tmp_path / "results.json").results
    assert (first.value, first.ci95, second.ci95) == (None, (0.4, 0.6), None)


def test_comparison_names_the_networks(tmp_path):
    rows_given = [{"metric": "top1", "difference": math.nan, "ci95": (0.0, 1.0)}]
    write_comparison(tmp_path / "c.json", rows_given, [results(name="x"), results(name="y")])
    found = json.loads((tmp_path / "c.json").read_text())
    assert found["schema"] == "shapebias/comparison/1"
    assert found["models"] == ["x", "y"]
    assert found["paired"] == [{"metric": "top1", "difference": None, "ci95": [0.0, 1.0]}]


def test_a_comparison_keeps_rows_of_unchanged_networks(tmp_path):
    def write(evaluator, a, b, **more):
        networks = [results(name=name) for name in (a[0], b[0])]
        for network, name in zip(networks, (a, b), strict=True):
            network.model["weights_sha256"] = None if name.endswith("?") else name
            network.save(tmp_path / network.model["name"] / "results.json")
        row = {"evaluator": evaluator, "metric": "top1", "condition": {}, "a": a[0], "b": b[0], **more}
        write_comparison(tmp_path / "comparison.json", [row], networks)
        found = json.loads((tmp_path / "comparison.json").read_text())
        return [(r["evaluator"], r["a"], r["b"]) for r in found["paired"]], found["models"]

    assert write("one", "x", "y") == ([("one", "x", "y")], ["x", "y"])
    assert write("two", "x", "z") == ([("one", "x", "y"), ("two", "x", "z")], ["x", "z", "y"])
    assert write("one", "y", "x")[0] == [("two", "x", "z"), ("one", "y", "x")]  # measured again, in either order
    apart = {"condition_a": {"m": 1}, "condition_b": {"m": 2}}
    assert len(write("one", "y", "x", **apart)[0]) == 3
    assert write("three", "y2", "z")[0] == [("two", "x", "z"), ("three", "y", "z")]
    assert write("four", "x", "z?")[0] == [("four", "x", "z")]


def test_a_difference_goes_with_the_figure_that_it_was_of(tmp_path):
    def row(a, b, metric="top1", **conditions):
        return {"evaluator": "x", "metric": metric, "condition": {}, "a": a, "b": b, **conditions}

    own = {"condition_a": {"m": 1}, "condition_b": {"m": 2}}
    rows_given = [row("p", "q"), row("q", "r"), row("p", "r", "top5"), row("r", "p", **own)]
    path = tmp_path / "comparison.json"
    write_comparison(path, rows_given, [results(name=name) for name in "pqr"])
    drop_rows(tmp_path / "absent.json", "p", {("x", "top1", "{}")})

    def left(*keys):
        drop_rows(path, "p", set(keys))
        return read_comparison(path)["paired"]

    assert left() == rows_given
    assert left(("x", "top1", "{}")) == rows_given[1:]
    assert left(("x", "top1", '{"m": 1}')) == rows_given[1:]  # that is r's
    assert left(("x", "top1", '{"m": 2}')) == rows_given[1:3]


def test_what_changed_is_what_is_another_figure_now():
    entries = [Result("x", "a", 0.5, 3, (0.1, 0.9)), Result("x", "b", math.nan, 3), Result("x", "c", 0.5, 3)]
    assert changed(entries, entries) == set()
    again = [replace(entries[0], ci95=(0.1, 0.8)), replace(entries[1], value=None), Result("x", "d", 0.5, 3)]
    assert changed(entries, again) == {entries[0].key, entries[2].key}


def test_networks_with_different_conditions_state_both():
    def outcome(condition):
        entry = Result("shape-bias", "shape_bias", 0.5, 2, None, condition)
        return EvalResult([entry], ("a", "b"), {entry.key: np.array([[1, 1], [0, 1]])})

    own, mean = {"mapping": "own", "x": 1}, {"mapping": "mean", "x": 1}
    both = [(results(name="x"), {"s": outcome(own)}), (results(name="y"), {"s": outcome(mean)})]
    (row,) = paired(both, seed=0)
    assert (row["condition"], row["condition_a"], row["condition_b"]) == ({"x": 1}, own, mean)
    (row,) = paired([both[0], both[0]], seed=0)
    assert row["condition"] == own
    assert "condition_a" not in row


def test_figures_of_several_conditions_are_compared_each_with_its_own():
    def outcome(values, *conditions):
        entries = [Result("white-box", "top1", 0.5, 2, None, {"epsilon": condition}) for condition in conditions]
        return EvalResult(entries, ("a", "b"), {entry.key: np.array(values)[:, None] for entry in entries})

    x = (results(name="x"), {"s": outcome([1, 1], 1, 2, 4)})
    y = (results(name="y"), {"s": outcome([0, 1], 1, 4, 8)})
    assert [(row["condition"], row["difference"]) for row in paired([x, y], seed=0)] == [
        ({"epsilon": 1}, 0.5),
        ({"epsilon": 4}, 0.5),
    ]
    assert paired([x, (results(name="z"), {})], seed=0) == []


def of_conditions(*conditions):
    entries = [Result("accuracy", "top1", 0.5, 2, None, condition) for condition in conditions]
    return EvalResult(entries, ("a", "b"), {entry.key: np.array([[n], [n]]) for n, entry in enumerate(entries)})


FEW = {"answers": "10 of 1000 classes"}


@pytest.mark.parametrize(
    ("one", "other", "pairs"),
    [
        (({}, FEW), ({},), [(FEW, {})]),  # 1000 outputs against 10, on ten classes
        (({},), ({}, FEW), [({}, FEW)]),
        (({}, FEW), ({}, FEW), [({}, {}), (FEW, FEW)]),
        ((FEW,), ({},), [(FEW, {})]),
        (({},), ({},), [({}, {})]),
        ((FEW,), ({"answers": "10 of 20 classes"},), [(FEW, {"answers": "10 of 20 classes"})]),
        (
            ({"c": 1, **FEW}, {"c": 2, **FEW}),
            ({"c": 1}, {"c": 2}),
            [({"c": 1, **FEW}, {"c": 1}), ({"c": 2, **FEW}, {"c": 2})],
        ),
    ],
)
def test_answers_among_some_classes_are_never_compared_with_answers_among_more(one, other, pairs):
    rows = paired(
        [(results(name="x"), {"s": of_conditions(*one)}), (results(name="y"), {"s": of_conditions(*other)})], seed=0
    )
    found = [(r.get("condition_a", r["condition"]), r.get("condition_b", r["condition"])) for r in rows]
    assert found == pairs


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
