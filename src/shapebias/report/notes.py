"""What to know about numbers that stand side by side: once where it holds for all, else with each network's name."""

from __future__ import annotations

from collections.abc import Sequence

from shapebias.report.collect import Network
from shapebias.report.records import Entry, listing, table, text


def classes_note(entry: Entry) -> str:
    """That an accuracy is over some of the network's classes only: ``over 120 of 1000 classes``, else nothing."""
    answers = text(entry.condition.get("answers"))
    return f"over {answers}" if answers else ""


def present_note(entry: Entry) -> str:
    """That a mean over corruptions is one over fewer than all: ``over 45 of 75 ...``, else nothing."""
    if entry.metric != "mean_top1_of_present":
        return ""
    present = table(entry.details.get("present"))
    many = sum(len(listing(severities)) for severities in present.values())
    return f"over {many} of 75 corruptions and severities" if many else "over those present only"


def joined(notes: Sequence[tuple[Network, str]]) -> str:
    """One sentence for all networks where they have the same note, else one for each that has any."""
    said = list(dict.fromkeys(note for _, note in notes))
    if len(said) <= 1:
        return said[0] if said else ""
    return "; ".join(f"{network.name}: {note}" for network, note in notes if note)
