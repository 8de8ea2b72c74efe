"""The allocator keeps freed memory for the command line, and only for it."""

from __future__ import annotations

import os
import platform
import subprocess
import sys
from types import SimpleNamespace

import pytest

from shapebias import allocator

FAULTS_OF_LATER = """
import resource, sys
import torch
from shapebias.allocator import keep_freed_memory
kept = sys.argv[1] == "keep" and keep_freed_memory()
def faults():
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(16, 1024, 1024)  # 64 MB
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before
faults()
print(int(kept), faults())
"""


def _run(mode: str, **environment: str) -> tuple[int, int]:
    made = subprocess.run(
        [sys.executable, "-c", FAULTS_OF_LATER, mode],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
    )
    kept, faults = map(int, made.stdout.split())
    return kept, faults


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="the C library is not glibc")
def test_freed_memory_is_used_again_without_page_faults() -> None:
    kept, faults = _run("keep")
    assert kept
    assert faults < 20 * 500  # of 20 times about 16,000 pages of 4 KB; aligned blocks find their place after a few


@pytest.mark.parametrize("variable", ["GLIBC_TUNABLES", "MALLOC_TRIM_THRESHOLD_", "LD_PRELOAD"])
def test_the_users_choice_of_allocator_stands(variable: str) -> None:
    value = {"GLIBC_TUNABLES": "glibc.malloc.perturb=0", "LD_PRELOAD": "/nowhere/libjemalloc.so"}.get(variable, "4096")
    assert _run("keep", **{variable: value})[0] == 0


def test_kept_memory_is_returned_on_request(monkeypatch):
    """Blocks that were freed are given back only where the thresholds were raised before."""
    called = []
    monkeypatch.setattr(allocator.ctypes, "CDLL", lambda _: SimpleNamespace(malloc_trim=called.append))
    monkeypatch.setattr(allocator, "_kept", False)
    allocator.return_freed_memory()
    assert called == []
    monkeypatch.setattr(allocator, "_kept", True)
    allocator.return_freed_memory()
    assert called == [0]
