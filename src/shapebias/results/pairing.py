"""Paired differences between models' results, over the images that both were measured on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from functools import cached_property
from itertools import combinations
from typing import Any

import numpy as np

from shapebias.data.readers.cue_conflict import photographs
from shapebias.results.comparison import Difference
from shapebias.results.results import EvalResult, ResultKey, Results
from shapebias.stats.bootstrap import paired_difference, ratio_difference
from shapebias.stats.crossed import Crossed
from shapebias.stats.intervals import p_value


class _Indexed:
    """One evaluator's results of one model, with what the comparison with every other model looks up."""

    def __init__(self, given: EvalResult) -> None:
        self.given = given
        self.alike: dict[ResultKey, tuple[list[ResultKey], list[ResultKey]]] = {}
        for key in given.per_image:
            whole, few = self.alike.setdefault(_kind(key), ([], []))
            (few if "answers" in json.loads(key[2]) else whole).append(key)

    @cached_property
    def rows(self) -> dict[str, int]:
        """The row of each image."""
        return {image: row for row, image in enumerate(self.given.images)}


def paired(measured: Sequence[tuple[Results, dict[str, EvalResult]]], seed: int) -> list[Difference]:
    """Return the paired differences between every two models over their common images, with intervals.

    ``n`` counts all common images, including those without a decision for either cue. Intervals of a ratio are over the
    photographs that the images are made of where images share some.

    Args:
        measured: each model's results, and its per-image results by evaluator.
        seed: random seed of the resampling.
    """
    models = [
        (results.model["name"], {name: _Indexed(one) for name, one in given.items()}) for results, given in measured
    ]
    found = []
    for (first, given_a), (second, given_b) in combinations(models, 2):
        for evaluator, a in given_a.items():
            if evaluator in given_b:
                found += _differences(first, a, second, given_b[evaluator], seed)
    return found


def _differences(first: str, a: _Indexed, second: str, b: _Indexed, seed: int) -> Iterator[Difference]:
    """Yield the differences of one evaluator's results between two models."""
    rows_a, rows_b, images = _common(a, b)
    if not images:
        return
    ratios = any(values.shape[1] == 2 for values in a.given.per_image.values())
    crossed = Crossed.of(photographs(images)) if ratios else None
    for key, other in _pairs(a, b):
        left, right = a.given.per_image[key][rows_a], b.given.per_image[other][rows_b]
        if left.shape[1] == 1:
            over = None
            difference, interval = paired_difference(left[:, 0], right[:, 0], seed=seed)
        else:
            over = crossed
            difference, interval = ratio_difference(left, right, crossed, seed=seed)
        yield Difference(
            evaluator=key[0],
            metric=key[1],
            a=first,
            b=second,
            value=float(np.float64(difference)),
            ci95=interval,
            n=len(left),
            p=p_value(difference, interval, over.freedom if over else None),
            over="photographs" if over else "images",
            **_conditions(json.loads(key[2]), json.loads(other[2])),
        )


def _common(a: _Indexed, b: _Indexed) -> tuple[slice | np.ndarray, slice | np.ndarray, Sequence[str]]:
    """Return the rows of both for their common images, and these images."""
    if a.given.images == b.given.images:
        return slice(None), slice(None), a.given.images
    both = [image for image in a.given.images if image in b.rows]
    rows_a, rows_b = (np.array([one.rows[image] for image in both], dtype=np.intp) for one in (a, b))
    return rows_a, rows_b, both


def _pairs(a: _Indexed, b: _Indexed) -> Iterator[tuple[ResultKey, ResultKey]]:
    """Yield the keys of the results that are compared."""
    for key in a.given.per_image:
        other = _same(key, a, b)
        if other is not None:
            yield key, other


def _same(key: ResultKey, a: _Indexed, b: _Indexed) -> ResultKey | None:
    """Return the key of the result of ``b`` that is comparable to ``key`` of ``a``, None if there is none.

    A result restricted to a folder's classes (``answers`` in the condition) is compared with the unrestricted result
    of a model that has only these classes, never with one over more classes. Results that differ in their mapping
    are compared if each model has only one.
    """
    (all_a, few_a), (all_b, few_b) = (one.alike.get(_kind(key), ([], [])) for one in (a, b))
    if key in few_a:
        rest = few_b or all_b
        return key if key in few_b else rest[0] if len(rest) == 1 else None
    if few_a:
        return key if few_b and key in all_b else None
    if few_b:
        return few_b[0]
    return key if key in all_b else all_b[0] if len(all_a) == len(all_b) == 1 else None


def _kind(key: ResultKey) -> ResultKey:
    """Return the key without the model's answer set and mapping."""
    rest = {name: value for name, value in json.loads(key[2]).items() if name not in ("answers", "mapping")}
    return key[0], key[1], json.dumps(rest, sort_keys=True)


def _conditions(a: dict[str, Any], b: dict[str, Any]) -> dict[str, Any]:
    if a == b:
        return {"condition": a}
    shared = {key: value for key, value in a.items() if key in b and b[key] == value}
    return {"condition": shared, "condition_a": a, "condition_b": b}
