"""The metrics: equal to what is computed in memory, over batches and over two gloo ranks."""

from __future__ import annotations

import subprocess
import sys

import pytest
import torch
import torch.distributed as dist

import shapebias
from shapebias.data.categories16 import CATEGORIES, MEMBERS
from shapebias.losses import mutual_shape_information
from shapebias.metrics import (
    MutualShapeInformation,
    ShapeBias,
    ShapeDimensionality,
)
from shapebias.metrics.functional.dimensionality import factor_scores, factor_shares
from shapebias.metrics.functional.moments import pair_moments
from testkit.processes import spawn_ranks

RANKS = 2
EMPTY = "ignore:The ``compute`` method of metric:UserWarning"


def latents(seed=0, count=101, width=6, *, offset=0.0):
    generator = torch.Generator().manual_seed(seed)
    a, b = torch.randn(2, count, width, generator=generator, dtype=torch.float64)
    mix = torch.linspace(0, 0.95, width, dtype=torch.float64)
    return a + offset, mix * a + (1 - mix) * b + offset


def answers(seed=0, count=60):
    generator = torch.Generator().manual_seed(seed)
    shape, texture = torch.randint(16, (2, count), generator=generator)
    return 3 * torch.randn(count, 16, generator=generator), shape, texture


def updated(rank=0, ranks=1):
    """All three over every ``ranks``-th sample, in batches of seven."""
    bias, size, information = ShapeBias(), ShapeDimensionality(), MutualShapeInformation()
    outputs, shape, texture = (part[rank::ranks] for part in answers())
    for part in torch.arange(len(outputs)).split(7):
        bias.update(outputs[part], shape[part], texture[part])
    a, b = (side[rank::ranks] for side in latents(1, offset=100))
    c, d = (side[rank::ranks] for side in latents(2, offset=100))
    for part in torch.arange(len(a)).split(7):
        information.update(a[part], b[part])
        size.update(a[part], b[part], "shape")
        size.update(c[part], d[part], "texture")
    return bias, size, information


def worker(rank: int, folder: str) -> None:
    dist.init_process_group("gloo", init_method=f"file://{folder}/meet", rank=rank, world_size=RANKS)
    bias, size, information = updated(rank, RANKS)
    empty = MutualShapeInformation(neurons=6)
    if rank == 0:
        empty.update(*latents(1))
    else:
        empty._update_count = 1  # as after a last batch that held none of this rank's
    found = {"bias": bias.compute(), **size.compute(), "information": information.compute(), "one": empty.compute()}
    torch.save(found, f"{folder}/found-{rank}.pt")
    dist.destroy_process_group()


def test_two_ranks_are_one_process(tmp_path):
    first, second = spawn_ranks(worker, tmp_path, RANKS)
    assert first == second
    bias, size, information = updated()
    assert first["bias"] == bias.compute()
    torch.testing.assert_close(first["information"], information.compute(), rtol=1e-12, atol=0)
    for name, value in size.compute().items():
        torch.testing.assert_close(first[name], value, rtol=1e-12, atol=1e-14)
    torch.testing.assert_close(first["one"], mutual_shape_information(*latents(1)), rtol=1e-10, atol=0)


@pytest.mark.parametrize("offset", [0.0, 1e6])
def test_information_is_that_of_all_samples_in_memory(offset):
    a, b = latents(offset=offset)
    metric = MutualShapeInformation()
    for part in torch.arange(len(a)).split(13):
        metric.update(a[part], b[part])
    torch.testing.assert_close(metric.compute(), mutual_shape_information(a, b), rtol=1e-7 if offset else 1e-12, atol=0)
    dead = torch.cat([a, torch.full_like(a, 0.1)], 1), torch.cat([b, torch.full_like(b, 0.1)], 1)
    metric.reset()
    metric.update(dead[0][:50], dead[1][:50])
    metric.update(dead[0][50:], dead[1][50:])
    torch.testing.assert_close(metric.compute(), mutual_shape_information(*dead), rtol=1e-7, atol=0)


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_half_precision_is_summed_in_double(dtype):
    a, b = (side.to(dtype) for side in latents(offset=3))
    metric = MutualShapeInformation()
    for part in torch.arange(len(a)).split(13):
        metric.update(a[part], b[part])
    torch.testing.assert_close(metric.compute(), mutual_shape_information(a.double(), b.double()), rtol=1e-12, atol=0)
    size = ShapeDimensionality()
    for factor in ("shape", "texture"):
        size.update(a, b, factor)
    assert all(value.dtype == torch.float64 and value.isfinite() for value in size.compute().values())
    outputs, shape, texture = answers()
    half, full = ShapeBias(), ShapeBias()
    half.update(outputs.to(dtype), shape, texture)
    full.update(outputs.to(dtype).float(), shape, texture)
    assert half.compute() == full.compute()


def test_dimensionality_is_the_evaluators():
    pairs = {"shape": latents(1), "texture": latents(2)}
    metric = ShapeDimensionality()
    for factor, (a, b) in pairs.items():
        for part in torch.arange(len(a)).split(10):
            metric.update(a[part], b[part], factor)
    score = factor_scores({factor: pair_moments(a, b) for factor, (a, b) in pairs.items()})
    found = {name: float(value) for name, value in metric.compute().items()}
    assert found["shape_score"] == pytest.approx(score["shape"], rel=1e-12)
    for name, share in factor_shares(score).items():
        assert found[f"{name}_neurons"] == pytest.approx(share, rel=1e-12)


def test_shape_bias_is_counted_by_hand():
    outputs, shape, texture = answers()
    metric = ShapeBias()
    metric.update(outputs[:25], shape[:25], texture[:25])
    metric.update(outputs[25:].softmax(1), shape[25:], texture[25:])
    by = [0, 0]
    for row, s, t in zip(outputs, shape.tolist(), texture.tolist(), strict=True):
        answer = int(row.argmax())
        by[0] += s != t and answer == s
        by[1] += s != t and answer == t
    assert by[0] + by[1] > 5
    assert metric.compute() == pytest.approx(by[0] / sum(by))


@pytest.mark.parametrize("dtype", [torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("normalised", [True, False])
def test_imagenets_outputs_go_through_the_mean_of_the_members(dtype, normalised):
    """One strong dog class against many middling birds: by the mean of members the knife, one class, wins."""
    logits = torch.zeros(2, 1000)
    logits[0, list(MEMBERS["bird"])] = 2.0
    logits[0, MEMBERS["dog"][0]] = 6.0
    logits[0, MEMBERS["knife"][0]] = 4.0
    logits[1, list(MEMBERS["bear"])] = 3.0
    outputs = (logits.softmax(1) if normalised else logits).to(dtype)
    knife, bird, bear = (CATEGORIES.index(name) for name in ("knife", "bird", "bear"))
    metric = ShapeBias()
    metric.update(outputs, torch.tensor([bird, bear]), torch.tensor([knife, bird]))
    assert metric.compute() == 0.5


@pytest.mark.filterwarnings(EMPTY)
def test_before_any_sample_all_is_nan():
    assert ShapeBias().compute().isnan()
    assert MutualShapeInformation().compute().isnan()
    assert MutualShapeInformation(neurons=4).compute().isnan()
    assert all(value.isnan() for value in ShapeDimensionality().compute().values())
    undecided = ShapeBias()
    undecided.update(torch.eye(3), torch.tensor([0, 0, 0]), torch.tensor([0, 0, 0]))
    assert undecided.compute().isnan()
    one_sided = ShapeDimensionality()
    one_sided.update(*latents(), "shape")
    assert all(value.isnan() for value in one_sided.compute().values())


def test_forward_gives_the_batch_and_adds_it():
    a, b = latents()
    metric = MutualShapeInformation()
    torch.testing.assert_close(metric(a[:50], b[:50]), mutual_shape_information(a[:50], b[:50]))
    torch.testing.assert_close(metric(a[50:], b[50:]), mutual_shape_information(a[50:], b[50:]))
    torch.testing.assert_close(metric.compute(), mutual_shape_information(a, b))
    outputs, shape, texture = answers()
    bias = ShapeBias()
    bias(outputs[:30], shape[:30], texture[:30])
    bias(outputs[30:], shape[30:], texture[30:])
    whole = ShapeBias()
    whole.update(outputs, shape, texture)
    assert bias.compute() == whole.compute()


def test_what_cannot_be_added_is_refused():
    metric = MutualShapeInformation()
    metric.update(*latents())
    with pytest.raises(ValueError, match="latents of 3 neurons after latents of 6"):
        metric.update(*latents(width=3))
    with pytest.raises(ValueError, match="two floating-point"):
        metric.update(torch.zeros(2, 3), torch.zeros(2, 4))
    with pytest.raises(ValueError, match="factor must be"):
        ShapeDimensionality().update(*latents(), "colour")
    with pytest.raises(ValueError, match=r"labels must be \(N,\)"):
        ShapeBias().update(torch.eye(3), torch.tensor([0]), torch.tensor([1, 2, 0]))
    with pytest.raises(ValueError, match="hold NaN"):
        ShapeBias().update(torch.full((1, 3), torch.nan), torch.tensor([0]), torch.tensor([1]))


@pytest.mark.parametrize("outputs", [torch.eye(3), torch.eye(1000)[:3]])
@pytest.mark.parametrize("wrong", [-1, None, 255])
def test_labels_that_are_no_category_are_refused(outputs, wrong):
    """Labels of 1 to 16, ImageNet's classes, or 255 for unknown would count as wrong answers in silence."""
    categories = 3 if outputs.shape[1] == 3 else 16
    bad = torch.tensor([0, categories if wrong is None else wrong, 1])
    good = torch.tensor([1, 0, 2])
    metric = ShapeBias()
    for shape, texture, name in ((bad, good, "shape"), (good, bad, "texture"), (bad, bad, "shape")):
        with pytest.raises(ValueError, match=f"{name} label {bad[1]} is no category: they are 0 to {categories - 1}"):
            metric.update(outputs, shape, texture)
    with pytest.raises(ValueError, match=r"texture labels must be whole numbers, not torch\.float32"):
        metric.update(outputs, good, bad.float())
    assert metric.shape_decisions == metric.texture_decisions == 0


def test_the_names_are_exported_and_importing_stays_quick():
    for name in ("MutualShapeInformation", "ShapeBias", "ShapeDimensionality"):
        assert name in shapebias.__all__
        assert getattr(shapebias, name).__module__.startswith("shapebias.metrics")
    check = "import sys, shapebias, shapebias.cli.main; assert not {'torch', 'torchmetrics'} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", check], check=True)
