"""The commands that measure and show: evaluate, score-responses, report."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shapebias.cli.arguments import Parser, new_parser
from shapebias.cli.networks import (
    EVALUATORS,
    MODELS,
    add_measuring_arguments,
    add_network_arguments,
    load_networks,
    measuring_options,
    split,
)
from shapebias.cli.output import print_json, say
from shapebias.errors import UserError

EVALUATE_EXAMPLES = f"""examples:
  shapebias evaluate runs/in runs/mmsi --evaluators accuracy,stylized --data photos --out results
  shapebias evaluate timm:resnet50 --evaluators shape-bias --data shape-bias=cue-conflict --out results --json
  shapebias evaluate timm:resnet50 timm:resnet50=mine.pth --evaluators white-box --data nips17 --out results
  shapebias evaluate runs/mmsi --evaluators transfer-attack --source timm:resnet50 --data nips17 --out results

{MODELS}
{EVALUATORS}"""

SCORE_EXAMPLES = """examples:
  shapebias score-responses responses/*.csv
  shapebias score-responses results/resnet50/cue-conflict_*.csv people/*.csv --out observers

FILE has the columns subj,session,trial,rt,object_response,category,condition,imagename, as published by Geirhos et al.
and as 'shapebias evaluate --evaluators shape-bias' writes it; each imagename ends in _shapeN-textureM.png."""


def evaluate_arguments() -> Parser:
    """What ``evaluate`` takes."""
    parser = new_parser("Measure networks; writes OUT/NAME/results.json for each.", EVALUATE_EXAMPLES)
    add_network_arguments(parser)
    parser.add_argument("--evaluators", type=str, required=True, help="what to measure, separated by commas")
    parser.add_argument(
        "--data",
        type=str,
        action="append",
        required=True,
        metavar="[EVALUATOR=]DIR",
        help="repeatable; a bare folder serves every evaluator without its own",
    )
    add_measuring_arguments(parser)
    return parser


def evaluate(
    models: Sequence[str],
    evaluators: str,
    data: Sequence[str],
    out: Path,
    checkpoint: Path | None,
    remap_by_order: bool,
    classes: Path | None,
    crop: float | None,
    source: str | None,
    json: bool,
    **given: Any,
) -> None:
    """Measure networks."""
    from shapebias.evaluators.evaluate import evaluate_all
    from shapebias.evaluators.names import check_evaluators
    from shapebias.results.table import print_table

    names = split(evaluators)
    check_evaluators(names)
    folders = parse_data(data)
    options = measuring_options(given)
    networks, against = load_networks(
        models, source, checkpoint=checkpoint, remap_by_order=remap_by_order, classes=classes, crop=crop
    )
    results = evaluate_all(networks, evaluators=names, data=folders, out=out, source=against, **options)
    print_table(results)
    for result in results:
        say(f"wrote {out / result.model['name'] / 'results.json'}")
    if len(results) > 1:
        say(f"wrote {out / 'comparison.json'}")
    if json:
        print_json([result.to_json() for result in results])


def score_responses_arguments() -> Parser:
    """What ``score-responses`` takes."""
    parser = new_parser("Score raw responses to cue-conflict images: no images are needed.", SCORE_EXAMPLES)
    parser.add_argument("files", type=Path, nargs="+", metavar="FILE", help="raw responses, CSV")
    parser.add_argument("--out", type=Path, default=None, help="folder for OBSERVER/results.json and comparison.json")
    parser.add_argument("--seed", type=int, default=0, help="of the resampling")
    parser.add_argument("--json", action="store_true", help="print the results to standard output as JSON")
    return parser


def score_responses(files: Sequence[Path], out: Path | None, seed: int, json: bool) -> None:
    """Score raw responses of people or networks."""
    from shapebias.evaluators.base import check_numbers
    from shapebias.evaluators.shape_bias.human_responses import print_observers, save, score_files

    check_numbers(seed, 1, 0)
    scored = score_files(files, seed=seed)
    print_observers(scored)
    if out is not None:
        for path in save(scored, out, seed=seed):
            say(f"wrote {path}")
    if json:
        print_json([one.results.to_json() for one in scored])


def parse_data(data: Sequence[str]) -> dict[str, Path]:
    """``["DIR", "evaluator=DIR"]`` as folders by evaluator; the bare folder has the key "".

    Raises:
        UserError: an evaluator or the bare folder given twice, or nothing after the sign.
    """
    folders: dict[str, Path] = {}
    for value in data:
        evaluator, sign, folder = value.partition("=")
        if not sign:
            evaluator, folder = "", value
        if not folder:
            raise UserError(f"--data {value} names no folder: give --data EVALUATOR=DIR or --data DIR")
        if evaluator in folders:
            raise UserError(
                f"--data gives {'evaluator ' + evaluator if evaluator else 'a folder for all evaluators'} twice"
            )
        folders[evaluator] = Path(folder)
    return folders


def report_arguments() -> Parser:
    """What ``report`` takes."""
    parser = new_parser("One self-contained HTML page from everything below the given folders, and response files.")
    parser.add_argument(
        "runs",
        type=Path,
        nargs="+",
        metavar="RUN",
        help="folders of runs and results, and response CSV files or folders of them",
    )
    parser.add_argument("--out", type=Path, required=True, help="the page, for example report.html")
    return parser


def report(runs: Sequence[Path], out: Path) -> None:
    """Write the page."""
    from shapebias.report import build_report

    for warning in build_report(list(runs), out):
        say(f"warning: {warning}")
    say(f"wrote {out}")
