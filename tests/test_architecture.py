"""Imports run one way; folders and files keep to docs/architecture.md."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

SOURCE = Path(__file__).resolve().parents[1] / "src" / "shapebias"
# From the top down: a folder imports from its own layer and from those below it.
LAYERS = (
    ("api", "cli", "demo"),
    ("tasks",),
    ("report",),
    ("evaluators",),
    ("train",),
    ("stylize", "corruptions", "models", "attacks"),
    ("results",),
    ("metrics",),
    ("data", "losses", "stats"),
    ("allocator", "download", "environment", "errors", "files", "lazy", "libraries", "progress", "ranks"),
)
LAYER = {name: number for number, names in enumerate(LAYERS) for name in names}
LONGEST = 320  # lines of a file


def imports(path: Path) -> Iterator[str]:
    """The top-level names of the package that a file imports from, inside of functions too."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        modules = []
        if isinstance(node, ast.ImportFrom) and node.module == "shapebias":
            modules = [f"shapebias.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            modules = [node.module or ""]
        elif isinstance(node, ast.Import):
            modules = [alias.name for alias in node.names]
        yield from (module.split(".")[1] for module in modules if module.startswith("shapebias."))


def test_every_folder_and_file_has_a_layer():
    there = {path.stem for path in SOURCE.iterdir() if path.is_dir() or path.suffix == ".py"}
    assert there - {"__init__", "__main__", "__pycache__", "py"} == set(LAYER)


@pytest.mark.parametrize("name", LAYER)
def test_imports_run_downwards(name):
    files = sorted((SOURCE / name).rglob("*.py")) or [SOURCE / f"{name}.py"]
    upwards = {(path.name, other) for path in files for other in imports(path) if LAYER[other] < LAYER[name]}
    assert not upwards


def test_folders_state_what_belongs_there_and_files_hold_one_idea():
    for folder in {path.parent for path in SOURCE.rglob("*.py")}:
        text = (folder / "__init__.py").read_text(encoding="utf-8")
        assert ast.get_docstring(ast.parse(text)), folder
    long = [path.name for path in SOURCE.rglob("*.py") if len(path.read_text(encoding="utf-8").splitlines()) > LONGEST]
    assert not long
