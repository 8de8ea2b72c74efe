"""The command that tries networks as a start for other classification tasks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from shapebias.cli.arguments import Parser, add_settings, new_parser
from shapebias.cli.numbers import decimals, whole_numbers
from shapebias.cli.output import print_json, say
from shapebias.errors import UserError
from shapebias.tasks.classification.config import TransferConfig
from shapebias.train.config import configure

TRANSFER_EXAMPLES = """examples:
  shapebias transfer runs/in runs/mmsi --task voc07 --data VOCdevkit --seeds 0,1,2 --out transfer
  shapebias transfer runs/in runs/mmsi --data textures --method linear --out transfer
  shapebias transfer timm:resnet50 --config recipes/transfer/dtd.yaml --data dtd --out transfer

Tasks: voc07 (trainval, test) and voc12 (train, val), several classes per image, by mean average precision; caltech101
(30 per class train), cifar100, dtd (split 1), and any folder of classes, by top-1 accuracy.
Methods: finetune trains all of the network; linear and knn read frozen features out. Learning rates (or linear's L2
weight) are chosen on a fifth of the training images, never on test images; then all of them train.
MODEL is a run folder or checkpoint of ours, timm:NAME or torchvision:NAME; timm:NAME=FILE takes weights from a file.
Writes OUT/NAME/results.json, OUT/comparison.json, and the trained networks in OUT/NAME/TASK/seed-N.
A killed command goes on when it is given again."""


def transfer_arguments() -> Parser:
    """What ``transfer`` takes."""
    parser = new_parser("Try networks as a start for another classification task.", TRANSFER_EXAMPLES)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="networks to begin from, see below")
    parser.add_argument("--config", action="config", help="YAML file of these options; options given here win")
    parser.add_argument(
        "--task",
        type=str,
        default="folder",
        help="voc07, voc12, caltech101, cifar100, dtd, or folder: classes in folders of DATA (or of the folder TASK)",
    )
    parser.add_argument("--data", type=Path, default=None, help="where the task's images lie")
    parser.add_argument("--method", type=Literal["finetune", "linear", "knn"], default="finetune", help="see below")
    parser.add_argument(
        "--seeds",
        type=str | int,
        default="0",
        help="fine-tune once with each, separated by commas; the read-outs draw nothing by them",
    )
    parser.add_argument(
        "--lr",
        type=str | float,
        default="0.03,0.01,0.003",
        help="learning rates of fine-tuning to choose from, separated by commas",
    )
    add_settings(parser, TransferConfig, skip={"task", "data", "lr", "seed", "strict", "download"})
    parser.add_argument("--download", action="store_true", help="fetch the task's images to DATA if they are not there")
    parser.add_argument("--strict", action="store_true", help="stop at an unreadable image instead of listing it")
    parser.add_argument("--json", action="store_true", help="print the results to standard output as JSON")
    return parser


def transfer(
    models: Sequence[str],
    task: str,
    data: Path | None,
    out: Path,
    method: Literal["finetune", "linear", "knn"],
    seeds: str | int,
    lr: str | float,
    json: bool,
    **options: Any,
) -> None:
    """Try networks on a task."""
    from shapebias.tasks.classification.task import FOLDER, TASKS, check_task

    if task not in TASKS and Path(task).is_dir():
        if data is not None and data.resolve() != Path(task).resolve():
            raise UserError(f"--task {task} is a folder of classes, and --data {data} another one: give one of the two")
        task, data = FOLDER, Path(task)
    check_task(task)
    if data is None:
        raise UserError("--data is missing: give the folder where the task's images lie")
    from shapebias.tasks.classification.run import check

    config = configure(TransferConfig, task=task, data=data, out=out, **options)
    chosen, rates = whole_numbers(seeds, "seeds"), decimals(lr, "lr")
    check(config, method, chosen, rates)
    from shapebias.cli.names import tell_apart
    from shapebias.models.load import load_model
    from shapebias.results.table import print_table
    from shapebias.tasks.classification.run import transfer as run

    networks = [load_model(spec) for spec in models]
    tell_apart(networks, models)
    results = run(networks, config, method=method, seeds=chosen, rates=rates)
    if not os.environ.get("LOCAL_RANK", "0") == os.environ.get("NODE_RANK", "0") == "0":
        return  # of several processes, the first says it
    print_table(results)
    for result in results:
        say(f"wrote {out / result.model['name'] / 'results.json'}")
    if len(results) > 1:
        say(f"wrote {out / 'comparison.json'}")
    if json:
        print_json([result.to_json() for result in results])
