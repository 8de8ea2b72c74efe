"""The commands that make data: shapes16, download, stylize, cue-conflict, texture-grid, corrupt, and the stylizer's."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from shapebias.cli.output import say, warn_unreadable
from shapebias.errors import UserError
from shapebias.stylize.training.recipe import Recipe


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
        texture_correlation: share of training images in the texture of their category.
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


def stylize(
    images: Path,
    *,
    out: Path,
    styles: Path | None = None,
    stylizer: str = "small",
    per_image: int = 2,
    alpha: float = 1.0,
    size: int = 256,
    same_styles: bool = False,
    seed: int = 0,
    batch_size: int = 16,
    device: str = "auto",
    strict: bool = False,
) -> None:
    """Write stylized copies of every image below IMAGES.

    The stylizer vgg19 is the paper's AdaIN. Its two files are downloaded once, or
    taken from a folder given as --stylizer, where they are called
    vgg_normalised.pth and decoder.pth. It needs --styles: the package's styles are
    those of the small stylizer. The same command resumes after an interruption.

    Args:
        images: folder of images.
        out: folder of the copies.
        styles: folder of style images, or a style bank (default: the package's).
        stylizer: small, vgg19 (downloaded), or a file or folder of weights.
        per_image: different styles per image.
        alpha: strength of the style, 0 to 1.
        size: reduce the shorter side to this many pixels.
        same_styles: give every image the same styles (a texture grid).
        seed: random seed of the choice of styles.
        batch_size: images stylized at once.
        device: auto, cpu, cuda or mps.
        strict: stop at an unreadable image instead of skipping it.

    Examples:
        shapebias stylize photos --out photos-stylized
        shapebias stylize photos --styles my-paintings --per-image 4 --out photos-mine
        shapebias stylize photos --stylizer vgg19 --styles paintings --out photos-vgg
    """
    from shapebias.environment import choose_device
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
        images, out, network, bank, settings, batch_size=batch_size, device=device, strict=strict
    )
    warn_unreadable(unreadable)
    say(f"wrote {out}: {per_image} stylized copies per image, stylize.json, styles.csv")


def cue_conflict(
    images: Path,
    *,
    out: Path,
    stylizer: str = "small",
    alpha: float = 0.5,
    per_pair: int = 5,
    same: bool = True,
    size: int = 224,
    seed: int = 0,
    batch_size: int = 16,
    device: str = "auto",
    strict: bool = False,
) -> None:
    """Make cue-conflict images: the shape of one category, the texture of another.

    Makes images of every ordered pair of the categories in IMAGES. Names of the
    categories' folders have small letters only, since file names are made of them
    (cat1-elephant2.png). Like the published set, this one has 5 images per pair,
    pairs of a category with itself included; those carry no conflict, and
    evaluation ignores them. The paper stylizes with vgg19 and --alpha 0.5. The same
    command resumes after an interruption.

    Args:
        images: one folder of images per category, or train/ and val/ of such, of which val/ is taken.
        out: folder of the set, with SHAPE/shapeN-textureM.png.
        stylizer: small, vgg19 (downloaded), or a file or folder of weights.
        alpha: strength of the texture, 0 to 1.
        per_pair: images per ordered pair of categories.
        same: make the pairs of a category with itself too.
        size: pixels per side at most; smaller images keep their size.
        seed: random seed of the choice of images.
        batch_size: images stylized at once.
        device: auto, cpu, cuda or mps.
        strict: stop at an unreadable image instead of taking another one.

    Examples:
        shapebias cue-conflict photos/val --out photos-conflict
        shapebias cue-conflict photos --per-pair 2 --no-same --out photos-conflict
        shapebias audit runs/mmsi --data shape-bias=photos-conflict --out results
    """
    from shapebias.environment import choose_device
    from shapebias.files import read_json
    from shapebias.stylize import load_stylizer
    from shapebias.stylize.conflict_pairs import CueConflictSettings
    from shapebias.stylize.cue_conflict import MANIFEST, TABLE, make_cue_conflict

    settings = CueConflictSettings(alpha=alpha, per_pair=per_pair, same=same, size=size, seed=seed)
    device = choose_device(device)
    network, digest = load_stylizer(stylizer)
    count, unreadable = make_cue_conflict(
        images, out, network, digest, settings, batch_size=batch_size, device=device, strict=strict
    )
    for reason in unreadable:
        say(f"warning: took another image for the unreadable {reason}")
    taken = read_json(out / MANIFEST)["source"]
    say(f"wrote {out}: {count} images of {taken}, {MANIFEST}, {TABLE}; measure with --evaluators shape-bias")


def texture_grid(
    images: Path,
    *,
    out: Path,
    textures: Path,
    count: int = 5,
    stylizer: str = "small",
    alpha: float = 1.0,
    size: int = 256,
    seed: int = 0,
    batch_size: int = 16,
    device: str = "auto",
    strict: bool = False,
) -> None:
    """Write every image below IMAGES in the same few textures.

    Of a folder per texture, one image is drawn of each. Evaluation of the
    dimensionality tells classes apart by the class folders of IMAGES; without them
    every image is a class of its own. The same command resumes after an
    interruption.

    Args:
        images: folder of images, or of one folder per class.
        out: folder of the copies.
        textures: one folder of images per texture, or a folder of images.
        count: number of textures, the first by name.
        stylizer: small, vgg19 (downloaded), or a file or folder of weights.
        alpha: strength of the texture, 0 to 1.
        size: reduce the shorter side to this many pixels.
        seed: random seed of the image drawn from each texture's folder.
        batch_size: images stylized at once.
        device: auto, cpu, cuda or mps.
        strict: stop at an unreadable image instead of skipping it.

    Examples:
        shapebias texture-grid photos/val --textures dtd-five --out grid
        shapebias texture-grid photos/val --textures dtd --count 8 --out grid-8
        shapebias audit resnet50 --data dimensionality=grid --out results
    """
    from shapebias.environment import choose_device
    from shapebias.stylize import load_stylizer
    from shapebias.stylize.texture_grid import texture_grid as write_grid

    device = choose_device(device)
    network, digest = load_stylizer(stylizer)
    bank, unreadable = write_grid(
        images,
        out,
        textures,
        network,
        digest,
        count=count,
        alpha=alpha,
        size=size,
        seed=seed,
        batch_size=batch_size,
        device=device,
        strict=strict,
    )
    warn_unreadable(unreadable)
    say(f"wrote {out}: every image in {', '.join(bank.names)}; to use as --data dimensionality={out}")


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
    later.

    Args:
        images: one folder of images per class, or train/ and val/ of such, of which val/ is taken.
        out: folder of the copies.
        corruptions: corruptions to make (default: all 15).
        severities: severities of 1 to 5 (default: all).
        limit: number of images at most, spread over the classes.
        seed: random seed of the corruptions and of --limit.
        workers: processes that corrupt; their number does not change the images.
        strict: stop at an unreadable image instead of skipping it.

    Examples:
        shapebias corrupt photos --workers 8 --out photos-c
        shapebias corrupt photos --corruptions fog,frost --severities 1,5 --out fog
        shapebias audit resnet50 --data corruptions=photos-c --out results
    """
    from shapebias.corruptions.corruption import CORRUPTIONS, SEVERITIES, check_cells
    from shapebias.corruptions.folder import corrupt_folder
    from shapebias.corruptions.layout import MANIFEST
    from shapebias.evaluators.accuracy.class_images import class_images

    names = CORRUPTIONS if corruptions is None else corruptions
    levels = SEVERITIES if severities is None else severities
    check_cells(names, levels)
    if limit is not None and limit < 1:
        raise UserError(f"--limit must be at least 1 image, not {limit}")
    if seed < 0:
        raise UserError(f"--seed must be at least 0, not {seed}")
    drawn = class_images(images).subsample(limit, seed)
    unreadable = corrupt_folder(
        drawn, out, seed=seed, corruptions=names, severities=levels, workers=workers, strict=strict
    )
    warn_unreadable(unreadable)
    count = len(drawn) - len(unreadable)
    say(f"wrote {out}: {count} images in {len(names)} corruptions at {len(levels)} severities, {MANIFEST}")


def stylizer_encode(styles: list[Path], *, out: Path, stylizer: str = "small", device: str = "auto") -> None:
    """Encode style images once, as a bank for --styles of any command.

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
        raise UserError(f"a bank is a .safetensors file, not {out.name}: give --out styles.safetensors")
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
    rows: int = 6,
    columns: int = 8,
    size: int = 128,
    alpha: float = 1.0,
    seed: int = 0,
) -> None:
    """Write a contact sheet of stylizations: images down, styles across.

    Args:
        images: folder of images to stylize.
        out: the sheet.
        styles: folder of style images, or a style bank (default: the package's).
        stylizer: small, vgg19 (downloaded), or a file or folder of weights.
        rows: number of images.
        columns: number of styles.
        size: pixels per side of each picture.
        alpha: strength of the style, 0 to 1.
        seed: random seed of the choice of images and styles.

    Examples:
        shapebias stylizer show photos --out sheet.png
        shapebias stylizer show photos --styles paintings --rows 3 --out sheet.png
    """
    from shapebias.stylize.sheet import contact_sheet

    counts = {"rows": rows, "columns": columns, "size": size}
    contact_sheet(images, out, styles=styles, stylizer=stylizer, **counts, alpha=alpha, seed=seed)
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
