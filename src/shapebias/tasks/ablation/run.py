"""``ablation``: train every row with every seed, resuming an earlier call, and write the table."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightning_fabric import Fabric

from shapebias.data.folders import list_images
from shapebias.data.image_set import fingerprint
from shapebias.data.readers.voc import IMAGES
from shapebias.files import claim_folder, sha256, write_text
from shapebias.models.classifier import check_size
from shapebias.models.load import load_model
from shapebias.models.predict import Predictions
from shapebias.models.state_dict import combined_sha256
from shapebias.results.results import Results
from shapebias.results.store import ResultStore
from shapebias.results.table import print_warnings
from shapebias.tasks.ablation.config import AblationConfig
from shapebias.tasks.ablation.rows import ROWS, Row, find_rows, settings_of, stages_for
from shapebias.tasks.ablation.table import markdown, print_table
from shapebias.tasks.ablation.train import initial_model, train_row, weights_file
from shapebias.tasks.classification.outputs import logits_of_run
from shapebias.tasks.classification.results import differences, task_results
from shapebias.tasks.classification.task import Task, find_task
from shapebias.tasks.sweep import Measured, Sweep, check_settings, run_sweep
from shapebias.train.distributed import held, on_rank_zero, rank_zero_first, setup_fabric
from shapebias.train.log import FREE
from shapebias.train.settings import plain, update
from shapebias.train.views import BANK_FILE, Views, find_views

MARKER = "ablation.json"
SCHEMA = "shapebias/ablation/1"
TABLE_FILE = "table.md"
RATES = (0.05, 0.02, 0.005)
COUNTED = ("images_seen", "seconds", "initial_weights_sha256")  # of run.json, for a result's details


def ablate(
    config: AblationConfig,
    rows: Sequence[str] = tuple(ROWS),
    seeds: Sequence[int] = (0,),
    *,
    rates: Sequence[float] = RATES,
    equal_epochs: bool = False,
) -> list[Results]:
    """Train and evaluate ``rows`` with each of ``seeds`` in ``config.loop.out``, and write the table.

    Each row tries every learning rate on a part of the training images, and then trains on all of them with the best
    rate, once per seed; the choice uses no test images. Trials are in OUT/ROW/select/lr-X, runs in OUT/ROW/seed-N,
    results in OUT/ROW/results.json, paired differences in OUT/comparison.json, and the table of all rows so far in
    OUT/table.md. Finished work is not repeated.

    Args:
        config: settings common to all rows; ``row``, ``seed`` and ``lr`` are set for each run.
        rows: names of rows, as in ``ROWS``.
        seeds: random seeds of the runs of each row.
        rates: learning rates to choose from; a single one is used without a trial.
        equal_epochs: train rows with views for as many epochs as the baseline, with three times the images.

    Returns:
        The results of these rows, in the table's order.

    Raises:
        UserError: the settings, data, weights or folder cannot be used, or the loss is not finite.
    """
    wanted = find_rows(rows)
    most = max(row.views for row in wanted)
    check_settings(config, rates, seeds, views=most > 0)
    rates = sorted(rates, reverse=True)
    out, task = config.loop.out, find_voc12(config.data)
    if most:
        fewest = task.train if len(rates) == 1 else task.held_out(config.split_seed)[0]
        config.objective.check_images(config.loop, task.train.root, len(fewest))
    fabric = setup_fabric(config.loop)
    for note in task.notes:
        fabric.print(f"{task.name}: {note}", file=sys.stderr)
    stages = rank_zero_first(fabric, lambda: _checked_stages(config, wanted))
    views = rank_zero_first(fabric, lambda: find_views(config.views, fabric, out, task.train.root, most))
    with held(fabric, out):
        on_rank_zero(fabric, lambda: _claim(config, task, rates, equal_epochs))
        if (bank := views.bank) is not None:
            on_rank_zero(fabric, lambda: bank.save(out / BANK_FILE))
        results, measured = [], []
        for number, row in enumerate(wanted):
            fabric.print(f"row {row.name} ({number + 1} of {len(wanted)})", file=sys.stderr)
            settings = settings_of(config, row, stages, equal_epochs=equal_epochs)
            found = run_sweep(settings, fabric, row_training(settings, row, fabric, task, views), seeds, rates)
            _add_details(found, settings, row)
            measured.append(found)
            results.append(on_rank_zero(fabric, lambda s=settings, f=found: _write(s, f, task)))
        on_rank_zero(fabric, lambda: _compare(config, results, measured, task))
    return results


def find_voc12(data: Path) -> Task:
    """Return VOC2012 as a task, with training images named relative to JPEGImages, like their stylized copies."""
    found = find_task("voc12", data)
    root = found.train.root / IMAGES
    columns = {"name": tuple(path.relative_to(root).as_posix() for path in found.train.paths)}
    return replace(found, use="ablation", train=replace(found.train, root=root, columns=columns))


def row_training(settings: AblationConfig, row: Row, fabric: Fabric, task: Task, views: Views) -> Sweep[Predictions]:
    """Return the training of ``row`` for several learning rates and seeds."""

    def test(run: AblationConfig, _trained: Any) -> Predictions:
        return logits_of_run(load_model(str(run.loop.out)), task.test, run.loop, fabric)

    return Sweep(
        name=row.name,
        folder=settings.loop.out,
        metric=task.metric,
        images=task.train,
        divide=task.held_out,
        train=lambda run, fit, held_out: train_row(run, row, fabric, task, views, fit, held_out),
        test=test,
    )


def _checked_stages(config: AblationConfig, rows: Sequence[Row]) -> tuple[str, ...]:
    """Return the stages for the rows, after checking that the model gives latents for all of them."""
    stages = stages_for(initial_model(config).network, config.model, rows, config.objective.stages)
    check_size(initial_model(update(config, stages=stages)), latents=True)
    return stages


def _claim(config: AblationConfig, task: Task, rates: Sequence[float], equal_epochs: bool) -> None:
    """Claim the folder for these settings; only rows and seeds may be added later."""
    out = config.loop.out
    settings = {name: value for name, value in plain(config).items() if name not in (*FREE, "row", "seed", "lr")}
    data = {"train": task.train.fingerprint, "val": task.test.fingerprint}
    made_from = {name: _digest(getattr(config.views, name)) for name in ("styles", "stylized")}
    if config.init not in ("none", "pretrained"):
        made_from["init"] = sha256(weights_file(config.init))
    identity = {"schema": SCHEMA, **settings, "lr": list(rates), "equal_epochs": equal_epochs, **data, **made_from}
    claim_folder(out, identity, marker=MARKER, describe=lambda _: "ablation")


def _digest(place: Path | None) -> str | None:
    """Return the hash of a folder of images or of a file, or None for None."""
    if place is None:
        return None
    return fingerprint(place, list_images(place)) if place.is_dir() else sha256(place)


def _add_details(measured: Measured[Predictions], config: AblationConfig, row: Row) -> None:
    """Add the description, settings and training cost of a row to its details."""
    measured.details.update(
        row={"says": row.description, "views": row.views, "stages": list(config.objective.stages)},
        lambda_m=config.objective.lambda_m,
        lambda_s=config.objective.lambda_s,
        epochs=config.loop.epochs,
        **{name: [run.get(name) for run in measured.runs.values()] for name in COUNTED},
    )


def _write(config: AblationConfig, measured: Measured[Predictions], task: Task) -> Results:
    """Write the three kinds of mean AP of one row, with a combined hash of the weights of all its seeds."""
    folder, (first, *_), runs = config.loop.out, measured.runs, list(measured.runs.values())
    model = {
        **load_model(str(folder / f"seed-{first}")).describe(),
        "name": measured.name,
        "spec": str(folder),
        "weights_sha256": combined_sha256([run["weights_sha256"] for run in runs]),
    }
    environment = {**runs[0]["environment"], "seeds": list(measured.runs)}
    results = Results(model, environment, task_results(task, None, measured, seed=config.split_seed))
    ResultStore(folder.parent).replace(
        results
    )  # the folder of a row has one set of settings, so nothing else can be in the file
    print_warnings(results.results)
    return results


def _compare(
    config: AblationConfig, results: Sequence[Results], measured: Sequence[Measured[Predictions]], task: Task
) -> None:
    """Write the differences and the table, including rows from earlier calls."""
    out = config.loop.out
    store = ResultStore(out)
    store.compare(differences(task, None, measured, seed=config.split_seed), results)
    now = {result.model["name"]: result for result in results}
    there = [now.get(name) or store.read(name) for name in ROWS]
    every = [result for result in there if result is not None]
    paired = store.comparison().differences
    write_text(out / TABLE_FILE, markdown(every, paired, config))
    print_table(every, paired)
