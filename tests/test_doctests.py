"""The examples in docstrings, of every module that has some."""

from __future__ import annotations

import doctest
import importlib
from pathlib import Path

import pytest

import shapebias

SOURCE = Path(shapebias.__file__).parent
MODULES = [
    ".".join(("shapebias", *path.relative_to(SOURCE).with_suffix("").parts))
    for path in sorted(SOURCE.rglob("*.py"))
    if ">>> " in path.read_text(encoding="utf-8")
]


@pytest.mark.parametrize("name", MODULES)
def test_docstring_examples(name: str) -> None:
    found = doctest.testmod(importlib.import_module(name))
    assert (found.failed, found.attempted > 0) == (0, True)
