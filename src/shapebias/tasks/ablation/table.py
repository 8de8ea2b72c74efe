"""The table of the ablation, for the terminal and table.md."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import Any

from shapebias.results.comparison import Difference
from shapebias.results.results import Result, Results
from shapebias.results.table import print_rows
from shapebias.tasks.ablation.config import AblationConfig
from shapebias.tasks.ablation.rows import ROWS
from shapebias.tasks.classification.outputs import KINDS

EVALUATOR = "ablation-voc12"
HEAD = ("row", "λ_m", "λ_s", "stages", "lr", "epochs", "images seen", "seeds")


def headings(results: Sequence[Results]) -> list[str]:
    """Return the names of the columns."""
    return [*HEAD, *KINDS, f"{KINDS[0]} - {results[0].model['name']}"]


def cells(results: Sequence[Results], paired: Sequence[Difference]) -> list[list[str]]:
    """Return the cells by row: settings, cost, results in percent, and the difference from the first row.

    ``images seen`` is the number of images passed through the model in training, per seed.
    """
    first = results[0].model["name"]
    return [
        [
            *_settings(result),
            *(_value(result.get(EVALUATOR, "map", kind=kind)) for kind in KINDS),
            _difference(result.model["name"], first, paired),
        ]
        for result in results
    ]


def markdown(results: Sequence[Results], paired: Sequence[Difference], config: AblationConfig) -> str:
    """Return the text of table.md: the data and settings, the table, and an explanation of its intervals."""
    names = headings(results)
    lines = [f"| {' | '.join(row)} |" for row in (names, ["---"] * len(names), *cells(results, paired))]
    details = results[0].get(EVALUATOR, "map", kind=KINDS[0]).details
    described = [f"- {result.model['name']}: {ROWS[result.model['name']].description}" for result in results]
    return "\n".join(
        [
            f"# Ablation: {config.model} from {config.init}, multi-label VOC2012",
            "",
            f"Trained on {details['split']['train']} images of train, evaluated on {details['data']['images']} of "
            f"val (mean average precision in percent); {config.size} pixels, batches of {config.loop.batch_size}, "
            f"{_rates(details)}. All rows with the same seed start from the same weights.",
            "",
            *lines,
            "",
            *described,
            "",
            "Intervals are 95 %: over seeds (Student's t) and test images (bootstrap) together where there are two "
            "seeds or more, else over the test images alone; the same for differences, whose images are paired.",
            "Images seen: the number of images, including views, passed through the model in training, per seed.",
            "",
        ]
    )


def _rates(details: dict[str, Any]) -> str:
    if "selection" not in details:
        return f"learning rate {details['lr']:g} for every row"
    tried = ", ".join(details["selection"])
    held_out = details["split"]["held_out"]
    return f"each row with the learning rate (lr) of {tried} that was best on {held_out} held-out images of train"


def print_table(results: Sequence[Results], paired: Sequence[Difference]) -> None:
    """Print the table to standard error."""
    title = "multi-label VOC2012, mean average precision in percent, with 95 % intervals"
    width = None if sys.stderr.isatty() else 200
    print_rows(title, headings(results), cells(results, paired), width=width)


def _settings(result: Results) -> list[str]:
    details = result.get(EVALUATOR, "map", kind=KINDS[0]).details
    compared = details["row"]["stages"] if details["lambda_m"] else []
    shown = bool(details["row"]["views"])
    return [
        result.model["name"],
        f"{details['lambda_m']:g}" if shown else "-",
        f"{details['lambda_s']:g}" if shown else "-",
        "+".join(compared) or "-",
        f"{details['lr']:g}",
        str(details["epochs"]),
        f"{max(details['images_seen']):,}",
        str(len(details["seeds"])),
    ]


def _value(result: Result) -> str:
    if result.value is None or result.value != result.value:
        return "-"
    return f"{100 * result.value:.1f}{_interval(result.ci95)}"


def _difference(name: str, first: str, paired: Sequence[Difference]) -> str:
    alike = [row for row in paired if {row.a, row.b} == {name, first} and row.condition == {"kind": KINDS[0]}]
    found = next(iter(alike), None)
    if found is None or found.value is None:
        return "-"
    sign = 1 if found.a == name else -1
    interval = found.ci95
    if interval is not None:
        interval = tuple(sorted(sign * end for end in interval))
    return f"{100 * sign * found.value:+.1f}{_interval(interval, signed=True)}"


def _interval(ends: Sequence[float] | None, *, signed: bool = False) -> str:
    if ends is None:
        return ""
    form = "+.1f" if signed else ".1f"
    return f" [{100 * ends[0]:{form}}, {100 * ends[1]:{form}}]"
