"""The tables and figures of the study's pages, README.md and docs/training.md, from the records of the arenas.

    python experiments/study/page.py [--write]

Prints every table as markdown; with --write they replace the text between their markers on the pages, as do the texts
in text/ with their figures filled in. docs/study.md is text/study.md with figures and tables.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Mapping
from pathlib import Path

from answer import answer
from arms import ARMS, MAIN, SCANS
from comparing import replaced
from figures import filled
from paper import ablation, beside, verdicts
from record import Record

OWN = Path(__file__).parent
ROOT = OWN.parent.parent
DOCS = ROOT / "docs"
STUDY = DOCS / "study.md"
TEXTS = OWN / "text"
PAGES = (ROOT / "README.md", *(DOCS / f"{name}.md" for name in ("training", "study-arms", "study-paper")))
ARENAS = ("shapes16", "imagenette", "finetuned")
ABLATION = OWN / "ablation.json"
DECISIONS = ("shape", "texture", "neither", "shape full", "texture full", "top-1", "stylized", "silhouettes")
ROBUSTNESS = ("corruptions", "white-box", "transfer-attack", "shape bias", "shape neurons", "texture neurons")
TRANSFER = ("pacs", "voc12")
COMPARED = ("mmsi-sin-in", "control", "shapenet-sin-in", "in")
DIFFERENCES = (*(one for one in DECISIONS if not one.startswith("neither")), "corruptions", "shape neurons")
WEIGHED = (  # how much of the cross entropy is the stylized view's
    *("shapenet-sin-in-share-0.25", "shapenet-sin-in", "shapenet-sin-in-share-0.75"),
    *("one-view-natural-share-0.25", "one-view-natural", "one-view-natural-share-0.75"),
)
BESIDE = ("untrained", "in")  # stand beside every table of means
WEIGHED_BY = (*DECISIONS, "corruptions", "shape neurons")
BATCHNORM = ("control", "separate-control", "mmsi-sin-in", "separate", "natural", "separate-natural")


def tables(arena: str, record: Record) -> dict[str, str]:
    """Return the tables of an arena by the names of their markers."""
    confirming = record.confirming("mmsi-sin-in")
    made = {
        f"{arena} short": record.means(MAIN, (*DECISIONS[:7], "shape neurons"), confirming),
        f"{arena} batch norm": record.means((*BESIDE, *BATCHNORM), (*DECISIONS[:7], "shape neurons"), record.dev),
        f"{arena} weight": record.means((*BESIDE, *WEIGHED), WEIGHED_BY, record.common(WEIGHED, record.dev)),
        f"{arena} decisions": record.means(list(ARMS), DECISIONS, record.dev),
        f"{arena} robustness": record.means(list(ARMS), ROBUSTNESS, record.dev),
        f"{arena} transfer": record.means(list(ARMS), TRANSFER, record.dev),
        f"{arena} transfer short": record.means(MAIN, TRANSFER, confirming),
        f"{arena} scans": record.means((*BESIDE, *SCANS), (*DECISIONS, "shape neurons"), record.dev),
        f"{arena} seeds": record.by_seed(list(ARMS), (*DECISIONS[:2], *DECISIONS[3:7], "shape neurons")),
    }
    for other in COMPARED:
        for kind, seeds in (("dev", record.dev), ("fresh", record.fresh), ("all", record.seeds)):
            made[f"{arena} minus {other} {kind}"] = record.differences(list(ARMS), other, DIFFERENCES, seeds)
            made[f"{arena} short minus {other} {kind}"] = record.differences(MAIN[1:], other, DIFFERENCES, seeds)
    return made


def every_record() -> dict[str, Record]:
    """Return the records that are there."""
    paths = {arena: OWN / f"{arena}.json" for arena in ARENAS}
    return {a: Record(json.loads(p.read_text(encoding="utf-8"))) for a, p in paths.items() if p.is_file()}


def every_text(found: Mapping[str, Record]) -> dict[str, str]:
    """Return all tables, and the texts whose figures are filled in, by the names of their markers."""
    made = {name: text for arena, record in found.items() for name, text in tables(arena, record).items()}
    made |= beside(found) | {"claims": verdicts(found), "answer": answer(found)}
    if ABLATION.is_file():
        made["paper table 7"] = ablation(json.loads(ABLATION.read_text(encoding="utf-8")))
    for path in sorted(TEXTS.glob("*.md")):
        if path != TEXTS / STUDY.name:
            made[path.stem] = filled(path.read_text(encoding="utf-8"), found).strip()
    return made


def pages() -> dict[Path, str]:
    """Return every page as the records make it."""
    found = every_record()
    made = every_text(found)
    written = {page: page.read_text(encoding="utf-8") for page in PAGES}
    written[STUDY] = filled((TEXTS / STUDY.name).read_text(encoding="utf-8"), found)
    return {page: replaced(text, made) for page, text in written.items()}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    for name, table in every_text(every_record()).items():
        print(f"\n{name}\n\n{table}")
    for page, text in pages().items() if given.write else ():
        page.write_text(text, encoding="utf-8")
        print(f"wrote {page}")


if __name__ == "__main__":
    main()
