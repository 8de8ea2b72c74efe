"""The study: every arm in every arena over several seeds, each cell computed once.

    python experiments/study runs/study --arena shapes16 [--data DIR] [--arms in mmsi-sin-in ... | every]
        [--seeds dev | fresh | 0 1 2] [--published] [--quick] [--record]

A cell is one arm with one seed: it is trained, measured and kept in OUT by the hash of its settings, the code's
version and the kind of processor, so that the command resumes where it was killed. Start it twice, on one thread each
(OMP_NUM_THREADS=1), and the two divide the cells among them. --record adds the cells to those of
experiments/study/ARENA.json, or puts them in their place; the pages are drawn from it. --published asks for the arms
and seeds that are there.
"""

from __future__ import annotations

import argparse
import csv
import json
import shutil
import sys
import time
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

from arena import SOURCE, Arena
from arms import ALL, ARMS, MAIN, Arm
from cells import Cell, Place, cell_path, code_version, compute, kept, key, processor
from finetuned import make_arena as finetuned
from imagenette import make_arena as imagenette
from shapes16 import make_arena as shapes16
from training import OVER_TIME, reestimated, train_arm

from shapebias.allocator import keep_freed_memory
from shapebias.demo import FULL, QUICK
from shapebias.environment import environment
from shapebias.errors import UserError
from shapebias.files import read_json, write_text
from shapebias.train.settings import plain, update

LOGGED = ("rho", "spread", "mmsi", "train_top1", "train_stylized_top1", "val_top1")
OWN = Path(__file__).parent
PLACES = ("out", "data", "stylized", "init", "seed")  # settings that differ from machine to machine, and the seed


def run_cell(arena: Arena, name: str, arm: Arm, seed: int, out: Path, place: Place) -> Cell:
    """Train and measure one arm with one seed; its run is removed afterwards."""
    began, folder = time.monotonic(), out / str(seed)
    arena.prepare(folder, seed)
    run = folder / "runs" / f"{name}-{key(arm, seed, place)}"  # of these settings and this code alone
    config = update(arena.recipe(arm.scheme or "in", folder, seed), out=run)
    ours = arm.views == "styles"
    config = update(config, **arm.settings, stylized=config.views.stylized if ours else None)
    if arm.alpha != 1.0:
        if arena.restyle is None:
            raise UserError(f"the arena {arena.name} has no views of another alpha than 1: leave out {name}")
        config = update(config, stylized=arena.restyle(folder, seed, arm.alpha))
    trained_run = run
    if name == "in":
        shutil.copytree(folder / SOURCE, run, dirs_exist_ok=True)  # the same training
    else:
        train_arm(arm, config)
    trained = time.monotonic() - began
    if arm.reestimate:
        run = reestimated(run, config.data, folder / "runs" / f"{run.name}-network")
    cell = arena.measure(run, folder, seed)
    if arm.over_time:
        moments = [*sorted((run / OVER_TIME).iterdir()), run]
        cell["over_time"] = [arena.measure_briefly(moment, folder, seed) for moment in moments]
    about = {"arm": name, "seed": seed, "arena": arena.name, "settings": _changed(arm, config, place)}
    made = {key: value for key, value in environment("cpu").items() if key not in ("command", "platform")}
    seconds = {"train": round(trained), "all": round(time.monotonic() - began)}
    log = _log(trained_run / "metrics.csv")
    for path in {trained_run, run}:
        shutil.rmtree(path)
        shutil.rmtree(folder / "results" / path.name, ignore_errors=True)
    return about | cell | {"epochs": log, "seconds": seconds, "made": made}


def _changed(arm: Arm, config: Any, place: Place) -> dict[str, Any]:
    settings = {key: value for key, value in plain(config).items() if key not in PLACES}
    about = {"arena": place.settings, "code": place.code, "processor": place.processor}
    return {"arm": asdict(arm), "train": settings, **about}


def _log(path: Path) -> list[dict[str, float]]:
    """Return what the run logged of each epoch, as far as the study draws it."""
    if not path.is_file():
        return []
    with path.open(newline="", encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    return [{name: round(float(row[name]), 4) for name in LOGGED if row.get(name)} for row in rows]


def run(arena: Arena, todo: Sequence[tuple[int, str]], out: Path, *, any_code: bool = False) -> int:
    """Compute those cells, by seed and arm, that are missing; return how many are still at work elsewhere.

    With ``any_code`` a cell that other code, other settings of the arena or another processor made is not computed
    again.
    """
    place = Place(arena.name, arena.settings, code_version(), processor())
    elsewhere, made = 0, {path.stem.rpartition("-")[0] for path in (out / "cells").glob("*.json")}
    for number, (seed, name) in enumerate(todo, 1):
        arm = ALL[name]
        path = cell_path(out, name, arm, seed, place)
        if any_code and f"{name}-{seed}" in made:
            continue
        known = path.is_file()
        cell = compute(path, lambda a=arm, n=name, s=seed: run_cell(arena, n, a, s, out, place))
        elsewhere += cell is None
        if cell is not None and not known:
            found = cell["measures"]
            shown = ("top-1", "shape", "texture", "stylized", "silhouettes", "shape neurons")
            text = "  ".join(f"{key} {100 * found[key]['value']:.1f}" for key in shown if key in found)
            spent = cell["seconds"]["all"]
            print(f"{number}/{len(todo)}  seed {seed}  {name}: {text}  ({spent} s)", file=sys.stderr, flush=True)
    return elsewhere


def record(arena: Arena, out: Path) -> Path:
    """Write the cells in ``out`` to the arena's record, beside those that it has of other arms and seeds."""
    path = OWN / f"{arena.name}.json"
    before: dict[str, Any] = read_json(path) if path.is_file() else {"cells": [], "images": None}
    by_name = {(cell["arm"], cell["seed"]): cell for cell in (*before["cells"], *kept(out, list(ALL)))}
    cells = [cell for (name, _), cell in by_name.items() if name in ALL]
    cells.sort(key=lambda cell: (list(ALL).index(cell["arm"]), cell["seed"]))
    lines = ",\n".join(json.dumps(cell, allow_nan=False, separators=(",", ":")) for cell in cells)
    images = arena.images and (before["images"] or {}) | arena.images(out)
    seeds = {"dev": arena.dev, "fresh": arena.fresh}
    about = {"arena": arena.name, "title": arena.title, "seeds": seeds, "settings": arena.settings, "images": images}
    head = json.dumps(about)
    write_text(path, f'{head[:-1]}, "cells": [\n{lines}\n]}}\n')
    return path


def published(arena: Arena) -> list[tuple[int, str]]:
    """Return the seed and the arm of every cell of the arena's record, a seed at a time."""
    cells = read_json(OWN / f"{arena.name}.json")["cells"]
    return sorted(((cell["seed"], cell["arm"]) for cell in cells), key=lambda one: one[0])


def _arena(parser: argparse.ArgumentParser, given: argparse.Namespace) -> Arena:
    if given.arena == "shapes16":
        return shapes16(QUICK if given.quick else FULL)
    needed = ("data",) if given.arena == "imagenette" else ("data", "weights", "pacs", "voc")
    if missing := [f"--{name}" for name in needed if getattr(given, name) is None]:
        parser.error(f"--arena {given.arena} needs {', '.join(missing)}")
    places = [getattr(given, name) for name in needed]
    return imagenette(*places) if given.arena == "imagenette" else finetuned(*places)


def main() -> None:
    parser = argparse.ArgumentParser(
        prog="python experiments/study", description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("out", type=Path, help="folder that keeps the cells")
    parser.add_argument("--arena", choices=["shapes16", "imagenette", "finetuned"], default="shapes16")
    parser.add_argument("--data", type=Path, help="folder of Imagenette, with train/ and val/")
    parser.add_argument("--weights", type=Path, help="EfficientNet-Lite0's weights, for finetuned")
    parser.add_argument("--pacs", type=Path, help="folder with PACS' photo/ and sketch/, for finetuned")
    parser.add_argument("--voc", type=Path, help="VOCdevkit, for finetuned")
    parser.add_argument(
        "--arms",
        nargs="+",
        choices=["every", *ALL],
        default=list(MAIN),
        metavar="ARM",
        help="of arms.py, or every (default: those of the first tables)",
    )
    parser.add_argument("--seeds", nargs="+", default=["dev"], help="dev, fresh, or numbers (default: dev)")
    parser.add_argument("--published", action="store_true", help="the arms and seeds of the published record")
    parser.add_argument("--quick", action="store_true", help="run every step, too briefly to learn anything")
    parser.add_argument("--any-code", action="store_true", help="keep cells of other code, settings or processors")
    parser.add_argument("--record", action="store_true", help="collect the cells when all are done")
    parser.add_argument("--only-record", action="store_true", help="collect the cells that are there, train nothing")
    given = parser.parse_args()
    if given.quick and (given.record or given.published):
        parser.error("--quick has no published record: leave out --record and --published")
    keep_freed_memory()
    arena = _arena(parser, given)
    if given.seeds not in (["dev"], ["fresh"]) and not all(seed.isdecimal() for seed in given.seeds):
        parser.error(f"--seeds takes dev, fresh, or numbers, not {' '.join(given.seeds)}")
    seeds = {"dev": arena.dev, "fresh": arena.fresh}.get(given.seeds[0]) or [int(seed) for seed in given.seeds]
    folder = given.out / (arena.name + ("-quick" if given.quick else ""))
    names = list(ARMS) if "every" in given.arms else given.arms
    todo = published(arena) if given.published else [(seed, name) for seed in seeds for name in names]
    if not given.only_record and (elsewhere := run(arena, todo, folder, any_code=given.any_code)):
        print(f"{elsewhere} cells are at work in another process", file=sys.stderr)
    if given.record or given.only_record:
        print(f"wrote {record(arena, folder)}")


if __name__ == "__main__":
    main()
