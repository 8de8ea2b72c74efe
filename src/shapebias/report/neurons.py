"""What single neurons respond to: strips of picture details for the most shape-like and texture-like ones."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from shapebias.errors import UserError
from shapebias.files import read_json
from shapebias.report.collect import Network
from shapebias.report.format import plain
from shapebias.report.pictures import Picture, inside, strip, stylized_copy
from shapebias.report.records import listing, number, table, text

FILE = "neurons.json"
NEURONS, CROPS, NETWORKS = 10, 6, 4


@dataclass(frozen=True)
class Strip:
    """One neuron: its number, how far it follows the factor, and the details it responds to most."""

    neuron: str
    correlation: str
    picture: Picture
    crops: int


@dataclass(frozen=True)
class NeuronStrips:
    """One network's strips of both kinds."""

    network: Network
    stage: str
    shape: tuple[Strip, ...]
    texture: tuple[Strip, ...]


def read_strips(networks: Sequence[Network], warnings: list[str]) -> list[NeuronStrips]:
    """The strips of the first ``NETWORKS`` networks with ``neurons.json`` beside their results."""
    found: list[NeuronStrips] = []
    for network in networks:
        for measurement in network.measurements:
            path = inside(measurement.path.parent, FILE)
            if path is None:
                continue
            if len(found) == NETWORKS:
                warnings.append(f"the neurons of {network.name} are not shown: {NETWORKS} networks have theirs here")
                break
            strips = _read(path, network, warnings)
            if strips is not None:
                found.append(strips)
                break
    return found


def _read(path: Path, network: Network, warnings: list[str]) -> NeuronStrips | None:
    try:
        record = table(read_json(path))
    except UserError as error:
        warnings.append(f"{error} (left out)")
        return None
    folders = _folders(path.parent.parent, network)
    shape, texture = (_strips(listing(record.get(kind)), folders) for kind in ("shape", "texture"))
    if not shape and not texture:
        where = ", ".join(map(str, folders)) or "an unnamed folder"
        warnings.append(f"none of the pictures that {path} names could be read below {where}")
        return None
    return NeuronStrips(network, text(record.get("stage")) or "", shape, texture)


def _folders(home: Path, network: Network) -> list[Path]:
    """Where the pictures may lie: below the output folder ``home``, or what the neurons were measured on."""
    names = [table(e.details.get("data")).get("folder") for e in network.entries if e.evaluator == "dimensionality"]
    return list(dict.fromkeys([home, *(Path(name) for name in map(text, names) if name)]))


def _strips(rows: Sequence[Any], folders: Sequence[Path]) -> tuple[Strip, ...]:
    found = []
    for row in map(table, rows[:NEURONS]):
        details = []
        for image in map(table, listing(row.get("images"))[:CROPS]):
            path = _find(text(image.get("image")) or "", folders)
            if path is not None:
                details.append((path, _place(image)))
        picture, crops = strip(details)
        if picture is not None:
            found.append(Strip(plain(number(row.get("neuron"))), plain(number(row.get("correlation"))), picture, crops))
    return tuple(found)


def _find(name: str, folders: Sequence[Path]) -> Path | None:
    """The stylized copy of that path, if it lies in one of ``folders``; also where these were moved with it.

    The path is absolute, or relative to where the measuring ran or to a folder.
    """
    parts = Path(name).parts
    moved = "/".join(parts[len(parts) - 1 - parts[::-1].index("images") :]) if "images" in parts else name
    ways = (name, str(Path.cwd() / name), moved) if name else ()
    return next((p for folder in folders for way in ways if (p := stylized_copy(folder, way)) is not None), None)


def _place(image: Mapping[str, Any]) -> tuple[float, float] | None:
    """Where in its picture a neuron responds most, in fractions of width and height."""
    x, y = number(image.get("x")), number(image.get("y"))
    return None if x is None or y is None or not (0 <= x <= 1 and 0 <= y <= 1) else (x, y)
