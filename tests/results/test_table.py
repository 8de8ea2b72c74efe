"""The table on the terminal: the order of networks, and rows that look alike."""

from __future__ import annotations

import math
import re

import pytest

from shapebias.results.results import Result, Results
from shapebias.results.store import ResultStore
from shapebias.results.table import attack_tables, ordered, print_table, rows


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


def test_shares_of_all_decisions_come_before_the_shape_bias() -> None:
    shares = [Result("shape-bias", f"{cue}_decisions", 0.25, 8) for cue in ("shape", "texture", "neither")]
    top1 = Result("accuracy", "top1", 0.5, 8)
    assert [name for name, _ in rows([result("net", bias(0.5), *shares, top1)])] == [
        *("shape-bias shape_decisions", "shape-bias texture_decisions", "shape-bias neither_decisions"),
        *("shape-bias shape_bias", "accuracy top1"),
    ]


NAMES = ("timm-tf_efficientnet_lite0", "runs-mmsi-sin-in-of-a-long-name", "[red]in[/]", "torchvision-resnet50")


def many(earlier: frozenset[str] = frozenset()) -> list[Results]:
    """Four models with accuracies, decisions and a grid of attacks."""
    cells = [(attack, epsilon) for attack in ("fgsm", "pgd", "ifgsm", "mim") for epsilon in (0.1, 0.2, 0.3, 0.4, 0.5)]
    found = []
    for number, name in enumerate(NAMES):
        entries = [
            Result("accuracy", "top1", 0.8, 90, (0.75, 0.85)),
            Result("accuracy", "top5", 1.0, 90, (0.95, 1.0)),
            Result("shape-bias", "shape_bias", 0.1 * number, 90, (0.0, 0.5)),
            *(Result("shape-bias", f"{cue}_decisions", 0.3, 90, (0.2, 0.4)) for cue in ("shape", "texture", "neither")),
            Result("white-box", "top1", 0.9, 90, (0.8, 0.95), {"attack": "none"}),
            *(Result("white-box", "top1", e, 90, (e - 0.1, e + 0.1), {"attack": a, "epsilon": e}) for a, e in cells),
        ]
        keys = frozenset(entry.key for entry in entries if entry.evaluator in earlier)
        found.append(Results({"name": name}, {}, entries, keys))
    return found


@pytest.mark.parametrize("width", [60, 80, 100, 240])
def test_no_name_or_interval_is_cut_at_any_width(width, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", str(width))
    print_table(many())
    lines = capsys.readouterr().err.splitlines()
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "…" not in text
    assert all("[75.0, 85.0]" in line or "80.0 [" not in line for line in lines)
    assert text.count("80.0 [75.0, 85.0]") == len(NAMES)
    assert "[red]in[/]" in text
    whole = re.sub(r"\s", "", text)
    assert all(name in whole or name[:20] in whole for name in NAMES)


def test_attacks_are_rows_and_epsilons_columns(capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    print_table(many())
    lines = [line.split() for line in capsys.readouterr().err.splitlines()]
    assert ["model", "attack", "0.1", "0.2", "0.3", "0.4", "0.5"] in lines
    assert lines.count(["mim", "10.0", "20.0", "30.0", "40.0", "50.0"]) == len(NAMES)
    assert [title for title, _, _ in attack_tables(many())] == [
        "white-box top1, percent by epsilon in 1/255 (95 % intervals: at most 20 points wide)"
    ]


def test_results_of_an_earlier_call_are_not_shown_as_measured_now(tmp_path, capsys, monkeypatch) -> None:
    monkeypatch.setenv("COLUMNS", "80")
    store, model = ResultStore(tmp_path), {"name": "net", "weights_sha256": "0", "architecture": "x"}
    model |= {"preprocessing": {}, "mean": [0.5], "std": [0.5]}
    store.merge(model, {}, [Result("accuracy", "top1", 0.123, 9), Result("accuracy", "top5", 0.456, 9)])
    found = store.merge(model, {}, [Result("stylized", "top1", 0.789, 9)])
    assert [r.value for r in Results.load(store.path("net")).results] == [0.123, 0.456, 0.789]
    print_table([found])
    text = capsys.readouterr().err
    assert "78.9" in text and "12.3" not in text
    assert "not shown: results of earlier calls in results.json (2 of accuracy)" in " ".join(text.split())
