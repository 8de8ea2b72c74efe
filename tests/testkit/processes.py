"""Programs in processes of their own."""

from __future__ import annotations

import subprocess
import sys


def run(program, *arguments, **options):
    """The finished process of a Python program given as text."""
    options = {"capture_output": True, "text": True, "check": False, "timeout": 300, **options}
    return subprocess.run([sys.executable, "-c", program, *map(str, arguments)], **options)
