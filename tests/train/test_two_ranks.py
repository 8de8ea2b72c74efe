"""Two gloo ranks against one process: the MMSI loss, the real step's gradients, whole runs, and how they end."""

from __future__ import annotations

import contextlib
import io
import json
import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import torch
import torch.distributed as dist
from lightning_fabric import Fabric
from lightning_fabric.plugins.environments import TorchElasticEnvironment
from torch import nn

from shapebias.cli.main import main
from shapebias.data.loaders import EpochBatchSampler
from shapebias.data.readers.class_folders import read_class_folders
from shapebias.losses import MMSILoss, mmsi_loss
from shapebias.models.build import build_classifier
from shapebias.models.classifier import Identity
from shapebias.stylize import load_styles, load_stylizer
from shapebias.train.run import train
from shapebias.train.samples import TrainingSamples
from shapebias.train.schemes import SCHEMES
from shapebias.train.step import forward_step, loss_weights
from shapebias.train.views import Stylizing
from testkit.images import class_folder
from testkit.processes import spawn_ranks
from testkit.runs import NORM_FREE, config, furthest, numbers, weights

RANKS = 2
BATCH = 8
STEPS = [(axis, joint) for axis in ("batch", "channel") for joint in (True, False)]


def network() -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(6, 8), nn.Tanh(), nn.Linear(8, 5)).double()


def views() -> tuple[torch.Tensor, torch.Tensor]:
    generator = torch.Generator().manual_seed(1)
    a = torch.randn(12, 6, generator=generator, dtype=torch.float64)
    return a, a + 0.8 * torch.randn(12, 6, generator=generator, dtype=torch.float64)


def steps(fabric: Fabric, images: Path) -> dict[str, list[torch.Tensor]]:
    """Loss and gradients of the real step for every axis and kind of passing; batch norm by its running statistics."""
    stylizer, digest = load_stylizer("small")
    stylizing = Stylizing(stylizer, load_styles(None, stylizer, digest).codes, 1.0)
    samples = TrainingSamples(read_class_folders(images), size=32, views=2, styles=len(stylizing.codes))
    batches = EpochBatchSampler(len(samples), BATCH, seed=0, rank=fabric.global_rank, ranks=fabric.world_size)
    (keys,) = batches.keys(0)
    batch = samples.collate([samples[key] for key in keys])
    phase = SCHEMES["mmsi-sin-in"][0]
    found = {}
    torch.manual_seed(0)
    classifier = build_classifier("test_resnet", Identity("a", "a", "a", ("bear", "cat")), size=32).eval()
    for layer in classifier.modules():
        if isinstance(layer, nn.BatchNorm2d):
            layer.running_var.fill_(0.3)
    model = fabric.setup_module(classifier)
    for axis, joint in STEPS:
        model.zero_grad()
        mmsi, weighted = MMSILoss(axis=axis), loss_weights(phase, 0.8, 0.1)
        outcome = forward_step(model, batch, phase, weighted, mmsi, stylizing=stylizing, joint=joint)
        fabric.backward(outcome.loss)
        loss = outcome.loss.detach().clone()
        gradients = [parameter.grad.clone() for parameter in classifier.parameters()]
        found[f"{axis} {joint}"] = [fabric.all_reduce(loss, reduce_op="mean"), *gradients]
    return found


def worker(rank: int, folder: str) -> None:
    os.environ |= {"RANK": str(rank), "LOCAL_RANK": str(rank), "WORLD_SIZE": str(RANKS), "LOCAL_WORLD_SIZE": str(RANKS)}
    os.environ |= {"MASTER_ADDR": "127.0.0.1", "GROUP_RANK": "0", "TORCHELASTIC_RUN_ID": "none"}
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=RANKS)
    found = {}
    for axis in ("batch", "channel"):
        model = nn.parallel.DistributedDataParallel(network())
        a, b = (view[rank::RANKS] for view in views())
        z = model(torch.cat([a, b]))
        loss = MMSILoss(axis=axis)(*z.chunk(2))
        loss.backward()
        total = loss.detach().clone()
        dist.all_reduce(total)
        found[axis] = [total / RANKS, *(p.grad for p in model.parameters())]
    fabric = Fabric(accelerator="cpu", devices=RANKS, strategy="ddp", plugins=[TorchElasticEnvironment()])
    fabric.launch()
    found |= steps(fabric, Path(folder) / "images")
    for name, arguments in REFUSALS.items():
        with contextlib.redirect_stderr(io.StringIO()) as said:
            status = main([*command(Path(folder) / name, Path(folder) / name / "out"), *arguments])
        found[name] = (status, said.getvalue())
    torch.save(found, f"{folder}/found-{rank}.pt")
    dist.destroy_process_group()


REFUSALS = {"taken": [], "unreadable": ["--strict"], "held-out": ["--strict", "--epochs=1"]}


@pytest.fixture(scope="module")
def both_ranks(tmp_path_factory):
    folder = tmp_path_factory.mktemp("two")
    class_folder(folder / "images", per_class=BATCH // 2)
    for name in REFUSALS:
        training_data(folder / name, unreadable=name == "unreadable")
    (folder / "taken" / "out").mkdir()
    (folder / "taken" / "out" / "thesis.tex").write_text("mine")
    read_class_folders(folder / "held-out" / "val").paths[1].write_bytes(b"")  # that of the second rank
    return spawn_ranks(worker, folder, RANKS)


@pytest.fixture(scope="module")
def two_ranks(both_ranks):
    return both_ranks[0]


@pytest.mark.parametrize("name", REFUSALS)
def test_what_ends_one_rank_ends_both_and_is_said_once(both_ranks, name):
    assert [found[name][0] for found in both_ranks] == [2, 2]
    said = "".join(found[name][1] for found in both_ranks)
    assert said.count("shapebias: error:") == 1
    reason = "holds no run of ours" if name == "taken" else "unreadable image"
    assert reason in said


@pytest.mark.parametrize("axis", ["batch", "channel"])
def test_the_loss_of_two_ranks_is_that_of_one_process(two_ranks, axis):
    loss, *gradients = two_ranks[axis]
    model = network()
    a, b = views()
    expected = mmsi_loss(*model(torch.cat([a, b])).chunk(2), axis=axis)
    expected.backward()
    torch.testing.assert_close(loss, expected.detach(), rtol=1e-10, atol=1e-12)
    for gradient, parameter in zip(gradients, model.parameters(), strict=True):
        torch.testing.assert_close(gradient, parameter.grad, rtol=1e-8, atol=1e-12)


def test_the_step_of_two_ranks_is_that_of_one_process(two_ranks, tmp_path):
    images = class_folder(tmp_path / "images", per_class=BATCH // 2)
    expected = steps(Fabric(accelerator="cpu", devices=1), images)
    assert len(expected) == len(STEPS)
    for name, values in expected.items():
        assert max(float(value.abs().max()) for value in values) > 1e-3
        for found, value in zip(two_ranks[name], values, strict=True):
            torch.testing.assert_close(found, value, rtol=1e-5, atol=1e-5)
    different = expected["batch True"][1:], expected["channel True"][1:]
    assert max(float((a - b).abs().max()) for a, b in zip(*different, strict=True)) > 1e-3


def training_data(root, *, unreadable):
    """Sixteen training images, of which one of each rank's first batch cannot be read, and six held out."""
    paths = read_class_folders(class_folder(root / "train", per_class=BATCH)).paths
    class_folder(root / "val", per_class=3)
    for rank in range(RANKS if unreadable else 0):
        ((_, index), *_), *_ = EpochBatchSampler(len(paths), BATCH, seed=0, rank=rank, ranks=RANKS).keys(0)
        paths[index].write_bytes(b"")
    return root


def command(data, out):
    settings = {"scheme": "mmsi-sin-in", "model": NORM_FREE, "batch_size": BATCH, "size": 32, "epochs": 2, "lr": 0.01}
    places = {"data": data, "out": out, "device": "cpu", "devices": RANKS}
    return ["train", *(f"--{name.replace('_', '-')}={value}" for name, value in {**settings, **places}.items())]


def run(arguments):
    """The command line as a process that begins the other rank's: its status and what it said; killed if it hangs."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    streams = {"stdout": subprocess.PIPE, "stderr": subprocess.STDOUT, "text": True}
    program = [sys.executable, "-m", "shapebias", *arguments]
    process = subprocess.Popen(program, env=environment, start_new_session=True, **streams)
    try:
        said, _ = process.communicate(timeout=120)
    except subprocess.TimeoutExpired:
        os.killpg(process.pid, signal.SIGKILL)
        said, _ = process.communicate()
        pytest.fail(f"it hangs: {said}")
    return process.returncode, said


def left(out):
    return [reason.split(":")[0] for reason in json.loads((out / "run.json").read_text())["data"]["unreadable"]]


def test_a_run_on_two_ranks_is_that_of_one_process(tmp_path):
    data = training_data(tmp_path / "data", unreadable=True)
    status, said = run(command(data, tmp_path / "two"))
    assert status == 0, said
    assert said.count("wrote ") == 1
    one = train(config(data, tmp_path / "one", model=NORM_FREE, batch_size=BATCH))
    for a, b in zip(numbers(one), numbers(tmp_path / "two"), strict=True):
        assert a == pytest.approx(b, abs=1e-4)
    assert furthest(weights(one), weights(tmp_path / "two")) < 1e-4
    assert len(left(one)) == 2  # one of each rank
    assert left(tmp_path / "two") == left(one)
