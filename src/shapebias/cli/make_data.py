"""Commands that make data without a stylizer: shapes16, download, corrupt."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from shapebias.cli.output import say, warn_unreadable
from shapebias.errors import check_at_least


def shapes16(
    *,
    out: Path,
    size: int = 64,
    train_per_class: int = 120,
    test_per_class: int = 25,
    texture_correlation: float = 0.98,
    seed: int = 0,
) -> None:
    """Generate shapes16, a small data set of 16 drawn categories.

    Writes train/, test/, cue-conflict/ and silhouettes/.

    Args:
        out: folder of the data set.
        size: pixels per side.
        train_per_class: training images per category.
        test_per_class: test images per category.
        texture_correlation: fraction of training images that have the texture of their own category.
        seed: random seed of the drawings.

    Examples:
        shapebias shapes16 --out shapes16
        shapebias shapes16 --out shapes16-hard --texture-correlation 1 --size 96
    """
    from shapebias.data.shapes16 import generate

    generate(
        out,
        size=size,
        train_per_class=train_per_class,
        test_per_class=test_per_class,
        own=texture_correlation,
        seed=seed,
    )
    say(f"wrote {out}: train, test, cue-conflict, silhouettes, shapes16.json")


def download(what: Literal["imagenette"], *, out: Path, size: Literal["160px", "320px", "full"] = "160px") -> None:
    """Download photographs: a folder with train/ and val/, to use as --data.

    Args:
        what: imagenette, ten classes of ImageNet.
        out: folder of the photographs.
        size: pixels of the shorter side.

    Examples:
        shapebias download imagenette --out imagenette
        shapebias download imagenette --size full --out imagenette-full
    """
    from shapebias.data.download import download_imagenette

    came = download_imagenette(out, size=size)
    say(f"{'wrote' if came else 'already there:'} {out}: {what}'s train/ and val/, to use as --data {out}")


def corrupt(
    images: Path,
    *,
    out: Path,
    corruptions: tuple[str, ...] | None = None,
    severities: tuple[int, ...] | None = None,
    limit: int | None = None,
    seed: int = 0,
    workers: int = 0,
    strict: bool = False,
) -> None:
    """Write ImageNet-C's corruptions of every image below IMAGES.

    OUT has the layout of ImageNet-C, CORRUPTION/SEVERITY/CLASS/NAME.JPEG, with
    images of 224 pixels at JPEG quality 85; images whose shorter side is below that
    keep their size. Needs the library imagecorruptions-imaug:
    pip install "shapebias[corruptions]". The same command resumes after an
    interruption, and more corruptions and severities can be added to the same OUT
    later. torchrun divides the images over its processes.

    Args:
        images: one folder of images per class, or a folder with train/ and val/ of which val/ is used.
        out: folder for the corrupted copies.
        corruptions: corruptions to make (default: all 15).
        severities: severities from 1 to 5 (default: all).
        limit: maximum number of images, spread over the classes.
        seed: random seed of the corruptions and of --limit.
        workers: number of processes; it does not change the images.
        strict: stop at an unreadable image instead of skipping it.

    Examples:
        shapebias corrupt photos --workers 8 --out photos-c
        shapebias corrupt photos --corruptions fog,frost --severities 1,5 --out fog
        shapebias audit resnet50 --data corruptions=photos-c --out results
    """
    from shapebias.corruptions.corruption import CORRUPTIONS, SEVERITIES, check_cells
    from shapebias.corruptions.folder import corrupt_folder
    from shapebias.corruptions.layout import MANIFEST
    from shapebias.evaluators.class_subset import class_images

    names = CORRUPTIONS if corruptions is None else corruptions
    levels = SEVERITIES if severities is None else severities
    check_cells(names, levels)
    if limit is not None:
        check_at_least(1, limit=limit)
    check_at_least(0, seed=seed)
    drawn = class_images(images).subsample(limit, seed)
    how = {"seed": seed, "workers": workers, "strict": strict, "over_ranks": True}
    unreadable = corrupt_folder(drawn, out, corruptions=names, severities=levels, **how)
    warn_unreadable(unreadable)
    count = len(drawn) - len(unreadable)
    say(f"wrote {out}: {count} images in {len(names)} corruptions at {len(levels)} severities, {MANIFEST}")
