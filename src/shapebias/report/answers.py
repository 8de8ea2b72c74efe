"""What each network answered to each cue-conflict picture, and which pictures to show."""

from __future__ import annotations

import csv
import hashlib
import re
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from shapebias.report.collect import Network
from shapebias.report.pictures import Picture, embed, inside, is_folder
from shapebias.report.records import Measurement, table, text

CARDS = 12


@dataclass(frozen=True, order=True)
class Conflict:
    """A picture with the shape of one category and the texture of another."""

    shape: str
    texture: str
    file: str

    def cue(self, answer: str) -> str:
        """Which cue an answer follows: shape, texture, or other."""
        return {self.shape: "shape", self.texture: "texture"}.get(answer, "other")


@dataclass(frozen=True)
class Answer:
    """One network's answer to one picture, and that answer's share of the scores of all answers where it is known."""

    network: Network
    answer: str
    cue: str
    confidence: float | None = None


@dataclass(frozen=True)
class Card:
    """A picture, its two cues and what the networks said."""

    conflict: Conflict
    picture: Picture
    answers: tuple[Answer, ...]


@dataclass(frozen=True)
class Responses:
    """All answers of one network, and the folder of the pictures it answered to."""

    network: Network
    folder: Path | None
    data: str
    answers: Mapping[Conflict, str]


def read_responses(networks: tuple[Network, ...], warnings: list[str]) -> list[Responses]:
    """The raw answers of every network that has them."""
    found = []
    for network in networks:
        for measurement in network.measurements:
            entry = next(
                (e for e in measurement.entries if e.metric == "shape_bias" and "responses" in e.details), None
            )
            if entry is None:
                continue
            answers = _read(measurement, text(entry.details["responses"]) or "", warnings)
            if answers:
                data = table(entry.details.get("data"))
                folder = text(data.get("folder"))
                identity = text(data.get("fingerprint")) or folder or ""
                found.append(Responses(network, Path(folder) if folder else None, identity, answers))
                break
    return found


def choose_cards(responses: list[Responses], warnings: list[str], limit: int = CARDS) -> list[Card]:
    """Pictures that the networks answered to, spread over categories, those that divide the networks first.

    The choice depends on the answers and file names only. A picture that cannot be found or decoded
    is passed over.
    """
    if not responses:
        return []
    responses = _same_pictures(responses)
    folders = list(dict.fromkeys(r.folder for r in responses if r.folder))
    present = [folder for folder in folders if is_folder(folder)]
    if not present:
        where = ", ".join(map(str, folders)) or "an unnamed folder"
        warnings.append(f"the cue-conflict pictures are no longer in {where}")
        return []
    cards: list[Card] = []
    for conflict in _order(responses):
        picture = next((p for f in present if (p := _picture(f, conflict)) is not None), None)
        if picture is not None:
            given = [(r.network, r.answers[conflict]) for r in responses if conflict in r.answers]
            cards.append(Card(conflict, picture, tuple(Answer(n, a, conflict.cue(a)) for n, a in given)))
        if len(cards) == limit:
            break
    if not cards:
        warnings.append(f"no cue-conflict picture of the answers was found in {', '.join(map(str, present))}")
    return sorted(cards, key=lambda card: card.conflict)


def _same_pictures(responses: list[Responses]) -> list[Responses]:
    """The most networks that answered to one and the same set of pictures, still there if possible."""
    groups: dict[str, list[Responses]] = {}
    for item in responses:
        groups.setdefault(item.data, []).append(item)
    return max(groups.values(), key=lambda g: (any(r.folder and is_folder(r.folder) for r in g), len(g)))


def _order(responses: list[Responses]) -> list[Conflict]:
    """Round by round one picture of every shape, the most telling first, textures used evenly."""
    answered = Counter(conflict for r in responses for conflict in r.answers)
    most = max(answered.values())
    shelves: dict[str, list[Conflict]] = defaultdict(list)
    for conflict in sorted(answered):
        if answered[conflict] == most and conflict.shape != conflict.texture:
            shelves[conflict.shape].append(conflict)
    telling = {c: _telling(c, responses) for shelf in shelves.values() for c in shelf}
    used: Counter[str] = Counter()
    order: list[Conflict] = []
    while any(shelves.values()):
        waiting = [shape for shape in shelves if shelves[shape]]
        for shape in sorted(waiting, key=lambda s: (-max(telling[c] for c in shelves[s]), _shuffled(s))):
            best = min(shelves[shape], key=lambda c: (-telling[c], used[c.texture], _shuffled(c.file)))
            shelves[shape].remove(best)
            used[best.texture] += 1
            order.append(best)
    return order


def _telling(conflict: Conflict, responses: list[Responses]) -> int:
    """2 where some go by shape and some by texture, 1 where answers differ otherwise, 0 where all agree."""
    answers = {r.answers[conflict] for r in responses if conflict in r.answers}
    cues = {conflict.cue(answer) for answer in answers}
    return 2 if {"shape", "texture"} <= cues else int(len(answers) > 1)


def _shuffled(name: str) -> str:
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()


def _picture(folder: Path, conflict: Conflict) -> Picture | None:
    path = inside(folder, conflict.shape, conflict.file)
    return embed(path) if path else None


def _read(measurement: Measurement, name: str, warnings: list[str]) -> dict[Conflict, str]:
    path = inside(measurement.path.parent, name)
    if path is None:
        warnings.append(f"the raw answers of {measurement.name} are not in {measurement.path.parent}")
        return {}
    answers: dict[Conflict, str] = {}
    try:
        with path.open(newline="", encoding="utf-8") as file:
            for row in csv.DictReader(file):
                conflict = _conflict(row.get("category") or "", row.get("imagename") or "")
                answer = row.get("object_response")
                if conflict and answer:
                    answers[conflict] = answer
    except (OSError, ValueError, csv.Error) as error:
        warnings.append(f"{path} is not readable: {error}")
        return {}
    if not answers:
        warnings.append(f"{path} holds no answers to cue-conflict pictures")
    return answers


def _conflict(shape: str, name: str) -> Conflict | None:
    """The picture that a row of raw answers is about: ``…_cat1-elephant2.png``, shape ``cat``."""
    if not shape or shape.startswith(".") or "/" in shape or "\\" in shape:
        return None
    match = re.fullmatch(rf"(?:.*_)?({re.escape(shape)}\d+-([^/\\]+?)\d+\.\w+)", name, re.DOTALL)
    return Conflict(shape, match[2], match[1]) if match else None
