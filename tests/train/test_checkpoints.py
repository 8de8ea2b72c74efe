"""Checkpoints: how many are kept, which are whole, and whose they are."""

from __future__ import annotations

import shutil

import pytest
import torch

from shapebias.errors import UserError
from shapebias.files import locked
from shapebias.libraries import timm
from shapebias.train.checkpoints import Checkpoints
from shapebias.train.run import train
from testkit.runs import config, rows, same, weights
from testkit.stopped_runs import die_at_checkpoints

SETTINGS = {"scheme": "in", "optimizer": "adamw", "lr": 0.002, "epochs": 4, "checkpoint_minutes": 0.0}


def stopped(patch, images, out, count=3, **values):
    with patch.context() as now, pytest.raises(KeyboardInterrupt):
        die_at_checkpoints(now, count)
        train(config(images, out, **{**SETTINGS, **values}))
    return Checkpoints(out)


def flipped(path):
    content = bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)


DAMAGES = {
    "flipped": flipped,
    "truncated": lambda path: path.write_bytes(path.read_bytes()[:-100]),
    "empty": lambda path: path.write_bytes(b""),
    "gone": lambda path: path.unlink(),
}


def test_the_last_few_are_kept_in_the_order_of_their_steps(tmp_path):
    kept = Checkpoints(tmp_path, keep=2)
    assert kept.newest() is None
    for step in (1, 2, 9, 10, 11):
        kept.save(step, {"step": step, "tensor": torch.ones(3)})
    assert [int(path.name.split("-")[0]) for path in kept.paths()] == [10, 11]
    assert kept.newest()["step"] == 11
    kept.save(11, {"step": "again"})
    assert [int(path.name.split("-")[0]) for path in kept.paths()] == [10, 11]
    assert kept.newest()["step"] == "again"
    kept.clear()
    assert not (tmp_path / "checkpoints").exists()


@pytest.mark.parametrize("keep", [1, 2, 3])
def test_a_run_keeps_as_many_as_it_was_told(images, tmp_path, monkeypatch, keep):
    assert len(stopped(monkeypatch, images, tmp_path / "run", keep_checkpoints=keep).paths()) == keep


@pytest.mark.parametrize("damage", DAMAGES)
def test_the_one_before_a_damaged_one_is_gone_on_from(images, tmp_path, monkeypatch, capsys, damage):
    whole = train(config(images, tmp_path / "whole", **SETTINGS))
    out = tmp_path / "run"
    newest = stopped(monkeypatch, images, out).paths()[-1]
    DAMAGES[damage](newest)
    capsys.readouterr()
    train(config(images, out, **SETTINGS))
    messages = capsys.readouterr().err
    assert (f"warning: checkpoint {newest} is damaged" in messages) == (damage != "gone")
    assert "resuming after epoch 2" in messages
    assert rows(out) == rows(whole)
    assert same(weights(out), weights(whole))
    assert not (out / "checkpoints").exists()


def test_a_run_whose_checkpoints_are_all_damaged_is_not_begun_again_unasked(images, tmp_path, monkeypatch):
    out = tmp_path / "run"
    paths = stopped(monkeypatch, images, out).paths()
    for path, damage in zip(paths, ("flipped", "truncated", "empty"), strict=True):
        DAMAGES[damage](path)
    with pytest.raises(UserError, match=r"every checkpoint in .* is damaged: delete"):
        train(config(images, out, **SETTINGS))
    assert Checkpoints(out).paths() == paths


def test_a_checkpoint_of_another_run_is_refused(images, tmp_path, monkeypatch):
    stopped(monkeypatch, images, tmp_path / "one")
    stopped(monkeypatch, images, tmp_path / "other", lr=0.5)
    shutil.rmtree(tmp_path / "one" / "checkpoints")
    shutil.copytree(tmp_path / "other" / "checkpoints", tmp_path / "one" / "checkpoints")
    with pytest.raises(UserError, match="belongs to another run: delete its checkpoints folder"):
        train(config(images, tmp_path / "one", **SETTINGS))


def other_network(state):
    state["model"] = timm.create_model("test_vit", num_classes=2).state_dict()


def other_classes(state):
    state["model"] = timm.create_model("test_resnet", num_classes=5).state_dict()


def sgd(state, kind=torch.optim.SGD):
    network = timm.create_model("test_resnet", num_classes=2)
    optimizer = kind(network.parameters(), lr=0.1)
    for parameter in network.parameters():
        parameter.grad = torch.ones_like(parameter)
    optimizer.step()
    state["optimizer"] = optimizer.state_dict()


def adamw(state):
    sgd(state, torch.optim.AdamW)


def fewer_parameters(state):
    state["optimizer"] = torch.optim.AdamW([torch.zeros(3)]).state_dict()


def no_average(state):
    state["average"] = None


@pytest.mark.parametrize(
    ("optimizer", "edit"),
    [
        ("adamw", other_network),
        ("adamw", other_classes),
        ("adamw", sgd),
        ("sgd", adamw),
        ("adamw", fewer_parameters),
        ("sgd", no_average),
    ],
)
def test_a_checkpoint_of_another_network_or_optimizer_is_refused(images, tmp_path, monkeypatch, optimizer, edit):
    out, settings = tmp_path / "run", {**SETTINGS, "optimizer": optimizer, "ema_decay": 0.5}
    kept = stopped(monkeypatch, images, out, **settings)
    state = kept.newest()
    edit(state)
    kept.save(10, state)
    with pytest.raises(UserError, match="another model or optimiser") as caught:
        train(config(images, out, **settings))
    assert "\n" not in str(caught.value)


def test_nothing_half_written_is_left(images, tmp_path, monkeypatch):
    out = tmp_path / "run"
    stopped(monkeypatch, images, out)
    for name in (".model.safetensors.abc.part", "checkpoints/.written.pt.xyz.part", "checkpoints/written.pt"):
        (out / name).write_bytes(b"half")
    train(config(images, out, **SETTINGS))
    assert not list(out.rglob("*.part"))
    assert not (out / "checkpoints").exists()


def test_checkpoints_left_by_a_kill_after_the_end_are_removed(images, tmp_path, monkeypatch):
    out = tmp_path / "run"
    with monkeypatch.context() as patch:
        patch.setattr(Checkpoints, "clear", lambda _self: None)  # as if killed just before
        train(config(images, out, **SETTINGS))
    assert Checkpoints(out).paths()
    train(config(images, out, **SETTINGS))
    assert not (out / "checkpoints").exists()


def test_the_folder_of_a_run_at_work_is_refused_to_another(images, tmp_path):
    out = tmp_path / "run"
    with locked(out), pytest.raises(UserError, match="another process is at work"):
        train(config(images, out, **SETTINGS))
    train(config(images, out, **SETTINGS))


def test_a_run_in_the_folder_of_its_images_is_refused_where_its_examples_would_become_a_class(images, tmp_path):
    data = tmp_path / "photos"
    shutil.copytree(images, data)
    with pytest.raises(UserError, match=r"lies in .*photos.*: choose another --out"):
        train(config(data, data / "run", **SETTINGS))
    assert not (data / "run").exists()


def test_a_folder_that_is_not_ours_is_refused_and_left_as_it_was(images, tmp_path):
    out = tmp_path / "thesis"
    (out / "deep").mkdir(parents=True)
    for name in ("chapter.tex", "deep/.download.part", ".other.part"):
        (out / name).write_text("mine")
    before = sorted(out.rglob("*"))
    with pytest.raises(UserError, match="choose another --out"):
        train(config(images, out, **SETTINGS))
    assert sorted(path for path in out.rglob("*") if path.name != ".lock") == before
