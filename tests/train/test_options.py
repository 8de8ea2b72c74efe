"""Options of the step: what each does to gradients, weights and what is kept."""

from __future__ import annotations

import pytest
import torch

from shapebias.errors import UserError
from shapebias.train import run as run_module
from shapebias.train.optimizer import OptimizerStep
from shapebias.train.run import train, validate
from testkit.images import class_folder
from testkit.runs import NORM_FREE, config, furthest, numbers, same, weights


@pytest.fixture
def data(tmp_path):
    class_folder(tmp_path / "data" / "val", per_class=3)
    class_folder(tmp_path / "data" / "train", per_class=8)
    return tmp_path / "data"


def both(data, tmp_path, one, other, **values):
    """Two runs that differ in an option."""
    outs = tmp_path / "one", tmp_path / "other"
    for out, options in zip(outs, (one, other), strict=True):
        train(config(data, out, **{"batch_size": 8, **values, **options}))
    return outs


def gradients_of(patch, optimizer):
    """The gradients that each step of ``optimizer`` sees."""
    seen, original = [], optimizer.step

    def step(self, *arguments, **options):
        seen.append([p.grad.clone() for group in self.param_groups for p in group["params"]])
        return original(self, *arguments, **options)

    patch.setattr(optimizer, "step", step)
    return seen


def norm(tensors):
    return float(torch.stack([tensor.double().norm() for tensor in tensors]).norm())


@pytest.mark.parametrize("values", [{"axis": "channel"}, {"lambda_m": 0.0}])
@pytest.mark.parametrize("batchnorm", ["joint", "separate"])
def test_accumulated_parts_make_the_step_of_the_whole_batch(data, tmp_path, monkeypatch, values, batchnorm):
    """For a network in which no image sees another, and a loss that is a mean over images."""
    seen = gradients_of(monkeypatch, torch.optim.SGD)
    settings = {"model": NORM_FREE, "batchnorm": batchnorm, "epochs": 1, **values}
    whole, parts = both(data, tmp_path, {"grad_accum_steps": 1}, {"grad_accum_steps": 2}, **settings)
    assert len(seen) == 4
    for a, b in zip(seen[0], seen[2], strict=True):
        torch.testing.assert_close(a, b, rtol=1e-4, atol=1e-5)
    assert furthest(weights(whole), weights(parts)) < 1e-5
    assert numbers(parts)[0]["images"] == numbers(whole)[0]["images"] == 48
    assert numbers(parts)[0]["loss"] == pytest.approx(numbers(whole)[0]["loss"], abs=1e-5)


def test_accumulation_is_noticed_by_batch_statistics(data, tmp_path):
    """That the test above can fail."""
    whole, parts = both(data, tmp_path, {"grad_accum_steps": 1}, {"grad_accum_steps": 2}, scheme="in", epochs=1)
    assert furthest(weights(whole), weights(parts)) > 1e-3


@pytest.mark.parametrize("accumulate", [1, 2])
def test_the_gradient_is_clipped_to_the_norm(data, tmp_path, monkeypatch, accumulate):
    seen = gradients_of(monkeypatch, torch.optim.SGD)
    both(data, tmp_path, {"clip_norm": 0.0}, {"clip_norm": 0.01}, scheme="in", epochs=1, grad_accum_steps=accumulate)
    assert norm(seen[0]) > 0.02
    assert [norm(step) for step in seen[2:]] == pytest.approx([0.01, 0.01], rel=1e-3)
    for free, clipped in zip(seen[0], seen[2], strict=True):
        torch.testing.assert_close(clipped, free * (0.01 / norm(seen[0])), rtol=1e-3, atol=1e-7)


def test_a_norm_never_reached_clips_nothing(data, tmp_path):
    free, clipped = both(data, tmp_path, {}, {"clip_norm": 1e6}, scheme="in", epochs=1)
    assert same(weights(free), weights(clipped))


def test_the_moving_average_is_kept_and_validated(data, tmp_path, monkeypatch):
    original, steps, validated = OptimizerStep.__call__, [], []

    def watched(self, *arguments):
        values = original(self, *arguments)
        steps.append({name: p.detach().clone() for name, p in self.network.named_parameters()})
        return values

    def validating(network, *arguments):
        validated.append({name: value.clone() for name, value in network.network.state_dict().items()})
        return validate(network, *arguments)

    monkeypatch.setattr(OptimizerStep, "__call__", watched)
    monkeypatch.setattr(run_module, "validate", validating)
    out = train(config(data, tmp_path / "run", scheme="in", ema_decay=0.7))
    expected = steps[0]
    for after in steps[1:]:
        expected = {name: 0.7 * expected[name] + 0.3 * after[name] for name in after}
    kept = weights(out)
    assert furthest(expected, {name: kept[name] for name in expected}) < 1e-6
    assert furthest(steps[-1], {name: kept[name] for name in expected}) > 1e-4
    assert len(validated) == 2
    assert same(validated[-1], kept)


def test_the_order_of_memory_changes_the_last_digits_at_most(data, tmp_path):
    one, other = both(data, tmp_path, {"channels_last": True}, {"channels_last": False}, epochs=1)
    assert furthest(weights(one), weights(other)) < 1e-4
    for a, b in zip(numbers(one), numbers(other), strict=True):
        assert a == pytest.approx(b, abs=1e-4)


def test_half_precision_trains_and_keeps_whole_weights(data, tmp_path):
    whole, half = both(data, tmp_path, {}, {"precision": "bf16-mixed"}, epochs=1)
    kept = weights(half)
    assert {value.dtype for value in kept.values()} == {torch.float32, torch.int64}
    assert all(value.isfinite().all() for value in kept.values())
    assert 1e-6 < furthest(weights(whole), kept) < 0.1
    assert numbers(half)[0]["loss"] == pytest.approx(numbers(whole)[0]["loss"], abs=0.05)


def test_half_precision_with_a_scaler_needs_a_gpu(data, tmp_path):
    with pytest.raises(UserError, match="--precision 16-mixed needs a GPU"):
        train(config(data, tmp_path / "run", precision="16-mixed"))
    assert not (tmp_path / "run").exists()


def test_a_compiled_network_gives_the_same(data, tmp_path, monkeypatch):
    """With a backend that does not generate code, which would take minutes."""
    original, compiled = torch.nn.Module.compile, []

    def compile_quickly(self):
        compiled.append(self)
        original(self, backend="eager")

    monkeypatch.setattr(torch.nn.Module, "compile", compile_quickly)
    torch._dynamo.reset()
    plain, fast = both(data / "train", tmp_path, {}, {"compile": True}, epochs=1)
    assert len(compiled) == 1
    assert furthest(weights(plain), weights(fast)) < 1e-5
    torch._dynamo.reset()


def test_stages_and_axis_change_the_term_alone(data, tmp_path):
    one, other = both(data, tmp_path, {}, {"stages": ("layer1", "layer4")}, epochs=1, batch_size=16)
    a, b = (numbers(out)[0] for out in (one, other))
    assert a["natural"] == pytest.approx(b["natural"], abs=1e-4)  # one step: before the update
    assert a["mmsi"] != pytest.approx(b["mmsi"], abs=1e-4)


@pytest.mark.parametrize(
    ("options", "named"),
    [
        ({"stylized": "copies"}, "--stylized"),
        ({"styles": "paintings", "alpha": 0.5}, "--styles and --alpha"),
        ({"stylizer": "vgg19"}, "--stylizer"),
    ],
)
def test_options_of_views_are_refused_where_a_scheme_shows_none(data, tmp_path, options, named):
    with pytest.raises(UserError, match=f"^{named}: nothing that is to be trained shows stylized views"):
        train(config(data, tmp_path / "run", scheme="in", **options))
    assert not (tmp_path / "run").exists()
