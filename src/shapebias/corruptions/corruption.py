"""ImageNet-C's fifteen corruptions (Hendrycks & Dietterich 2019), and one image corrupted by them.

The random numbers of a corrupted image are a function of a seed and the image's name alone. Thirteen corruptions are
those of the optional library imagecorruptions-imaug (imported as ``imagecorruptions``), two are made by ``published``.
The library draws from numpy's global generator, which is seeded for each image and restored.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import warnings
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module, metadata
from typing import Any

import numpy as np
from PIL import Image

from shapebias.corruptions.published import PUBLISHED
from shapebias.errors import UserError, check_at_least, unknown
from shapebias.stats.streams import Draw, stream

GROUPS = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}
CORRUPTIONS = tuple(name for names in GROUPS.values() for name in names)
SEVERITIES = (1, 2, 3, 4, 5)

Cell = tuple[str, int]  # a corruption and a severity

LIBRARY = "imagecorruptions-imaug"
SMALLEST = 32
_SEEDED = ("impulse_noise", "glass_blur")  # these draw from generators of their own


def check_cells(corruptions: Sequence[str], severities: Sequence[int]) -> None:
    """Refuse corruptions and severities that do not exist, none of them, or one given twice."""
    for name in corruptions:
        if name not in CORRUPTIONS:
            raise unknown("corruption", name, CORRUPTIONS)
    for severity in severities:
        if severity not in SEVERITIES or isinstance(severity, bool):
            raise UserError(f"there is no severity {severity}: choose from 1 to 5")
    for kind, given in (("corruptions", corruptions), ("severities", severities)):
        if not given:
            raise UserError(f"no {kind} given: name some, or omit --{kind} for all")
        if len(set(given)) < len(given):
            raise UserError(f"--{kind} names something twice: give each once")


def corrupt(
    image: Image.Image | np.ndarray, corruption: str, severity: int, *, seed: int = 0, name: str = ""
) -> Image.Image:
    """Corrupt one image.

    The random numbers depend on ``seed``, ``name``, the corruption and the severity alone, not on earlier draws or the
    process. The global generators of numpy and numba are left as they were. (Numpy's is reseeded during the call: no
    other thread should draw from it meanwhile.)

    Args:
        image: RGB (other modes are converted), or (H, W, 3) uint8; at least 32 pixels a side.
        corruption: one of ``CORRUPTIONS``.
        severity: 1 to 5.
        seed: random seed, 0 or more.
        name: identifies the image, such as its path in the data set.

    Returns:
        An RGB image of the same size.

    Raises:
        UserError: no such corruption or severity, too small an image, or the library is not installed.
    """
    check_cells([corruption], [severity])
    pixels = np.array(image.convert("RGB") if isinstance(image, Image.Image) else image)
    if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
        raise UserError(f"images to corrupt are (H, W, 3) of uint8, not {pixels.shape} of {pixels.dtype}")
    if min(pixels.shape[:2]) < SMALLEST:
        raise UserError(f"{name or 'the image'} is {pixels.shape[1]} x {pixels.shape[0]} pixels: {SMALLEST} at least")
    check_at_least(0, seed=seed)
    key = f"{seed}\0{corruption}\0{severity}\0{name}".encode(errors="surrogateescape")
    words = np.frombuffer(hashlib.sha256(key).digest(), dtype="<u4")
    own: dict[str, Any] = {"seed": int(words[0])} if corruption in _SEEDED else {}
    library, _ = corruption_library()
    if corruption in PUBLISHED:
        rng = stream(Draw.CORRUPTION, seed, corruption, severity, name)
        return Image.fromarray(PUBLISHED[corruption](pixels, severity, rng))
    with _quiet(), _numpy_seeded(words):
        if corruption == "glass_blur":  # compiled: it seeds numba's generator, of which every thread has its own
            with ThreadPoolExecutor(1) as thread:
                corrupted = thread.submit(library.corrupt, pixels, severity, corruption, **own).result()
        else:
            corrupted = library.corrupt(pixels, severity, corruption, **own)
    return Image.fromarray(corrupted)


@cache
def corruption_library() -> tuple[Any, str]:
    """Return the module that makes the corruptions, and its version.

    Raises:
        UserError: it is not installed, or cannot be imported.
    """
    try:
        with warnings.catch_warnings(action="ignore"):
            return import_module("imagecorruptions"), metadata.version(LIBRARY)
    except (ImportError, OSError, metadata.PackageNotFoundError) as error:
        reason = " ".join(str(error).split())
        raise UserError(
            f'corrupting images needs the library {LIBRARY} ({reason}): pip install "shapebias[corruptions]"'
        ) from error


@contextlib.contextmanager
def _numpy_seeded(words: np.ndarray) -> Iterator[None]:
    """Seed numpy's global generator with ``words``, and restore its state afterwards."""
    before = np.random.get_state()
    try:
        np.random.seed(words)
        yield
    finally:
        np.random.set_state(before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Suppress the library's warnings, and what it prints about its own exceptions."""
    with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
        yield
