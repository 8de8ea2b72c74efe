"""Scoring raw responses: the published figures, several observers and sessions, what is written and printed."""

from __future__ import annotations

import json
import math

import pytest

from shapebias.cli.main import main
from shapebias.errors import UserError
from shapebias.evaluators.human_responses import row, save, score_files
from shapebias.report import build_report
from shapebias.results.results import Results
from shapebias.stats.intervals import t_quantile, wilson

HEADER = "subj,session,trial,rt,object_response,category,condition,imagename"


def responses(path, answers, observer="anna", session=1):
    """Trials from (answer, shape, texture)."""
    rows = [
        f"{observer},{session},{n},1,{answer},{shape},0,x_{shape}{n}-{texture}{n}.png"
        for n, (answer, shape, texture) in enumerate(answers, 1)
    ]
    path.write_text("\n".join([HEADER, *rows]) + "\n")
    return path


MIXED = [("cat", "cat", "dog"), ("dog", "cat", "dog"), ("na", "bear", "dog"), ("cat", "cat", "cat"), ("car",) * 3]
SHAPE = [("cat", "cat", "dog"), ("cat", "cat", "dog"), ("bear", "bear", "dog")]


def test_published_responses(shared):
    """Every published file: the counts exactly, the shape bias to six digits."""
    published = json.loads((shared / "reference" / "responses.json").read_text())
    files = {path.name: path for path in (shared / "data" / "responses").glob("*.csv")}
    assert set(files) == set(published)
    for name, wanted in published.items():
        (one,) = score_files([files[name]])
        details = one.given.results[0].details
        assert (details["shape"], details["texture"], details["conflict_images"]) == (
            wanted["shape"],
            wanted["texture"],
            wanted["conflict_trials"],
        ), name
        assert round(one.shape_bias, 6) == wanted["shape_bias"], name
        assert details["same_category_left_out"] == 80


def test_intervals_of_published_responses_are_over_photographs(shared):
    """Standard errors from resampling the 160 shape and 48 texture photographs, computed outside of this package."""
    files = sorted((shared / "data" / "responses").glob("*.csv"))
    found = {one.name: one.given.results[0] for one in score_files(files)}
    for name, of_photographs, of_images in (("resnet50", 0.0242, 0.0149), ("squeezenet", 0.0433, 0.0166)):
        result = next(result for observer, result in found.items() if observer.startswith(name))
        error = (result.value * (1 - result.value) / result.details["effective_decisions"]) ** 0.5
        assert error == pytest.approx(of_photographs, abs=0.0006)
        assert (result.value * (1 - result.value) / result.n) ** 0.5 == pytest.approx(of_images, abs=0.0003)
        low, high = result.ci95
        assert (high - low) / (2 * t_quantile(32)) == pytest.approx(error, rel=0.05)
        assert low < result.value < high
    people = [result for observer, result in found.items() if observer.startswith("subject")]
    ratios = [(result.n / result.details["effective_decisions"]) ** 0.5 for result in people]
    assert len(people) == 5 and min(ratios) > 1.1 and max(ratios) < 1.5


def test_counted_by_hand(tmp_path):
    (one,) = score_files([responses(tmp_path / "a.csv", MIXED)])
    entry = one.results.get("shape-bias", "shape_bias")
    assert (entry.value, entry.n, entry.condition) == (0.5, 2, {"mapping": "as given"})
    assert (entry.details["shape"], entry.details["texture"], entry.details["conflict_images"]) == (1, 1, 3)
    assert (entry.details["undecided"], entry.details["same_category_left_out"]) == (1, 2)
    assert entry.details["decided_fraction"] == pytest.approx(2 / 3)
    of_cats = {"shape": 1, "texture": 1, "n": 2, "shape_bias": 0.5, "ci95": wilson(1, 2)}
    assert entry.details["per_category"]["cat"] == of_cats
    assert one.results.model["name"] == "anna"
    assert row(one)[0] == "anna"
    assert (row(one)[1:4], row(one)[5]) == (("33.3", "33.3", "33.3"), "3")


def test_several_observers_in_a_file_are_scored_each_and_ordered(tmp_path):
    path = responses(tmp_path / "a.csv", SHAPE)
    path.write_text(path.read_text() + responses(tmp_path / "b.csv", MIXED, "ben").read_text().partition("\n")[2])
    found = score_files([path, responses(tmp_path / "c.csv", [("na", "cat", "dog")], "carl")])
    assert [one.name for one in found] == ["ben", "anna", "carl"]
    assert [one.shape_bias for one in found[:2]] == [0.5, 1.0]
    assert math.isnan(found[2].shape_bias)
    assert row(found[2])[1:5] == ("0.0", "0.0", "100.0", "-")


def test_sessions_are_put_together_and_one_session_twice_is_refused(tmp_path):
    first, second = responses(tmp_path / "1.csv", SHAPE), responses(tmp_path / "2.csv", MIXED, session=2)
    (one,) = score_files([first, second])
    details = one.given.results[0].details
    assert (details["shape"], details["conflict_images"], details["sessions"]) == (4, 6, 2)
    assert len(set(one.given.images)) == 6
    assert one.given.images[3] == "cat/cat1-dog1.png (2)"
    with pytest.raises(UserError, match=r"1\.csv, line 2: trial 1 of anna, session 1, occurs twice"):
        score_files([first, first])


def test_no_conflict_is_refused(tmp_path):
    with pytest.raises(UserError, match=r"a\.csv, line 2: anna has 1 trials, none on an image whose shape"):
        score_files([responses(tmp_path / "a.csv", [("cat", "cat", "cat")])])


def test_command_writes_results_that_the_report_shows(tmp_path, capsys):
    files = [
        responses(tmp_path / "a.csv", SHAPE * 4),
        responses(tmp_path / "b.csv", MIXED[:3] * 4, "ben/../../x"),
    ]
    out = tmp_path / "out"
    assert main(["score-responses", *map(str, files), "--json", "--out", str(out)]) == 0
    printed = capsys.readouterr()
    assert [one["model"]["name"] for one in json.loads(printed.out)] == ["ben/../../x", "anna"]
    assert "conflict" in printed.err and "anna" in printed.err
    assert Results.load(out / "anna" / "results.json").get("shape-bias", "shape_bias").value == 1.0
    assert sorted(path.name for path in out.iterdir()) == ["anna", "ben-..-..-x", "comparison.json"]
    shape_bias = json.loads((out / "comparison.json").read_text())["paired"][0]
    assert (shape_bias["a"], shape_bias["b"], shape_bias["n"]) == ("anna", "ben/../../x", 12)  # as given
    assert shape_bias["difference"] == 0.5
    assert shape_bias["ci95"][0] < 0.5 < shape_bias["ci95"][1]
    assert build_report([out], tmp_path / "page.html") == []
    assert "anna" in (tmp_path / "page.html").read_text()
    assert main(["score-responses", str(files[0])]) == 0
    assert capsys.readouterr().out == ""


def test_folders_of_others_are_left_alone(tmp_path):
    scored = score_files([responses(tmp_path / "a.csv", SHAPE)])
    network = Results({"name": "anna", "weights_sha256": "0" * 64}, {}, [])
    network.save(tmp_path / "out" / "anna" / "results.json")
    with pytest.raises(UserError, match="holds results of a model of that name"):
        save(scored, tmp_path / "out")
    twins = score_files([responses(tmp_path / f"{n}.csv", SHAPE, name) for n, name in enumerate(("a:b", "a-b"))])
    with pytest.raises(UserError, match="would both be written"):
        save(twins, tmp_path / "out")


def test_wrong_input_is_one_line_and_status_2(tmp_path, capsys):
    path = responses(tmp_path / "a.csv", [("kitten", "cat", "dog")])
    assert main(["score-responses", str(path)]) == 2
    error = capsys.readouterr().err
    assert error.startswith("shapebias: error: ") and error.count("\n") == 1
    assert "a.csv, line 2: the response 'kitten'" in error
