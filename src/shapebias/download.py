"""Files from the internet: downloaded once, whole or not at all, and checked to stay the same.

Beside each downloaded file NAME lies ``NAME.sha256`` with the hash it had when it came, in the format of
``sha256sum``. The file is checked against it whenever it is asked for, and so is one that must be
downloaded again because somebody deleted it.
"""

from __future__ import annotations

import hashlib
import http.client
import re
import urllib.error
import urllib.request
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from urllib.parse import urlsplit

from shapebias.errors import UserError
from shapebias.files import atomic, sha256, write_text
from shapebias.progress import progress

SCHEMES = ("http", "https")
TIMEOUT_SECONDS = 30.0
MEGABYTE = 1_000_000
SHOWN_DIGITS = 12


def fetch(url: str, path: Path, *, otherwise: str = "connect once") -> Path:
    """The file of ``url`` at ``path``: downloaded if it is not there, checked in any case.

    A file that is there without a recorded hash, put there by hand, is recorded as it is.

    Args:
        url: http or https.
        path: where the file is kept.
        otherwise: what the user can do where it cannot be downloaded; ends the error's line.

    Returns:
        ``path``.

    Raises:
        UserError: it cannot be downloaded whole or written, or it is not the file of the first time.
            What cannot be downloaded leaves nothing behind.
    """
    path = Path(path)
    if not path.is_file():
        _download(url, path, otherwise)
        return path
    found, recorded = sha256(path), _recorded(path)
    if recorded is None:
        _record(path, found)
    elif found != recorded:
        raise UserError(f"{path} has changed since it was downloaded ({_two(recorded, found)}): {_again(path)}")
    return path


def _download(url: str, path: Path, otherwise: str) -> None:
    recorded = _recorded(path)
    digest = hashlib.sha256()
    with _connect(url, otherwise) as response, atomic(path) as temporary:
        with temporary.open("wb") as file:
            for part in _parts(response, url, otherwise):
                file.write(part)
                digest.update(part)
        found = digest.hexdigest()
        if recorded not in (None, found):
            raise UserError(f"{url} is another file than the first time ({_two(recorded, found)}): {_again(path)}")
        _record(path, found)  # before the file takes its name, so that it never stands without its hash


def _connect(url: str, otherwise: str) -> HTTPResponse:
    try:
        if urlsplit(url).scheme not in SCHEMES:
            raise ValueError("not an http or https address")
        response = urllib.request.urlopen(url, timeout=TIMEOUT_SECONDS)
    except urllib.error.HTTPError as error:
        error.close()
        raise _cannot(url, f"HTTP {error.code} {error.reason}", otherwise) from error
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise _cannot(url, error, otherwise) from error
    refusal = _refusal(url, response)
    if refusal:
        response.close()
        raise _cannot(url, refusal, otherwise)
    return response


def _refusal(url: str, response: HTTPResponse) -> str | None:
    """Return the reason why this answer cannot be the file; None where it can."""
    if urlsplit(response.url).scheme not in (urlsplit(url).scheme, "https"):
        return f"it leads to {response.url}"
    if response.headers.get_content_type() == "text/html":
        return "a web page came instead of the file"
    if not (response.headers["Content-Length"] or "").isdecimal():
        return "the server does not say how long it is"
    return None


def _parts(response: HTTPResponse, url: str, otherwise: str) -> Iterator[bytes]:
    """The body, a megabyte at a time. Its errors are the connection's; the caller's are the disk's."""
    length, done = int(response.headers["Content-Length"]), 0
    with progress(Path(urlsplit(url).path).name, total=-(-length // MEGABYTE), unit="MB") as bar:
        while True:
            try:
                part = response.read(MEGABYTE)
            except (OSError, ValueError, http.client.HTTPException) as error:
                raise _cannot(url, error, otherwise) from error
            if not part:
                break
            done += len(part)
            yield part
            bar.advance()
    if done != length:
        raise _cannot(url, f"only {done} of {length} bytes came", otherwise)


def _recorded(path: Path) -> str | None:
    sidecar = _sidecar(path)
    try:
        text = sidecar.read_text(encoding="utf-8", errors="replace")
    except FileNotFoundError:
        return None
    except OSError as error:
        raise UserError(f"cannot read {sidecar}: {error.strerror}") from error
    match = re.match(r"[0-9a-f]{64}\b", text)
    if not match:
        raise UserError(f"{sidecar} holds no SHA-256: {_again(path)}")
    return match[0]


def _record(path: Path, digest: str) -> None:
    write_text(_sidecar(path), f"{digest}  {path.name}\n")


def _sidecar(path: Path) -> Path:
    return path.with_name(f"{path.name}.sha256")


def _two(recorded: str | None, found: str) -> str:
    return f"SHA-256 {str(recorded)[:SHOWN_DIGITS]} then, {found[:SHOWN_DIGITS]} now"


def _again(path: Path) -> str:
    return f"if you trust the source, delete {path} and {_sidecar(path).name} to download it again"


def _cannot(url: str, error: Exception | str, otherwise: str) -> UserError:
    reason = " ".join(str(getattr(error, "reason", None) or error).split()) or type(error).__name__
    return UserError(f"cannot download {url}: {reason}: {otherwise}")
