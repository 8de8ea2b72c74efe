"""Paired differences between models' results, over the images that both were measured on."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import combinations
from typing import Any

import numpy as np

from shapebias.results.comparison import Difference
from shapebias.results.results import EvalResult, ResultKey, Results
from shapebias.stats.bootstrap import paired_difference, ratio_difference


def paired(measured: Sequence[tuple[Results, dict[str, EvalResult]]], seed: int) -> list[Difference]:
    """Return the paired differences between every two models over their common images, with intervals.

    ``n`` counts all common images, including those without a decision for either cue.

    Args:
        measured: each model's results, and its per-image results by evaluator.
        seed: random seed of the resampling.
    """
    found = []
    for (first, given_a), (second, given_b) in combinations(measured, 2):
        for evaluator, a in given_a.items():
            b = given_b.get(evaluator, EvalResult([]))
            for key in a.per_image:
                other_key = _same(key, a, b)
                values = None if other_key is None else _shared(a, key, b, other_key)
                if other_key is None or values is None:
                    continue
                left, right = values
                if left.shape[1] == 1:
                    difference, interval = paired_difference(left[:, 0], right[:, 0], seed=seed)
                else:
                    difference, interval = ratio_difference(left, right, seed=seed)
                found.append(
                    Difference(
                        evaluator=key[0],
                        metric=key[1],
                        a=first.model["name"],
                        b=second.model["name"],
                        value=float(np.float64(difference)),
                        ci95=interval,
                        n=len(left),
                        **_conditions(json.loads(key[2]), json.loads(other_key[2])),
                    )
                )
    return found


def _shared(a: EvalResult, key_a: ResultKey, b: EvalResult, key_b: ResultKey) -> tuple[np.ndarray, np.ndarray] | None:
    """Return the values of both over their common images, None if there are none."""
    rows_b = {image: row for row, image in enumerate(b.images)}
    both = [(row, rows_b[image]) for row, image in enumerate(a.images) if image in rows_b]
    if not both:
        return None
    return a.per_image[key_a][[row for row, _ in both]], b.per_image[key_b][[row for _, row in both]]


def _same(key: ResultKey, a: EvalResult, b: EvalResult) -> ResultKey | None:
    """Return the key of the result of ``b`` that is comparable to ``key`` of ``a``, None if there is none.

    A result restricted to a folder's classes (``answers`` in the condition) is compared with the unrestricted result
    of a model that has only these classes, never with one over more classes. Results that differ in their mapping
    are compared if each model has only one.
    """
    (all_a, few_a), (all_b, few_b) = (_alike(key, one) for one in (a, b))
    if key in few_a:
        rest = few_b or all_b
        return key if key in few_b else rest[0] if len(rest) == 1 else None
    if few_a:
        return key if few_b and key in all_b else None
    if few_b:
        return few_b[0]
    return key if key in all_b else all_b[0] if len(all_a) == len(all_b) == 1 else None


def _alike(key: ResultKey, given: EvalResult) -> tuple[list[ResultKey], list[ResultKey]]:
    """Return the results that equal ``key`` apart from the answer set: over all classes, and over a subset."""
    alike = [k for k in given.per_image if k[:2] == key[:2] and _without_answering(k) == _without_answering(key)]
    few = [k for k in alike if "answers" in json.loads(k[2])]
    return [k for k in alike if k not in few], few


def _without_answering(key: ResultKey) -> dict[str, Any]:
    """Return the condition without the model's answer set and mapping."""
    return {name: value for name, value in json.loads(key[2]).items() if name not in ("answers", "mapping")}


def _conditions(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    if a == b:
        return {"condition": a}
    shared = {key: value for key, value in a.items() if key in b and b[key] == value}
    return {"condition": shared, "condition_a": a, "condition_b": b}
