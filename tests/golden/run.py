"""Run every command of the package once on tiny seeded data; write or compare the numbers that come out.

``run.py WORK --write numbers.json`` writes them, ``run.py WORK --compare numbers.json`` ends with status 1 where they
differ.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import threading
import time
from pathlib import Path

os.environ.setdefault("OMP_NUM_THREADS", "1")  # before NumPy is imported: no sum depends on the number of cores
os.environ["CUDA_VISIBLE_DEVICES"] = ""

from collect import collect
from commands import COMMANDS, KILLED
from compare import compare
from data import derive, prepare

STOPPED = 143  # the status after SIGTERM


def main() -> int:
    """Run what is asked for; return the exit status."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("work", type=Path, help="folder to work in: empty, or with --collect-only a finished one")
    parser.add_argument("--write", type=Path, metavar="FILE", help="write the numbers")
    parser.add_argument("--compare", type=Path, metavar="FILE", help="compare with these numbers")
    parser.add_argument("--exact", action="store_true", help="compare without tolerance: same machine, same threads")
    parser.add_argument("--collect-only", action="store_true", help="take the numbers of a finished folder")
    parser.add_argument("--verbose", action="store_true", help="let the commands speak")
    given = parser.parse_args()
    write, pinned = (path and path.resolve() for path in (given.write, given.compare))
    work = given.work.resolve()
    if not given.collect_only:
        run_all(work, verbose=given.verbose)
    found = collect(work)
    if write:
        write.write_text(json.dumps(found, indent=0, sort_keys=True) + "\n")
        print(f"wrote {len(found)} numbers to {write}")
    if not pinned:
        return 0
    return compare(json.loads(pinned.read_text()), found, exact=given.exact)


def run_all(work: Path, *, verbose: bool = False) -> None:
    """Make the data in the empty folder ``work`` and run every command there, in this process."""
    from shapebias.cli.main import main as shapebias

    work.mkdir(parents=True, exist_ok=True)
    if any(work.iterdir()):
        sys.exit(f"{work} is not empty: give an empty folder")
    os.chdir(work)
    sys.path.insert(0, str(work))
    prepare(work)
    begun = time.perf_counter()
    with (work / "commands.log").open("w") as log:
        for number, line in enumerate(COMMANDS, 1):
            if line.startswith(KILLED):
                kill_after_an_epoch(work / "runs/killed/metrics.csv")
            if not verbose:
                sys.stdout = sys.stderr = log
            start = time.perf_counter()
            print(f"\n$ shapebias {line}", flush=True)
            try:
                status = shapebias(line.split())
            finally:
                sys.stdout, sys.stderr = sys.__stdout__, sys.__stderr__
            log.flush()
            if number == 1:  # has drawn shapes16
                derive(work)
            seconds = time.perf_counter() - start
            print(f"{number:3}/{len(COMMANDS)} {seconds:6.1f} s  {line[:90]}", flush=True)
            if not status and line.startswith(KILLED):
                print("          ended before it could be killed: the resumed run says nothing")
            if status and not (status == STOPPED and line.startswith(KILLED)):
                sys.exit(f"status {status} of: shapebias {line}\n{(work / 'commands.log').read_text()[-2000:]}")
    print(f"{len(COMMANDS)} commands in {time.perf_counter() - begun:.0f} s")


def kill_after_an_epoch(log: Path) -> None:
    """Send this process SIGTERM once the run's log has a row; a run that is faster than that goes to its end."""

    def watch() -> None:
        for _ in range(3000):
            if log.is_file() and log.read_text().count("\n") > 1:
                if log.read_text().count("\n") < 5:
                    os.kill(os.getpid(), signal.SIGTERM)
                return
            time.sleep(0.01)

    threading.Thread(target=watch, daemon=True).start()


if __name__ == "__main__":
    sys.exit(main())
