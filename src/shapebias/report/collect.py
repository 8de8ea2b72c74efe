"""Find runs and measurements in folders, and join those that are about the same network."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from shapebias.errors import UserError
from shapebias.report.audit import FILE as AUDIT
from shapebias.report.audit import Unmeasured, read_audits
from shapebias.report.records import (
    Difference,
    Entry,
    Measurement,
    Run,
    read_differences,
    read_measurement,
    read_run,
)
from shapebias.report.response_files import is_responses


@dataclass(frozen=True)
class Network:
    """One network on the page: the run that trained it, its measurements, or both."""

    name: str
    run: Run | None
    measurements: tuple[Measurement, ...]
    index: int = 0

    @property
    def entries(self) -> list[Entry]:
        """Every measured number of this network."""
        return [entry for measurement in self.measurements for entry in measurement.entries]

    def entry(self, evaluator: str, metric: str) -> Entry | None:
        """The first entry of that evaluator and metric, None where it was not measured."""
        return next((e for e in self.entries if (e.evaluator, e.metric) == (evaluator, metric)), None)

    @property
    def shape_bias(self) -> float | None:
        """Share of shape among the decisions by either cue."""
        entry = self.entry("shape-bias", "shape_bias")
        return entry.value if entry else None


@dataclass(frozen=True)
class Collection:
    """Everything found, networks ordered from the most texture-bound to the most shape-bound."""

    networks: tuple[Network, ...]
    differences: tuple[Difference, ...]
    warnings: list[str] = field(default_factory=list)
    responses: Mapping[Path, bool] = field(default_factory=dict)  # response files; whether one was given itself
    unmeasured: tuple[Unmeasured, ...] = ()


def collect(folders: Sequence[Path]) -> Collection:
    """Search ``folders``, which may also be response files, and return what they hold.

    Raises:
        UserError: a folder or file is missing, or there is no run, measurement or response file in any of them.
    """
    runs: list[Run] = []
    measurements: list[Measurement] = []
    warnings: list[str] = []
    comparisons: list[Path] = []
    audits: list[Path] = []
    responses: dict[Path, bool] = {}
    for path in _files(folders):
        if path.suffix == ".csv":
            responses[path] = path in map(Path, folders)
        elif path.name == "run.json":
            runs.append(read_run(path, warnings))
        elif path.name == "results.json":
            measurements.append(read_measurement(path))
            comparisons.append(path.parent.parent / "comparison.json")
            audits.append(path.parent.parent / AUDIT)
        elif path.name == AUDIT:
            audits.append(path)
        else:
            comparisons.append(path)
    if not runs and not measurements and not responses:
        where = ", ".join(str(folder) for folder in folders) or "no folder"
        raise UserError(
            f"no run.json and no results.json found in {where}: give a folder of a training or measurement, "
            "or response CSV files"
        )
    networks = _networks(runs, measurements, warnings)
    differences = _differences(comparisons, measurements, warnings)
    return Collection(networks, differences, warnings, responses, read_audits(audits, warnings))


def _files(folders: Sequence[Path]) -> Iterator[Path]:
    """Files of interest, each once, in an order that depends on names only."""
    seen: set[Path] = set()
    for folder in map(Path, folders):
        if folder.suffix == ".csv" and folder.is_file():
            if folder.resolve() not in seen:
                seen.add(folder.resolve())
                yield folder
            continue
        if not folder.is_dir():
            raise UserError(f"no folder {folder}: give the folder of a run or of measurements, or a response CSV file")
        for parent, children, names in os.walk(folder):
            children[:] = sorted(child for child in children if not child.startswith("."))
            for name in ("run.json", "results.json", "comparison.json", AUDIT):
                path = Path(parent) / name
                if name in names and path.resolve() not in seen:
                    seen.add(path.resolve())
                    yield path
            if "results.json" in names:
                continue  # the response files beside it are that network's own
            for path in (Path(parent) / name for name in sorted(names) if name.endswith(".csv")):
                if path.resolve() not in seen and not path.name.startswith(".") and is_responses(path):
                    seen.add(path.resolve())
                    yield path


def _networks(runs: list[Run], measurements: list[Measurement], warnings: list[str]) -> tuple[Network, ...]:
    """Join by the weights' hash; what has no partner stays a network of its own."""
    waiting = list(measurements)
    networks: list[Network] = []
    homes, weights = {m.path.parent.resolve() for m in measurements}, {m.weights for m in measurements}
    for run in runs:
        if run.record.get("task") and run.weights not in weights and homes.intersection(run.folder.resolve().parents):
            continue  # a seed or a trial, of which the figures in the folder above are made
        mine = [m for m in waiting if run.weights and m.weights == run.weights]
        if run.weights is None:
            warnings.append(f"the training of {run.name} in {run.folder} is unfinished")
        elif not mine and any(m.name == run.name for m in waiting):
            warnings.append(f"results named {run.name} belong to other weights than the run in {run.folder}")
        waiting = [m for m in waiting if m not in mine]
        groups = _groups(mine)
        name = mine[0].name if mine else run.name
        networks.append(Network(name, run, groups[0] if groups else ()))
        networks.extend(Network(group[0].name, None, group) for group in groups[1:])
    while waiting:
        first = waiting[0]
        mine = [m for m in waiting if m is first or (first.weights and m.weights == first.weights)]
        waiting = [m for m in waiting if m not in mine]
        networks.extend(Network(group[0].name, None, group) for group in _groups(mine))
    networks.sort(key=lambda n: (n.shape_bias is None, n.shape_bias or 0.0, not n.measurements, n.name))
    return tuple(replace(n, index=i, name=name) for i, (n, name) in enumerate(_distinct(networks)))


def _groups(measurements: list[Measurement]) -> list[tuple[Measurement, ...]]:
    """Split measurements of the same weights so that no group holds the same number twice."""
    groups: list[list[Measurement]] = []
    for measurement in measurements:
        keys = {entry.key for entry in measurement.entries}
        home = next((g for g in groups if not keys & {e.key for m in g for e in m.entries}), None)
        if home is None:
            groups.append([measurement])
        else:
            home.append(measurement)
    return [tuple(group) for group in groups]


def _distinct(networks: list[Network]) -> Iterator[tuple[Network, str]]:
    """Networks with names to show, equal ones told apart by their seeds or else by a count."""
    alike: dict[str, list[Network]] = {}
    for network in networks:
        alike.setdefault(network.name, []).append(network)
    used: set[str] = set()
    for network in networks:
        seeds = [str(n.run.record.get("seed")) for n in alike[network.name] if n.run]
        apart = 1 < len(set(seeds)) == len(alike[network.name])
        name = f"{network.name} · seed {network.run.record.get('seed')}" if apart and network.run else network.name
        candidate, turn = name, 1
        while candidate in used:
            turn += 1
            candidate = f"{name} ({turn})"
        used.add(candidate)
        yield network, candidate


def _differences(paths: list[Path], measurements: list[Measurement], warnings: list[str]) -> tuple[Difference, ...]:
    known = {m.name for m in measurements}
    found: list[Difference] = []
    for path in sorted({path.resolve(): path for path in paths}.values()):
        if not path.is_file():
            continue
        differences = read_differences(path, warnings)
        shown = [d for d in differences if d.a in known and d.b in known]
        if len(shown) < len(differences):
            warnings.append(f"{path} compares networks that are not on this page (left out)")
        found.extend(d for d in shown if d not in found)
    return tuple(found)
