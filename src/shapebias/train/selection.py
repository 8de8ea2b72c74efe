"""Choosing a learning rate: each is tried on a part of the training images and scored on the rest of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

from lightning_fabric import Fabric

from shapebias.errors import UserError

HELD_OUT = ("held_out", "held_out_loss")  # the columns of metrics.csv that a trial is scored by
SHARE = 0.2  # of the training images that are held out
# What the loop and the measuring say of a learning rate that is too high.
NOT_FINITE = ("loss is not finite", "weights are no longer finite", "output holds NaN")


class Score(NamedTuple):
    """What a task is measured by, in [0, 1], and a loss, which decides between equals."""

    value: float
    loss: float

    @property
    def order(self) -> tuple[float, float]:
        """Larger is better; NaN is worst."""
        worst = -float("inf")
        return (-1.0 if self.value != self.value else self.value), (worst if self.loss != self.loss else -self.loss)

    def columns(self) -> dict[str, float | None]:
        """For an epoch's row."""
        return dict(zip(HELD_OUT, self, strict=True))


FAILED = Score(float("nan"), float("nan"))


@dataclass(frozen=True)
class Choice:
    """A learning rate, and what each that was tried scored: none where there was one to take."""

    rate: float
    scores: dict[float, Score] = field(default_factory=dict)

    def details(self, metric: str) -> dict[str, Any]:
        """For the results file: ``{"lr", "selection": {rate: {metric, "loss"}}}``."""
        tried = {f"{rate:g}": {metric: score.value, "loss": score.loss} for rate, score in self.scores.items()}
        return {"lr": self.rate, **({"selection": tried} if tried else {})}


def check_settings(settings: Callable[[float, int], Any], rates: Sequence[float], seeds: Sequence[int]) -> None:
    """Refuse rates or seeds that are none or twice there, and ``settings(rate, seed)`` whose ``check`` refuses them.

    Raises:
        UserError: the first that cannot be.
    """
    for name, given in (("seeds", seeds), ("lr", rates)):
        if not given:
            raise UserError(f"--{name} is empty: give at least one number")
        if len(set(given)) < len(given):
            raise UserError(f"--{name} names a number twice: give each once")
    for rate in rates:
        for seed in seeds:
            settings(rate, seed).check()


def choose_rate(rates: Sequence[float], trial: Callable[[float], Path], fabric: Fabric, name: str) -> Choice:
    """The best of ``rates``.

    A rate whose loss does not stay finite is left out, with a warning.

    Args:
        rates: different ones.
        trial: trains with a rate and returns the folder of the run, whose rows have the columns ``HELD_OUT``.
        fabric: launched.
        name: what is trained, for the warning.

    Raises:
        UserError: what a trial raises, or no rate whose loss stays finite.
    """
    scores = {}
    for rate in rates:
        try:
            scores[rate] = last_score(trial(rate))
        except UserError as error:
            if fabric.world_size > 1 or not any(words in str(error) for words in NOT_FINITE):
                raise
            print(f"warning: --lr {rate:g} is too high for {name}: left out", file=sys.stderr)
            scores[rate] = FAILED
    best = max(rates, key=lambda rate: scores[rate].order)
    if scores[best].order == FAILED.order:
        given = ", ".join(f"{rate:g}" for rate in rates)
        raise UserError(f"no --lr of {given} gives {name} a finite loss: give lower ones")
    return Choice(best, scores)


def epochs_to_select(epochs: int, select_epochs: int) -> int:
    """Passes over the images when rates are tried: ``select_epochs``, or a third of ``epochs`` where that is 0."""
    return select_epochs or -(-epochs // 3)


def last_score(out: Path) -> Score:
    """How a finished run scored on the held-out images at its end.

    Raises:
        UserError: its metrics.csv does not say.
    """
    lines = (out / "metrics.csv").read_text(encoding="utf-8").splitlines()
    try:
        last = dict(zip(lines[0].split(","), lines[-1].split(","), strict=True))
        return Score(*(float(last[column]) for column in HELD_OUT))
    except (IndexError, KeyError, ValueError) as error:
        raise UserError(f"{out / 'metrics.csv'} is damaged: delete {out} to try that learning rate again") from error
