"""A page of the report taken apart, and hostile names for it."""

from __future__ import annotations

import re
from html.parser import HTMLParser
from pathlib import Path

from shapebias.report import build_report

EVIL, ATTRIBUTE = "<script>alert(1)</script>", '" onload="alert(2)'
_VOID = {"meta", "img", "br", "link"}


class Page(HTMLParser):
    """A page's tags, which must be balanced, their attributes, and the text a reader sees."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.source = path.read_text(encoding="utf-8")
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(self.source)
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in _VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "style" not in self.open:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", "".join(self.words))

    def named(self, tag: str) -> list[dict[str, str]]:
        return [attributes for name, attributes in self.tags if name == tag]

    def classed(self, name: str) -> list[dict[str, str]]:
        return [attributes for _, attributes in self.tags if name in attributes.get("class", "").split()]

    def section(self, name: str) -> str:
        """The source of one section, empty where it is absent."""
        found = re.search(rf'<section id="{name}".*?</section>\n', self.source, re.DOTALL)
        return found[0] if found else ""

    def sections(self) -> list[str]:
        return re.findall(r'<section id="([\w-]+)"', self.source)

    def assert_escaped(self) -> None:
        """Fail if a hostile name became a part of the page."""
        assert not self.named("script")
        assert EVIL not in self.source
        assert not any("onload" in attributes for _, attributes in self.tags)


def report(*folders: Path, **options: str) -> tuple[Page, list[str]]:
    """The page of these folders, and the warnings."""
    out = folders[0].parent / "page.html"
    warnings = build_report(folders, out, **options)
    return Page(out), warnings


def cells(source: str) -> list[str]:
    """The texts of a table's cells, without tags."""
    return [re.sub(r"<[^>]+>", " ", cell).strip() for cell in re.findall(r"<td[^>]*>(.*?)</td>", source, re.DOTALL)]


def titles(source: str) -> list[str]:
    """The texts shown on hovering."""
    return re.findall(r"<title>(.*?)</title>", source)
