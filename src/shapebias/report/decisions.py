"""Single pictures, each network's answer and its share of all scores: a drawn sample of every kind of agreement."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import zip_longest
from pathlib import Path

from shapebias.data.categories16 import CATEGORIES
from shapebias.data.readers.cue_conflict import parse_name
from shapebias.errors import UserError
from shapebias.files import read_json
from shapebias.report.answers import CARDS, Answer, Card, Conflict
from shapebias.report.collect import Network
from shapebias.report.pictures import Picture, conflict_picture, embed, inside, is_folder
from shapebias.report.records import listing, number, table, text

FILE = "decisions.json"
SEED = "shapebias"  # of the draw
_SIDE = 200
KINDS = {
    "shape": ("All went by the shape", "It went by the shape", 3),
    "texture": ("All went by the texture", "It went by the texture", 3),
    "differ": ("The networks differ", "", 4),
    "other": ("None named either", "It named neither", 2),
}


@dataclass(frozen=True)
class Decisions:
    """What one network answered to each picture, and the folder of the pictures."""

    network: Network
    folder: str
    answers: Mapping[Conflict, Answer]


@dataclass(frozen=True)
class Group:
    """Pictures drawn from those on which the networks agree in one way, of which there are ``of``."""

    title: str
    of: int
    cards: tuple[Card, ...]


@dataclass(frozen=True)
class Sample:
    """The drawn pictures by kind; no groups where the pictures are gone. ``credit``: they may be the published ones."""

    folder: Path
    groups: tuple[Group, ...]
    pictures: int
    credit: bool

    @property
    def cards(self) -> list[Card]:
        """Every drawn picture."""
        return [card for group in self.groups for card in group.cards]


def read_decisions(networks: Sequence[Network], warnings: list[str]) -> list[Decisions]:
    """The decisions beside the results of every network that has them."""
    found = []
    for network in networks:
        for measurement in network.measurements:
            path = inside(measurement.path.parent, FILE)
            decisions = _read(path, network, warnings) if path else None
            if decisions is not None:
                found.append(decisions)
                break
    return found


def draw_sample(decisions: Sequence[Decisions], warnings: list[str], limit: int = CARDS) -> Sample | None:
    """About ``limit`` pictures that all networks answered to, drawn by a hash of their names within each kind."""
    if not decisions:
        return None
    folders: dict[str, list[Decisions]] = {}
    for one in decisions:
        folders.setdefault(one.folder, []).append(one)
    shown = max(folders.values(), key=lambda group: (is_folder(Path(group[0].folder)), len(group)))
    folder = Path(shown[0].folder)
    kinds: dict[str, list[Conflict]] = {kind: [] for kind in KINDS}
    common = set.intersection(*(set(one.answers) for one in shown))
    for conflict in sorted(
        common, key=lambda c: hashlib.sha256(f"{SEED}/{c.file}".encode("utf-8", "replace")).digest()
    ):
        cues = {one.answers[conflict].cue for one in shown}
        kinds[cues.pop() if len(cues) == 1 else "differ"].append(conflict)
    if not is_folder(folder):
        warnings.append(f"the cue-conflict pictures are no longer in {folder}")
        return Sample(folder, (), len(common), False)
    wanted = _shares(kinds, limit)
    groups = []
    for kind, (title, alone, _) in KINDS.items():
        cards: list[Card] = []
        for conflict in kinds[kind]:
            if len(cards) == wanted[kind]:
                break
            picture = _picture(folder, conflict)
            if picture is not None:
                cards.append(Card(conflict, picture, tuple(one.answers[conflict] for one in shown)))
        if cards:
            groups.append(Group(alone if len(shown) == 1 else title, len(kinds[kind]), tuple(cards)))
    if not groups and common:
        warnings.append(f"no cue-conflict picture of the answers was found in {folder}")
    return Sample(folder, tuple(groups), len(common), may_be_published(folder, [c.file for c in common]))


def may_be_published(folder: Path, files: Sequence[str]) -> bool:
    """Whether pictures are named as in the published set and no record says that they were made otherwise."""
    made = [inside(place, name) for place in (folder, folder.parent) for name in ("shapes16.json", "cue-conflict.json")]
    named = [parse_name(Path(file).stem) for file in files]
    return bool(files) and not any(made) and all(cues is not None and {*cues} <= {*CATEGORIES} for cues in named)


def _shares(kinds: Mapping[str, Sequence[Conflict]], limit: int) -> dict[str, int]:
    """How many pictures of each kind: as planned, and what one kind lacks goes to the others in turn."""
    wanted = {kind: min(plan, len(kinds[kind])) for kind, (_, _, plan) in KINDS.items()}
    spare = {kind: range(len(kinds[kind]) - wanted[kind]) for kind in ("differ", "shape", "texture", "other")}
    turns = zip_longest(*([kind] * len(left) for kind, left in spare.items()))
    for kind in [kind for turn in turns for kind in turn if kind][: max(0, limit - sum(wanted.values()))]:
        wanted[kind] += 1
    return wanted


def _picture(folder: Path, conflict: Conflict) -> Picture | None:
    path = conflict_picture(folder, conflict.file, conflict.shape, conflict.texture)
    return embed(path, largest=_SIDE, quality=82) if path else None


def _read(path: Path, network: Network, warnings: list[str]) -> Decisions | None:
    try:
        record = table(read_json(path))
    except UserError as error:
        warnings.append(f"{error} (left out)")
        return None
    folder = text(record.get("folder"))
    answers: dict[Conflict, Answer] = {}
    for row in map(table, listing(record.get("images"))):
        file, shape, texture, decision = (text(row.get(key)) for key in ("image", "shape", "texture", "decision"))
        if file and shape and texture and decision and shape != texture:
            conflict = Conflict(shape, texture, file)
            answer = Answer(network, decision, conflict.cue(decision))
            confidence = number(row.get("p_decision"))
            sure = confidence is not None and 0 <= confidence <= 1
            answers[conflict] = replace(answer, confidence=confidence) if sure else answer
    if not folder or not answers:
        warnings.append(f"{path} holds no decisions on cue-conflict pictures")
        return None
    return Decisions(network, folder, answers)
