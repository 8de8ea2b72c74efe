"""Batches of images, in fixed order to evaluate and in an order of (seed, epoch) to train, and worker processes."""

from __future__ import annotations

import signal
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from shapebias.data.decode import UnreadableImage, load_rgb
from shapebias.data.transforms import Preprocessing
from shapebias.errors import UserError
from shapebias.stats.streams import Draw, stream

Key = tuple[int, int]


def ignore_signals(_worker: int) -> None:
    """Ignore signals, as a loader's ``worker_init_fn``: the main process answers those to the whole group."""
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    signal.signal(signal.SIGINT, signal.SIG_IGN)


def batches_of(loader: DataLoader[Any]) -> Iterator[Any]:
    """Iterate over ``loader``, raising a ``UserError`` of one of its processes as the one line that it is.

    The loader wraps it in that process's traceback. Its processes, which no signal ends, are stopped here: the main
    one would wait for them at its end.
    """
    batches = iter(loader)
    try:
        yield from batches
    except UserError as error:
        end: Any = getattr(batches, "_shutdown_workers", None)  # torch has no public way
        if end is not None:
            end()
        raise UserError(str(error).rpartition("UserError: ")[2].strip()) from None


class _Decoded(Dataset[tuple[int, Tensor | None, str]]):
    def __init__(self, paths: Sequence[Path], preprocessing: Preprocessing) -> None:
        self.paths, self.preprocessing = paths, preprocessing

    def __len__(self) -> int:
        return len(self.paths)

    def __getitem__(self, index: int) -> tuple[int, Tensor | None, str]:
        try:
            return index, self.preprocessing(load_rgb(self.paths[index])), ""
        except UnreadableImage as error:
            return index, None, str(error)


class ImageBatches:
    """Batches of (indices, images) over ``paths``; unreadable files are skipped and listed.

    After iterating, ``unreadable`` names them, one "path: reason" each.

    Raises:
        UserError: while iterating, at an unreadable image under ``strict``, or if none was readable, unless
            ``none_is_error`` is False.
    """

    def __init__(
        self,
        paths: Sequence[Path],
        preprocessing: Preprocessing,
        *,
        batch_size: int,
        workers: int = 0,
        strict: bool = False,
        none_is_error: bool = True,
    ) -> None:
        self.paths, self.strict, self.none_is_error, self.unreadable = paths, strict, none_is_error, list[str]()
        self.loader = DataLoader(
            _Decoded(paths, preprocessing),
            batch_size=batch_size,
            num_workers=workers,
            collate_fn=list,
            worker_init_fn=ignore_signals,
        )

    def __iter__(self) -> Iterator[tuple[list[int], Tensor]]:
        self.unreadable = []
        for batch in self.loader:
            self.unreadable += [reason for _, image, reason in batch if image is None]
            if self.strict and self.unreadable:
                raise UserError(f"unreadable image {self.unreadable[0]} (remove it, or leave out --strict)")
            good = [(index, image) for index, image, _ in batch if image is not None]
            if good:
                yield [index for index, _ in good], torch.stack([image for _, image in good])
        if self.none_is_error and len(self.unreadable) == len(self.paths):
            raise UserError(f"none of the {len(self.paths)} images could be read, first {self.unreadable[0]}")


def epoch_order(count: int, *, seed: int, epoch: int) -> np.ndarray:
    """A permutation of ``range(count)`` for one epoch."""
    return stream(Draw.EPOCH_ORDER, seed, epoch).permutation(count)


class EpochBatchSampler:
    """Batches of (epoch, index) keys for one rank.

    A step's batch is divided into ``parts`` that pass the model one after another, and each part over the
    ranks: every ``parts``-th sample, and of these every ``ranks``-th. Iterating yields part after part. An
    incomplete last batch is dropped (batch statistics of a few samples would be of no use), unless it is
    the only one. Set ``epoch``, and ``first`` for the first step, before iterating.

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
