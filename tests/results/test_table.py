"""The table on the terminal: the order of networks, and rows that look alike."""

from __future__ import annotations

import math

from shapebias.results.results import Result, Results
from shapebias.results.table import ordered, rows


def result(name: str, *entries: Result) -> Results:
    return Results({"name": name}, {}, list(entries))


def bias(value: float | None) -> Result:
    return Result("shape-bias", "shape_bias", value, 10, None, {"mapping": "mean"})


def test_networks_by_shape_bias_and_the_others_as_typed() -> None:
    results = [result("a"), result("b", bias(0.2)), result("c", bias(math.nan)), result("d", bias(0.7)), result("e")]
    assert [one.model["name"] for one in ordered(results)] == ["d", "b", "a", "c", "e"]


def test_rows_that_look_alike_name_their_condition() -> None:
    stages = [
        Result("dimensionality", "shape_neurons", value, 9, None, {"textures": 5, **more})
        for value, more in ((0.25, {}), (0.5, {"stage": "layer3"}))
    ]
    assert rows([result("net", bias(0.5), *stages)]) == [
        ("shape-bias shape_bias", "50.0"),
        ("dimensionality shape_neurons (textures 5)", "25.0"),
        ("dimensionality shape_neurons (stage layer3, textures 5)", "50.0"),
    ]
