"""The cells of the study, one per arm and seed, kept by the hash of everything that decides their numbers."""

from __future__ import annotations

import ast
import hashlib
import json
import platform
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cache
from pathlib import Path
from typing import Any

import torch
from arms import Arm

import shapebias
from shapebias.errors import UserError
from shapebias.files import locked, read_json, write_json

SOURCE = Path(shapebias.__file__).parent
DECIDES = (
    *("attacks", "corruptions", "data", "evaluators", "losses", "metrics", "models", "stats", "stylize", "tasks"),
    *("train", "allocator.py", "demo.py", "ranks.py"),
)
OWN = ("arena.py", "terms.py", "samples.py", "training.py")

Cell = dict[str, Any]


@dataclass(frozen=True)
class Place:
    """Where and by what a cell is computed: the arena, its settings, the code's version and the kind of processor."""

    arena: str
    settings: dict[str, Any]
    code: str
    processor: str


@cache
def code_version() -> str:
    """Return a hash of the code that decides a cell's numbers: its statements, without comments and docstrings."""
    digest = hashlib.sha256()
    own = Path(__file__).parent
    for root, files in ((SOURCE, _sources()), (own, [own / name for name in OWN])):
        for path in files:
            digest.update(str(path.relative_to(root)).encode())
            content = path.read_bytes()
            digest.update(_statements(content).encode() if path.suffix == ".py" else content)
    return digest.hexdigest()[:16]


def _sources() -> list[Path]:
    found = [SOURCE / name for name in DECIDES if name.endswith(".py")]
    for name in DECIDES:
        if not name.endswith(".py"):
            found += [path for path in (SOURCE / name).rglob("*") if path.suffix in {".py", ".safetensors"}]
    return sorted(found)


def _statements(source: bytes) -> str:
    tree = ast.parse(source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
    return ast.dump(tree)


def processor() -> str:
    """Return the kind of processor: results of one kind are repeatable, and differ a little between kinds."""
    return f"{platform.machine()} {torch.backends.cpu.get_cpu_capability()}"


def key(arm: Arm, seed: int, place: Place) -> str:
    """Return the hash that names a cell: of what the arm changes, the seed, and the place."""
    plain = asdict(Arm(arm.title))
    decides = {name: value for name, value in asdict(arm).items() if value != plain[name]}
    text = json.dumps([decides, seed, asdict(place)], sort_keys=True)
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def cell_path(folder: Path, name: str, arm: Arm, seed: int, place: Place) -> Path:
    """Return the file of a cell in the arena's ``folder``."""
    return folder / "cells" / f"{name}-{seed}-{key(arm, seed, place)}.json"


def compute(path: Path, work: Callable[[], Cell]) -> Cell | None:
    """Return the cell at ``path``, computed if it is not there; None if another process is at work on it."""
    if path.is_file():
        return read_json(path)
    with ExitStack() as held:
        try:
            held.enter_context(locked(path.parent, path.stem))
        except UserError as error:
            if "another process is at work" in str(error):
                return None
            raise
        if not path.is_file():
            write_json(path, work())
        return read_json(path)


def kept(folder: Path, names: Sequence[str]) -> list[Cell]:
    """Return the cells of these arms in ``folder``, whatever code and processor made them; of twins the latest."""
    paths = sorted((folder / "cells").glob("*.json"), key=lambda path: path.stat().st_mtime)
    cells = [read_json(path) for path in paths]
    return list({(cell["arm"], cell["seed"]): cell for cell in cells if cell["arm"] in names}.values())
