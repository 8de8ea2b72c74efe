"""The report: one self-contained HTML page about whether models decide by shape or by texture."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

__all__ = ["MARK", "build_report"]
MARK = b'<meta name="generator" content="shapebias">'  # what a page of ours is known by


def build_report(
    folders: Sequence[Path], out: Path, *, title: str | None = None, reference: str | None = None
) -> list[str]:
    """Write the page about every training and every model's results found under ``folders`` to ``out``.

    Folders are searched for ``run.json`` (trainings), ``results.json`` (results) and response files in the published
    CSV format, which may also be given themselves; hidden folders are ignored. The page loads nothing: pictures,
    charts and style are inside it. Models are compared with the one called ``reference``, by default the first given.

    Returns:
        Warnings about missing or damaged input, one line each.

    Raises:
        UserError: a folder is missing, nothing was found in any, a file cannot be used, no model is called
            ``reference``, or ``out`` is a file that is not such a page.
    """
    from shapebias.files import check_replaceable, write_text
    from shapebias.report.collect import collect
    from shapebias.report.page import render

    check_replaceable(Path(out), MARK)
    collection = collect(folders, reference)
    page = render(collection, title=title)
    write_text(Path(out), page.encode("utf-8", "replace").decode("utf-8"))
    return list(dict.fromkeys(collection.warnings))
