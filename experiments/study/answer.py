"""The study's answer: the chosen arm minus its rivals in every arena, and what the rule for a named scheme says."""

from __future__ import annotations

from collections.abc import Mapping

from arms import ALL
from comparing import Ends, cell_text, difference, markdown, over_seeds_alone
from record import ARENA_TITLES, LEAST_SEEDS, SEEDS_ALONE, TITLES, Record

CHOSEN = "one-view-natural"
RIVALS = ("mmsi-sin-in", "control", "shapenet-sin-in")
HEAVIER = "shapenet-sin-in-share-0.75"  # what the rule does not ask: more weight of the view in the place of the term
BESIDE = ("top-1", "stylized", "corruptions")
SHAPE = ("shape full", "shape")  # the first that every cell of the chosen arm has
MOST_TOP1 = -0.01  # the interval of the difference in top-1 must lie above it


def ruling(shape: Ends, top1: Ends, seeds: int) -> str:
    """Return what the rule says of one comparison: decisions by shape rise, and top-1 falls by less than a point."""
    if shape is None or top1 is None or seeds < LEAST_SEEDS:
        return f"undecided: fewer than {LEAST_SEEDS} seeds"
    reasons = ["decisions by shape may not rise"] * (shape[0] <= 0) + ["top-1 may fall by a point"] * (
        top1[0] <= MOST_TOP1
    )
    return f"not met: {', '.join(reasons)}" if reasons else "met"


def answer(records: Mapping[str, Record]) -> str:
    """Return the table: on fresh seeds where the chosen arm has enough of them, else on all."""
    lines = []
    for arena, record in records.items():
        seeds = record.confirming(CHOSEN)
        kind = "fresh" if seeds == record.fresh else "of both kinds"
        ours = record.cells(CHOSEN, seeds)
        measure = next(one for one in SHAPE if all(one in cell["measures"] for cell in ours.values()))
        for rival in (*RIVALS, HEAVIER):
            theirs = record.cells(rival, seeds)
            if not set(ours) & set(theirs):
                continue
            found = {one: difference(ours, theirs, one, record.images) for one in (measure, *BESIDE)}
            (_, shape, each), (_, top1, _) = found[measure], found["top-1"]
            texts = [
                cell_text(value, ends, "+.1f")
                + SEEDS_ALONE * (ends is not None and over_seeds_alone(one, record.images))
                for one, (value, ends, _) in found.items()
            ]
            says = ruling(shape, top1, len(each)) if rival in RIVALS else "not part of it"
            lines.append([ARENA_TITLES[arena], ALL[rival].title, f"{len(each)} {kind}", *texts, says])
    headings = ["arena", "arm minus", "seeds", "by shape", *(TITLES.get(one, one) for one in BESIDE), "the rule"]
    return markdown(headings, lines)
