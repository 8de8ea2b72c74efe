"""What every command computes is what was pinned."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.mark.slow
def test_every_command_computes_what_was_pinned(tmp_path):
    command = [sys.executable, HERE / "run.py", tmp_path / "work", "--compare", HERE / "numbers.json"]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stdout[-5000:] + done.stderr[-2000:]
