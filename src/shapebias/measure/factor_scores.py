"""From latents of pairs to scores and shares of neurons, streamed (Islam et al. 2021, section 3.2).

``score_f = sum_i Cov_i(z_a, z_b | f) / sum_i Var_i``: the covariance is about the factor's own mean (the average of its
two sides), the variance pooled over the latents of all factors, each factor with the same weight. The residual's score
is 1, and the shares are the softmax of the three.

What is kept is O(d): the moments (48 bytes per neuron and factor), and for the intervals the sums over ``BLOCKS``
blocks of pairs (800 bytes per neuron and factor). Pairs are drawn independently and dealt to the blocks in turn, so
that blocks are exchangeable and resampling them gives the pairs' own interval: the variance of a mean over pairs is
that of the mean over equal blocks; its root is known to 1 / sqrt(2 * 99) = 7 % from 100 of them. Resamples need the
blocks' sums only through their inner products, so that their number costs no memory per neuron.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import NamedTuple

import numpy as np
import torch
from torch import Tensor

from shapebias.measure.intervals import RESAMPLES
from shapebias.measure.moments import COUNT, MEAN_A, MEAN_B, PRODUCTS, added, empty_moments, variances
from shapebias.measure.pairs import Plan

BLOCKS = 100
Interval = tuple[float, float]


class FactorSums:
    """What is kept of one factor's pairs of D neurons.

    ``shift`` (D,) is subtracted before summing into the blocks, for the digits; it is the same for all factors.
    """

    def __init__(self, shift: Tensor, blocks: int = BLOCKS) -> None:
        self.shift = shift.double()
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
                sums = {name: FactorSums(shift, min(BLOCKS, len(rows))) for name, rows in plan.pairs.items()}
            for name, queue in queues.items():
                rows = plan.pairs[name][queue[window]] - begin
                block = torch.from_numpy(queue[window] % len(sums[name].sums))
                sums[name].add(held[rows[:, 0]], held[rows[:, 1]], block)
            held, begin = held[plan.ends[window] - begin :], int(plan.ends[window])
            window += 1
    if seen != len(plan.copies):
        raise ValueError(f"{seen} latents for {len(plan.copies)} copies")
    return sums


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
    """Bootstrap over the blocks of pairs, within each factor."""
    rng = np.random.default_rng(seed)
    names = list(sums)
    stacked = torch.cat([part.sums for part in sums.values()])
    inner = (stacked @ stacked.T).numpy()  # of all blocks' sums with all others'
    ends = np.cumsum([len(part.sums) for part in sums.values()])
    weights, squares, covariances = np.zeros((resamples, len(stacked))), [], []
    for part, end in zip(sums.values(), ends, strict=True):
        blocks = len(part.sums)
        drawn = rng.multinomial(blocks, np.full(blocks, 1 / blocks), size=resamples)
        pairs, square, product = (drawn @ part.scalars.numpy()).T
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


def _squared_length(weights: np.ndarray, inner: np.ndarray) -> np.ndarray:
    return ((weights @ inner) * weights).sum(1)


def _percentiles(values: np.ndarray) -> Interval:
    low, high = np.nanpercentile(values, [2.5, 97.5])
    return float(low), float(high)
