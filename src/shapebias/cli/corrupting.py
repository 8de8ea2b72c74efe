"""The command that corrupts a folder of images as ImageNet-C's are."""

from __future__ import annotations

from pathlib import Path

from shapebias.cli.arguments import Parser, new_parser
from shapebias.cli.output import say
from shapebias.errors import UserError

CORRUPT_EXAMPLES = """examples:
  shapebias corrupt photos photos-c --workers 8
  shapebias corrupt photos photos-c-small --limit 1000 --corruptions fog,frost --severities 1,3,5
  shapebias evaluate timm:resnet50 --evaluators corruptions --data photos-c --out results

OUT has ImageNet-C's layout: CORRUPTION/SEVERITY/CLASS/NAME.JPEG, 224 pixels at JPEG quality 85; images whose shorter
side is below that keep their size. Needs the library imagecorruptions-imaug: pip install "shapebias[corruptions]".
More corruptions and severities can be added to the same OUT later."""


def corrupt_arguments() -> Parser:
    """What ``corrupt`` takes."""
    parser = new_parser(
        "Write ImageNet-C's corruptions of every image in DATA to OUT; goes on where it was killed.", CORRUPT_EXAMPLES
    )
    parser.add_argument(
        "data", type=Path, metavar="DATA", help="one folder of images per class, or train/ and val/ of such: val/"
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the copies")
    parser.add_argument("--seed", type=int, default=0, help="of the corruptions' draws and of --limit's")
    parser.add_argument("--corruptions", type=str, default=None, help="separated by commas; default all 15")
    parser.add_argument("--severities", type=str, default=None, help="of 1 to 5, separated by commas; default all")
    parser.add_argument("--limit", type=int, default=None, help="at most so many images, spread over the classes")
    parser.add_argument("--workers", type=int, default=0, help="processes that corrupt; the bytes are the same")
    parser.add_argument("--strict", action="store_true", help="stop at an unreadable image")
    return parser


def corrupt(
    data: Path,
    out: Path,
    seed: int,
    corruptions: str | None,
    severities: str | None,
    limit: int | None,
    workers: int,
    strict: bool,
) -> None:
    """Corrupt a folder."""
    from shapebias.corruptions.corruption import CORRUPTIONS, SEVERITIES, check_cells
    from shapebias.corruptions.folder import corrupt_folder
    from shapebias.corruptions.layout import MANIFEST
    from shapebias.evaluators.accuracy.class_images import class_images

    names = CORRUPTIONS if corruptions is None else tuple(_parts(corruptions))
    levels = SEVERITIES if severities is None else tuple(map(_severity, _parts(severities)))
    check_cells(names, levels)
    if limit is not None and limit < 1:
        raise UserError(f"--limit must be at least 1 image, not {limit}")
    if seed < 0:
        raise UserError(f"--seed must be at least 0, not {seed}")
    source = class_images(data).subsample(limit, seed)
    unreadable = corrupt_folder(
        source, out, seed=seed, corruptions=names, severities=levels, workers=workers, strict=strict
    )
    for reason in unreadable:
        say(f"warning: left out unreadable image {reason}")
    count = len(source) - len(unreadable)
    say(f"wrote {out}: {count} images in {len(names)} corruptions at {len(levels)} severities, {MANIFEST}")


def _parts(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _severity(text: str) -> int:
    if not text.isascii() or not text.isdecimal():
        raise UserError(f"--severities {text} is not a number: choose from 1 to 5")
    return int(text)
