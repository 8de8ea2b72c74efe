"""The order in which samples are shown: a function of (seed, epoch), whatever the ranks and workers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np


def epoch_order(count: int, *, seed: int, epoch: int) -> np.ndarray:
    """A permutation of ``range(count)`` for one epoch."""
    return np.random.default_rng((seed, epoch)).permutation(count)


class EpochBatches:
    """Batches of (epoch, index) keys for one rank; rank r takes every ``ranks``-th of each global batch.

    An incomplete last batch is left out (batch statistics of a few samples would be of no use), unless it
    is the only one. Set ``epoch`` before iterating.
    """

    def __init__(self, count: int, batch_size: int, *, seed: int, rank: int = 0, ranks: int = 1) -> None:
        if batch_size % ranks:
            raise ValueError(f"a batch of {batch_size} does not divide over {ranks} ranks")
        self.count, self.batch_size, self.seed = count, min(batch_size, count), seed
        self.rank, self.ranks, self.epoch = rank, ranks, 0

    def __len__(self) -> int:
        return self.count // self.batch_size

    def __iter__(self) -> Iterator[list[tuple[int, int]]]:
        order = epoch_order(self.count, seed=self.seed, epoch=self.epoch)
        for start in range(0, len(self) * self.batch_size, self.batch_size):
            batch = order[start : start + self.batch_size][self.rank :: self.ranks]
            yield [(self.epoch, int(index)) for index in batch]
