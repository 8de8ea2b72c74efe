"""Photographs to start with: Imagenette, ten classes of ImageNet, as a folder with ``train/`` and ``val/``."""

from __future__ import annotations

import http.client
import shutil
import socket
import tarfile
import urllib.error
import warnings
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from shapebias.errors import UserError, unknown
from shapebias.files import locked, read_json, write_json

SIZES = ("160px", "320px", "full")  # of the shorter side
MARKER = "download.json"
TIMEOUT_SECONDS = 30.0


def download_imagenette(out: Path, *, size: str = "160px") -> bool:
    """Download Imagenette through torchvision, which checks the archive's hash, and unpack it as ``out``.

    A hidden folder beside ``out`` is filled and takes its name when it is whole; an archive that is there is not
    downloaded again.

    Args:
        out: the folder that will hold ``train/`` and ``val/`` of class folders.
        size: pixels of the shorter side, one of ``SIZES``.

    Returns:
        False where ``out`` holds it already, else True.

    Raises:
        UserError: an unknown size, a folder of other things or that cannot be written, or no download.
    """
    from shapebias.libraries import torchvision

    if size not in SIZES:
        raise unknown("size", size, SIZES)
    out, identity = Path(out), {"what": "imagenette", "size": size}
    if _is_there(out, identity):
        return False
    url, _ = torchvision.datasets.Imagenette._ARCHIVES[size]
    work = out.absolute().with_name(f".{out.absolute().name}.part")
    try:
        with locked(work):
            unpacked = work / Path(url).stem
            shutil.rmtree(unpacked, ignore_errors=True)  # torchvision takes a half-unpacked folder for a whole one
            with _one_line_errors(url), _timeout(TIMEOUT_SECONDS), warnings.catch_warnings(action="ignore"):
                torchvision.datasets.Imagenette(work, size=size, download=True)
                write_json(unpacked / MARKER, identity)
                unpacked.replace(out)
            shutil.rmtree(work, ignore_errors=True)
    finally:
        with suppress(OSError):  # unless an archive or another process is in it
            work.rmdir()
    return True


def _is_there(out: Path, identity: dict[str, str]) -> bool:
    """Return whether ``out`` holds this download; refuse a folder of anything else."""
    if out.exists() and not out.is_dir():
        raise UserError(f"{out} is a file: choose another folder")
    if (out / MARKER).is_file():
        found = read_json(out / MARKER)
        if found != identity:
            raise UserError(f"{out} holds another download ({found}): choose another folder or delete it")
        return True
    if out.is_dir() and any(out.iterdir()):
        raise UserError(f"{out} is not empty: choose another folder")
    return False


@contextmanager
def _one_line_errors(url: str) -> Iterator[None]:
    try:
        yield
    except (OSError, EOFError, RuntimeError, tarfile.TarError, http.client.HTTPException) as error:
        if isinstance(error, urllib.error.HTTPError):
            error.close()  # its answer is an open connection
        reason = getattr(error, "reason", None) or error  # urllib wraps the connection's error
        text = " ".join(str(getattr(reason, "strerror", None) or reason).split()) or type(reason).__name__
        raise UserError(
            f"imagenette could not be downloaded ({text}): connect to the internet and run the same command again, "
            f"or unpack {url} from elsewhere and give the folder with train/ and val/ as --data"
        ) from error


@contextmanager
def _timeout(seconds: float) -> Iterator[None]:
    """Give up on a silent connection after ``seconds``; torchvision would wait for ever."""
    before = socket.getdefaulttimeout()
    socket.setdefaulttimeout(seconds)
    try:
        yield
    finally:
        socket.setdefaulttimeout(before)
