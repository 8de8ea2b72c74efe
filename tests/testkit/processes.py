"""Programs in processes of their own."""

from __future__ import annotations

import os
import subprocess
import sys

import pytest
import torch


def run(program, *arguments, **options):
    """The finished process of a Python program given as text."""
    options = {"capture_output": True, "text": True, "check": False, "timeout": 300, **options}
    return subprocess.run([sys.executable, "-c", program, *map(str, arguments)], **options)


def spawn_ranks(worker, folder, ranks=2, seconds=120):
    """What ``worker(rank, folder)`` saves as ``folder/found-RANK.pt`` in each of ``ranks`` processes."""
    running = torch.multiprocessing.spawn(worker, (str(folder),), nprocs=ranks, join=False)
    for _ in range(seconds):
        if running.join(timeout=1):
            break
    else:
        for process in running.processes:
            process.kill()
        pytest.fail("the ranks wait for each other")
    return [torch.load(folder / f"found-{rank}.pt", weights_only=True) for rank in range(ranks)]


def torchrun(*arguments, **environment):
    """The finished two processes of a command, started by ``torchrun`` on the CPU."""
    start = [sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc-per-node", "2", "-m", "shapebias"]
    command = [*start, *map(str, arguments)]
    given = {**os.environ, "OMP_NUM_THREADS": "1", **environment}
    return subprocess.run(command, capture_output=True, text=True, check=False, timeout=300, env=given)
