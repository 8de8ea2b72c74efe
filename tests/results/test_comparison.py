"""Comparing models: the differences of their results over shared images, and the file that holds them."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import numpy as np
import pytest

from shapebias.errors import UserError
from shapebias.results import pairing
from shapebias.results.comparison import Comparison, Difference, read_comparison, write_comparison
from shapebias.results.pairing import paired
from shapebias.results.results import EvalResult, Result, Results
from shapebias.stats.bootstrap import ratio_difference
from shapebias.stats.crossed import Crossed
from shapebias.stats.intervals import p_value


def results(name):
    return Results({"name": name}, {}, [])


def test_the_file_names_the_models_and_reads_back_the_same(tmp_path):
    path, undefined = tmp_path / "c.json", Difference("e", "top1", "x", "y", math.nan, (0.0, 1.0), 9, {"styles": "own"})
    apart = replace(undefined, value=0.5, condition_a={"styles": "own", "m": 1}, condition_b={"styles": "own"})
    write_comparison(path, Comparison({"x": "1", "y": None}, (undefined, apart)))
    found = json.loads(path.read_text())
    assert found["schema"] == "shapebias/comparison/1"
    assert found["models"] == ["x", "y"]
    row = {"evaluator": "e", "metric": "top1", "condition": {"styles": "own"}, "a": "x", "b": "y"}
    assert found["paired"][0] == {**row, "difference": None, "ci95": [0.0, 1.0], "n": 9, "p": None, "over": "images"}
    assert read_comparison(path) == Comparison({"x": "1", "y": None}, (replace(undefined, value=None), apart))


def test_rows_that_do_not_name_what_they_compare_are_ignored_and_counted(tmp_path):
    row = {"evaluator": "e", "metric": "m", "a": "x", "b": "y", "difference": "much", "ci95": [1], "n": 2.5}
    rows = [row, {**row, "a": 3}, "odd", {**row, "metric": None}]
    (tmp_path / "c.json").write_text(json.dumps({"schema": "shapebias/comparison/1", "paired": rows}))
    found = read_comparison(tmp_path / "c.json")
    assert (found.differences, found.unnamed) == ((Difference("e", "m", "x", "y", None, None, None),), 3)
    assert read_comparison(tmp_path / "none.json") == Comparison()


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ("[]", "not a comparison of this version"),
        ('{"schema": "shapebias/comparison/0"}', "not a comparison of this version"),
        ('{"schema": "shapebias/comparison/1", "paired": {}}', "damaged comparison"),
        ('{"schema": "shapebias/comparison/1", "weights_sha256": []}', "damaged comparison"),
    ],
)
def test_other_files_are_refused(tmp_path, content, message):
    (tmp_path / "c.json").write_text(content)
    with pytest.raises(UserError, match=message):
        read_comparison(tmp_path / "c.json")


def test_networks_with_different_conditions_state_both():
    def outcome(condition):
        entry = Result("shape-bias", "shape_bias", 0.5, 2, None, condition)
        return EvalResult([entry], ("a", "b"), {entry.key: np.array([[1, 1], [0, 1]])})

    own, mean = {"mapping": "own", "x": 1}, {"mapping": "mean", "x": 1}
    both = [(results(name="x"), {"s": outcome(own)}), (results(name="y"), {"s": outcome(mean)})]
    (row,) = paired(both, seed=0)
    assert (row.condition, row.condition_a, row.condition_b) == ({"x": 1}, own, mean)
    (row,) = paired([both[0], both[0]], seed=0)
    assert row.condition == own
    assert row.condition_a is None


def test_figures_of_several_conditions_are_compared_each_with_its_own():
    def outcome(values, *conditions):
        entries = [Result("white-box", "top1", 0.5, 2, None, {"epsilon": condition}) for condition in conditions]
        return EvalResult(entries, ("a", "b"), {entry.key: np.array(values)[:, None] for entry in entries})

    x = (results(name="x"), {"s": outcome([1, 1], 1, 2, 4)})
    y = (results(name="y"), {"s": outcome([0, 1], 1, 4, 8)})
    assert [(row.condition, row.value) for row in paired([x, y], seed=0)] == [
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
    found = [(json.loads(first[2]), json.loads(second[2])) for first, second in (row.keys for row in rows)]
    assert found == pairs


def test_differences_of_images_that_share_photographs_are_over_photographs():
    rng = np.random.default_rng(0)
    images = tuple(f"cat/cat{n}-dog{m}.png" for n in range(12) for m in range(4))
    entry = Result("shape-bias", "shape_bias", 0.5, 48, None, {"mapping": "own"})

    def model(name):
        decided = rng.random(48) < 0.9
        pairs = np.stack([decided & (rng.random(48) < 0.5), decided], axis=1).astype(float)
        return pairs, (results(name=name), {"shape-bias": EvalResult([entry], images, {entry.key: pairs})})

    (a, x), (b, y) = model("x"), model("y")
    (row,) = paired([x, y], seed=0)
    crossed = Crossed.of([tuple(name[4:-4].split("-")) for name in images])
    assert (row.value, row.ci95) == ratio_difference(a, b, crossed, seed=0)
    assert (row.over, row.n) == ("photographs", 48)
    assert row.p == p_value(row.value, row.ci95, crossed.freedom)
    order = rng.permutation(48)[:40]  # in another order, and not all of them
    other = EvalResult([entry], tuple(images[n] for n in order), {entry.key: b[order]})
    (row,) = paired([x, (y[0], {"shape-bias": other})], seed=0)
    kept = sorted(order)
    crossed = Crossed.of([tuple(images[n][4:-4].split("-")) for n in kept])
    assert (row.value, row.ci95) == ratio_difference(a[kept], b[kept], crossed, seed=0)


def test_what_is_looked_up_for_every_pair_is_built_once_per_model(monkeypatch):
    """Twenty models with 16 results each: the index of the images and the groups of keys do not depend on the pairs."""
    built = []
    index = pairing._Indexed.__init__
    monkeypatch.setattr(pairing._Indexed, "__init__", lambda self, given: (built.append(1), index(self, given))[1])
    monkeypatch.setattr(pairing, "paired_difference", lambda a, b, seed: (0.0, (0.0, 0.0)))
    entries = [Result("corruptions", "top1", 0.5, 3, None, {"corruption": f"c{n}"}) for n in range(16)]
    measured = []
    for number in range(20):
        images = ("a", "b", "c") if number % 2 else ("c", "b", "a")
        given = EvalResult(entries, images, {entry.key: np.zeros((3, 1)) for entry in entries})
        measured.append((results(name=f"m{number}"), {"corruptions": given}))
    assert len(paired(measured, seed=0)) == 190 * 16
    assert len(built) == 20
