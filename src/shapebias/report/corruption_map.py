"""Accuracy on corrupted pictures: a map per network, corruptions by severity (Hendrycks and Dietterich 2019)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from shapebias.report.collect import Network
from shapebias.report.format import MISSING, percent, percent_interval, plain
from shapebias.report.notes import classes_note, present_note
from shapebias.report.records import Entry, number, text

GROUPS = {
    "noise": {"gaussian_noise": "Gaussian noise", "shot_noise": "shot noise", "impulse_noise": "impulse noise"},
    "blur": {
        "defocus_blur": "defocus",
        "glass_blur": "frosted glass",
        "motion_blur": "motion",
        "zoom_blur": "zoom",
    },
    "weather": {"snow": "snow", "frost": "frost", "fog": "fog", "brightness": "brightness"},
    "digital": {
        "contrast": "contrast",
        "elastic_transform": "elastic",
        "pixelate": "pixelate",
        "jpeg_compression": "JPEG",
    },
}
TITLES = {name: title for group in GROUPS.values() for name, title in group.items()}
SEVERITIES = (1, 2, 3, 4, 5)
EVALUATOR = "corruptions"
_MCE = "mCE"
_FULL = 60  # percent from which the colour is so full that white (in the dark: black) is read better on it


@dataclass(frozen=True)
class Shade:
    """One cell: its number, how full its colour is in percent (None: not measured), and what a reader may ask of it."""

    number: str
    level: str | None
    full: bool
    title: str


@dataclass(frozen=True)
class MapRow:
    """One corruption, mildest to strongest, and the mean over its severities."""

    title: str
    cells: tuple[Shade, ...]
    mean: Shade


@dataclass(frozen=True)
class CorruptionMap:
    """One network's map and figures; ``missing`` names the cells without a number."""

    network: Network
    groups: tuple[tuple[str, tuple[MapRow, ...]], ...]
    figures: tuple[tuple[str, str, str], ...]
    note: str
    missing: str

    @property
    def has_mce(self) -> bool:
        """Whether the mean corruption error is among the figures."""
        return any(name.startswith(_MCE) for name, _, _ in self.figures)


def corruption_maps(networks: Sequence[Network]) -> list[CorruptionMap]:
    """The map of every network that was measured on corrupted pictures."""
    return [_map(network) for network in networks if any(e.evaluator == EVALUATOR for e in network.entries)]


def cells_of(network: Network) -> dict[tuple[str, int | None], Entry]:
    """The accuracies by corruption and severity, None standing for the mean over the five."""
    found: dict[tuple[str, int | None], Entry] = {}
    for entry in network.entries:
        name, severity = text(entry.condition.get("corruption")), entry.condition.get("severity")
        if entry.evaluator != EVALUATOR or entry.metric != "top1" or name not in TITLES or entry.value is None:
            continue
        if severity is None or (number(severity) in SEVERITIES):
            found.setdefault((name, None if severity is None else int(severity)), entry)
    return found


def _map(network: Network) -> CorruptionMap:
    cells = cells_of(network)
    groups = tuple(
        (
            group,
            tuple(
                MapRow(
                    title,
                    tuple(_shade(cells.get((name, s)), f"{title}, severity {s}") for s in SEVERITIES),
                    _shade(cells.get((name, None)), f"{title}, mean of the severities"),
                )
                for name, title in names.items()
            ),
        )
        for group, names in GROUPS.items()
    )
    of_all = [entry for entry in network.entries if entry.evaluator == EVALUATOR]
    notes = dict.fromkeys(note for entry in of_all if (note := classes_note(entry)))
    return CorruptionMap(network, groups, _figures(of_all), ", ".join(notes), _missing(cells))


def _figures(entries: Sequence[Entry]) -> tuple[tuple[str, str, str], ...]:
    """Name, value and interval of the mean accuracy, or of that over what is there, and of the mCE."""
    defined = {e.metric: e for e in reversed(entries) if e.value is not None}
    mean = defined.get("mean_top1") or defined.get("mean_top1_of_present")
    shown = []
    if mean is not None:
        note = present_note(mean)
        shown.append((f"mean accuracy{' ' + note if note else ''}", mean))
    if "mce" in defined:
        own = (
            " on other pictures than the public set's" if defined["mce"].details.get("full_public_set") is False else ""
        )
        shown.append((_MCE + own, defined["mce"]))
    return tuple((name, percent(e.value), percent_interval(e.ci95)) for name, e in shown)


def _shade(entry: Entry | None, what: str) -> Shade:
    if entry is None or entry.value is None:
        return Shade(MISSING, None, False, f"{what}: not measured")
    value = min(max(entry.value, 0.0), 1.0)
    title = f"{what}: {percent(entry.value)} ({percent_interval(entry.ci95)})"
    shown = percent(entry.value, 0).removesuffix("\u202f%")
    level = round(100 * value)
    return Shade(shown, f"{level}%", level >= _FULL, title)


def _missing(cells: Mapping[tuple[str, int | None], Entry]) -> str:
    """The missing cells in words: ``snow; fog at 3, 4``; nothing where all are there."""
    said = []
    for name, title in TITLES.items():
        absent = [severity for severity in SEVERITIES if (name, severity) not in cells]
        if absent:
            where = "" if len(absent) == len(SEVERITIES) else f" at {', '.join(map(plain, absent))}"
            said.append(title + where)
    return "every corruption" if len(said) == len(TITLES) and not any(" at " in s for s in said) else "; ".join(said)
