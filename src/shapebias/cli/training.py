"""The commands that make data and networks: demo, shapes16, download, train, export."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from shapebias.cli.arguments import Parser, add_settings, new_parser
from shapebias.cli.output import say
from shapebias.data.download import SIZES
from shapebias.errors import UserError
from shapebias.train.config import TrainConfig, configure

TRAIN_EXAMPLES = """examples:
  shapebias train --scheme in --model resnet18 --data photos --size 128 --epochs 20 --out runs/in
  shapebias train --scheme mmsi-sin-in --model resnet18 --data photos --size 128 --out runs/mmsi
  shapebias train --scheme mmsi-sin-in --model resnet18 --data photos --stylized photos-stylized --out runs/cached
  shapebias train --scheme mmsi --model resnet50 --init pretrained --data imagenet --out runs/resnet50
  shapebias train --config recipe.yaml --lambda-m 0 --out runs/control
  shapebias train --resume runs/mmsi

The data folder holds one folder of images per class, train/ and val/ (or test/) of such, or ImageNet as published.
A killed run goes on when the same command is given again; --resume RUN takes the settings from the run itself."""


def demo_arguments() -> Parser:
    """What ``demo`` takes."""
    parser = new_parser("Generate shapes16, train three networks, measure them, and write one page about it.")
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of the demonstration")
    parser.add_argument("--seed", type=int, default=0, help="random seed of data, training and evaluation")
    parser.add_argument("--quick", action="store_true", help="run every step, learn nothing")
    return parser


def demo(out: Path, seed: int, quick: bool) -> None:
    """Generate, train, measure, show."""
    from shapebias.demo import run_demo

    page = run_demo(out, seed=seed, quick=quick)
    say(f"wrote {page}: open it in a browser")


def shapes16_arguments() -> Parser:
    """What ``shapes16`` takes."""
    parser = new_parser("Write shapes16: train/, test/, cue-conflict/ and silhouettes/ of 16 drawn categories.")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the data set")
    parser.add_argument("--size", type=int, default=64, help="pixels per side")
    parser.add_argument("--train_per_class", type=int, default=120, help="training images per category")
    parser.add_argument("--test_per_class", type=int, default=25, help="test images per category")
    parser.add_argument("--own", type=float, default=0.98, help="share of training images in their own texture")
    parser.add_argument("--seed", type=int, default=0, help="of every drawing")
    return parser


def shapes16(out: Path, size: int, train_per_class: int, test_per_class: int, own: float, seed: int) -> None:
    """Write the generated data."""
    from shapebias.data.shapes16 import generate

    generate(out, size=size, train_per_class=train_per_class, test_per_class=test_per_class, own=own, seed=seed)
    say(f"wrote {out}: train, test, cue-conflict, silhouettes, shapes16.json")


def download_arguments() -> Parser:
    """What ``download`` takes."""
    parser = new_parser("Download photographs to begin with: a folder with train/ and val/, to give as --data.")
    parser.add_argument("what", choices=["imagenette"], metavar="WHAT", help="imagenette: ten classes of ImageNet")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the photographs")
    parser.add_argument("--size", choices=SIZES, default="160px", help="pixels of the shorter side, or full")
    return parser


def download(what: str, out: Path, size: str) -> None:
    """Fetch photographs."""
    from shapebias.data.download import download_imagenette

    assert what == "imagenette"  # the only choice there is
    came = download_imagenette(out, size=size)
    say(f"{'wrote' if came else 'already there:'} {out}: imagenette's train/ and val/, to use as --data {out}")


def train_arguments() -> Parser:
    """What ``train`` takes."""
    parser = new_parser("Train a timm or torchvision network by one of the paper's schemes.", TRAIN_EXAMPLES)
    parser.add_argument("--config", action="config", help="YAML file of these options; options given here win")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in --out, or: --resume RUN, with the settings of RUN"
    )
    add_settings(parser, TrainConfig, skip={"strict", "stages"})
    parser.add_argument(
        "--stages",
        type=str,
        nargs="*",
        default=[],
        metavar="STAGE",
        help="modules whose pooled outputs the MMSI term compares, as layer3 layer4; default the last pooled latent",
    )
    parser.add_argument("--strict", action="store_true", help="stop at an unreadable image instead of listing it")
    return parser


def train(stages: Sequence[str], resume: bool, **options: Any) -> None:
    """Train one network."""
    config = configure(TrainConfig, stages=tuple(stages), **options)
    config.check()
    if resume and not (config.loop.out / "run.json").is_file():
        raise UserError(f"there is no run to resume in {config.loop.out}: leave out --resume to begin one")
    from shapebias.train.run import train as run

    folder = run(config)
    if os.environ.get("LOCAL_RANK", "0") == os.environ.get("NODE_RANK", "0") == "0":  # of several processes, the first
        say(f"wrote {folder}/model.safetensors, metrics.csv and run.json")


def export_arguments() -> Parser:
    """What ``export`` takes."""
    parser = new_parser("Write the weights of a run or checkpoint as a plain state dict, for use without this package.")
    parser.add_argument("model", type=str, metavar="MODEL", help="a run folder or checkpoint of ours")
    parser.add_argument("out", type=Path, metavar="OUT", help="the file: .safetensors, .pth or .pt")
    parser.add_argument("--library", type=Literal["timm", "torchvision"], default="timm", help="who is to load it")
    return parser


def export(model: str, out: Path, library: Literal["timm", "torchvision"]) -> None:
    """Write weights for others."""
    from shapebias.models.export import export_weights

    digest = export_weights(model, out, library)
    say(f"wrote {out}: a state dict for {library}, SHA-256 {digest}")
