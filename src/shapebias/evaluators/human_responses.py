"""Scoring raw responses: the shape bias of people and models from their answers alone, without any image."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

from shapebias.environment import environment
from shapebias.errors import UserError
from shapebias.evaluators.shape_bias import score
from shapebias.files import safe_name
from shapebias.results.pairing import paired
from shapebias.results.responses import UNDECIDED, Trial, check_once, read_responses
from shapebias.results.results import EvalResult, Results
from shapebias.results.store import ResultStore
from shapebias.results.table import print_rows

MAPPING = "as given"


@dataclass(frozen=True)
class Scored:
    """One observer: the results, the decisions by image for comparing observers, and the place as given."""

    results: Results
    given: EvalResult
    place: int

    @property
    def name(self) -> str:
        """The observer."""
        return self.results.model["name"]

    @property
    def shape_bias(self) -> float:
        """Shape decisions among those for either cue; NaN where there are none."""
        value = self.given.results[0].value
        return float("nan") if value is None else value


def score_files(paths: Sequence[Path], *, seed: int = 0) -> list[Scored]:
    """Score every observer in the files, each over all of their trials, the most shape-bound last.

    Raises:
        UserError: a file that cannot be used (naming file and line), one trial in two files, or an observer
            without any image whose cues differ.
    """
    by_observer: dict[str, list[Trial]] = defaultdict(list)
    files: dict[str, list[str]] = defaultdict(list)
    for path in paths:
        for trial in read_responses(Path(path)):
            by_observer[trial.observer].append(trial)
            if str(path) not in files[trial.observer]:
                files[trial.observer].append(str(path))
    scored = []
    for observer, trials in by_observer.items():
        check_once(trials)
        given = score_trials(trials, seed=seed)
        given.results[0].details["files"] = files[observer]
        model = {"name": observer, "spec": ", ".join(Path(name).name for name in files[observer])}
        scored.append(Scored(Results(model, {**environment("cpu"), "seed": seed}, given.results), given, len(scored)))
    return sorted(scored, key=lambda one: (one.shape_bias != one.shape_bias, one.shape_bias, one.name))


def score_trials(trials: Sequence[Trial], *, seed: int = 0) -> EvalResult:
    """The results of one observer's trials; those on images whose cues agree are skipped and counted.

    Raises:
        UserError: no image whose cues differ.
    """
    conflict = [trial for trial in trials if trial.cues[0] != trial.cues[1]]
    if not conflict:
        first = trials[0]
        raise UserError(
            f"{first.place}: {first.observer} has {len(trials)} trials, none on an image whose shape and texture "
            "differ: no shape bias can be counted"
        )
    shapes, textures = ([trial.cues[cue] for trial in conflict] for cue in (0, 1))
    details = {
        "mapping": MAPPING,
        "same_category_left_out": len(trials) - len(conflict),
        "undecided": sum(trial.response == UNDECIDED for trial in conflict),
        "sessions": len({trial.session for trial in trials}),
    }
    answers = [trial.response for trial in conflict]
    return score(answers, shapes, textures, tuple(_images(conflict)), details, mapping=MAPPING, seed=seed)


def save(scored: Sequence[Scored], out: Path, *, seed: int = 0) -> list[Path]:
    """Write ``out/OBSERVER/results.json`` for each, and ``out/comparison.json`` of several; the files written.

    Raises:
        UserError: two observers whose folder would be the same, or a folder with a model's results in it.
    """
    places: dict[Path, Scored] = {}
    store = ResultStore(out)
    for one in scored:
        path = store.path(safe_name(one.name))
        if path in places:
            raise UserError(f"'{places[path].name}' and '{one.name}' would both be written to {path}: rename one")
        places[path] = one
    with store.locked():
        for path in places:
            if path.is_file() and Results.load(path).model.get("weights_sha256"):
                raise UserError(f"{path} holds results of a model of that name: choose another --out")
        for path, one in places.items():
            one.results.save(path)
    if len(scored) == 1:
        return list(places)
    as_given = sorted(scored, key=lambda one: one.place)
    measured = [(one.results, {"shape-bias": one.given}) for one in as_given]
    store.compare(paired(measured, seed), [one.results for one in as_given])
    return [*places, store.comparison_file]


def print_observers(scored: Sequence[Scored]) -> None:
    """Print a row per observer to standard error, fractions in percent."""
    headings = ("observer", "by shape", "by texture", "by neither", "shape bias", "conflict trials")
    title = "decisions in percent; shape bias: shape / (shape + texture), with 95 % intervals"
    print_rows(title, headings, [row(one) for one in scored])


def row(one: Scored) -> tuple[str, ...]:
    """An observer's cells: the shares of all conflict trials, the shape bias ("-" where nothing was decided)."""
    found = {result.metric: result for result in one.given.results}
    bias = found["shape_bias"]
    shown = "-" if one.shape_bias != one.shape_bias else f"{100 * one.shape_bias:.1f}"
    if bias.ci95 is not None:
        shown += f" [{100 * bias.ci95[0]:.1f}, {100 * bias.ci95[1]:.1f}]"
    shares = (found[f"{cue}_decisions"].value or 0.0 for cue in ("shape", "texture", "neither"))
    return one.name, *(f"{100 * share:.1f}" for share in shares), shown, str(bias.details["conflict_images"])


def _images(trials: Sequence[Trial]) -> Iterator[str]:
    """Each trial's image as ``cat/cat1-dog2.png``, with a count from its second time on, as in a second session."""
    times: dict[str, int] = defaultdict(int)
    for trial in trials:
        name = f"{trial.cues[0]}/{trial.image}"
        times[name] += 1
        yield name if times[name] == 1 else f"{name} ({times[name]})"
