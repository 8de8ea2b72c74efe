"""Single cue-conflict pictures and every model's answer: a sample of each kind of agreement."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from shapebias.data.categories16 import CATEGORIES
from shapebias.data.readers.cue_conflict import parse_name
from shapebias.errors import UserError
from shapebias.report.collect import Collection, Measurement, Model
from shapebias.report.pictures import Picture, conflict_picture, embed, inside, is_folder
from shapebias.report.respondents import cue_of
from shapebias.report.sections import Section
from shapebias.report.values import listing, number, read_record, table, text
from shapebias.results.layout import DECISIONS_FILE
from shapebias.results.responses import read_responses

CARDS = 12
SEED = "shapebias"  # random seed of the sample
_SIDE = 200
KINDS = {
    "shape": ("All went by the shape", "It went by the shape", 3),
    "texture": ("All went by the texture", "It went by the texture", 3),
    "differ": ("The models differ", "", 4),
    "other": ("None named either", "It named neither", 2),
}


@dataclass(frozen=True, order=True)
class Conflict:
    """A picture with the shape of one category and the texture of another; ``file`` is relative to its folder."""

    shape: str
    texture: str
    file: str


@dataclass(frozen=True)
class Answer:
    """One model's answer to one picture, the cue it follows, and its share of the scores of all answers, if known."""

    model: Model
    answer: str
    cue: str
    confidence: float | None


@dataclass(frozen=True)
class Decisions:
    """One model's answer to each picture, and the folder of the pictures."""

    folder: Path
    answers: Mapping[Conflict, Answer]


@dataclass(frozen=True)
class Card:
    """A picture, its two cues and the models' answers."""

    conflict: Conflict
    picture: Picture
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Group:
    """Pictures drawn from those on which the models agree in one way, of which there are ``of``."""

    title: str
    of: int
    cards: tuple[Card, ...]

    @property
    def size(self) -> int:
        """The number of pictures drawn."""
        return len(self.cards)


def build(collection: Collection) -> dict[str, Any] | None:
    """Return about ``CARDS`` pictures that all models answered, sampled within each kind by a hash of their names."""
    found = [d for model in collection.models if (d := _decisions(model, collection.warnings)) is not None]
    if not found:
        return None
    folders: dict[Path, list[Decisions]] = {}
    for one in found:
        folders.setdefault(one.folder, []).append(one)
    shown = max(folders.values(), key=lambda group: (is_folder(group[0].folder), len(group)))
    folder, common = shown[0].folder, set.intersection(*(set(one.answers) for one in shown))
    context = {"groups": [], "pictures": len(common), "credit": False, "without": []}
    if not is_folder(folder):
        collection.warnings.append(f"the cue-conflict pictures are no longer in {folder}")
        return context
    groups = _groups(folder, shown, common)
    if not groups and common:
        collection.warnings.append(f"no cue-conflict picture of the answers was found in {folder}")
    answered = {answer.model.name for group in groups for card in group.cards for answer in card.answers}
    without = [model for model in collection.models if groups and model.name not in answered]
    credit = bool(groups) and _may_be_published(folder, [conflict.file for conflict in common])
    return context | {"groups": groups, "without": without, "credit": credit}


def _groups(folder: Path, shown: Sequence[Decisions], common: set[Conflict]) -> list[Group]:
    kinds: dict[str, list[Conflict]] = {kind: [] for kind in KINDS}
    for conflict in sorted(common, key=lambda c: _hash(c.file)):
        cues = {one.answers[conflict].cue for one in shown}
        kinds[cues.pop() if len(cues) == 1 else "differ"].append(conflict)
    wanted = _shares(kinds, CARDS)
    groups = []
    for kind, (title, alone, _) in KINDS.items():
        cards: list[Card] = []
        for conflict in kinds[kind]:
            if len(cards) == wanted[kind]:
                break
            path = conflict_picture(folder, conflict.file, conflict.shape, conflict.texture)
            picture = embed(path, largest=_SIDE, quality=82) if path else None
            if picture is not None:
                cards.append(Card(conflict, picture, tuple(one.answers[conflict] for one in shown)))
        if cards:
            groups.append(Group(alone if len(shown) == 1 else title, len(kinds[kind]), tuple(cards)))
    return groups


def _hash(file: str) -> bytes:
    return hashlib.sha256(f"{SEED}/{file}".encode("utf-8", "replace")).digest()


def _shares(kinds: Mapping[str, Sequence[Conflict]], limit: int) -> dict[str, int]:
    """Return the number of pictures per kind; places that one kind cannot fill go to the others in turn."""
    wanted = {kind: min(plan, len(kinds[kind])) for kind, (_, _, plan) in KINDS.items()}
    spare = {kind: range(len(kinds[kind]) - wanted[kind]) for kind in ("differ", "shape", "texture", "other")}
    turns = zip_longest(*([kind] * len(left) for kind, left in spare.items()))
    for kind in [kind for turn in turns for kind in turn if kind][: max(0, limit - sum(wanted.values()))]:
        wanted[kind] += 1
    return wanted


def _may_be_published(folder: Path, files: Sequence[str]) -> bool:
    """Return whether files are named as in the published set and no record says that they were made otherwise."""
    made = [inside(place, name) for place in (folder, folder.parent) for name in ("shapes16.json", "cue-conflict.json")]
    named = [parse_name(Path(file).stem) for file in files]
    return bool(files) and not any(made) and all(cues is not None and {*cues} <= {*CATEGORIES} for cues in named)


def _decisions(model: Model, warnings: list[str]) -> Decisions | None:
    """Return the first decisions beside the model's results, or the raw answers that these name."""
    for measurement in model.measurements:
        path = inside(measurement.path.parent, DECISIONS_FILE)
        found = _from_json(path, model, warnings) if path else None
        found = found or _from_responses(measurement, model, warnings)
        if found is not None:
            return found
    return None


def _from_json(path: Path, model: Model, warnings: list[str]) -> Decisions | None:
    record = read_record(path, None, warnings)
    if record is None:
        return None
    folder = text(record.get("folder"))
    answers: dict[Conflict, Answer] = {}
    for row in map(table, listing(record.get("images"))):
        file, shape, texture, decision = (text(row.get(key)) for key in ("image", "shape", "texture", "decision"))
        if file and shape and texture and decision:
            share = number(row.get("p_decision"))
            sure = share if share is not None and 0 <= share <= 1 else None
            _add(answers, Conflict(shape, texture, file), model, decision, sure)
    if not folder or not answers:
        warnings.append(f"{path} contains no decisions on cue-conflict pictures")
        return None
    return Decisions(Path(folder), answers)


def _from_responses(measurement: Measurement, model: Model, warnings: list[str]) -> Decisions | None:
    named = [r for r in measurement.results if r.metric == "shape_bias" and text(r.details.get("responses"))]
    folders = [text(table(result.details.get("data")).get("folder")) for result in named]
    if not named or not folders[0]:
        return None
    path = inside(measurement.path.parent, named[0].details["responses"])
    if path is None:
        warnings.append(f"the raw answers of {measurement.name} are not in {measurement.path.parent}")
        return None
    answers: dict[Conflict, Answer] = {}
    try:
        for trial in read_responses(path):
            shape, texture = trial.cues
            _add(answers, Conflict(shape, texture, f"{shape}/{trial.image}"), model, trial.response, None)
    except UserError as error:
        warnings.append(f"{error} (skipped)")
    return Decisions(Path(folders[0]), answers) if answers else None


def _add(answers: dict[Conflict, Answer], conflict: Conflict, model: Model, answer: str, share: float | None) -> None:
    if conflict.shape != conflict.texture:
        cue = cue_of(answer, conflict.shape, conflict.texture)
        answers[conflict] = Answer(model, answer, cue, share)


DECISIONS = Section("Decisions on single pictures", "decisions.html", build, expected=True)
