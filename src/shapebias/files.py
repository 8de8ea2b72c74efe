"""Whole files or none: atomic writes, hashes, and folders that are ours to write in."""

from __future__ import annotations

import contextlib
import errno
import fcntl
import hashlib
import json
import os
import re
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from time import sleep
from typing import IO, Any

from safetensors import SafetensorError

from shapebias.errors import UserError, some

LOCK = ".lock"


@contextlib.contextmanager
def atomic(path: Path, *, durable: bool = True) -> Iterator[Path]:
    """Yield a temporary path beside ``path``; on success it takes its name, on any failure it goes.

    ``durable`` waits until the bytes are on the disk; not needed for many small files that are
    cheap to make again.

    Raises:
        UserError: the disk is full, the folder cannot be written, or a pipe or device has this name.
    """
    path = Path(path)
    try:
        _check_regular(path)
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(prefix=f".{path.name}.", suffix=".part", dir=path.parent)
        os.close(handle)
    except OSError as error:
        raise _cannot_write(path, error) from error
    temporary = Path(name)
    try:
        yield temporary
        if durable:
            with temporary.open("rb+") as file:
                os.fsync(file.fileno())
        temporary.chmod(0o644)
        temporary.replace(path)
    except (OSError, SafetensorError) as error:  # safetensors reports a full disk by its own error
        raise _cannot_write(path, error) from error
    except RuntimeError as error:
        if not isinstance(error.__context__, OSError):  # torch.save raises its own while it handles the disk's
            raise
        raise _cannot_write(path, error.__context__) from error
    finally:
        temporary.unlink(missing_ok=True)


def write_bytes(path: Path, content: bytes, *, durable: bool = True) -> None:
    """Write ``content`` to ``path``, whole or not at all."""
    with atomic(path, durable=durable) as temporary:
        temporary.write_bytes(content)


def write_text(path: Path, text: str) -> None:
    """Write ``text`` to ``path`` as UTF-8, whole or not at all."""
    with atomic(path) as temporary:
        temporary.write_text(text, encoding="utf-8", errors="backslashreplace")


def write_json(path: Path, value: Any, *, indent: int | None = 2) -> None:
    """Write ``value`` as JSON without NaN, whole or not at all; with ``indent`` None as one line, for many values."""
    separators = (",", ":") if indent is None else None
    write_text(path, json.dumps(value, indent=indent, separators=separators, allow_nan=False) + "\n")


def read_json(path: Path) -> Any:
    """Read JSON written by us or others; a broken file is the user's to mend."""
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError as error:
        raise UserError(f"no file {path}") from error
    except (OSError, ValueError, RecursionError) as error:
        raise UserError(f"{path} is not readable JSON: {error}") from error


def read_text(path: Path, most: int) -> str:
    """Read UTF-8 text of at most ``most`` bytes.

    Raises:
        OSError: the file cannot be read.
        ValueError: more bytes, or not UTF-8.
    """
    with path.open("rb") as file:
        content = file.read(most + 1)
    if len(content) > most:
        raise ValueError(f"it has more than {most} bytes")
    return content.decode("utf-8-sig")


def safe_name(name: str) -> str:
    """Return ``name`` as that of one visible file or folder: no separators, no leading dots, 200 bytes at most.

    >>> safe_name("../my net/a.b"), safe_name("..")
    ('-my net-a.b', 'unnamed')
    """
    plain = re.sub(r"[^\w.+() -]", "-", name.lstrip(".")).strip()
    return plain.encode()[:200].decode(errors="ignore") or "unnamed"


def sha256(path: Path) -> str:
    """SHA-256 of a file's bytes, in hexadecimal."""
    with Path(path).open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def claim_folder(
    folder: Path, identity: dict[str, Any], *, marker: str, describe: Callable[[dict[str, Any]], str]
) -> bool:
    """Make ``folder`` ours for the work that ``identity`` describes; return whether it already was.

    The identity is kept in ``folder/marker``. A folder that holds other work is refused with the
    difference, a folder of other files is refused, and one that cannot be written is refused now
    rather than after hours of work.
    """
    path = folder / marker
    if path.is_file():
        found = read_json(path)
        if not isinstance(found, dict):
            raise UserError(f"{path} is not a description of ours: choose another --out")
        if found != identity:
            keys = [k for k in sorted({*found, *identity}) if found.get(k) != identity.get(k)]
            difference = ", ".join(f"{k}: {found.get(k)!r} there, {identity.get(k)!r} now" for k in keys)
            raise UserError(f"{folder} holds another {describe(found)} ({difference}): choose another --out")
        return True
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: choose another --out")
    strangers = [child.name for child in folder.iterdir() if child.name[0] != "."] if folder.is_dir() else []
    if strangers:
        raise UserError(f"{folder} is not empty and holds no run of ours, but {some(strangers)}: choose another --out")
    write_json(path, identity)
    return False


@contextlib.contextmanager
def locked(folder: Path, work: str = "", *, wait: bool = False) -> Iterator[None]:
    """Hold ``folder``, or one kind of ``work`` in it, for this process; the folder is made if need be.

    The lock goes with the process, however it ends. With ``wait`` it waits for another process that holds it, and
    says so after two seconds.

    Raises:
        UserError: another process holds it, or it cannot be written.
    """
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: choose another --out")
    path = folder / (f".{work}{LOCK}" if work else LOCK)
    at_work = f"another process is at work {f'on {work} ' if work else ''}in {folder}"
    tries = 0
    while (file := _lock(path)) is None:
        if not wait:
            raise UserError(f"{at_work}: wait for it, or choose another --out")
        if (tries := tries + 1) == 20:
            print(f"waiting: {at_work}", file=sys.stderr, flush=True)
        sleep(0.1)
    with file:
        try:
            yield
        finally:
            path.unlink(missing_ok=True)  # while it is held: whoever opened it meanwhile finds it gone


def _lock(path: Path) -> IO[str] | None:
    """Return the open and locked file at ``path``; None if another process has it, or removed it meanwhile."""
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        file = path.open("w")
    except OSError as error:
        raise _cannot_write(path.parent, error) from error
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        taken = not path.exists() or not os.path.samestat(os.fstat(file.fileno()), path.stat())
    except (BlockingIOError, FileNotFoundError):
        taken = True
    except OSError:  # a file system without locks
        taken = False
    if taken:
        file.close()
    return None if taken else file


def check_replaceable(path: Path, mark: bytes) -> None:
    """Refuse to write over a file that is not of ours: one without ``mark`` in its first 64 KiB, unless it is empty.

    Raises:
        UserError: such a file, something that is no file, or one that cannot be read.
    """
    try:
        if path.is_dir():
            raise IsADirectoryError(errno.EISDIR, os.strerror(errno.EISDIR))
        _check_regular(path)
        with path.open("rb") as file:
            head = file.read(65536)
    except FileNotFoundError:
        return
    except OSError as error:
        raise _cannot_write(path, error) from error
    if head and mark not in head:
        raise UserError(f"{path} exists and was not written by this command: choose another --out, or delete it")


def _check_regular(path: Path) -> None:
    """Refuse a pipe or a device, which a new file would replace, and whatever is called as one in ``/dev``."""
    if path.exists() and not path.is_dir() and (not path.is_file() or path.absolute().parent == Path("/dev")):
        raise UserError(f"{path} is a pipe or a device, not a file that can be replaced: choose another --out")


def remove_leftovers(folder: Path) -> None:
    """Remove the half-written files that a killed process left in ``folder``, which must be ours and locked."""
    for leftover in folder.rglob(".*.part"):
        leftover.unlink(missing_ok=True)


def make_folder(folder: Path) -> None:
    """Make ``folder`` and try it out, before the work whose results it is to hold."""
    if folder.exists() and not folder.is_dir():
        raise UserError(f"{folder} is a file: choose another --out")
    try:
        folder.mkdir(parents=True, exist_ok=True)
        tempfile.TemporaryFile(dir=folder).close()
    except OSError as error:
        raise _cannot_write(folder, error) from error


def _cannot_write(path: Path, error: Exception) -> UserError:
    reason = getattr(error, "strerror", None) or error
    return UserError(f"cannot write {path}: {reason}: free some space or choose another folder")
