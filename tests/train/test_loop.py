"""The order in which a loop takes samples, and a loss or weights that are no longer numbers."""

from __future__ import annotations

import json

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors import safe_open
from safetensors.torch import load_file

from shapebias.data.loaders import EpochBatchSampler, epoch_order
from shapebias.data.readers.class_folders import read_class_folders
from shapebias.errors import UserError
from shapebias.train import step as step_module
from shapebias.train.checkpoints import Checkpoints
from shapebias.train.optimizer import OptimizerStep
from shapebias.train.run import train
from shapebias.train.samples import TrainingSamples
from shapebias.train.step import forward_step
from testkit.images import class_folder
from testkit.runs import config


@given(
    count=st.integers(8, 90),
    share=st.integers(1, 4),
    ranks=st.sampled_from([1, 2, 4]),
    parts=st.sampled_from([1, 2]),
    seed=st.integers(0, 2**40),
    first=st.integers(0, 3),
)
@settings(max_examples=80, deadline=None)
def test_ranks_and_parts_divide_each_batch(count, share, ranks, parts, seed, first):
    """Whatever the ranks and parts, a step shows the same samples, each once; it may begin at any step."""
    batch = share * ranks * parts
    samplers = [EpochBatchSampler(count, batch, seed=seed, rank=r, ranks=ranks, parts=parts) for r in range(ranks)]
    order = epoch_order(count, seed=seed, epoch=7).tolist()
    shares = []
    for sampler in samplers:
        sampler.epoch, sampler.first = 7, first
        taken = list(sampler)
        first_taken = min(first, len(sampler))
        assert taken == [part for step in range(first_taken, len(sampler)) for part in sampler.keys(step)]
        shares.append([sampler.keys(step) for step in range(len(sampler))])
    whole = samplers[0].batch_size
    assert len(samplers[0]) == count // whole
    for step in range(len(samplers[0])):
        keys = [key for own in shares for part in own[step] for key in part]
        assert sorted(keys) == sorted((7, index) for index in order[step * whole : (step + 1) * whole])
        sizes = {len(part) for own in shares for part in own[step]}
        assert sizes == {whole // (ranks * parts)}


def test_parts_are_interleaved_and_ranks_within_them():
    def keys(rank, parts):
        sampler = EpochBatchSampler(16, 8, seed=0, rank=rank, ranks=2, parts=parts)
        return [[index for _, index in part] for part in sampler.keys(1)]

    batch = epoch_order(16, seed=0, epoch=0)[8:].tolist()
    assert keys(0, 2) == [[batch[0], batch[4]], [batch[1], batch[5]]]
    assert keys(1, 2) == [[batch[2], batch[6]], [batch[3], batch[7]]]
    assert keys(1, 1) == [batch[1::2]]


@pytest.mark.parametrize(("count", "size"), [(64, 64), (65, 64), (63, 60), (7, 4), (4, 4)])
def test_a_batch_larger_than_the_set_becomes_the_set(count, size):
    sampler = EpochBatchSampler(count, 64, seed=0, ranks=2, parts=2)
    assert (sampler.batch_size, len(sampler)) == (size, 1)
    assert sum(map(len, sampler)) * 2 == size


def test_fewer_images_than_ranks_and_parts_are_refused():
    with pytest.raises(UserError, match="7 training images are too few for 4 devices and 2 accumulated parts"):
        EpochBatchSampler(7, 64, seed=0, ranks=4, parts=2)


def test_a_run_of_too_few_images_is_refused(images, tmp_path):
    with pytest.raises(UserError, match="4 training images are too few"):
        train(config(images, tmp_path / "run", batch_size=40, grad_accum_steps=5, axis="channel"))


def nan_at(patch, call):
    """The loss of the ``call``-th pass is NaN."""
    calls = []

    def bad(*arguments, **options):
        outcome = forward_step(*arguments, **options)
        calls.append(arguments)
        if len(calls) == call:
            outcome.loss = outcome.loss * float("nan")
            outcome.values["loss"] = outcome.loss.detach()
        return outcome

    patch.setattr(step_module, "forward_step", bad)


@pytest.mark.parametrize(
    ("call", "accumulate", "step", "epoch"), [(1, 1, 1, 1), (4, 1, 2, 2), (6, 2, 1, 2), (7, 2, 2, 2)]
)
def test_a_loss_that_is_no_number_names_the_step_and_keeps_its_batch(
    tmp_path, monkeypatch, call, accumulate, step, epoch
):
    data, out = class_folder(tmp_path / "images", per_class=6), tmp_path / "run"
    nan_at(monkeypatch, call)
    given = config(data, out, batch_size=6, grad_accum_steps=accumulate, epochs=3, checkpoint_minutes=0.0)
    with pytest.raises(UserError, match=f"not finite at step {step} of epoch {epoch} ") as caught:
        train(given)
    assert "\n" not in str(caught.value)
    paths = Checkpoints(out).paths()
    if call == 1:
        assert paths == []
        assert "there was no checkpoint yet" in str(caught.value)
    else:
        assert f"the last good checkpoint is {paths[-1].name}" in str(caught.value)
        state = Checkpoints(out).newest()
        assert state["log"]["steps"] == 2 * (epoch - 1) + step - 1
        assert all(value.isfinite().all() for value in state["model"].values())
    folder = read_class_folders(data)
    order = EpochBatchSampler(len(folder), 6, seed=0, parts=accumulate)
    order.epoch = epoch - 1
    keys = [key for part in order.keys(step - 1) for key in part]
    samples = TrainingSamples(folder, size=32, views=2, styles=_styles(), min_crop=given.min_crop)
    expected = samples.collate([samples[key] for key in keys])
    kept = load_file(out / "bad-batch.safetensors")
    assert kept.keys() == {"images", "labels", "styles"}
    assert all(torch.equal(value, getattr(expected, name)) for name, value in kept.items())
    with safe_open(out / "bad-batch.safetensors", framework="pt") as file:
        assert json.loads(file.metadata()["files"]) == [str(folder.paths[index]) for _, index in keys]


def _styles():
    from shapebias.stylize import load_styles, load_stylizer

    return len(load_styles(None, *load_stylizer("small")).split("train"))


def test_the_same_command_meets_the_same_end_and_another_learning_rate_is_another_run(images, tmp_path, monkeypatch):
    given = config(images, tmp_path / "run", scheme="in", epochs=3, checkpoint_minutes=0.0)
    with monkeypatch.context() as patch:
        nan_at(patch, 2)
        with pytest.raises(UserError, match="step 1 of epoch 2"):
            train(given)
    assert train(given) == given.loop.out  # where the cause has gone it goes on


def test_a_learning_rate_beyond_reason_ends_with_the_advice(images, tmp_path):
    out = tmp_path / "run"
    given = {
        "scheme": "in",
        "lr": 1000.0,
        "epochs": 30,
        "checkpoint_minutes": 0.0,
        "keep_checkpoints": 100,
        "warmup_epochs": 0.0,
    }
    with pytest.raises(UserError, match="try a lower --lr"):
        train(config(images, out, **given))
    for path in Checkpoints(out).paths():
        state = torch.load(path, weights_only=True)
        assert all(value.isfinite().all() for value in state["model"].values())
    assert not (out / "model.safetensors").exists()


@pytest.mark.parametrize("name", ["conv2.weight", "bn2.running_var"])
@pytest.mark.parametrize("value", [float("inf"), float("nan")])
def test_weights_that_are_no_numbers_are_never_saved(images, tmp_path, monkeypatch, name, value):
    """Even where the loss was finite."""
    original, steps = OptimizerStep.__call__, []

    def spoiled(self, *arguments):
        values = original(self, *arguments)
        steps.append(1)
        if len(steps) == 3:
            tensors = self.network.state_dict()
            next(tensor for key, tensor in tensors.items() if key.endswith(name))[0] = value
        return values

    monkeypatch.setattr(OptimizerStep, "__call__", spoiled)
    out = tmp_path / "run"
    with pytest.raises(UserError, match="the weights are no longer finite"):
        train(config(images, out, scheme="in", epochs=5, checkpoint_minutes=0.0))
    assert Checkpoints(out).newest()["log"]["steps"] == 2
    assert not (out / "model.safetensors").exists()
