"""Who decided: the networks on the page, and the people and networks of response files."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from shapebias.report.collect import Network
from shapebias.report.records import number, table
from shapebias.report.response_files import read_trials

_PERSON = re.compile(r"(subject|subj|human|person|participant)s?([-_ ]?\w{1,4})?", re.IGNORECASE)


@dataclass(frozen=True)
class CategoryShare:
    """How often an observer went by shape within one category."""

    value: float
    shape: float | None
    texture: float | None


@dataclass(frozen=True)
class Observer:
    """A network or a person: the share of shape decisions over all pictures, and in every category with any."""

    name: str
    person: bool
    index: int
    overall: float | None
    shares: Mapping[str, CategoryShare]


def observers_of(networks: Sequence[Network]) -> list[Observer]:
    """Every network that decided anything; one without weights that is called as people are, is a person."""
    found = []
    for network in networks:
        entry = network.entry("shape-bias", "shape_bias")
        shares = {}
        for category, counts in sorted(table(entry.details.get("per_category")).items() if entry else ()):
            value = number(table(counts).get("shape_bias"))
            if value is not None:
                shape, texture = number(counts.get("shape")), number(counts.get("texture"))
                shares[category] = CategoryShare(value, shape, texture)
        if shares:
            weights = any(measurement.weights for measurement in network.measurements)
            person = network.run is None and not weights and is_person(network.name)
            found.append(Observer(network.name, person, network.index, network.shape_bias, shares))
    return found


def read_observers(files: Mapping[Path, bool], networks: Sequence[Network], warnings: list[str]) -> list[Observer]:
    """The observers of response files, numbered after ``networks``; those the page has already are left out.

    Raises:
        UserError: a file that was asked for (True) and is not in the published format.
    """
    trials = read_trials(files, warnings)
    known = {network.name for network in networks}
    counts: dict[str, dict[str, Counter[str]]] = defaultdict(lambda: defaultdict(Counter))
    for trial in trials:
        shape, texture = trial.cues
        if shape != texture:
            cue = {shape: "shape", texture: "texture"}.get(trial.response, "other")
            counts[trial.observer][shape][cue] += 1
    for name in sorted(known & set(counts)):
        warnings.append(f"the responses of {name} were left out: results of that name are on the page")
    names = sorted(set(counts) - known, key=lambda name: (is_person(name), name))  # so that networks take the colours
    return [_observer(name, len(networks) + i, counts[name]) for i, name in enumerate(names)]


def is_person(name: str) -> bool:
    """Whether an observer is called as the people in published response files are: ``subject-02``."""
    return _PERSON.fullmatch(name) is not None


def _observer(name: str, index: int, categories: Mapping[str, Counter[str]]) -> Observer:
    shares = {}
    for category, cues in sorted(categories.items()):
        if cues["shape"] + cues["texture"]:
            shares[category] = CategoryShare(
                cues["shape"] / (cues["shape"] + cues["texture"]), cues["shape"], cues["texture"]
            )
    total = sum(categories.values(), Counter[str]())
    decided = total["shape"] + total["texture"]
    return Observer(name, is_person(name), index, total["shape"] / decided if decided else None, shares)
