"""The objective against numpy, torch.corrcoef, gradcheck and the closed form of Eq. 3, and at its edges."""

import math

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st

from shapebias.losses import MMSILoss, Weights, correlation, mmsi_loss, mutual_shape_information, objective

AXES = ("batch", "channel")


def latents(n=16, d=12, seed=0, dtype=torch.float64):
    generator = torch.Generator().manual_seed(seed)
    a = torch.randn(n, d, generator=generator, dtype=torch.float64)
    b = 0.7 * a + 0.5 * torch.randn(n, d, generator=generator, dtype=torch.float64) + 3
    return a.to(dtype), b.to(dtype)


def numpy_rho(a, b, axis):
    columns = zip(a.T, b.T, strict=True) if axis == "batch" else zip(a, b, strict=True)
    return np.array([np.corrcoef(x, y)[0, 1] for x, y in columns])


@pytest.mark.parametrize("axis", AXES)
def test_equals_numpy_in_float64(axis):
    a, b = latents()
    rho = numpy_rho(a.numpy(), b.numpy(), axis)
    np.testing.assert_allclose(correlation(a, b, axis=axis), rho, rtol=1e-12)
    information = -0.5 * np.log(1 - rho**2)
    np.testing.assert_allclose(mutual_shape_information(a, b, axis=axis, reduction="none"), information, rtol=1e-10)
    np.testing.assert_allclose(mmsi_loss(a, b, axis=axis), -information.mean(), rtol=1e-10)


@pytest.mark.parametrize("axis", AXES)
def test_equals_torch_corrcoef(axis):
    a, b = latents(seed=1)
    rows = (a, b) if axis == "channel" else (a.T, b.T)
    expected = torch.stack([torch.corrcoef(torch.stack(pair))[0, 1] for pair in zip(*rows, strict=True)])
    torch.testing.assert_close(correlation(a, b, axis=axis), expected)


@pytest.mark.parametrize("axis", AXES)
def test_gradcheck(axis):
    a, b = (z.requires_grad_() for z in latents(6, 5))
    assert torch.autograd.gradcheck(lambda x, y: mmsi_loss(x, y, axis=axis), (a, b))


@pytest.mark.parametrize("axis", AXES)
def test_gradient_is_equation_3(axis):
    a, b = latents(seed=2)
    a.requires_grad_()
    rho = correlation(a, b, axis=axis)
    (grad_loss,) = torch.autograd.grad(mmsi_loss(a, b, axis=axis), a)
    weight = rho.detach() / (rho.detach() ** 2 - 1) / rho.numel()
    (expected,) = torch.autograd.grad(correlation(a, b, axis=axis), a, grad_outputs=weight)
    torch.testing.assert_close(grad_loss, expected)


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 10_000),
    scale=st.floats(0.01, 100),
    shift=st.floats(-50, 50),
    sign=st.sampled_from([-1, 1]),
    axis=st.sampled_from(AXES),
)
def test_properties(seed, scale, shift, sign, axis):
    a, b = latents(seed=seed)
    value = mmsi_loss(a, b, axis=axis)
    assert -0.5 * math.log(1e4) - 1e-9 <= value <= 0
    torch.testing.assert_close(mmsi_loss(b, a, axis=axis), value)  # symmetric
    torch.testing.assert_close(mmsi_loss(sign * scale * a + shift, b, axis=axis), value)  # affine, and rho^2


@pytest.mark.parametrize("axis", AXES)
@pytest.mark.parametrize("other", ["random", "constant"])
def test_zero_variance_gives_zero_and_finite_gradients(axis, other):
    constant = torch.full((8, 8), 0.1, requires_grad=True)
    b = torch.randn(8, 8, generator=torch.Generator().manual_seed(0)) if other == "random" else torch.full((8, 8), 7e3)
    loss = mmsi_loss(constant, b, axis=axis)
    assert loss == 0
    (gradient,) = torch.autograd.grad(loss, constant)
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_one_sample_and_one_channel_share_nothing():
    assert mmsi_loss(torch.randn(1, 5), torch.randn(1, 5), axis="batch") == 0
    assert mmsi_loss(torch.randn(5, 1), torch.randn(5, 1), axis="channel") == 0


@pytest.mark.parametrize("sign", [1, -1])
def test_floor_at_rho_one(sign):
    a, _ = latents()
    a.requires_grad_()
    loss = mmsi_loss(a, sign * a.detach(), eps=1e-4)
    assert loss.item() == pytest.approx(0.5 * math.log(1e-4))
    (gradient,) = torch.autograd.grad(loss, a)
    assert torch.equal(gradient, torch.zeros_like(gradient))


def test_just_above_the_floor_the_gradient_lives():
    a, _ = latents(64, 4)
    noise = torch.randn(a.shape, generator=torch.Generator().manual_seed(5), dtype=torch.float64)
    b = (a + 0.05 * noise).requires_grad_()
    (gradient,) = torch.autograd.grad(mmsi_loss(a, b), b)
    assert gradient.abs().max() > 0 and gradient.isfinite().all()


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
@pytest.mark.parametrize("axis", AXES)
def test_half_precision_is_computed_in_float32(dtype, axis):
    a, b = latents(dtype=dtype)
    value = mmsi_loss(a, b, axis=axis)
    assert value.dtype == torch.float32
    assert torch.equal(value, mmsi_loss(a.float(), b.float(), axis=axis))


def test_autocast_changes_nothing():
    a, b = latents(dtype=torch.float32)
    with torch.autocast("cpu", dtype=torch.bfloat16):
        inside = mmsi_loss(a, b)
    assert torch.equal(inside, mmsi_loss(a, b))
    assert mmsi_loss(*latents()).dtype == torch.float64


@pytest.mark.parametrize(
    ("a", "b", "kwargs", "text"),
    [
        (torch.ones(3, 4), torch.ones(4, 3), {}, "one shape"),
        (torch.ones(3), torch.ones(3), {}, "one shape"),
        (torch.ones(3, 4, dtype=torch.int64), torch.ones(3, 4, dtype=torch.int64), {}, "floating-point"),
        (torch.ones(3, 4), torch.ones(3, 4), {"axis": "sample"}, "axis"),
        (torch.ones(3, 4), torch.ones(3, 4), {"eps": 0.0}, "eps"),
    ],
)
def test_wrong_arguments_are_named(a, b, kwargs, text):
    with pytest.raises(ValueError, match=text):
        mutual_shape_information(a, b, **kwargs)


def test_equation_4_on_two_stages():
    generator = torch.Generator().manual_seed(3)
    natural, first, second = (torch.randn(8, 5, generator=generator) for _ in range(3))
    labels = torch.arange(8) % 5
    stages = [latents(8, 6, seed=1, dtype=torch.float32), latents(8, 3, seed=2, dtype=torch.float32)]
    loss, parts = objective(natural, [first, second], stages, labels, Weights(1.0, 0.1, 0.8), MMSILoss())
    term = (mmsi_loss(*stages[0]) + mmsi_loss(*stages[1])) / 2
    cross = F.cross_entropy
    expected = cross(natural, labels) + 0.8 * term + 0.1 * cross(first, labels) + 0.1 * cross(second, labels)
    torch.testing.assert_close(loss, expected)
    assert list(parts) == ["natural", "stylized", "mmsi"]


def test_equation_4_with_parts_left_out():
    logits, labels = torch.randn(4, 3), torch.tensor([0, 1, 2, 0])
    loss, parts = objective(logits, [], [], labels, Weights(1.0, 0.0, 0.0), MMSILoss())
    assert torch.equal(loss, F.cross_entropy(logits, labels)) and list(parts) == ["natural"]
