"""Find trainings, results and other files in folders, and group them by model."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from itertools import count
from pathlib import Path

from shapebias.errors import UserError, unknown
from shapebias.report.values import text
from shapebias.results.audit import FILE as AUDIT_FILE
from shapebias.results.comparison import Difference, read_comparison
from shapebias.results.responses import Trial, check_once, is_response_file, read_responses
from shapebias.results.results import Result, Results
from shapebias.results.runs import RUN_FILE, Run
from shapebias.results.store import COMPARISON_FILE, RESULTS_FILE

_PERSON = re.compile(r"(subject|subj|human|person|participant)s?([-_ ]?\w{1,4})?", re.IGNORECASE)


@dataclass(frozen=True)
class Measurement:
    """One ``results.json`` and where it lies."""

    path: Path
    content: Results

    @property
    def name(self) -> str:
        """The model's name."""
        return self.content.model["name"]

    @property
    def results(self) -> list[Result]:
        """Every result in the file."""
        return self.content.results

    @property
    def weights(self) -> str | None:
        """SHA-256 of the measured weights."""
        return text(self.content.model.get("weights_sha256"))


@dataclass(frozen=True)
class Model:
    """One model on the page: the training of it, its results, or both; ``index`` is None if it is a person.

    ``place`` is 0 for the reference named by the user, and counts from 1 in the order in which models were given.
    Results without weights under a person's name are a person's.
    """

    name: str
    run: Run | None
    measurements: tuple[Measurement, ...]
    index: int | None = None
    place: int = 0

    @property
    def results(self) -> list[Result]:
        """Every result of this model."""
        return [result for measurement in self.measurements for result in measurement.results]

    @property
    def is_person(self) -> bool:
        """True where these are the results of a person."""
        return self.run is None and is_person(self.name) and not any(m.weights for m in self.measurements)

    def result(self, evaluator: str, metric: str) -> Result | None:
        """Return the first result of that evaluator and metric, None where there is none."""
        return next((r for r in self.results if (r.evaluator, r.metric) == (evaluator, metric)), None)

    @property
    def shape_bias(self) -> float | None:
        """Share of shape among the decisions by either cue."""
        result = self.result("shape-bias", "shape_bias")
        return result.value if result else None


@dataclass(frozen=True)
class Collection:
    """Everything found, models ordered from the most texture-bound to the most shape-bound.

    Sections add to ``warnings`` what they could not use, and to ``picture_folders`` where shown pictures are from.
    """

    models: tuple[Model, ...]
    differences: tuple[Difference, ...] = ()
    trials: tuple[Trial, ...] = ()
    audits: tuple[Path, ...] = ()
    warnings: list[str] = field(default_factory=list)
    picture_folders: list[Path] = field(default_factory=list)


def collect(folders: Sequence[Path], reference: str | None = None) -> Collection:
    """Search ``folders``, which may also be response files, and return what they hold.

    ``reference`` is the name of the model that others are compared with: by default the first one given, by the order
    of the folders, and within one of those that were measured together by the order in which they were.

    Raises:
        UserError: a folder or file is missing, there is no run, result or response file in any of them, or one of
            these that cannot be used; or no model is called ``reference``.
    """
    runs: list[Run] = []
    measurements: list[Measurement] = []
    comparisons: list[Path] = []
    audits: list[Path] = []
    responses: dict[Path, bool] = {}  # True for a file given by its path, False for one found in a folder
    for path in _files(folders):
        if path.suffix == ".csv":
            responses[path] = path in map(Path, folders)
        elif path.name == RUN_FILE:
            runs.append(Run.load(path.parent))
        elif path.name == RESULTS_FILE:
            measurements.append(Measurement(path, Results.load(path)))
            comparisons.append(path.parent.parent / COMPARISON_FILE)
            audits.append(path.parent.parent / AUDIT_FILE)
        else:
            (audits if path.name == AUDIT_FILE else comparisons).append(path)
    if not runs and not measurements and not responses:
        where = ", ".join(str(folder) for folder in folders) or "no folder"
        raise UserError(
            f"no {RUN_FILE} and no {RESULTS_FILE} found in {where}: give a folder of a training or of results, "
            "or response CSV files"
        )
    warnings: list[str] = []
    models = _placed(_models(runs, measurements, warnings), _in_order(measurements, folders), reference)
    differences = _differences(_existing(comparisons), {m.name for m in measurements}, warnings)
    trials = _trials(responses, warnings)
    return Collection(models, tuple(differences), tuple(trials), tuple(_existing(audits)), warnings)


def _files(folders: Sequence[Path]) -> Iterator[Path]:
    """Yield the relevant files without duplicates, in an order that depends on names only."""
    seen: set[Path] = set()

    def new(path: Path) -> bool:
        known = path.resolve() in seen
        seen.add(path.resolve())
        return not known

    for folder in map(Path, folders):
        if folder.suffix == ".csv" and folder.is_file():
            yield from filter(new, [folder])
            continue
        if not folder.is_dir():
            raise UserError(f"no folder {folder}: give the folder of a training or of results, or a response CSV file")
        for parent, children, names in os.walk(folder):
            children[:] = sorted(child for child in children if not child.startswith("."))
            known = [name for name in (RUN_FILE, RESULTS_FILE, COMPARISON_FILE, AUDIT_FILE) if name in names]
            yield from filter(new, (Path(parent) / name for name in known))
            if RESULTS_FILE in names:
                continue  # the response files beside it are that model's own
            tables = (Path(parent) / name for name in sorted(names) if name.endswith(".csv") and name[0] != ".")
            yield from filter(new, (path for path in tables if is_response_file(path)))


def is_person(name: str) -> bool:
    """Return whether a name is like those of the people in published response files: ``subject-02``."""
    return _PERSON.fullmatch(name) is not None


def _in_order(measurements: Sequence[Measurement], folders: Sequence[Path]) -> list[Path]:
    """Return the paths of results in the order given: of folders, then that of their comparison, then as found."""
    names: dict[Path, list[str]] = {}
    for home in dict.fromkeys(measurement.path.parent.parent for measurement in measurements):
        names[home] = []
        with suppress(UserError):  # there is a warning where its differences are read
            names[home] = list(read_comparison(home / COMPARISON_FILE).weights_sha256)
    homes = list(names)

    def place(one: Measurement) -> tuple[int, int, int]:
        home = one.path.parent.parent
        folder = next((n for n, given in enumerate(folders) if one.path.is_relative_to(given)), len(folders))
        within = names[home].index(one.name) if one.name in names[home] else len(names[home])
        return folder, homes.index(home), within

    return [measurement.path for measurement in sorted(measurements, key=place)]


def _placed(models: Sequence[Model], order: Sequence[Path], reference: str | None) -> tuple[Model, ...]:
    """Return the models with their places."""
    if reference is not None and not any(model.name == reference for model in models):
        raise unknown("model of --reference", reference, [model.name for model in models])
    rank = {path: place for place, path in enumerate(order, 1)}

    def place(model: Model) -> int:
        first = min((rank[measurement.path] for measurement in model.measurements), default=len(order) + 1)
        return 0 if model.name == reference else first

    return tuple(replace(model, place=place(model)) for model in models)


def _existing(paths: Sequence[Path]) -> list[Path]:
    return [path for path in sorted({path.resolve(): path for path in paths}.values()) if path.is_file()]


def _models(runs: list[Run], measurements: list[Measurement], warnings: list[str]) -> tuple[Model, ...]:
    """Match trainings and results by the hash of the weights; each unmatched one becomes its own model."""
    waiting = list(measurements)
    models: list[Model] = []
    homes, weights = {m.path.parent.resolve() for m in measurements}, {m.weights for m in measurements}
    for run in runs:
        if run.record.get("task") and run.weights not in weights and homes.intersection(run.folder.resolve().parents):
            continue  # a seed or a trial whose results are aggregated in the folder above
        mine = [m for m in waiting if run.weights and m.weights == run.weights]
        if run.weights is None:
            warnings.append(f"the training of {run.name} in {run.folder} is unfinished")
        elif not mine and any(m.name == run.name for m in waiting):
            warnings.append(f"results named {run.name} belong to other weights than the training in {run.folder}")
        waiting = [m for m in waiting if m not in mine]
        groups = _groups(mine)
        models.append(Model(mine[0].name if mine else run.name, run, groups[0] if groups else ()))
        models.extend(Model(group[0].name, None, group) for group in groups[1:])
    while waiting:
        first = waiting[0]
        mine = [m for m in waiting if m is first or (first.weights and m.weights == first.weights)]
        waiting = [m for m in waiting if m not in mine]
        models.extend(Model(group[0].name, None, group) for group in _groups(mine))
    models.sort(key=lambda m: (m.shape_bias is None, m.shape_bias or 0.0, not m.measurements, m.name))
    numbers = count()
    return tuple(replace(m, index=None if m.is_person else next(numbers), name=n) for m, n in _distinct(models))


def _groups(measurements: list[Measurement]) -> list[tuple[Measurement, ...]]:
    """Split measurements of the same weights so that no group holds the same result twice."""
    groups: list[list[Measurement]] = []
    for measurement in measurements:
        keys = {result.key for result in measurement.results}
        home = next((g for g in groups if not keys & {r.key for m in g for r in m.results}), None)
        if home is None:
            groups.append([measurement])
        else:
            home.append(measurement)
    return [tuple(group) for group in groups]


def _distinct(models: list[Model]) -> Iterator[tuple[Model, str]]:
    """Return the models with display names; duplicates are numbered or marked with their seed."""
    alike: dict[str, list[Model]] = {}
    for model in models:
        alike.setdefault(model.name, []).append(model)
    used: set[str] = set()
    for model in models:
        seeds = [str(m.run.record.get("seed")) for m in alike[model.name] if m.run]
        apart = 1 < len(set(seeds)) == len(alike[model.name])
        name = f"{model.name} · seed {model.run.record.get('seed')}" if apart and model.run else model.name
        candidate, turn = name, 1
        while candidate in used:
            turn += 1
            candidate = f"{name} ({turn})"
        used.add(candidate)
        yield model, candidate


def _differences(paths: Sequence[Path], known: set[str], warnings: list[str]) -> list[Difference]:
    """Return the paired differences between models on the page, without duplicates."""
    found: dict[str, Difference] = {}
    for path in paths:
        try:
            differences = read_comparison(path).differences
        except UserError as error:
            warnings.append(f"{error} (skipped)")
            continue
        shown = [difference for difference in differences if {difference.a, difference.b} <= known]
        if len(shown) < len(differences):
            warnings.append(f"{path} compares models that are not on this page (skipped)")
        found |= {repr(difference): difference for difference in shown if repr(difference) not in found}
    return list(found.values())


def _trials(files: dict[Path, bool], warnings: list[str]) -> list[Trial]:
    """Return the trials of all response files; a broken file is an error if given by its path, else a warning."""
    found: list[Trial] = []
    for path, asked in files.items():
        try:
            trials = read_responses(path)
            check_once([*found, *trials])
        except UserError as error:
            if asked:
                raise
            warnings.append(f"{error} (skipped)")
        else:
            found += trials
    return found
