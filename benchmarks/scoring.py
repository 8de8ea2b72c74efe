"""What scoring a cue-conflict folder costs beside the forward passes: ``ShapeBias`` against a plain loop.

timm's resnet18 with random weights and 1000 outputs, on the CPU. Decoding, resizing and cropping are in both; the
evaluator besides finds the images, maps, counts, bootstraps and writes its files. Both are run in turn in one process;
prints the median ratio of the pairs. Give a cue-conflict folder, or one of shapes16 is drawn.
"""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

import torch
from PIL import Image
from torch.utils.data import DataLoader

from shapebias.data.readers.cue_conflict import read_cue_conflict
from shapebias.data.shapes16 import generate
from shapebias.evaluators.base import EvalConfig
from shapebias.evaluators.shape_bias import ShapeBias
from shapebias.libraries import timm
from shapebias.models import Classifier, wrap

PAIRS, BATCH = 5, 64


def plain(model: Classifier, paths: list[Path]) -> torch.Tensor:
    """The logits of every image, as anyone would write it."""

    def load(index: int) -> torch.Tensor:
        with Image.open(paths[index]) as image:
            return model.preprocessing(image.convert("RGB"))

    class Images(torch.utils.data.Dataset):
        def __len__(self) -> int:
            return len(paths)

        def __getitem__(self, index: int) -> torch.Tensor:
            return load(index)

    with torch.inference_mode():
        batches = DataLoader(Images(), batch_size=BATCH)
        return torch.cat([model(images.to(memory_format=torch.channels_last)) for images in batches])


def main(folder: Path, out: Path) -> None:
    torch.manual_seed(0)
    model = wrap(timm.create_model("resnet18", num_classes=1000), name="resnet18").eval()
    model.to(memory_format=torch.channels_last)
    paths = list(read_cue_conflict(folder).paths)

    def score() -> None:
        ShapeBias(EvalConfig(folder, out, batch_size=BATCH)).run(model)

    def forward() -> None:
        plain(model, paths)

    forward(), score()
    ratios, seconds = [], []
    for pair in range(PAIRS):
        taken = {}
        for work in (forward, score) if pair % 2 else (score, forward):
            start = time.perf_counter()
            work()
            taken[work] = time.perf_counter() - start
        ratios.append(taken[score] / taken[forward])
        seconds.append(taken[forward])
    print(
        f"resnet18 224 px, {len(paths)} cue-conflict images: scoring / plain forward passes = "
        f"{statistics.median(ratios):.3f} ({min(ratios):.3f} to {max(ratios):.3f}, {PAIRS} pairs, "
        f"{statistics.median(seconds):.1f} s each, {torch.get_num_threads()} threads)"
    )


if __name__ == "__main__":
    with tempfile.TemporaryDirectory() as scratch:
        given = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(scratch, "shapes16")
        if len(sys.argv) == 1:
            generate(given, train_per_class=0, test_per_class=0, silhouettes_per_class=0)
            given /= "cue-conflict"
        main(given, Path(scratch, "out"))
