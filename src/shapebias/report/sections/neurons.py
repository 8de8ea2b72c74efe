"""Neurons divided by the factor they encode, and the picture details that single ones respond to most."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from markupsafe import Markup

from shapebias.report.charts import share_bar
from shapebias.report.collect import Collection, Model
from shapebias.report.format import counted, plain
from shapebias.report.pictures import Picture, inside, strip, stylized_copy
from shapebias.report.sections import Section
from shapebias.report.values import listing, number, read_record, table, text
from shapebias.results.layout import NEURONS_FILE

STRIPS, CROPS, MODELS = 10, 6, 4
FACTORS = ("shape", "texture", "residual")


@dataclass(frozen=True)
class Shares:
    """One model's neurons divided by factor, and the scores that the shares are made of."""

    model: Model
    stage: str
    bar: Markup
    scores: tuple[tuple[str, str], ...]
    pairs: str
    neurons: str


@dataclass(frozen=True)
class Strip:
    """One neuron: its number, its correlation with the factor, and the details it responds to most."""

    neuron: str
    correlation: str
    picture: Picture
    crops: int


@dataclass(frozen=True)
class NeuronStrips:
    """One model's strips of both factors."""

    model: Model
    stage: str
    shape: tuple[Strip, ...]
    texture: tuple[Strip, ...]


def build(collection: Collection) -> dict[str, Any] | None:
    """Return the shares of every model, and the strips of the first ``MODELS`` that have ``neurons.json``."""
    shares = [found for model in collection.models if (found := _shares(model)) is not None]
    strips = _read_strips(collection)
    return {"shares": shares, "strips": strips} if shares or strips else None


def _shares(model: Model) -> Shares | None:
    results = [model.result("dimensionality", f"{factor}_neurons") for factor in FACTORS]
    values = [(factor, r.value) for factor, r in zip(FACTORS, results, strict=True) if r and r.value is not None]
    if not values:
        return None
    details = next(result.details for result in results if result)
    scores = table(details.get("scores"))
    return Shares(
        model,
        text(details.get("stage")) or "",
        share_bar(model.name, [(factor, min(max(value, 0.0), 1.0)) for factor, value in values]),
        tuple((factor, plain(number(scores.get(factor)))) for factor in FACTORS),
        counted(number(details.get("pairs"))),
        counted(number(details.get("neurons"))),
    )


def _read_strips(collection: Collection) -> list[NeuronStrips]:
    found: list[NeuronStrips] = []
    for model in collection.models:
        for measurement in model.measurements:
            path = inside(measurement.path.parent, NEURONS_FILE)
            if path is None:
                continue
            if len(found) == MODELS:
                collection.warnings.append(
                    f"the neurons of {model.name} are not shown: the page shows those of at most {MODELS} models"
                )
                break
            strips = _read(path, model, collection.warnings)
            if strips is not None:
                found.append(strips)
                break
    return found


def _read(path: Path, model: Model, warnings: list[str]) -> NeuronStrips | None:
    record = read_record(path, None, warnings)
    if record is None:
        return None
    folders = _folders(path.parent.parent, model)
    rows = [[row for row in map(table, listing(record.get(kind))) if _correlates(row)] for kind in ("shape", "texture")]
    shape, texture = (_strips(of_kind, folders) for of_kind in rows)
    if not shape and not texture:
        if not any(rows) and (record.get("shape") or record.get("texture")):
            return None  # none correlates with its factor
        where = ", ".join(map(str, folders)) or "an unnamed folder"
        warnings.append(f"none of the pictures that {path} names could be read below {where}")
        return None
    return NeuronStrips(model, text(record.get("stage")) or "", shape, texture)


def _folders(home: Path, model: Model) -> list[Path]:
    """Folders of the pictures: the output folder ``home``, and those that the neurons were measured on."""
    names = [table(r.details.get("data")).get("folder") for r in model.results if r.evaluator == "dimensionality"]
    return list(dict.fromkeys([home, *(Path(name) for name in map(text, names) if name)]))


def _correlates(row: Mapping[str, Any]) -> bool:
    """Return whether a neuron correlates with its factor; one at 0 or below is nothing like it."""
    correlation = number(row.get("correlation"))
    return correlation is None or correlation > 0


def _strips(rows: Sequence[Mapping[str, Any]], folders: Sequence[Path]) -> tuple[Strip, ...]:
    found = []
    for row in rows[:STRIPS]:
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
    """Return the stylized copy of that path, if it lies in one of ``folders``; also where these were moved with it.

    The path is absolute, or relative to where the measuring ran or to a folder.
    """
    parts = Path(name).parts
    moved = "/".join(parts[len(parts) - 1 - parts[::-1].index("images") :]) if "images" in parts else name
    ways = (name, str(Path.cwd() / name), moved) if name else ()
    return next((p for folder in folders for way in ways if (p := stylized_copy(folder, way)) is not None), None)


def _place(image: Mapping[str, Any]) -> tuple[float, float] | None:
    """Return the place in its picture that a neuron responds to most, in fractions of width and height."""
    x, y = number(image.get("x")), number(image.get("y"))
    return None if x is None or y is None or not (0 <= x <= 1 and 0 <= y <= 1) else (x, y)


SHAPE_NEURONS = Section("Shape and texture neurons", "neurons.html", build, expected=True)
