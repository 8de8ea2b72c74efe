"""The networks and measurements that ``evaluate`` and ``audit`` are asked for."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from shapebias.cli.arguments import Parser
from shapebias.errors import UserError

if TYPE_CHECKING:
    from shapebias.models.classifier import Classifier

MODELS = """MODEL is a run folder or checkpoint of ours, timm:NAME, torchvision:NAME or package.module:callable;
timm:NAME=FILE takes the weights from a file."""
EVALUATORS = """Evaluators, and what data each takes:
  accuracy, stylized              photographs in folders of classes, or ImageNet as published
  stylized-imagenet               Stylized-ImageNet's val/
  imagenet-sketch                 ImageNet-Sketch
  shape-bias                      cue-conflict images, published or by 'shapebias cue-conflict'
  silhouettes, edges, sketches    such pictures in folders of the 16 categories
  white-box, transfer-attack      the NeurIPS 2017 images with their CSV, or folders of classes
  corruptions                     ImageNet-C, or folders of classes to corrupt
  dimensionality                  any photographs, or a folder by 'shapebias texture-grid'
The paper's "targeted" attacks are white-box, its "untargeted" ones transfer-attack."""


def add_network_arguments(parser: Parser) -> None:
    """What is measured: the networks, their weights and the names of their classes."""
    parser.add_argument("models", nargs="+", metavar="MODEL", help="networks to measure, see below")
    parser.add_argument("--checkpoint", type=Path, default=None, help="weights for the one MODEL, a file of any kind")
    parser.add_argument(
        "--remap_by_order", action="store_true", help="give a file's tensors to its MODEL in order, not by name"
    )
    parser.add_argument(
        "--crop",
        type=float,
        default=None,
        help="show the central part of images, this fraction of the shorter side (1: images cut before); default each "
        "network's own; not for the source",
    )
    parser.add_argument(
        "--classes",
        type=Path,
        default=None,
        help="file of the one MODEL's class names, a line each, in its order: for ImageNet WordNet identifiers such as "
        "n01440764",
    )


def add_measuring_arguments(parser: Parser) -> None:
    """How it is measured."""
    parser.add_argument("--out", type=Path, required=True, help="folder of the results")
    parser.add_argument(
        "--limit",
        type=int,
        default=None,
        help="at most so many images for accuracies, attacks and corruptions: drawn by the seed, from all classes",
    )
    parser.add_argument(
        "--attacks",
        type=str,
        default="fgsm,pgd,ifgsm,mim",
        help="fgsm, pgd, ifgsm, mim (all four by default), autoattack with the extra of that name",
    )
    parser.add_argument(
        "--epsilon",
        type=str,
        default=None,
        help="sizes of perturbation in units of 1/255, separated by commas; default .1 to .5 for white-box, 2,4,8,16 "
        "for transfer-attack",
    )
    parser.add_argument("--targeted", action="store_true", help="attack towards the CSV's TargetClass")
    parser.add_argument(
        "--source",
        type=str,
        default=None,
        metavar="MODEL",
        help="network that the images of transfer-attack are made against",
    )
    parser.add_argument(
        "--mapping",
        type=Literal["mean", "sum", "max"],
        default="mean",
        help="how ImageNet's probabilities become those of the 16 categories",
    )
    parser.add_argument(
        "--stage", type=str, default=None, help="dimensionality of this module's pooled output; default the last latent"
    )
    parser.add_argument("--pairs", type=int, default=2000, help="pairs per factor for dimensionality")
    parser.add_argument("--seed", type=int, default=0, help="of styles, pairs, attacks, corruptions and resampling")
    parser.add_argument("--batch_size", type=int, default=64, help="images per forward pass")
    parser.add_argument("--device", type=str, default=None, help="cpu, cuda or mps; default the best there is")
    parser.add_argument("--workers", type=int, default=0, help="processes that decode images")
    parser.add_argument("--strict", action="store_true", help="stop at an unreadable image")
    parser.add_argument("--json", action="store_true", help="print the results to standard output as JSON")


def measuring_options(given: dict[str, Any]) -> dict[str, Any]:
    """Options as the measurements take them; complaints come before networks are loaded."""
    from shapebias.device import choose_device
    from shapebias.evaluators.base import EvalConfig

    options = {key: value for key, value in given.items() if key not in ("epsilon", "attacks", "source")}
    options["attacks"] = tuple(split(given["attacks"]))
    if given["epsilon"] is not None and not split(given["epsilon"]):
        raise UserError(f"--epsilon '{given['epsilon']}' names no size: give some, such as 2,4, or leave it out")
    options["epsilons"] = tuple(_number(value) for value in split(given["epsilon"] or ""))
    choose_device(options["device"])
    EvalConfig(Path(), Path(), **options)
    return options


def load_networks(
    models: Sequence[str],
    source: str | None,
    *,
    checkpoint: Path | None,
    remap_by_order: bool,
    classes: Path | None,
    crop: float | None,
) -> tuple[list[Classifier], Classifier | None]:
    """The networks with names that tell them apart, and the source of transferred attacks."""
    from shapebias.cli.names import tell_apart
    from shapebias.models.load import load_model

    if len(models) > 1 and (checkpoint or classes):
        raise UserError(
            "--checkpoint and --classes go with one MODEL: write MODEL=FILE for weights, or measure the others "
            "by commands of their own"
        )
    specs = [*models, *([source] if source else [])]
    with_file = [checkpoint is not None or _names_file(spec) for spec in specs]
    if remap_by_order and not any(with_file):
        raise UserError("--remap-by-order says how a file of weights is read: give --checkpoint FILE or MODEL=FILE")
    networks = []
    for spec, file in zip(specs, with_file, strict=True):
        own = len(networks) < len(models)  # --checkpoint and --classes are not the source's
        networks.append(
            load_model(
                spec,
                checkpoint=checkpoint if own else None,
                remap_by_order=remap_by_order and file and (own or _names_file(spec)),
                classes=classes if own else None,
            )
        )
    if crop is not None and not 0 < crop <= 1:
        raise UserError(f"--crop {crop:g} is not a fraction of the shorter side: give more than 0 and at most 1")
    measured = networks[: len(models)]
    for network in measured if crop is not None else []:
        network.preprocessing = replace(network.preprocessing, crop=crop)
    tell_apart(measured, models)
    return measured, networks[-1] if source else None


def split(text: str) -> list[str]:
    """``"a, b"`` as ``["a", "b"]``."""
    return [part.strip() for part in text.split(",") if part.strip()]


def _names_file(spec: str) -> bool:
    return "=" in spec and not Path(spec).exists()


def _number(text: str) -> float:
    try:
        return float(text)
    except ValueError as error:
        raise UserError(f"--epsilon takes numbers separated by commas, in units of 1/255, not '{text}'") from error
