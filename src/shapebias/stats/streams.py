"""Streams of random numbers: each kind of draw has its own, by a tag in the key that seeds it.

numpy pads a key with zeros, so that (seed, epoch) and (seed, epoch, 0) would give the same numbers. Here every key ends
in the kind's number, which is never 0 and above any index that the data set shapes16 ends its keys with.
"""

from __future__ import annotations

import hashlib
from enum import IntEnum

import numpy as np

_TAGS = 2**31


class Draw(IntEnum):
    """The kinds of random draws. A number once given stays, since results depend on it."""

    EPOCH_ORDER = 1
    SAMPLE = 2
    STEP = 3
    INITIAL_WEIGHTS = 4
    NEW_HEAD = 5
    TEST_SPLIT = 6
    HELD_OUT_SPLIT = 7
    SUBSET = 8
    PICTURES = 9
    STYLES = 10
    TEXTURES = 11
    CONFLICTS = 12
    SHEET = 13
    STYLIZER_SAMPLE = 14
    PAIR_ORDER = 15
    PAIRS = 16
    RESAMPLES = 17
    BLOCK_RESAMPLES = 18
    ATTACK_START = 19
    CORRUPTION = 20


def stream(kind: Draw, *key: int | str) -> np.random.Generator:
    """Return the random numbers of one kind of draw, a function of ``kind`` and ``key`` alone.

    Args:
        kind: what is drawn. Different kinds never share a stream.
        key: the random seed, and what else tells the draws of a kind apart (integers from 0, or names): always as many.
    """
    return np.random.default_rng(_words(kind, key))


def torch_seed(kind: Draw, *key: int | str) -> int:
    """Return a seed for ``torch.manual_seed``, below 2^32, by ``kind`` and ``key`` as for ``stream``."""
    return int(np.random.SeedSequence(_words(kind, key)).generate_state(1)[0])


def _words(kind: Draw, key: tuple[int | str, ...]) -> list[int]:
    words: list[int] = []
    for part in key:
        if isinstance(part, str):
            digest = hashlib.sha256(part.encode(errors="surrogateescape")).digest()
            words += np.frombuffer(digest, dtype="<u4").tolist()
        else:
            words.append(int(part))
    return [*words, _TAGS + kind]
