"""Training the small stylizer: the folder that it writes in."""

from __future__ import annotations

import pytest
import torch

from shapebias.errors import UserError
from shapebias.files import locked
from shapebias.stylize.training.recipe import Recipe
from shapebias.stylize.training.train import train_stylizer
from testkit.images import class_folder


def test_a_folder_at_work_and_a_folder_of_others_are_refused(tmp_path, monkeypatch):
    photos, out = class_folder(tmp_path / "photos"), tmp_path / "out"
    how = {"perceptual": "torchvision", "out": out, "recipe": Recipe(steps=1), "workers": 0}
    with locked(out), pytest.raises(UserError, match="another process is at work in"):
        train_stylizer(photos, [photos], **how)
    (out / "adain.safetensors").write_bytes(b"my own")
    monkeypatch.setattr("shapebias.stylize.training.train.load_perceptual", lambda _source: torch.nn.Identity())
    with pytest.raises(UserError, match=r"not empty and holds no run of ours, but 1 \(adain.safetensors\)"):
        train_stylizer(photos, [photos], **how)
    assert (out / "adain.safetensors").read_bytes() == b"my own"
