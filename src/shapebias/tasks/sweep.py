"""Choose the learning rate on held-out training images and repeat the training over seeds, for every task.

Each rate is tried on a part of the training images and scored on the rest. The best rate is then used to train on all
of them, once per seed. The choice uses no test images.
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from pathlib import Path
from typing import Any, Generic, NamedTuple, TypeVar

import numpy as np
from lightning_fabric import Fabric

from shapebias.data.image_set import ImageSet
from shapebias.environment import environment
from shapebias.errors import NotFinite, UserError
from shapebias.results.comparison import Difference
from shapebias.results.results import Result, Results
from shapebias.results.runs import Run
from shapebias.results.store import ResultStore
from shapebias.results.table import print_warnings
from shapebias.stats.intervals import Interval, p_value
from shapebias.stats.seeds import seed_difference, seed_interval
from shapebias.train.distributed import on_rank_zero
from shapebias.train.settings import update

OutputsT = TypeVar("OutputsT")  # a model's outputs on the test images
HELD_OUT = ("held_out", "held_out_loss")  # the columns of metrics.csv with the score of a trial
SHARE = 0.2  # fraction of the training images that is held out


class Score(NamedTuple):
    """The metric of a task, in [0, 1], and a loss that breaks ties."""

    value: float
    loss: float

    @property
    def order(self) -> tuple[float, float]:
        """Sort key: larger is better, NaN is worst."""
        worst = -float("inf")
        return (-1.0 if self.value != self.value else self.value), (worst if self.loss != self.loss else -self.loss)

    def columns(self) -> dict[str, float | None]:
        """Return the score as columns of an epoch's row."""
        return dict(zip(HELD_OUT, self, strict=True))


FAILED = Score(float("nan"), float("nan"))


def check_settings(config: Any, rates: Sequence[float], seeds: Sequence[int], **options: Any) -> None:
    """Refuse missing or repeated rates and seeds, and settings out of range, before anything is loaded.

    Args:
        config: the settings; its ``check(**options)`` is called for each rate and seed.
        rates: learning rates to choose from.
        seeds: random seeds of the trainings.
        options: arguments of ``config.check``.

    Raises:
        UserError: the first invalid setting.
    """
    for name, given in (("seeds", seeds), ("lr", rates)):
        if not given:
            raise UserError(f"--{name} is empty: give at least one number")
        if len(set(given)) < len(given):
            raise UserError(f"--{name} names a number twice: give each once")
    for rate in rates:
        for seed in seeds:
            update(config, lr=rate, seed=seed).check(**options)
        if rate <= 0:
            raise UserError(f"--lr must be above 0, not {rate:g}")


@dataclass(frozen=True, eq=False)
class Sweep(Generic[OutputsT]):
    """A training to repeat with several learning rates and seeds.

    Args:
        name: name of the model or row to train.
        folder: folder of the trials (``folder/select/lr-RATE``) and runs (``folder/seed-N``).
        metric: name of the score in the details.
        images: all training images.
        divide: splits the training images with a seed into those to fit and those held out.
        train: takes settings, training images and held-out images or None; trains unless the run is finished, and
            writes the scores on held-out images after each epoch to the columns ``HELD_OUT``.
        test: takes settings and the return value of ``train``, and returns the outputs on the test images.
    """

    name: str
    folder: Path
    metric: str
    images: ImageSet
    divide: Callable[[int], tuple[ImageSet, ImageSet]]
    train: Callable[[Any, ImageSet, ImageSet | None], Any]
    test: Callable[[Any, Any], OutputsT]


@dataclass(frozen=True, eq=False)
class Measured(Generic[OutputsT]):
    """The outputs of a model on the test images and its run.json by seed; the seed is None if nothing is random."""

    name: str
    outputs: Mapping[int | None, OutputsT]
    details: dict[str, Any]
    runs: Mapping[int, dict[str, Any]] = field(default_factory=dict[int, dict[str, Any]])


def run_sweep(
    config: Any, fabric: Fabric, sweep: Sweep[OutputsT], seeds: Sequence[int], rates: Sequence[float]
) -> Measured[OutputsT]:
    """Choose the learning rate, train with it once per seed, and test every run; finished work is not repeated.

    Raises:
        UserError: a function of the sweep raised it, or the loss stays finite with none of the rates.
    """
    rate, details = select_lr(config, fabric, sweep, rates)
    outputs: dict[int | None, OutputsT] = {}
    runs: dict[int, dict[str, Any]] = {}
    for seed in seeds:
        run = update(config, select_epochs=0, lr=rate, seed=seed, out=sweep.folder / f"seed-{seed}")
        outputs[seed] = sweep.test(run, sweep.train(run, sweep.images, None))
        runs[seed] = Run.load(run.loop.out).finished()
    return Measured(sweep.name, outputs, details, runs)


def select_lr(config: Any, fabric: Fabric, sweep: Sweep[Any], rates: Sequence[float]) -> tuple[float, dict[str, Any]]:
    """Return the best of ``rates`` and how it was chosen, for a result's details; a single one is not tried.

    A rate whose loss does not stay finite is skipped, with a warning; on several devices it is an error.

    Returns:
        The rate, and ``{"lr", "selection": {rate: {metric, "loss"}}, "split": {"fit", "held_out"}}``, the last two
        only if there was a choice.

    Raises:
        UserError: ``sweep.divide`` or ``sweep.train`` raised it, or the loss stays finite with none of the rates.
    """
    if len(rates) == 1:
        return rates[0], {"lr": rates[0]}
    fit, held_out = sweep.divide(config.split_seed)
    epochs = config.select_epochs or -(-config.loop.epochs // 3)
    scores = {}
    for rate in rates:
        place = sweep.folder / "select" / f"lr-{rate:.12g}"
        run = update(config, lr=rate, epochs=epochs, select_epochs=0, seed=config.split_seed, out=place)
        try:
            sweep.train(run, fit, held_out)
            scores[rate] = last_score(place)
        except NotFinite as error:
            too_high = f"--lr {rate:g} is too high for {sweep.name}"
            if fabric.world_size > 1:  # the other ranks have ended
                raise UserError(f"{too_high} ({error}): remove it from --lr") from error
            print(f"warning: {too_high}: skipped", file=sys.stderr)
            scores[rate] = FAILED
    best = max(rates, key=lambda rate: scores[rate].order)
    if scores[best].order == FAILED.order:
        given = ", ".join(f"{rate:g}" for rate in rates)
        raise UserError(f"the loss of {sweep.name} is not finite with any --lr of {given}: give lower ones")
    tried = {f"{rate:g}": {sweep.metric: score.value, "loss": score.loss} for rate, score in scores.items()}
    return best, {"lr": best, "selection": tried, "split": {"fit": len(fit), "held_out": len(held_out)}}


def held_out_input(held_out: ImageSet | None) -> dict[str, str]:
    """Return the hash of the held-out images, for a run's inputs."""
    return {} if held_out is None else {"held_out": held_out.fingerprint}


def draw(count: int, wanted: int, rng: np.random.Generator) -> list[int]:
    """Draw ``wanted`` of the numbers below ``count`` with ``rng``, sorted; all of them if there are not more."""
    if wanted >= count:
        return list(range(count))
    return sorted(int(i) for i in rng.choice(count, wanted, replace=False))


def last_score(out: Path) -> Score:
    """Return the score of a finished run on the held-out images after its last epoch.

    Raises:
        UserError: there is no metrics.csv, or it does not contain one.
    """
    try:
        lines = (out / "metrics.csv").read_text(encoding="utf-8").splitlines()
        last = dict(zip(lines[0].split(","), lines[-1].split(","), strict=True))
        return Score(*(float(last[column]) for column in HELD_OUT))
    except (OSError, IndexError, KeyError, ValueError) as error:
        raise UserError(
            f"{out / 'metrics.csv'} is missing or damaged: delete {out} to try that learning rate again"
        ) from error


def mean_result(
    evaluator: str,
    metric: str,
    each: Sequence[dict[str, Any]],
    over_images: Interval | None,
    by: str,
    **fields: Any,
) -> Result:
    """Return the mean over seeds with its interval: over seeds and images, or over images if there is one seed.

    Args:
        evaluator: name of the evaluator.
        metric: name of the metric.
        each: a row per seed, with its ``seed`` (None if nothing is random), ``value`` and ``ci95`` over images.
        over_images: the interval of the mean over images, the same ones resampled for all seeds.
        by: description of the intervals over images.
        fields: further fields of the result; the rows and the kind of interval are added to ``details``.
    """
    values = [row["value"] for row in each]
    interval, kind = seed_interval(values, over_images, by)
    seeds = {"seeds": list(each)} if each[0]["seed"] is not None else {}
    details = {"interval": kind, **seeds, **fields.pop("details")}
    return Result(evaluator, metric, float(np.mean(values)), ci95=interval, details=details, **fields)


class Compared(NamedTuple):
    """Two models on the images they share: a value per seed of each, and the interval of the difference over images."""

    a: Sequence[float]
    b: Sequence[float]
    over_images: Interval | None
    images: int


def paired_rows(
    evaluator: str,
    metric: str,
    condition: dict[str, Any],
    models: Mapping[str, OutputsT],
    compare: Callable[[OutputsT, OutputsT], Compared | None],
) -> list[Difference]:
    """Return the rows of a comparison: the difference of the means over seeds for each pair of ``models``.

    Its interval is over seeds and images if both have two seeds or more, else over images alone. Pairs that
    ``compare`` returns None for have no row.
    """
    rows = []
    for (a, one), (b, other) in combinations(models.items(), 2):
        found = compare(one, other)
        if found is None:
            continue
        value = float(np.mean(found.a) - np.mean(found.b))
        interval, freedom, over = seed_difference(found.a, found.b, found.over_images)
        p = p_value(value, interval, freedom)
        rows.append(Difference(evaluator, metric, a, b, value, interval, found.images, condition, p=p, over=over))
    return rows


def write_results(config: Any, fabric: Fabric, model: dict[str, Any], results: Sequence[Result]) -> Results:
    """Add ``results`` to the results file of the described ``model``, on rank zero; other results stay there."""
    made = {**environment(str(fabric.device)), "seed": config.split_seed}

    def write() -> Results:
        written = ResultStore(config.loop.out).merge(model, made, results)
        print_warnings(results)
        return written

    return on_rank_zero(fabric, write)
