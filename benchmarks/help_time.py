"""How quick the command answers: ``shapebias --help`` against ``import torch``, each as a process of its own."""

from __future__ import annotations

import statistics
import subprocess
import sys
import time

PAIRS = 7


def seconds(*arguments: str) -> float:
    began = time.perf_counter()
    subprocess.run([sys.executable, *arguments], check=True, stdout=subprocess.DEVNULL)
    return time.perf_counter() - began


def main() -> None:
    help_, torch = ("-m", "shapebias", "--help"), ("-c", "import torch")
    seconds(*help_), seconds(*torch)
    ratios = [seconds(*help_) / seconds(*torch) for _ in range(PAIRS)]
    print(f"shapebias --help / import torch = {statistics.median(ratios):.2f} (median of {PAIRS} pairs)")


if __name__ == "__main__":
    main()
