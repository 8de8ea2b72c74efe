"""The tables of docs/study.md, README.md and docs/training.md, from the records of the arenas.

    python experiments/study/page.py [--write]

Prints every table as markdown; with --write they replace the text between their markers on the pages.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from arms import ALL, ARMS, SCANS
from comparing import Cells, cell_text, difference, markdown, mean, replaced, value_of
from paper import beside, verdicts

OWN = Path(__file__).parent
ROOT = OWN.parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "training.md", ROOT / "docs" / "study.md")
ARENAS = ("shapes16", "imagenette", "finetuned")
DECISIONS = ("shape", "texture", "neither", "top-1", "stylized", "silhouettes")
ROBUSTNESS = ("corruptions", "white-box", "transfer-attack", "shape bias", "shape neurons", "texture neurons")
TRANSFER = ("pacs", "voc12")
COMPARED = ("mmsi-sin-in", "control", "shapenet-sin-in", "in")
SHORT = ("untrained", "in", "shapenet-sin-in", "control", "mmsi-sin-in", "one-view-natural")  # README.md's
BATCHNORM = ("control", "separate-control", "mmsi-sin-in", "separate", "natural", "separate-natural")
TITLES = {
    "shape": "by shape",
    "texture": "by texture",
    "neither": "by neither",
    "stylized": "stylized top-1",
    "white-box": "white-box attack",
    "transfer-attack": "transferred attack",
    "pacs": "PACS, photo to sketch",
    "voc12": "VOC2012, mean AP",
}


class Record:
    """The cells of an arena, by arm and seed."""

    def __init__(self, content: dict[str, Any]) -> None:
        self.images: list[str] | None = content["images"]
        self.dev, self.fresh = ({*content["seeds"][kind]} for kind in ("dev", "fresh"))
        self.arms: dict[str, Cells] = {}
        for cell in content["cells"]:
            self.arms.setdefault(cell["arm"], {})[cell["seed"]] = cell

    def cells(self, arm: str, seeds: set[int]) -> Cells:
        """Return the cells of an arm with these seeds."""
        return {seed: cell for seed, cell in self.arms.get(arm, {}).items() if seed in seeds}

    def means(self, arms: Sequence[str], measures: Sequence[str], seeds: set[int]) -> str:
        """Return the table of means over seeds."""
        known = [one for one in measures if any(one in c["measures"] for a in self.arms.values() for c in a.values())]
        lines = []
        for arm in arms:
            if cells := self.cells(arm, seeds):
                made = [cell_text(*mean(cells, measure, self.images)) for measure in known]
                lines.append([ALL[arm].title, str(len(cells)), *made])
        return markdown(["arm", "seeds", *(TITLES.get(one, one) for one in known)], lines)

    def differences(self, arms: Sequence[str], other: str, measures: Sequence[str], seeds: set[int]) -> str:
        """Return the table of differences to another arm, paired over seeds and images."""
        lines, theirs = [], self.cells(other, seeds)
        for arm in arms:
            ours = self.cells(arm, seeds)
            if arm != other and set(ours) & set(theirs):
                found = [difference(ours, theirs, measure, self.images) for measure in measures]
                lines.append([ALL[arm].title, *(cell_text(value, ends, "+.1f") for value, ends, _ in found)])
        return markdown([f"minus {ALL[other].title}", *(TITLES.get(one, one) for one in measures)], lines)

    def by_seed(self, arms: Sequence[str], measures: Sequence[str]) -> str:
        """Return every value of every seed: ``a / b / c``."""
        lines = []
        for arm in arms:
            for kind, seeds in (("dev", self.dev), ("fresh", self.fresh)):
                if cells := self.cells(arm, seeds):
                    found = [[value_of(cell, one) for cell in cells.values()] for one in measures]
                    text = [" / ".join("-" if v is None else f"{100 * v:.1f}" for v in values) for values in found]
                    lines.append([ALL[arm].title, f"{kind} {' '.join(map(str, cells))}", *text])
        return markdown(["arm", "seeds", *(TITLES.get(one, one) for one in measures)], lines)


def tables(arena: str, record: Record) -> dict[str, str]:
    """Return the tables of an arena by the names of their markers."""
    untouched = record.fresh if record.cells("mmsi-sin-in", record.fresh) else record.dev
    made = {
        f"{arena} short": record.means(SHORT, (*DECISIONS[:5], "shape neurons"), untouched),
        f"{arena} batch norm": record.means(BATCHNORM, (*DECISIONS[:5], "shape neurons"), record.dev),
        f"{arena} decisions": record.means(list(ARMS), DECISIONS, record.dev),
        f"{arena} robustness": record.means(list(ARMS), ROBUSTNESS, record.dev),
        f"{arena} transfer": record.means(list(ARMS), TRANSFER, record.dev),
        f"{arena} scans": record.means(list(SCANS), (*DECISIONS, "shape neurons"), record.dev),
        f"{arena} seeds": record.by_seed(list(ARMS), ("shape", "texture", "top-1", "stylized", "shape neurons")),
    }
    made[f"{arena} paper"] = beside(record.arms, record.dev, record.images)
    made[f"{arena} claims"] = verdicts(record.arms, record.dev | record.fresh, record.images)
    for other in COMPARED:
        for kind, seeds in (("dev", record.dev), ("fresh", record.fresh)):
            measures = ("shape", "texture", "top-1", "stylized", "silhouettes", "corruptions", "shape neurons")
            made[f"{arena} minus {other} {kind}"] = record.differences(list(ARMS), other, measures, seeds)
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    made: dict[str, str] = {}
    for arena in ARENAS:
        path = OWN / f"{arena}.json"
        if path.is_file():
            made |= tables(arena, Record(json.loads(path.read_text(encoding="utf-8"))))
    for name, table in made.items():
        print(f"\n{name}\n\n{table}")
    for page in PAGES if given.write else ():
        page.write_text(replaced(page.read_text(encoding="utf-8"), made), encoding="utf-8")
        print(f"wrote {page}")


if __name__ == "__main__":
    main()
