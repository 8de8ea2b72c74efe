"""Fixtures of the report's tests."""

from __future__ import annotations

import pytest
from PIL import Image


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The pictures that have been opened."""
    paths: list[str] = []
    real = Image.open
    monkeypatch.setattr(Image, "open", lambda path: paths.append(str(path)) or real(path))
    return paths
