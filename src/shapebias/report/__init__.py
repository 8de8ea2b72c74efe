"""One self-contained HTML page that shows what networks decide by: shape or texture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["build_report"]


def build_report(folders: Sequence[Path], out: Path, *, title: str | None = None) -> list[str]:
    """Write the page about every run and measurement found under ``folders`` to ``out``.

    Folders are searched for ``run.json`` (training runs), ``results.json`` (measurements) and response files
    in the published CSV format, which may also be given themselves; hidden folders are left out. The page
    needs no network: pictures, charts and style are inside it.

    Returns:
        What is missing or doubtful in the input, one readable line each.

    Raises:
        UserError: a folder is missing, nothing was found in any, or a file cannot be used.
    """
    from shapebias.files import write_text
    from shapebias.report.collect import collect
    from shapebias.report.page import render

    collection = collect(folders)
    page, warnings = render(collection, title=title)
    write_text(Path(out), page.encode("utf-8", "replace").decode("utf-8"))
    return warnings
