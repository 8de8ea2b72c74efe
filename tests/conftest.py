"""Fixtures that several test files share: small image folders, styles, and the reference data beside the project."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch

from shapebias.stylize import AdaIN, StyleBank
from testkit.images import class_folder


def pytest_configure() -> None:
    """Share the cores among the test processes, and the processes that they start."""
    processes = int(os.environ.get("PYTEST_XDIST_WORKER_COUNT", "1"))
    if processes > 1 and "OMP_NUM_THREADS" not in os.environ:
        threads = max(1, (os.cpu_count() or 1) // processes)
        os.environ["OMP_NUM_THREADS"] = str(threads)
        torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def one_thread() -> Iterator[None]:
    """One thread for all tests of a file, which then give the same numbers on every machine."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


@pytest.fixture
def images(tmp_path: Path) -> Path:
    """Two classes of two pictures."""
    return class_folder(tmp_path / "images")


@pytest.fixture
def stylizer() -> AdaIN:
    """An untrained small stylizer."""
    torch.manual_seed(0)
    return AdaIN(channels=(4, 6, 8), blocks=1).eval().requires_grad_(False)


@pytest.fixture
def bank(stylizer: AdaIN) -> StyleBank:
    """Twelve codes of noise for ``stylizer``."""
    generator = torch.Generator().manual_seed(0)
    codes = stylizer.encode_style(torch.rand(12, 3, 32, 32, generator=generator))
    return StyleBank(codes, tuple(f"style{i}" for i in range(12)), "stylizer")


@pytest.fixture(scope="session")
def shared() -> Path:
    """The reference data that may lie beside the project."""
    folder = Path(__file__).parents[1].parent / "shared"
    if not folder.is_dir():
        pytest.skip("the reference data beside the project are not here")
    return folder
