"""Accuracy under attack: curves over epsilon and the tables of the paper (tables 2 and 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from markupsafe import Markup

from shapebias.report.attack_chart import AttackCurve, attack_chart
from shapebias.report.collect import Network
from shapebias.report.format import MISSING, percent, percent_interval, plain
from shapebias.report.notes import classes_note, joined
from shapebias.report.records import Entry, number, text

EVALUATORS = ("white-box", "transfer-attack")
TITLES = {"fgsm": "FGSM", "pgd": "PGD", "ifgsm": "I-FGSM", "mim": "MIM", "autoattack": "AutoAttack"}
CLEAN = "none"
_RATE = "target_rate"
_LARGEST = 255.0


@dataclass(frozen=True)
class Setting:
    """How networks were attacked: each itself, or all with pictures made against ``source``."""

    evaluator: str
    source: str
    targeted: bool

    @property
    def title(self) -> str:
        """A heading."""
        towards = ", towards a chosen wrong answer" if self.targeted else ""
        if self.evaluator == "white-box":
            return f"Each network attacked itself{towards}"
        return f"Made against {self.source or 'another network'}, shown to every network{towards}"


@dataclass(frozen=True)
class Cell:
    """One accuracy as the table shows it."""

    value: str
    interval: str


@dataclass(frozen=True)
class AttackTable:
    """Networks as rows, attacks by epsilon as columns; ``heads`` are the attacks with their epsilons."""

    label: str
    heads: tuple[tuple[str, tuple[str, ...]], ...]
    rows: tuple[tuple[Network, tuple[Cell, ...]], ...]


@dataclass(frozen=True)
class Attacked:
    """All that was measured in one setting; ``rates`` is how often the attacker's target was answered."""

    setting: Setting
    networks: tuple[Network, ...]
    note: str
    charts: tuple[tuple[str, Markup], ...]
    accuracies: AttackTable
    rates: AttackTable | None


def attack_title(attack: str) -> str:
    """The usual spelling of an attack's name."""
    return TITLES.get(attack, attack)


def attacked_of(networks: Sequence[Network]) -> list[Attacked]:
    """Every setting in which any network was attacked, white-box first, targeted last."""
    found: dict[Setting, list[_Measured]] = {}
    for network in networks:
        mine: dict[Setting, _Measured] = {}
        for entry in network.entries:
            cell, setting = _cell_of(entry), _setting(entry)
            if cell is None:
                continue
            one = mine.setdefault(setting, _Measured(network, _clean(network, setting), {}, {}))
            if entry.metric in ("top1", _RATE):
                (one.top1 if entry.metric == "top1" else one.rates).setdefault(cell, entry)
        for setting, one in mine.items():
            if one.top1:
                found.setdefault(setting, []).append(one)
    order = sorted(found, key=lambda s: (EVALUATORS.index(s.evaluator), s.source, s.targeted))
    return [_attacked(setting, found[setting]) for setting in order]


@dataclass(frozen=True)
class _Measured:
    """What one network has in one setting, by attack and epsilon."""

    network: Network
    clean: Entry | None
    top1: dict[tuple[str, float], Entry]
    rates: dict[tuple[str, float], Entry]


def _attacked(setting: Setting, measured: Sequence[_Measured]) -> Attacked:
    columns = sorted({cell for one in measured for cell in one.top1}, key=lambda cell: (_rank(cell[0]), cell))
    charts = []
    for attack in dict.fromkeys(attack for attack, _ in columns):
        curves = [AttackCurve(one.network, _points(one, attack)) for one in measured]
        curves = [curve for curve in curves if any(x > 0 for x, _ in curve.points)]
        if curves:
            charts.append((attack_title(attack), attack_chart(attack_title(attack), curves)))
    rated = sorted({cell for one in measured for cell in one.rates}, key=lambda cell: (_rank(cell[0]), cell))
    with_rates = [one for one in measured if one.rates]
    return Attacked(
        setting,
        tuple(one.network for one in measured),
        joined([(one.network, classes_note(next(iter(one.top1.values())))) for one in measured]),
        tuple(charts),
        _table("Accuracy under attack", columns, [(one.network, one.top1, [one.clean]) for one in measured]),
        _table("Share that answered the target", rated, [(one.network, one.rates, []) for one in with_rates])
        if setting.targeted and rated
        else None,
    )


def _points(one: _Measured, attack: str) -> tuple[tuple[float, Entry], ...]:
    """Clean at epsilon 0, then the attack at every epsilon that has a value."""
    points = [(epsilon, entry) for (name, epsilon), entry in one.top1.items() if name == attack]
    points += [(0.0, one.clean)] if one.clean is not None else []
    return tuple(sorted(((x, e) for x, e in points if e.value is not None), key=lambda point: point[0]))


def _table(
    label: str,
    columns: Sequence[tuple[str, float]],
    rows: Sequence[tuple[Network, Mapping[tuple[str, float], Entry], Sequence[Entry | None]]],
) -> AttackTable:
    """``rows`` hold each network's cells, and what comes before them."""
    heads: dict[str, list[str]] = {}
    for attack, epsilon in columns:
        heads.setdefault(attack, []).append(plain(epsilon))
    shown = tuple(
        (network, tuple(map(_shown, [*first, *(cells.get(column) for column in columns)])))
        for network, cells, first in rows
    )
    return AttackTable(label, tuple((attack_title(a), tuple(epsilons)) for a, epsilons in heads.items()), shown)


def _shown(entry: Entry | None) -> Cell:
    return Cell(MISSING, "") if entry is None else Cell(percent(entry.value), percent_interval(entry.ci95))


def _setting(entry: Entry) -> Setting:
    source = text(entry.condition.get("source")) if entry.evaluator == "transfer-attack" else None
    return Setting(entry.evaluator, source or "", entry.condition.get("targeted") is True)


def _cell_of(entry: Entry) -> tuple[str, float] | None:
    """The attack and epsilon of an entry, None where it is of no attack or its condition makes no sense."""
    attack, epsilon = text(entry.condition.get("attack")), number(entry.condition.get("epsilon"))
    if entry.evaluator not in EVALUATORS or attack is None or attack == CLEAN:
        return None
    return (attack, epsilon) if epsilon is not None and 0 < epsilon <= _LARGEST else None


def clean_entries(entries: Sequence[Entry]) -> list[Entry]:
    """The accuracies on the pictures as they were before any attack."""
    top1 = [e for e in entries if e.evaluator in EVALUATORS and e.metric == "top1"]
    return [e for e in top1 if e.condition.get("attack") == CLEAN]


def _clean(network: Network, setting: Setting) -> Entry | None:
    """The clean accuracy of that setting: of the same source, or of none."""
    entries = [e for e in clean_entries(network.entries) if e.evaluator == setting.evaluator]
    return next((e for e in entries if _setting(e).source in (setting.source, "")), None)


def _rank(attack: str) -> int:
    """Known attacks in the order of the paper, others after them."""
    return list(TITLES).index(attack) if attack in TITLES else len(TITLES)
