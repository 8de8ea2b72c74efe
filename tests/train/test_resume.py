"""Runs that are stopped anywhere and go on to the end they would have had, bit for bit."""

from __future__ import annotations

import importlib.util
import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
import torch

from shapebias.cli.main import main
from shapebias.errors import UserError
from shapebias.train import loop as loop_module
from shapebias.train import run as run_module
from shapebias.train.checkpoints import Checkpoints
from shapebias.train.run import build_model, train
from testkit.images import class_folder
from testkit.runs import config, rows, same, weights
from testkit.stopped_runs import attempts_to_finish, signal_at_step

ADVERSE = {  # everything that has a state: two phases, batch norm, dropout, Adam's moments, an average
    **{"scheme": "mmsi", "model": "test_byobnet", "finetune_epochs": 2, "ema_decay": 0.8, "clip_norm": 1.0},
    **{"optimizer": "adamw", "lr": 0.002, "checkpoint_minutes": 0.0, "ramp_epochs": 1.0},
}
SAVES = 8  # two epochs of two steps in each phase


pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    root = tmp_path_factory.mktemp("data")
    class_folder(root / "val", per_class=3)
    class_folder(root / "train", per_class=4)
    return root


@pytest.fixture(scope="module")
def undisturbed(data, one_thread, tmp_path_factory):
    return train(config(data, tmp_path_factory.mktemp("runs") / "undisturbed", **ADVERSE))


@pytest.fixture
def dropout(monkeypatch):
    """Networks of the runs drop a third of their last latents."""

    def build(*arguments):
        classifier = build_model(*arguments)
        layers = [module for module in classifier.modules() if isinstance(module, torch.nn.Dropout)]
        assert layers
        for layer in layers:
            layer.p = 0.3
        return classifier

    monkeypatch.setattr(run_module, "build_model", build)


def assert_same_end(one, other):
    assert rows(one) == rows(other)
    for name in ("joint", "model"):
        assert same(weights(one, name), weights(other, name)), name
    seen = [json.loads((out / "run.json").read_text())["images_seen"] for out in (one, other)]
    assert seen[0] == seen[1]


@pytest.mark.parametrize(("every", "workers"), [(1, 0), (3, 1)])
def test_stopped_after_any_step_a_run_ends_as_undisturbed(data, tmp_path, dropout, monkeypatch, every, workers):
    whole = train(config(data, tmp_path / "whole", **ADVERSE))
    assert len(rows(whole)) == 4
    parts = config(data, tmp_path / "parts", **ADVERSE, workers=workers)
    assert attempts_to_finish(monkeypatch, lambda: train(parts), every) == 1 + SAVES // every
    assert_same_end(whole, parts.loop.out)
    before = (parts.loop.out / "model.safetensors").stat().st_mtime_ns
    assert train(parts) == parts.loop.out  # finished: nothing is done again
    assert (parts.loop.out / "model.safetensors").stat().st_mtime_ns == before


def test_dropout_makes_a_difference_here(data, tmp_path, monkeypatch, dropout):
    """That the test above can fail: steps that draw otherwise end elsewhere."""
    whole = train(config(data, tmp_path / "whole", **ADVERSE))
    monkeypatch.setattr(loop_module, "seed_step", lambda *_: None)
    other = train(config(data, tmp_path / "other", **ADVERSE))
    assert not same(weights(whole), weights(other))


def test_settings_that_compute_nothing_may_change_between_the_parts(data, undisturbed, tmp_path, monkeypatch):
    out = tmp_path / "parts"
    with monkeypatch.context() as patch, pytest.raises(SystemExit):
        signal_at_step(patch, 3)
        train(config(data, out, **ADVERSE))
    with pytest.raises(UserError, match=r"lr: 0\.002 there, 0\.5 now"):
        train(config(data, out, **{**ADVERSE, "lr": 0.5}))
    changed = {"checkpoint_minutes": 9.0, "keep_checkpoints": 1, "workers": 1, "strict": True}
    train(config(data, out, **{**ADVERSE, **changed}))
    assert_same_end(undisturbed, out)
    assert json.loads((out / "run.json").read_text())["config"]["workers"] == 1


def command(data, out):
    options = {**ADVERSE, "data": data, "out": out, "batch_size": 4, "size": 32, "epochs": 2, "device": "cpu"}
    del options["checkpoint_minutes"]  # five minutes: the one checkpoint in an epoch is that of the signal
    return ["train", *(f"--{name.replace('_', '-')}={value}" for name, value in options.items())]


@pytest.mark.parametrize(
    ("number", "status", "step", "position"),
    [
        (signal.SIGTERM, 143, 3, (0, 1, 1)),
        (signal.SIGTERM, 143, 4, (0, 1, 2)),
        (signal.SIGINT, 130, 1, (0, 0, 1)),
        (signal.SIGINT, 130, 7, (1, 1, 1)),
    ],
)
def test_a_signal_is_a_checkpoint_after_the_step_and_a_status(
    data, undisturbed, tmp_path, monkeypatch, capsys, number, status, step, position
):
    out, copy = tmp_path / "out", tmp_path / "copy"
    handlers = [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)]
    with monkeypatch.context() as patch:
        signal_at_step(patch, step, number)
        assert main(command(data, out)) == status
    assert [signal.getsignal(n) for n in (signal.SIGTERM, signal.SIGINT)] == handlers
    assert capsys.readouterr().err.splitlines()[-1].endswith("run the same command to resume")
    state = Checkpoints(out).newest()
    assert tuple(state["position"].values()) == position
    assert state["log"]["steps"] == step
    shutil.copytree(out, copy)
    assert main(command(data, out)) == 0
    assert f"resuming after step {position[2]} of epoch" in capsys.readouterr().err
    assert main(["train", "--resume", str(copy)]) == 0
    assert_same_end(undisturbed, out)
    assert_same_end(undisturbed, copy)


def test_a_signal_during_validation_leaves_it_off_and_it_is_measured_again(data, undisturbed, tmp_path, monkeypatch):
    out = tmp_path / "out"
    original, batches = run_module.validate, []

    def signalled(*arguments):
        os.kill(os.getpid(), signal.SIGTERM)
        batches.append(original(*arguments))
        return -1.0

    with monkeypatch.context() as patch:
        patch.setattr(run_module, "validate", signalled)
        assert main(command(data, out)) == 143
    assert len(batches) == 1
    assert Checkpoints(out).newest()["position"] == {"phase": 0, "epoch": 0, "step": 2}
    assert rows(out) == []
    assert main(command(data, out)) == 0
    assert_same_end(undisturbed, out)


def test_the_second_signal_ends_at_once(data, tmp_path, monkeypatch):
    signal_at_step(monkeypatch, 2, times=2)
    assert main(command(data, tmp_path / "out")) == 143
    assert Checkpoints(tmp_path / "out").paths() == []


@pytest.fixture
def kills(monkeypatch):
    """The experiment that kills runs, with a smaller run."""
    path = Path(__file__).parents[2] / "experiments" / "kills.py"
    if not path.is_file():
        pytest.skip("the experiments are not here")
    spec = importlib.util.spec_from_file_location("kills", path)
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "kills", module)
    spec.loader.exec_module(module)
    small = ["--epochs=5", "--finetune-epochs=3", "--batch-size=4"]
    monkeypatch.setattr(module, "SETTINGS", [*module.SETTINGS, *small])
    return module


@pytest.mark.slow
def test_ended_and_killed_at_random_moments_a_process_ends_as_undisturbed(data, tmp_path, kills):
    whole, out = tmp_path / "whole", tmp_path / "out"
    assert main(["train", *kills.SETTINGS, "--data", str(data), "--out", str(whole)]) == 0
    process = kills.begin(data, out)
    try:
        while not kills.checkpoints(out) and process.poll() is None:
            time.sleep(0.002)
        process.send_signal(signal.SIGTERM)
        assert process.wait(60) == 143
    finally:
        process.kill()
        process.wait()
    assert len(rows(out)) < 8
    assert Checkpoints(out).newest()["log"]["steps"] >= 1
    assert kills.kill_often(data, out, 2, random.Random(3), 0.03)
    assert_same_end(whole, out)
    assert not list(out.rglob("*.part"))
