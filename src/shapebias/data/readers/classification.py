"""Published data sets for classification: CIFAR-100 and DTD read, VOC and Caltech-101 downloaded."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

from shapebias.data.folders import part
from shapebias.data.image_set import ImageSet, from_labels
from shapebias.data.readers.class_folders import read_class_folders
from shapebias.data.readers.voc import find_voc
from shapebias.errors import UserError
from shapebias.files import locked
from shapebias.progress import progress

CIFAR_IMAGES = "cifar100-images"


def fetch_voc(data: Path, year: int, split: str) -> None:
    """Download and unpack what has the list ``split`` of VOC 2007 or 2012 (2 GB) to ``data``, unless it is there.

    Raises:
        UserError: it cannot be had, or not be written.
    """
    folder = find_voc(data, year)
    if folder is None or not (folder / "ImageSets" / "Main" / f"{split}.txt").is_file():
        from shapebias.libraries import torchvision

        _torchvision(torchvision.datasets.VOCDetection, data, True, "", year=str(year), image_set=split)


def fetch_caltech101(data: Path) -> None:
    """Download and unpack Caltech-101 to ``data/caltech101``, unless it is there.

    Raises:
        UserError: it cannot be had, or not be written.
    """
    from shapebias.libraries import torchvision

    _torchvision(torchvision.datasets.Caltech101, data, True, "")


def read_cifar100(data: Path, download: bool) -> tuple[ImageSet, ImageSet]:
    """Training and test images of CIFAR-100 (Krizhevsky 2009).

    They are published as arrays in two pickles, which torchvision reads once it has found their bytes to be the
    published ones. Here they become PNGs, once, in ``data/cifar100-images/{train,test}/CLASS``.

    Raises:
        UserError: neither the published files nor those images are in ``data``, or they cannot be written.
    """
    images = data / CIFAR_IMAGES
    if not images.is_dir():
        from shapebias.libraries import torchvision

        make: Any = torchvision.datasets.CIFAR100
        wanted = f"expected {data}/cifar-100-python with train, test and meta"
        parts = {name: _torchvision(make, data, download, wanted, train=name == "train") for name in ("train", "test")}
        with locked(data, CIFAR_IMAGES, wait=True):
            if not images.is_dir():
                _write_images(images, parts)
    return read_class_folders(images / "train"), read_class_folders(images / "test")


def read_dtd(data: Path, download: bool) -> tuple[ImageSet, ImageSet]:
    """Training (train and val) and test images of split 1 of the Describable Textures Dataset (Cimpoi et al. 2014).

    Raises:
        UserError: it is not in ``data``, or its lists name images that are not there.
    """
    root = _dtd_root(data)
    if root is None and download:
        from shapebias.libraries import torchvision

        _torchvision(torchvision.datasets.DTD, data, download, "", split="train")
        root = _dtd_root(data)
    if root is None:
        raise UserError(f"no DTD in {data}: expected {data}/dtd with images/ and labels/, or give --download")
    lists = root / "labels"
    train = _listed(root / "images", [lists / "train1.txt", lists / "val1.txt"])
    return train, _listed(root / "images", [lists / "test1.txt"])


def _dtd_root(data: Path) -> Path | None:
    below = (data, data / "dtd", data / "dtd" / "dtd")  # torchvision's is the last
    return next((folder for folder in below if part(folder, ("labels",)) and part(folder, ("images",))), None)


def _listed(images: Path, lists: Iterable[Path]) -> ImageSet:
    """The images that the lists name as CLASS/NAME, sorted."""
    names: list[str] = []
    for path in lists:
        try:
            names += [line.strip() for line in path.read_text(encoding="utf-8").splitlines() if line.strip()]
        except (OSError, UnicodeDecodeError) as error:
            raise UserError(f"{path} cannot be read ({error}): unpack all of DTD there") from error
    strange = next((name for name in names if name.count("/") != 1 or ".." in name or name.startswith("/")), None)
    if strange is not None:
        raise UserError(f"{images.parent / 'labels'} names '{strange[:40]}', which is not CLASS/NAME")
    names.sort()
    if missing := [name for name in names if not (images / name).is_file()]:
        raise UserError(f"{images} lacks {len(missing)} listed images, first {missing[0]}: unpack all of DTD there")
    if not names:
        raise UserError(f"the lists in {images.parent / 'labels'} name no image: unpack all of DTD there")
    return from_labels(images, [images / name for name in names], [name.split("/")[0] for name in names])


def _torchvision(make: Callable[..., Any], data: Path, download: bool, wanted: str, **options: Any) -> Any:
    """A data set of torchvision's, whose errors are many."""
    try:
        with locked(data, "download", wait=True) if download else nullcontext():
            return make(data, download=download, **options)
    except UserError:
        raise
    except Exception as error:
        reason = (" ".join(str(error).split()) or type(error).__name__)[:200]
        if download:
            raise UserError(f"cannot download to {data} ({reason}): connect, or put the files there") from error
        raise UserError(f"{data} does not hold the published files whole: {wanted}, or give --download") from error


def _write_images(out: Path, parts: dict[str, Any]) -> None:
    """Every image as ``out/PART/CLASS/NUMBER.png``; ``out`` appears when it is whole."""
    from PIL import Image

    work = out.with_name(f".{out.name}.part")
    shutil.rmtree(work, ignore_errors=True)
    try:
        with progress(f"writing {out.name}", total=sum(len(found.data) for found in parts.values())) as bar:
            for name, found in parts.items():
                for label in found.classes:
                    (work / name / label).mkdir(parents=True)
                for number, (pixels, target) in enumerate(zip(found.data, found.targets, strict=True)):
                    Image.fromarray(pixels).save(work / name / found.classes[target] / f"{number:05}.png")
                    bar.advance()
        work.rename(out)
    except OSError as error:
        raise UserError(f"cannot write {out}: {error.strerror or error}: free some space") from error
    finally:
        shutil.rmtree(work, ignore_errors=True)
