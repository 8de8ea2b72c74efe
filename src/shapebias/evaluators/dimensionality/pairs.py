"""Pairs of stylized copies that share shape or texture, and the order in which the copies pass through the model.

The order is chosen so that latents are held for a short time only. Images are put in a random order that spreads each
class evenly, and cut into windows of ``WINDOW`` to 2 * ``WINDOW`` - 1 images. Both images of a texture pair come from
one window; so, naturally, do both copies of a shape pair. Once a window has passed, its pairs are complete and its
latents are dropped. Neither windows nor pairs depend on the batch size.

Pairs that share an image are not independent. For the intervals they are assigned to blocks by image, so that whole
images are resampled: a shape pair to the block of its image, a texture pair to that of its window. With fewer than
``ENOUGH`` windows, the images are divided into ``GROUPS`` groups instead, and a texture pair belongs to the block of
its two images' groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from shapebias.stats.streams import Draw, stream

WINDOW = 16
BLOCKS = 100
ENOUGH = 20
GROUPS = 13  # they have 13 * 14 / 2 = 91 blocks
FACTORS = ("shape", "texture")


@dataclass(frozen=True)
class PairPlan:
    """The copies that pass through the model, in order, and the pairs that they form.

    Attributes:
        copies: (M, 2), image and texture of each copy that some pair needs, each once.
        pairs: for each factor (P, 2), rows of ``copies``.
        ends: (W,), the rows of ``copies`` at which windows end.
        blocks: for each factor (P,), the blocks of the pairs.
        groups: 0 where the blocks of texture pairs are windows, else the number of groups of images: block
            ``group_blocks(groups)[i, j]`` holds the pairs of images of group i with those of group j.
    """

    copies: np.ndarray
    pairs: dict[str, np.ndarray]
    ends: np.ndarray
    blocks: dict[str, np.ndarray]
    groups: int


def plan_pairs(labels: np.ndarray, textures: int, count: int, *, seed: int) -> PairPlan:
    """Plan ``count`` pairs per factor, see ``draw_pairs`` and ``windows``."""
    place, window = windows(labels, seed=seed)
    drawn = draw_pairs(labels, textures, count, seed=seed)
    codes = {name: place[pairs[:, ::2]] * textures + pairs[:, 1::2] for name, pairs in drawn.items()}
    used = np.unique(np.concatenate([code.ravel() for code in codes.values()]))
    image = np.argsort(place)[used // textures]
    _, begins = np.unique(window[image], return_index=True)
    groups = 0 if window.max() + 1 >= ENOUGH else min(GROUPS, len(labels))
    if groups:
        a, b = place[drawn["texture"][:, 0]], place[drawn["texture"][:, 2]]
        texture_blocks = group_blocks(groups)[a % groups, b % groups]
    else:
        texture_blocks = _deal(window[drawn["texture"][:, 0]])
    return PairPlan(
        copies=np.stack([image, used % textures], 1),
        pairs={name: np.searchsorted(used, code) for name, code in codes.items()},
        ends=np.append(begins[1:], len(used)),
        blocks={"shape": _deal(place[drawn["shape"][:, 0]]), "texture": texture_blocks},
        groups=groups,
    )


def windows(labels: np.ndarray, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Return the place of each image in the random order, and its window; two (images,) of int.

    Within a class the order is random; the i-th of n images of a class stands at (i + u) / n of the whole, u random.
    """
    rng = stream(Draw.PAIR_ORDER, seed)
    shuffled = rng.permutation(len(labels))
    by_class = shuffled[np.argsort(labels[shuffled], kind="stable")]
    _, begin, size = np.unique(labels[by_class], return_index=True, return_counts=True)
    rank, size = np.arange(len(labels)) - np.repeat(begin, size), np.repeat(size, size)
    where = np.empty(len(labels))
    where[by_class] = (rank + rng.random(len(labels))) / size
    place = np.empty(len(labels), dtype=np.int64)
    place[np.argsort(where, kind="stable")] = np.arange(len(labels))
    return place, place * max(1, len(labels) // WINDOW) // len(labels)


def draw_pairs(labels: np.ndarray, textures: int, count: int, *, seed: int) -> dict[str, np.ndarray]:
    """Draw ``count`` pairs per factor from an images x textures grid, (count, 4): image, texture, image, texture.

    A shape pair is one image in two different textures, all images and textures equally likely. A texture pair is
    two images of different classes in one texture: the first is any image whose window holds another class, the
    second, as the authors draw it, first a class (any other in that window), then an image of it there.
    All are drawn with replacement.

    Args:
        labels: the images' classes, (images,) of int, at least two different ones.
        textures: number of textures, at least two.
        count: pairs per factor.
        seed: random seed of the order and the draws.
    """
    rng = stream(Draw.PAIRS, seed)
    image = rng.integers(len(labels), size=count)
    first = rng.integers(textures, size=count)
    second = (first + rng.integers(1, textures, size=count)) % textures
    _, window = windows(labels, seed=seed)
    members = np.argsort(window, kind="stable")
    begin, sizes = np.searchsorted(window[members], window), np.bincount(window)[window]
    classes = np.bincount(np.unique(np.stack([window, labels], 1), axis=0)[:, 0])  # in each window
    a = rng.choice(np.flatnonzero(classes[window] > 1), size=count)
    _, kind, alike = np.unique(np.stack([window, labels], 1), axis=0, return_inverse=True, return_counts=True)
    alike = alike[kind.ravel()]  # for each image, the images of its class in its window
    b, rows = np.empty_like(a), np.arange(count)
    while len(rows):
        b[rows] = members[begin[a[rows]] + rng.integers(sizes[a[rows]])]
        other = labels[a[rows]] != labels[b[rows]]
        rows = rows[~(other & (rng.random(len(rows)) * alike[b[rows]] < 1))]  # every class of a window equally often
    texture = rng.integers(textures, size=count)
    return {"shape": np.stack([image, first, image, second], 1), "texture": np.stack([a, texture, b, texture], 1)}


def group_blocks(groups: int) -> np.ndarray:
    """Return the block of each two of ``groups`` groups, a symmetric matrix."""
    blocks = np.zeros((groups, groups), dtype=np.int64)
    i, j = np.triu_indices(groups)
    blocks[i, j] = blocks[j, i] = np.arange(len(i))
    return blocks


def _deal(units: np.ndarray) -> np.ndarray:
    """Return the block of each pair: the ``units`` that occur are dealt whole, in turn, to at most ``BLOCKS``."""
    number = np.unique(units, return_inverse=True)[1]
    return number % min(BLOCKS, number.max() + 1)
