"""The sections of the page, a file and a template each: what a section shows is computed in ``build``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import PurePath
from typing import Any

from shapebias.report.collect import Collection


@dataclass(frozen=True)
class Section:
    """A heading, the template below it, and what fills the template.

    ``build`` returns the template's variables, or None where there is nothing to show: then there is no such section,
    and the end of the page names it if it is ``expected``.
    """

    title: str
    template: str
    build: Callable[[Collection], dict[str, Any] | None]
    expected: bool = False

    @property
    def anchor(self) -> str:
        """The section's name in links."""
        return PurePath(self.template).stem.replace("_", "-")
