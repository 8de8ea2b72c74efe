"""Differences between networks or observers over the images that both answered."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from shapebias.evaluators.base import EvalResult
from shapebias.results.results import ResultKey, Results
from shapebias.stats.bootstrap import paired_difference, ratio_difference


def paired(measured: Sequence[tuple[Results, dict[str, EvalResult]]], seed: int) -> list[dict[str, Any]]:
    """Differences of every two networks over the images that both answered, with paired intervals.

    ``condition`` is what holds for both; where theirs differ, ``condition_a`` and ``condition_b`` are each one's own.
    ``n`` counts images, those without a decision for either cue among them.
    """
    found = []
    for (first, outcomes_a), (second, outcomes_b) in combinations(measured, 2):
        for evaluator, a in outcomes_a.items():
            b = outcomes_b.get(evaluator, EvalResult([]))
            for key, values in a.per_image.items():
                other_key = _same(key, a, b)
                if other_key is None:
                    continue
                rows_b = {image: row for row, image in enumerate(b.images)}
                both = [(row, rows_b[image]) for row, image in enumerate(a.images) if image in rows_b]
                if not both:
                    continue
                left, right = values[[i for i, _ in both]], b.per_image[other_key][[j for _, j in both]]
                if values.shape[1] == 1:
                    difference, interval = paired_difference(left[:, 0], right[:, 0], seed=seed)
                else:
                    difference, interval = ratio_difference(left, right, seed=seed)
                entry = next(e for e in a.results if e.key == key)
                other = next(e for e in b.results if e.key == other_key)
                found.append(
                    {
                        "evaluator": entry.evaluator,
                        "metric": entry.metric,
                        **_conditions(entry.condition, other.condition),
                        "a": first.model["name"],
                        "b": second.model["name"],
                        "difference": float(np.float64(difference)),
                        "ci95": interval,
                        "n": len(both),
                    }
                )
    return found


def _same(key: ResultKey, a: EvalResult, b: EvalResult) -> ResultKey | None:
    """The figure of ``b`` to set against ``key`` of ``a``, None where there is none.

    Answers among a folder's classes (``answers`` in the condition) go with those of a network that has no other
    classes, never with answers among more of them. Figures that differ in their mapping are compared where each
    network has the one alone.
    """
    (all_a, few_a), (all_b, few_b) = (_alike(key, outcome) for outcome in (a, b))
    if key in few_a:
        rest = few_b or all_b
        return key if key in few_b else rest[0] if len(rest) == 1 else None
    if few_a:
        return key if few_b and key in all_b else None
    if few_b:
        return few_b[0]
    return key if key in all_b else all_b[0] if len(all_a) == len(all_b) == 1 else None


def _alike(key: ResultKey, outcome: EvalResult) -> tuple[list[ResultKey], list[ResultKey]]:
    """The figures that differ from ``key`` in how the network answers at most: among all its classes, among fewer."""
    alike = [k for k in outcome.per_image if k[:2] == key[:2] and _but(k) == _but(key)]
    return [k for k in alike if "answers" not in json.loads(k[2])], [k for k in alike if "answers" in json.loads(k[2])]


def _but(key: ResultKey) -> str:
    """A condition without how the network answers: among which classes, by which mapping."""
    condition = {name: value for name, value in json.loads(key[2]).items() if name not in ("answers", "mapping")}
    return json.dumps(condition, sort_keys=True)


def _conditions(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    if a == b:
        return {"condition": a}
    shared = {key: value for key, value in a.items() if key in b and b[key] == value}
    return {"condition": shared, "condition_a": a, "condition_b": b}
