"""The order in which samples are shown: a function of (seed, epoch), whatever the ranks and workers."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from shapebias.errors import UserError

Key = tuple[int, int]


def epoch_order(count: int, *, seed: int, epoch: int) -> np.ndarray:
    """A permutation of ``range(count)`` for one epoch."""
    return np.random.default_rng((seed, epoch)).permutation(count)


class EpochBatchSampler:
    """Batches of (epoch, index) keys for one rank.

    A step's batch is divided into ``parts`` that pass the network one after another, and each part over the
    ranks: every ``parts``-th sample, and of these every ``ranks``-th. Iterating yields part after part. An
    incomplete last batch is left out (batch statistics of a few samples would be of no use), unless it is
    the only one. Set ``epoch``, and ``first`` for the step to begin at, before iterating.

    Raises:
        UserError: fewer samples than ranks times parts.
    """

    def __init__(
        self, count: int, batch_size: int, *, seed: int, rank: int = 0, ranks: int = 1, parts: int = 1
    ) -> None:
        shares = ranks * parts
        if batch_size % shares:
            raise ValueError(f"a batch of {batch_size} does not divide over {ranks} ranks and {parts} parts")
        if count < shares:
            raise UserError(f"{count} training images are too few for {ranks} devices and {parts} accumulated parts")
        self.count, self.seed = count, seed
        self.batch_size = batch_size if count >= batch_size else count // shares * shares
        self.rank, self.ranks, self.parts = rank, ranks, parts
        self.epoch = self.first = 0

    def __len__(self) -> int:
        return self.count // self.batch_size

    def keys(self, step: int) -> list[list[Key]]:
        """This rank's keys of the epoch's ``step``, part by part."""
        return self._split(epoch_order(self.count, seed=self.seed, epoch=self.epoch), step)

    def __iter__(self) -> Iterator[list[Key]]:
        order = epoch_order(self.count, seed=self.seed, epoch=self.epoch)
        for step in range(self.first, len(self)):
            yield from self._split(order, step)

    def _split(self, order: np.ndarray, step: int) -> list[list[Key]]:
        batch = order[step * self.batch_size : (step + 1) * self.batch_size]
        own = [batch[part :: self.parts][self.rank :: self.ranks] for part in range(self.parts)]
        return [[(self.epoch, int(index)) for index in indices] for indices in own]
