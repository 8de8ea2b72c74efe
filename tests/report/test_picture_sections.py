"""The report's pictures of single decisions, observers, comparisons and neurons, on good and on hostile files."""

from __future__ import annotations

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from shapebias.errors import UserError
from shapebias.evaluators.human_responses import save, score_files
from shapebias.report import build_report
from shapebias.report.format import percent_interval
from shapebias.report.pictures import TILE, detail, embed, embed_image
from shapebias.stats.intervals import t_quantile, wilson
from testkit.report_fixture import CATEGORIES, compared, conflicts, measured, picture, result
from testkit.report_page import ATTRIBUTE, EVIL, cells, report

HEADER = ["subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename"]


def responses(path: Path, observer: str, rule: str) -> Path:
    """A response file of an observer who goes by ``rule`` everywhere."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file)
        writer.writerow(HEADER)
        pairs = [(s, t) for s in CATEGORIES for t in CATEGORIES]
        for trial, (s, t) in enumerate(pairs, 1):
            answer = {"shape": s, "texture": t}.get(rule, rule)
            writer.writerow([observer, 1, trial, "NaN", answer, s, 0, f"{trial:04}_x_{s}_00_{s}1-{t}2.png"])
    return path


def decisions(folder: Path, pictures: Path, rule: str, confidence: Any = 0.75) -> None:
    """``decisions.json`` of a model that goes by ``rule`` everywhere."""
    rows = [
        {
            "image": f"{s}/{s}1-{t}2.png",
            "shape": s,
            "texture": t,
            "decision": {"shape": s, "texture": t}.get(rule, rule),
            "p_decision": confidence,
            "p_shape": 0.5,
            "p_texture": None,
        }
        for s in CATEGORIES
        for t in CATEGORIES
        if s != t
    ]
    (folder / "decisions.json").write_text(json.dumps({"folder": str(pictures), "images": rows}))


def neurons(folder: Path, images: list[dict[str, Any]], neuron: Any = 7) -> None:
    row = {"neuron": neuron, "correlation": 0.91, "images": images}
    (folder / "neurons.json").write_text(json.dumps({"stage": "layer4", "shape": [row] * 12, "texture": [row]}))


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """Two measured models, one going by shape and one by texture."""
    for name, bias in (("plain", 0.2), ("ours", 0.875)):
        measured(tmp_path / "in" / name, name, weights=name, bias=bias)
    return tmp_path / "in"


def test_people_and_models_of_response_files_join_the_chart(two: Path, tmp_path: Path) -> None:
    for observer, rule in (("subject-01", "shape"), ("subject-02", "shape"), ("alexnet", "texture"), ("silent", "na")):
        responses(tmp_path / "csv" / f"{observer}.csv", observer, rule)
    (tmp_path / "csv" / "other.csv").write_text("a,b\n1,2\n")
    page, warnings = report(two, tmp_path / "csv")
    assert not [w for w in warnings if "csv" in w and "raw answers" not in w and "pictures" not in w]
    assert len(page.classed("ring")) == 2 * (2 + 1 + len(CATEGORIES) + 1 + 1)  # bars, legend, rows, foot, table
    people = [a for a in page.classed("mean") if "person" in a["class"]]
    assert {a["x1"] for a in people} == {"0%"}
    assert {a["x1"] for a in page.classed("mean")} == {"80%", "12.5%", "0%", "100%"}
    (chart,) = page.classed("rows")
    assert "subject-01 100" in chart["aria-label"] and "alexnet 0" in chart["aria-label"]
    assert "Rings are observers (people)" in page.text
    assert "4 models · 2 observers (people)" in page.text
    interval = percent_interval(wilson(0, 1, t_quantile(1)))  # all images of cats have the shape of one photograph
    shown = " ".join(f"alexnet, cat: 0.0\u202f% by shape ({interval}; 0 by shape, 2 by texture)".split())
    assert shown in page.text
    assert f"<td>0.0\u202f%<small>{interval}</small></td>" in page.section("categories")


def test_response_files_alone_make_a_page(tmp_path: Path) -> None:
    path = responses(tmp_path / "s" / "one.csv", "subject-01", "shape")
    page, _ = report(path)
    assert page.classed("rows") and page.classed("ring")
    assert "report · 1 observer (people)" in page.text
    assert "decided 100 % of all pictures by shape, 0 % by texture and 0 % by neither" in page.text
    assert "shape-bias" in page.sections() and "decisions" not in page.sections()


def test_twenty_respondents_fit(two: Path, tmp_path: Path) -> None:
    for number in range(18):
        responses(tmp_path / "csv" / f"{number}.csv", f"net{number}", "shape")
    page, _ = report(two, tmp_path / "csv")
    (chart,) = page.classed("rows")
    assert int(chart["height"]) < 300
    places = {(a["x"], a["y"]) for a in page.classed("at") if a.get("x") == "0%"}
    assert len(places) == 18 * len(CATEGORIES) + 1


def test_broken_response_files(two: Path, tmp_path: Path) -> None:
    path = responses(tmp_path / "csv" / "one.csv", "subject-01", "unicorn")
    with pytest.raises(UserError, match=r"one\.csv, line 2: .*unicorn"):
        report(two, path)
    page, warnings = report(two, tmp_path / "csv")
    assert any("unicorn" in w and w.endswith("(skipped)") for w in warnings) and not page.classed("ring")
    with pytest.raises(UserError, match=r"no folder .*gone\.csv"):
        build_report([tmp_path / "gone.csv"], tmp_path / "page.html")


def test_responses_of_a_measured_model_are_not_drawn_twice(two: Path, tmp_path: Path) -> None:
    page, warnings = report(two, responses(tmp_path / "csv" / "ours.csv", "ours", "shape"))
    assert len(page.classed("mean")) == 2
    assert any("responses skipped: 1 (ours)" in w for w in warnings)


def test_responses_that_the_results_were_scored_from_need_no_warning(tmp_path: Path) -> None:
    """``score-responses people/*.csv --out results`` and then ``report results people``."""
    files = [responses(tmp_path / "people" / f"{name}.csv", name, "shape") for name in ("anna", "ben", "eve")]
    save(score_files(files), tmp_path / "results")
    page, warnings = report(tmp_path / "results", tmp_path / "people")
    assert not [w for w in warnings if "responses" in w]
    assert len(page.classed("mean")) == 3
    responses(tmp_path / "people" / "eve.csv", "eve", "texture")
    responses(tmp_path / "people" / "ben.csv", "ben", "texture")
    _, warnings = report(tmp_path / "results", tmp_path / "people")
    assert [w for w in warnings if "responses" in w] == [
        "the page shows other results of that name; responses skipped: 2 (ben, eve)"
    ]


def test_a_sample_of_decisions(two: Path, tmp_path: Path) -> None:
    pictures = conflicts(tmp_path / "pictures")
    decisions(two / "ours", pictures, "shape")
    decisions(two / "plain", pictures, "texture", confidence=0.333)
    page, _ = report(two)
    assert len(page.classed("card")) == 6 and "The models differ 6 of 6 pictures, 6 shown" in page.text
    chips = {a["title"]: a["class"] for a in page.classed("chip") if "title" in a}
    assert chips["ours answered cat: shape"] == "chip shape"
    assert chips["plain answered cat: texture"] == "chip texture"
    assert len(page.classed("meter")) == 12 and "share of all scores 33" in page.text
    assert "CC BY 4.0" in page.text and "drawn at random" in page.text
    assert page.source == report(two)[0].source


def test_every_kind_of_agreement_is_shown(two: Path, tmp_path: Path) -> None:
    pictures = tmp_path / "pictures"
    rows: dict[str, list[dict[str, Any]]] = {"ours": [], "plain": []}
    both = [("cat", "cat"), ("dog", "dog"), ("cat", "dog"), ("bear", "boat")]
    for kind, answers in enumerate(both):
        for number in range(30):
            name = f"cat/cat{number + 1}-dog{kind + 1}.png"
            picture(pictures / name, 100 * kind + number)
            for model, answer in zip(rows, answers, strict=True):
                rows[model].append({"image": name, "shape": "cat", "texture": "dog", "decision": answer})
    for model, images in rows.items():
        (two / model / "decisions.json").write_text(json.dumps({"folder": str(pictures), "images": images}))
    source = report(two)[0].section("decisions")
    assert re.findall(r"<h3>([\w ]+) <small>30 of 120 pictures, (\d+) shown", source) == [
        ("All went by the shape", "3"),
        ("All went by the texture", "3"),
        ("The models differ", "4"),
        ("None named either", "2"),
    ]
    shown = re.findall(r'src="([^"]+)"', source)
    first = {embed(pictures / f"cat/cat{number}-dog1.png", largest=200, quality=82).uri for number in (1, 2, 3)}
    assert len(set(shown)) == 12 and set(shown[:3]) != first  # drawn, not the first by name


@pytest.mark.parametrize("name", ["shapes16.json", "cue-conflict.json"])
@pytest.mark.parametrize("above", [True, False])
def test_sets_made_here_are_not_credited_to_others(two: Path, tmp_path: Path, name: str, above: bool) -> None:
    pictures = conflicts(tmp_path / "set" / "cue-conflict")
    decisions(two / "ours", pictures, "shape")
    (pictures.parent if above else pictures).joinpath(name).write_text("{}")
    assert "CC BY 4.0" not in report(two)[0].text


def test_other_categories_are_not_credited(two: Path, tmp_path: Path) -> None:
    picture(tmp_path / "set" / "tench" / "tench1-church2.png", 1)
    row = {"image": "tench/tench1-church2.png", "shape": "tench", "texture": "church", "decision": "tench"}
    (two / "ours" / "decisions.json").write_text(json.dumps({"folder": str(tmp_path / "set"), "images": [row]}))
    page, _ = report(two)
    assert len(page.classed("card")) == 1 and "CC BY 4.0" not in page.text


def test_decisions_whose_pictures_are_gone(two: Path, tmp_path: Path) -> None:
    decisions(two / "ours", tmp_path / "gone", "shape")
    page, warnings = report(two)
    assert "no longer in the folder where they were measured" in page.text and not page.classed("card")
    assert any("no longer in" in w for w in warnings)


@pytest.mark.parametrize("confidence", [None, "NaN", -1, 7, "high"])
def test_unknown_confidence_has_no_bar(two: Path, tmp_path: Path, confidence: Any) -> None:
    decisions(two / "ours", conflicts(tmp_path / "pictures"), "shape", confidence)
    path = two / "ours" / "decisions.json"
    path.write_text(path.read_text().replace('"NaN"', "NaN"))
    page, _ = report(two)
    assert len(page.classed("card")) == 6 and not page.classed("meter")
    assert not re.search(r"\b(nan|NaN|None|null)\b", page.text)


@pytest.mark.parametrize("content", ["{", "[]", '{"folder": 7, "images": 3}', '{"folder": "x", "images": [3, {}]}'])
def test_odd_decisions_and_neurons_are_skipped(two: Path, content: str) -> None:
    before = len(report(two)[0].classed("card"))
    for file in ("decisions.json", "neurons.json"):
        (two / "ours" / file).write_text(content)
    page, warnings = report(two)
    assert len(page.classed("card")) == before and not page.classed("strip")
    assert any("decisions.json" in w for w in warnings) and any("neurons.json" in w for w in warnings)


def test_models_are_compared_with_the_reference_in_the_order_of_the_bars(two: Path, tmp_path: Path) -> None:
    measured(two / "near", "near", weights="near", bias=0.85)
    measured(two / "alone", "alone", weights="alone", bias=0.5)
    assert "Side by side" not in report(two)[0].text
    paired = {"evaluator": "shape-bias", "metric": "shape_bias", "condition": {}, "n": 6}
    differences = [
        paired | {"a": "ours", "b": "plain", "difference": 0.675, "ci95": [0.6, 0.75]},
        paired | {"a": "near", "b": "ours", "difference": -0.025, "ci95": [-0.1, 0.05]},
    ]
    compared(two, *differences)
    page, _ = report(two, reference="ours")
    table = page.section("shape-bias").partition("Side by side")[2]
    assert "Of 2 intervals about 0.1 would exclude 0 by chance" in page.text
    names = re.findall(r'<tr><th scope="row">.*?<b>(\w+)</b>', table)
    assert names == ["plain", "alone", "near", "ours"]
    assert [a["aria-label"].split(":")[0] for a in page.classed("ratio")] == names
    shown = [cell.split() for cell in cells(table)]
    assert shown[4:6] == [["\u221267.5", "points", "\u221275.0", "to", "\u221260.0"], ["clear", "of", "0"]]
    assert shown[11] == ["not", "compared"]
    assert " ".join(shown[17]) == "includes 0: could be chance" and shown[23] == ["reference"]


def test_the_reference_is_the_first_model_given_or_the_one_named_and_never_the_highest(two: Path) -> None:
    measured(two / "near", "near", weights="near", bias=0.85)
    row = {"evaluator": "shape-bias", "metric": "shape_bias", "condition": {}, "n": 6, "ci95": [0.01, 0.2]}
    pairs = [("plain", "ours"), ("plain", "near"), ("ours", "near")]
    content = {
        "schema": "shapebias/comparison/1",
        "weights_sha256": {"plain": "p", "ours": "o", "near": "n"},  # as they were given to the evaluation
        "paired": [row | {"a": a, "b": b, "difference": 0.1} for a, b in pairs],
    }
    (two / "comparison.json").write_text(json.dumps(content))
    assert "each compared with plain on the same pictures" in report(two)[0].text
    assert "each compared with near on the same pictures" in report(two, reference="near")[0].text
    assert "each compared with near on the same pictures" in report(two / "near", two)[0].text  # given first
    with pytest.raises(UserError, match=r"unknown model of --reference 'nea': did you mean 'near'\?"):
        report(two, reference="nea")


def test_differences_are_called_clear_after_holms_correction_for_all_of_a_table(two: Path) -> None:
    row = {"evaluator": "shape-bias", "metric": "shape_bias", "condition": {}, "n": 6}
    for number in range(19):
        measured(two / f"m{number}", f"m{number}", weights=f"m{number}", bias=0.5 + 0.001 * number)
    alike = [
        row | {"a": "plain", "b": f"m{n}", "difference": 0.1, "ci95": [0.005, 0.195], "p": 0.04} for n in range(18)
    ]
    sure = row | {"a": "plain", "b": "ours", "difference": -0.5, "ci95": [-0.6, -0.4]}
    none = row | {"a": "plain", "b": "m18", "difference": 0.01, "ci95": [-0.1, 0.1]}
    compared(two, *alike, sure, none)
    page, _ = report(two, reference="plain")
    text = page.text
    assert "Of 20 intervals about 1.0 would exclude 0 by chance if no model differed from plain" in text
    shape_bias, results = page.section("shape-bias"), page.section("results")
    assert shape_bias.count("excludes 0, but could be chance among several") == 18
    assert (shape_bias.count(">clear of 0<"), shape_bias.count("includes 0: could be chance")) == (1, 1)
    assert "20 intervals: by chance about 1.0 would exclude zero" in text
    assert results.count(">uncorrected only<") == 18
    assert (results.count('"words">yes<'), results.count('"words">no<')) == (1, 1)
    assert "could be chance" in text.partition("The difference in shape bias")[2] or "clear of zero, also after" in text


def test_shares_of_all_pictures_lead_beside_the_ratio(tmp_path: Path) -> None:
    """900 of 1200 pictures were decided by either cue, two thirds of them by shape."""
    details = {"conflict_images": 1200}
    for name, bias in (("net", 2 / 3), ("other", 1 / 3)):
        entries = [result("shape-bias", "shape_bias", bias, 900, details=details)]
        measured(tmp_path / "in" / name, name, weights=name, results=entries)
    page, _ = report(tmp_path / "in")
    assert "“net” decided 50 % of all pictures by shape, 25 % by texture and 25 % by neither" in page.text
    assert "shape 50.0 %, neither 25.0 %, texture 25.0 %, of 1,200 pictures · shape bias 66.7 %" in page.text
    (bar,) = [a for a in page.classed("bar") if a["aria-label"].startswith("net")]
    assert bar["aria-label"] == "net: shape 50.0\u202f%, neither 25.0\u202f%, texture 25.0\u202f%"


def test_wide_tables_scroll_in_their_own_box_and_keep_their_first_column(tmp_path: Path) -> None:
    """At any number of models no table widens the page: chromium shows this at 390 pixels; here its cause is kept."""
    for number in range(13):
        measured(tmp_path / "in" / f"{number}", f"net{number}", weights=str(number), bias=number / 20)
    source = report(tmp_path / "in")[0].source
    outside = re.sub(r'<div class="scroll".*?</table>\s*</div>', "", source, flags=re.DOTALL)
    assert "<table" not in outside
    style = source.partition("<style>")[2].partition("</style>")[0]
    assert re.search(r"\.scroll \{ overflow-x: auto;", style)
    assert re.search(r"\.scroll th:first-child \{ position: sticky; left: 0;", style)


def test_neurons_without_correlation_are_not_called_shape_like(two: Path, tmp_path: Path) -> None:
    path = two / "images" / "grid" / "0.jpg-style0.png"
    picture(path, 0)
    (two / "images" / "grid" / "stylize.json").write_text("{}")
    image = [{"image": str(path), "x": 0.5, "y": 0.5}]
    rows = [{"neuron": n, "correlation": c, "images": image} for n, c in ((1, 0.5), (2, 0.0), (3, -0.25))]
    (two / "ours" / "neurons.json").write_text(json.dumps({"stage": "x", "shape": rows, "texture": rows[1:]}))
    page, warnings = report(two)
    assert ["neuron 1 " in a["alt"] for a in page.named("img") if "neuron" in a["alt"]] == [True]
    assert "most shape-like" in page.text and "most texture-like" not in page.text
    (two / "ours" / "neurons.json").write_text(json.dumps({"stage": "x", "shape": rows[1:], "texture": []}))
    page, warnings = report(two)
    assert "most shape-like" not in page.text and not [w for w in warnings if "neurons.json" in w]


def test_strips_of_neurons(two: Path, tmp_path: Path) -> None:
    images = []
    for number in range(8):
        path = two / "images" / "grid" / f"{number}.jpg-style0.png"
        picture(path, number)
        place = None if number % 2 else 0.25
        images.append({"image": str(path), "x": place, "y": place})
    (two / "images" / "grid" / "stylize.json").write_text("{}")
    neurons(two / "ours", images)
    page, _ = report(two)
    pictures = [a for a in page.named("img") if "neuron" in a["alt"]]
    assert len(pictures) == 11  # ten of the twelve, and one of texture
    assert {(a["width"], a["height"]) for a in pictures} == {("356", "56")}
    assert "neuron 7" in page.text and "0.91" in page.text and "layer4" in page.text
    (two).rename(tmp_path / "moved")
    assert len([a for a in report(tmp_path / "moved")[0].named("img") if "neuron" in a["alt"]]) == 11


def test_pictures_without_texture_are_charted_and_stages_named(tmp_path: Path) -> None:
    results = [
        result(kind, "top1", 0.4, condition={"mapping": "mean"}, details={"chance": 1 / 16})
        for kind in ("sketches", "edges", "silhouettes")
    ]
    results += [result("dimensionality", "shape_neurons", 0.3, details={"stage": "layer3.1", "neurons": 64})]
    measured(tmp_path / "in" / "net", "net", results=results)
    page, _ = report(tmp_path / "in")
    labels = [a["aria-label"] for a in page.classed("intervals")]
    assert [label.split()[0] for label in labels] == ["Silhouettes", "Edges", "Sketches"]
    assert {a["x1"] for a in page.classed("guess")} == {"6.25%"} and "dotted line" in page.text
    assert "stage: layer3.1" in page.text and "last layer" not in page.text


def test_drawings_of_few_colours_are_exact_and_other_pictures_small(tmp_path: Path) -> None:
    drawing = Image.new("RGB", (64, 64), "white")
    drawing.paste((255, 0, 0), (16, 16, 48, 48))
    photograph = Image.fromarray(np.random.default_rng(0).integers(0, 256, (64, 64, 3), dtype=np.uint8))
    assert embed_image(drawing).uri.startswith("data:image/png;")
    assert embed_image(photograph).uri.startswith("data:image/jpeg;")
    assert embed_image(photograph, labels=True).uri.startswith("data:image/png;")


def test_a_detail_is_a_third_around_its_place_and_inside() -> None:
    image = Image.new("RGB", (90, 60))
    image.paste((255, 0, 0), (65, 0, 90, 25))
    assert detail(image, (1.0, 0.0)).getcolors() == [(TILE * TILE, (255, 0, 0))]
    assert detail(image, (0.0, 1.0)).getcolors() == [(TILE * TILE, (0, 0, 0))]
    assert detail(image, None).size == (TILE, TILE)


@pytest.mark.parametrize("name", ["../../secret/a.png", "link/a.png", "nul\0", "", "/etc/passwd"])
def test_no_detail_from_outside(two: Path, tmp_path: Path, opened: list[str], name: str) -> None:
    picture(tmp_path / "secret" / "a.png", 1)
    (two / "link").symlink_to(tmp_path / "secret")
    for image in (name, str(tmp_path / "secret" / "a.png")):
        neurons(two / "ours", [{"image": image, "x": 0.5, "y": 0.5}])
        decided = {"image": image, "shape": "cat", "texture": "dog", "decision": "cat"}
        (two / "ours" / "decisions.json").write_text(json.dumps({"folder": str(two), "images": [decided]}))
        assert not report(two)[0].named("img")
    assert opened == []


@pytest.mark.parametrize("linked", [False, True])
def test_a_results_folder_from_outside_shows_no_other_picture(two: Path, tmp_path: Path, linked: bool) -> None:
    private = tmp_path / "private"
    named = {"name": "me.png", "place": "cat1-dog2.png", "cues": "cat/cat1-bear2.png", "style": "me.png-style0.png"}
    for name in named.values():
        picture(private / name, 1)
    files = [(private / name).relative_to("/").as_posix() for name in named.values()]
    if linked:  # good names that lead to others
        for link in (two / "ours" / "cat" / "cat1-dog2.png", two / "ours" / "a.png-style0.png"):
            link.parent.mkdir(exist_ok=True)
            link.symlink_to(private / "me.png")
            files.append(link.relative_to("/").as_posix())
        (two / "ours" / "stylize.json").write_text("{}")
    rows = [{"image": file, "shape": "cat", "texture": "dog", "decision": "cat"} for file in files]
    (two / "ours" / "decisions.json").write_text(json.dumps({"folder": "/", "images": rows}))
    neurons(two / "ours", [{"image": f"/{file}", "x": 0.5, "y": 0.5} for file in files])
    record = json.loads((two / "ours" / "results.json").read_text())
    for one in record["results"]:
        one["details"]["data"] = {"folder": "/"}
    (two / "ours" / "results.json").write_text(json.dumps(record))
    page, warnings = report(two)
    assert not page.named("img")
    assert any("neurons.json" in w for w in warnings) and any("no cue-conflict picture" in w for w in warnings)


def test_hostile_names_are_escaped_in_every_picture_section(tmp_path: Path) -> None:
    root, pictures = tmp_path / "in", conflicts(tmp_path / "pictures")
    for name, bias in ((EVIL, 0.5), (ATTRIBUTE, 0.25)):
        folder = measured(root / str(bias), name, weights=name, bias=bias)
        decisions(folder, pictures, EVIL)
        copy = root / "images" / "a.png-style0.png"
        picture(copy, 1)
        (root / "images" / "stylize.json").write_text("{}")
        neurons(folder, [{"image": str(copy), "x": 0.5, "y": 2}], neuron=EVIL)
        path = folder / "neurons.json"
        path.write_text(path.read_text().replace("layer4", EVIL))
    paired = result("shape-bias", "shape_bias", None) | {"a": EVIL, "b": ATTRIBUTE, "difference": 0.25}
    compared(root, paired | {"ci95": [0.1, 0.4]})
    responses(tmp_path / "csv" / "a.csv", f"{EVIL} person", "shape")
    page, _ = report(root, tmp_path / "csv")
    page.assert_escaped()
    assert "Side by side" in page.text and page.classed("strip") and page.classed("meter")
