"""The small AdaIN against plain torch, and what ships of it."""

from __future__ import annotations

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from PIL import Image, ImageDraw

from shapebias.data.transforms import to_tensor
from shapebias.stylize.adain import VARIANCE_FLOOR, AdaIN, adain
from shapebias.stylize.bank import load_styles, packaged
from shapebias.stylize.load import load_stylizer
from shapebias.stylize.stylizer import statistics


def pictures(n=2, height=32, width=40, seed=1):
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(seed))


def test_statistics_are_numpys():
    features = torch.randn(2, 5, 7, 9, dtype=torch.float64)
    mean, std = statistics(features, floor=VARIANCE_FLOOR, unbiased=False)
    flat = features.numpy().reshape(2, 5, -1)
    np.testing.assert_allclose(mean, flat.mean(-1), atol=1e-6)
    np.testing.assert_allclose(std, np.sqrt(flat.var(-1) + VARIANCE_FLOOR), rtol=1e-5)
    assert mean.dtype == std.dtype == torch.float32


def test_adain_gives_the_wanted_mean_and_deviation():
    torch.manual_seed(0)
    features = 3 * torch.randn(2, 5, 16, 16) + 7
    mean, std = torch.randn(2, 5), torch.rand(2, 5) + 0.5
    found = adain(features, mean, std)
    torch.testing.assert_close(found.mean((2, 3)), mean, atol=1e-4, rtol=0)
    torch.testing.assert_close(found.flatten(2).std(2, unbiased=False), std, atol=0, rtol=1e-3)
    own_mean, own_std = statistics(features, floor=VARIANCE_FLOOR, unbiased=False)
    plain = (features - own_mean[..., None, None]) / own_std[..., None, None]
    plain = plain * std[..., None, None] + mean[..., None, None]
    torch.testing.assert_close(found, plain, atol=1e-4, rtol=1e-4)


def test_a_flat_channel_takes_the_mean_and_stays_finite():
    features = torch.full((1, 2, 4, 4), 5.0, requires_grad=True)
    found = adain(features, torch.tensor([[1.0, 2.0]]), torch.ones(1, 2))
    torch.testing.assert_close(found.mean((2, 3)), torch.tensor([[1.0, 2.0]]))
    found.square().sum().backward()
    assert features.grad.isfinite().all()


def test_a_code_is_the_mean_and_deviation_of_every_stage(stylizer):
    images = pictures()
    features, code = stylizer.encode_content(images)
    assert features.shape == (2, 8, 8, 10)
    assert code.shape == (2, stylizer.code_size) == (2, 36)
    x, parts = images, []
    for stage in stylizer.encoder:
        x = stage(x)
        parts += [x.mean((2, 3)), (x.flatten(2).var(2, unbiased=False) + VARIANCE_FLOOR).sqrt()]
    torch.testing.assert_close(code, torch.cat(parts, 1))
    torch.testing.assert_close(stylizer.encode_style(images), code)


def test_alpha_zero_is_the_contents_own_style(stylizer):
    content = pictures()
    codes = stylizer.encode_style(pictures(seed=2))
    own = stylizer.stylize(content, stylizer.encode_style(content))
    torch.testing.assert_close(stylizer.stylize(content, codes, 0.0), own)
    assert (stylizer.stylize(content, codes, 1.0) - own).abs().max() > 1e-4


@pytest.mark.parametrize("alpha", [0.25, 0.5, 0.9])
def test_alpha_interpolates_the_deepest_features(stylizer, alpha):
    """Mixing the statistics is Huang and Belongie's ``alpha * t + (1 - alpha) * f``."""
    features, own = stylizer.encode_content(pictures())
    code = stylizer.encode_style(pictures(seed=2))
    coarse = stylizer.channels[-1]
    mixed = own + alpha * (code - own)
    found = adain(features, *mixed[:, -2 * coarse :].split(coarse, dim=1))
    stylized = adain(features, *code[:, -2 * coarse :].split(coarse, dim=1))
    torch.testing.assert_close(found, alpha * stylized + (1 - alpha) * features, atol=1e-5, rtol=1e-4)


def test_stylize_decodes_the_mixed_code(stylizer):
    content, code = pictures(), stylizer.encode_style(pictures(seed=2))
    features, own = stylizer.encode_content(content)
    wanted = stylizer.decode(features, 0.3 * code + 0.7 * own, (32, 40))
    torch.testing.assert_close(stylizer.stylize(content, code, 0.3), wanted, atol=1e-5, rtol=1e-4)


def test_several_views_encode_the_content_once_and_equal_single_calls(stylizer, monkeypatch):
    content, codes = pictures(2), stylizer.encode_style(pictures(6, seed=3))
    single = torch.cat([stylizer.stylize(content, codes[2 * v : 2 * v + 2], 0.7) for v in range(3)])
    calls = []
    encode = AdaIN.encode_content
    monkeypatch.setattr(AdaIN, "encode_content", lambda self, images: calls.append(len(images)) or encode(self, images))
    torch.testing.assert_close(stylizer.stylize(content, codes, 0.7), single, atol=1e-5, rtol=1e-4)
    assert calls == [2]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_codes_that_do_not_divide_over_the_images_are_refused(stylizer, count):
    with pytest.raises(ValueError, match=f"{count} codes do not divide over 2 images"):
        stylizer.stylize(pictures(2), torch.zeros(count, stylizer.code_size))


@pytest.mark.parametrize(("height", "width"), [(16, 16), (17, 31), (33, 50), (129, 18)])
def test_any_size_comes_back_as_it_was(stylizer, height, width):
    found = stylizer.stylize(pictures(1, height, width), stylizer.encode_style(pictures(1)))
    assert found.shape == (1, 3, height, width)
    assert found.min() >= 0
    assert found.max() <= 1


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_stays_near_single(stylizer, dtype):
    content, code = pictures(), stylizer.encode_style(pictures(seed=2))
    single = stylizer.stylize(content, code)
    half = AdaIN(channels=(4, 6, 8), blocks=1).eval()
    half.load_state_dict(stylizer.state_dict())
    half.to(dtype)
    found = half.stylize(content.to(dtype), code)
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, single, atol=0.08, rtol=0)
    assert half.encode_style(content.to(dtype)).dtype == torch.float32


def test_evaluation_is_deterministic_and_training_shifts_the_grain(stylizer):
    content, code = pictures(), stylizer.encode_style(pictures(seed=2))
    assert torch.equal(stylizer.stylize(content, code), stylizer.stylize(content, code))
    stylizer.train()
    torch.manual_seed(0)
    assert not torch.equal(stylizer.stylize(content, code), stylizer.stylize(content, code))


def test_gradient_reaches_weights_content_and_style():
    torch.manual_seed(0)
    network = AdaIN(channels=(4, 6, 8), blocks=1)
    content, style = pictures().requires_grad_(), pictures(seed=2).requires_grad_()
    network(content, style, 0.5).square().mean().backward()
    for name, parameter in network.named_parameters():
        assert parameter.grad is not None, name
        assert parameter.grad.isfinite().all()
    assert content.grad.abs().sum() > 0
    assert style.grad.abs().sum() > 0
    assert network.encoder[0][0].weight.grad.abs().sum() > 0


def edges(image):
    """Gradients after averaging over 4 x 4 pixels: outlines, not brush strokes."""
    grey = F.avg_pool2d(image, 4).mean(-3)
    across, down = grey.diff(dim=-1)[..., 1:, :], grey.diff(dim=-2)[..., :, 1:]
    return (across.square() + down.square()).sqrt().flatten()


def drawing(seed, size=96):
    """A few filled figures on a plain ground: outlines that can be looked for again."""
    rng = np.random.default_rng(seed)
    image = Image.new("RGB", (size, size), tuple(rng.integers(120, 256, 3).tolist()))
    draw = ImageDraw.Draw(image)
    for _ in range(4):
        x, y = rng.integers(0, size - 30, 2).tolist()
        draw.rectangle((x, y, x + 30, y + 24), fill=tuple(rng.integers(0, 140, 3).tolist()))
    return to_tensor(image)


def test_what_ships_is_small():
    files = [path for path in packaged("").iterdir() if path.is_file()]
    assert {path.name for path in files} >= {"adain-small.safetensors", "styles.safetensors"}
    assert sum(path.stat().st_size for path in files) <= 4 * 2**20


def test_the_shipped_stylizer_and_bank_belong_together():
    network, digest = load_stylizer()
    bank = load_styles(None, network, digest)
    assert bank.codes.shape == (len(bank), network.code_size)
    assert len(bank) >= 20
    assert len(set(bank.names)) == len(bank)
    assert not any(parameter.requires_grad for parameter in network.parameters())
    assert not network.training


def test_shipped_stylizer_keeps_outlines_and_takes_colours():
    network, _ = load_stylizer()
    content = torch.stack([drawing(seed) for seed in range(4)])
    colours = torch.tensor([[0.85, 0.2, 0.15], [0.15, 0.3, 0.8], [0.2, 0.65, 0.2], [0.8, 0.75, 0.3]])
    wave = torch.linspace(0, 25, 96).sin()
    styles = (colours[:, :, None, None] + 0.15 * wave[:, None] * wave).clamp(0, 1)
    with torch.inference_mode():
        found = network.stylize(content, network.encode_style(styles))
    own, other = [], []
    for i, picture in enumerate(found):
        same = [torch.corrcoef(torch.stack([edges(picture), edges(c)]))[0, 1].item() for c in content]
        own.append(same.pop(i))
        other += same
    assert min(own) > max(other)
    assert np.mean(own) > np.mean(other) + 0.3
    before = (content.mean((2, 3)) - colours).norm(dim=1)
    after = (found.mean((2, 3)) - colours).norm(dim=1)
    assert (after < before).all()
    assert after.mean() < 0.7 * before.mean()
