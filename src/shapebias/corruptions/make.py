"""One image corrupted as ImageNet-C's are, its randomness a function of a seed and the image's name alone.

The corruptions are those of the library imagecorruptions-imaug (its import is called ``imagecorruptions``), an
optional one. It draws from numpy's global generator, which is set for each image and put back.
"""

from __future__ import annotations

import contextlib
import hashlib
import io
import warnings
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from importlib import import_module, metadata
from typing import Any

import numpy as np
from PIL import Image

from shapebias.corruptions.protocol import check_cells
from shapebias.errors import UserError

LIBRARY = "imagecorruptions-imaug"
SMALLEST = 32
_SEEDED = ("impulse_noise", "glass_blur")  # these draw from generators of their own


def corrupt(
    image: Image.Image | np.ndarray, corruption: str, severity: int, *, seed: int = 0, name: str = ""
) -> Image.Image:
    """Corrupt one image.

    What is drawn depends on ``seed``, ``name``, the corruption and the severity, and on nothing else: not on what
    was drawn before, nor on the process. The global generators of numpy and numba are left as they were. (While
    it works, numpy's is set: other threads should not draw from it meanwhile.)

    Args:
        image: RGB (other modes are converted), or (H, W, 3) uint8; at least 32 pixels a side.
        corruption: one of ``CORRUPTIONS``.
        severity: 1 to 5.
        seed: 0 or more.
        name: tells images apart, such as the path in the data set.

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
    if seed < 0:
        raise UserError(f"--seed must be at least 0, not {seed}")
    key = f"{seed}\0{corruption}\0{severity}\0{name}".encode(errors="surrogateescape")
    words = np.frombuffer(hashlib.sha256(key).digest(), dtype="<u4")
    own: dict[str, Any] = {"seed": int(words[0])} if corruption in _SEEDED else {}
    library, _ = corruption_library()
    with _quiet(), _numpy_seeded(words):
        if corruption == "glass_blur":  # compiled: it seeds numba's generator, of which every thread has its own
            with ThreadPoolExecutor(1) as thread:
                found = thread.submit(library.corrupt, pixels, severity, corruption, **own).result()
        else:
            found = library.corrupt(pixels, severity, corruption, **own)
    return Image.fromarray(found)


@cache
def corruption_library() -> tuple[Any, str]:
    """The library that makes the corruptions, and its version.

    Raises:
        UserError: it is not installed, or does not load.
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
    before = np.random.get_state()
    try:
        np.random.seed(words)
        yield
    finally:
        np.random.set_state(before)


@contextlib.contextmanager
def _quiet() -> Iterator[None]:
    """Without the library's warnings, and what it prints about its own exceptions."""
    with warnings.catch_warnings(action="ignore"), contextlib.redirect_stdout(io.StringIO()):
        yield
