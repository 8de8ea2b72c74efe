"""Work done ahead in threads, with results in order; and batches of images of one size, from their headers."""

from __future__ import annotations

from collections import defaultdict, deque
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import Executor, Future
from pathlib import Path
from typing import TypeVar

from shapebias.data.decode import UnreadableImage, image_size

Given = TypeVar("Given")
Made = TypeVar("Made")
Size = tuple[int, int]
CHUNK = 4096  # images whose headers are read at once
PIXELS = 1 << 23  # most pixels of a batch: 32 images of 512 x 512


def ahead(pool: Executor, work: Callable[[Given], Made], items: Iterable[Given], limit: int) -> Iterator[Made]:
    """Yield ``work(item)`` for all ``items`` in order, at most ``limit`` of them begun and not yet taken."""
    waiting: deque[Future[Made]] = deque()
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            if len(waiting) >= limit:
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        for future in waiting:
            future.cancel()


def same_size_batches(
    paths: Sequence[Path], size_of: Callable[[Size], Size], batch_size: int
) -> Iterator[tuple[Path, ...]]:
    """Divide ``paths`` into batches of images that will have one size, by the sizes in their headers.

    ``size_of`` gives the (width, height) that an image of a size is brought to. Batches depend on ``paths`` and
    ``batch_size`` alone: those of ``CHUNK`` images at a time, size by size in the order in which they come. Those of
    large images have fewer, of at most ``PIXELS`` together. Images without a readable header are last, one by one.
    """
    for start in range(0, len(paths), CHUNK):
        groups: defaultdict[Size, list[Path]] = defaultdict(list)
        unknown = []
        for path in paths[start : start + CHUNK]:
            try:
                groups[size_of(image_size(path))].append(path)
            except (UnreadableImage, OSError):
                unknown.append(path)
        for (width, height), group in groups.items():
            at_once = max(1, min(batch_size, PIXELS // (width * height)))
            for first in range(0, len(group), at_once):
                yield tuple(group[first : first + at_once])
        yield from ((path,) for path in unknown)
