"""Several trainings at once on one machine's cores: small networks gain little from a second thread."""

from __future__ import annotations

import csv
import multiprocessing
import os
import sys
import time
from collections.abc import Sequence
from contextlib import redirect_stderr
from multiprocessing.connection import Connection
from multiprocessing.process import BaseProcess
from pathlib import Path
from typing import Any

import torch

from shapebias.allocator import keep_freed_memory
from shapebias.errors import UserError
from shapebias.progress import progress
from shapebias.results.runs import METRICS_FILE, Run
from shapebias.train.config import TrainConfig
from shapebias.train.run import train

BETWEEN_LOOKS = 0.5  # seconds


def train_together(configs: Sequence[TrainConfig], *, images: int, at_once: int | None = None) -> list[Path]:
    """Train every run of ``configs``, several at a time in processes of their own, and return their folders.

    Args:
        configs: the settings; their folders differ.
        images: images that pass through all networks together, for the progress.
        at_once: processes (default: one for each core). With one, the runs are trained here, one after another.

    Raises:
        UserError: the first error of a run; the others are stopped, and resume when called again.
    """
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    at_once = min(len(configs), at_once or cores)
    if at_once < 2:
        return [train(config) for config in configs]
    start = multiprocessing.get_context("spawn")
    waiting, running = list(configs), list[tuple[BaseProcess, Any]]()
    with progress("training", total=images, done=_done(configs)) as bar:
        try:
            while waiting or running:
                while waiting and len(running) < at_once:
                    ours, theirs = start.Pipe(duplex=False)
                    threads = max(1, cores // at_once)
                    process = start.Process(target=_train, args=(waiting.pop(0), threads, theirs), daemon=True)
                    process.start()
                    theirs.close()
                    running.append((process, ours))
                time.sleep(BETWEEN_LOOKS)
                for process, connection in [one for one in running if not one[0].is_alive()]:
                    running.remove((process, connection))
                    _refuse(process, connection)
                if (done := _done(configs)) > bar.done:
                    bar.advance(done - bar.done)
        finally:
            for process, _ in running:
                process.terminate()  # it writes a checkpoint
            for process, _ in running:
                process.join()
    for config in configs:
        for warning in Run.load(config.loop.out).record.get("warnings", []):
            print(f"warning: {config.loop.out.name}: {warning}", file=sys.stderr)
    return [config.loop.out for config in configs]


def _train(config: TrainConfig, threads: int, errors: Connection) -> None:
    """Train in a process of its own, without progress; send what is refused."""
    keep_freed_memory()
    torch.set_num_threads(threads)
    with Path(os.devnull).open("w", encoding="utf-8") as nowhere, redirect_stderr(nowhere):
        try:
            train(config)
        except UserError as error:
            errors.send(str(error))
            raise SystemExit(2) from None


def _refuse(process: BaseProcess, errors: Connection) -> None:
    """Raise what ended a process, if it is not done."""
    if process.exitcode:
        reason = errors.recv() if errors.poll() else f"a training ended with status {process.exitcode}: start it again"
        raise UserError(reason)


def _done(configs: Sequence[TrainConfig]) -> int:
    """Return how many images have passed through the networks, as their logs say."""
    done = 0
    for config in configs:
        path = config.loop.out / METRICS_FILE
        if path.is_file():
            with path.open(newline="", encoding="utf-8") as file:
                rows = list(csv.DictReader(file))
            done += int(rows[-1]["images"]) if rows else 0
    return done
