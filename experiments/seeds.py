"""Repeat the demonstration over several random seeds, with the controls that the paper's claim needs.

    python experiments/seeds.py runs/seeds [--seeds 0 1 2] [--models in mmsi-sin-in ...] [--write] [--quick]

For each seed, draw and stylize the data, train the models at one budget of images, and evaluate them. Killed and called
again, it resumes. OUT/seeds.json holds every result with its interval over images; the tables of README.md and
docs/training.md are printed from it as markdown. With --write they replace the text between their markers on these
pages, and the record is copied to experiments/seeds.json. --quick runs every step, too briefly to learn anything.
"""

from __future__ import annotations

import argparse
import math
import subprocess
import time
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from shapebias.demo import FULL, QUICK, DemoSize, measure, prepare, recipe
from shapebias.environment import environment
from shapebias.files import read_json, write_json
from shapebias.results.results import Results, without_nan
from shapebias.stats.intervals import t_quantile
from shapebias.train.run import train
from shapebias.train.settings import update

ROOT = Path(__file__).resolve().parent.parent
PAGES = (ROOT / "README.md", ROOT / "docs" / "training.md")
RECORD = Path(__file__).with_suffix(".json")


@dataclass(frozen=True)
class Variant:
    """A scheme with changed settings, and what the tables call it."""

    scheme: str
    title: str
    changes: dict[str, Any] = field(default_factory=dict)


MODELS = {
    "in": Variant("in", "`in`: natural images only"),
    "shapenet-sin-in": Variant("shapenet-sin-in", "`shapenet-sin-in`: natural images and one stylized view"),
    "mmsi-sin-in": Variant("mmsi-sin-in", "`mmsi-sin-in`: natural images, two stylized views, MMSI term"),
    "control": Variant("mmsi-sin-in", "its control: `mmsi-sin-in` with `--lambda-m 0`", {"lambda_m": 0.0}),
    "separate": Variant("mmsi-sin-in", "`mmsi-sin-in`, `--batchnorm separate`", {"batchnorm": "separate"}),
    "separate-control": Variant(
        "mmsi-sin-in", "its control, `--lambda-m 0`", {"batchnorm": "separate", "lambda_m": 0.0}
    ),
    "channel-axis": Variant("mmsi-sin-in", "`mmsi-sin-in`, `--axis channel`", {"axis": "channel"}),
}
DEFAULT = ("in", "shapenet-sin-in", "mmsi-sin-in", "control", "separate", "separate-control")
DECISIONS = {
    "by shape": ("shape-bias", "shape_decisions"),
    "by texture": ("shape-bias", "texture_decisions"),
    "by neither": ("shape-bias", "neither_decisions"),
    "shape bias": ("shape-bias", "shape_bias"),
}
OTHERS = {
    "top-1": ("accuracy", "top1"),
    "stylized top-1": ("stylized", "top1"),
    "shape neurons": ("dimensionality", "shape_neurons"),
    "texture neurons": ("dimensionality", "texture_neurons"),
}

Row = dict[str, Any]  # "model", "seed", and by the name of each metric its "value", "ci95" and "n"


def run(out: Path, seeds: Sequence[int], models: Sequence[str], size: DemoSize) -> dict[str, Any]:
    """Train and evaluate what OUT does not hold yet; return its record, which is saved after every seed."""
    path, setting = out / "seeds.json", {"source": _source(), "size": asdict(size)}
    made_with = {name: value for name, value in environment("cpu").items() if name != "command"}
    record = read_json(path) if path.is_file() else {**setting, "environment": made_with, "rows": []}
    if {name: record[name] for name in setting} != setting:
        raise SystemExit(f"{path} is of other source code or another size: give another OUT")
    for seed in seeds:
        there = {row["model"] for row in record["rows"] if row["seed"] == seed}
        missing = [name for name in models if name not in there]
        if not missing:
            continue
        folder = out / str(seed)
        prepare(folder, seed=seed, size=size)
        runs = []
        for name in missing:
            began, variant = time.monotonic(), MODELS[name]
            config = update(recipe(variant.scheme, folder, seed=seed, size=size), out=folder / name, **variant.changes)
            runs.append(train(config))
            print(f"seed {seed}, {name}: {time.monotonic() - began:.0f} s", flush=True)
        record["rows"] += [_row(results, seed) for results in measure(runs, folder, seed=seed)]
        write_json(path, record)
    rows = [row for row in record["rows"] if row["seed"] in seeds and row["model"] in models]
    rows.sort(key=lambda row: (list(MODELS).index(row["model"]), row["seed"]))
    return record | {"rows": rows}


def _source() -> str | None:
    """Return the hash of the package's source as committed, None without git."""
    found = subprocess.run(["git", "rev-parse", "HEAD:src"], cwd=ROOT, capture_output=True, text=True, check=False)
    return found.stdout.strip() or None


def _row(results: Results, seed: int) -> Row:
    row: Row = {"model": results.model["name"], "seed": seed}
    for name, metric in {**DECISIONS, **OTHERS}.items():
        found = results.get(*metric)
        value, ends = without_nan(found.value), found.ci95
        rounded = None if value is None else round(value, 4)
        row[name] = {"value": rounded, "ci95": ends and [round(end, 4) for end in ends], "n": found.n}
    return row


def tables(record: dict[str, Any]) -> dict[str, str]:
    """Return the markdown of every table by the name of its markers."""
    rows: list[Row] = record["rows"]
    present = list(dict.fromkeys(row["model"] for row in rows))
    named = [name for name in DEFAULT[:4] if name in present]
    batchnorm = [name for name in ("mmsi-sin-in", "control", "separate", "separate-control") if name in present]
    return {
        "decisions": _means(rows, named, DECISIONS),
        "others": _means(rows, named, OTHERS),
        "batchnorm": _means(rows, batchnorm, {"shape bias": (), "by neither": (), **OTHERS}),
        "seeds": _by_seed(rows),
        "difference": _differences(rows, "mmsi-sin-in", "control"),
    }


def _means(rows: Sequence[Row], models: Sequence[str], metrics: dict[str, Any]) -> str:
    """Return means over seeds with Student's t intervals; with one seed, its value and interval over images."""
    lines = []
    for model in models:
        cells = []
        for metric in metrics:
            found = [row[metric] for row in rows if row["model"] == model]
            values = [one["value"] for one in found]
            if None in values:
                cells.append("not defined")
            else:
                ends = _over_seeds(values) if len(values) > 1 else found[0]["ci95"]
                cells.append(_cell(sum(values) / len(values), ends and [min(max(end, 0.0), 1.0) for end in ends]))
        lines.append([MODELS[model].title, *cells])
    return _markdown(["model", *metrics], lines)


def _over_seeds(values: Sequence[float]) -> list[float]:
    """Return the interval of a mean over seeds by Student's t. Each seed has new images: it covers these too."""
    half = t_quantile(len(values) - 1) * float(np.std(values, ddof=1)) / math.sqrt(len(values))
    return [float(np.mean(values)) - half, float(np.mean(values)) + half]


def _differences(rows: Sequence[Row], first: str, second: str) -> str:
    """Return the differences of two models in every metric, of each seed (on the same data) and their mean."""
    by_model = {name: {row["seed"]: row for row in rows if row["model"] == name} for name in (first, second)}
    seeds = [seed for seed in by_model[first] if seed in by_model[second]]
    lines = []
    for metric in [*DECISIONS, *OTHERS] if seeds else []:
        pairs = [[by_model[name][seed][metric]["value"] for name in (first, second)] for seed in seeds]
        values = [None if None in pair else pair[0] - pair[1] for pair in pairs]
        defined = [value for value in values if value is not None]
        ends = _over_seeds(defined) if len(defined) == len(values) > 1 else None
        mean = sum(defined) / len(defined) if len(defined) == len(values) else None
        lines.append([metric, *(_cell(value, None, "+.1f") for value in values), _cell(mean, ends, "+.1f")])
    return _markdown([f"`{first}` minus `{second}`", *(f"seed {seed}" for seed in seeds), "mean"], lines)


def _by_seed(rows: Sequence[Row]) -> str:
    metrics = [*DECISIONS, *OTHERS]
    lines = [[f"`{r['model']}`", str(r["seed"]), *(_cell(r[m]["value"], r[m]["ci95"]) for m in metrics)] for r in rows]
    return _markdown(["model", "seed", *metrics], lines)


def _cell(value: float | None, ends: Sequence[float] | None, form: str = ".1f") -> str:
    if value is None:
        return "not defined"
    return f"{100 * value:{form}}" + (f" [{100 * ends[0]:{form}}, {100 * ends[1]:{form}}]" if ends else "")


def _markdown(headings: Sequence[str], lines: Sequence[Sequence[str]]) -> str:
    return "\n".join(f"| {' | '.join(line)} |" for line in (headings, ["---"] * len(headings), *lines))


def replaced(page: str, made: dict[str, str]) -> str:
    """Return the text of a page with each table between the markers of its name, ``<!-- table: NAME -->``."""
    for name, table in made.items():
        begin, end = f"<!-- table: {name} -->\n", f"<!-- end: {name} -->"
        before, found, rest = page.partition(begin)
        if found:
            page = f"{before}{begin}{table}\n{end}{rest.partition(end)[2]}"
    return page


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("out", type=Path)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--models", nargs="+", choices=list(MODELS), default=list(DEFAULT))
    parser.add_argument("--write", action="store_true")
    parser.add_argument("--quick", action="store_true")
    given = parser.parse_args()
    if given.write and given.quick:
        parser.error("--write is for the tables of the full size, not of --quick")
    record = run(given.out, given.seeds, given.models, QUICK if given.quick else FULL)
    made = tables(record)
    for name, table in made.items():
        print(f"\n{name}\n\n{table}")
    if given.write:
        write_json(RECORD, record)
        for page in PAGES:
            page.write_text(replaced(page.read_text(encoding="utf-8"), made), encoding="utf-8")
            print(f"wrote {page}")


if __name__ == "__main__":
    main()
