"""The accuracies on every kind of pictures, a chart for each."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from markupsafe import Markup

from shapebias.report.charts import interval_chart
from shapebias.report.collect import Network
from shapebias.report.format import percent
from shapebias.report.records import Entry, listing, number, text

TITLES = {
    "accuracy": "Unchanged pictures",
    "stylized": "Restyled pictures",
    "stylized-imagenet": "Stylized-ImageNet",
    "imagenet-sketch": "ImageNet-Sketch",
    "silhouettes": "Silhouettes",
    "edges": "Edges",
    "sketches": "Sketches",
}


@dataclass(frozen=True)
class Accuracies:
    """The accuracies on one set of pictures; ``guess`` is that of blind guessing, None if unknown."""

    title: str
    chart: Markup
    guess: float | None


def accuracies_of(networks: Sequence[Network]) -> list[Accuracies]:
    """The charts in the order of ``TITLES``, one for every condition."""
    keys = {e.key for n in networks for e in n.entries if e.evaluator in TITLES and e.metric == "top1"}
    found = []
    for key in sorted(keys, key=lambda key: (list(TITLES).index(key[0]), key)):
        rows = [(n, e) for n in networks for e in n.entries if e.key == key and e.value is not None]
        if not rows:
            continue
        title = TITLES[key[0]] + (f" ({key[2]})" if key[2] else "")
        guesses = {_guess(n, e) for n, e in rows}
        guess = guesses.pop() if len(guesses) == 1 else None
        label = f"{title}: " + ", ".join(f"{n.name} {percent(e.value)}" for n, e in rows)
        found.append(Accuracies(title, interval_chart(rows, guess=guess, label=label), guess))
    return found


def _guess(network: Network, entry: Entry) -> float | None:
    """How often a network that guesses among its answers is right, None where that is not known."""
    chance = number(entry.details.get("chance"))
    if entry.evaluator in ("silhouettes", "edges", "sketches"):
        return chance if chance is not None and 0 < chance <= 1 else None
    if (among := re.match(r"0*([1-9]\d{0,6}) of ", text(entry.condition.get("answers")) or "")) is not None:
        return 1 / int(among[1])
    home = next(m for m in network.measurements if any(e is entry for e in m.entries))
    outputs = len(listing(home.model.get("classes")))
    return 1 / outputs if outputs else None
