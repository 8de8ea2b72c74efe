"""A small two-phase ``mmsi`` run killed twenty times at random moments, twice over, against its undisturbed twin.

    python experiments/kills.py [--out runs/kills] [--kills 20] [--seed 0]

One CPU thread; a checkpoint after every step, so that kills fall on training, checkpointing, validation, the
change of phase and starting up alike. The second disturbed run decodes in a worker process. Prints whether the
weights of both phases and the log rows, wall-clock columns aside, are the same bit for bit.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

from safetensors.torch import load_file

from shapebias.data.shapes16 import generate

SETTINGS = [
    *("--scheme=mmsi", "--model=test_resnet", "--epochs=6", "--finetune-epochs=3", "--batch-size=16", "--size=32"),
    *("--optimizer=adamw", "--lr=0.002", "--ema-decay=0.9", "--clip-norm=5", "--checkpoint-minutes=0", "--device=cpu"),
]
WALL_CLOCK = {"seconds", "images_per_second"}


def begin(data: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "shapebias", "train", *SETTINGS, "--data", str(data), "--out", str(out), *more]
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    return subprocess.Popen(command, env=environment, stderr=subprocess.DEVNULL, start_new_session=True)


def checkpoints(out: Path) -> set[str]:
    return {path.name for path in (out / "checkpoints").glob("*-*.pt")}


def kill_often(data: Path, out: Path, kills: int, rng: random.Random, life: float, *more: str) -> list[int]:
    """Run to the end through ``kills`` kills; the steps that were reached at each."""
    reached = []
    for _ in range(kills):
        process, before = begin(data, out, *more), checkpoints(out)
        if rng.random() < 0.8:  # else the kill falls on starting up
            while checkpoints(out) <= before and process.poll() is None:
                time.sleep(0.002)
        time.sleep(rng.uniform(0, life))
        if process.poll() is not None:
            break
        os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        reached.append(max((int(name.split("-")[0]) for name in checkpoints(out)), default=0))
    if begin(data, out, *more).wait():
        raise SystemExit(f"{out} did not come to its end")
    return reached


def rows(out: Path) -> list[dict[str, str]]:
    with (out / "metrics.csv").open() as file:
        return [{k: v for k, v in row.items() if k not in WALL_CLOCK} for row in csv.DictReader(file)]


def same_tensors(one: Path, other: Path) -> bool:
    """Bit for bit (the files' headers carry the runs' names)."""
    a, b = load_file(one), load_file(other)
    return a.keys() == b.keys() and all(a[n].numpy().tobytes() == b[n].numpy().tobytes() for n in a)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/kills"))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    data, whole = arguments.out / "shapes16", arguments.out / "undisturbed"
    generate(data, size=32, train_per_class=10, test_per_class=2, seed=0)
    if begin(data, whole).wait():
        raise SystemExit("the undisturbed run did not come to its end")
    trained = float(list(csv.DictReader((whole / "metrics.csv").open()))[-1]["seconds"])
    rng, same = random.Random(arguments.seed), True
    for name, more in (("disturbed", ()), ("disturbed-worker", ("--workers", "1"))):
        out = arguments.out / name
        reached = kill_often(data, out, arguments.kills, rng, 1.6 * trained / arguments.kills, *more)
        equal = {file: same_tensors(out / file, whole / file) for file in ("joint.safetensors", "model.safetensors")}
        equal["rows"] = rows(out) == rows(whole)
        same = same and all(equal.values())
        same = same and len(reached) == arguments.kills
        print(f"{name}: killed {len(reached)} times, at steps {reached}; identical: {equal}")
    raise SystemExit(0 if same else 1)


if __name__ == "__main__":
    main()
