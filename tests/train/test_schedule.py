"""What changes from step to step, and settings that cannot be."""

from __future__ import annotations

from itertools import pairwise
from pathlib import Path

import pytest
import torch

from shapebias.data.image_set import from_labels
from shapebias.errors import UserError, option
from shapebias.train.config import TrainConfig
from shapebias.train.run import scheme_phase
from shapebias.train.schemes import SCHEMES
from shapebias.train.settings import RANGES, configure, plain
from shapebias.train.step import ramp
from shapebias.train.task import Schedule
from shapebias.train.views import Stylizing, Views
from testkit.runs import config

PER_EPOCH = 10


def rates(schedule: Schedule) -> list[float]:
    return [schedule.rate(step, PER_EPOCH) for step in range(schedule.epochs * PER_EPOCH)]


def test_the_cosine_rises_then_falls_to_nearly_zero():
    found = rates(Schedule(0.1, epochs=30, warmup_epochs=1.0))
    assert found[:10] == pytest.approx([0.01 * n for n in range(1, 11)])
    assert all(a >= b for a, b in pairwise(found[9:]))
    assert found[10 + 145] == pytest.approx(0.05)  # half the cosine's way is half the peak
    assert found[-1] < 1e-5


def test_the_published_recipe_divides_by_ten_every_twenty_epochs():
    found = rates(Schedule(0.1, epochs=60, kind="step", warmup_epochs=0, drop_every=20))
    assert found == pytest.approx([0.1] * 200 + [0.01] * 200 + [0.001] * 200)


@pytest.mark.parametrize(
    ("warmup_epochs", "epochs", "steps"), [(0, 5, 1), (0.5, 30, 5), (2, 30, 20), (9, 30, 30), (1, 1, 1)]
)
def test_the_rise_takes_a_tenth_at_most(warmup_epochs, epochs, steps):
    for kind in ("cosine", "step"):
        found = rates(Schedule(1.0, epochs=epochs, kind=kind, warmup_epochs=warmup_epochs, drop_every=100))
        assert found[:steps] == pytest.approx([n / steps for n in range(1, steps + 1)])
        assert max(found) == pytest.approx(1.0)
        assert found[steps] == pytest.approx(1.0)


def test_the_term_is_ramped_in_over_the_given_epochs():
    assert [ramp(epoch, 4.0) for epoch in (0, 1, 2.5, 4, 9)] == [0, 0.25, 0.625, 1, 1]
    assert ramp(0.0, 0.0) == 1


def test_finetuning_has_a_schedule_of_its_own():
    given = configure(
        TrainConfig,
        **{"scheme": "mmsi", "model": "resnet18", "data": Path("data")},
        **{"epochs": 60, "lr": 0.1, "schedule": "step", "drop_every": 20, "warmup_epochs": 0.0},
        **{"finetune_epochs": 45, "finetune_lr": 0.01, "finetune_drop_every": 15},
    )
    images = from_labels(Path(), [Path("a.png")] * 4, "abab")
    views = Views(Stylizing(None, torch.zeros(2, 1), 1.0))
    first, second = (scheme_phase(given, phase, images, views).schedule for phase in SCHEMES["mmsi"])
    assert first == Schedule(0.1, epochs=60, kind="step", warmup_epochs=0, drop_every=20)
    assert second == Schedule(0.01, epochs=45, kind="step", warmup_epochs=0, drop_every=15)


@pytest.mark.parametrize("name", sorted(RANGES.keys() & plain(config(Path(), Path())).keys()))
def test_each_number_out_of_its_range_is_named(tmp_path, name):
    lowest, highest = RANGES[name]
    whole = isinstance(plain(config(tmp_path, tmp_path))[name], int)
    for value in (lowest - 1, highest + 1, *(() if whole else (float("nan"), float("inf")))):
        with pytest.raises(UserError, match=f"{option(name)} must lie between") as caught:
            config(tmp_path, tmp_path / "run", **{name: value}).check()
        assert str(value) in str(caught.value)


STYLIZED = {"stylized": Path("copies")}


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"scheme": "mmsi-sin-inn"}, "did you mean 'mmsi-sin-in'"),
        ({"batch_size": 16, "grad_accum_steps": 3}, "--batch-size 16 is not divisible by 1 devices x 1 nodes x 3"),
        ({"batch_size": 16, "grad_accum_steps": 4, "devices": 3}, "is not divisible by 3 devices"),
        ({"batch_size": 16, "nodes": 5}, "5 nodes"),
        ({"batch_size": 8, "grad_accum_steps": 4}, "gives only 2: use at least 3"),
        ({"batch_size": 2, "scheme": "mmsi"}, "gives only 2: use at least 3"),
        ({"nesterov": True, "optimizer": "adamw"}, "--nesterov needs --optimizer sgd"),
        ({"nesterov": True, "momentum": 0.0}, "--momentum above 0"),
        ({**STYLIZED, "styles": Path("paintings")}, "--stylized uses existing copies"),
        ({**STYLIZED, "stylizer": "vgg19"}, "--stylized uses existing copies"),
        ({**STYLIZED, "alpha": 0.5}, "--stylized uses existing copies"),
        ({"stylizer": "vgg19"}, "--styles a folder of paintings"),
    ],
)
def test_settings_that_cannot_be_together_are_refused_in_one_line(tmp_path, values, text):
    with pytest.raises(UserError) as caught:
        config(tmp_path, tmp_path / "run", **values).check()
    assert text in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    "values",
    [
        {"batch_size": 8, "grad_accum_steps": 4, "axis": "channel"},
        {"batch_size": 2, "scheme": "shapenet"},
        {"batch_size": 12, "grad_accum_steps": 4},
        {"batch_size": 8, "devices": 4},  # the correlation runs over all devices
        {"nesterov": True},
        {"stylizer": "vgg19", "styles": Path("paintings")},
        STYLIZED,
    ],
)
def test_settings_that_can_be_are_not_refused(tmp_path, values):
    config(tmp_path, tmp_path / "run", **values).check()
