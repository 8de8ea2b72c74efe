"""Repeat the demonstration over several random seeds, with the controls that the paper's claim needs.

    python experiments/seeds.py [--out runs/seeds] [--seeds 0 1 2] [--models in mmsi-sin-in ...]

For each seed, draw and stylize the data, then train six models at one budget of images: natural only, natural and one
stylized view, Eq. 4 (batch axis), its control with lambda_m = 0, Eq. 4 on the literal channel axis, and Eq. 4 with
separate batch norm of natural images and views. Prints one table; a killed run resumes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from shapebias.demo import FULL, measure, prepare, recipe
from shapebias.results.results import Results
from shapebias.train.run import train
from shapebias.train.settings import update

MODELS = {
    "in": ("in", {}),
    "shapenet-sin-in": ("shapenet-sin-in", {}),
    "mmsi-sin-in": ("mmsi-sin-in", {}),
    "control": ("mmsi-sin-in", {"lambda_m": 0.0}),
    "channel-axis": ("mmsi-sin-in", {"axis": "channel"}),
    "separate": ("mmsi-sin-in", {"batchnorm": "separate"}),
}
METRICS = [
    ("accuracy", "top1"),
    ("stylized", "top1"),
    ("shape-bias", "shape_bias"),
    ("dimensionality", "shape_neurons"),
    ("dimensionality", "texture_neurons"),
]


def cell(results: Results, evaluator: str, metric: str) -> str:
    result = results.get(evaluator, metric)
    low, high = result.ci95 or (float("nan"), float("nan"))
    return f"{100 * (result.value or 0):.1f} [{100 * low:.1f}, {100 * high:.1f}]"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/seeds"))
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1, 2])
    parser.add_argument("--models", nargs="+", default=list(MODELS))
    arguments = parser.parse_args()
    rows = []
    for seed in arguments.seeds:
        out = arguments.out / str(seed)
        prepare(out, seed=seed)
        runs = []
        for name in arguments.models:
            scheme, changes = MODELS[name]
            config = update(recipe(scheme, out, seed=seed), out=out / name, epochs=FULL.epochs[scheme], **changes)
            runs.append(train(config))
        for results in measure(runs, out, seed=seed):
            rows.append((results.model["name"], seed, [cell(results, *metric) for metric in METRICS]))
    print("| model | seed | top-1 | stylized top-1 | shape bias | shape neurons | texture neurons |")
    print("|---|---|---|---|---|---|---|")
    for name, seed, cells in sorted(rows, key=lambda row: (list(MODELS).index(row[0]), row[1])):
        print(f"| `{name}` | {seed} | {' | '.join(cells)} |")


if __name__ == "__main__":
    main()
