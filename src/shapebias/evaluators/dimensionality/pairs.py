"""Which pairs of stylized copies are compared, and in which order copies pass, so that no latent is kept for long.

Images are put in a seeded order that spreads each class evenly, and cut into windows of ``WINDOW`` images (to twice as
many less one, so that none is left over). Both images of a texture pair come from one window, as do of course both
copies of a shape pair. Once a window has passed, its pairs are complete and its latents are let go. The windows do not
depend on the batch size: neither do the pairs.

Pairs that share an image are not independent. For the intervals they are dealt to blocks by images, so that whole
images are resampled: a shape pair goes where its image goes, a texture pair where its window goes. Where there are
fewer than ``ENOUGH`` windows, the images are dealt to ``GROUPS`` groups instead and a texture pair goes to the block of
its two images' groups.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

WINDOW = 16
BLOCKS = 100
ENOUGH = 20
GROUPS = 13  # which have 13 * 14 / 2 = 91 blocks
FACTORS = ("shape", "texture")


def windows(labels: np.ndarray, *, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Where each image passes: its place in the seeded order, and its window; two (images,) of int.

    Within a class the order is random; the i-th of n images of a class stands at (i + u) / n of the whole, u random.
    """
    rng = np.random.default_rng((seed, 0))
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
    """Indices of ``count`` pairs per factor into an images x textures grid, (count, 4): image, texture twice.

    A shape pair is one image in two different textures, all images and textures equally likely. A texture pair is
    two images of different classes in one texture: the first is any image whose window holds another class, the
    second any image of another class in that window. All are drawn with replacement.

    Args:
        labels: the images' classes, (images,) of int, at least two different ones.
        textures: how many, at least two.
        count: pairs per factor.
        seed: of the order and the draws.
    """
    rng = np.random.default_rng((seed, 1))
    image = rng.integers(len(labels), size=count)
    first = rng.integers(textures, size=count)
    second = (first + rng.integers(1, textures, size=count)) % textures
    _, window = windows(labels, seed=seed)
    members = np.argsort(window, kind="stable")
    begin, sizes = np.searchsorted(window[members], window), np.bincount(window)[window]
    classes = np.bincount(np.unique(np.stack([window, labels], 1), axis=0)[:, 0])  # in each window
    a = rng.choice(np.flatnonzero(classes[window] > 1), size=count)
    b = members[begin[a] + rng.integers(sizes[a])]
    while (same := labels[a] == labels[b]).any():
        b[same] = members[begin[a[same]] + rng.integers(sizes[a[same]])]
    texture = rng.integers(textures, size=count)
    return {"shape": np.stack([image, first, image, second], 1), "texture": np.stack([a, texture, b, texture], 1)}


@dataclass(frozen=True)
class Plan:
    """What passes through the network, in order, and when which pairs are complete.

    ``copies`` (M, 2) are the images and textures that some pair needs, each once. ``pairs[factor]`` (P, 2) are
    rows of ``copies``; ``ends`` (W,) the rows at which windows end. ``blocks[factor]`` (P,) are the blocks that the
    pairs go to. ``groups`` is 0 where texture pairs are dealt by window, else the number of groups of images: block
    ``group_blocks(groups)[i, j]`` holds the pairs of images of group i with those of group j.
    """

    copies: np.ndarray
    pairs: dict[str, np.ndarray]
    ends: np.ndarray
    blocks: dict[str, np.ndarray]
    groups: int


def plan(labels: np.ndarray, textures: int, count: int, *, seed: int) -> Plan:
    """The plan for ``count`` pairs per factor, see ``draw_pairs`` and ``windows``."""
    place, window = windows(labels, seed=seed)
    drawn = draw_pairs(labels, textures, count, seed=seed)
    codes = {name: place[pairs[:, ::2]] * textures + pairs[:, 1::2] for name, pairs in drawn.items()}
    used = np.unique(np.concatenate([code.ravel() for code in codes.values()]))
    image = np.argsort(place)[used // textures]
    _, begins = np.unique(window[image], return_index=True)
    a, b = place[drawn["texture"][:, 0]], place[drawn["texture"][:, 2]]
    groups = 0 if window.max() + 1 >= ENOUGH else min(GROUPS, len(labels))
    blocks = {
        "shape": _dealt(place[drawn["shape"][:, 0]]),
        "texture": group_blocks(groups)[a % groups, b % groups] if groups else _dealt(window[drawn["texture"][:, 0]]),
    }
    return Plan(
        copies=np.stack([image, used % textures], 1),
        pairs={name: np.searchsorted(used, code) for name, code in codes.items()},
        ends=np.append(begins[1:], len(used)),
        blocks=blocks,
        groups=groups,
    )


def group_blocks(groups: int) -> np.ndarray:
    """The number of the block of every two of ``groups`` groups, symmetric."""
    found = np.zeros((groups, groups), dtype=np.int64)
    i, j = np.triu_indices(groups)
    found[i, j] = found[j, i] = np.arange(len(i))
    return found


def _dealt(units: np.ndarray) -> np.ndarray:
    """For each pair its block: those ``units`` that occur are dealt whole to at most ``BLOCKS`` of them, in turn."""
    number = np.unique(units, return_inverse=True)[1]
    return number % min(BLOCKS, number.max() + 1)
