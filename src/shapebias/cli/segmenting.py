"""The command that trains networks for segmentation and measures them."""

from __future__ import annotations

import os
from collections.abc import Sequence
from typing import Any

from shapebias.cli.arguments import Parser, add_settings, new_parser
from shapebias.cli.numbers import decimals, whole_numbers
from shapebias.cli.output import print_json, say
from shapebias.tasks.segmentation.config import SegmentConfig
from shapebias.train.config import configure

SEGMENT_EXAMPLES = """examples:
  shapebias segment runs/in runs/mmsi --data VOCdevkit --size 128 --epochs 20 --out segmentation
  shapebias segment runs/in runs/mmsi --data VOCdevkit --freeze --seeds 0,1,2 --out segmentation
  shapebias segment timm:resnet50 --data VOCdevkit --train-split trainaug --head deeplab --size 512 --out segmentation
  shapebias segment runs/mmsi --data VOCdevkit --masks cam/mmsi/seed-0/masks --out segmentation-of-pseudo-labels

MODEL is a run folder or checkpoint of ours, timm:NAME or torchvision:NAME; timm:NAME=FILE takes weights from a file.
Learning rates are chosen on a fifth of the training images, never on those that are measured; then all of them train.
OUT/NAME holds results.json, pictures and a run for each seed; a killed command goes on when it is given again."""


def segment_arguments() -> Parser:
    """What ``segment`` takes."""
    parser = new_parser(
        "Train networks for segmentation on VOC2012, fine-tuned or frozen, and measure mIoU on val.", SEGMENT_EXAMPLES
    )
    parser.add_argument("--config", action="config", help="YAML file of these options; options given here win")
    parser.add_argument("models", type=str, nargs="+", metavar="MODEL", help="networks to begin with, see below")
    add_settings(parser, SegmentConfig, skip={"lr", "seed", "task", "strict", "freeze", "compile"})
    parser.add_argument(
        "--lr", type=str | float, default="0.1,0.03,0.01", help="learning rates to choose from, separated by commas"
    )
    parser.add_argument(
        "--freeze", action="store_true", help="train one convolution on the frozen backbone, the paper's read-out"
    )
    parser.add_argument("--seeds", type=str | int, default="0", help="of the trainings, one each, separated by commas")
    parser.add_argument("--strict", action="store_true", help="stop at an unreadable image instead of listing it")
    parser.add_argument("--json", action="store_true", help="print the results to standard output as JSON")
    return parser


def segment(models: Sequence[str], seeds: str | int, lr: str | float, json: bool, **options: Any) -> None:
    """Train, measure, compare."""
    numbers, rates = whole_numbers(seeds, "seeds"), decimals(lr, "lr")
    from shapebias.tasks.segmentation.run import check

    config = configure(SegmentConfig, **options)
    check(config, numbers, rates)
    from shapebias.cli.names import tell_apart
    from shapebias.models.load import load_model
    from shapebias.tasks.segmentation.run import segment as run

    sources = [load_model(model) for model in models]
    tell_apart(sources, models)
    results = run(sources, config, seeds=numbers, rates=rates)
    if not os.environ.get("LOCAL_RANK", "0") == os.environ.get("NODE_RANK", "0") == "0":
        return  # of several processes, the first speaks
    for found in results:
        entry = found.get("segmentation", "miou", backbone=config.backbone)
        say(f"{found.model['name']}: mIoU {100 * (entry.value or 0):.1f} % on {entry.n} images ({config.backbone})")
    say(f"wrote {config.loop.out}")
    if json:
        print_json([found.to_json() for found in results])
