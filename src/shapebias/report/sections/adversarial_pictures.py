"""Adversarial pictures: as they came, changed, and the change itself, with the answers to both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any

from shapebias.errors import UserError
from shapebias.files import read_json
from shapebias.report.collect import Collection, Model
from shapebias.report.format import plain
from shapebias.report.pictures import Picture, embed_png, inside
from shapebias.report.values import listing, number, table, text
from shapebias.results.layout import ADVERSARIAL_MANIFEST, ADVERSARIAL_SCHEMA
from shapebias.results.results import Result

EVALUATORS = ("white-box", "transfer-attack")
TITLES = {"fgsm": "FGSM", "pgd": "PGD", "ifgsm": "I-FGSM", "mim": "MIM", "autoattack": "AutoAttack"}
CLEAN = "none"
PICTURES, GALLERIES = 6, 4
_VIEWS = ("clean", "adversarial", "difference")


@dataclass(frozen=True)
class Answered:
    """One model's answers; ``right``: equal to the picture's class, or, that unknown, to the answer before."""

    model: Model
    clean: str
    adversarial: str
    clean_right: bool
    adversarial_right: bool


@dataclass(frozen=True)
class AttackedPicture:
    """One picture three ways, how it was attacked, its class, and the answers of every model it was shown to."""

    views: tuple[Picture, ...]
    attack: str
    epsilon: str
    label: str
    answers: tuple[Answered, ...]


@dataclass(frozen=True)
class Gallery:
    """Pictures of one folder: each model's against itself, or (``transferred``) against ``source``."""

    models: tuple[Model, ...]
    transferred: bool
    source: str
    pictures: tuple[AttackedPicture, ...]


_Images = list[tuple[Model, Mapping[str, Any]]]


def attack_title(attack: str) -> str:
    """Return the usual spelling of an attack's name."""
    return TITLES.get(attack, attack)


def rank(attack: str) -> int:
    """Return the place of an attack: known ones in the order of the paper, others after them."""
    return list(TITLES).index(attack) if attack in TITLES else len(TITLES)


def clean_results(results: Sequence[Result]) -> list[Result]:
    """Return the accuracies on the pictures as they were before any attack."""
    top1 = [r for r in results if r.evaluator in EVALUATORS and r.metric == "top1"]
    return [r for r in top1 if r.condition.get("attack") == CLEAN]


def galleries(collection: Collection) -> list[Gallery]:
    """Return the example pictures that the results name, of the first ``GALLERIES`` folders of each kind of attack."""
    folders: dict[tuple[bool, Path, str], _Images] = {}
    for model in collection.models:
        for measurement in model.measurements:
            for result in clean_results(measurement.results):
                examples = table(result.details.get("examples"))
                images = [(model, table(image)) for image in listing(examples.get("images"))]
                name = text(examples.get("folder")) if images else None
                folder = _folder(name, measurement.path.parent, collection.warnings) if name else None
                if folder is not None:
                    transferred = result.evaluator != "white-box"
                    folders.setdefault((transferred, folder, _source(model, result)), []).extend(images)
    found: list[Gallery] = []
    for (transferred, folder, source), images in sorted(folders.items(), key=lambda item: item[0][0]):
        shown_to = tuple({model.name: model for model, _ in images}.values())
        if sum(gallery.transferred == transferred for gallery in found) == GALLERIES:
            collection.warnings.append(
                f"the adversarial pictures in {folder} are not shown: the page shows at most {GALLERIES} folders"
            )
        elif pictures := _pictures(folder, images):
            found.append(Gallery(shown_to, transferred, source, pictures))
            collection.picture_folders.append(folder)
        else:
            collection.warnings.append(f"none of the adversarial pictures named in {folder} could be read")
    return found


def _folder(name: str, home: Path, warnings: list[str]) -> Path | None:
    """Return the folder of that name if it is one of adversarial pictures, also if moved together with the results."""
    ways = (Path(name), home / Path(name).name)
    found = next((way for way in ways if _is_ours(way)), None)
    if found is None:
        warnings.append(f"{name} is not a folder of adversarial pictures (no {ADVERSARIAL_MANIFEST} in it): not shown")
    return found


def _is_ours(folder: Path) -> bool:
    """Return whether a folder was written as one of adversarial pictures, by the manifest in it."""
    path = inside(folder, ADVERSARIAL_MANIFEST)
    try:
        return path is not None and table(read_json(path)).get("schema") == ADVERSARIAL_SCHEMA
    except UserError:
        return False


def _source(model: Model, clean: Result) -> str:
    """Return the model that transferred pictures were made against: that of ``clean``, or of all attacks beside it."""
    results = [r for r in model.results if r.evaluator == clean.evaluator]
    sources = dict.fromkeys(source for r in results if (source := text(r.condition.get("source"))))
    return text(clean.condition.get("source")) or (next(iter(sources)) if len(sources) == 1 else "")


def _pictures(folder: Path, images: _Images) -> tuple[AttackedPicture, ...]:
    """Return the attacks in turn, each in the order of the record, one card for a picture shown to several models."""
    cards: dict[tuple[str, ...], _Images] = {}
    for model, image in images:
        files = tuple(text(image.get(view)) or "" for view in _VIEWS)
        card = (text(image.get("attack")) or "", plain(number(image.get("epsilon"))), *files)
        cards.setdefault(card, []).append((model, image))
    by_attack: dict[str, list[tuple[str, ...]]] = {}
    for card in cards:
        by_attack.setdefault(card[0], []).append(card)
    found: list[AttackedPicture] = []
    for card in (card for turn in zip_longest(*by_attack.values()) for card in turn if card):
        attack, epsilon, *files = card
        views = [view for file in files if (view := embed_png(folder, file)) is not None]
        if len(views) == len(_VIEWS):
            label = next((name for _, image in cards[card] if (name := text(image.get("label")))), "")
            answers = tuple(a for model, image in cards[card] if (a := _answered(model, image, label)))
            found.append(AttackedPicture(tuple(views), attack_title(attack), epsilon, label, answers))
        if len(found) == PICTURES:
            break
    return tuple(found)


def _answered(model: Model, image: Mapping[str, Any], label: str) -> Answered | None:
    clean, adversarial = text(image.get("answer_clean")), text(image.get("answer_adversarial"))
    if clean is None or adversarial is None:
        return None
    right = label or clean
    return Answered(model, clean, adversarial, clean == right, adversarial == right)
