"""Choosing a learning rate: each is tried on a part of the training images and scored on the rest of them."""

from __future__ import annotations

import sys
from collections.abc import Callable, Sequence, Sized
from pathlib import Path
from typing import Any, NamedTuple, TypeVar

from lightning_fabric import Fabric

from shapebias.errors import NotFinite, UserError
from shapebias.train.config import update

SplitT = TypeVar("SplitT", bound=Sized)  # images of a task
HELD_OUT = ("held_out", "held_out_loss")  # the columns of metrics.csv that a trial is scored by
SHARE = 0.2  # of the training images that are held out


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


def check_settings(check: Callable[[float, int], None], rates: Sequence[float], seeds: Sequence[int]) -> None:
    """Refuse rates or seeds that are none or twice there, and those that ``check(rate, seed)`` refuses.

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
            check(rate, seed)


def select_lr(
    config: Any,
    fabric: Fabric,
    rates: Sequence[float],
    divided: Callable[[int], tuple[SplitT, SplitT]],
    train: Callable[[Any, SplitT, SplitT], object],
    *,
    folder: Path,
    name: str,
    metric: str,
) -> tuple[float, dict[str, Any]]:
    """The best of ``rates``, and how it was chosen, for a figure's details; a single one is taken untried.

    A rate whose loss does not stay finite is left out, with a warning; on several devices it is an error.

    Args:
        config: the settings of the training: ``epochs``, ``select_epochs`` and ``split_seed`` say how rates are tried.
        fabric: launched.
        rates: different ones.
        divided: the training images in two by a seed: those to fit with, and those that are held out.
        train: trains by the settings it is given on the first part, scored on the second after each epoch in the
            columns ``HELD_OUT``, unless that is done.
        folder: a trial lies in ``folder/select/lr-RATE``.
        name: what is trained, for a warning.
        metric: what scores are called in the details.

    Returns:
        The rate, and ``{"lr", "selection": {rate: {metric, "loss"}}, "split": {"fit", "held_out"}}``, the last two
        where there was a choice.

    Raises:
        UserError: what ``divided`` and ``train`` raise, or no rate whose loss stays finite.
    """
    if len(rates) == 1:
        return rates[0], {"lr": rates[0]}
    fit, held_out = divided(config.split_seed)
    epochs = config.select_epochs or -(-config.loop.epochs // 3)
    scores = {}
    for rate in rates:
        place = folder / "select" / f"lr-{rate:.12g}"
        run = update(config, lr=rate, epochs=epochs, select_epochs=0, seed=config.split_seed, out=place)
        try:
            train(run, fit, held_out)
            scores[rate] = last_score(place)
        except NotFinite as error:
            if fabric.world_size > 1:  # the other ranks have ended
                raise UserError(f"--lr {rate:g} is too high for {name} ({error}): leave it out of --lr") from error
            print(f"warning: --lr {rate:g} is too high for {name}: left out", file=sys.stderr)
            scores[rate] = FAILED
    best = max(rates, key=lambda rate: scores[rate].order)
    if scores[best].order == FAILED.order:
        given = ", ".join(f"{rate:g}" for rate in rates)
        raise UserError(f"no --lr of {given} gives {name} a finite loss: give lower ones")
    tried = {f"{rate:g}": {metric: score.value, "loss": score.loss} for rate, score in scores.items()}
    return best, {"lr": best, "selection": tried, "split": {"fit": len(fit), "held_out": len(held_out)}}


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
