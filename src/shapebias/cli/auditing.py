"""The command that measures everything there is data for: audit."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shapebias.cli.arguments import Parser, new_parser
from shapebias.cli.measuring import parse_data
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

EXAMPLES = f"""examples:
  shapebias audit runs/in runs/mmsi --data photos --out audit
  shapebias audit timm:resnet50 runs/mmsi --data datasets --source timm:resnet50 --out audit
  shapebias audit timm:resnet50 --data shape-bias=cue-conflict --data corruptions=imagenet-c --out audit

A bare folder is searched for each evaluator's data by their usual names: cue-conflict, nips17, imagenet-c, edges ...
{MODELS}
{EVALUATORS}
Attacks and corruptions are measured on at most 1000 images unless --limit says otherwise.
What has been measured is not measured again when the same command is given again."""


def audit_arguments() -> Parser:
    """What ``audit`` takes."""
    parser = new_parser(
        "Measure networks by every evaluator whose data is there, say what is missing, and write one page.", EXAMPLES
    )
    add_network_arguments(parser)
    parser.add_argument(
        "--data",
        type=str,
        action="append",
        required=True,
        metavar="[EVALUATOR=]DIR",
        help="repeatable; below a bare folder each evaluator finds its own",
    )
    parser.add_argument("--evaluators", type=str, default=None, help="only these, separated by commas")
    add_measuring_arguments(parser)
    return parser


def audit(
    models: Sequence[str],
    data: Sequence[str],
    evaluators: str | None,
    out: Path,
    checkpoint: Path | None,
    remap_by_order: bool,
    classes: Path | None,
    crop: float | None,
    source: str | None,
    json: bool,
    **given: Any,
) -> None:
    """Measure all there is, and write the page."""
    from shapebias.evaluators.audit import audit as measure
    from shapebias.evaluators.names import EVALUATORS as ALL
    from shapebias.evaluators.names import check_evaluators
    from shapebias.report import build_report
    from shapebias.results.table import print_table

    names = split(evaluators) if evaluators else list(ALL)
    check_evaluators(names)
    folders = parse_data(data)
    options = measuring_options(given)
    networks, against = load_networks(
        models, source, checkpoint=checkpoint, remap_by_order=remap_by_order, classes=classes, crop=crop
    )
    found = measure(networks, data=folders, out=out, evaluators=names, source=against, **options)
    print_table(found.results)
    for missing in found.missing:
        say(f"not measured: {missing.evaluator}: {missing.reason}; it takes {missing.needs}")
    for refused in found.refused:
        say(f"not measured: {refused.evaluator} of {refused.model}: {refused.reason}")
    page = out / "report.html"
    for warning in build_report([out], page):
        say(f"warning: {warning}")
    for result in found.results:
        say(f"wrote {out / result.model['name'] / 'results.json'}")
    say(f"wrote {page}: open it in a browser")
    if json:
        print_json([result.to_json() for result in found.results])
