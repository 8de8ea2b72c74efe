"""The pictures a network was trained on: each as it came and in one or two other styles."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shapebias.report.collect import Network
from shapebias.report.pictures import Picture, embed, inside

TRIPLES = 6


@dataclass(frozen=True)
class Triple:
    """One training picture and its restyled views (one or two)."""

    natural: Picture
    views: tuple[Picture, ...]


@dataclass(frozen=True)
class Examples:
    """Example pictures of one run."""

    network: Network
    folder: Path
    triples: tuple[Triple, ...]

    @property
    def views(self) -> int:
        """The most restyled views that any of the pictures has."""
        return max(len(triple.views) for triple in self.triples)


def read_examples(networks: Sequence[Network], limit: int = TRIPLES) -> Examples | None:
    """The examples of the run that shows most views per picture, the first of equals."""
    best: Examples | None = None
    for network in networks:
        if network.run is None:
            continue
        triples = _triples(network.run.folder / "examples", limit)
        if triples and (best is None or max(len(t.views) for t in triples) > best.views):
            best = Examples(network, network.run.folder / "examples", triples)
    return best


def _triples(folder: Path, limit: int) -> tuple[Triple, ...]:
    if not folder.is_dir():
        return ()
    found: list[Triple] = []
    for name in sorted(path.name for path in folder.iterdir() if re.fullmatch(r"\d+-natural\.png", path.name)):
        stem = name.removesuffix("-natural.png")
        natural = _picture(folder, name)
        views = tuple(v for kind in "ab" if (v := _picture(folder, f"{stem}-view-{kind}.png")) is not None)
        if natural is not None and views:
            found.append(Triple(natural, views))
        if len(found) == limit:
            break
    return tuple(found)


def _picture(folder: Path, name: str) -> Picture | None:
    path = inside(folder, name)
    return embed(path) if path else None
