"""Masks of Pascal VOC's classes: PNGs in the colours of its palette or in grey, 255 where none counts."""

from __future__ import annotations

import hashlib
import warnings
from contextlib import suppress
from functools import partial
from pathlib import Path

import numpy as np
from PIL import Image, UnidentifiedImageError

from shapebias.data.decode import UnreadableImage, image_size
from shapebias.data.encode import save_image
from shapebias.data.image_set import ImageSet, fingerprint
from shapebias.data.readers.voc import (
    IMAGES,
    MASKS,
    MORE_MASKS,
    VOC_CLASSES,
    check_present,
    count_missing,
    split_names,
    stems,
    year_folder,
)
from shapebias.errors import UserError
from shapebias.progress import progress

LAST_CLASS = 20  # 0 is the background
IGNORED = 255


def voc_palette() -> np.ndarray:
    """The colours (256, 3) uint8 of VOC's masks.

    The bits of a class number, from the lowest, go in turn to red, green and blue, from their highest bit down: the
    background is black, class 1 is (128, 0, 0), class 255 (224, 224, 192).
    """
    numbers = np.arange(256)
    colours = np.zeros((256, 3), dtype=np.uint8)
    for bit in range(8):
        colours[:, bit % 3] |= ((numbers >> bit & 1) << (7 - bit // 3)).astype(np.uint8)
    return colours


VOC_PALETTE = voc_palette()
VOC_PALETTE.setflags(write=False)
_NUMBERS = {tuple(colour): number for number, colour in enumerate(VOC_PALETTE.tolist())}


def read_segmentation(root: Path, year: int, split: str, masks: Path | None = None) -> ImageSet:
    """Read the images and masks of a split of ``ImageSets/Segmentation``, in its order.

    Args:
        root: the year's folder or one above it, see ``find_voc``.
        year: 2007 or 2012.
        split: such as train, val, trainval or trainaug.
        masks: a folder of other masks, NAME.png each, to take instead of VOC's.

    Raises:
        UserError: no such folder or split, or names twice, without an image or a mask.
    """
    folder = year_folder(root, year)
    names = split_names(folder, "Segmentation", split)
    check_present(folder, "Segmentation", split, names, stems(folder / IMAGES, ".jpg"), IMAGES)
    paths = tuple(folder / IMAGES / f"{name}.jpg" for name in names)
    if masks is not None:
        if not masks.is_dir():
            raise UserError(f"no folder {masks}: give one with a mask NAME.png for each image")
        if missing := count_missing(names, stems(masks, ".png")):
            raise UserError(f"{masks} lacks masks of {missing} of ImageSets/Segmentation/{split}.txt, as NAME.png")
        found = tuple(masks / f"{name}.png" for name in names)
    else:
        official, more = stems(folder / MASKS, ".png"), stems(folder / MORE_MASKS, ".png")
        check_present(folder, "Segmentation", split, names, official | more, MASKS)
        found = tuple(folder / (MASKS if name in official else MORE_MASKS) / f"{name}.png" for name in names)
    return ImageSet(
        root=folder,
        paths=paths,
        targets=np.empty((len(names), 0), dtype=np.int8),
        classes=VOC_CLASSES,
        columns={"name": names, "mask": found},
        digest=partial(digest_masks, root=masks),
    )


def digest_masks(images: ImageSet, root: Path | None) -> str:
    """SHA-256 over the files of images and masks, for ``ImageSet.digest``; ``root``: of masks that are not VOC's."""
    masks = [mask for mask in images.masks if mask is not None]
    if root is None:
        return fingerprint(images.root, (*images.paths, *masks))
    parts = fingerprint(images.root, images.paths) + fingerprint(root, masks)
    return hashlib.sha256(parts.encode()).hexdigest()


def check_masks(images: ImageSet) -> None:
    """Decode every mask, so that one that is of no use is found before any work; images that cannot be read are not.

    Raises:
        UserError: as ``load_mask``.
    """
    with progress("checking masks", total=len(images)) as bar:
        for image, mask in zip(images.paths, images.masks, strict=True):
            if mask is not None:
                with suppress(UnreadableImage):
                    load_mask(mask, image_size(image))
            bar.advance()


def load_mask(path: Path, size: tuple[int, int]) -> np.ndarray:
    """The class numbers (height, width) uint8 in a PNG: the grey values of 8-bit grey, the colours of a palette PNG.

    Programs that save a palette PNG again may reorder its palette and drop colours without pixels; the colours of the
    pixels stay, and a class is the number of its colour in VOC's palette.

    Args:
        path: the mask.
        size: (width, height) of the image it belongs to.

    Raises:
        UserError: another size, a colour image, a palette of other colours than VOC's, numbers other than 0 to 20 and
            255, grey of 0 and 255 alone (black and white, no class numbers), a file that does not decode.
    """
    path = Path(path)
    try:
        with warnings.catch_warnings(action="ignore"), Image.open(path, formats=["PNG"]) as image:
            if image.size != tuple(size):
                raise UserError(
                    f"{path} is {image.width}x{image.height} but its image {size[0]}x{size[1]}: "
                    "resize the mask (nearest neighbour) or the image"
                )
            # grey of 1, 2 or 4 bits would be scaled up to 8, and its numbers with it
            if image.mode not in {"P", "L"} or image.tile[0][3] in {"L;2", "L;4"}:
                raise UserError(
                    f"{path} is a mask in {_called(image)}: save class numbers, as a palette PNG or in 8-bit grey"
                )
            labels = np.array(image, dtype=np.uint8)
            if image.mode == "P":
                labels = _numbers_of_colours(labels, image.getpalette() or [], path)
            elif IGNORED in labels and not np.any((labels > 0) & (labels < IGNORED)):
                raise UserError(
                    f"{path} is black and white ({IGNORED} and no class): save class numbers, as a palette PNG in "
                    "VOC's colours or in 8-bit grey"
                )
    except FileNotFoundError as error:
        raise UserError(f"no mask {path}") from error
    except UnidentifiedImageError as error:
        raise UserError(f"{path} is not a PNG: save the mask as one") from error
    except UserError:
        raise
    except Exception as error:  # a damaged file can raise nearly anything in its decoder
        reason = " ".join(str(error).split()) or type(error).__name__
        raise UserError(f"{path} cannot be read as a mask ({reason}): replace the file") from error
    _check(labels, str(path))
    return labels


def save_mask(path: Path, labels: np.ndarray) -> None:
    """Write ``labels`` (height, width), whole numbers 0 to 20 and 255, as a PNG in VOC's palette.

    Raises:
        UserError: other numbers or shapes, or a folder that cannot be written.
    """
    labels = np.asarray(labels)
    if labels.ndim != 2 or labels.size == 0 or labels.dtype.kind not in "iu":
        raise UserError(
            f"{path}: a mask is whole numbers (height, width), not {labels.dtype} of shape {labels.shape}: "
            "save one image's class numbers"
        )
    _check(labels, str(path))
    image = Image.fromarray(labels.astype(np.uint8))
    image.putpalette(VOC_PALETTE.tobytes())
    save_image(path, image)


def _numbers_of_colours(pixels: np.ndarray, palette: list[int], path: Path) -> np.ndarray:
    """The numbers in VOC's palette of the colours that ``pixels`` have in ``palette`` (red, green, blue, red ...)."""
    numbers = np.zeros(256, dtype=np.uint8)
    for pixel in np.flatnonzero(np.bincount(pixels.ravel())).tolist():
        colour = tuple(palette[3 * pixel : 3 * pixel + 3])
        if colour not in _NUMBERS:
            raise UserError(
                f"{path} has pixels of the colour {colour}, which is none of VOC's palette: save class numbers in "
                "VOC's colours or in 8-bit grey"
            )
        numbers[pixel] = _NUMBERS[colour]
    return numbers[pixels]


def _called(image: Image.Image) -> str:
    if image.mode in {"RGB", "RGBA"}:
        return f"colours ({image.mode})"
    return f"mode {image.mode}" if image.mode != "L" else "grey of less than 8 bits"


def _check(labels: np.ndarray, where: str) -> None:
    wrong = labels[(labels != IGNORED) & ((labels < 0) | (labels > LAST_CLASS))]
    if wrong.size:
        raise UserError(
            f"{where} holds the value {int(wrong.min())}: classes are 0 (background) to {LAST_CLASS}, "
            f"and {IGNORED} is ignored: mend the mask"
        )
