"""Every kind of random draw has a stream of its own."""

from __future__ import annotations

import itertools
import re
from pathlib import Path

import numpy as np
import torch

import shapebias
from shapebias.data.image_set import from_labels
from shapebias.data.loaders import epoch_order
from shapebias.data.shapes16.generate import _plan
from shapebias.stats.streams import Draw, stream, torch_seed
from shapebias.tasks.classification.task import Task
from shapebias.train.samples import Sample, Samples

SOURCE = Path(shapebias.__file__).parent
SEEDED = re.compile(r"(?:default_rng|SeedSequence|RandomState|manual_seed|seed_everything|random\.seed)\(([^\n]*)")


def state(rng: np.random.Generator) -> int:
    return rng.bit_generator.state["state"]["state"]


def test_no_two_kinds_of_draw_share_a_stream():
    keys = [key for length in range(5) for key in itertools.product((0, 1, 2), repeat=length)]
    states = {kind: {state(stream(kind, *key)) for key in keys} for kind in Draw}
    assert len({number.value for number in Draw}) == len(Draw) and min(Draw) > 0
    assert all(len(there) == len(keys) for there in states.values())  # (seed, epoch) is not (seed, epoch, 0)
    assert len(set().union(*states.values())) == len(Draw) * len(keys)
    seeds = {torch_seed(kind, *key) for kind in Draw for key in keys}
    assert len(seeds) == len(Draw) * len(keys) and max(seeds) < 2**32


def test_the_pictures_of_shapes16_share_no_stream_with_a_draw():
    counts = {"train_per_class": 2, "test_per_class": 1, "conflict_per_pair": 1, "silhouettes_per_class": 1}
    drawn = {state(np.random.default_rng(key)) for *_, key in _plan({**counts, "seed": 0, "own": 0.5})}
    keys = itertools.product(range(4), range(16), range(4))
    assert not drawn & {state(stream(kind, 0, *key)) for kind, key in itertools.product(Draw, keys)}


def test_random_numbers_are_seeded_in_one_place():
    elsewhere = [
        (path.relative_to(SOURCE).as_posix(), given)
        for path in SOURCE.rglob("*.py")
        for given in SEEDED.findall(path.read_text(encoding="utf-8"))
        if not given.startswith(("torch_seed(Draw.", "0)"))  # 0: the same noise always, no draw
    ]
    # shapes16 is a data set with a version: its pictures are what its own keys say, see ``streams``
    allowed = {"stats/streams.py", "data/shapes16/generate.py", "data/shapes16/render.py", "corruptions/corruption.py"}
    assert {file for file, _ in elsewhere} == allowed, elsewhere


def test_the_first_epoch_does_not_begin_with_the_images_that_the_same_seed_held_out(tmp_path):
    images = from_labels(tmp_path, [tmp_path / f"{n}.png" for n in range(200)], ["a"] * 200)
    _, aside = Task("t", images, images).held_out(seed=3)
    first = {f"{n}.png" for n in epoch_order(200, seed=3, epoch=0)[: len(aside)]}
    assert first != {path.name for path in aside.paths}


def test_the_first_image_of_an_epoch_is_not_drawn_with_the_numbers_of_its_order(tmp_path):
    class Recorded(Samples):
        def make(self, number: int, rng: np.random.Generator) -> Sample:
            self.order = rng.permutation(len(self))
            return Sample(None, torch.tensor(number))

    samples = Recorded(from_labels(tmp_path, [tmp_path / f"{n}.png" for n in range(50)], ["a"] * 50), seed=5)
    _ = samples[2, 0]
    assert not np.array_equal(samples.order, epoch_order(50, seed=5, epoch=2))
