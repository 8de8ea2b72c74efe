"""Progress on standard error: a live bar on a terminal, a line now and then elsewhere."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, ClassVar

from shapebias.ranks import rank_and_size

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

SECONDS_BETWEEN_LINES = 15.0


def terminal(width: int | None = None) -> Console:
    """Standard error as rich prints to it: names with brackets or colons are text, not markup.

    Args:
        width: characters per line (default: the terminal's).
    """
    from rich.console import Console

    return Console(stderr=True, width=width, markup=False, emoji=False)


class Bar:
    """The state of a long job: how much is done, at what rate, and the time left."""

    def __init__(self, title: str, total: int, done: int, unit: str) -> None:
        self.title, self.total, self.done, self.unit = title, total, done, unit
        self.first, self.started = done, time.monotonic()
        self.details = ""

    def advance(self, count: int = 1, **values: float) -> None:
        """Move on by ``count``; ``values`` are shown beside the rate."""
        self.done += count
        if values:
            self.details = "  ".join(f"{name} {value:.3f}" for name, value in values.items())
        self.show()

    @property
    def rate(self) -> float:
        """Units per second since this process began the job."""
        return (self.done - self.first) / max(time.monotonic() - self.started, 1e-9)

    def line(self) -> str:
        """The state in one line of text."""
        left = (self.total - self.done) / self.rate if self.rate > 0 else float("inf")
        clock = "" if left == float("inf") else f"  {_clock(left)} left"
        return f"{self.title}  {self.done}/{self.total}  {self.rate:.1f} {self.unit}/s{clock}  {self.details}".rstrip()

    def show(self) -> None:
        """Print the state where it is due (overridden by the kinds of output)."""


class _Lines(Bar):
    last = 0.0

    def show(self) -> None:
        now = time.monotonic()
        if now - self.last >= SECONDS_BETWEEN_LINES or self.done >= self.total:
            self.last = now
            print(self.line(), file=sys.stderr, flush=True)


class _Live(Bar):
    last = 0.0
    shown: ClassVar[bool] = False  # a terminal has room for one

    def show(self) -> None:
        now = time.monotonic()
        if now - self.last < 0.1 and self.done < self.total:
            return
        self.last = now
        self._status.update(self._draw(), refresh=True)

    def _draw(self) -> Table:
        from rich.progress_bar import ProgressBar
        from rich.table import Table

        row = Table.grid(padding=(0, 1))
        row.add_row(ProgressBar(total=max(self.total, 1), completed=self.done, width=24), self.line())
        return row

    def __enter__(self) -> _Live:
        from rich.live import Live

        self._status = Live(self._draw(), console=terminal(), auto_refresh=False, transient=False)
        self._status.start(refresh=True)
        _Live.shown = True
        return self

    def __exit__(self, *error: object) -> None:
        _Live.shown = False
        self._status.stop()


@contextmanager
def progress(title: str, *, total: int, done: int = 0, unit: str = "images", shown: bool = True) -> Iterator[Bar]:
    """Show a bar for ``total`` units of which ``done`` are there already; one that is not ``shown`` only counts.

    Of the processes of ``torchrun`` the first shows its own.
    """
    if not shown or rank_and_size()[0]:
        yield Bar(title, total, done, unit)
    elif sys.stderr.isatty() and not _Live.shown:
        with _Live(title, total, done, unit) as bar:
            yield bar
    else:
        yield _Lines(title, total, done, unit)


def _clock(seconds: float) -> str:
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{rest:02}" if hours else f"{minutes}:{rest:02}"
