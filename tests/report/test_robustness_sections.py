"""The report's parts on attacks, corruptions, the overview, and what an audit skipped."""

from __future__ import annotations

import json
import re
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from testkit.report_fixture import (
    CORRUPTIONS,
    adversarial,
    attacked,
    compared,
    corrupted,
    measured,
    model,
    picture,
    result,
)
from testkit.report_page import ATTRIBUTE, EVIL, cells, report, titles

BASIS = (result("shape-bias", "shape_bias", 0.5), result("accuracy", "top1", 0.75))


def biased(root: Path, name: str, bias: float, *results: dict[str, Any]) -> Path:
    """A model with these results and a shape bias, by which models are ordered."""
    return model(root, name, result("shape-bias", "shape_bias", bias), *results)


def test_sections_are_absent_where_nothing_was_measured(tmp_path: Path) -> None:
    biased(tmp_path / "in", "a", 0.5)
    page, warnings = report(tmp_path / "in")
    for name in ("overview", "attacks", "corruptions", "audit"):
        assert name not in page.sections()
    assert not [w for w in warnings if "audit" in w or "attack" in w]


def test_overview_has_a_panel_for_each_kind_that_was_measured(tmp_path: Path) -> None:
    few = {"answers": "120 of 1000 classes"}
    results = [
        result("accuracy", "top1", 0.5, condition=few),
        result("accuracy", "top1", 0.75),
        result("stylized-imagenet", "top1", 0.25, condition=few),
    ]
    biased(tmp_path / "in", "a", 0.2, *results, *corrupted(0.8))
    biased(tmp_path / "in", "b", 0.6, result("accuracy", "top1", 0.5, ci95=None), *corrupted(0.8, absent=(("fog", 3),)))
    page, _ = report(tmp_path / "in")
    glance = page.section("overview")
    labels = [a["aria-label"] for a in page.classed("upright-bars")]
    assert labels == [
        "Normal pictures, right answers: a 75.0\u202f%, b 50.0\u202f%",
        "Stylized-ImageNet, right answers: a 25.0\u202f%",
        "Cue conflict, shape bias: decisions by shape: a 20.0\u202f%, b 60.0\u202f%",
        "Corrupted pictures, right answers, mean: a 44.0\u202f%, b 48.0\u202f%",
    ]
    assert "right answers; over 120 of 1000 classes" in glance
    assert "right answers, mean; b: over 74 of 75 corruptions and severities" in glance
    bars = re.findall(r'<rect [^>]*class="upright model-(\d)"', glance)
    assert bars == ["0", "1", "0", "0", "1", "0", "1"]
    heights = [float(h) for h in re.findall(r'height="([\d.]+)" class="upright', glance)]
    assert heights[0] / heights[1] == pytest.approx(1.5)
    assert glance.count('class="halo"') == 6  # an interval each, but for the one without


def test_one_kind_alone_is_no_overview(tmp_path: Path) -> None:
    measured(tmp_path / "in" / "a", "a", results=[result("accuracy", "top1", 0.5), result("stylized", "top1", None)])
    assert not report(tmp_path / "in")[0].section("overview")


def test_attacks_are_drawn_and_tabled_in_the_order_of_the_paper(tmp_path: Path) -> None:
    results = list(reversed(attacked(level=0.8)))
    results.append(result("white-box", "top1", 0.01, condition={"attack": "autoattack", "epsilon": 0.5}))
    results.append(result("white-box", "top1", 0.02, condition={"attack": "novel", "epsilon": 12}))
    biased(tmp_path / "in", "a", 0.2, *results)
    biased(tmp_path / "in", "b", 0.6, *attacked(level=0.4))
    page, _ = report(tmp_path / "in")
    source = page.section("attacks")
    assert re.findall(r"<figcaption>([\w-]+)</figcaption>", source) == [
        *("FGSM", "PGD", "I-FGSM", "MIM", "AutoAttack", "novel")
    ]
    assert re.findall(r'<th scope="colgroup" colspan="(\d)">', source) == ["5", "5", "5", "5", "1", "1"]
    assert re.findall(r'<th scope="col"[^>]*>([\d.]+)</th>', source)[:6] == ["0.1", "0.2", "0.3", "0.4", "0.5", "0.1"]
    table = cells(source)
    assert len(table) == 2 * (1 + 22)
    assert table[0].startswith("80.0\u202f%") and table[1].startswith("64.0\u202f%")
    assert "75.0\u201385.0\u202f%" in table[0]
    assert table[23].startswith("40.0\u202f%") and table[-1] == "\u2013"
    assert "a, FGSM without attack: 80.0\u202f% (75.0\u201385.0\u202f%)" in titles(source)
    assert "b, MIM at 0.5/255: 6.7\u202f% (1.7\u201311.7\u202f%)" in titles(source)
    first = re.search(r'<polyline points="([^"]+)"', source)
    assert first is not None
    points = [tuple(map(float, point.split(","))) for point in first[1].split()]
    assert len(points) == 6 and [x for x, _ in points] == sorted(x for x, _ in points)
    assert all(b > a for (_, a), (_, b) in pairwise(points))  # down, as the accuracy
    assert source.count("<polygon") == 4 * 2 + 2


def test_transferred_and_targeted_attacks_stand_apart(tmp_path: Path) -> None:
    plain = attacked("transfer-attack", 0.8, source="ResNet")
    targeted = attacked("transfer-attack", 0.7, source="ResNet", targeted=True)[1:]
    rates = [one | {"metric": "target_rate", "value": 0.125, "ci95": [0.1, 0.15]} for one in targeted]
    own_clean = result("transfer-attack", "top1", 0.6, condition={"attack": "none", "source": "VGG"})
    biased(tmp_path / "in", "a", 0.2, own_clean, *plain, *targeted, *rates, *attacked("transfer-attack", source="VGG"))
    source = report(tmp_path / "in")[0].section("attacks")
    assert re.findall(r"<h3>(.*?)</h3>", source) == [
        "Made against ResNet, shown to every model",
        "Made against ResNet, shown to every model, towards a chosen wrong answer",
        "Made against VGG, shown to every model",
    ]
    tables = source.split('class="attacks"')[1:]
    assert [cells(table)[0].split()[0] for table in tables] == ["80.0", "80.0", "12.5", "60.0"]
    assert [len(cells(table)) for table in tables] == [17, 17, 16, 17]


def test_accuracies_over_fewer_classes_say_so(tmp_path: Path) -> None:
    few = {"answers": "120 of 1000 classes"}
    results = [one | {"condition": one["condition"] | few} for one in attacked()]
    biased(
        tmp_path / "in", "a", 0.2, *results, *corrupted(**few), result("imagenet-sketch", "top1", 0.5, condition=few)
    )
    page, _ = report(tmp_path / "in")
    assert "Right answers over 120 of 1000 classes." in page.section("attacks")
    assert "right answers over 120 of 1000 classes" in page.section("corruptions")
    assert "ImageNet-Sketch (answers: 120 of 1000 classes)" in page.section("accuracy")
    assert {a["x1"] for a in page.classed("guess")} == {"0.83%"}  # 1 of 120


@pytest.mark.parametrize(
    "condition",
    [
        {},
        {"attack": 7, "epsilon": 1},
        {"attack": ["fgsm"], "epsilon": 1},
        {"attack": "fgsm"},
        {"attack": "fgsm", "epsilon": "8"},
        {"attack": "fgsm", "epsilon": -1},
        {"attack": "fgsm", "epsilon": 1e300},
        {"attack": "fgsm", "epsilon": True},
        {"corruption": ["fog"], "severity": 1},
        {"corruption": "fog", "severity": "high"},
        {"corruption": "fog", "severity": 9},
        {"corruption": {"a": 1}},
    ],
)
def test_conditions_that_make_no_sense_stay_out_of_charts(tmp_path: Path, condition: dict[str, Any]) -> None:
    for kind in ("white-box", "transfer-attack", "corruptions"):
        biased(tmp_path / "in", kind, 0.5, result(kind, "top1", 0.5, condition=condition))
    page, _ = report(tmp_path / "in")
    assert not page.classed("curve") and not page.classed("full") and not page.classed("pale")
    assert "50.0\u202f%" in page.section("results")


def test_adversarial_pictures_are_shown_with_their_answers(tmp_path: Path) -> None:
    for name, bias in (("a", 0.2), ("b", 0.6)):
        own = adversarial(tmp_path / "adv" / name, ("fgsm", "mim"))
        common = adversarial(tmp_path / "adv" / "common", ("pgd",))
        (tmp_path / "adv" / "common" / "ATTRIBUTION.txt").write_text("photographs by somebody")
        transfer = attacked("transfer-attack", examples=common, source="ResNet")
        biased(tmp_path / "in", name, bias, *attacked(examples=own), *transfer)
    page, warnings = report(tmp_path / "in")
    source = page.section("attacks")
    pictures = page.named("img")
    assert len(pictures) == 3 * (2 + 2 + 1) and all(a["src"].startswith("data:image/") for a in pictures)
    assert [a["alt"] for a in pictures[:3]] == [
        f"Picture 1 of tench, {what}" for what in ("original", "attacked", "difference")
    ]
    assert len(re.findall(r'class="chip right">tench<', source)) == 2 + 2 + 2  # both networks under the common one
    assert len(re.findall(r'class="chip wrong">goldfish<', source)) == 6
    assert "MIM, epsilon 8/255" in source and "Made against ResNet" in source
    assert page.text.count("photographs by somebody") == 1
    assert str(tmp_path / "adv") not in page.source.replace(str(tmp_path / "in"), "") and not warnings_about(warnings)


def warnings_about(warnings: list[str]) -> list[str]:
    return [w for w in warnings if "adversarial pictures" in w]


def test_adversarial_pictures_move_with_the_results(tmp_path: Path) -> None:
    folder = biased(tmp_path / "in", "a", 0.2)
    examples = adversarial(folder / "white-box")
    record = json.loads((folder / "results.json").read_text())
    record["results"] += attacked(examples=examples)
    (folder / "results.json").write_text(json.dumps(record))
    (tmp_path / "in").rename(tmp_path / "moved")
    assert len(report(tmp_path / "moved")[0].named("img")) == 3


@pytest.mark.parametrize(
    "case", ["no manifest", "other manifest", "broken manifest", "gone", "a number", "linked manifest"]
)
def test_only_folders_of_adversarial_pictures_are_opened(tmp_path: Path, opened: list[str], case: str) -> None:
    folder = tmp_path / "adv"
    examples = adversarial(folder, manifest=False)
    if case == "linked manifest":
        adversarial(tmp_path / "true")
        (folder / "adversarial.json").symlink_to(tmp_path / "true" / "adversarial.json")
    elif case.endswith("manifest") and case != "no manifest":
        (folder / "adversarial.json").write_text("{" if case.startswith("broken") else '{"schema": "other"}')
    elif case == "gone":
        examples["folder"] += "-gone"
    elif case == "a number":
        examples["folder"] = 7
    biased(tmp_path / "in", "a", 0.2, *attacked(examples=examples))
    page, warnings = report(tmp_path / "in")
    assert not page.named("img") and opened == []
    assert len(warnings_about(warnings)) == (case != "a number")


@pytest.mark.parametrize("name", ["../secret/a.png", "link.png", "link/a.png", "nul\0.png", "", "adversarial.json", 7])
def test_no_adversarial_picture_from_outside(tmp_path: Path, opened: list[str], name: Any) -> None:
    picture(tmp_path / "secret" / "a.png", 1)
    examples = adversarial(tmp_path / "adv")
    (tmp_path / "adv" / "link.png").symlink_to(tmp_path / "secret" / "a.png")
    (tmp_path / "adv" / "link").symlink_to(tmp_path / "secret")
    for where in (name, str(tmp_path / "secret" / "a.png")):
        examples["images"] += [examples["images"][0] | {"adversarial": where}]
    examples["images"] = [*examples["images"][1:], 7, [], {}]
    biased(tmp_path / "in", "a", 0.2, *attacked(examples=examples))
    page, warnings = report(tmp_path / "in")
    assert not page.named("img") and not [path for path in opened if "secret" in path]
    assert any("none of the adversarial pictures" in w for w in warnings)


def test_map_shows_every_cell_and_names_the_missing(tmp_path: Path) -> None:
    absent = (("fog", 3), ("fog", 4), *(("snow", severity) for severity in (1, 2, 3, 4, 5)))
    biased(tmp_path / "in", "a", 0.2, *corrupted(0.9))
    biased(tmp_path / "in", "b", 0.6, *corrupted(0.5, absent=absent))
    page, _ = report(tmp_path / "in")
    whole, partial = page.section("corruptions").split('<table class="heat"')[1:]
    assert len(cells(whole)) == 15 * 6 and "Not measured" not in whole
    assert cells(whole)[0] == "87" and 'style="--v: 87%" title="Gaussian noise, severity 1: 87.3\u202f%' in whole
    assert cells(partial).count("\u2013") == 7 + 2  # and their means
    assert "Not measured: snow; fog at 3, 4." in partial
    assert "mean accuracy <b>49.5\u202f%</b> (44.5\u201354.5\u202f%)" in page.section("corruptions")
    assert "mCE <b>70.0\u202f%</b> (65.0\u201375.0\u202f%)" in page.section("corruptions")
    assert "over 68 of 75 corruptions and severities <b>30.0\u202f%</b>" in page.section("corruptions")
    full = [int(a["style"].split()[1].rstrip("%")) for a in page.classed("full")]
    pale = [int(a["style"].split()[1].rstrip("%")) for a in page.classed("pale")]
    assert min(full) >= 60 > max(pale)


def test_maps_know_the_corruptions_of_the_protocol() -> None:
    from shapebias.corruptions.corruption import CORRUPTIONS as PROTOCOL
    from shapebias.corruptions.corruption import GROUPS as PROTOCOL_GROUPS
    from shapebias.report.sections.corruptions import GROUPS, TITLES

    assert tuple(TITLES) == tuple(PROTOCOL) == tuple(CORRUPTIONS)
    assert {group: tuple(names) for group, names in GROUPS.items()} == {g: tuple(n) for g, n in PROTOCOL_GROUPS.items()}


@pytest.mark.parametrize("turned", [False, True])
def test_differences_under_corruption_are_the_paired_ones(tmp_path: Path, turned: bool) -> None:
    biased(tmp_path / "in", "a", 0.2, *corrupted(0.8))
    biased(tmp_path / "in", "b", 0.6, *corrupted(0.6))
    a, b, sign = ("a", "b", -1) if turned else ("b", "a", 1)
    rows = [
        {"evaluator": "corruptions", "metric": "top1", "condition": {"corruption": name}, "a": a, "b": b, "n": 9}
        | {"difference": sign * 0.04, "ci95": sorted([sign * 0.02, sign * 0.06])}
        for name in CORRUPTIONS[1:]
    ]
    compared(tmp_path / "in", *rows)
    page, _ = report(tmp_path / "in")
    source = page.section("corruptions")
    shown = [title for title in titles(source) if " points to a" in title]
    assert len(shown) == 15
    assert shown[0].startswith("b, Gaussian noise: \u221218.3 points to a (\u2013)")  # not compared: of the two means
    assert shown[1] == "b, shot noise: +4.0 points to a (2.0 to 6.0)"
    ends = {(line["x1"], line["x2"]) for line in page.classed("reach")}
    assert ends == {("55%", "65%")}  # 2 and 6 points of 20 either way
    numbers = page.section("results")
    assert "corruptions, one by one: 14 differences" in numbers
    assert "of 14, about 0.7 would exclude 0 by chance if no models differed" in page.text
    named = titles(report(tmp_path / "in", reference="b")[0].section("corruptions"))
    assert "a, shot noise: \u22124.0 points to b (\u22126.0 to \u22122.0)" in named


def test_single_numbers_are_folded_away(tmp_path: Path) -> None:
    biased(tmp_path / "in", "a", 0.2, *corrupted(), *attacked(), result("accuracy", "top1", 0.5))
    page, _ = report(tmp_path / "in")
    shown, *folded = page.section("results").split("<details>")
    names = re.findall(r'<th scope="row">(.*?)<small>(.*?)</small>', shown)
    assert names == [
        ("shape-bias", "shape_bias"),
        ("accuracy", "top1"),
        ("white-box", "top1, attack: none"),
        ("corruptions", "mean_top1"),
        ("corruptions", "mce"),
    ]
    assert [re.search(r"<summary>(.*?)</summary>", part) is not None for part in folded] == [True, True]
    assert "white-box, attack by attack: 20 rows" in folded[0] and "corruptions, one by one: 90 rows" in folded[1]


def test_records_of_single_numbers_are_shown_together(tmp_path: Path) -> None:
    singles = [one | {"details": {"shown": "as they are", "right": i}} for i, one in enumerate(corrupted()[:90])]
    biased(tmp_path / "in", "a", 0.2, *singles, *attacked(examples=adversarial(tmp_path / "adv")))
    made = report(tmp_path / "in")[0].source.split('id="provenance"')[1]
    assert made.count("<h4>corruptions") == 1 and "corruptions, top1, one by one: 90 results" in made
    assert made.count("as they are") == 1 and "<dt>right</dt>" not in made and "difference.png" not in made


def test_numbers_in_conditions_are_in_their_order(tmp_path: Path) -> None:
    biased(tmp_path / "in", "a", 0.2, *attacked("transfer-attack"))
    numbers = report(tmp_path / "in")[0].section("results")
    assert re.findall(r"attack: fgsm, epsilon: (\d+)", numbers) == ["2", "4", "8", "16"]


def test_known_metrics_are_fractions_and_may_exceed_one(tmp_path: Path) -> None:
    results = [result("corruptions", "mce", 1.25, ci95=[1.2, 1.3]), result("x", "top1_sketch", 1.5, ci95=None)]
    biased(tmp_path / "in", "a", 0.2, *results)
    page, _ = report(tmp_path / "in")
    assert "125.0\u202f%" in page.section("results") and "150.0\u202f%" in page.section("results")
    assert "mCE <b>125.0\u202f%</b>" in page.section("corruptions")


def audit(path: Path, **changes: Any) -> None:
    record = {
        "schema": "shapebias/audit/1",
        "missing": [{"evaluator": "sketches", "reason": "no such folder", "needs": "the 16 categories"}],
        "refused": [{"evaluator": "edges", "model": "a", "reason": "other classes"}, {"evaluator": 7}, "odd"],
    }
    path.write_text(json.dumps(record | changes))


def test_what_an_audit_skipped_is_listed_once(tmp_path: Path) -> None:
    biased(tmp_path / "in", "a", 0.2)
    audit(tmp_path / "in" / "audit.json")
    page, warnings = report(tmp_path / "in", tmp_path / "in" / "a")
    source = page.section("audit")
    assert cells(source) == ["no such folder", "the 16 categories", "other classes", "\u2013"]
    assert "only for a" in source and source.count("sketches") == 1
    assert any("without the name of its evaluator" in w for w in warnings)
    assert report(tmp_path / "in" / "a")[0].section("audit") == source  # beside the network's folder


@pytest.mark.parametrize("content", ["{", "[]", '{"schema": "other"}', '{"schema": "shapebias/audit/1", "missing": 7}'])
def test_another_audit_file_is_a_warning_at_most(tmp_path: Path, content: str) -> None:
    biased(tmp_path / "in", "a", 0.2)
    (tmp_path / "in" / "audit.json").write_text(content)
    page, warnings = report(tmp_path / "in")
    assert not page.section("audit")
    assert any("audit.json" in w and "(skipped)" in w for w in warnings) == ("audit/1" not in content)


def test_data_that_differ_everywhere_are_one_warning(tmp_path: Path) -> None:
    for name, bias in (("a", 0.2), ("b", 0.6)):
        data = {"data": {"folder": "data", "fingerprint": name}}
        biased(tmp_path / "in", name, bias, *(one | {"details": data} for one in corrupted()))
    said = [w for w in report(tmp_path / "in")[1] if "different data" in w]
    assert said == ["the models were measured on different data for corruptions: their results are not comparable"]


def test_hostile_names_are_escaped_in_every_robustness_section(tmp_path: Path) -> None:
    root = tmp_path / "in"
    for name, bias in ((EVIL, 0.2), (ATTRIBUTE, 0.6)):
        examples = adversarial(tmp_path / "adv" / str(bias))
        examples["images"][0] |= {"label": ATTRIBUTE, "answer_clean": EVIL, "attack": EVIL}
        results = [result("shape-bias", "shape_bias", bias), *BASIS[1:], *corrupted(answers=EVIL)]
        results += attacked(examples=examples, answers=ATTRIBUTE) + attacked("transfer-attack", source=EVIL)
        results.append(result("white-box", "top1", 0.5, condition={"attack": EVIL, "epsilon": 1}))
        measured(root / str(bias), name, weights=name, results=results)
    missing = [{"evaluator": EVIL, "reason": EVIL, "needs": ATTRIBUTE}]
    audit(root / "audit.json", missing=missing, refused=[{"evaluator": ATTRIBUTE, "model": EVIL, "reason": EVIL}])
    page, _ = report(root)
    for name in ("overview", "attacks", "corruptions", "audit"):
        assert name in page.sections()
    assert len(page.named("img")) == 6
    page.assert_escaped()


def test_page_with_every_part_is_whole(tmp_path: Path) -> None:
    for name, bias in (("a", 0.2), ("b", 0.6), ("c", 0.9)):
        examples = adversarial(tmp_path / "adv" / name)
        biased(tmp_path / "in", name, bias, *BASIS[1:], *attacked(examples=examples), *corrupted(bias))
    audit(tmp_path / "in" / "audit.json")
    page, _ = report(tmp_path / "in")
    ids = [a["id"] for _, a in page.tags if "id" in a]
    assert len(ids) == len(set(ids))
    assert all(a.get("aria-label") for a in page.named("svg") if a.get("role") == "img")
    assert not re.search(r'="[^"]*\b(nan|inf|None)\b', page.source)
    assert not re.search(r"\b(nan|NaN|None|null)\b", page.text)
    assert "http://" not in page.source and "https://" not in page.source and "url(" not in page.source
    assert page.source == report(tmp_path / "in")[0].source
