"""The one error that is the user's to mend."""

from __future__ import annotations

import difflib
import errno
from collections.abc import Iterable

A_FEW = 20
HIGHEST = {"size": 4096, "batch_size": 1_000_000, "pairs": 10_000_000, "workers": 1024, "seed": 2**32 - 1}
HIGHEST_OTHER = 1_000_000_000
A_LINE = 300  # characters of a path in a message


class UserError(Exception):
    """Input that cannot be used. Its text is one line: what is wrong, where, and what to do.

    The command line prints that line and exits with status 2; it is never shown as a traceback.
    """


class NotFinite(UserError):
    """Numbers of a training that are NaN or infinite: its learning rate is too high, or its data are broken."""


def unknown(kind: str, given: str, known: Iterable[str]) -> UserError:
    """An error for a name that does not exist, naming the nearest that does, and all if they are few.

    >>> str(unknown("scheme", "mmsi-sin-inn", ["in", "mmsi-sin-in"]))
    "unknown scheme 'mmsi-sin-inn': did you mean 'mmsi-sin-in'? Known: in, mmsi-sin-in"
    """
    names = list(known)
    near = difflib.get_close_matches(given, names, n=1, cutoff=0.4)
    hint = f": did you mean '{near[0]}'?" if near else "."
    few = f" Known: {', '.join(names)}" if len(names) <= A_FEW else f" There are {len(names)}."
    return UserError(f"unknown {kind} '{given}'{hint}{few}")


def refused_by_system(error: OSError) -> str:
    """One line on a file or folder that the operating system refuses: its path, the reason and what to do."""
    paths = [str(path) for path in (error.filename, error.filename2) if path is not None]
    shown = [path[:A_LINE] + (" ..." if len(path) > A_LINE else "") for path in paths]
    remedy = "free some space" if error.errno in (errno.ENOSPC, errno.EDQUOT) else "check this path"
    return " ".join(": ".join([*shown, str(error.strerror or error), remedy]).split())


def option(name: str) -> str:
    """Return the command-line option of a setting."""
    return f"--{name.replace('_', '-')}"


def check_at_least(lowest: int, **settings: int) -> None:
    """Refuse the first of ``settings`` below ``lowest``, or beyond any memory (``HIGHEST``), naming its option.

    >>> check_at_least(1, batch_size=0)
    Traceback (most recent call last):
    shapebias.errors.UserError: --batch-size must be at least 1, not 0
    """
    for name, value in settings.items():
        if value < lowest:
            raise UserError(f"{option(name)} must be at least {lowest}, not {value}")
        if value > HIGHEST.get(name, HIGHEST_OTHER):
            raise UserError(f"{option(name)} must be at most {HIGHEST.get(name, HIGHEST_OTHER)}, not {value}")


def check_between(lowest: float, highest: float, **settings: float) -> None:
    """Refuse the first of ``settings`` outside of ``lowest`` to ``highest``, or NaN, naming its option."""
    for name, value in settings.items():
        if not lowest <= value <= highest:
            raise UserError(f"{option(name)} must lie between {lowest:g} and {highest:g}, not {value}")


def first_three(names: Iterable[str]) -> str:
    """Join the first three of ``names``, for messages: ``a, b, c ...``."""
    listed = list(names)
    return ", ".join(listed[:3]) + (" ..." if len(listed) > 3 else "")


def some(names: Iterable[str]) -> str:
    """Count ``names`` and give the first three in order: ``5 (a, b, c ...)``, or ``0``."""
    listed = sorted(names)
    return f"{len(listed)} ({first_three(listed)})" if listed else "0"
