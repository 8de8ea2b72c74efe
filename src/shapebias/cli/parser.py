"""What can be typed: commands, options, help with examples."""

from __future__ import annotations

import argparse
import re
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Literal, NoReturn

from jsonargparse import ArgumentParser

from shapebias.cli import commands
from shapebias.data.download import SIZES
from shapebias.stylizer_training.recipe import Recipe
from shapebias.train.config import TrainConfig

COMMANDS: dict[str, Callable[..., None]] = {
    "demo": commands.demo,
    "train": commands.train,
    "evaluate": commands.evaluate,
    "stylize": commands.stylize,
    "stylizer train": commands.stylizer_train,
    "stylizer show": commands.stylizer_show,
    "stylizer encode": commands.stylizer_encode,
    "report": commands.report,
    "shapes16": commands.shapes16,
    "export": commands.export,
    "download": commands.download,
}

EXAMPLES = """examples:
  shapebias demo
  shapebias train --scheme mmsi-sin-in --model resnet18 --data photos --size 128 --out runs/mmsi
  shapebias evaluate runs/mmsi timm:resnet50 --suites shape-bias --data cue-conflict --out results
  shapebias stylize photos photos-stylized --per-image 2
  shapebias report runs results --out report.html

"shapebias COMMAND --help" says more of each. Options may be written with - or _ inside.
Progress goes to standard error."""

TRAIN_EXAMPLES = """examples:
  shapebias train --scheme in --model resnet18 --data photos --size 128 --epochs 20 --out runs/in
  shapebias train --scheme mmsi-sin-in --model resnet18 --data photos --size 128 --out runs/mmsi
  shapebias train --scheme mmsi-sin-in --model resnet18 --data photos --stylized photos-stylized --out runs/cached
  shapebias train --scheme mmsi --model resnet50 --init pretrained --data imagenet --out runs/resnet50
  shapebias train --config recipe.yaml --lambda-m 0 --out runs/control
  shapebias train --resume runs/mmsi

The data folder holds one folder of images per class, train/ and val/ (or test/) of such, or ImageNet as published.
A killed run goes on when the same command is given again; --resume RUN takes the settings from the run itself."""

EVALUATE_EXAMPLES = """examples:
  shapebias evaluate runs/in runs/mmsi --suites accuracy,stylized --data photos --out results
  shapebias evaluate timm:resnet50 --suites shape-bias --data shape-bias=cue-conflict --out results --json

MODEL is a run folder or checkpoint of ours, timm:NAME, torchvision:NAME or package.module:callable.
Suites: accuracy, stylized, shape-bias, dimensionality."""

STYLIZE_EXAMPLES = """examples:
  shapebias stylize photos photos-stylized
  shapebias stylize photos photos-mine --styles my-paintings --per-image 4 --alpha 0.8
  shapebias stylize photos photos-paper --stylizer vgg19 --styles paintings

vgg19 is the paper's AdaIN. Its two files are downloaded once; --stylizer DIR takes them from a folder instead,
where they are called vgg_normalised.pth and decoder.pth. It needs --styles: the package's are the small one's."""


class Parser(ArgumentParser):
    """A parser whose complaints are one line."""

    def error(self, message: str, ex: Exception | None = None) -> NoReturn:
        """Say what is wrong and leave with status 2."""
        print(f"shapebias: error: {_plain(message)} (try --help)", file=sys.stderr)
        raise SystemExit(2)


def build_parser() -> Parser:
    """The whole command line."""
    parser = _parser("Train vision networks to see shape instead of texture, measure it, and show it.", EXAMPLES)
    parser.add_argument("--version", action="version", version=_version(), help="print the version and exit")
    commands_ = parser.add_subcommands(required=True, dest="command", metavar="COMMAND", title="commands")
    commands_.add_subcommand("demo", _demo(), help="data, three trained networks, measurements and a page, in minutes")
    commands_.add_subcommand("train", _train(), help="train a network by one of the paper's schemes")
    commands_.add_subcommand("evaluate", _evaluate(), help="measure networks, ours or not")
    commands_.add_subcommand("stylize", _stylize(), help="stylize a folder of images")
    stylizer = _parser("Train the small AdaIN stylizer, look at what a stylizer does, or encode styles for one.")
    commands_.add_subcommand(
        "stylizer", stylizer, help="train the small stylizer, look at one, or encode styles for it"
    )
    commands_.add_subcommand("report", _report(), help="one HTML page from runs and results")
    commands_.add_subcommand("shapes16", _shapes16(), help="write the generated data set")
    commands_.add_subcommand("export", _export(), help="write a network's weights for timm or torchvision")
    commands_.add_subcommand("download", _download(), help="photographs to begin with")
    actions = stylizer.add_subcommands(required=True, dest="action", metavar="ACTION", title="actions")
    actions.add_subcommand("train", _stylizer_train(), help="train it")
    actions.add_subcommand("show", _stylizer_show(), help="write a contact sheet")
    actions.add_subcommand("encode", _stylizer_encode(), help="encode style images once, as a bank for --styles")
    return parser


def _parser(description: str, examples: str = "") -> Parser:
    return Parser(
        prog="shapebias",
        description=description,
        epilog=examples,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        default_env=False,
    )


def _demo() -> Parser:
    parser = _parser("Generate shapes16, train three networks, measure them, and write one page about it.")
    parser.add_argument("--out", type=Path, default=Path("runs/demo"), help="folder of the demonstration")
    parser.add_argument("--seed", type=int, default=0, help="of data, training and measuring")
    return parser


def _train() -> Parser:
    parser = _parser("Train a timm or torchvision network by one of the paper's schemes.", TRAIN_EXAMPLES)
    parser.add_argument("--config", action="config", help="YAML file of these options; options given here win")
    parser.add_argument(
        "--resume", action="store_true", help="go on with the run in --out, or: --resume RUN, with the settings of RUN"
    )
    parser.add_class_arguments(TrainConfig, skip={"strict", "stages"})
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


def _evaluate() -> Parser:
    parser = _parser("Measure networks; writes OUT/NAME/results.json for each.", EVALUATE_EXAMPLES)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="networks to measure, see below")
    parser.add_argument("--suites", type=str, required=True, help="what to measure, separated by commas")
    parser.add_argument(
        "--data",
        type=str,
        action="append",
        required=True,
        metavar="[SUITE=]DIR",
        help="repeatable; a bare folder serves every suite without its own",
    )
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument("--seed", type=int, default=0, help="of styles, pairs and resampling")
    parser.add_argument("--batch_size", type=int, default=64, help="images per forward pass")
    parser.add_argument("--device", type=str, default=None, help="cpu, cuda or mps; default the best there is")
    parser.add_argument("--workers", type=int, default=0, help="processes that decode images")
    parser.add_argument("--strict", action="store_true", help="stop at an unreadable image")
    parser.add_argument("--json", action="store_true", help="print the results to standard output as JSON")
    return parser


def _stylize() -> Parser:
    parser = _parser(
        "Write stylized copies of every image below SRC to OUT; goes on where it was killed.", STYLIZE_EXAMPLES
    )
    parser.add_argument("source", type=Path, metavar="SRC", help="folder of images")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the copies")
    parser.add_argument(
        "--stylizer", type=str, default="small", help="small, vgg19 (downloads), or a file or folder of weights"
    )
    parser.add_argument("--styles", type=Path, default=None, help="folder of styles or a bank; default the package's")
    parser.add_argument("--per_image", type=int, default=2, help="different styles per image")
    parser.add_argument("--alpha", type=float, default=1.0, help="strength of the style, 0 to 1")
    parser.add_argument("--size", type=int, default=256, help="reduce the shorter side to this many pixels")
    parser.add_argument("--same_styles", action="store_true", help="the same styles for every image (a texture grid)")
    parser.add_argument("--seed", type=int, default=0, help="of the styles' draw")
    parser.add_argument("--batch_size", type=int, default=16, help="images stylized at once")
    parser.add_argument("--device", type=str, default=None, help="cpu, cuda or mps; default the best there is")
    parser.add_argument("--strict", action="store_true", help="stop at an unreadable image")
    return parser


def _stylizer_train() -> Parser:
    training = _parser("Train the small AdaIN; writes OUT/adain.safetensors and OUT/styles.safetensors.")
    training.add_argument("--config", action="config", help="YAML file of these options")
    training.add_argument("--content", type=Path, required=True, help="folder of photographs")
    training.add_argument("--styles", type=Path, nargs="+", required=True, help="folders of paintings and textures")
    training.add_argument(
        "--perceptual", type=str, default="torchvision", help="VGG-16: 'torchvision' (downloads) or an .h5 file"
    )
    training.add_argument("--out", type=Path, required=True, help="folder of the stylizer")
    training.add_argument("--workers", type=int, default=1, help="processes that decode images")
    training.add_class_arguments(Recipe)
    return training


def _stylizer_show() -> Parser:
    show = _parser("Write a contact sheet: images down, styles across.")
    show.add_argument("images", type=Path, metavar="IMAGES", help="folder of images to stylize")
    show.add_argument("--styles", type=Path, default=None, help="folder of styles or a bank; default the package's")
    show.add_argument(
        "--stylizer", type=str, default="small", help="small, vgg19 (downloads), or a file or folder of weights"
    )
    show.add_argument("--out", type=Path, default=Path("sheet.png"), help="the sheet")
    show.add_argument("--rows", type=int, default=6, help="images")
    show.add_argument("--columns", type=int, default=8, help="styles")
    show.add_argument("--size", type=int, default=128, help="pixels per picture")
    show.add_argument("--alpha", type=float, default=1.0, help="strength of the style, 0 to 1")
    show.add_argument("--seed", type=int, default=0, help="of the choice")
    return show


def _stylizer_encode() -> Parser:
    parser = _parser("Encode every image below the folders once; the bank then serves as --styles of any command.")
    parser.add_argument("styles", type=Path, nargs="+", metavar="STYLES", help="folders of paintings or textures")
    parser.add_argument(
        "--stylizer", type=str, default="small", help="small, vgg19, or its file or folder: whose codes they are to be"
    )
    parser.add_argument("--out", type=Path, required=True, help="the bank, for example styles.safetensors")
    parser.add_argument("--device", type=str, default=None, help="cpu, cuda or mps; default the best there is")
    return parser


def _report() -> Parser:
    parser = _parser("One self-contained HTML page from everything below the given folders.")
    parser.add_argument("runs", type=Path, nargs="+", metavar="RUN", help="folders of runs and results")
    parser.add_argument("--out", type=Path, required=True, help="the page, for example report.html")
    return parser


def _shapes16() -> Parser:
    parser = _parser("Write shapes16: train/, test/, cue-conflict/ and silhouettes/ of 16 drawn categories.")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the data set")
    parser.add_argument("--size", type=int, default=64, help="pixels per side")
    parser.add_argument("--train_per_class", type=int, default=120, help="training images per category")
    parser.add_argument("--test_per_class", type=int, default=25, help="test images per category")
    parser.add_argument("--own", type=float, default=0.98, help="share of training images in their own texture")
    parser.add_argument("--seed", type=int, default=0, help="of every drawing")
    return parser


def _download() -> Parser:
    parser = _parser("Download photographs to begin with: a folder with train/ and val/, to give as --data.")
    parser.add_argument("what", choices=["imagenette"], metavar="WHAT", help="imagenette: ten classes of ImageNet")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the photographs")
    parser.add_argument("--size", choices=SIZES, default="160px", help="pixels of the shorter side, or full")
    return parser


def _export() -> Parser:
    parser = _parser("Write the weights of a run or checkpoint as a plain state dict, for use without this package.")
    parser.add_argument("model", type=str, metavar="MODEL", help="a run folder or checkpoint of ours")
    parser.add_argument("out", type=Path, metavar="OUT", help="the file: .safetensors, .pth or .pt")
    parser.add_argument("--library", type=Literal["timm", "torchvision"], default="timm", help="who is to load it")
    return parser


def _version() -> str:
    from importlib.metadata import version

    return f"shapebias {version('shapebias')}"


def _plain(message: str) -> str:
    message = re.sub(r'Parser key "([\w.]+)":', r"--\1:", " ".join(str(message).split()))
    return re.sub(r"<class '(\w+)'>", r"\1", message)
