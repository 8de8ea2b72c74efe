"""Shape and texture neurons: closed forms, a loop over neurons, the softmax's floors, and pairs."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
import torch
from conftest import class_folder
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import shapebias.measure.dimensionality as module
from shapebias.data.evaluation import Preprocessing
from shapebias.data.folder import ImageFolder
from shapebias.errors import UserError
from shapebias.measure.contract import Setting
from shapebias.measure.dimensionality import Dimensionality, Pairs, draw_pairs, neurons, scores, shares
from shapebias.models import Classifier, Identity
from shapebias.stylize.folder import StylizeSettings, stylize_folder, view_path


def random_pairs(seed=0, count=300, width=7):
    """Pairs of which some neurons share the shape, some the texture, with noise and unequal scales."""
    rng = np.random.default_rng(seed)
    scale = np.linspace(0.5, 3, width)
    found = {}
    for name, shared_columns in (("shape", slice(0, 3)), ("texture", slice(3, 5))):
        a, b = rng.normal(size=(2, count, width))
        b[:, shared_columns] = 0.8 * a[:, shared_columns] + 0.6 * b[:, shared_columns]
        found[name] = Pairs(a * scale + 1, b * scale - 1)
    return found


def loop(pairs):
    """The definition, one neuron after another."""
    width = pairs["shape"].a.shape[1]
    total, covariance = 0.0, dict.fromkeys(pairs, 0.0)
    for i in range(width):
        everything = np.concatenate([side[:, i] for pair in pairs.values() for side in (pair.a, pair.b)])
        total += np.mean((everything - everything.mean()) ** 2)
        for name, pair in pairs.items():
            a, b = pair.a[:, i], pair.b[:, i]
            mean = (a.mean() + b.mean()) / 2
            covariance[name] += np.mean((a - mean) * (b - mean))
    return {name: value / total for name, value in covariance.items()}


def test_scores_are_the_loops():
    pairs = random_pairs()
    found = scores(pairs)
    for name, value in loop(pairs).items():
        assert found[name] == pytest.approx(value, rel=1e-10)
    assert found["residual"] == 1.0


@pytest.mark.parametrize("factor", ["shape", "texture"])
def test_neurons_that_know_one_factor_alone(factor):
    """Equal on both sides of that factor's pairs, unrelated on the other's: scores 1 and 0."""
    rng = np.random.default_rng(0)
    same = rng.normal(size=(4000, 6))
    other = "texture" if factor == "shape" else "shape"
    found = scores({factor: Pairs(same, same), other: Pairs(*rng.normal(size=(2, 4000, 6)))})
    assert found[factor] == pytest.approx(1, abs=0.05)
    assert found[other] == pytest.approx(0, abs=0.05)


def test_half_the_neurons_shape_half_texture_and_noise():
    rng = np.random.default_rng(1)
    shape, texture = rng.normal(size=(2, 4000, 4))
    noise = rng.normal(size=(4, 4000, 4))
    found = scores(
        {
            "shape": Pairs(np.hstack([shape, noise[0]]), np.hstack([shape, noise[1]])),
            "texture": Pairs(np.hstack([noise[2], texture]), np.hstack([noise[3], texture])),
        }
    )
    assert found["shape"] == pytest.approx(0.5, abs=0.05)
    assert found["texture"] == pytest.approx(0.5, abs=0.05)
    independent = scores({name: Pairs(*rng.normal(size=(2, 4000, 8))) for name in ("shape", "texture")})
    assert independent["shape"] == pytest.approx(0, abs=0.05)
    assert independent["texture"] == pytest.approx(0, abs=0.05)


def test_scores_ignore_a_common_scale_and_offset():
    pairs = random_pairs()
    moved = {name: Pairs(5 * pair.a + 100, 5 * pair.b + 100) for name, pair in pairs.items()}
    for name, value in scores(pairs).items():
        assert scores(moved)[name] == pytest.approx(value, abs=1e-9)


def test_latents_that_do_not_vary_are_refused():
    flat = Pairs(np.ones((5, 3)), np.ones((5, 3)))
    with pytest.raises(ValueError, match="zero variance"):
        scores({"shape": flat, "texture": flat})


@pytest.mark.parametrize(
    ("shape", "texture", "wanted"), [(1.0, 0.0, (42.2, 15.5, 42.2)), (0.0, 0.0, (21.2, 21.2, 57.6))]
)
def test_floors_and_ceilings_of_the_softmax(shape, texture, wanted):
    score = {"shape": shape, "texture": texture, "residual": 1.0}
    assert [round(100 * share, 1) for share in shares(score).values()] == list(wanted)
    powers = [math.exp(shape), math.exp(texture), math.e]
    exact = [power / sum(powers) for power in powers]
    counted = neurons(score, 1000)
    assert sum(counted.values()) == 1000
    assert [counted["shape"], counted["texture"]] == [math.floor(1000 * share) for share in exact[:2]]


@given(shape=st.floats(-1, 1), texture=st.floats(-1, 1), count=st.integers(1, 4096))
@settings(max_examples=50, deadline=None)
def test_neurons_are_the_integer_part_and_the_residual_the_rest(shape, texture, count):
    score = {"shape": shape, "texture": texture, "residual": 1.0}
    counted, share = neurons(score, count), shares(score)
    assert sum(share.values()) == pytest.approx(1)
    assert share["shape"] == pytest.approx(math.exp(shape) / (math.exp(shape) + math.exp(texture) + math.e))
    assert sum(counted.values()) == count
    for name in ("shape", "texture"):
        assert counted[name] <= share[name] * count + 1e-6
        assert counted[name] > share[name] * count - 1 - 1e-6


def test_intervals_are_a_direct_resamplings():
    pairs = random_pairs(count=200)
    found = module._intervals(pairs, seed=0)
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(600):
        rows = {name: rng.integers(200, size=200) for name in pairs}
        drawn.append(shares(scores({name: Pairs(p.a[rows[name]], p.b[rows[name]]) for name, p in pairs.items()})))
    for name in ("shape", "texture", "residual"):
        low, high = np.percentile([share[name] for share in drawn], [2.5, 97.5])
        np.testing.assert_allclose(found[name], (low, high), atol=0.3 * (high - low))
        assert found[name][0] < shares(scores(pairs))[name] < found[name][1]


def test_pairs_share_one_factor_only():
    labels = np.repeat(np.arange(4), 5)
    found = draw_pairs(labels, 3, 500, seed=1)
    image, first, again, second = found["shape"].T
    assert (image == again).all()
    assert (first != second).all()
    a, texture, b, same = found["texture"].T
    assert (texture == same).all()
    assert (labels[a] != labels[b]).all()
    for column in (image, a, b):
        assert set(column.tolist()) == set(range(20))
    for column in (first, second, texture):
        assert set(column.tolist()) == {0, 1, 2}
    assert all(np.array_equal(found[name], draw_pairs(labels, 3, 500, seed=1)[name]) for name in found)
    assert not np.array_equal(found["shape"], draw_pairs(labels, 3, 500, seed=2)["shape"])


class MeanColour(nn.Module):
    """Three latents, the mean of each colour, into two logits."""

    def __init__(self):
        super().__init__()
        self.head = nn.Linear(3, 2)

    def forward(self, images):
        return self.head(images.mean((2, 3)))


def model():
    return Classifier(
        MeanColour(), Identity("net", "net", "MeanColour"), Preprocessing(16), mean=(0,) * 3, std=(1,) * 3
    )


@pytest.fixture
def grid(tmp_path, images, stylizer, bank):
    settings = StylizeSettings(per_image=3, same_styles=True)
    stylize_folder(images, tmp_path / "grid", stylizer, bank, settings)
    return tmp_path / "grid"


def test_a_given_grid_of_textures_is_taken_as_it_is(tmp_path, images, grid):
    evaluator = Dimensionality(Setting(grid, tmp_path / "out"))
    folder = ImageFolder.scan(images)
    assert evaluator.copies == [view_path(grid, images, path, view) for path in folder.paths for view in range(3)]
    assert evaluator.labels.tolist() == list(folder.labels)
    outcome = evaluator.run(model().eval())
    entries = {entry.metric: entry for entry in outcome.entries}
    assert set(entries) == {"shape_neurons", "texture_neurons", "residual_neurons"}
    assert sum(entry.value for entry in entries.values()) == pytest.approx(1)
    detail = entries["shape_neurons"].details
    assert (detail["neurons"], detail["textures"], detail["data"]["images"]) == (3, 3, 4)
    assert detail["scores"]["residual"] == 1.0
    assert not (tmp_path / "out").exists()


def test_grids_that_cannot_be_used_are_refused(tmp_path, images, stylizer, bank):
    for number, (options, message) in enumerate(
        [({"per_image": 3}, "different styles"), ({"per_image": 1, "same_styles": True}, "one texture only")]
    ):
        out = tmp_path / str(number)
        stylize_folder(images, out, stylizer, bank, StylizeSettings(**options))
        with pytest.raises(UserError, match=message):
            Dimensionality(Setting(out, tmp_path / "out"))


def test_one_readable_class_is_refused_not_drawn_from_for_ever(tmp_path):
    images = class_folder(tmp_path / "images", per_class=1)
    (images / "cat" / "0.png").write_bytes(b"")
    with pytest.raises(UserError, match="of one class"):
        Dimensionality(Setting(images, tmp_path / "out"))


def test_constant_and_broken_latents_are_the_networks_fault(tmp_path, grid):
    evaluator = Dimensionality(Setting(grid, tmp_path / "out"))
    network = model().eval()
    network.std.fill_(torch.inf)
    with pytest.raises(UserError, match="zero variance"):
        evaluator.run(network)
    network.std.fill_(torch.nan)
    with pytest.raises(UserError, match="NaN or infinity"):
        evaluator.run(network)


def test_docstring_example():
    assert doctest.testmod(module).failed == 0
