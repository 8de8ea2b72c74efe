"""Trainings at once, in processes of their own: the same runs as one after another, and errors of one line."""

from __future__ import annotations

import pytest
from safetensors.torch import load_file

from shapebias.errors import UserError
from shapebias.train.config import TrainConfig
from shapebias.train.run import train
from shapebias.train.settings import configure
from shapebias.train.together import train_together
from testkit.images import class_folder


def config(data, out, **more):
    given = {"epochs": 1, "batch_size": 4, "size": 32, "device": "cpu", **more}
    return configure(TrainConfig, scheme="in", model="test_resnet", data=data, out=out, **given)


def test_runs_at_once_are_those_of_one_after_another(tmp_path, capsys):
    data = class_folder(tmp_path / "data")
    settings = [config(data, tmp_path / "together" / str(seed), seed=seed) for seed in range(2)]
    folders = train_together(settings, images=16, at_once=2)
    assert folders == [tmp_path / "together" / "0", tmp_path / "together" / "1"]
    assert "training" in capsys.readouterr().err
    for seed, folder in enumerate(folders):
        alone = load_file(train(config(data, tmp_path / "alone" / str(seed), seed=seed)) / "model.safetensors")
        for name, value in load_file(folder / "model.safetensors").items():
            assert (value.float() - alone[name].float()).abs().max() < 1e-3, name
    assert train_together(settings, images=16, at_once=2) == folders  # finished: nothing is trained again


def test_a_run_that_is_refused_refuses_all_in_one_line(tmp_path):
    settings = [config(tmp_path / "nowhere", tmp_path / name) for name in "ab"]
    with pytest.raises(UserError, match="nowhere"):
        train_together(settings, images=1, at_once=2)
