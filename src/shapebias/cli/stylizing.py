"""Commands that stylize images, and commands that make or show a stylizer."""

from __future__ import annotations

from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from shapebias.cli.output import say, warn_unreadable
from shapebias.errors import UserError
from shapebias.stylize.settings import CueConflictSettings, GridSettings, SheetSettings, StylizeSettings
from shapebias.stylize.training.recipe import Recipe

if TYPE_CHECKING:
    from shapebias.stylize import Stylizer


@dataclass(frozen=True)
class StylizerOptions:
    """Options of every command that stylizes.

    Args:
        stylizer: small, vgg19 (downloaded), or a file or folder of weights.
        batch_size: images stylized at once (default: 16, on a GPU 64 or as many as fit).
        device: auto, cpu, cuda or mps.
        strict: stop at an unreadable image.
    """

    stylizer: str = "small"
    batch_size: int | None = None
    device: str = "auto"
    strict: bool = False

    def load(self) -> tuple[Stylizer, str, str]:
        """Return the stylizer, the hash of its weights, and the device."""
        from shapebias.environment import device_of_process
        from shapebias.stylize import load_stylizer

        device = device_of_process(self.device)
        return (*load_stylizer(self.stylizer), device)


def stylize(
    images: Path,
    *,
    out: Path,
    styles: Path | None = None,
    preview: Path | None = None,
    settings: StylizeSettings,
    work: StylizerOptions,
) -> None:
    """Write stylized copies of every image below IMAGES.

    The stylizer vgg19 is the paper's AdaIN. Its two files are downloaded once, or
    read from a folder given as --stylizer that contains vgg_normalised.pth and
    decoder.pth. It needs --styles: the packaged styles only fit the small stylizer.
    The styles of an image depend on --seed and its name alone, and of a folder of
    styles only those that are drawn are encoded. Tar shards in WebDataset layout
    give shards of copies, with the samples' other fields. The same command resumes
    after an interruption; torchrun divides the images over its processes.

    Args:
        images: folder of images, or of tar shards in WebDataset layout.
        out: folder of the copies.
        styles: folder of style images, or a style bank (default: the package's).
        preview: contact sheet to write, of some images beside their copies.
        settings: settings of the copies.
        work: options of the stylizer.

    Examples:
        shapebias stylize photos --out photos-stylized
        shapebias stylize photos --styles my-paintings --per-image 4 --out photos-4
        shapebias stylize photos --out photos-stylized --preview sheet.png
        shapebias stylize photos --stylizer vgg19 --styles paintings --out photos-vgg
    """
    from shapebias.files import check_replaceable
    from shapebias.ranks import rank_and_size
    from shapebias.stylize import load_styles
    from shapebias.stylize.folder import COPIES, MANIFEST, stylize_folder
    from shapebias.stylize.load import check_styles
    from shapebias.stylize.shards import find_shards, stylize_shards
    from shapebias.stylize.sheet import MARK, sheet_of_copies
    from shapebias.stylize.style_folder import StyleFolder

    shards = find_shards(images)
    if shards and preview is not None:
        raise UserError("--preview is for a folder of images, not for tar shards")
    if preview is not None:
        check_replaceable(preview, MARK)
    check_styles(work.stylizer, styles)
    network, digest, device = work.load()
    if styles is not None and styles.is_dir():
        drawn_from = StyleFolder(styles, network, digest, out, rank=rank_and_size()[0], strict=work.strict)
    else:
        drawn_from = load_styles(styles, network, digest).split("train" if styles is None else "all")
    stylize_all = stylize_shards if shards else partial(stylize_folder, over_ranks=True)
    unreadable = stylize_all(
        images, out, network, drawn_from, settings, batch_size=work.batch_size, device=device, strict=work.strict
    )
    warn_unreadable(unreadable)
    listed = "a list for each shard" if shards else COPIES
    say(f"wrote {out}: {settings.per_image} stylized copies per image, {MANIFEST}, {listed}")
    if preview is not None and rank_and_size()[0] == 0:
        sheet_of_copies(out, images, preview)
        say(f"wrote {preview}")


def cue_conflict(
    images: Path,
    *,
    out: Path,
    settings: CueConflictSettings,
    work: StylizerOptions,
) -> None:
    """Make cue-conflict images: the shape of one category, the texture of another.

    Makes images of every ordered pair of the categories in IMAGES. The names of the
    category folders become lowercase letters in the file names
    (cat1-elephant2.png), ImageNet's identifiers their names in words; evaluation
    matches them with a model's classes in the same way. Like the published set, the
    default has 5 images per pair, including pairs of a category with itself; these
    carry no conflict, and evaluation ignores them. The paper stylizes with vgg19
    and --alpha 0.5. The same command resumes after an interruption.

    Args:
        images: one folder of images per category, or a folder with train/ and val/ of which val/ is used.
        out: folder of the set, with SHAPE/shapeN-textureM.png.
        settings: settings of the set.
        work: options of the stylizer.

    Examples:
        shapebias cue-conflict photos/val --out photos-conflict
        shapebias cue-conflict photos --per-pair 2 --no-same --out photos-conflict
        shapebias audit runs/mmsi --data shape-bias=photos-conflict --out results
    """
    from shapebias.files import read_json
    from shapebias.stylize.cue_conflict import MANIFEST, TABLE, make_cue_conflict

    network, digest, device = work.load()
    count, unreadable = make_cue_conflict(
        images, out, network, digest, settings, batch_size=work.batch_size or 16, device=device, strict=work.strict
    )
    for reason in unreadable:
        say(f"warning: replaced unreadable image {reason} by another one")
    taken = read_json(out / MANIFEST)["source"]
    say(f"wrote {out}: {count} images of {taken}, {MANIFEST}, {TABLE}; measure with --evaluators shape-bias")


def texture_grid(
    images: Path,
    *,
    out: Path,
    textures: Path,
    settings: GridSettings,
    work: StylizerOptions,
) -> None:
    """Write every image below IMAGES in the same few textures.

    One image is drawn from each texture's folder. The evaluator dimensionality
    takes the class of an image from its folder in IMAGES; without class folders,
    every image is its own class. The same command resumes after an interruption;
    torchrun divides the images over its processes.

    Args:
        images: folder of images, or of one folder per class.
        out: folder of the copies.
        textures: one folder of images per texture, or a folder of images.
        settings: settings of the copies.
        work: options of the stylizer.

    Examples:
        shapebias texture-grid photos/val --textures dtd-five --out grid
        shapebias texture-grid photos/val --textures dtd --count 8 --out grid-8
        shapebias audit resnet50 --data dimensionality=grid --out results
    """
    from shapebias.stylize.texture_grid import texture_grid as write_grid

    network, digest, device = work.load()
    bank, unreadable = write_grid(
        images,
        out,
        textures,
        network,
        digest,
        settings,
        batch_size=work.batch_size,
        device=device,
        strict=work.strict,
    )
    warn_unreadable(unreadable)
    say(f"wrote {out}: every image in {', '.join(bank.names)}; to use as --data dimensionality={out}")


def stylizer_encode(styles: list[Path], *, out: Path, stylizer: str = "small", device: str = "auto") -> None:
    """Encode style images once, as a style bank for the option --styles.

    Args:
        styles: folders of paintings or textures.
        out: the bank, for example styles.safetensors.
        stylizer: stylizer to encode for: small, vgg19 (downloaded), or a file or folder of weights.
        device: auto, cpu, cuda or mps.

    Examples:
        shapebias stylizer encode paintings textures --out styles.safetensors
        shapebias stylizer encode paintings --stylizer vgg19 --out vgg.safetensors
    """
    from shapebias.environment import choose_device
    from shapebias.stylize import StyleBank, load_stylizer

    if out.suffix != ".safetensors":
        raise UserError(f"a style bank is a .safetensors file, not {out.name}: give --out styles.safetensors")
    if out.exists():
        StyleBank.load(out)  # nothing but a bank is replaced
    network, digest = load_stylizer(stylizer)
    bank = StyleBank.encode(network.to(choose_device(device)), digest, styles)
    bank.save(out)
    say(f"wrote {out}: {len(bank)} styles")


def stylizer_show(
    images: Path,
    *,
    out: Path = Path("sheet.png"),
    styles: Path | None = None,
    stylizer: str = "small",
    settings: SheetSettings,
) -> None:
    """Write a contact sheet of stylizations: images down, styles across.

    Args:
        images: folder of images to stylize.
        out: the sheet.
        styles: folder of style images, or a style bank (default: the package's).
        stylizer: small, vgg19 (downloaded), or a file or folder of weights.
        settings: settings of the sheet.

    Examples:
        shapebias stylizer show photos --out sheet.png
        shapebias stylizer show photos --styles paintings --rows 3 --out sheet.png
    """
    from shapebias.stylize.sheet import contact_sheet

    contact_sheet(images, out, settings, styles=styles, stylizer=stylizer)
    say(f"wrote {out}")


def stylizer_train(
    config: Recipe,
    *,
    content: Path,
    styles: tuple[Path, ...],
    out: Path,
    perceptual: str = "torchvision",
    workers: int = 1,
) -> None:
    """Train the small AdaIN stylizer and encode its bank of styles.

    Writes OUT/adain.safetensors and OUT/styles.safetensors.

    Args:
        config: settings of the training.
        content: folder of photographs.
        styles: folders of paintings and textures.
        out: folder of the stylizer.
        perceptual: VGG-16 of the loss: torchvision (downloaded) or an .h5 file.
        workers: processes that decode images.

    Examples:
        shapebias stylizer train --content photos --styles paintings --out stylizer
        shapebias stylizer train --content a --styles b,c --steps 8000 --out stylizer
    """
    from shapebias.stylize.training.train import train_stylizer

    for path in train_stylizer(content, list(styles), perceptual, out, config, workers=workers):
        say(f"wrote {path}")
