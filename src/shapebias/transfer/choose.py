"""The learning rate of a training, chosen on a part of its task's training images."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from shapebias.train.selection import Choice, choose_rate, epochs_to_select
from shapebias.transfer.task import Part, Task


def chosen(
    config: Any,
    fabric: Fabric,
    task: Task,
    folder: Path,
    rates: Sequence[float],
    *,
    name: str,
    train: Callable[[Any, Part, Part], object],
) -> tuple[float, dict[str, Any]]:
    """The best of ``rates``, and how it was chosen, for a figure's details; a single one is taken untried.

    Args:
        config: the settings of the training: ``epochs``, ``select_epochs`` and ``split_seed`` say how rates are tried.
        fabric: launched.
        task: its training images are divided; its test images have no say.
        folder: a trial lies in ``folder/select/lr-RATE``.
        rates: different ones.
        name: what is trained, for a warning.
        train: trains by the settings it is given on the first part, scored on the second after each epoch, unless that
            is done.

    Raises:
        UserError: too few images to divide, what ``train`` raises, or no rate whose loss stays finite.
    """
    if len(rates) == 1:
        return rates[0], Choice(rates[0]).details(task.metric)
    fit, held_out = task.held_out(config.split_seed)
    epochs = epochs_to_select(config.epochs, config.select_epochs)
    tried = replace(config, epochs=epochs, select_epochs=0, seed=config.split_seed)

    def trial(rate: float) -> Path:
        run = replace(tried, lr=rate, out=folder / "select" / f"lr-{rate:g}")
        train(run, fit, held_out)
        return run.out

    choice = choose_rate(rates, trial, fabric, name)
    return choice.rate, {**choice.details(task.metric), "split": {"fit": len(fit), "held_out": len(held_out)}}
