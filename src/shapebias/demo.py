"""The demonstration: generated data, three trained networks, their measurements, one page.

About five minutes on two CPU cores. Each step is the ordinary command's own function, and goes on where it
was killed.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from pathlib import Path

from shapebias.data.shapes16 import count, generate
from shapebias.evaluators.evaluate import evaluate_all
from shapebias.models import load_model
from shapebias.progress import progress
from shapebias.report import build_report
from shapebias.results.results import Results
from shapebias.results.table import print_table
from shapebias.stylize import load_styles, load_stylizer
from shapebias.stylize.folder import StylizeSettings, stylize_folder
from shapebias.train.config import TrainConfig, configure
from shapebias.train.run import train

MODEL = "test_resnet"  # timm's smallest ResNet: minutes instead of hours on a CPU
DRAWN_SIZE = 64
SIZE = 48
TRAIN_PER_CLASS = 120
TEST_PER_CLASS = 25
STYLES_PER_IMAGE = 4
MEASURED = ["accuracy", "stylized", "shape-bias", "silhouettes", "dimensionality"]
# Equal budgets: every scheme passes 24 x 1920 images through its network.
EPOCHS = {"in": 24, "shapenet-sin-in": 12, "mmsi-sin-in": 8}


def run_demo(out: Path, *, seed: int = 0) -> Path:
    """Do everything below ``out`` and return the page."""
    prepare(out, seed=seed)
    _say("3/5  training three networks")
    runs = [train(recipe(scheme, out, seed=seed)) for scheme in EPOCHS]
    _say("4/5  measuring them")
    print_table(measure(runs, out, seed=seed))
    _say("5/5  writing the page")
    page = out / "report.html"
    for warning in build_report([out], page):
        _say(f"warning: {warning}")
    return page


def prepare(out: Path, *, seed: int = 0) -> None:
    """Draw the data and stylize its training images."""
    data = out / "shapes16"
    _say("1/5  drawing shapes16")
    total = count(train_per_class=TRAIN_PER_CLASS, test_per_class=TEST_PER_CLASS)["total"]
    with progress("shapes16", total=total) as bar:
        generate(
            data,
            size=DRAWN_SIZE,
            train_per_class=TRAIN_PER_CLASS,
            test_per_class=TEST_PER_CLASS,
            seed=seed,
            on_image=bar.advance,
        )
    _say(f"2/5  stylizing every training image in {STYLES_PER_IMAGE} styles")
    stylizer, digest = load_stylizer()
    bank = load_styles(None, stylizer, digest).split("train")
    settings = StylizeSettings(per_image=STYLES_PER_IMAGE, seed=seed)
    stylize_folder(data / "train", out / "stylized", stylizer, bank, settings)


def measure(runs: Sequence[Path], out: Path, *, seed: int = 0) -> list[Results]:
    """What shapes16 has images for, on the runs, into ``out/results``."""
    networks = [load_model(str(run)) for run in runs]
    return evaluate_all(networks, evaluators=MEASURED, data={"": out / "shapes16"}, out=out / "results", seed=seed)


def recipe(scheme: str, out: Path, *, seed: int = 0) -> TrainConfig:
    """The demonstration's settings for one scheme.

    lambda_s is 0.5, not the paper's 0.1: from random weights, in so few steps, 0.1 leaves stylized images
    hardly learned and the MMSI term with nothing to work on (docs/training.md has the figures).
    """
    return configure(
        TrainConfig,
        scheme=scheme,
        model=MODEL,
        data=out / "shapes16",
        out=out / scheme,
        epochs=EPOCHS[scheme],
        batch_size=32,
        size=SIZE,
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
