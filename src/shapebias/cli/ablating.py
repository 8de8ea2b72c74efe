"""The command that trains and tabulates the paper's ablation."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shapebias.cli.arguments import Parser, add_settings, new_parser
from shapebias.cli.numbers import decimals, whole_numbers
from shapebias.cli.output import say
from shapebias.tasks.ablation.config import AblationConfig
from shapebias.train.config import configure

EXAMPLES = """examples:
  shapebias ablation --model resnet18 --init pretrained --data VOCdevkit --out ablation --seeds 0,1,2
  shapebias ablation --model resnet18 --init runs/mmsi --data VOCdevkit --size 128 --out ablation --rows baseline,mmsi
  shapebias ablation --config recipe.yaml --rows mmsi-style --stages layer3 --lr 0.01 --out ablation-layer3

Rows, in the table's order:
  baseline    binary cross entropy on natural images
  style       two stylized views beside each, their loss weighing lambda_s; no MMSI term: the control of the views
  mmsi        lambda_m times the MMSI term of the deepest stage; no loss on the views
  mmsi-style  both
  stages-2    both, the term averaged over the two deepest stages
  stages-4    both, over the four deepest

Trained on VOC2012's train, measured on its val. Of several --lr each row takes its own: the one that is best on a fifth
of train, held out by --split-seed, after --select-epochs. With it all of train is trained on, once per seed; val is
measured at the end alone and has no say. On one device a rate whose loss does not stay finite is left out.

Rows with views get a third of the epochs, so that about as many images pass the network; the table states how many did.
A killed ablation goes on when the same command is given again. Rows can be added to the same OUT later, and seeds by
naming all of them again; differences are between the rows of one command, so name the baseline with them. --stylized
wants copies of the whole folder VOC2012/JPEGImages."""


def ablation_arguments() -> Parser:
    """What ``ablation`` takes."""
    parser = new_parser(
        "Train and measure the paper's ablation on multi-label VOC2012: the MMSI term, the style loss, more stages.",
        EXAMPLES,
    )
    parser.add_argument("--config", action="config", help="YAML file of these options; options given here win")
    add_settings(parser, AblationConfig, skip={"row", "seed", "lr", "strict", "stages"})
    parser.add_argument("--rows", type=str, default=None, help="only these, separated by commas; default all")
    parser.add_argument("--seeds", type=str | int, default="0", help="of the runs of each row, separated by commas")
    parser.add_argument(
        "--lr", type=str | float, default="0.05,0.02,0.005", help="learning rates to choose from, separated by commas"
    )
    parser.add_argument(
        "--stages",
        type=str,
        nargs="*",
        default=[],
        metavar="STAGE",
        help="modules whose pooled outputs the MMSI term compares, the deepest first; default the network's last four",
    )
    parser.add_argument(
        "--equal_epochs", action="store_true", help="give rows with views as many epochs as the baseline"
    )
    parser.add_argument("--strict", action="store_true", help="stop at an unreadable image instead of listing it")
    return parser


def ablation(
    rows: str | None,
    seeds: str | int,
    lr: str | float,
    stages: Sequence[str],
    equal_epochs: bool,
    out: Path,
    **options: Any,
) -> None:
    """Train, measure and tabulate."""
    from shapebias.tasks.ablation.rows import ROWS
    from shapebias.tasks.ablation.run import ablate

    config = configure(AblationConfig, stages=tuple(stages), out=out, **options)
    names = list(ROWS) if rows is None else [name.strip() for name in rows.split(",") if name.strip()]
    ablate(config, names, whole_numbers(seeds, "seeds"), rates=decimals(lr, "lr"), equal_epochs=equal_epochs)
    if os.environ.get("LOCAL_RANK", "0") == os.environ.get("NODE_RANK", "0") == "0":  # of several processes, the first
        say(f"wrote {out}/table.md, comparison.json and the rows' results.json")
