"""Accuracy under attack: curves over epsilon, and the tables of the paper (tables 2 and 3)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from markupsafe import Markup

from shapebias.report.charts import PERCENT, Axis
from shapebias.report.collect import Collection, Model
from shapebias.report.format import MISSING, classes_note, joined, percent, percent_interval, plain
from shapebias.report.line_chart import Frame, Line, Point, line_chart
from shapebias.report.sections import Section
from shapebias.report.sections.adversarial_pictures import (
    CLEAN,
    EVALUATORS,
    attack_title,
    clean_results,
    galleries,
    rank,
)
from shapebias.report.values import number, text
from shapebias.results.results import Result

_RATE = "target_rate"
_LARGEST = 255.0
_FRAME = Frame(260, 210, left=52, right=10, top=12, bottom=44)
_APART = 24  # pixels that two texts of the axis need

Column = tuple[str, float]  # attack and epsilon


@dataclass(frozen=True)
class Threat:
    """The way models were attacked: each itself, or all with pictures made against ``source``."""

    evaluator: str
    source: str
    targeted: bool

    @property
    def title(self) -> str:
        """A heading."""
        towards = ", towards a chosen wrong answer" if self.targeted else ""
        if self.evaluator == "white-box":
            return f"Each model attacked itself{towards}"
        return f"Made against {self.source or 'another model'}, shown to every model{towards}"


@dataclass(frozen=True)
class Attacked:
    """One model under one threat: accuracies, and the rates at which the attacker's target was answered."""

    model: Model
    clean: Result | None
    accuracies: dict[Column, Result] = field(default_factory=dict)
    rates: dict[Column, Result] = field(default_factory=dict)


@dataclass(frozen=True)
class AttackTable:
    """Models as rows, attacks by epsilon as columns; ``heads`` are the attacks with their epsilons."""

    label: str
    heads: tuple[tuple[str, tuple[str, ...]], ...]
    rows: tuple[tuple[Model, tuple[tuple[str, str], ...]], ...]


@dataclass(frozen=True)
class Part:
    """All that was measured under one threat."""

    title: str
    models: tuple[Model, ...]
    note: str
    charts: tuple[tuple[str, Markup], ...]
    accuracies: AttackTable
    rates: AttackTable | None


def build(collection: Collection) -> dict[str, Any] | None:
    """Return a part for every threat, white-box first, targeted last, and the adversarial pictures."""
    found: dict[Threat, list[Attacked]] = {}
    for model in collection.models:
        mine: dict[Threat, Attacked] = {}
        for result in model.results:
            column = _column(result)
            if column is None or result.metric not in ("top1", _RATE):
                continue
            threat = _threat(result)
            one = mine.setdefault(threat, Attacked(model, _clean(model, threat)))
            (one.accuracies if result.metric == "top1" else one.rates).setdefault(column, result)
        for threat, one in mine.items():
            if one.accuracies:
                found.setdefault(threat, []).append(one)
    order = sorted(found, key=lambda t: (EVALUATORS.index(t.evaluator), t.source, t.targeted))
    parts = [_part(threat, found[threat]) for threat in order]
    shown = galleries(collection)
    return {"parts": parts, "galleries": shown} if parts or shown else None


def _column(result: Result) -> Column | None:
    """Return the attack and epsilon of a result, None if it has no attack or its condition is malformed."""
    attack, epsilon = text(result.condition.get("attack")), number(result.condition.get("epsilon"))
    if result.evaluator not in EVALUATORS or attack is None or attack == CLEAN:
        return None
    return (attack, epsilon) if epsilon is not None and 0 < epsilon <= _LARGEST else None


def _threat(result: Result) -> Threat:
    source = text(result.condition.get("source")) if result.evaluator == "transfer-attack" else None
    return Threat(result.evaluator, source or "", result.condition.get("targeted") is True)


def _clean(model: Model, threat: Threat) -> Result | None:
    """Return the accuracy without attack: with the same source, otherwise without a source."""
    results = [r for r in clean_results(model.results) if r.evaluator == threat.evaluator]
    return next((r for r in results if _threat(r).source in (threat.source, "")), None)


def _part(threat: Threat, attacked: Sequence[Attacked]) -> Part:
    columns = _ordered({column for one in attacked for column in one.accuracies})
    rated = _ordered({column for one in attacked for column in one.rates})
    charts = []
    for attack in dict.fromkeys(attack for attack, _ in columns):
        lines = [line for one in attacked if (line := _line(one, attack)) is not None]
        if lines:
            charts.append((attack_title(attack), _chart(attack_title(attack), lines)))
    rates = _table("Share that answered the target", rated, [(o.model, o.rates, []) for o in attacked if o.rates])
    return Part(
        threat.title,
        tuple(one.model for one in attacked),
        joined([(one.model.name, classes_note(next(iter(one.accuracies.values())))) for one in attacked]),
        tuple(charts),
        _table("Accuracy under attack", columns, [(one.model, one.accuracies, [one.clean]) for one in attacked]),
        rates if threat.targeted and rated else None,
    )


def _ordered(columns: set[Column]) -> list[Column]:
    return sorted(columns, key=lambda column: (rank(column[0]), column))


def _line(one: Attacked, attack: str) -> Line | None:
    """Clean at epsilon 0, then the attack at every epsilon that has a value; None without any of these."""
    results = {epsilon: result for (name, epsilon), result in one.accuracies.items() if name == attack}
    if all(result.value is None for result in results.values()):
        return None
    if one.clean is not None:
        results[0.0] = one.clean
    points = []
    for epsilon, result in sorted(results.items()):
        if result.value is not None:
            where = f"at {plain(epsilon)}/255" if epsilon else "without attack"
            shown = f"{percent(result.value)} ({percent_interval(result.ci95)})"
            title = f"{one.model.name}, {attack_title(attack)} {where}: {shown}"
            points.append(Point(epsilon, result.value, result.ci95, title))
    return Line(one.model, points)


def _chart(title: str, lines: Sequence[Line]) -> Markup:
    """One panel, epsilon from 0 to the largest of ``lines``, accuracy from 0 to 100 %."""
    epsilons = sorted({point.x for line in lines for point in line.points} | {0.0})
    end, width = epsilons[-1], _FRAME.width - _FRAME.left - _FRAME.right
    ticks: list[tuple[float, str]] = []
    for epsilon in epsilons:
        if not ticks or width * (epsilon - ticks[-1][0]) / end >= _APART:
            ticks.append((epsilon, plain(epsilon)))
    ends = "; ".join(
        f"{line.model.name} from {percent(line.points[0].y)} to {percent(line.points[-1].y)}" for line in lines
    )
    label = f"Accuracy under {title} over epsilon: {ends}; the numbers follow as a table"
    return line_chart(lines, Axis(0.0, end, tuple(ticks), "epsilon, in 1/255"), PERCENT, _FRAME, label=label, size=4)


def _table(
    label: str,
    columns: Sequence[Column],
    rows: Sequence[tuple[Model, Mapping[Column, Result], Sequence[Result | None]]],
) -> AttackTable:
    """``rows`` hold each model's results by column, and those of the columns before them."""
    heads: dict[str, list[str]] = {}
    for attack, epsilon in columns:
        heads.setdefault(attack, []).append(plain(epsilon))
    shown = tuple(
        (model, tuple(map(_cell, [*first, *(results.get(column) for column in columns)])))
        for model, results, first in rows
    )
    return AttackTable(label, tuple((attack_title(a), tuple(epsilons)) for a, epsilons in heads.items()), shown)


def _cell(result: Result | None) -> tuple[str, str]:
    return (MISSING, "") if result is None else (percent(result.value), percent_interval(result.ci95))


ATTACKS = Section("Adversarial attacks", "attacks.html", build)
