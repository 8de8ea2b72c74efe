"""A command killed twenty times (SIGKILL to its process group) at random moments, against its undisturbed twin.

    python experiments/kills.py [train|stylize|shards|corrupt|cue-conflict] [--out runs/kills] [--kills 20] [--seed 0]

``stylize`` has a folder of styles and images of mixed sizes, ``shards`` the same images as tar shards. Of the commands
that make images every file is compared by its bytes, manifests included; only the kept codes of styles may differ, in
the order in which they were made. A command that ends before all kills fell is compared and begun anew.

``train`` is a two-phase ``mmsi`` run, disturbed twice over. One CPU thread; a checkpoint after every step, so that
kills fall on training, checkpointing, validation, the change of phase and starting up alike. The second disturbed run
decodes in a worker process. Prints whether the weights of both phases and the log rows, wall-clock columns aside, are
the same bit for bit.
"""

from __future__ import annotations

import argparse
import csv
import io
import os
import random
import shutil
import signal
import subprocess
import sys
import tarfile
import time
from pathlib import Path

import numpy as np
from PIL import Image
from safetensors.torch import load_file

from shapebias.data.shapes16 import generate

SETTINGS = [
    *("--scheme=mmsi", "--model=test_resnet", "--epochs=6", "--finetune-epochs=3", "--batch-size=16", "--size=32"),
    *("--optimizer=adamw", "--lr=0.002", "--ema-decay=0.9", "--clip-norm=5", "--checkpoint-minutes=0", "--device=cpu"),
]
WALL_CLOCK = {"seconds", "images_per_second"}


def begin(data: Path, out: Path, *more: str) -> subprocess.Popen[bytes]:
    return start("train", *SETTINGS, "--data", str(data), "--out", str(out), *more)


def start(*arguments: str) -> subprocess.Popen[bytes]:
    command = [sys.executable, "-m", "shapebias", *arguments]
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


def draw_images(folder: Path, classes: int, each: int, sizes: list[tuple[int, int]]) -> None:
    """Write noise on ramps, ``each`` images a class, as PNG files of (width, height) ``sizes`` in turn."""
    rng = np.random.default_rng(classes * each)
    for number in range(classes * each):
        width, height = sizes[number % len(sizes)]
        pixels = rng.integers(0, 128, (height, width, 3)) + np.linspace(0, 127, width)[None, :, None]
        path = folder / "abcdefgh"[number % classes] / f"{number:03}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(pixels.astype(np.uint8)).save(path)


def pack(images: Path, folder: Path, count: int) -> None:
    """Write the images below ``images`` as ``count`` tar shards with a label each."""
    folder.mkdir(parents=True, exist_ok=True)
    files = sorted(images.rglob("*.png"))
    for shard in range(count):
        with tarfile.open(folder / f"{shard:04}.tar", "w") as tar:
            for file in files[shard::count]:
                for suffix, content in (("png", file.read_bytes()), ("cls", file.parent.name.encode())):
                    member = tarfile.TarInfo(f"{file.stem}.{suffix}")
                    member.size = len(content)
                    tar.addfile(member, io.BytesIO(content))


def image_command(name: str, data: Path) -> list[str]:
    """Write what the command reads; its arguments but ``--out``."""
    images = data / "images"
    draw_images(images, 4, 12, [(96, 96), (128, 80), (80, 120), (64, 64)])
    if name == "corrupt":
        return [name, str(images), "--corruptions=gaussian_noise,contrast", "--severities=1,5"]
    if name == "cue-conflict":
        return [name, str(images), "--size=96", "--per-pair=6", "--batch-size=4", "--device=cpu"]
    draw_images(data / "styles", 2, 20, [(96, 96), (128, 96)])
    if name == "shards":
        pack(images, data / "shards", 8)
        images = data / "shards"
    return ["stylize", str(images), "--styles", str(data / "styles"), "--size=0", "--batch-size=4", "--device=cpu"]


def contents(out: Path) -> dict[str, bytes]:
    """The bytes of every file below ``out``, the kept codes of styles aside."""
    files = (path for path in out.rglob("*") if path.is_file() and not path.name.startswith(".style-codes"))
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in files}


def count(out: Path) -> int:
    return sum(len(files) for _, _, files in os.walk(out))


def kill_images(name: str, root: Path, kills: int, rng: random.Random) -> bool:
    """Whether the files after ``kills`` kills are those of an undisturbed run."""
    command, whole, out = image_command(name, root / "data"), root / "undisturbed", root / "disturbed"
    for folder in (whole, out):
        shutil.rmtree(folder, ignore_errors=True)
    process, began = start(*command, "--out", str(whole)), 0.0
    while process.poll() is None:
        began = began or (time.monotonic() if count(whole) else 0.0)
        time.sleep(0.002)
    life = 1.6 * (time.monotonic() - began) / kills
    if process.returncode:
        raise SystemExit("the undisturbed run did not come to its end")
    expected, reached, rounds, different = contents(whole), [], 0, set[str]()
    while True:
        process, before = start(*command, "--out", str(out)), count(out)
        fell = len(reached) < kills
        if fell:
            if rng.random() < 0.8:  # else the kill falls on starting up
                while count(out) <= before and process.poll() is None:
                    time.sleep(0.002)
            time.sleep(rng.uniform(0, life))
            if process.poll() is None:
                os.killpg(process.pid, signal.SIGKILL)
                process.wait()
                reached.append(count(out))
                continue
        if process.wait():
            raise SystemExit(f"{out} did not come to its end")
        rounds, made = rounds + 1, contents(out)
        different |= {file for file in expected.keys() | made.keys() if expected.get(file) != made.get(file)}
        if not fell:
            break
        shutil.rmtree(out)
    print(f"{name}: killed {len(reached)} times, at {reached} files, in {rounds} runs of {len(expected)} files;")
    print(f"  different: {sorted(different) or 'none'}")
    return not different


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    names = ("train", "stylize", "shards", "corrupt", "cue-conflict")
    parser.add_argument("command", nargs="?", default="train", choices=names)
    parser.add_argument("--out", type=Path, default=Path("runs/kills"))
    parser.add_argument("--kills", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    if arguments.command != "train":
        root, rng = arguments.out / arguments.command, random.Random(arguments.seed)
        raise SystemExit(0 if kill_images(arguments.command, root, arguments.kills, rng) else 1)
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
