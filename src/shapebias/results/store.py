"""The results of several models in one folder: a file each, and their comparison."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from shapebias.errors import UserError
from shapebias.files import make_folder
from shapebias.results.comparison import Comparison, Difference, merged, read_comparison, write_comparison
from shapebias.results.results import Result, ResultKey, Results, without_nan

COMPARISON_FILE = "comparison.json"
RESULTS_FILE = "results.json"


class ResultStore:
    """``OUT/NAME/results.json`` for each model, and ``OUT/comparison.json`` for several.

    Models are given by their descriptions (``Classifier.describe``), of which ``name`` is the folder's.
    """

    def __init__(self, out: Path) -> None:
        self.out = Path(out)

    @property
    def comparison_file(self) -> Path:
        """The path of the comparison."""
        return self.out / COMPARISON_FILE

    def path(self, name: str) -> Path:
        """The path of a model's results."""
        return self.out / name / RESULTS_FILE

    def read(self, name: str) -> Results | None:
        """The results of a model, None where there are none.

        Raises:
            UserError: a file that is broken or of another schema.
        """
        path = self.path(name)
        return Results.load(path) if path.is_file() else None

    def comparison(self) -> Comparison:
        """The differences between models, none where there is no file."""
        return read_comparison(self.comparison_file)

    def claim(self, models: Sequence[Mapping[str, Any]]) -> None:
        """Make the folder, and refuse to begin what could not be written at the end.

        Raises:
            UserError: two models of one name, a folder that cannot be written, results of another model of that name,
                or a comparison that cannot be read.
        """
        names = [model["name"] for model in models]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UserError(f"two models are called '{twice[0]}': their results would overwrite each other")
        make_folder(self.out)
        if len(models) > 1:
            self.comparison()
        for model in models:
            self._earlier(model)

    def merge(self, model: dict[str, Any], environment: dict[str, Any], results: Sequence[Result]) -> Results:
        """Write a model's new results behind the earlier ones that stay, and return all.

        Earlier results stay unless they are given anew, or are of an evaluator that has now measured other images.
        Differences of results that changed or went leave the comparison.
        """
        earlier = self._earlier(model)
        found = Results(model, environment, [*staying(earlier, results), *results])
        self._drop_differences(model["name"], changed(earlier, found.results))
        self.replace(found)
        return found

    def replace(self, results: Results) -> None:
        """Write a model's results in place of any earlier ones."""
        results.save(self.path(results.model["name"]))

    def compare(self, differences: Sequence[Difference], models: Sequence[Results]) -> None:
        """Write the differences between ``models`` into the comparison, beside earlier ones that stay."""
        earlier = self.comparison()
        digests = {one.model["name"]: one.model.get("weights_sha256") for one in models}
        names = list(digests)
        for name in earlier.weights_sha256:
            if name not in digests and (found := self.read(name)) is not None:
                digests[name] = found.model.get("weights_sha256")
        write_comparison(self.comparison_file, merged(earlier, differences, digests, names))

    def _drop_differences(self, name: str, keys: Collection[ResultKey]) -> None:
        """Remove the differences of a model's results ``keys`` from the comparison, if there is one."""
        if not keys or not self.comparison_file.is_file():
            return
        earlier = self.comparison()

        def stale(difference: Difference) -> bool:
            sides = zip((difference.a, difference.b), difference.keys, strict=True)
            return any(model == name and key in keys for model, key in sides)

        kept = tuple(difference for difference in earlier.differences if not stale(difference))
        write_comparison(self.comparison_file, replace(earlier, differences=kept))

    def _earlier(self, model: Mapping[str, Any]) -> list[Result]:
        """The results that an earlier call left of this model.

        Those over other seeds of it, which no longer describe its mean, are as good as none.

        Raises:
            UserError: results of another model of that name, or of this one with other preprocessing.
        """
        found = self.read(model["name"])
        if found is None:
            return []
        path = self.path(model["name"])
        if found.model.get("weights_sha256") != model["weights_sha256"]:
            if _other_seeds(found.model.get("seeds"), model.get("seeds")):
                return []
            raise UserError(f"{path} holds results of another model of that name: choose another --out")
        for name in ("architecture", "preprocessing", "mean", "std"):
            if found.model.get(name, model[name]) != model[name]:
                raise UserError(
                    f"{path} holds results of this model with another {name} ({found.model[name]} there, {model[name]} "
                    "now): choose another --out"
                )
        return found.results


def staying(earlier: Sequence[Result], new: Sequence[Result]) -> list[Result]:
    """The earlier results that are not given anew, and are of no evaluator that has now measured other images."""
    keys = {result.key for result in new}
    images = {(result.evaluator, data) for result in new for data in _images(result)}
    again = {evaluator for evaluator, _ in images}
    moved = {
        result.evaluator
        for result in earlier
        for data in _images(result)
        if result.evaluator in again and (result.evaluator, data) not in images
    }
    return [result for result in earlier if result.key not in keys and result.evaluator not in moved]


def changed(earlier: Sequence[Result], now: Sequence[Result]) -> set[ResultKey]:
    """The earlier results that are gone, or have another value, interval or count."""

    def values(results: Sequence[Result]) -> dict[ResultKey, Any]:
        return {r.key: without_nan([r.value, list(r.ci95) if r.ci95 else None, r.n]) for r in results}

    then, new = values(earlier), values(now)
    return {key for key, value in then.items() if key not in new or new[key] != value}


def _images(result: Result) -> list[tuple[Any, ...]]:
    """The images that a result states to be of: none where it leaves that to its evaluator's first one."""
    data = result.details.get("data")
    return [(data.get("fingerprint"), data.get("images"))] if data else []


def _other_seeds(then: Any, now: Any) -> bool:
    """Return whether two sets of seeds (the SHA-256 of each one's weights) overlap, and agree where they do."""
    if not isinstance(then, dict) or not isinstance(now, dict):
        return False
    both = then.keys() & now.keys()
    return bool(both) and all(then[seed] == now[seed] for seed in both)
