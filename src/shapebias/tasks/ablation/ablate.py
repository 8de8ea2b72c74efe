"""``ablation``: every row with every seed, from where an earlier call stopped, and the table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from shapebias.data.image_set import ImageSet, fingerprint, list_images
from shapebias.data.readers.voc import IMAGES
from shapebias.device import choose_device
from shapebias.errors import UserError
from shapebias.files import claim_folder, locked, sha256, write_text
from shapebias.results.results import COMPARISON_FILE, Results, read_comparison, write_comparison
from shapebias.results.warnings import print_warnings
from shapebias.tasks.ablation.config import AblationConfig, training
from shapebias.tasks.ablation.measure import measured_of, results_of
from shapebias.tasks.ablation.rows import ROWS, Row, find_rows, run_of, settings_of, stages_for
from shapebias.tasks.ablation.run import Trained, run_row, train_row
from shapebias.tasks.ablation.start import starting_network, weights_file
from shapebias.tasks.ablation.table import markdown, print_table
from shapebias.tasks.classification.figures import Measured, differences
from shapebias.tasks.classification.finetune import try_size
from shapebias.tasks.classification.task import Task
from shapebias.tasks.classification.tasks import find_task
from shapebias.tasks.sweep import check_settings, select_lr
from shapebias.train.config import LEAST_TO_CORRELATE, plain, update
from shapebias.train.distributed import on_rank_zero, rank_zero_first
from shapebias.train.log import FREE
from shapebias.train.session import setup_fabric
from shapebias.train.views import BANK_FILE, Views, find_views

MARKER = "ablation.json"
SCHEMA = "shapebias/ablation/1"
TABLE_FILE = "table.md"
RATES = (0.05, 0.02, 0.005)


def ablate(
    config: AblationConfig,
    rows: Sequence[str] = tuple(ROWS),
    seeds: Sequence[int] = (0,),
    *,
    rates: Sequence[float] = RATES,
    equal_epochs: bool = False,
) -> list[Results]:
    """Train and measure ``rows`` with each of ``seeds`` below ``config.loop.out``, and write the table.

    Each row tries every learning rate on a part of the training images, and with its best trains on all of them, once
    per seed; no test image has a say in it. Trials lie in OUT/ROW/select/lr-X, runs in OUT/ROW/seed-N, figures in
    OUT/ROW/results.json, paired differences in OUT/comparison.json, the table of all rows that are there in
    OUT/table.md. What is finished is not done again.

    Args:
        config: what all rows share; ``row``, ``seed`` and ``lr`` are set here.
        rows: names of ``ROWS``.
        seeds: of the runs of each row.
        rates: learning rates to choose from; a single one is taken as it is.
        equal_epochs: give rows with views as many epochs as the baseline, thrice the images.

    Returns:
        The figures of these rows, in the table's order.

    Raises:
        UserError: settings, data, weights or folder that cannot be used, or a loss that is not finite.
    """
    wanted = find_rows(rows)
    views = max(row.views for row in wanted)
    check_settings(lambda rate, seed: update(config, lr=rate, seed=seed).check(views=views > 0), rates, seeds)
    rates = sorted(rates, reverse=True)
    device = choose_device(None if config.loop.device == "auto" else config.loop.device)
    task = find_voc12(config.data)
    fewest = task.train if len(rates) == 1 else task.held_out(config.split_seed)[0]
    part = min(config.loop.batch_size, len(fewest)) // config.loop.grad_accum_steps
    if views and part < LEAST_TO_CORRELATE and config.axis == "batch":
        raise UserError(
            f"{task.train.root} has {len(fewest)} images to train with, {part} to correlate over: give more, "
            "or --axis channel"
        )
    fabric = setup_fabric(config.loop, device)
    for note in task.notes:
        fabric.print(f"{task.name}: {note}", file=sys.stderr)
    stages = rank_zero_first(fabric, lambda: _checked_stages(config, wanted))
    found = rank_zero_first(fabric, lambda: find_views(training(config), fabric, task.train.root, views))
    with ExitStack() as lock:
        on_rank_zero(fabric, lambda: _claim(lock, config, task, rates, equal_epochs))
        if (bank := found.bank) is not None:
            on_rank_zero(fabric, lambda: bank.save(config.loop.out / BANK_FILE))
        results, measured = [], []
        for number, row in enumerate(wanted):
            fabric.print(f"row {row.name} ({number + 1} of {len(wanted)})", file=sys.stderr)
            settings = settings_of(config, row, stages, equal_epochs=equal_epochs)
            runs, details = _trained(settings, row, fabric, task, found, rates, seeds)
            measured.append(measured_of(row, runs, details))
            results.append(results_of(measured[-1], runs, task))
            on_rank_zero(fabric, partial(_save, results[-1], settings.loop.out / "results.json"))
        on_rank_zero(fabric, lambda: _compare(config, results, measured, task))
    return results


def find_voc12(data: Path) -> Task:
    """VOC2012 as a task; the training images are named as below JPEGImages, as their stylized copies are."""
    found = find_task("voc12", data)
    return replace(found, use="ablation", train=replace(found.train, root=found.train.root / IMAGES))


def _trained(
    settings: AblationConfig,
    row: Row,
    fabric: Fabric,
    task: Task,
    found: Views,
    rates: Sequence[float],
    seeds: Sequence[int],
) -> tuple[list[Trained], dict[str, Any]]:
    """A row's runs with the best of ``rates``, and how that was chosen."""

    def trial(run: AblationConfig, fit: ImageSet, held_out: ImageSet) -> None:
        train_row(run, row, fabric, task, found, train=fit, held_out=held_out)

    told = {"folder": settings.loop.out, "name": row.name, "metric": task.metric}
    rate, details = select_lr(settings, fabric, rates, task.held_out, trial, **told)
    return [run_row(run_of(settings, rate, seed), row, fabric, task, found) for seed in seeds], details


def _checked_stages(config: AblationConfig, rows: Sequence[Row]) -> tuple[str, ...]:
    """The stages that the rows choose from, after a pass through the network with all of them."""
    stages = stages_for(starting_network(config).network, config.model, rows, config.stages)
    try_size(starting_network(replace(config, stages=stages)), latents=True)
    return stages


def _claim(lock: ExitStack, config: AblationConfig, task: Task, rates: Sequence[float], equal_epochs: bool) -> None:
    """Hold the folder for these settings: rows and seeds may be added later, all else is as it was."""
    lock.enter_context(locked(config.loop.out))
    settings = {name: value for name, value in plain(config).items() if name not in (*FREE, "row", "seed", "lr")}
    data = {"train": task.train.fingerprint, "val": task.test.fingerprint}
    made_from = {name: _digest(getattr(config, name)) for name in ("styles", "stylized")}
    if config.init not in ("none", "pretrained"):
        made_from["init"] = sha256(weights_file(config.init))
    identity = {"schema": SCHEMA, **settings, "lr": list(rates), "equal_epochs": equal_epochs, **data, **made_from}
    claim_folder(config.loop.out, identity, marker=MARKER, describe=lambda _: "ablation")


def _digest(place: Path | None) -> str | None:
    """What lies in a folder of images, or a file, by a hash; None for none."""
    if place is None:
        return None
    return fingerprint(place, list_images(place)) if place.is_dir() else sha256(place)


def _save(results: Results, path: Path) -> None:
    results.save(path)
    print_warnings(results.results)


def _compare(config: AblationConfig, results: Sequence[Results], measured: Sequence[Measured], task: Task) -> None:
    """Write the differences and the table, other rows that are there already among them."""
    path = config.loop.out / COMPARISON_FILE
    write_comparison(path, differences(task, None, measured, seed=config.split_seed), results)
    now = {result.model["name"]: result for result in results}
    there = [now.get(name) or _earlier(config.loop.out / name / "results.json") for name in ROWS]
    every = [result for result in there if result is not None]
    paired = read_comparison(path)["paired"]
    write_text(config.loop.out / TABLE_FILE, markdown(every, paired, config))
    print_table(every, paired)


def _earlier(path: Path) -> Results | None:
    return Results.load(path) if path.is_file() else None
