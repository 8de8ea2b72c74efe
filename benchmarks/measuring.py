"""What ``evaluate``, ``transfer --method knn`` and ``cam`` cost beside the bare forward passes of the same network.

timm's resnet18 with random weights on images that are drawn and saved as JPEG first. The bare way is the plainest loop
over the same files: decode, resize and crop as the network's preprocessing does, and pass batches of 64 (``cam``: an
image at each scale with its mirror image, padded) through the network in inference mode and channels-last order;
nothing is kept. The command besides reads the folders, checks, scores, bootstraps and writes all of its files. Both are
run in turn in one process that keeps freed memory as the command line does; starting it, and building the network, are
in neither. The hash of the weights is known, as a run's is. Prints the median ratios of the pairs, of CPU seconds and
of wall time, with their quartiles.

    python benchmarks/measuring.py [PAIRS] [evaluate|knn|cam]
"""

from __future__ import annotations

import contextlib
import os
import statistics
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
import torch
from PIL import Image
from spread import processor, spread

from shapebias.allocator import keep_freed_memory
from shapebias.data.readers.voc import VOC_CLASSES
from shapebias.data.readers.voc_masks import save_mask
from shapebias.data.transforms import pad_to_multiple, to_tensor
from shapebias.evaluators.run import evaluate_all
from shapebias.models import Classifier
from shapebias.models.build import build_classifier
from shapebias.models.classifier import Identity
from shapebias.tasks.cam.evaluate import pseudo_label
from shapebias.tasks.cam.multiscale import MULTIPLE, CamSettings, resize
from shapebias.tasks.cam.pictures import COUNT
from shapebias.tasks.cam.seed_ensemble import SeedEnsemble
from shapebias.tasks.classification.config import TransferConfig
from shapebias.tasks.classification.run import transfer
from shapebias.train.config import LoopConfig

PAIRS, BATCH, CLASSES = 4, 64, 8
PHOTOGRAPHS, MASKED = 96, 24
LARGE, SMALL = (500, 375), (160, 120)  # of photographs, and of those that are labelled at all scales


class Case(NamedTuple):
    """A command, called with an empty folder for its results, and the bare forward passes on its images."""

    title: str
    command: Callable[[Path], object]
    bare: Callable[[], None]


def network(classes: Sequence[str]) -> Classifier:
    """A network as a run's: with random weights, whose hash is known."""
    torch.manual_seed(0)
    identity = Identity("resnet18", "timm:resnet18", "resnet18", tuple(classes), weights_sha256="0" * 64)
    return build_classifier("resnet18", identity).eval()


def photograph(path: Path, number: int, size: tuple[int, int]) -> Path:
    """Save smooth noise of a photograph's size and detail as JPEG."""
    path.parent.mkdir(parents=True, exist_ok=True)
    rng = np.random.default_rng(number)
    coarse, fine = (rng.integers(0, 256, (size[1] // part, size[0] // part, 3), dtype=np.uint8) for part in (25, 5))
    views = [Image.fromarray(one).resize(size, Image.Resampling.BICUBIC) for one in (coarse, fine)]
    Image.blend(*views, 0.3).save(path, quality=90)
    return path


def class_folders(root: Path) -> list[Path]:
    """``root/CLASS/N.jpg``; the paths in the order in which they are read."""
    names = [f"class{n % CLASSES}/{n:04}.jpg" for n in range(PHOTOGRAPHS)]
    return sorted(photograph(root / name, number, LARGE) for number, name in enumerate(names))


def devkit(root: Path) -> list[Path]:
    """VOC2012 of images with two classes each and a mask; the paths of the images."""
    folder = root / "VOCdevkit" / "VOC2012"
    names = [f"2012_{number:06}" for number in range(MASKED)]
    for part in ("Annotations", "ImageSets/Segmentation", "SegmentationClass"):
        (folder / part).mkdir(parents=True)
    (folder / "ImageSets/Segmentation/train.txt").write_text("".join(f"{name}\n" for name in names))
    for number, name in enumerate(names):
        shown = [VOC_CLASSES[number % 20], VOC_CLASSES[(number + 7) % 20]]
        objects = "".join(f"<object><name>{one}</name><difficult>0</difficult></object>" for one in shown)
        (folder / f"Annotations/{name}.xml").write_text(f"<annotation>{objects}</annotation>")
        truth = np.zeros(SMALL[::-1], dtype=np.uint8)
        truth[30:90, 20:70], truth[30:90, 90:140] = (VOC_CLASSES.index(one) + 1 for one in shown)
        save_mask(folder / f"SegmentationClass/{name}.png", truth)
    return [photograph(folder / "JPEGImages" / f"{name}.jpg", number, SMALL) for number, name in enumerate(names)]


def plain(model: Classifier, paths: Iterable[Path]) -> None:
    """The forward passes of image files in batches, as anyone would write them."""
    paths = list(paths)
    with torch.inference_mode():
        for start in range(0, len(paths), BATCH):
            images = []
            for path in paths[start : start + BATCH]:
                with Image.open(path) as image:
                    images.append(model.preprocessing(image.convert("RGB")))
            model(torch.stack(images).to(memory_format=torch.channels_last))


def plain_scales(model: Classifier, paths: Iterable[Path], settings: CamSettings) -> None:
    """The forward passes of whole images at each scale, with their mirror images."""
    with torch.inference_mode():
        for path in paths:
            with Image.open(path) as file:
                image = to_tensor(file.convert("RGB"))
            for scale in settings.scales:
                scaled = resize(image, scale, None)
                batch = pad_to_multiple(torch.stack([scaled, scaled.flip(2)]), MULTIPLE, model.mean)
                model(batch.to(memory_format=torch.channels_last))


def cases(root: Path) -> dict[str, Case]:
    """The three commands with the network and the images of each."""
    folder, voc = root / "photographs", root / "voc"
    paths, masked = class_folders(folder), devkit(voc)
    model, labeller = network(sorted({path.parent.name for path in paths})), network(VOC_CLASSES)
    bare, bare_labeller = network(model.identity.classes or ()), network(VOC_CLASSES)
    for one in (bare, bare_labeller):
        one.to(memory_format=torch.channels_last)  # type: ignore[call-overload]

    def evaluate(out: Path) -> object:
        return evaluate_all([model], evaluators="accuracy", data={"": folder}, out=out, batch_size=BATCH, device="cpu")

    def knn(out: Path) -> object:
        return transfer([model], TransferConfig("folder", folder, LoopConfig(out, device="cpu")), method="knn")

    def cam(out: Path) -> object:
        return pseudo_label([SeedEnsemble.of_one(labeller)], data=voc, out=out)

    shown = [*masked, *masked[:COUNT]]
    size, side = (f"{width}x{height}" for width, height in (LARGE, SMALL))
    return {
        "evaluate": Case(f"evaluate, {len(paths)} photographs of {size}", evaluate, lambda: plain(bare, paths)),
        "knn": Case(f"transfer --method knn, {len(paths)} photographs", knn, lambda: plain(bare, paths)),
        "cam": Case(
            f"cam, {len(masked)} images of {side} and its {COUNT} pictures",
            cam,
            lambda: plain_scales(bare_labeller, shown, CamSettings()),
        ),
    }


def seconds(work: Callable[[], object]) -> tuple[float, float]:
    """CPU seconds of this process, and wall time."""
    cpu, wall = time.process_time(), time.perf_counter()
    with Path(os.devnull).open("w") as nowhere, contextlib.redirect_stderr(nowhere):
        work()
    return time.process_time() - cpu, time.perf_counter() - wall


def compare(case: Case, scratch: Path, pairs: int) -> None:
    ratios: list[tuple[float, float]] = []
    plain_seconds = []
    for pair in range(-1, pairs):  # the first is not counted
        taken = {}
        for name in ("bare", "command") if pair % 2 else ("command", "bare"):
            with tempfile.TemporaryDirectory(dir=scratch) as out:
                taken[name] = seconds(case.bare if name == "bare" else lambda out=out: case.command(Path(out) / "out"))
        if pair >= 0:
            plain_seconds.append(taken["bare"][0])
            ratios.append(tuple(mine / plain for mine, plain in zip(taken["command"], taken["bare"], strict=True)))
    cpu, wall = zip(*ratios, strict=True)
    bare = statistics.median(plain_seconds)
    print(
        f"{case.title}: CPU seconds / bare = {spread(cpu, 3)}; wall time {spread(wall, 3)}; bare {bare:.1f} CPU s",
        flush=True,
    )


def main(pairs: int, chosen: Sequence[str]) -> None:
    keep_freed_memory()
    print(f"resnet18 on {processor()}")
    with tempfile.TemporaryDirectory() as scratch:
        for name, case in cases(Path(scratch)).items():
            if not chosen or name in chosen:
                compare(case, Path(scratch), pairs)


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else PAIRS, sys.argv[2:])
