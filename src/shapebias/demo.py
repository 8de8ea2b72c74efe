"""The demonstration: generate data, train three models, evaluate them and write the report.

It takes about four minutes on two CPU cores. Each step calls the same function as the corresponding command, and
resumes after an interruption.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from shapebias.data.shapes16 import CATEGORIES, count, generate
from shapebias.evaluators.run import evaluate_all
from shapebias.files import check_replaceable
from shapebias.models import load_model
from shapebias.progress import progress
from shapebias.report import MARK, build_report
from shapebias.results.results import Results
from shapebias.results.table import print_table
from shapebias.stylize import load_styles, load_stylizer
from shapebias.stylize.folder import stylize_folder
from shapebias.stylize.settings import StylizeSettings
from shapebias.train.config import TrainConfig
from shapebias.train.schemes import find_scheme
from shapebias.train.settings import configure
from shapebias.train.together import train_together

MODEL = "test_resnet"  # timm's smallest ResNet: minutes instead of hours on a CPU
EVALUATORS = ["accuracy", "stylized", "shape-bias", "silhouettes", "dimensionality"]


@dataclass(frozen=True)
class DemoSize:
    """Numbers and sizes of images, and the number of epochs of each scheme."""

    drawn_size: int
    size: int
    train_per_class: int
    test_per_class: int
    styles_per_image: int
    epochs: dict[str, int]


# Equal budgets: every scheme passes 24 x 1920 images through its model.
FULL = DemoSize(64, 48, 120, 25, 4, {"in": 24, "shapenet-sin-in": 12, "mmsi-sin-in": 8})
# Every step runs, too briefly to learn anything.
QUICK = DemoSize(32, 32, 4, 1, 2, {"in": 1, "shapenet-sin-in": 1, "mmsi-sin-in": 1})


def run_demo(out: Path, *, seed: int = 0, quick: bool = False) -> Path:
    """Run the whole demonstration in ``out`` and return the path of the report.

    Args:
        out: folder of the demonstration.
        seed: random seed of the data, the training and the evaluation.
        quick: run every step in half a minute in all, with too few images and epochs to learn anything.
    """
    size, page = QUICK if quick else FULL, out / "report.html"
    check_replaceable(page, MARK)
    prepare(out, seed=seed, size=size)
    _say("3/5  training three models")
    configs = [recipe(scheme, out, seed=seed, size=size) for scheme in size.epochs]
    passes = sum(find_scheme(one.scheme)[0].images_per_sample * one.loop.epochs for one in configs)
    images = passes * size.train_per_class * len(CATEGORIES)
    runs = train_together(configs, images=images, at_once=1 if quick else None)
    _say("4/5  evaluating them")
    print_table(measure(runs, out, seed=seed))
    _say("5/5  writing the page")
    for warning in build_report([out], page):
        _say(f"warning: {warning}")
    return page


def prepare(out: Path, *, seed: int = 0, size: DemoSize = FULL) -> None:
    """Generate the data set and stylize its training images."""
    data = out / "shapes16"
    _say("1/5  drawing shapes16")
    images = {"train_per_class": size.train_per_class, "test_per_class": size.test_per_class}
    with progress("shapes16", total=count(**images)["total"]) as bar:
        generate(data, size=size.drawn_size, **images, seed=seed, on_image=bar.advance)
    _say(f"2/5  stylizing every training image in {size.styles_per_image} styles")
    stylizer, digest = load_stylizer()
    bank = load_styles(None, stylizer, digest).split("train")
    settings = StylizeSettings(per_image=size.styles_per_image, seed=seed)
    stylize_folder(data / "train", out / "stylized", stylizer, bank, settings)


def measure(runs: Sequence[Path], out: Path, *, seed: int = 0) -> list[Results]:
    """Evaluate the runs with every evaluator that shapes16 has images for; write results to ``out/results``."""
    models = [load_model(str(run)) for run in runs]
    data = {"": out / "shapes16"}
    return evaluate_all(models, evaluators=EVALUATORS, data=data, out=out / "results", seed=seed).results


def recipe(scheme: str, out: Path, *, seed: int = 0, size: DemoSize = FULL) -> TrainConfig:
    """Return the demonstration's training settings for one scheme.

    lambda_s is 0.5, not the paper's 0.1: starting from random weights and with so few steps, 0.1 is too small for the
    model to learn stylized images, so the MMSI term has no effect.
    """
    return configure(
        TrainConfig,
        scheme=scheme,
        model=MODEL,
        data=out / "shapes16",
        out=out / scheme,
        epochs=size.epochs[scheme],
        batch_size=32,
        size=size.size,
        optimizer="adamw",
        lr=0.005,
        weight_decay=0.05,
        min_crop=0.8,
        lambda_s=0.5,
        stylized=None if scheme == "in" else out / "stylized",
        seed=seed,
    )


def _say(text: str) -> None:
    print(text, file=sys.stderr, flush=True)
