"""The audit: every evaluator that there is data for, what is missing said, nothing measured twice."""

from __future__ import annotations

import json
import shutil

import pytest

from shapebias.cli.main import main
from shapebias.errors import UserError
from shapebias.evaluators.accuracy import Accuracy
from shapebias.evaluators.names import EVALUATORS
from shapebias.evaluators.run import audit, evaluate_all
from shapebias.models.load import load_model
from testkit.fixed_networks import by_colour, killed_at_second_run
from testkit.images import class_folder, noise_image

SOME = ("accuracy", "shape-bias", "silhouettes", "edges")


@pytest.fixture
def data(tmp_path, colours):
    """Data for accuracy, shape bias and silhouettes, as a folder of data sets."""
    root = tmp_path / "data"
    shutil.copytree(colours, root / "val")
    noise_image(root / "cue-conflict" / "red" / "red1-blue1.png", 0)
    noise_image(root / "cue-conflict" / "green" / "green1-blue1.png", 1)
    class_folder(root / "silhouettes", ("red", "blue"))
    return root


def test_what_there_is_data_for_is_measured_and_the_rest_named(data, tmp_path):
    networks = [by_colour("a"), by_colour("b", turn=1)]
    found = audit(networks, data={"": data}, out=tmp_path / "out", evaluators=SOME, device="cpu")
    measured = {entry.evaluator for entry in found.results[0].results}
    assert measured == {"accuracy", "shape-bias", "silhouettes"}
    (missing,) = found.skipped
    assert missing.model == ""
    assert missing.evaluator == "edges"
    assert "--data edges=DIR" in missing.reason
    assert "contours" in missing.needs
    written = json.loads((tmp_path / "out" / "audit.json").read_text())
    assert written["schema"] == "shapebias/audit/1"
    assert written["missing"] == [{"evaluator": "edges", "reason": missing.reason, "needs": missing.needs}]
    pairs = json.loads((tmp_path / "out" / "comparison.json").read_text())["paired"]
    assert {pair["evaluator"] for pair in pairs} == measured


def test_its_figures_are_those_of_evaluate(data, tmp_path):
    (audited,) = audit([by_colour("a")], data={"": data}, out=tmp_path / "one", evaluators=SOME, device="cpu").results
    folders = {"accuracy": data / "val", "shape-bias": data / "cue-conflict", "silhouettes": data / "silhouettes"}
    (evaluated,) = evaluate_all(
        [by_colour("a")], evaluators=list(folders), data=folders, out=tmp_path / "two", device="cpu"
    ).results
    figures = [{entry.key: (entry.value, entry.ci95, entry.n) for entry in r.results} for r in (audited, evaluated)]
    assert figures[0] == figures[1]


def test_a_second_time_only_what_changed_is_measured(data, tmp_path, monkeypatch):
    ran = []
    for kind in {EVALUATORS[name] for name in SOME}:
        run = kind.run
        monkeypatch.setattr(kind, "run", lambda self, m, run=run: (ran.append(self.name), run(self, m))[1])
    arguments = {"data": {"": data}, "out": tmp_path / "out", "evaluators": SOME, "device": "cpu"}
    first = audit([by_colour("a")], **arguments)
    assert sorted(ran) == ["accuracy", "shape-bias", "silhouettes"]
    again = audit([by_colour("a")], **arguments)
    assert len(ran) == 3
    assert again.results[0].to_json()["results"] == first.results[0].to_json()["results"]
    noise_image(data / "silhouettes" / "red" / "more.png", 7)
    audit([by_colour("a")], **arguments)
    assert ran[3:] == ["silhouettes"]
    audit([by_colour("a")], **arguments, seed=1)
    assert sorted(ran[4:]) == ["accuracy", "shape-bias", "silhouettes"]


def test_it_goes_on_where_it_was_killed(data, tmp_path, monkeypatch):
    ran = killed_at_second_run(Accuracy, monkeypatch)
    networks = [by_colour("a"), by_colour("b")]
    arguments = {"data": {"": data}, "out": tmp_path / "out", "evaluators": ["accuracy"], "device": "cpu"}
    with pytest.raises(KeyboardInterrupt):
        audit(networks, **arguments)
    assert [r.model["name"] for r in audit(networks, **arguments).results] == ["a", "b"]
    assert ran == ["a", "b", "b"]


def test_a_network_that_an_evaluator_is_not_for_is_left_out_of_it(data, tmp_path):
    networks = [by_colour("a"), by_colour("other", classes=("x", "y", "z"))]
    found = audit(networks, data={"": data}, out=tmp_path / "out", evaluators=SOME[:2], device="cpu")
    assert {(s.evaluator, s.model) for s in found.skipped} == {("accuracy", "other"), ("shape-bias", "other")}
    assert "different classes" in found.skipped[0].reason
    assert [r.model["name"] for r in found.results] == ["a"]


def test_data_that_do_not_fit_an_evaluator_are_its_reason(data, tmp_path):
    (data / "edges").mkdir()
    found = audit([by_colour("a")], data={"": data}, out=tmp_path / "out", evaluators=SOME, device="cpu")
    assert "no class folders" in found.skipped[0].reason


def test_nothing_at_all_is_an_error_that_says_why(tmp_path):
    (tmp_path / "empty").mkdir()
    with pytest.raises(UserError, match=r"nothing could be measured; edges: not found in .*: add --data edges=DIR"):
        audit([by_colour("a")], data={"": tmp_path / "empty"}, out=tmp_path / "out", evaluators=["edges"], device="cpu")
    with pytest.raises(UserError, match="unknown evaluator 'egdes'"):
        audit([by_colour("a")], data={"egdes": tmp_path / "empty"}, out=tmp_path / "out", device="cpu")


def test_under_strict_an_unreadable_image_is_fatal(data, tmp_path):
    (data / "val" / "red" / "broken.png").write_bytes(b"x")
    arguments = {"data": {"": data}, "evaluators": ["accuracy"], "device": "cpu"}
    audit([by_colour("a")], **arguments, out=tmp_path / "one")
    with pytest.raises(UserError, match=r"broken\.png"):
        audit([by_colour("a")], **arguments, out=tmp_path / "two", strict=True)


def test_every_evaluator_says_what_it_takes():
    for name, evaluator in EVALUATORS.items():
        assert evaluator.name == name
        assert len(evaluator.needs) > 20


def test_the_command_writes_a_page(data, tmp_path, monkeypatch, capfd):
    monkeypatch.setattr("shapebias.models.load._published", lambda spec: by_colour(spec.partition(":")[2]))
    assert load_model("x:a").identity.name == "a"
    command = ["audit", "x:a", "x:b", f"--data={data}", f"--out={tmp_path / 'out'}", "--device=cpu"]
    assert main([*command, f"--evaluators={','.join(SOME)}"]) == 0
    said = capfd.readouterr().err
    assert "not measured: edges: not found in" in said
    assert "wrote" in said
    page = (tmp_path / "out" / "report.html").read_text()
    assert "contours in folders of the 16 categories" in page


def test_an_audit_takes_the_class_folders_that_evaluate_takes(colours, tmp_path):
    """``audit RUN --data photos`` for photographs that lie in one folder per class, not divided into parts."""
    names = ["accuracy", "stylized", "white-box", "dimensionality"]
    options = {"evaluators": [*names, "edges"], "attacks": "fgsm", "epsilons": (8.0,), "pairs": 20, "device": "cpu"}
    found = audit([by_colour("a")], data={"": colours}, out=tmp_path / "out", **options)
    assert [skipped.evaluator for skipped in found.skipped] == ["edges"]
    assert {entry.evaluator for entry in found.results[0].results} == {*names}
    assert found.results[0].get("accuracy", "top1").value == 11 / 12


def test_a_folder_of_data_sets_is_no_folder_of_classes(colours, tmp_path):
    """Neither one whose data sets have names that no evaluator looks for, nor one with images of a single class."""
    shutil.copytree(colours, tmp_path / "sets" / "mine")
    shutil.copytree(colours, tmp_path / "sets" / "yours")
    shutil.copytree(colours / "red", tmp_path / "one" / "red")
    for folder in ("sets", "one"):
        assert not any(EVALUATORS[name].find(tmp_path / folder) for name in EVALUATORS)
