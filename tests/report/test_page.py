"""The report: one page, self-contained, true to its inputs, and safe with hostile ones."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from shapebias.errors import UserError
from shapebias.report import build_report
from testkit.report_fixture import answers, compared, conflicts, measured, picture, result, trained
from testkit.report_page import ATTRIBUTE, EVIL, Page, report


@pytest.fixture
def full(tmp_path: Path) -> Path:
    """Two trained and measured models that disagree, and one of someone else's."""
    pictures = conflicts(tmp_path / "pictures")
    root = tmp_path / "all"
    for name, rule, bias in (("plain", "texture", 0.2), ("ours", "shape", 0.875)):
        trained(root / "runs" / name, name, weights=name, views=2 if name == "ours" else 0)
        measured(root / "out" / name, name, weights=name, bias=bias, pictures=pictures, rows=answers(rule))
    measured(root / "out" / "theirs", "theirs", weights="zz", bias=0.5, pictures=pictures, rows=answers("dog"))
    paired = {"evaluator": "shape-bias", "metric": "shape_bias", "condition": {}, "a": "ours", "b": "plain", "n": 6}
    paired |= {"difference": 0.675, "ci95": [0.6, 0.75]}
    compared(root / "out", paired, paired | {"a": "ours", "b": "absent"})
    return root


def test_page_is_self_contained(full: Path) -> None:
    page, _ = report(full)
    assert not page.named("script") and not page.named("link")
    assert page.named("img") and all(a["src"].startswith("data:image/") for a in page.named("img"))
    assert all(a["alt"] for a in page.named("img"))
    assert all(a["href"].startswith("#") for a in page.named("a"))
    ids = {a["id"] for _, a in page.tags if "id" in a}
    assert {a["href"][1:] for a in page.named("a")} <= ids
    assert "http://" not in page.source and "https://" not in page.source
    assert "url(" not in page.source and "@import" not in page.source
    assert len(page.source) < 3_000_000


def test_charts_are_labelled_and_finite(full: Path) -> None:
    page, _ = report(full)
    drawings = page.named("svg")
    assert all(a.get("aria-label") for a in drawings if a.get("role") == "img")
    assert len(page.classed("curve")) == 7  # train_stylized_top1 is empty in every run
    assert not re.search(r'="[^"]*\b(nan|inf|None)\b', page.source)


def test_numbers_are_those_of_the_files(full: Path) -> None:
    page, _ = report(full)
    for shown in ("87.5 %", "20.0 %", "81.2 %", "33.7 %", "1,234", "24.7 %", "0.3141", "1.75", "1.5 to 2", "n 320"):
        assert shown in page.text, shown
    assert "82.5\u201392.5 %" in page.text
    assert "+67.5 points" in page.text and "60.0 to 75.0" in page.text
    assert "noise" in page.text and "error, severity: 3" in page.text
    lines = [a["aria-label"] for a in page.classed("ratio")]
    assert [line.split(":")[0] for line in lines] == ["plain", "theirs", "ours"]
    assert {a["x1"] for a in page.classed("guess")} == {"33.33%"}
    places = {a["x"] for a in page.classed("at")}
    assert "37.5%" in places and "62.5%" not in places  # 62.5 % by shape lies towards the left
    assert {a["x1"] for a in page.classed("mean")} == {"80%", "50%", "12.5%"}
    assert [a["width"] for a in page.classed("fill-shape")][:3] == ["20%", "50%", "87.5%"]


def test_summary_uses_the_paired_difference(full: Path) -> None:
    page, warnings = report(full)
    assert "“ours” went by the shape in 88 % of the decisions in which it followed either cue." in page.text
    assert "“plain” went by the shape in 20 % of" in page.text
    assert "clear of zero: +67.5 points" in page.text
    assert any("not on this page" in w for w in warnings)
    assert "absent" not in page.text.replace("comparison.json", "")


def test_summary_admits_overlap(tmp_path: Path) -> None:
    measured(tmp_path / "in" / "a", "a", weights="a", bias=0.50)
    measured(tmp_path / "in" / "b", "b", weights="b", bias=0.55)
    page, _ = report(tmp_path / "in")
    assert "intervals overlap, so the difference is uncertain" in page.text


def test_cards_show_who_followed_which_cue(full: Path) -> None:
    page, _ = report(full)
    chips = [a for a in page.classed("chip") if "title" in a]
    said = {a["title"]: a["class"] for a in chips}
    assert len(page.classed("card")) == 6  # every conflict, none of the three pairs of equals
    assert said["ours answered cat: shape"] == "chip shape"
    assert said["plain answered cat: texture"] == "chip texture"
    assert said["theirs answered dog: neither cue"] == "chip other"
    assert sum(a["title"].startswith("ours") and a["class"] == "chip shape" for a in chips) == 6


def test_hostile_names_are_escaped(tmp_path: Path) -> None:
    pictures = conflicts(tmp_path / "pictures")
    entries = json.loads((measured(tmp_path / "x", "x", pictures=pictures) / "results.json").read_text())["results"]
    counts = entries[2]["details"]["per_category"]
    counts[EVIL] = counts[ATTRIBUTE] = {"shape": 1, "texture": 1, "n": 2, "shape_bias": 0.5}
    entries.append(result(EVIL, ATTRIBUTE, 0.5, condition={EVIL: ATTRIBUTE}))
    rows = [(EVIL, shape, image) for _, shape, image in answers("shape")]
    measured(tmp_path / "in" / "a", EVIL, pictures=pictures, rows=rows, results=entries)
    trained(tmp_path / "in" / "r", EVIL, config={EVIL: ATTRIBUTE}, warnings=[EVIL, ATTRIBUTE])
    trained(tmp_path / "in" / "s", ATTRIBUTE, weights="other")
    (pictures / "ATTRIBUTION.txt").write_text(f"{EVIL} by somebody")
    page, _ = report(tmp_path / "in", title=EVIL)
    page.assert_escaped()
    assert f"{EVIL} by somebody" in page.text


@pytest.mark.parametrize(
    ("shape", "image"),
    [
        ("cat", "../../secret/cat1-dog2.png"),
        ("..", "x_..1-dog2.png"),
        ("../secret", "x_../secret1-dog2.png"),
        ("secret", "secret1-../dog2.png"),
        ("/etc", "x_/etc1-dog2.png"),
        ("link", "x_link1-dog2.png"),
        ("nul\0", "x_nul\x001-dog2.png"),
        ("cat", "../../../../etc/passwd"),
    ],
)
def test_no_picture_from_outside_the_folder(tmp_path: Path, opened: list[str], shape: str, image: str) -> None:
    pictures = tmp_path / "deep" / "pictures"
    (pictures / "cat").mkdir(parents=True)
    for name in ("cat1-dog2.png", "..1-dog2.png", "link1-dog2.png"):
        picture(tmp_path / "deep" / "secret" / name, 1)
        picture(tmp_path / "deep" / name, 1)
    (pictures / "link").symlink_to(tmp_path / "deep" / "secret")
    measured(tmp_path / "in" / "a", "a", pictures=pictures, rows=[("cat", shape, image)])
    page, _ = report(tmp_path / "in")
    assert opened == [] and not page.named("img")


def test_raw_answers_from_outside_are_not_read(tmp_path: Path) -> None:
    folder = measured(tmp_path / "in" / "a", "a", pictures=conflicts(tmp_path / "pictures"))
    (folder / "cue-conflict_net_session-1.csv").rename(tmp_path / "in" / "answers.csv")
    path = folder / "results.json"
    path.write_text(path.read_text().replace("cue-conflict_net_session-1.csv", "../answers.csv"))
    page, warnings = report(tmp_path / "in")
    assert not page.classed("card") and any("raw answers of a are not in" in w for w in warnings)


def test_same_bytes_for_same_input(full: Path, tmp_path: Path) -> None:
    build_report([full], tmp_path / "one.html")
    build_report([full / "..", full], tmp_path / "two.html")
    build_report([full], tmp_path / "three.html")
    assert (tmp_path / "one.html").read_bytes() == (tmp_path / "three.html").read_bytes()
    assert len(Page(tmp_path / "two.html").classed("card")) == 6


def test_run_without_measurements(tmp_path: Path) -> None:
    trained(tmp_path / "in" / "r", "alone", weights=None, views=0, curves=False)
    page, warnings = report(tmp_path / "in")
    assert any("no training curves found in" in w for w in warnings)
    assert any("unfinished" in w for w in warnings)
    assert page.sections() == ["provenance"] and "Shape or texture?" not in page.text
    assert (
        "nothing of the kind was found in the given folders: shape bias, training pictures, decisions on single "
        "pictures, shape bias by category, accuracy, shape and texture neurons, training curves, all results."
        in page.text
    )
    assert not [a for a in page.named("svg") if a.get("role") == "img"]


def test_measurement_without_run_and_pictures_gone(tmp_path: Path) -> None:
    measured(tmp_path / "in" / "a", "theirs", pictures=tmp_path / "gone")
    page, warnings = report(tmp_path / "in")
    assert "“theirs” went by the shape in 62 %" in page.text
    assert "no longer in the folder where they were measured" in page.text
    assert any(f"no longer in {tmp_path / 'gone'}" in w for w in warnings)


def test_undefined_values_are_dashes(tmp_path: Path) -> None:
    measured(tmp_path / "in" / "a", "a", bias=None)
    path = tmp_path / "in" / "a" / "results.json"
    path.write_text(path.read_text().replace("0.8125", "NaN"))
    page, _ = report(tmp_path / "in")
    assert "shape bias not defined: neither cue was followed on any picture" in page.text
    assert not re.search(r"\b(nan|NaN|None|null)\b", page.text)


def test_results_join_their_run_by_weights_only(tmp_path: Path) -> None:
    trained(tmp_path / "in" / "r", "same", weights="one")
    measured(tmp_path / "in" / "a", "same", weights="two")
    page, warnings = report(tmp_path / "in")
    assert "2 models" in page.text and "same (2)" in page.text
    assert any("belong to other weights" in w for w in warnings)


def test_measurements_of_one_model_in_parts_are_joined(tmp_path: Path) -> None:
    measured(tmp_path / "in" / "a", "net", results=[result("accuracy", "top1", 0.5)])
    measured(tmp_path / "in" / "b", "net", results=[result("shape-bias", "shape_bias", 0.5)])
    assert "1 model " in report(tmp_path / "in")[0].text
    measured(tmp_path / "in" / "c", "net", results=[result("accuracy", "top1", 0.75)])
    page, _ = report(tmp_path / "in")
    assert "2 models" in page.text and "50.0 %" in page.text and "75.0 %" in page.text


def test_seeds_tell_equal_names_apart(tmp_path: Path) -> None:
    for seed in (0, 1):
        trained(tmp_path / "in" / f"r{seed}", "net", seed=seed, weights=str(seed))
        measured(tmp_path / "in" / f"m{seed}", "net", weights=str(seed))
    page, _ = report(tmp_path / "in")
    assert "net · seed 0" in page.text and "net · seed 1" in page.text


def test_doubtful_inputs_are_named(tmp_path: Path) -> None:
    unreadable = {"folder": "data", "images": 1, "fingerprint": "other", "unreadable": ["broken.jpg"]}
    results = [result("accuracy", "top1", 0.5, details={"data": unreadable})]
    measured(tmp_path / "in" / "a", "a", weights="a", results=results)
    results = [result("accuracy", "top1", 0.5, details={"data": unreadable | {"fingerprint": "this"}})]
    measured(tmp_path / "in" / "b", "b", weights="b", results=results)
    trained(tmp_path / "in" / "r", "r", warnings=["the loss collapsed"])
    page, warnings = report(tmp_path / "in")
    assert any("different data for accuracy" in w for w in warnings)
    for shown in ("1 file of the accuracy data could not be read", "broken.jpg", "the loss collapsed", "d4" * 32):
        assert shown in page.text, shown


def test_hidden_folders_are_skipped(tmp_path: Path) -> None:
    measured(tmp_path / "in" / "a", "seen")
    measured(tmp_path / "in" / ".cache" / "b", "unseen")
    assert "unseen" not in report(tmp_path / "in")[0].text


@pytest.mark.parametrize(
    ("content", "says"),
    [
        ("{", "not readable JSON"),
        ("[]", "not a results file"),
        ('{"schema": "shapebias/results/9"}', "not a results file"),
        ('{"schema": "shapebias/results/1"}', "no model.name"),
        ('{"schema": "shapebias/results/1", "model": {"name": "x"}, "environment": {}, "results": [7]}', "results[0]"),
    ],
)
def test_broken_results_are_refused_in_one_line(tmp_path: Path, content: str, says: str) -> None:
    (tmp_path / "results.json").write_text(content)
    with pytest.raises(UserError, match=re.escape(says)) as caught:
        build_report([tmp_path], tmp_path / "page.html")
    assert str(tmp_path / "results.json") in str(caught.value) and "\n" not in str(caught.value)
    assert not (tmp_path / "page.html").exists()


def test_nothing_to_report_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UserError, match="no folder"):
        build_report([tmp_path / "absent"], tmp_path / "page.html")
    with pytest.raises(UserError, match=r"no run\.json and no results\.json"):
        build_report([tmp_path], tmp_path / "page.html")


def test_odd_records_do_not_break_the_page(tmp_path: Path) -> None:
    odd = [
        result("shape-bias", "shape_bias", 0.5, details={"per_category": {"cat": 3}, "responses": 7}),
        result("accuracy", "top1", 7.0, ci95=None),
        result("dimensionality", "shape_neurons", 0.5, details={"scores": [], "pairs": {}}),
    ]
    measured(tmp_path / "in" / "a", "\ud800 odd", results=odd)
    run = trained(tmp_path / "in" / "r", "r", weights="w")
    (run / "metrics.csv").write_text("phase,images,loss\na,0,nan\na,-5,1\na,9,1e300\nb,x,\nb,0,2,3,4\n")
    (run / "examples" / "00-view-a.png").write_text("no picture")
    (tmp_path / "in" / "comparison.json").write_text("[]")
    page, _ = report(tmp_path / "in")
    assert "2 models" in page.text and len(page.classed("curve")) == 1


def test_importing_the_report_is_cheap() -> None:
    code = "import sys, shapebias.report; assert not {'torch', 'jinja2', 'PIL', 'numpy'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
    code = "import sys, shapebias.report.page; assert not {'torch', 'matplotlib'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True)
