"""``train`` as it is typed: settings from a file or a run, and what is refused in one line."""

from __future__ import annotations

import json

import pytest

from shapebias.cli.main import main
from shapebias.train.config import LoopConfig
from testkit.commands import read_command
from testkit.runs import rows, same, weights
from testkit.stopped_runs import die_at_checkpoints

SMALL = ["--model=test_resnet", "--epochs=1", "--batch-size=4", "--size=32", "--device=cpu"]


def typed(images, out, *more):
    return main(["train", "--scheme=mmsi-sin-in", "--data", str(images), "--out", str(out), *SMALL, *more])


def settings(out):
    return json.loads((out / "config.json").read_text())


def complaint(capsys):
    (line,) = capsys.readouterr().err.splitlines()
    return line


def test_bare_resume_without_a_run_is_refused(images, tmp_path, capsys):
    assert typed(images, tmp_path / "run", "--resume") == 2
    assert complaint(capsys).startswith(f"shapebias: error: there is no run to resume in {tmp_path / 'run'}")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("more", [[], ["--lr", "0.1"]])
def test_resume_of_a_folder_without_a_run_is_refused(tmp_path, capsys, more):
    assert main(["train", "--resume", str(tmp_path / "nothing"), *more]) == 2
    assert "there is no run to resume in" in complaint(capsys)


@pytest.fixture
def unfinished(images, tmp_path, monkeypatch, capsys):
    """A run of two epochs of which one is done."""
    with monkeypatch.context() as patch:
        die_at_checkpoints(patch)
        assert typed(images, tmp_path / "run", "--epochs=2", "--lr=0.01", "--stages=layer3,layer4") == 130
    capsys.readouterr()
    return tmp_path / "run"


def test_resume_takes_the_settings_of_the_run(images, tmp_path, unfinished, capsys):
    assert main(["train", "--resume", str(unfinished)]) == 0
    assert "resuming after epoch 1" in capsys.readouterr().err
    assert typed(images, tmp_path / "whole", "--epochs=2", "--lr=0.01", "--stages=layer3,layer4") == 0
    assert rows(unfinished) == rows(tmp_path / "whole")
    assert same(weights(unfinished), weights(tmp_path / "whole"))


def test_resume_with_another_setting_shows_the_difference(unfinished, capsys):
    assert main(["train", "--resume", str(unfinished), "--lr", "0.5"]) == 2
    assert "(lr: 0.01 there, 0.5 now): choose another --out" in complaint(capsys)
    assert main(["train", "--lr=0.5", "--lambda-m=0", "--resume", str(unfinished)]) == 2
    assert "(lambda_m: 0.8 there, 0.0 now, lr: 0.01 there, 0.5 now)" in complaint(capsys)


def test_bare_resume_goes_on_with_the_run_in_out(images, unfinished, capsys):
    assert typed(images, unfinished, "--epochs=2", "--lr=0.01", "--stages=layer3,layer4", "--resume") == 0
    assert "resuming after epoch 1" in capsys.readouterr().err


def test_a_model_of_timm_with_or_without_its_library(images, tmp_path):
    assert typed(images, tmp_path / "run", "--scheme=in") == 0
    assert typed(images, tmp_path / "run", "--scheme=in", "--model=timm:test_resnet") == 0  # the same run
    assert settings(tmp_path / "run")["model"] == "test_resnet"


def test_the_settings_of_a_run_can_be_given_to_another(images, tmp_path):
    one, other, control = tmp_path / "one", tmp_path / "other", tmp_path / "control"
    assert typed(images, one, "--stages=layer3,layer4", "--ema-decay=0.5") == 0
    assert main(["train", "--config", str(one / "config.json"), "--out", str(other)]) == 0
    assert settings(other) == {**settings(one), "out": str(other)}
    assert settings(other)["stages"] == ["layer3", "layer4"]
    assert rows(one) == rows(other)
    assert same(weights(one), weights(other))
    assert main(["train", "--config", str(one / "config.json"), "--lambda-m", "0", "--out", str(control)]) == 0
    assert settings(control) == {**settings(one), "out": str(control), "lambda_m": 0.0}
    assert not same(weights(one), weights(control))


def given(*arguments):
    """The settings that are typed, without training."""
    return read_command("train", *arguments)["config"]


def test_a_file_of_settings_and_options_that_win(tmp_path):
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(
        "scheme: mmsi\nmodel: resnet50\ndata: photos\nout: runs/a\nnesterov: true\n"
        "epochs: 60\nlr: 0.1\nschedule: step\ndrop-every: 20\nstages:\n  - layer3\n  - layer4\nlambda-m: 0.4\n"
    )
    found = given("--lr", "0.2", "--config", str(recipe), "--lambda-m=0", "--drop-every=30")
    assert (found.scheme, found.model, found.loop.epochs, found.loop.schedule) == ("mmsi", "resnet50", 60, "step")
    assert (found.loop.lr, found.loop.drop_every) == (0.2, 30)
    assert (found.objective.stages, found.objective.lambda_m) == (("layer3", "layer4"), 0.0)
    assert found.loop.batch_size == LoopConfig.batch_size
    assert given("--config", str(recipe), "--stages", "layer2").objective.stages == ("layer2",)
    assert found.loop.nesterov and not given("--config", str(recipe), "--no-nesterov").loop.nesterov
    assert not found.loop.strict


def test_a_stage_that_is_not_there_is_refused_with_those_that_are(images, tmp_path, capsys):
    assert typed(images, tmp_path / "run", "--stages", "layer9") == 2
    line = complaint(capsys)
    assert "has no stage 'layer9'" in line
    assert "layer4" in line
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("more", "text"),
    [
        (["--schedule=linear"], "--schedule takes cosine or step, not 'linear'"),
        (["--grad-accum-steps=3"], "--batch-size 4 is not divisible"),
        (["--keep-checkpoints=0"], "--keep-checkpoints must lie between 1 and 1000, not 0"),
        (["--learning-rate=1"], "unknown option --learning-rate"),
        (["--resume=runs/a"], "there is no run to resume in runs/a"),
    ],
)
def test_settings_are_refused_in_one_line(images, tmp_path, capsys, more, text):
    assert typed(images, tmp_path / "run", *more) == 2
    line = complaint(capsys)
    assert line.startswith("shapebias: error: ")
    assert text in line
    assert not (tmp_path / "run").exists()


def test_of_several_processes_the_first_tells_what_was_written(images, tmp_path, monkeypatch, capsys):
    assert typed(images, tmp_path / "one", "--scheme=in") == 0
    assert capsys.readouterr().err.splitlines()[-1].startswith(f"wrote {tmp_path / 'one'}/model.safetensors")
    monkeypatch.setattr("shapebias.train.run.train", lambda config: config.loop.out)
    monkeypatch.setenv("LOCAL_RANK", "1")
    assert typed(images, tmp_path / "two", "--scheme=in") == 0
    assert capsys.readouterr().err == ""
