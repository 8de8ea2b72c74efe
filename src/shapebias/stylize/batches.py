"""Stylize batches of images, with reading and writing in threads beside the network."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Container, Iterable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from itertools import chain, islice, tee
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from shapebias.allocator import return_freed_memory
from shapebias.data.ahead import ahead
from shapebias.data.decode import UnreadableImage, load_rgb
from shapebias.data.encode import save_image
from shapebias.data.materialize import Skip
from shapebias.errors import UserError
from shapebias.stylize.settings import SMALLEST, StylizeSettings
from shapebias.stylize.style_folder import Styles
from shapebias.stylize.stylizer import Stylizer

THREADS = 2  # for reading, and as many for writing
IMAGES_AHEAD = 32
BATCHES_WRITTEN = 2
MOST_PIXELS = 12_600_000  # of one copy; the small AdaIN takes about 1 GB per million
AT_ONCE = 4_000_000  # pixels of a batch's copies that are made together; of more, fewer views at a time
LUMINANCE = (0.299, 0.587, 0.114)  # ITU-R BT.601


def default_batch_size(device: torch.device | str) -> int:
    """Return the number of images stylized at once; on a GPU fewer when its memory runs out."""
    return 16 if torch.device(device).type == "cpu" else 64


def stylized_size(size: tuple[int, int], settings: StylizeSettings) -> tuple[int, int]:
    """Return the (width, height) of the copies of an image of ``size``."""
    width, height = (min(size), min(size)) if settings.crop else size
    scale = min(1.0, settings.size / min(width, height)) if settings.size else 1.0
    return max(SMALLEST, round(width * scale)), max(SMALLEST, round(height * scale))


class Stylizing:
    """A stylizer with its styles and settings; on a GPU it finds how many images fit into its memory.

    Args:
        stylizer: the stylizer, on its device.
        styles: the styles.
        settings: settings of the copies.
    """

    def __init__(self, stylizer: Stylizer, styles: Styles, settings: StylizeSettings) -> None:
        self.stylizer, self.styles, self.settings = stylizer, styles, settings
        self.pixels: int | None = None  # most pixels that fit at once, where more did not

    @torch.inference_mode()
    def views(self, content: np.ndarray, numbers: np.ndarray) -> Tensor:
        """Return the views (V, N, H, W, 3) uint8 of ``content`` (N, H, W, 3) uint8 in the styles ``numbers`` (N, V).

        Where the device runs out of memory, the images are halved until they fit, and those of later calls too.

        Raises:
            UserError: not even one image fits.
        """
        count, height, width = content.shape[:3]
        at_once = count if self.pixels is None else max(1, self.pixels // (height * width))
        if at_once < count:
            parts = (slice(start, start + at_once) for start in range(0, count, at_once))
            return torch.cat([self.views(content[part], numbers[part]) for part in parts], dim=1)
        try:
            return self._views(content, numbers)
        except torch.OutOfMemoryError as error:
            if count == 1:
                raise UserError(
                    f"the device has too little memory for an image of {width} x {height} pixels: "
                    "use a smaller --size or --device cpu"
                ) from error
        self.pixels = (count // 2) * height * width
        return self.views(content, numbers)

    def _views(self, content: np.ndarray, numbers: np.ndarray) -> Tensor:
        device = next(self.stylizer.parameters()).device
        images = torch.from_numpy(content).to(device).permute(0, 3, 1, 2).float().div_(255)
        codes = self.styles.take(numbers.T.reshape(-1)).to(device)
        together = len(content) * max(1, AT_ONCE // content[..., 0].size)
        views = torch.cat([self.stylizer.stylize(images, some, self.settings.alpha) for some in codes.split(together)])
        views = views.unflatten(0, (-1, len(content)))
        if self.settings.preserve_color:
            weights = torch.tensor(LUMINANCE, device=device).view(3, 1, 1)
            views = images + ((views - images) * weights).sum(-3, keepdim=True)
        return views.clamp(0, 1).mul(255).round().byte().movedim(-3, -1).cpu().contiguous()


def stylize_batches(
    batches: Iterable[tuple[Path, ...]],
    stylizing: Stylizing,
    drawn: Callable[[Sequence[Path]], np.ndarray],
    files: Callable[[Path], list[Path]],
    wanted: Container[Path],
    skip: Skip,
) -> Iterator[int]:
    """Write the copies of the ``wanted`` images among ``batches`` and yield the number finished, batch after batch.

    Batches are stylized whole even if only some of their images are wanted: what a network returns for an image
    depends in its last bits on the images beside it. Images wait as bytes, and at most one batch is on the device.

    Args:
        batches: paths of images that will have one size.
        stylizing: the stylizer with its styles and settings.
        drawn: the styles (N, views) of images.
        files: the files of an image, a view each.
        wanted: the images to write.
        skip: called with the error of an image that cannot be read.
    """
    settings = stylizing.settings
    read, counted = tee(batches)

    def load(path: Path) -> np.ndarray | UnreadableImage:
        try:
            return _content(path, settings)
        except UnreadableImage as error:
            return error

    def save(path: Path, pixels: Tensor) -> None:
        save_image(path, Image.fromarray(pixels.numpy()), settings.format, **_options(settings))

    written: deque[tuple[int, list[Future[None]]]] = deque()
    shape: tuple[int, ...] | None = None
    with ThreadPoolExecutor(THREADS) as readers, ThreadPoolExecutor(THREADS) as writers:
        loaded = ahead(readers, load, chain.from_iterable(read), IMAGES_AHEAD)
        try:
            for batch in counted:
                groups: dict[tuple[int, ...], list[tuple[Path, np.ndarray]]] = {}
                for path, content in zip(batch, islice(loaded, len(batch)), strict=True):
                    if isinstance(content, UnreadableImage):
                        skip(content)
                    else:
                        groups.setdefault(content.shape, []).append((path, content))
                for found, group in groups.items():
                    if found != shape:
                        return_freed_memory()
                    shape = found
                    views = stylizing.views(np.stack([c for _, c in group]), drawn([path for path, _ in group]))
                    saving = [
                        writers.submit(save, file, views[view, number])
                        for number, (path, _) in enumerate(group)
                        if path in wanted
                        for view, file in enumerate(files(path))
                    ]
                    written.append((sum(path in wanted for path, _ in group), saving))
                while len(written) > BATCHES_WRITTEN:
                    yield _finished(*written.popleft())
            while written:
                yield _finished(*written.popleft())
        finally:
            for future in (future for _, saving in written for future in saving):
                future.cancel()


def _finished(count: int, saving: list[Future[None]]) -> int:
    for future in saving:
        future.result()
    return count


def _content(path: Path, settings: StylizeSettings) -> np.ndarray:
    image = load_rgb(path)
    wanted = stylized_size(image.size, settings)
    if wanted[0] * wanted[1] > MOST_PIXELS:
        most = f"{MOST_PIXELS / 1e6:.1f} million pixels"
        raise UnreadableImage(path, f"{wanted[0]} x {wanted[1]} is more than the {most} that are stylized: give --size")
    if settings.crop and image.width != image.height:
        side = min(image.size)
        left, top = (image.width - side) // 2, (image.height - side) // 2
        image = image.crop((left, top, left + side, top + side))
    if image.size != wanted:
        image = image.resize(wanted, Image.Resampling.BICUBIC, reducing_gap=3.0)
    return np.array(image, dtype=np.uint8)


def _options(settings: StylizeSettings) -> dict[str, int]:
    return {"compress_level": 1} if settings.format == "png" else {"quality": settings.quality}
