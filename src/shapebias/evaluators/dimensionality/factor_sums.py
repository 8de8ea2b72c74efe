"""Moments and block sums of pairs of latents, streamed, and intervals of scores and shares (Islam et al. 2021).

Memory is O(D) for D neurons: the moments (48 bytes per neuron and factor), and for the intervals the sums over
``BLOCKS`` blocks of pairs (800 bytes per neuron and factor). Blocks hold all pairs of some images (``pairs``), so that
resampling blocks resamples images, not pairs as if each had images of its own: an interval covers the choice of images
and of pairs, not that of textures, which are the same few for all. The factors are resampled independently. Where
texture pairs belong to blocks of two groups of images, the groups are resampled, and a block counts as often as its
two groups together (Owen's pigeonhole bootstrap). Resamples need the blocks' sums only through their inner products,
so that their number costs no memory per neuron.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from shapebias.evaluators.dimensionality.pairs import BLOCKS, PairPlan
from shapebias.metrics.functional.moments import add_pairs, empty_moments
from shapebias.stats.bootstrap import RESAMPLES, percentile_interval
from shapebias.stats.intervals import Interval
from shapebias.stats.streams import Draw, stream


class FactorSums:
    """Sums over one factor's pairs of latents of D neurons.

    ``shift`` (D,) is subtracted before summing into the blocks, for numerical precision; it is the same for all
    factors. ``groups``, if not 0, is the number of groups of which each two have a block (``pairs.group_blocks``).
    """

    def __init__(self, shift: Tensor, blocks: int = BLOCKS, groups: int = 0) -> None:
        self.shift, self.groups = shift.double(), groups
        self.moments = empty_moments(len(shift))
        self.sums = torch.zeros(blocks, len(shift), dtype=torch.float64)
        self.scalars = torch.zeros(blocks, 3, dtype=torch.float64)  # pairs, squares of both sides, products

    def add(self, z_a: Tensor, z_b: Tensor, block: Tensor) -> None:
        """Add pairs, two (N, D); ``block`` (N,) of int64 is the block of each."""
        self.moments = add_pairs(self.moments, z_a, z_b)
        a, b = z_a.double() - self.shift, z_b.double() - self.shift
        self.sums.index_add_(0, block, a + b)
        squares = (a * a).sum(1) + (b * b).sum(1)
        self.scalars.index_add_(0, block, torch.stack([torch.ones_like(squares), squares, (a * b).sum(1)], 1))


def sum_pairs(latents: Iterable[Tensor], plan: PairPlan) -> dict[str, FactorSums]:
    """Sum up the pairs of ``plan`` from ``latents``, chunks (n, D) of its copies in their order, window by window.

    Raises:
        ValueError: more or fewer latents than copies.
    """
    held, begin, window, seen = torch.empty(0, 0), 0, 0, 0
    queues = {name: _by_window(rows, plan.ends) for name, rows in plan.pairs.items()}
    sums: dict[str, FactorSums] = {}
    for chunk in latents:
        held, seen = torch.cat([held, chunk]) if len(held) else chunk, seen + len(chunk)
        while window < len(plan.ends) and plan.ends[window] <= seen:
            if not sums:
                shift = held[: plan.ends[window] - begin].double().mean(0)
                sums = {name: _empty(shift, plan, name) for name in plan.pairs}
            for name, queue in queues.items():
                rows = plan.pairs[name][queue[window]] - begin
                block = torch.from_numpy(plan.blocks[name][queue[window]])
                sums[name].add(held[rows[:, 0]], held[rows[:, 1]], block)
            held, begin = held[plan.ends[window] - begin :], int(plan.ends[window])
            window += 1
    if seen != len(plan.copies):
        raise ValueError(f"{seen} latents for {len(plan.copies)} copies")
    return sums


def _empty(shift: Tensor, plan: PairPlan, factor: str) -> FactorSums:
    groups = plan.groups if factor == "texture" else 0
    return FactorSums(shift, groups * (groups + 1) // 2 or int(plan.blocks[factor].max()) + 1, groups)


def _by_window(rows: np.ndarray, ends: np.ndarray) -> list[np.ndarray]:
    """Return the numbers of the pairs in each window."""
    window = np.searchsorted(ends, rows[:, 0], side="right")
    order = np.argsort(window, kind="stable")
    return np.split(order, np.searchsorted(window[order], np.arange(1, len(ends))))


class FactorIntervals(NamedTuple):
    """95 % percentile intervals by the names of factors; ``shares`` holds the residual's too."""

    scores: dict[str, Interval | None]
    shares: dict[str, Interval | None]


def factor_intervals(sums: Mapping[str, FactorSums], *, seed: int, resamples: int = RESAMPLES) -> FactorIntervals:
    """Bootstrap the scores and shares over the blocks, or their groups, within each factor."""
    rng = stream(Draw.BLOCK_RESAMPLES, seed)
    names = list(sums)
    stacked = torch.cat([part.sums for part in sums.values()])
    inner = (stacked @ stacked.T).numpy()  # of all blocks' sums with all others'
    ends = np.cumsum([len(part.sums) for part in sums.values()])
    weights, squares, covariances = np.zeros((resamples, len(stacked))), [], []
    for part, end in zip(sums.values(), ends, strict=True):
        counts = _resampled_blocks(part, resamples, rng)
        pairs, square, product = (counts @ part.scalars.numpy()).T
        pairs = np.where(pairs > 0, pairs, np.nan)  # a resample without pairs
        own = slice(end - len(part.sums), end)
        weights[:, own] = counts / (2 * pairs[:, None])  # their product with the sums is the mean of both sides
        squares.append(square / (2 * pairs))
        covariances.append(product / pairs - _squared_length(weights[:, own], inner[own, own]))
    variance = np.mean(squares, axis=0) - _squared_length(weights / len(names), inner)
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample of equal latents
        scores = {name: covariance / variance for name, covariance in zip(names, covariances, strict=True)}
    powers = {**{name: np.exp(values) for name, values in scores.items()}, "residual": np.full(resamples, np.e)}
    total = np.sum(list(powers.values()), axis=0)
    return FactorIntervals(
        {name: percentile_interval(values) for name, values in scores.items()},
        {name: percentile_interval(power / total) for name, power in powers.items()},
    )


def _resampled_blocks(part: FactorSums, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """Return how often each block counts in each resample."""
    units = part.groups or len(part.sums)
    drawn = rng.multinomial(units, np.full(units, 1 / units), size=resamples)
    if not part.groups:
        return drawn
    i, j = np.triu_indices(units)
    return np.where(i == j, drawn[:, i], drawn[:, i] * drawn[:, j])


def _squared_length(weights: np.ndarray, inner: np.ndarray) -> np.ndarray:
    return ((weights @ inner) * weights).sum(1)
