"""Fixtures of the tests of the evaluators."""

from __future__ import annotations

from pathlib import Path

import pytest

from testkit.fixed_networks import colour_folder


@pytest.fixture
def colours(tmp_path: Path) -> Path:
    """Blue, green and red pictures, four each, one of the red ones mislabelled as green."""
    return colour_folder(tmp_path / "colours")
