"""Whether a network's answers look like classes in another order than their names."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from shapebias.stats.intervals import wilson

FEWEST = 50  # images, below which nothing is said
FEWEST_OF_CLASS = 3


def order_warning(answers: np.ndarray, targets: np.ndarray, names: Sequence[str], answerable: int) -> str | None:
    """Why a network's classes may not be in the order they are said to be in; None where nothing says so.

    Args:
        answers: (n,) the output each image got.
        targets: (n,) the output that stands for its class.
        names: of all outputs.
        answerable: among how many of them the answer was, for the chance of 1 / ``answerable``.

    Returns:
        A sentence where n is at least 50 and the share of right answers is not above chance (its 95 % Wilson
        interval reaches down to it), or most answers are one and the same number of places off; with the order
        that most answers agree with, if there is one.
    """
    right, n = int((answers == targets).sum()), len(answers)
    interval = wilson(right, n)
    if n < FEWEST or interval is None:
        return None
    shift, by_chance = _shift(answers, targets, len(names)), interval[0] <= 1 / answerable
    if not (shift or by_chance):
        return None
    found = f"{right} of {n} images right" + (f" is no more than chance (1 in {answerable})" if by_chance else "")
    guess = shift or _permutation(answers, targets, names)
    return (
        f"{found}: unless it is untrained, the network's classes may be in another order than their names"
        f"{f'; {guess}' if guess else ''}"
    )


def _shift(answers: np.ndarray, targets: np.ndarray, count: int) -> str:
    """That most images of most classes get the name a fixed number of places further on."""
    distance = (answers - targets) % count
    shift = int(np.bincount(distance, minlength=count).argmax())
    agreeing = distance == shift
    if 2 * agreeing.sum() <= len(answers) or 2 * len(set(targets[agreeing])) <= len(set(targets)) or shift == 0:
        return ""
    places, way = (shift, "later") if shift <= count // 2 else (count - shift, "earlier")
    return f"{agreeing.mean():.0%} of the answers are the name {places} {'place' if places == 1 else 'places'} {way}"


def _permutation(answers: np.ndarray, targets: np.ndarray, names: Sequence[str]) -> str:
    """That most images of a class get one other name, and each class a name of its own."""
    large = [target for target in np.unique(targets) if (targets == target).sum() >= FEWEST_OF_CLASS]
    other: dict[int, int] = {}
    for target in large:
        counts = np.bincount(answers[targets == target])
        if 2 * counts.max() > counts.sum() and counts.argmax() != target:
            other[int(target)] = int(counts.argmax())
    if len(other) < 2 or 2 * len(other) < len(large) or len(set(other.values())) < len(other):
        return ""
    shown = ", ".join(f"{names[a]} is called {names[b]}" for a, b in list(other.items())[:3])
    return f"in {len(other)} of {len(large)} classes most images get one other name, each its own: {shown}"
