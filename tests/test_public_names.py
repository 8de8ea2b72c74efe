"""What ``import shapebias`` offers: training, transfer and the page from Python, and results that can be looked at."""

from __future__ import annotations

import math
import subprocess
import sys
from importlib.metadata import version
from types import SimpleNamespace

import pytest

import shapebias
import shapebias.train.settings  # so that the package of that name is there, as after any other use
from shapebias import Result, Results, UserError, build_report, evaluate, train, transfer
from testkit.fixed_networks import by_colour, colour_folder
from testkit.images import class_folder

TOP1 = Result("accuracy", "top1", 0.5, 10, (0.25, 0.75), {}, {"per_category": {"a": {"n": 1, "value": 0.5}}})
CLEAN = Result("white-box", "top1", None, 0, None, {"attack": "fgsm", "epsilon": 0.5})
RESULTS = Results({"name": "net", "classes": [f"class {n}" for n in range(1000)]}, {"torch": "x"}, [TOP1, CLEAN])
SMALL = {"model": "test_resnet", "epochs": 1, "batch_size": 4, "size": 32, "device": "cpu"}


def test_every_public_name_is_there():
    for name in shapebias.__all__:
        assert getattr(shapebias, name) is not None
    assert shapebias.__version__ == version("shapebias")
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        _ = shapebias.nothing


def test_a_model_is_trained_transferred_and_shown_from_python(images, tmp_path):
    run = train(scheme="in", data=str(images), out=str(tmp_path / "runs" / "plain"), **SMALL)
    assert run == tmp_path / "runs" / "plain"
    assert evaluate(run, evaluators="accuracy", data=images, device="cpu").model["name"] == "plain"
    textures = class_folder(tmp_path / "textures", ("bark", "brick"), 5)
    (found,) = transfer(run, data=textures, out=tmp_path / "transfer", method="knn", size=32, device="cpu")
    assert found.get("transfer-textures", "top1").n >= 2
    assert build_report([str(run), str(tmp_path / "transfer")], str(tmp_path / "page.html")) == []
    assert "plain" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize("first", ["shapebias.train.config", "shapebias"])
def test_train_is_the_function_whatever_was_imported_before(first):
    code = "from shapebias import train; assert callable(train) and callable(shapebias.train)"
    subprocess.run([sys.executable, "-c", f"import {first}, shapebias; {code}"], check=True)


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"epoch": 3}, "unknown setting 'epoch': did you mean 'epochs'"),
        ({"optimizer": "adam"}, "unknown optimizer 'adam': did you mean 'adamw'"),
        ({"epochs": 0}, "--epochs must lie between 1"),
        ({"scheme": "mmsi-sin-inn"}, "did you mean 'mmsi-sin-in'"),
    ],
)
def test_settings_from_python_are_checked_as_typed_ones(images, tmp_path, settings, said):
    with pytest.raises(UserError, match=said):
        train(**{"scheme": "in", "data": images, "out": tmp_path / "run", **SMALL, **settings})
    assert not (tmp_path / "run").exists()


def test_evaluators_and_attacks_are_one_name_or_several(tmp_path):
    colours = colour_folder(tmp_path / "colours")
    for evaluators in ("accuracy", ["accuracy"], "accuracy, white-box"):
        found = evaluate(by_colour("net"), evaluators=evaluators, data=colours, attacks="fgsm", device="cpu")
        assert found.get("accuracy", "top1").value == 11 / 12
    assert {one.condition["attack"] for one in found.results if one.evaluator == "white-box"} == {"none", "fgsm"}
    with pytest.raises(UserError, match="did you mean 'accuracy'"):
        evaluate(by_colour("net"), evaluators="acuracy", data=colours)


def test_classes_of_a_network_may_be_a_file(tmp_path):
    colours = colour_folder(tmp_path / "colours")
    (tmp_path / "names.txt").write_text("blue\ngreen\nred\n")
    network = by_colour("net").network
    for classes in (str(tmp_path / "names.txt"), tmp_path / "names.txt", ["blue", "green", "red"]):
        found = evaluate(network, evaluators="accuracy", data=colours, classes=classes, device="cpu")
        assert found.model["classes"] == ["blue", "green", "red"]


def test_results_print_as_a_table():
    lines = str(RESULTS).splitlines()
    assert lines == repr(RESULTS).splitlines()
    assert lines[0] == "results of net"
    assert lines[1].split() == ["evaluator", "metric", "condition", "value", "95", "%", "interval", "n"]
    assert lines[2].split() == ["accuracy", "top1", "0.5000", "[0.2500,", "0.7500]", "10"]
    assert lines[3].split() == ["white-box", "top1", "attack", "fgsm,", "epsilon", "0.5", "-", "0"]
    assert len(lines) == 4


def test_results_as_a_data_frame(monkeypatch):
    """With pandas itself where it is installed; else with what it is given."""
    try:
        import_pandas = __import__("pandas")
    except ImportError:
        monkeypatch.setitem(sys.modules, "pandas", SimpleNamespace(DataFrame=lambda rows: rows))
        rows = RESULTS.to_pandas()
    else:
        assert isinstance(RESULTS.to_pandas(), import_pandas.DataFrame)
        rows = RESULTS.to_pandas().to_dict("records")
    top1, clean = rows
    assert (top1["model"], top1["evaluator"], top1["metric"], top1["n"]) == ("net", "accuracy", "top1", 10)
    assert (top1["value"], top1["ci95_low"], top1["ci95_high"]) == (0.5, 0.25, 0.75)
    assert (clean["condition.attack"], clean["condition.epsilon"]) == ("fgsm", 0.5)
    assert all(math.isnan(clean[name]) for name in ("value", "ci95_low", "ci95_high"))


def test_without_pandas_it_is_said_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(UserError, match="pip install pandas"):
        RESULTS.to_pandas()


def test_evaluate_is_the_function_whatever_was_imported_before() -> None:
    program = "import shapebias.evaluators.run, shapebias.cli.main, shapebias; print(callable(shapebias.evaluate))"
    made = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert made.stdout.strip() == "True"
