"""The loop that passes images through a model, and the key that its outputs are cached under."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
import torch

from shapebias.data.transforms import Preprocessing, Squashed
from shapebias.errors import UserError
from shapebias.models.predict import Loading, PredictedBatches, predict
from testkit.fixed_networks import COLOURS, by_colour, colour_folder, fixed


@pytest.fixture
def paths(tmp_path):
    return sorted(colour_folder(tmp_path / "colours").rglob("*.png"))


def test_values_in_the_order_of_the_files_whatever_the_batches(paths):
    model = by_colour("net").eval()
    found = [predict(model, paths, Loading(size), title="t", read=lambda x: x.argmax(1)) for size in (1, 5, 64)]
    assert [COLOURS[answer] for answer in found[0].values] == [*["blue"] * 4, "red", *["green"] * 3, *["red"] * 4]
    for other in found[1:]:
        assert other.values.tolist() == found[0].values.tolist()
    assert found[0].rows.tolist() == list(range(12))


def test_unreadable_files_are_skipped_or_under_strict_refused(paths):
    paths[3].write_bytes(b"")
    model = by_colour("net").eval()
    found = predict(model, paths, Loading(4), title="t", read=lambda x: x)
    assert found.rows.tolist() == [0, 1, 2, *range(4, 12)]
    assert len(found.values) == 11
    assert [reason.rsplit("/", 1)[1] for reason in found.unreadable] == ["3.png: empty file"]
    with pytest.raises(UserError, match=r"3\.png"):
        predict(model, paths, Loading(4, strict=True), title="t", read=lambda x: x)


def test_it_stops_with_its_consumer(paths):
    model = fixed(torch.zeros(12, 2), ("a", "b"))
    for rows, output in PredictedBatches(model, paths, Loading(5)):
        assert (rows, tuple(output.shape)) == ([0, 1, 2, 3, 4], (5, 2))
        break
    assert model.network.position == 5


def test_latents_without_gradients(paths):
    read = lambda output: output[1][0]  # noqa: E731
    found = predict(by_colour("net").eval(), paths, Loading(), title="t", read=read, latents=True)
    assert found.values.shape == (12, 3)
    for _, (logits, _latents) in PredictedBatches(by_colour("net").eval(), paths, Loading(), latents=True):
        assert not logits.requires_grad


def test_another_number_of_rows_is_refused(paths):
    with pytest.raises(UserError, match="net gives 2 rows of output for 12 images"):
        predict(fixed(torch.zeros(2, 3), COLOURS), paths, Loading(), title="t", read=lambda x: x)


def test_the_cache_key_changes_with_all_that_outputs_depend_on():
    def of(**changes):
        model = by_colour("net")
        for name, value in changes.items():
            setattr(model, name, value)
        return model.cache_key()

    identity, plain = by_colour("net").identity, of()
    assert of(identity=replace(identity, name="other", scheme="in")) == plain
    turned = by_colour("net", turn=1).cache_key()
    assert turned["weights_sha256"] != plain["weights_sha256"]
    others = [
        turned,
        of(identity=replace(identity, classes=COLOURS[::-1])),
        of(identity=replace(identity, spec="module:net")),
        of(identity=replace(identity, weights_sha256="0" * 64)),
        of(preprocessing=Preprocessing(17)),
        of(preprocessing=Squashed(16)),
        of(mean=torch.zeros(1, 3, 1, 1)),
        of(std=torch.full((1, 3, 1, 1), np.float32(0.1))),
        of(stages=("head",)),
    ]
    assert all(key != plain for key in others)
