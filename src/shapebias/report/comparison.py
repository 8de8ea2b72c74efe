"""Several networks in one table: sorted by shape bias, each against the one at its head."""

from __future__ import annotations

from dataclasses import dataclass

from shapebias.report.collect import Collection, Network
from shapebias.report.format import MISSING, points, points_interval
from shapebias.report.records import Difference, Entry
from shapebias.report.tables import is_clear


@dataclass(frozen=True)
class Compared:
    """One network's line: its shape bias, and how far it lies from the first on the same pictures."""

    network: Network
    entry: Entry
    difference: str
    interval: str
    verdict: str


def compare(collection: Collection) -> list[Compared]:
    """The networks with a shape bias, the highest first; empty unless a paired difference to it is on file."""
    measured = [n for n in reversed(collection.networks) if n.shape_bias is not None]
    if len(measured) < 2:
        return []
    best, rows = measured[0], []
    for network in measured:
        entry = network.entry("shape-bias", "shape_bias")
        assert entry is not None  # or it had no shape bias
        if network is best:
            rows.append(Compared(network, entry, MISSING, MISSING, "the others are compared with it"))
            continue
        item = next((d for d in collection.differences if _between(d, network, best)), None)
        value, ends = (item.value, item.ci95) if item else (None, None)
        if item and item.a == best.name:  # told as this network minus the first
            value = None if value is None else -value
            ends = None if ends is None else (-ends[1], -ends[0])
        rows.append(Compared(network, entry, points(value), points_interval(ends), _words(item, best.name)))
    return rows if any(row.difference != MISSING for row in rows) else []


def _between(item: Difference, network: Network, best: Network) -> bool:
    return item.metric == "shape_bias" and {item.a, item.b} == {network.name, best.name}


def _words(item: Difference | None, best: str) -> str:
    if item is None or item.value is None:
        return "not compared on the same pictures"
    clear = is_clear(item)
    if clear is None:
        return "no interval, so it is open whether this is chance"
    if clear:
        return f"less by shape than {best}: the interval excludes 0"
    return "could be chance: the interval includes 0"
