"""AdaIN with VGG-19 against plain torch over the raw weights, its files, and its way through the command line."""

from __future__ import annotations

import hashlib
import json

import pytest
import torch
import torch.nn.functional as F

import shapebias.stylize.vgg as module
from shapebias.cli.main import main
from shapebias.errors import UserError
from shapebias.stylize import StyleBank, Stylizer, VGGAdaIN, load_styles, load_stylizer
from testkit.images import noise_image

# (number in the file, channels in, channels out), as published
ENCODER = [(0, 3, 3), (2, 3, 64), (5, 64, 64), (9, 64, 128), (12, 128, 128), (16, 128, 256), (19, 256, 256)]
ENCODER += [(22, 256, 256), (25, 256, 256), (29, 256, 512)]
DECODER = [(1, 512, 256), (5, 256, 256), (8, 256, 256), (11, 256, 256), (14, 256, 128), (18, 128, 128)]
DECODER += [(21, 128, 64), (25, 64, 64), (28, 64, 3)]


def weights(layers, seed):
    """A state dict of random weights that keep the size of what passes through, and its contrast."""
    generator = torch.Generator().manual_seed(seed)
    state = {}
    for number, inputs, outputs in layers:
        side = 1 if number == 0 else 3
        deviation = 0.4 if outputs == 3 else (3 / (inputs * side**2)) ** 0.5
        weight = deviation * torch.randn(outputs, inputs, side, side, generator=generator)
        state[f"{number}.weight"] = weight if number == 0 else weight - weight.mean((1, 2, 3), keepdim=True)
        state[f"{number}.bias"] = 0.1 * torch.randn(outputs, generator=generator)
    if layers is DECODER:  # grey on average, and little of it beyond [0, 1]
        state["28.weight"] *= 0.02
        state["28.bias"] += 0.5
    return state


@pytest.fixture(scope="module")
def states():
    return weights(ENCODER, 0), weights(DECODER, 1)


@pytest.fixture(scope="module")
def files(tmp_path_factory, states):
    """A folder of both files, the encoder's with layers beyond relu4_1 as the published one has."""
    folder = tmp_path_factory.mktemp("vgg")
    beyond = {f"{number}.{part}": torch.zeros(1) for number in (32, 51) for part in ("weight", "bias")}
    torch.save(states[0] | beyond, folder / "vgg_normalised.pth")
    torch.save(states[1], folder / "decoder.pth")
    return folder


@pytest.fixture(scope="module")
def vgg(files):
    return load_stylizer(files)[0]


def pictures(n=2, height=24, width=32, seed=1):
    return torch.rand(n, 3, height, width, generator=torch.Generator().manual_seed(seed))


def plain_features(state, x):
    """relu4_1, written out layer by layer."""
    x = F.conv2d(x, state["0.weight"], state["0.bias"])
    for number in (2, 5, 9, 12, 16, 19, 22, 25, 29):
        if number in (9, 16, 29):
            x = F.max_pool2d(x, 2, 2, ceil_mode=True)
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        x = F.conv2d(x, state[f"{number}.weight"], state[f"{number}.bias"]).clamp(min=0)
    return x


def plain_moments(x):
    n = x.shape[2] * x.shape[3]
    mean = x.sum((2, 3), keepdim=True) / n
    return mean, ((x - mean).square().sum((2, 3), keepdim=True) / (n - 1) + 1e-5).sqrt()


def plain_images(state, x, height, width):
    """The decoder, written out layer by layer."""
    for number in (1, 5, 8, 11, 14, 18, 21, 25, 28):
        x = F.pad(x, (1, 1, 1, 1), mode="reflect")
        x = F.conv2d(x, state[f"{number}.weight"], state[f"{number}.bias"])
        if number != 28:
            x = x.clamp(min=0)
        if number in (1, 14, 21):
            x = x.repeat_interleave(2, 2).repeat_interleave(2, 3)
    return x[:, :, :height, :width].clamp(0, 1)


def plain_stylize(states, content, style, alpha):
    encoder, decoder = states
    f, s = plain_features(encoder, content), plain_features(encoder, style)
    (mean, std), (wanted_mean, wanted_std) = plain_moments(f), plain_moments(s)
    t = (f - mean) / std * wanted_std + wanted_mean
    return plain_images(decoder, alpha * t + (1 - alpha) * f, *content.shape[2:])


@pytest.mark.parametrize("alpha", [0.0, 0.5, 1.0])
@pytest.mark.parametrize(("height", "width"), [(24, 32), (16, 16), (17, 39), (33, 25)])
def test_stylizing_is_the_papers(vgg, states, height, width, alpha):
    content, style = pictures(2, height, width), 0.6 * pictures(2, 40, 29, seed=2)
    wanted = plain_stylize(states, content, style, alpha)
    assert ((wanted > 0) & (wanted < 1)).float().mean() > 0.9  # the comparison is not one of clipped pixels
    assert wanted.std() > 0.01
    found = vgg.stylize(content, vgg.encode_style(style), alpha)
    assert found.shape == content.shape
    torch.testing.assert_close(found, wanted, atol=1e-4, rtol=0)
    torch.testing.assert_close(vgg(content, style, alpha), found)


def test_a_code_is_the_mean_and_deviation_of_relu4_1(vgg, states):
    images = pictures(2, 33, 40)
    features, codes = vgg.encode_content(images)
    wanted = plain_features(states[0], images)
    assert features.shape == (2, 512, 5, 5)
    torch.testing.assert_close(features, wanted, atol=1e-4, rtol=1e-4)
    assert codes.shape == (2, vgg.code_size) == (2, 1024)
    torch.testing.assert_close(codes, torch.cat(plain_moments(wanted), 1)[:, :, 0, 0], atol=1e-4, rtol=1e-4)
    assert torch.equal(vgg.encode_style(images), codes)


def test_stylized_features_have_the_styles_statistics(vgg):
    features, _ = vgg.encode_content(pictures(2, 40, 40))
    codes = vgg.encode_style(0.5 * pictures(2, 40, 32, seed=2))
    alive = features.flatten(2).std(2) > 0.1  # a flat channel has no deviation to scale
    assert alive.float().mean() > 0.5
    found = module.adain(features, *codes.split(512, dim=1)).flatten(2)
    torch.testing.assert_close(found.mean(2), codes[:, :512], atol=1e-4, rtol=1e-4)
    torch.testing.assert_close(found.std(2)[alive], codes[:, 512:][alive], atol=0, rtol=1e-3)


def test_flat_channels_take_the_mean(vgg):
    features = torch.full((1, 512, 3, 3), 5.0, dtype=torch.bfloat16)
    found = module.adain(features, torch.full((1, 512), 2.0), torch.full((1, 512), 3.0))
    assert found.dtype == torch.bfloat16
    torch.testing.assert_close(found, torch.full_like(found, 2.0))
    grey = torch.full((1, 3, 24, 24), 0.5)
    assert vgg.stylize(grey, vgg.encode_style(pictures(1))).isfinite().all()


def test_alpha_zero_is_the_decoded_encoding(vgg):
    content, codes = pictures(), vgg.encode_style(pictures(seed=2))
    features, _ = vgg.encode_content(content)
    wanted = vgg.decoder(features)[..., :24, :32].clamp(0, 1)
    torch.testing.assert_close(vgg.stylize(content, codes, 0.0), wanted, atol=1e-5, rtol=0)


def test_several_views_encode_the_content_once_and_equal_single_calls(vgg, monkeypatch):
    content, codes = pictures(2), vgg.encode_style(pictures(6, seed=3))
    single = torch.cat([vgg.stylize(content, codes[2 * v : 2 * v + 2], 0.7) for v in range(3)])
    calls, encode = [], VGGAdaIN.encode_content
    monkeypatch.setattr(VGGAdaIN, "encode_content", lambda self, x: calls.append(len(x)) or encode(self, x))
    torch.testing.assert_close(vgg.stylize(content, codes, 0.7), single, atol=1e-5, rtol=0)
    assert calls == [2]
    with pytest.raises(ValueError, match="3 codes do not divide over 2 images"):
        vgg.stylize(content, codes[:3])


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_autocast_stays_near_single(vgg, dtype):
    content, style = pictures(), pictures(seed=2)
    single = vgg(content, style)
    with torch.autocast("cpu", dtype):
        codes = vgg.encode_style(style)
        found = vgg.stylize(content, codes)
    assert codes.dtype == found.dtype == torch.float32
    assert found.isfinite().all()
    assert (found - single).abs().mean() < 0.03  # nearly flat channels are made larger, and their rounding with them


def test_it_is_frozen_and_small_images_are_refused(vgg):
    assert isinstance(vgg, Stylizer)
    assert not vgg.training
    assert not any(parameter.requires_grad for parameter in vgg.parameters())
    with pytest.raises(UserError, match="at least 16 x 16 pixels, not 40 x 15"):
        vgg.encode_style(pictures(1, 15, 40))


def test_folder_and_file_forms_and_the_digest(files, vgg):
    hashes = [hashlib.sha256((files / n).read_bytes()).hexdigest() for n in ("vgg_normalised.pth", "decoder.pth")]
    wanted = hashlib.sha256("".join(hashes).encode()).hexdigest()
    for source in (files, str(files), files / "vgg_normalised.pth", str(files / "decoder.pth")):
        network, digest = load_stylizer(source)
        assert digest == wanted
        assert all(torch.equal(a, b) for a, b in zip(network.parameters(), vgg.parameters(), strict=True))


def test_vgg19_is_the_two_files_in_the_cache(tmp_path, files, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cache = tmp_path / "hub" / "shapebias"
    cache.mkdir(parents=True)
    for name in ("vgg_normalised.pth", "decoder.pth"):
        (cache / name).symlink_to(files / name)
    nowhere = "http://127.0.0.1:9"
    for _ in range(2):
        assert load_stylizer("vgg19", url=nowhere)[1] == load_stylizer(files)[1]
    (cache / "decoder.pth").unlink()
    (cache / "decoder.pth").write_bytes(b"other")
    with pytest.raises(UserError, match=r"decoder\.pth has changed since it was downloaded"):
        load_stylizer("vgg19", url=nowhere)


WRONG = {
    "missing": (lambda s: s.pop("9.bias"), "first missing '9.bias'"),
    "shape": (lambda s: s.update({"9.bias": torch.zeros(64)}), r"'9.bias' is \(64,\) there, \(128,\) here"),
    "surplus": (lambda s: s.update({"54.weight": torch.zeros(1)}), "first unknown '54.weight'"),
    "named": (lambda s: s.update({"32.scale": torch.zeros(1)}), "first unknown '32.scale'"),
    "whole": (lambda s: s.update({"0.bias": torch.zeros(3, dtype=torch.long)}), "'0.bias' is of type torch.int64"),
}


@pytest.mark.parametrize("case", WRONG)
def test_files_of_another_network_are_refused(tmp_path, files, states, case):
    change, message = WRONG[case]
    state = dict(states[0])
    change(state)
    torch.save(state, tmp_path / "vgg_normalised.pth")
    (tmp_path / "decoder.pth").symlink_to(files / "decoder.pth")
    with pytest.raises(UserError, match=rf"not the weights of .*: .*vgg_normalised\.pth.*{message}"):
        load_stylizer(tmp_path)


@pytest.mark.parametrize("content", [b"", b"not weights", b"\x80\x02c", b"PK\x03\x04"])
def test_files_that_hold_no_weights_are_refused(tmp_path, files, content):
    (tmp_path / "vgg_normalised.pth").symlink_to(files / "vgg_normalised.pth")
    with pytest.raises(UserError, match=r"no file .*decoder\.pth"):
        load_stylizer(tmp_path)
    (tmp_path / "decoder.pth").write_bytes(content)
    with pytest.raises(UserError, match=r"decoder\.pth cannot be read as weights"):
        load_stylizer(tmp_path)
    torch.save([1, 2], tmp_path / "decoder.pth")
    with pytest.raises(UserError, match="does not hold a state dict"):
        load_stylizer(tmp_path)


def test_small_is_the_packages_and_a_bank_is_for_its_own_stylizer(tmp_path, files):
    assert load_stylizer("small")[1] == load_stylizer()[1]
    with pytest.raises(UserError, match=r"no stylizer vgg: give small, vgg19, .* vgg_normalised\.pth"):
        load_stylizer("vgg")
    network, digest = load_stylizer(files)
    with pytest.raises(UserError, match="the small one that ships with it: give --styles with a folder"):
        load_styles(None, network, digest)
    paintings = tmp_path / "paintings"
    for i in range(2):
        noise_image(paintings / f"{i}.png", seed=i)
    made = StyleBank.encode(network, digest, [paintings], size=32)
    made.save(tmp_path / "bank.safetensors")
    found = load_styles(tmp_path / "bank.safetensors", network, digest)
    assert found.codes.shape == (2, 1024)
    torch.testing.assert_close(found.codes, made.codes, atol=1e-4, rtol=1e-3)  # float16
    with pytest.raises(UserError, match=r"bank\.safetensors were made by another stylizer: give --styles"):
        load_styles(tmp_path / "bank.safetensors", *load_stylizer("small"))
    with pytest.raises(UserError, match="style codes of 100000 do not fit a bank"):
        StyleBank(torch.tensor([[1e5]]), ("a",), digest).save(tmp_path / "large.safetensors")
    assert not (tmp_path / "large.safetensors").exists()


def test_command_line(tmp_path, images, files, capsys):
    for i in range(2):
        noise_image(tmp_path / "paintings" / f"{i}.png", seed=50 + i)
    out, weights = str(tmp_path / "out"), ["--stylizer", str(files)]
    line = ["stylize", str(images), "--out", out, *weights, "--styles", str(tmp_path / "paintings")]
    assert main(line) == 0
    assert len(list((tmp_path / "out").rglob("*.png"))) == 8
    _, digest = load_stylizer(files)
    assert json.loads((tmp_path / "out" / "stylize.json").read_text())["stylizer_sha256"] == digest
    capsys.readouterr()
    assert main(["stylize", str(images), "--out", str(tmp_path / "other"), *weights]) == 2
    error = capsys.readouterr().err
    assert error.count("\n") == 1
    assert "the package's style codes were made by another stylizer" in error
    assert not (tmp_path / "other").exists()
    sheet = ["stylizer", "show", str(images), "--out", str(tmp_path / "sheet.png"), "--rows", "1", "--columns", "2"]
    assert main([*sheet, "--size", "32", *weights, "--styles", str(tmp_path / "paintings")]) == 0
    assert (tmp_path / "sheet.png").is_file()
