"""Attacked pictures: as they came, changed, and the change itself, with the answers to both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from shapebias.errors import UserError
from shapebias.files import read_json
from shapebias.report.attacked import attack_title, clean_entries
from shapebias.report.collect import Network
from shapebias.report.format import plain
from shapebias.report.pictures import Picture, embed, inside
from shapebias.report.records import Entry, listing, number, table, text

MANIFEST, SCHEMA = "adversarial.json", "shapebias/adversarial/1"
PICTURES, GALLERIES = 6, 4
_VIEWS = ("clean", "adversarial", "difference")


@dataclass(frozen=True)
class Answered:
    """One network's answers; ``right`` is whether each is the picture's class, or, that unknown, unchanged."""

    network: Network
    clean: str
    adversarial: str
    clean_right: bool
    adversarial_right: bool


@dataclass(frozen=True)
class AttackedPicture:
    """One picture three ways, what was done to it, its class, and the answers of every network it was shown to."""

    views: tuple[Picture, ...]
    attack: str
    epsilon: str
    label: str
    answers: tuple[Answered, ...]


@dataclass(frozen=True)
class Gallery:
    """Pictures of one folder: each network's against itself, or (``transferred``) against ``source``."""

    networks: tuple[Network, ...]
    transferred: bool
    source: str
    folder: Path
    pictures: tuple[AttackedPicture, ...]

    @property
    def folders(self) -> tuple[Path, ...]:
        """Where the pictures are from."""
        return (self.folder,)


_Images = list[tuple[Network, Mapping[str, Any]]]


def read_galleries(networks: Sequence[Network], warnings: list[str]) -> list[Gallery]:
    """The example pictures that the measurements name, of the first ``GALLERIES`` folders of each kind of attack."""
    folders: dict[tuple[bool, Path, str], _Images] = {}
    for network in networks:
        for measurement in network.measurements:
            for entry in clean_entries(measurement.entries):
                examples = table(entry.details.get("examples"))
                images = [(network, table(image)) for image in listing(examples.get("images"))]
                folder = _folder(text(examples.get("folder")), measurement.path.parent, warnings) if images else None
                if folder is not None:
                    transferred = entry.evaluator != "white-box"
                    folders.setdefault((transferred, folder, _source(network, entry)), []).extend(images)
    found: list[Gallery] = []
    for (transferred, folder, source), images in sorted(folders.items(), key=lambda item: item[0][0]):
        shown_to = tuple({network.index: network for network, _ in images}.values())
        if sum(gallery.transferred == transferred for gallery in found) == GALLERIES:
            warnings.append(f"the attacked pictures in {folder} are not shown: {GALLERIES} folders have theirs here")
        elif pictures := _pictures(folder, images):
            found.append(Gallery(shown_to, transferred, source, folder, pictures))
        else:
            warnings.append(f"none of the attacked pictures named in {folder} could be read")
    return found


def _folder(name: str | None, home: Path, warnings: list[str]) -> Path | None:
    """The folder of that name if it is one of attacked pictures, also where it moved with the results in ``home``."""
    if name is None:
        return None
    ways = (Path(name), home / Path(name).name)
    found = next((way for way in ways if _is_ours(way)), None)
    if found is None:
        warnings.append(f"{name} is no folder of attacked pictures (no {MANIFEST} in it), so none of it is shown")
    return found


def _is_ours(folder: Path) -> bool:
    """Whether a folder was written as one of attacked pictures, by the manifest in it."""
    path = inside(folder, MANIFEST)
    try:
        return path is not None and table(read_json(path)).get("schema") == SCHEMA
    except UserError:
        return False


def _source(network: Network, clean: Entry) -> str:
    """The network that transferred pictures were made against: that of ``clean``, or of all attacks beside it."""
    entries = [e for e in network.entries if e.evaluator == clean.evaluator]
    sources = dict.fromkeys(source for e in entries if (source := text(e.condition.get("source"))))
    return text(clean.condition.get("source")) or (next(iter(sources)) if len(sources) == 1 else "")


def _pictures(folder: Path, images: _Images) -> tuple[AttackedPicture, ...]:
    """The attacks in turn, each in the order of the record, one card for a picture shown to several networks."""
    cards: dict[tuple[str, ...], _Images] = {}
    for network, image in images:
        files = tuple(text(image.get(view)) or "" for view in _VIEWS)
        cards.setdefault((text(image.get("attack")) or "", plain(number(image.get("epsilon"))), *files), []).append(
            (network, image)
        )
    by_attack: dict[str, list[tuple[str, ...]]] = {}
    for card in cards:
        by_attack.setdefault(card[0], []).append(card)
    found: list[AttackedPicture] = []
    for card in (card for turn in zip_longest(*by_attack.values()) for card in turn if card):
        attack, epsilon, *files = card
        views = [_embedded(folder, file) for file in files]
        shown = tuple(view for view in views if view is not None)
        if len(shown) == len(_VIEWS):
            label = next((said for _, image in cards[card] if (said := text(image.get("label")))), "")
            answers = tuple(a for network, image in cards[card] if (a := _answered(network, image, label)))
            found.append(AttackedPicture(shown, attack_title(attack), epsilon, label, answers))
        if len(found) == PICTURES:
            break
    return tuple(found)


def _answered(network: Network, image: Mapping[str, Any], label: str) -> Answered | None:
    clean, adversarial = text(image.get("answer_clean")), text(image.get("answer_adversarial"))
    if clean is None or adversarial is None:
        return None
    right = label or clean
    return Answered(network, clean, adversarial, clean == right, adversarial == right)


def _embedded(folder: Path, file: str) -> Picture | None:
    path = inside(folder, file) if file else None
    return embed(path, quality=85) if path is not None and path.suffix == ".png" else None
