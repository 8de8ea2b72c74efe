"""The cells of an arena, and their tables."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from arms import ALL
from comparing import Cells, Images, cell_text, difference, markdown, mean, over_seeds_alone, value_of

TITLES = {
    "shape": "by shape",
    "texture": "by texture",
    "neither": "by neither",
    "shape full": "by shape, full strength",
    "texture full": "by texture, full strength",
    "neither full": "by neither, full strength",
    "stylized": "stylized top-1",
    "white-box": "white-box attack",
    "transfer-attack": "transferred attack",
    "pacs": "PACS, photo to sketch",
    "voc12": "VOC2012, mean AP",
}

ARENA_TITLES = {
    "shapes16": "drawings (shapes16)",
    "imagenette": "Imagenette from random weights",
    "finetuned": "Imagenette from ImageNet weights",
}
LEAST_SEEDS = 3  # that a difference is called with
SEEDS_ALONE = "†"  # marks differences whose interval leaves the images out


class Record:
    """The cells of an arena, by arm and seed."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.images: Images = content["images"]
        self.dev, self.fresh = ({*content["seeds"][kind]} for kind in ("dev", "fresh"))
        self.arms: dict[str, Cells] = {}
        for cell in content["cells"]:
            self.arms.setdefault(cell["arm"], {})[cell["seed"]] = cell

    @property
    def seeds(self) -> set[int]:
        """All seeds, development and fresh."""
        return self.dev | self.fresh

    def cells(self, arm: str, seeds: set[int]) -> Cells:
        """Return the cells of an arm with these seeds."""
        return {seed: cell for seed, cell in self.arms.get(arm, {}).items() if seed in seeds}

    def confirming(self, arm: str) -> set[int]:
        """Return the fresh seeds if the arm has enough of them, else all."""
        return self.fresh if len(self.cells(arm, self.fresh)) >= LEAST_SEEDS else self.seeds

    def known(self, measures: Sequence[str]) -> list[str]:
        """Return those of ``measures`` that any cell has."""
        return [one for one in measures if any(one in cell["measures"] for cell in self._all())]

    def common(self, arms: Sequence[str], seeds: set[int]) -> set[int]:
        """Return those of ``seeds`` that every one of the arms has, leaving out arms with none."""
        there = [set(cells) for arm in arms if (cells := self.cells(arm, seeds))]
        return set.intersection(*there) if there else set()

    def means(self, arms: Sequence[str], measures: Sequence[str], seeds: set[int]) -> str:
        """Return the table of means over seeds."""
        known, lines = self.known(measures), []
        for arm in arms:
            if cells := self.cells(arm, seeds):
                made = [cell_text(*mean(cells, measure, self.images)) for measure in known]
                lines.append([ALL[arm].title, str(len(cells)), *made])
        return _table(["arm", "seeds", *(TITLES.get(one, one) for one in known)], lines)

    def differences(self, arms: Sequence[str], other: str, measures: Sequence[str], seeds: set[int]) -> str:
        """Return the table of differences to another arm, paired over seeds and images."""
        lines, theirs, known = [], self.cells(other, seeds), self.known(measures)
        for arm in arms:
            ours = self.cells(arm, seeds)
            if arm != other and (both := set(ours) & set(theirs)):
                found = [difference(ours, theirs, measure, self.images) for measure in known]
                made = [cell_text(value, ends, "+.1f") for value, ends, _ in found]
                lines.append([ALL[arm].title, str(len(both)), *made])
        marks = [SEEDS_ALONE if over_seeds_alone(one, self.images) else "" for one in known]
        titles = [f"{TITLES.get(one, one)}{mark}" for one, mark in zip(known, marks, strict=True)]
        return _table([f"arm minus {ALL[other].title}", "seeds", *titles], lines)

    def by_seed(self, arms: Sequence[str], measures: Sequence[str]) -> str:
        """Return every value of every seed: ``a / b / c``."""
        known, lines = self.known(measures), []
        for arm in arms:
            for kind, seeds in (("dev", self.dev), ("fresh", self.fresh)):
                if cells := self.cells(arm, seeds):
                    found = [[value_of(cell, one) for cell in cells.values()] for one in known]
                    text = [" / ".join("-" if v is None else f"{100 * v:.1f}" for v in values) for values in found]
                    lines.append([ALL[arm].title, f"{kind} {' '.join(map(str, cells))}", *text])
        return markdown(["arm", "seeds", *(TITLES.get(one, one) for one in known)], lines)

    def _all(self) -> Iterator[dict[str, Any]]:
        return (cell for cells in self.arms.values() for cell in cells.values())


def _table(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    """Return a table without the columns that have no value in any line."""
    kept = [n for n in range(len(headings)) if not lines or any(line[n] != "-" for line in lines)]
    return markdown([headings[n] for n in kept], [[line[n] for n in kept] for line in lines])
