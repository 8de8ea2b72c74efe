"""The commands below ``stylizer``: train, show, encode."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

from shapebias.cli.arguments import Parser, new_parser
from shapebias.cli.output import say
from shapebias.errors import UserError
from shapebias.stylize.training.recipe import Recipe


def train_arguments() -> Parser:
    """What ``stylizer train`` takes."""
    training = new_parser("Train the small AdaIN; writes OUT/adain.safetensors and OUT/styles.safetensors.")
    training.add_argument("--config", action="config", help="YAML file of these options")
    training.add_argument("--content", type=Path, required=True, help="folder of photographs")
    training.add_argument("--styles", type=Path, nargs="+", required=True, help="folders of paintings and textures")
    training.add_argument(
        "--perceptual", type=str, default="torchvision", help="VGG-16: 'torchvision' (downloads) or an .h5 file"
    )
    training.add_argument("--out", type=Path, required=True, help="folder of the stylizer")
    training.add_argument("--workers", type=int, default=1, help="processes that decode images")
    training.add_class_arguments(Recipe)
    return training


def train(content: Path, styles: Sequence[Path], perceptual: str, out: Path, workers: int, **recipe: Any) -> None:
    """Train the small AdaIN and encode its bank."""
    from shapebias.stylize.training.recipe import Recipe
    from shapebias.stylize.training.train import train_stylizer

    for path in train_stylizer(content, list(styles), perceptual, out, Recipe(**recipe), workers=workers):
        say(f"wrote {path}")


def show_arguments() -> Parser:
    """What ``stylizer show`` takes."""
    show = new_parser("Write a contact sheet: images down, styles across.")
    show.add_argument("images", type=Path, metavar="IMAGES", help="folder of images to stylize")
    show.add_argument("--styles", type=Path, default=None, help="folder of styles or a bank; default the package's")
    show.add_argument(
        "--stylizer", type=str, default="small", help="small, vgg19 (downloads), or a file or folder of weights"
    )
    show.add_argument("--out", type=Path, default=Path("sheet.png"), help="the sheet")
    show.add_argument("--rows", type=int, default=6, help="images")
    show.add_argument("--columns", type=int, default=8, help="styles")
    show.add_argument("--size", type=int, default=128, help="pixels per picture")
    show.add_argument("--alpha", type=float, default=1.0, help="strength of the style, 0 to 1")
    show.add_argument("--seed", type=int, default=0, help="of the choice")
    return show


def show(**options: Any) -> None:
    """Write a contact sheet."""
    from shapebias.stylize.sheet import contact_sheet

    contact_sheet(**options)
    say(f"wrote {options['out']}")


def encode_arguments() -> Parser:
    """What ``stylizer encode`` takes."""
    parser = new_parser("Encode every image below the folders once; the bank then serves as --styles of any command.")
    parser.add_argument("styles", type=Path, nargs="+", metavar="STYLES", help="folders of paintings or textures")
    parser.add_argument(
        "--stylizer", type=str, default="small", help="small, vgg19, or its file or folder: whose codes they are to be"
    )
    parser.add_argument("--out", type=Path, required=True, help="the bank, for example styles.safetensors")
    parser.add_argument("--device", type=str, default=None, help="cpu, cuda or mps; default the best there is")
    return parser


def encode(styles: Sequence[Path], stylizer: str, out: Path, device: str | None) -> None:
    """Encode styles as a bank."""
    from shapebias.device import choose_device
    from shapebias.stylize import StyleBank, load_stylizer

    if out.suffix != ".safetensors":
        raise UserError(f"a bank is a .safetensors file, not {out.name}: give --out styles.safetensors")
    network, digest = load_stylizer(stylizer)
    bank = StyleBank.encode(network.to(choose_device(device)), digest, list(styles))
    bank.save(out)
    say(f"wrote {out}: {len(bank)} styles")
