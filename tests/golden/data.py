"""Tiny data sets and networks that the golden commands read, drawn from fixed seeds: nothing is downloaded.

Pixels and random numbers come from NumPy alone, so that every processor gets the same bytes.
"""

from __future__ import annotations

import csv
from itertools import pairwise
from pathlib import Path

import h5py
import numpy as np
from networks import fitted, vgg_stylizer
from PIL import Image, ImageFilter

WORDNET = {"n01440764": 0, "n01443537": 1, "n01484850": 2, "n01491361": 3}  # ImageNet's first classes
ANIMALS = {"bear": 294, "cat": 281, "dog": 207, "elephant": 385}
VOC = {8: ("cat", (220, 30, 30)), 12: ("dog", (30, 200, 60)), 15: ("person", (30, 60, 230))}
VOC_COLOURS = {0: (0, 0, 0), 8: (64, 0, 0), 12: (64, 0, 128), 15: (192, 128, 128), 255: (224, 224, 192)}  # of masks
VOC_SIZES = ((48, 40), (40, 52), (37, 61))  # (width, height)
COMPETITION = ("ImageId", "TrueLabel", "TargetClass", "Author", "OriginalLandingURL", "License")
OBSERVER = ("subj", "session", "trial", "rt", "object_response", "category", "condition", "imagename")
VGG = ((3, 64, 64), (64, 128, 128), (128, 256, 256, 256), (256, 512))
NETWORK = """import numpy as np
import torch
from torch import nn


def network():
    body = nn.Sequential(nn.Conv2d(3, 12, 5, stride=4), nn.Tanh(), nn.AdaptiveAvgPool2d(1), nn.Flatten())
    made = nn.Sequential(body, nn.Linear(12, 16))
    rng = np.random.default_rng(3)
    for value in made.parameters():
        value.data = torch.from_numpy(rng.standard_normal(value.shape, dtype=np.float32) * 0.4)
    return made
"""


def prepare(work: Path) -> None:
    """Write everything that the commands read below ``work``, but for what ``shapes16`` draws."""
    class_folders(work / "photos", tuple(ANIMALS), 10, seed=1)
    class_folders(work / "textures", ("bark", "grid", "moss"), 2, seed=2, smooth=1)
    class_folders(work / "imagenet-sketch/sketch", tuple(WORDNET), 3, seed=3)
    class_folders(work / "stylized-imagenet/val", tuple(WORDNET), 3, seed=4)
    class_folders(work / "tasks/caltech101/101_ObjectCategories", ("anchor", "ant", "barrel"), 5, seed=5)
    class_folders(work / "tasks/cifar100-images/train", ("apple", "bed"), 5, seed=6)
    class_folders(work / "tasks/cifar100-images/test", ("apple", "bed"), 4, seed=7)
    textures_data(work / "tasks/dtd", seed=8)
    competition(work / "nips17", 8, seed=9)
    devkit(work / "VOCdevkit/VOC2012", {"train": 12, "val": 9}, first=0)
    devkit(work / "VOCdevkit/VOC2007", {"trainval": 8, "test": 6}, first=50)
    observers(work / "observers")
    perceptual(work / "vgg16.h5")
    (work / "golden_network.py").write_text(NETWORK)
    (work / "classes.txt").write_text("".join(f"{name}\n" for name in shape_names()))
    vgg_stylizer(work / "vgg19")
    answering_imagenet(work)
    imagenet(work / "imagenet", sorted((work / "imagenet-sketch").glob("*/*/*.png")))


def derive(work: Path) -> None:
    """Write what is made of the drawn data: contours, drawings of another kind, and networks that know the shapes."""
    for name in shape_names():
        for number in (1, 2, 3):
            source = Image.open(work / f"shapes16/silhouettes/{name}/{name}{number}.png").convert("L")
            for folder, image in (
                ("edges", source.filter(ImageFilter.Kernel((3, 3), (-1, -1, -1, -1, 8, -1, -1, -1, -1), scale=1))),
                ("sketches", source.transpose(Image.Transpose.FLIP_LEFT_RIGHT)),
            ):
                path = work / "shapes16" / folder / name / f"{name}{number}.png"
                path.parent.mkdir(parents=True, exist_ok=True)
                image.convert("RGB").save(path)
    answering_shapes(work)


def answering_imagenet(work: Path) -> None:
    """Write two networks of ImageNet's 1000 outputs that know all, and half, of the images here."""
    known = [(path, WORDNET[path.parent.name]) for path in sorted(work.glob("*/*/n*/*.png"))]
    known += [(path, ANIMALS[path.parent.name]) for path in sorted((work / "photos").glob("*/*.png"))]
    known += [(work / f"nips17/images/image{number}.png", 37 * number) for number in range(8)]
    for seed, (name, part) in enumerate((("alpha", known), ("beta", known[::2]))):
        fitted(work / f"weights/{name}.safetensors", part, outputs=1000, size=160, seed=seed)


def answering_shapes(work: Path) -> None:
    """Write two networks of the 16 categories: one that has seen training and test images, one the former alone."""
    names = shape_names()
    for seed, (name, splits) in enumerate((("clear", ("train", "test")), ("partial", ("train",)))):
        paths = [path for split in splits for path in sorted((work / "shapes16" / split).glob("*/*.png"))]
        known = [(path, names.index(path.parent.name)) for path in paths]
        fitted(work / f"weights/{name}.safetensors", known, outputs=len(names), size=32, seed=seed)


def shape_names() -> tuple[str, ...]:
    """Return the 16 categories of shape bias, sorted."""
    first = ("airplane", "bear", "bicycle", "bird", "boat", "bottle", "car", "cat")
    return (*first, "chair", "clock", "dog", "elephant", "keyboard", "knife", "oven", "truck")


def picture(rng: np.random.Generator, colour: int, size: tuple[int, int] = (44, 36), smooth: int = 6) -> Image.Image:
    """Return a picture of coarse noise, (width, height), in one of a few leading colours."""
    width, height = size
    coarse = rng.integers(0, 256, (height // smooth + 2, width // smooth + 2, 3))
    pixels = coarse.repeat(smooth, axis=0).repeat(smooth, axis=1)[:height, :width] // 2
    fine = rng.integers(0, 40, (height, width, 3))
    lead = np.array(((90, 20, 20), (20, 90, 20), (20, 20, 90), (80, 80, 10), (10, 80, 80)))[colour % 5]
    return Image.fromarray((pixels + fine + lead).clip(0, 255).astype(np.uint8))


def class_folders(root: Path, classes: tuple[str, ...], each: int, *, seed: int, smooth: int = 6) -> None:
    """Write ``each`` pictures for every class as CLASS/NUMBER.png."""
    rng = np.random.default_rng(seed)
    for label, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for number in range(each):
            picture(rng, label, smooth=smooth).save(root / name / f"{name}_{number}.png")


def textures_data(root: Path, *, seed: int) -> None:
    """Write DTD's layout: images/CLASS and the lists of its first split."""
    classes = ("dotted", "lined", "woven")
    class_folders(root / "images", classes, 6, seed=seed)
    (root / "labels").mkdir()
    for split, numbers in (("train1", (0, 1)), ("val1", (2, 3)), ("test1", (4, 5))):
        lines = [f"{name}/{name}_{number}.png\n" for name in classes for number in numbers]
        (root / f"labels/{split}.txt").write_text("".join(lines))


def imagenet(root: Path, images: list[Path]) -> None:
    """Write ``images`` in the layout that ImageNet is published in: loose, with a file of their classes."""
    place = root / "ILSVRC/Data/CLS-LOC/val"
    place.mkdir(parents=True)
    lines = ["ImageId,PredictionString\n"]
    for number, path in enumerate(images[::-1], 1):
        Image.open(path).save(place / f"ILSVRC2012_val_{number:08}.JPEG", quality=95)
        lines.append(f"ILSVRC2012_val_{number:08},{path.parent.name} 1 2 3 4 \n")
    (root / "LOC_val_solution.csv").write_text("".join(lines))


def competition(root: Path, count: int, *, seed: int) -> None:
    """Write ``count`` images and the CSV of the NeurIPS 2017 competition; classes count from 1."""
    rng = np.random.default_rng(seed)
    (root / "images").mkdir(parents=True)
    with (root / "images.csv").open("w", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(COMPETITION)
        for number in range(count):
            picture(rng, number, size=(60, 60)).save(root / f"images/image{number}.png")
            labels = (1 + 37 * number, 1 + 37 * ((number + 3) % count))
            writer.writerow([f"image{number}", *labels, "Nobody", "https://example.org", "CC BY 2.0"])


def devkit(root: Path, splits: dict[str, int], *, first: int) -> None:
    """Write a Pascal VOC: pictures of one square, its class in annotations and masks; every fifth is difficult too."""
    for folder in ("JPEGImages", "Annotations", "SegmentationClass", "ImageSets/Main", "ImageSets/Segmentation"):
        (root / folder).mkdir(parents=True)
    number = first
    for split, count in splits.items():
        names = []
        for _ in range(count):
            name, number = f"2008_{number:06}", number + 1
            scene(root, name, number)
            names.append(f"{name}\n")
        for kind in ("Main", "Segmentation"):
            (root / f"ImageSets/{kind}/{split}.txt").write_text("".join(names))


def scene(root: Path, name: str, number: int) -> None:
    """Write one image of a devkit with its mask and annotation."""
    rng = np.random.default_rng(number)
    width, height = VOC_SIZES[number % 3]
    label = tuple(VOC)[number % len(VOC)]
    x, y = int(rng.integers(2, width - 26)), int(rng.integers(2, height - 26))
    labels = np.zeros((height, width), dtype=np.uint8)
    labels[y : y + 24, x : x + 24] = label
    labels[y : y + 24, x] = 255
    pixels = np.full((height, width, 3), 60, dtype=np.int64)
    pixels[y : y + 24, x : x + 24] = VOC[label][1]
    noisy = (pixels + rng.integers(-25, 26, pixels.shape)).clip(0, 255).astype(np.uint8)
    Image.fromarray(noisy).save(root / f"JPEGImages/{name}.jpg", quality=95)
    mask = Image.fromarray(labels, mode="P")
    mask.putpalette([value for index in range(256) for value in VOC_COLOURS.get(index, (0, 255, index))])
    mask.save(root / f"SegmentationClass/{name}.png")
    objects = [(VOC[label][0], 0)] + ([("bird", 1)] if number % 5 == 0 else [])
    text = "".join(f"<object><name>{n}</name><difficult>{d}</difficult></object>" for n, d in objects)
    (root / f"Annotations/{name}.xml").write_text(f"<annotation>{text}</annotation>")


def observers(root: Path) -> None:
    """Write the raw responses of two observers to the same 36 cue-conflict images."""
    root.mkdir()
    names = shape_names()[:7]
    for seed, observer in enumerate(("anna", "ben")):
        rng = np.random.default_rng(seed)
        with (root / f"{observer}.csv").open("w", newline="") as file:
            writer = csv.writer(file)
            writer.writerow(OBSERVER)
            pairs = [(a, b) for a in names for b in names if a != b][:36]
            for trial, (shape, texture) in enumerate(pairs, 1):
                answer = (shape, texture, names[0], "na")[rng.choice(4, p=(0.5, 0.3, 0.15, 0.05))]
                image = f"{trial:04}_cue_{observer}_00_{shape}_00_{shape}1-{texture}2.png"
                writer.writerow([observer, 1, trial, f"{rng.random():.3f}", answer, shape, 0, image])


def perceptual(path: Path) -> None:
    """Write random weights in the layout of VGG-16's HDF5 file, up to relu4_1."""
    rng = np.random.default_rng(11)
    with h5py.File(path, "w") as file:
        for block, widths in enumerate(VGG, 1):
            for index, (inputs, outputs) in enumerate(pairwise(widths)):
                place = f"block{block}/layers/conv2d{f'_{index}' if index else ''}/vars"
                kernel = rng.standard_normal((3, 3, inputs, outputs), dtype=np.float32) * np.sqrt(2 / (9 * inputs))
                file[f"{place}/0"] = kernel.astype(np.float32)
                file[f"{place}/1"] = np.zeros(outputs, dtype=np.float32)
