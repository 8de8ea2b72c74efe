"""How comparing and reporting grow: 10 and 20 networks, each with 16 results of 50,000 images.

The values are drawn: shares of right answers under each corruption of ImageNet-C, and their mean. They are kept as
``audit`` keeps them; then a process of its own reads them back, compares every two networks, writes the results and the
comparison, prints the table and writes the page. Prints CPU seconds of each step, the largest memory in use (that of
importing the package included), and the ratios of 20 networks to 10.

    python benchmarks/growth.py [IMAGES]
"""

from __future__ import annotations

import contextlib
import json
import math
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np

from shapebias.corruptions.layout import CORRUPTIONS
from shapebias.evaluators.resume import load_result, save_result
from shapebias.report import build_report
from shapebias.results.pairing import paired
from shapebias.results.results import EvalResult, Result, Results
from shapebias.results.store import ResultStore
from shapebias.results.table import print_table

COUNTS = (10, 20)
STEPS = ("write", "read", "compare", "table", "report")
NAME = "corruptions"
T = TypeVar("T")


def described(network: int) -> dict[str, Any]:
    """A network as results files describe it."""
    told = {"architecture": "resnet50", "preprocessing": {}, "mean": [0.5] * 3, "std": [0.5] * 3}
    return {"name": f"network-{network}", "weights_sha256": f"{network:064x}", **told}


def kept(out: Path, network: int) -> Path:
    """The file that holds what the evaluator gave for a network."""
    return out / f"network-{network}" / "audit" / f"{NAME}.json"


def made(network: int, images: tuple[str, ...]) -> EvalResult:
    """Sixteen results: a mean over five severities for each corruption, and the mean of all."""
    rng = np.random.default_rng(network)
    rates = rng.uniform(0.3, 0.8, len(CORRUPTIONS))
    shares = rng.binomial(5, rates, (len(images), len(rates))) / 5
    columns = {"corruption": shares.T, "mean": shares.mean(1)[None]}
    given = EvalResult([], images)
    data = {"folder": "photographs", "images": len(images), "fingerprint": "0" * 64, "unreadable": []}
    for kind, values in columns.items():
        for column, each in enumerate(values):
            metric, condition = ("mean_top1", {}) if kind == "mean" else ("top1", {kind: CORRUPTIONS[column]})
            value = float(each.mean())
            result = Result(NAME, metric, value, len(each), (value - 0.004, value + 0.004), condition, {"data": data})
            given.results.append(result)
            given.per_image[result.key] = each[:, None]
    return given


def timed(work: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds of this process for ``work``, and what it gives."""
    start = time.process_time()
    found = work()
    return time.process_time() - start, found


def measure(out: Path, count: int) -> dict[str, float]:
    """CPU seconds of each step for ``count`` networks, and the largest memory in use, in MB."""
    store, environment = ResultStore(out), {"device": "cpu"}

    def read() -> list[tuple[Results, dict[str, EvalResult]]]:
        found = [(network, load_result(kept(out, network), {})) for network in range(count)]
        return [
            (Results(described(network), environment, given.results), {NAME: given})
            for network, given in found
            if given
        ]

    reading, measured = timed(read)
    results = [results for results, _ in measured]

    def compare() -> None:
        for one in results:
            store.merge(one.model, environment, one.results)
        store.compare(paired(measured, 0), results)

    comparing, _ = timed(compare)
    table, _ = timed(lambda: print_table(results))
    page, _ = timed(lambda: build_report([out], out / "report.html"))
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    return {"read": reading, "compare": comparing, "table": table, "report": page, "MB": peak}


def grown(out: Path, count: int, images: tuple[str, ...]) -> dict[str, float]:
    """The steps of ``measure`` in a process of its own, with those of writing the files first."""
    writing = 0.0
    for network in range(count):
        keep = partial(save_result, kept(out, network), {}, made(network, images))
        writing += timed(keep)[0]
    size = sum(kept(out, network).stat().st_size for network in range(count)) / 2**20
    command = [sys.executable, __file__, str(out), str(count)]
    child = subprocess.run(command, check=True, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
    found = {"write": writing, **json.loads(child.stdout), "MB of files": size}
    return {"CPU s": sum(found[step] for step in STEPS), **found}


def main(number: int) -> None:
    images = tuple(f"n{row % 1000:08}/ILSVRC2012_val_{row:08}.JPEG" for row in range(number))
    found: list[dict[str, float]] = []
    for count in COUNTS:
        with tempfile.TemporaryDirectory() as scratch:
            found.append(grown(Path(scratch), count, images))
        steps = ", ".join(f"{step} {found[-1][step]:.1f}" for step in STEPS)
        print(
            f"{count} networks x {number} images x 16 results: {found[-1]['CPU s']:.1f} CPU s ({steps}), "
            f"{found[-1]['MB']:.0f} MB of memory, {found[-1]['MB of files']:.0f} MB of files"
        )
    few, many = found
    pairs = math.comb(COUNTS[1], 2) / math.comb(COUNTS[0], 2)
    ratios = ", ".join(f"{name} {many[name] / few[name]:.1f}" for name in ("CPU s", *STEPS, "MB"))
    print(f"{COUNTS[1]} networks / {COUNTS[0]}: {ratios}; pairs {pairs:.1f}")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        with contextlib.redirect_stdout(sys.stderr):
            steps = measure(Path(sys.argv[1]), int(sys.argv[2]))
        print(json.dumps(steps))
    else:
        main(int(sys.argv[1]) if len(sys.argv) > 1 else 50_000)
