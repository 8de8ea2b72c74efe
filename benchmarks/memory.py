"""Peak memory of ``shapebias stylize`` against the number of images: it must not grow with it.

    python benchmarks/memory.py [--full]

Folders of 100 and 1,000 images (--full: 10,000 too) of four sizes from 40 to 120 px, two styles each, in a process of
their own on one thread. A hundred images are enough for whole batches of each size: with fewer, batches and memory are
smaller. Prints the peak resident memory of each and its ratio to that of 100.
"""

from __future__ import annotations

import argparse
import os
import subprocess
import sys
import tempfile
from pathlib import Path

import numpy as np
from PIL import Image

COUNTS = (100, 1_000, 10_000)
SIZES = ((40, 56), (72, 72), (96, 64), (120, 120))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--full", action="store_true")
    counts = COUNTS if parser.parse_args().full else COUNTS[:2]
    peaks = []
    with tempfile.TemporaryDirectory(prefix="shapebias-") as place:
        source, made = Path(place) / "images", 0
        for count in counts:
            while made < count:
                draw(source / f"{made % 10}" / f"{made:05}.jpg", made)
                made += 1
            peaks.append(peak_of("stylize", str(source), "--out", str(Path(place) / f"out-{count}")))
            print(
                f"{count} images: {peaks[-1] / 1e6:.0f} MB, {peaks[-1] / peaks[0]:.2f} of that of {counts[0]}",
                flush=True,
            )


def draw(path: Path, number: int) -> None:
    """Write a picture of a size and aspect that depend on its number."""
    rng = np.random.default_rng((5, number))
    path.parent.mkdir(parents=True, exist_ok=True)
    pixels = rng.integers(0, 256, (6, 8, 3), dtype=np.uint8)
    Image.fromarray(pixels).resize(SIZES[number % len(SIZES)], Image.Resampling.BICUBIC).save(path)


def peak_of(*arguments: str) -> int:
    """Run the command and return its peak resident memory in bytes."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1"}
    process = subprocess.Popen(
        [sys.executable, "-m", "shapebias", *arguments], env=environment, stderr=subprocess.DEVNULL
    )
    _, status, usage = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    if process.returncode:
        raise SystemExit(f"{' '.join(arguments)} failed with status {process.returncode}")
    return usage.ru_maxrss * (1 if sys.platform == "darwin" else 1024)


if __name__ == "__main__":
    main()
