"""The commands that stylize: stylize, cue-conflict, texture-grid, and those of the stylizers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from shapebias.cli.arguments import Parser, new_parser
from shapebias.cli.output import say

STYLIZE_EXAMPLES = """examples:
  shapebias stylize photos photos-stylized
  shapebias stylize photos photos-mine --styles my-paintings --per-image 4 --alpha 0.8
  shapebias stylize photos photos-paper --stylizer vgg19 --styles paintings

vgg19 is the paper's AdaIN. Its two files are downloaded once; --stylizer DIR takes them from a folder instead,
where they are called vgg_normalised.pth and decoder.pth. It needs --styles: the package's are the small one's."""


CUE_CONFLICT_EXAMPLES = """examples:
  shapebias cue-conflict photos/val photos-conflict
  shapebias cue-conflict photos/val photos-conflict --per-pair 2 --no-same --size 128
  shapebias evaluate runs/mmsi runs/in --evaluators shape-bias --data photos-conflict --out results

The categories' folders are named with small letters only: the names of the files are made of them (cat1-elephant2.png).
Like the published set, it has 5 images for each pair, pairs of equals included; the paper stylizes with vgg19 at 0.5.
Pairs of equals carry no conflict; measuring leaves them out."""


TEXTURE_GRID_EXAMPLES = """examples:
  shapebias texture-grid photos/val photos-textures --textures dtd-five
  shapebias texture-grid VOC2012/JPEGImages voc-textures --textures dtd-five --stylizer vgg19
  shapebias evaluate timm:resnet50 --evaluators dimensionality --data dimensionality=voc-textures --out results

Of a folder per texture, one image is drawn of each. Images of two classes are told apart by SRC's class folders;
without them, by being different images."""


def stylize_arguments() -> Parser:
    """What ``stylize`` takes."""
    parser = new_parser(
        "Write stylized copies of every image below SRC to OUT; goes on where it was killed.", STYLIZE_EXAMPLES
    )
    parser.add_argument("source", type=Path, metavar="SRC", help="folder of images")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the copies")
    parser.add_argument("--styles", type=Path, default=None, help="folder of styles or a bank; default the package's")
    parser.add_argument("--per_image", type=int, default=2, help="different styles per image")
    parser.add_argument("--alpha", type=float, default=1.0, help="strength of the style, 0 to 1")
    parser.add_argument("--size", type=int, default=256, help="reduce the shorter side to this many pixels")
    parser.add_argument("--same_styles", action="store_true", help="the same styles for every image (a texture grid)")
    parser.add_argument("--seed", type=int, default=0, help="of the styles' draw")
    return _with_work(parser)


def stylize(
    source: Path,
    out: Path,
    stylizer: str,
    styles: Path | None,
    per_image: int,
    alpha: float,
    size: int,
    same_styles: bool,
    seed: int,
    batch_size: int,
    device: str | None,
    strict: bool,
) -> None:
    """Stylize a folder."""
    from shapebias.device import choose_device
    from shapebias.stylize import load_styles, load_stylizer
    from shapebias.stylize.folder import StylizeSettings, stylize_folder
    from shapebias.stylize.load import check_styles

    settings = StylizeSettings(per_image=per_image, alpha=alpha, size=size, same_styles=same_styles, seed=seed)
    device = choose_device(device)
    check_styles(stylizer, styles)
    network, digest = load_stylizer(stylizer)
    bank = load_styles(styles, network, digest)
    bank = bank.split("train") if styles is None else bank
    unreadable = stylize_folder(
        source, out, network, bank, settings, batch_size=batch_size, device=device, strict=strict
    )
    for reason in unreadable:
        say(f"warning: left out unreadable image {reason}")
    say(f"wrote {out}: {per_image} stylized copies per image, stylize.json, styles.csv")


def cue_conflict_arguments() -> Parser:
    """What ``cue-conflict`` takes."""
    parser = new_parser(
        "Make cue-conflict images of every ordered pair of the categories in SRC; goes on where it was killed.",
        CUE_CONFLICT_EXAMPLES,
    )
    parser.add_argument(
        "source", type=Path, metavar="SRC", help="one folder of images per category, or train/ and val/ of such: val/"
    )
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the set: SHAPE/shapeN-textureM.png")
    parser.add_argument("--alpha", type=float, default=0.5, help="strength of the texture, 0 to 1")
    parser.add_argument("--per_pair", type=int, default=5, help="images per ordered pair of categories")
    parser.add_argument("--no_same", action="store_true", help="leave out the pairs of a category with itself")
    parser.add_argument("--size", type=int, default=224, help="pixels per side at most; smaller images are kept so")
    parser.add_argument("--seed", type=int, default=0, help="of the images' draw")
    return _with_work(parser)


def cue_conflict(
    source: Path,
    out: Path,
    stylizer: str,
    alpha: float,
    per_pair: int,
    no_same: bool,
    size: int,
    seed: int,
    batch_size: int,
    device: str | None,
    strict: bool,
) -> None:
    """Make a cue-conflict set."""
    from shapebias.device import choose_device
    from shapebias.files import read_json
    from shapebias.stylize import load_stylizer
    from shapebias.stylize.conflict_pairs import CueConflictSettings
    from shapebias.stylize.cue_conflict import MANIFEST, TABLE, make_cue_conflict

    settings = CueConflictSettings(alpha=alpha, per_pair=per_pair, same=not no_same, size=size, seed=seed)
    device = choose_device(device)
    network, digest = load_stylizer(stylizer)
    count, unreadable = make_cue_conflict(
        source, out, network, digest, settings, batch_size=batch_size, device=device, strict=strict
    )
    for reason in unreadable:
        say(f"warning: took another image for the unreadable {reason}")
    taken = read_json(out / MANIFEST)["source"]
    say(f"wrote {out}: {count} images of {taken}, {MANIFEST}, {TABLE}; measure with --evaluators shape-bias")


def texture_grid_arguments() -> Parser:
    """What ``texture-grid`` takes."""
    parser = new_parser(
        "Write every image below SRC in the same few textures to OUT; goes on where it was killed.",
        TEXTURE_GRID_EXAMPLES,
    )
    parser.add_argument("source", type=Path, metavar="SRC", help="folder of images, or of one folder per class")
    parser.add_argument("out", type=Path, metavar="OUT", help="folder of the copies")
    parser.add_argument(
        "--textures", type=Path, required=True, metavar="DIR", help="one folder of images per texture, or images"
    )
    parser.add_argument("--count", type=int, default=5, help="how many textures: the first by name")
    parser.add_argument("--alpha", type=float, default=1.0, help="strength of the texture, 0 to 1")
    parser.add_argument("--size", type=int, default=256, help="reduce the shorter side to this many pixels")
    parser.add_argument("--seed", type=int, default=0, help="of the image drawn from each texture's folder")
    return _with_work(parser)


def texture_grid(
    source: Path,
    out: Path,
    textures: Path,
    count: int,
    stylizer: str,
    alpha: float,
    size: int,
    seed: int,
    batch_size: int,
    device: str | None,
    strict: bool,
) -> None:
    """Put a folder into the same few textures."""
    from shapebias.device import choose_device
    from shapebias.stylize import load_stylizer
    from shapebias.stylize.texture_grid import texture_grid as write_grid

    device = choose_device(device)
    network, digest = load_stylizer(stylizer)
    options: dict[str, Any] = {"alpha": alpha, "size": size, "seed": seed, "batch_size": batch_size}
    bank, unreadable = write_grid(
        source, out, textures, network, digest, count=count, device=device, strict=strict, **options
    )
    for reason in unreadable:
        say(f"warning: left out unreadable image {reason}")
    say(f"wrote {out}: every image in {', '.join(bank.names)}; to use as --data dimensionality={out}")


def _with_work(parser: Parser) -> Parser:
    """The options of every command that stylizes: by what, where, and how."""
    parser.add_argument(
        "--stylizer", type=str, default="small", help="small, vgg19 (downloads), or a file or folder of weights"
    )
    parser.add_argument("--batch_size", type=int, default=16, help="images stylized at once")
    parser.add_argument("--device", type=str, default=None, help="cpu, cuda or mps; default the best there is")
    parser.add_argument("--strict", action="store_true", help="stop at an unreadable image")
    return parser
