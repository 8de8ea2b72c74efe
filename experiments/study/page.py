"""The tables of the study's pages, README.md and docs/training.md, from the records of the arenas.

    python experiments/study/page.py [--write]

Prints every table as markdown; with --write they replace the text between their markers on the pages.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

from answer import answer
from arms import ARMS, SCANS
from comparing import replaced
from paper import ablation, beside, verdicts
from record import Record

OWN = Path(__file__).parent
ROOT = OWN.parent.parent
DOCS = ROOT / "docs"
PAGES = (ROOT / "README.md", *(DOCS / f"{name}.md" for name in ("training", "study", "study-arms", "study-paper")))
ARENAS = ("shapes16", "imagenette", "finetuned")
ABLATION = OWN / "ablation.json"
DECISIONS = ("shape", "texture", "neither", "shape full", "texture full", "top-1", "stylized", "silhouettes")
ROBUSTNESS = ("corruptions", "white-box", "transfer-attack", "shape bias", "shape neurons", "texture neurons")
TRANSFER = ("pacs", "voc12")
COMPARED = ("mmsi-sin-in", "control", "shapenet-sin-in", "in")
DIFFERENCES = (*(one for one in DECISIONS if not one.startswith("neither")), "corruptions", "shape neurons")
SHORT = ("untrained", "in", "shapenet-sin-in", "control", "mmsi-sin-in", "natural", "one-view-natural")  # README.md's
WEIGHED = (  # how much of the cross entropy is the stylized view's
    *("shapenet-sin-in-share-0.25", "shapenet-sin-in", "shapenet-sin-in-share-0.75"),
    *("one-view-natural-share-0.25", "one-view-natural", "one-view-natural-share-0.75"),
)
WEIGHED_BY = (*DECISIONS, "corruptions", "shape neurons")
BATCHNORM = ("control", "separate-control", "mmsi-sin-in", "separate", "natural", "separate-natural")


def tables(arena: str, record: Record) -> dict[str, str]:
    """Return the tables of an arena by the names of their markers."""
    untouched = record.fresh if record.cells("mmsi-sin-in", record.fresh) else record.dev
    made = {
        f"{arena} short": record.means(SHORT, (*DECISIONS[:7], "shape neurons"), untouched),
        f"{arena} batch norm": record.means(BATCHNORM, (*DECISIONS[:7], "shape neurons"), record.dev),
        f"{arena} weight": record.means(WEIGHED, WEIGHED_BY, record.common(WEIGHED, record.dev)),
        f"{arena} decisions": record.means(list(ARMS), DECISIONS, record.dev),
        f"{arena} robustness": record.means(list(ARMS), ROBUSTNESS, record.dev),
        f"{arena} transfer": record.means(list(ARMS), TRANSFER, record.dev),
        f"{arena} transfer short": record.means(SHORT, TRANSFER, record.dev),
        f"{arena} scans": record.means(list(SCANS), (*DECISIONS, "shape neurons"), record.dev),
        f"{arena} seeds": record.by_seed(list(ARMS), (*DECISIONS[:2], *DECISIONS[3:7], "shape neurons")),
    }
    for other in COMPARED:
        for kind, seeds in (("dev", record.dev), ("fresh", record.fresh)):
            made[f"{arena} minus {other} {kind}"] = record.differences(list(ARMS), other, DIFFERENCES, seeds)
            made[f"{arena} short minus {other} {kind}"] = record.differences(SHORT[1:], other, DIFFERENCES, seeds)
    return made


def every_table() -> dict[str, str]:
    """Return the tables of all records that are there."""
    paths = {arena: OWN / f"{arena}.json" for arena in ARENAS}
    found = {a: Record(json.loads(p.read_text(encoding="utf-8"))) for a, p in paths.items() if p.is_file()}
    made = {name: text for arena, record in found.items() for name, text in tables(arena, record).items()}
    made |= beside(found) | {"claims": verdicts(found), "answer": answer(found)}
    if ABLATION.is_file():
        made["paper table 7"] = ablation(json.loads(ABLATION.read_text(encoding="utf-8")))
    return made


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--write", action="store_true")
    given = parser.parse_args()
    made = every_table()
    for name, table in made.items():
        print(f"\n{name}\n\n{table}")
    for page in PAGES if given.write else ():
        page.write_text(replaced(page.read_text(encoding="utf-8"), made), encoding="utf-8")
        print(f"wrote {page}")


if __name__ == "__main__":
    main()
