"""From latents of pairs to scores and shares of neurons, streamed (Islam et al. 2021, section 3.2).

``score_f = sum_i Cov_i(z_a, z_b | f) / sum_i Var_i``: the covariance is about the factor's own mean (the average of its
two sides), the variance pooled over the latents of all factors, each factor with the same weight. The residual's score
is 1, and the shares are the softmax of the three.

What is kept is O(d): the moments (48 bytes per neuron and factor), and for the intervals the sums over ``BLOCKS``
blocks of pairs (800 bytes per neuron and factor). Blocks hold all pairs of some images (``pairs``), so that resampling
them is resampling images, not pairs as if each had images of its own: an interval covers the choice of images and of
pairs, not that of textures, which are the same few for all. The factors are resampled apart from each other. Where
texture pairs stand in the blocks of two groups of images, the groups are resampled, and a block counts as often as its
two groups together (Owen's pigeonhole bootstrap). Resamples need the blocks' sums only through their inner products,
so that their number costs no memory per neuron.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from shapebias.evaluators.dimensionality.moments import COUNT, MEAN_A, MEAN_B, PRODUCTS, added, empty_moments, variances
from shapebias.evaluators.dimensionality.pairs import BLOCKS, Plan
from shapebias.stats.intervals import RESAMPLES

Interval = tuple[float, float]


class FactorSums:
    """What is kept of one factor's pairs of D neurons.

    ``shift`` (D,) is subtracted before summing into the blocks, for the digits; it is the same for all factors.
    ``groups``, if not 0, are those whose every two have a block (``pairs.group_blocks``).
    """

    def __init__(self, shift: Tensor, blocks: int = BLOCKS, groups: int = 0) -> None:
        self.shift, self.groups = shift.double(), groups
        self.moments = empty_moments(len(shift))
        self.sums = torch.zeros(blocks, len(shift), dtype=torch.float64)
        self.scalars = torch.zeros(blocks, 3, dtype=torch.float64)  # pairs, squares of both sides, products

    def add(self, z_a: Tensor, z_b: Tensor, block: Tensor) -> None:
        """Add pairs, two (N, D); ``block`` (N,) of int64 says to which block each belongs."""
        self.moments = added(self.moments, z_a, z_b)
        a, b = z_a.double() - self.shift, z_b.double() - self.shift
        self.sums.index_add_(0, block, a + b)
        squares = (a * a).sum(1) + (b * b).sum(1)
        self.scalars.index_add_(0, block, torch.stack([torch.ones_like(squares), squares, (a * b).sum(1)], 1))


def stream(latents: Iterable[Tensor], plan: Plan) -> dict[str, FactorSums]:
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


def _empty(shift: Tensor, plan: Plan, factor: str) -> FactorSums:
    groups = plan.groups if factor == "texture" else 0
    return FactorSums(shift, groups * (groups + 1) // 2 or int(plan.blocks[factor].max()) + 1, groups)


def _by_window(rows: np.ndarray, ends: np.ndarray) -> list[np.ndarray]:
    """For each window the numbers of the pairs in it."""
    window = np.searchsorted(ends, rows[:, 0], side="right")
    order = np.argsort(window, kind="stable")
    return np.split(order, np.searchsorted(window[order], np.arange(1, len(ends))))


def scores(moments: Mapping[str, Tensor]) -> dict[str, float]:
    """The score of each factor from its moments (6, D), and 1 for the residual.

    Raises:
        ValueError: the latents do not vary at all, or a factor has no pairs.
    """
    if any(part.shape[1] == 0 or not part[COUNT, 0] > 0 for part in moments.values()):
        raise ValueError("a factor has no pairs")
    means = torch.stack([part[[MEAN_A, MEAN_B]] for part in moments.values()])  # (factors, 2, D)
    within = torch.stack([torch.stack(variances(part)) for part in moments.values()])
    mean = means.mean((0, 1))
    between = (means - mean).square().mean((0, 1))
    between = between.masked_fill(between <= (4 * torch.finfo(torch.float64).eps * mean).square(), 0)
    variance = (within.mean((0, 1)) + between).sum()
    if variance == 0:
        raise ValueError("the latents have zero variance")
    found = {}
    for name, part in moments.items():
        apart = (part[MEAN_A] - part[MEAN_B]) / 2
        found[name] = float((part[PRODUCTS] / part[COUNT] - apart.square()).sum() / variance)
    return {**found, "residual": 1.0}


def shares(score: Mapping[str, float]) -> dict[str, float]:
    """The softmax of the scores itself, without rounding to whole neurons."""
    highest = max(score.values())
    powers = {name: np.exp(value - highest) for name, value in score.items()}
    return {name: float(power / sum(powers.values())) for name, power in powers.items()}


def neurons(score: Mapping[str, float], count: int) -> dict[str, int]:
    """How many of ``count`` neurons each factor gets: the softmax of the scores, integer part; the residual the rest.

    >>> neurons({"shape": 1.0, "texture": 0.0, "residual": 1.0}, 1000)
    {'shape': 422, 'texture': 155, 'residual': 423}
    """
    found = {name: int(share * count) for name, share in shares(score).items() if name != "residual"}
    return {**found, "residual": count - sum(found.values())}


class Intervals(NamedTuple):
    """95 % percentile intervals by the names of factors; ``shares`` holds the residual's too."""

    scores: dict[str, Interval]
    shares: dict[str, Interval]


def intervals(sums: Mapping[str, FactorSums], *, seed: int, resamples: int = RESAMPLES) -> Intervals:
    """Bootstrap over the blocks, or their groups, within each factor."""
    rng = np.random.default_rng(seed)
    names = list(sums)
    stacked = torch.cat([part.sums for part in sums.values()])
    inner = (stacked @ stacked.T).numpy()  # of all blocks' sums with all others'
    ends = np.cumsum([len(part.sums) for part in sums.values()])
    weights, squares, covariances = np.zeros((resamples, len(stacked))), [], []
    for part, end in zip(sums.values(), ends, strict=True):
        blocks = len(part.sums)
        drawn = _drawn(part, resamples, rng)
        pairs, square, product = (drawn @ part.scalars.numpy()).T
        pairs = np.where(pairs > 0, pairs, np.nan)  # a resample without pairs
        own = slice(end - blocks, end)
        weights[:, own] = drawn / (2 * pairs[:, None])  # their product with the sums is the mean of both sides
        squares.append(square / (2 * pairs))
        covariances.append(product / pairs - _squared_length(weights[:, own], inner[own, own]))
    variance = np.mean(squares, axis=0) - _squared_length(weights / len(names), inner)
    with np.errstate(invalid="ignore", divide="ignore"):  # a resample of equal latents
        found = {name: covariance / variance for name, covariance in zip(names, covariances, strict=True)}
    powers = {**{name: np.exp(values) for name, values in found.items()}, "residual": np.full(resamples, np.e)}
    total = np.sum(list(powers.values()), axis=0)
    return Intervals(
        {name: _percentiles(values) for name, values in found.items()},
        {name: _percentiles(power / total) for name, power in powers.items()},
    )


def _drawn(part: FactorSums, resamples: int, rng: np.random.Generator) -> np.ndarray:
    """How often each block counts in each resample."""
    units = part.groups or len(part.sums)
    drawn = rng.multinomial(units, np.full(units, 1 / units), size=resamples)
    if not part.groups:
        return drawn
    i, j = np.triu_indices(units)
    return np.where(i == j, drawn[:, i], drawn[:, i] * drawn[:, j])


def _squared_length(weights: np.ndarray, inner: np.ndarray) -> np.ndarray:
    return ((weights @ inner) * weights).sum(1)


def _percentiles(values: np.ndarray) -> Interval:
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
