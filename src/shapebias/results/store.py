"""The results of several models in one folder: one file per model, and their comparison."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from contextlib import AbstractContextManager
from dataclasses import replace
from pathlib import Path
from typing import Any

from shapebias.errors import UserError
from shapebias.files import locked, make_folder
from shapebias.results.comparison import Comparison, Difference, merged, read_comparison, write_comparison
from shapebias.results.results import Result, ResultKey, Results, without_nan

COMPARISON_FILE = "comparison.json"
RESULTS_FILE = "results.json"


class ResultStore:
    """``OUT/NAME/results.json`` for each model, and ``OUT/comparison.json`` for several.

    Models are given by their descriptions (``Classifier.describe``); the folder of a model is its ``name``.
    """

    def __init__(self, out: Path) -> None:
        self.out = Path(out)

    @property
    def comparison_file(self) -> Path:
        """The path of the comparison."""
        return self.out / COMPARISON_FILE

    def path(self, name: str) -> Path:
        """Return the path of a model's results."""
        return self.out / name / RESULTS_FILE

    def read(self, name: str) -> Results | None:
        """Return the results of a model, None if there are none.

        Raises:
            UserError: the file is broken or of another schema.
        """
        path = self.path(name)
        return Results.load(path) if path.is_file() else None

    def comparison(self) -> Comparison:
        """Return the differences between models; empty if there is no file."""
        return read_comparison(self.comparison_file)

    def claim(self, models: Sequence[Mapping[str, Any]]) -> None:
        """Make the folder, and check before measuring that the results can be written.

        Raises:
            UserError: two models have the same name, the folder is not writable, it contains results of another model
                with the same name, or the comparison is unreadable.
        """
        names = [model["name"] for model in models]
        twice = sorted({name for name in names if names.count(name) > 1})
        if twice:
            raise UserError(
                f"two models are called '{twice[0]}': their results would overwrite each other; "
                "measure one of them with another --out"
            )
        make_folder(self.out)
        if len(models) > 1:
            self.comparison()
        for model in models:
            self._earlier(model)

    def locked(self) -> AbstractContextManager[None]:
        """Hold the results files and the comparison while they are read, changed and written; others wait."""
        return locked(self.out, "results", wait=True)

    def merge(self, model: dict[str, Any], environment: dict[str, Any], results: Sequence[Result]) -> Results:
        """Append a model's new results to the earlier ones that are still valid, write the file, and return all.

        Earlier results are dropped if a new one replaces them, or if their evaluator has now measured other images.
        Differences of results that changed or were dropped are removed from the comparison.
        """
        with self.locked():
            earlier = self._earlier(model)
            stay = staying(earlier, results)
            found = Results(model, environment, [*stay, *results], frozenset(result.key for result in stay))
            self._drop_differences(model["name"], changed(earlier, found.results))
            self.replace(found)
        return found

    def replace(self, results: Results) -> None:
        """Write a model's results in place of any earlier ones."""
        results.save(self.path(results.model["name"]))

    def compare(self, differences: Sequence[Difference], models: Sequence[Results]) -> None:
        """Add the differences between ``models`` to the comparison, and drop earlier ones that are no longer valid."""
        digests = {one.model["name"]: one.model.get("weights_sha256") for one in models}
        names = list(digests)
        with self.locked():
            earlier = self.comparison()
            for name in earlier.weights_sha256:
                if name not in digests and (found := self.read(name)) is not None:
                    digests[name] = found.model.get("weights_sha256")
            write_comparison(self.comparison_file, merged(earlier, differences, digests, names))

    def _drop_differences(self, name: str, keys: Collection[ResultKey]) -> None:
        """Remove from the comparison, if there is one, the differences of a model's results ``keys``."""
        if not keys or not self.comparison_file.is_file():
            return
        earlier = self.comparison()

        def stale(difference: Difference) -> bool:
            sides = zip((difference.a, difference.b), difference.keys, strict=True)
            return any(model == name and key in keys for model, key in sides)

        kept = tuple(difference for difference in earlier.differences if not stale(difference))
        write_comparison(self.comparison_file, replace(earlier, differences=kept))

    def _earlier(self, model: Mapping[str, Any]) -> list[Result]:
        """Return the results of this model that an earlier call wrote.

        Results over a different set of its seeds are ignored: they no longer describe its mean.

        Raises:
            UserError: the results are of another model with this name, or of this model with other preprocessing.
        """
        found = self.read(model["name"])
        if found is None:
            return []
        path = self.path(model["name"])
        if found.model.get("weights_sha256") != model["weights_sha256"]:
            if _other_seeds(found.model.get("seeds"), model.get("seeds")):
                return []
            raise UserError(f"{path} contains results of another model with that name: choose another --out")
        for name in ("architecture", "preprocessing", "mean", "std"):
            if found.model.get(name, model[name]) != model[name]:
                raise UserError(
                    f"{path} contains results of this model with another {name} ({found.model[name]} there, "
                    f"{model[name]} now): choose another --out"
                )
        return found.results


def staying(earlier: Sequence[Result], new: Sequence[Result]) -> list[Result]:
    """Return the earlier results that no new one replaces and whose evaluator has not measured other images since."""
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
    """Return the keys of earlier results that are gone, or have another value, interval or count."""

    def values(results: Sequence[Result]) -> dict[ResultKey, Any]:
        return {r.key: without_nan([r.value, list(r.ci95) if r.ci95 else None, r.n]) for r in results}

    then, new = values(earlier), values(now)
    return {key for key, value in then.items() if key not in new or new[key] != value}


def _images(result: Result) -> list[tuple[Any, ...]]:
    """Return the images that a result records; empty if only the first result of its evaluator records them."""
    data = result.details.get("data")
    return [(data.get("fingerprint"), data.get("images"))] if data else []


def _other_seeds(then: Any, now: Any) -> bool:
    """Return whether two sets of seeds overlap and the shared seeds have the same weights (SHA-256)."""
    if not isinstance(then, dict) or not isinstance(now, dict):
        return False
    both = then.keys() & now.keys()
    return bool(both) and all(then[seed] == now[seed] for seed in both)
