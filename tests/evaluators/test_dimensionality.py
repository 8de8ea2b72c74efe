"""Shape and texture neurons: closed forms, a loop over neurons, streams, the softmax's floors, pairs, the evaluator."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image
from torch import nn

from shapebias.data.decode import load_rgb
from shapebias.data.readers.class_folders import read_class_folders
from shapebias.data.transforms import Preprocessing
from shapebias.errors import UserError
from shapebias.evaluators.base import EvalConfig
from shapebias.evaluators.dimensionality.dimensionality import Dimensionality, at_stage
from shapebias.evaluators.dimensionality.factor_sums import FactorSums, factor_intervals, sum_pairs
from shapebias.evaluators.dimensionality.neurons import TopActivations
from shapebias.evaluators.dimensionality.pairs import draw_pairs, plan_pairs, windows
from shapebias.metrics.functional.dimensionality import factor_scores, factor_shares, neuron_counts
from shapebias.metrics.functional.moments import merge_moments, pair_correlation, pair_moments
from shapebias.models import Classifier, Identity
from shapebias.stylize.folder import stylize_folder, view_path
from shapebias.stylize.settings import StylizeSettings
from testkit.images import class_folder, noise_image


def random_pairs(seed=0, count=300, width=7):
    """Pairs of which some neurons share the shape, some the texture, with noise and unequal scales."""
    rng = np.random.default_rng(seed)
    scale = np.linspace(0.5, 3, width)
    found = {}
    for name, shared_columns in (("shape", slice(0, 3)), ("texture", slice(3, 5))):
        a, b = rng.normal(size=(2, count, width))
        b[:, shared_columns] = 0.8 * a[:, shared_columns] + 0.6 * b[:, shared_columns]
        found[name] = (a * scale + 1, b * scale - 1)
    return found


def loop(pairs):
    """The definition in float64, one neuron after another, everything in memory."""
    width = pairs["shape"][0].shape[1]
    total, covariance = 0.0, dict.fromkeys(pairs, 0.0)
    for i in range(width):
        everything = np.concatenate([side[:, i].astype(np.float64) for pair in pairs.values() for side in pair])
        total += np.mean((everything - everything.mean()) ** 2)
        for name, pair in pairs.items():
            a, b = (side[:, i].astype(np.float64) for side in pair)
            mean = (a.mean() + b.mean()) / 2
            covariance[name] += np.mean((a - mean) * (b - mean))
    return {name: value / total for name, value in covariance.items()}


def moments(pairs):
    return {name: pair_moments(torch.as_tensor(a), torch.as_tensor(b)) for name, (a, b) in pairs.items()}


def sums_of(pairs, planned=None):
    """The sums as the stream keeps them; without a plan as if each pair had images of its own."""
    shift = torch.as_tensor(pairs["texture"][0][:10]).double().mean(0)
    found = {}
    for name, (a, b) in pairs.items():
        block, groups = torch.arange(len(a)) % min(100, len(a)), 0
        if planned is not None:
            block, groups = torch.from_numpy(planned.blocks[name]), planned.groups if name == "texture" else 0
        found[name] = FactorSums(shift, groups * (groups + 1) // 2 or int(block.max()) + 1, groups)
        found[name].add(torch.as_tensor(a), torch.as_tensor(b), block)
    return found


def test_scores_are_the_loops():
    pairs = random_pairs()
    found = factor_scores(moments(pairs))
    for name, value in loop(pairs).items():
        assert found[name] == pytest.approx(value, rel=1e-10)
    assert found["residual"] == 1.0


def test_scores_are_the_closed_form_of_a_known_covariance():
    """z = own part + shared part with variances s and 1 - s, neuron by neuron: the score is the mean of s."""
    rng = np.random.default_rng(0)
    strength = {"shape": np.array([0.9, 0.5, 0.0, 0.2]), "texture": np.array([0.0, 0.3, 0.8, 0.1])}
    pairs = {}
    for name, share in strength.items():
        own, shared = rng.normal(size=(2, 200_000, 4)), rng.normal(size=(200_000, 4))
        pairs[name] = tuple(np.sqrt(1 - share) * part + np.sqrt(share) * shared for part in own)
    found = factor_scores(moments(pairs))
    for name, share in strength.items():
        assert found[name] == pytest.approx(share.mean(), abs=0.004)
    powers = [math.exp(found["shape"]), math.exp(found["texture"]), math.e]
    assert list(factor_shares(found).values()) == pytest.approx([power / sum(powers) for power in powers], rel=1e-12)


@pytest.mark.parametrize("factor", ["shape", "texture"])
def test_neurons_that_know_one_factor_alone(factor):
    """Equal on both sides of that factor's pairs, unrelated on the other's: scores 1 and 0."""
    rng = np.random.default_rng(0)
    same = rng.normal(size=(4000, 6))
    other = "texture" if factor == "shape" else "shape"
    found = factor_scores(moments({factor: (same, same), other: rng.normal(size=(2, 4000, 6))}))
    assert found[factor] == pytest.approx(1, abs=0.05)
    assert found[other] == pytest.approx(0, abs=0.05)


def test_scores_ignore_a_common_scale_and_offset():
    pairs = random_pairs()
    moved = {name: (5 * a + 100, 5 * b + 100) for name, (a, b) in pairs.items()}
    for name, value in factor_scores(moments(pairs)).items():
        assert factor_scores(moments(moved))[name] == pytest.approx(value, abs=1e-9)


@pytest.mark.parametrize("value", [1.0, 0.1, 12345.678])
def test_latents_that_do_not_vary_are_refused(value):
    flat = torch.full((7, 3), value)
    parts = merge_moments(torch.stack([pair_moments(flat, flat), pair_moments(flat[:3], flat[:3])]))
    with pytest.raises(ValueError, match="zero variance"):
        factor_scores({"shape": parts, "texture": parts})
    assert pair_correlation(parts).tolist() == [0, 0, 0]


def test_shuffled_pairs_score_nothing():
    """Of 40 shufflings about 95 % have an interval that holds 0; the unshuffled do not."""
    held, seeds = 0, 40
    for seed in range(seeds):
        rng, pairs = np.random.default_rng(seed), random_pairs(seed, 500, 20)
        pairs = {name: (a - a.mean(0), (b - b.mean(0))[rng.permutation(len(b))]) for name, (a, b) in pairs.items()}
        low, high = factor_intervals(sums_of(pairs), seed=seed, resamples=500).scores["texture"]
        held += low <= 0 <= high
    assert held >= 0.85 * seeds
    pairs = {name: (a - a.mean(0), b - b.mean(0)) for name, (a, b) in random_pairs().items()}
    assert factor_intervals(sums_of(pairs), seed=0).scores["texture"][0] > 0.1


def pictured(seed=0, images=70, textures=4, width=9, *, offset=0.0, classes=5):
    """Latents of an images x textures grid, float32, the labels, and a plan."""
    rng = np.random.default_rng(seed)
    sizes = ((images, 1, width), (1, textures, width), (images, textures, width))
    z = sum(rng.normal(size=size) for size in sizes)
    labels = rng.integers(classes, size=images)
    return (z + offset).astype(np.float32), labels, plan_pairs(labels, textures, 600, seed=seed)


@pytest.mark.parametrize("offset", [0.0, 1e4])
@pytest.mark.parametrize("chunk", [1, 7, 64, 1000])
def test_the_stream_is_what_is_computed_in_memory(offset, chunk):
    z, labels, planned = pictured(offset=offset)
    ordered = torch.from_numpy(z[planned.copies[:, 0], planned.copies[:, 1]])
    sums = sum_pairs(ordered.split(chunk), planned)
    drawn = draw_pairs(labels, z.shape[1], 600, seed=0)
    pairs = {name: (z[i[:, 0], i[:, 1]], z[i[:, 2], i[:, 3]]) for name, i in drawn.items()}
    found = factor_scores({name: part.moments for name, part in sums.items()})
    for name, value in loop(pairs).items():
        assert found[name] == pytest.approx(value, rel=1e-6)
        a, b = (side.astype(np.float64) for side in pairs[name])
        wanted = [np.corrcoef(a[:, i], b[:, i])[0, 1] for i in range(z.shape[2])]
        np.testing.assert_allclose(pair_correlation(sums[name].moments), wanted, rtol=1e-6, atol=1e-9)
    again = factor_intervals(sums_of(pairs, planned), seed=3)
    for name, interval in factor_intervals(sums, seed=3).scores.items():
        np.testing.assert_allclose(interval, again.scores[name], rtol=1e-6)


def test_the_stream_holds_one_window_and_passes_each_copy_once():
    _, labels, planned = pictured(images=400)
    assert len(np.unique(planned.copies, axis=0)) == len(planned.copies)
    sizes = np.diff(planned.ends, prepend=0)
    assert sizes.max() <= 31 * 4
    _, window = windows(labels, seed=0)
    assert set(np.bincount(window).tolist()) <= set(range(16, 32))
    for rows in planned.pairs.values():
        first, second = np.searchsorted(planned.ends, rows, side="right").T
        assert (first == second).all()
    with pytest.raises(ValueError, match="3 latents for"):
        sum_pairs([torch.zeros(3, 2)], planned)


def test_what_is_kept_does_not_grow_with_pairs_or_images():
    for images, count in ((40, 100), (400, 1000), (4000, 5000)):
        planned = plan_pairs(np.arange(images) % 7, 3, count, seed=0)
        sums = sum_pairs(torch.randn(len(planned.copies), 8).split(50), planned)
        for part in sums.values():
            assert part.moments.nbytes == 8 * 48
            assert 8 * 8 * 25 <= part.sums.nbytes <= 8 * 800


def test_a_layer_of_texture_alone_has_the_shape_score_of_the_finite_textures():
    """Two different ones of K values covary by -1 / (K - 1) of their variance."""
    for textures in (2, 5):
        labels = np.arange(100) % 5
        planned = plan_pairs(labels, textures, 20_000, seed=0)
        values = torch.linspace(-1, 1, textures)[:, None]
        found = factor_scores(
            {name: part.moments for name, part in sum_pairs([values[planned.copies[:, 1]]], planned).items()}
        )
        assert found["shape"] == pytest.approx(-1 / (textures - 1), abs=0.02)
        assert found["texture"] == pytest.approx(1, abs=0.02)


@pytest.mark.parametrize(
    ("shape", "texture", "wanted"), [(1.0, 0.0, (42.2, 15.5, 42.2)), (0.0, 0.0, (21.2, 21.2, 57.6))]
)
def test_floors_and_ceilings_of_the_softmax(shape, texture, wanted):
    score = {"shape": shape, "texture": texture, "residual": 1.0}
    assert [round(100 * share, 1) for share in factor_shares(score).values()] == list(wanted)
    powers = [math.exp(shape), math.exp(texture), math.e]
    exact = [power / sum(powers) for power in powers]
    counted = neuron_counts(score, 1000)
    assert sum(counted.values()) == 1000
    assert [counted["shape"], counted["texture"]] == [math.floor(1000 * share) for share in exact[:2]]


@given(shape=st.floats(-1, 1), texture=st.floats(-1, 1), count=st.integers(1, 4096))
@settings(max_examples=50, deadline=None)
def test_neurons_are_the_integer_part_and_the_residual_the_rest(shape, texture, count):
    score = {"shape": shape, "texture": texture, "residual": 1.0}
    counted, share = neuron_counts(score, count), factor_shares(score)
    assert sum(share.values()) == pytest.approx(1)
    assert share["shape"] == pytest.approx(math.exp(shape) / (math.exp(shape) + math.exp(texture) + math.e))
    assert sum(counted.values()) == count
    for name in ("shape", "texture"):
        assert counted[name] <= share[name] * count + 1e-6
        assert counted[name] > share[name] * count - 1 - 1e-6


@pytest.mark.parametrize("count", [60, 200, 1000])
def test_intervals_are_a_direct_resamplings_of_pairs(count):
    pairs = random_pairs(count=count)
    found = factor_intervals(sums_of(pairs), seed=0)
    rng = np.random.default_rng(5)
    drawn = []
    for _ in range(600):
        rows = {name: rng.integers(count, size=count) for name in pairs}
        drawn.append(factor_scores(moments({name: (a[rows[name]], b[rows[name]]) for name, (a, b) in pairs.items()})))
    share = [factor_shares(score) for score in drawn]
    for name in ("shape", "texture", "residual"):
        low, high = np.percentile([one[name] for one in share], [2.5, 97.5])
        np.testing.assert_allclose(found.shares[name], (low, high), atol=0.3 * (high - low))
        assert found.shares[name][0] < factor_shares(factor_scores(moments(pairs)))[name] < found.shares[name][1]
    for name in ("shape", "texture"):
        low, high = np.percentile([one[name] for one in drawn], [2.5, 97.5])
        np.testing.assert_allclose(found.scores[name], (low, high), atol=0.3 * (high - low))


@pytest.mark.parametrize("classes", [[5, 5, 5, 5], [100, 30, 5], [60, 1], [1] * 40])
def test_pairs_share_one_factor_only(classes):
    labels = np.repeat(np.arange(len(classes)), classes)
    found = draw_pairs(labels, 3, 2000, seed=1)
    image, first, again, second = found["shape"].T
    assert (image == again).all()
    assert (first != second).all()
    a, texture, b, same = found["texture"].T
    assert (texture == same).all()
    assert (labels[a] != labels[b]).all()
    assert set(image.tolist()) == set(range(len(labels)))
    if len(classes) > 2:
        assert set(a.tolist()) == set(range(len(labels)))
    for column in (first, second, texture):
        assert set(column.tolist()) == {0, 1, 2}
    assert all(np.array_equal(found[name], draw_pairs(labels, 3, 2000, seed=1)[name]) for name in found)
    assert not np.array_equal(found["shape"], draw_pairs(labels, 3, 2000, seed=2)["shape"])


def test_over_seeds_every_two_images_of_two_classes_meet():
    labels = np.repeat([0, 1, 2], 20)
    met = np.zeros((60, 60), dtype=int)
    for seed in range(60):
        a, _, b, _ = draw_pairs(labels, 2, 2000, seed=seed)["texture"].T
        np.add.at(met, (a, b), 1)
    different = labels[:, None] != labels
    assert (met[different] > 0).mean() > 0.99
    assert not met[~different].any()


def test_the_second_image_of_a_texture_pair_is_of_any_other_class_equally_often():
    labels = np.repeat([0, 1, 2], [100, 80, 20])
    a, _, b, _ = draw_pairs(labels, 2, 20_000, seed=0)["texture"].T
    of_first = np.bincount(labels[b[labels[a] == 0]], minlength=3)
    assert of_first[0] == 0 and 0.45 < of_first[2] / of_first.sum() < 0.55  # by image it would be a fifth


def test_the_highest_activations_of_every_neuron():
    z = torch.from_numpy(pictured()[0].reshape(280, 9))
    highest = TopActivations()
    for begin in range(0, 280, 50):
        highest.add(z[begin : begin + 50], torch.arange(begin, min(begin + 50, 280)))
    values, rows = z.topk(6, dim=0)
    assert torch.equal(highest.values, values)
    assert torch.equal(highest.rows, rows)


class Small(nn.Module):
    """Maps of three channels, their mean, two logits."""

    def __init__(self):
        super().__init__()
        self.maps = nn.Conv2d(3, 3, 1, bias=False)
        self.maps.weight.data.copy_(torch.eye(3)[:, :, None, None])
        self.head = nn.Linear(3, 2)
        self.passed = 0

    def forward(self, images):
        self.passed += len(images)
        return self.head(self.maps(images).mean((2, 3)))


def model():
    return Classifier(Small(), Identity("net", "net", "Small"), Preprocessing(16), mean=(0,) * 3, std=(1,) * 3)


@pytest.fixture
def grid(tmp_path, images, stylizer, bank):
    settings = StylizeSettings(per_image=3, same_styles=True)
    stylize_folder(images, tmp_path / "grid", stylizer, bank, settings)
    return tmp_path / "grid"


def test_a_given_grid_of_textures_is_taken_as_it_is(tmp_path, images, grid):
    evaluator = Dimensionality(EvalConfig(grid, tmp_path / "out"))
    folder = read_class_folders(images)
    assert evaluator.grid.copies == [view_path(grid, images, path, view) for path in folder.paths for view in range(3)]
    assert evaluator.grid.labels.tolist() == folder.targets.tolist()
    network = model().eval()
    outcome = evaluator.run(network)
    assert network.network.passed == 12  # each copy once
    entries = {entry.metric: entry for entry in outcome.results}
    names = {"shape_neurons", "texture_neurons", "residual_neurons"}
    assert set(entries) == names | {"shape_correlated_neurons", "texture_correlated_neurons"}
    assert sum(entries[name].value for name in names) == pytest.approx(1)
    detail = entries["shape_neurons"].details
    assert (detail["neurons"], detail["textures"], detail["data"]["images"]) == (3, 3, 4)
    assert (detail["pairs"], detail["texture_pairs"]) == (2000, "two images of different classes")
    assert detail["scores"]["residual"] == 1.0
    low, high = detail["scores_ci95"]["shape"]
    assert low < detail["scores"]["shape"] < high
    assert detail["warning"].startswith("2000 pairs of only 4 images")
    assert entries["texture_neurons"].details == entries["residual_neurons"].details == {}
    assert entries["shape_neurons"].condition == {"textures": 3}
    assert "not the paper's" in entries["shape_correlated_neurons"].details["note"]
    written = json.loads((tmp_path / "out/net/neurons.json").read_text())
    assert written["stage"] == "input of the classifying layer"
    every = [image for factor in ("shape", "texture") for one in written[factor] for image in one["images"]]
    assert every
    assert all(image["x"] is None and image["y"] is None for image in every)


def test_the_batch_size_changes_nothing(tmp_path, grid):
    found = []
    for size in (1, 5, 64):
        config = EvalConfig(grid, tmp_path / "out", batch_size=size, pairs=50)
        found.append([(e.metric, e.value, e.ci95) for e in Dimensionality(config).run(model().eval()).results][:3])
    for other in found[1:]:
        for (name, value, interval), (same, again, same_interval) in zip(found[0], other, strict=True):
            assert name == same
            assert value == pytest.approx(again, rel=1e-5)
            assert interval == pytest.approx(same_interval, rel=1e-4)


def test_a_stage_is_measured_and_the_model_left_as_it_was(tmp_path, grid):
    torch.manual_seed(0)
    network = model().eval()
    before = (network.stages, dict(network.network.maps._forward_hooks), network.training)
    config = EvalConfig(grid, tmp_path / "out", stage="maps", pairs=2)
    outcome = Dimensionality(config).run(network)
    assert (network.stages, dict(network.network.maps._forward_hooks), network.training) == before
    entry = outcome.results[0]
    assert entry.condition == {"textures": 3, "stage": "maps"}
    assert entry.details["stage"] == "maps"
    assert entry.details["warning"] == "fewer pairs (2) than neurons (3)"
    whole = Dimensionality(EvalConfig(grid, tmp_path / "out", pairs=2)).run(network).results[0]
    assert entry.value == pytest.approx(whole.value)  # here the same latents
    with pytest.raises(UserError, match="has no stage 'layer9': it has maps, head"):
        Dimensionality(EvalConfig(grid, tmp_path / "out", stage="layer9")).check(network)
    assert at_stage(network, "head").stages == ("head",)


def test_where_in_the_image_a_map_is_highest(tmp_path, grid):
    network = model().eval()
    Dimensionality(EvalConfig(grid, tmp_path / "out", stage="maps")).run(network)
    written = json.loads((tmp_path / "out/net/neurons.json").read_text())
    (one, *_) = [*written["shape"], *written["texture"]]
    for image in one["images"]:
        seen = network.preprocessing(load_rgb(image["image"]))[one["neuron"]]
        row, column = divmod(int(seen.argmax()), 16)
        with Image.open(image["image"]) as file:
            width, height = file.size  # 40 x 32: what is shown is 16/18 of the shorter side
        assert image["x"] == pytest.approx(0.5 + ((column + 0.5) / 16 - 0.5) * 32 * 16 / 18 / width)
        assert image["y"] == pytest.approx(0.5 + ((row + 0.5) / 16 - 0.5) * 32 * 16 / 18 / height)


def test_a_folder_without_classes_pairs_different_images(tmp_path, stylizer, bank):
    for number in range(5):
        noise_image(tmp_path / "flat" / f"{number}.png", number)
    stylize_folder(tmp_path / "flat", tmp_path / "grid", stylizer, bank, StylizeSettings(3, same_styles=True))
    outcome = Dimensionality(EvalConfig(tmp_path / "grid", tmp_path / "out", pairs=40)).run(model().eval())
    assert outcome.results[0].details["texture_pairs"] == "two different images, classless"
    assert outcome.results[0].details["data"]["images"] == 5


def test_grids_that_cannot_be_used_are_refused(tmp_path, images, stylizer, bank):
    for number, (options, message) in enumerate(
        [({"per_image": 3}, "different styles"), ({"per_image": 1, "same_styles": True}, "one texture only")]
    ):
        out = tmp_path / str(number)
        stylize_folder(images, out, stylizer, bank, StylizeSettings(**options))
        with pytest.raises(UserError, match=message):
            Dimensionality(EvalConfig(out, tmp_path / "out"))


def test_one_readable_class_is_refused_not_drawn_from_for_ever(tmp_path):
    images = class_folder(tmp_path / "images", per_class=1)
    (images / "cat" / "0.png").write_bytes(b"")
    evaluator = Dimensionality(EvalConfig(images, tmp_path / "out"))
    with pytest.raises(UserError, match="of one class"):
        evaluator.run(model().eval())


def test_constant_and_broken_latents_are_the_models_fault(tmp_path, grid):
    evaluator = Dimensionality(EvalConfig(grid, tmp_path / "out"))
    network = model().eval()
    network.std.fill_(torch.inf)
    with pytest.raises(UserError, match="zero variance"):
        evaluator.run(network)
    network.std.fill_(torch.nan)
    with pytest.raises(UserError, match="NaN or infinity"):
        evaluator.run(network)


def test_logits_that_are_not_numbers_are_refused(tmp_path, grid):
    network = model().eval()
    network.network.head.bias.data.fill_(torch.nan)
    with pytest.raises(UserError, match="output holds NaN or infinity"):
        Dimensionality(EvalConfig(grid, tmp_path / "out")).run(network)


def test_a_model_without_a_classifying_layer_is_refused_first(tmp_path, images):
    network = Classifier(nn.Flatten(), Identity("net", "net", "Flat"), Preprocessing(16))
    with pytest.raises(UserError, match="no linear layer to take latents from"):
        Dimensionality(EvalConfig(images, tmp_path / "out")).check(network)


@pytest.mark.parametrize("gone", ["1.png-style0.png", "1.png-style2.png", "1.png-style*.png"])
def test_a_missing_copy_is_refused_not_skipped(tmp_path, grid, gone):
    for path in (grid / "cat").glob(gone):
        path.unlink()
    with pytest.raises(UserError, match=r"copies of images in its copies.jsonl, first cat/1\.png-style.*it resumes"):
        Dimensionality(EvalConfig(grid, tmp_path / "out"))


def test_images_that_the_grid_could_not_read_are_skipped(tmp_path, stylizer, bank):
    images = class_folder(tmp_path / "images", per_class=3)
    (images / "cat" / "0.png").write_bytes(b"")
    stylize_folder(images, tmp_path / "grid", stylizer, bank, StylizeSettings(3, same_styles=True))
    evaluator = Dimensionality(EvalConfig(tmp_path / "grid", tmp_path / "out"))
    assert (len(evaluator.grid.labels), len(evaluator.grid.unreadable)) == (5, 1)


@pytest.mark.parametrize("content", ["[]", "{}", '{"per_image": null}', "[" * 100_000])
def test_manifests_from_outside_are_refused(tmp_path, grid, content):
    (grid / "stylize.json").write_text(content)
    with pytest.raises(UserError, match=r"stylize\.json"):
        Dimensionality(EvalConfig(grid, tmp_path / "out"))


@pytest.mark.parametrize(("images", "count"), [(2, 50), (40, 500), (400, 500), (4000, 20_000)])
def test_blocks_hold_whole_images(images, count):
    planned = plan_pairs(np.arange(images) % 2, 3, count, seed=0)
    of = {name: planned.copies[rows, 0] for name, rows in planned.pairs.items()}
    blocks = planned.blocks
    assert all(len(set(blocks["shape"][of["shape"][:, 0] == image])) <= 1 for image in range(images))
    assert max(blocks["shape"].max(), blocks["texture"].max()) < 100
    if planned.groups:
        assert images < 20 * 16
        group = {tuple(sorted(pair)): set() for pair in of["texture"].tolist()}
        for pair, block in zip(of["texture"].tolist(), blocks["texture"], strict=True):
            group[tuple(sorted(pair))].add(int(block))
        assert all(len(found) == 1 for found in group.values())
    else:
        _, window = windows(np.arange(images) % 2, seed=0)
        assert all(len(set(blocks["texture"][window[of["texture"][:, 0]] == w])) <= 1 for w in set(window))


def test_intervals_hold_the_truth_however_many_pairs_there_are():
    """Of few images; pairs taken for independent gave intervals that hold it in one of five."""
    held = np.zeros(2)
    for seed in range(60):
        z = torch.from_numpy(np.random.default_rng(seed).normal(size=(40, 5, 16)))
        planned = plan_pairs(np.arange(40) % 4, 5, 20_000, seed=seed)
        sums = sum_pairs([z[planned.copies[:, 0], planned.copies[:, 1]]], planned)
        held += [low <= 0 <= high for low, high in factor_intervals(sums, seed=seed, resamples=300).scores.values()]
    assert (held >= 0.7 * 60).all()


def test_an_unreadable_copy_is_named(tmp_path, grid):
    (grid / "cat" / "1.png-style2.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"unreadable copy .*1\.png-style2\.png"):
        Dimensionality(EvalConfig(grid, tmp_path / "out", batch_size=2)).run(model().eval())
