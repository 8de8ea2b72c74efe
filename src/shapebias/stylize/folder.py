"""Stylize a whole folder: every image in several styles, written beside a manifest, resumable."""

from __future__ import annotations

import csv
import io
from collections import defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from torch import Tensor

from shapebias.data.decode import UnreadableImage, load_rgb
from shapebias.data.folders import list_images
from shapebias.data.image_set import fingerprint
from shapebias.data.materialize import Skip, check_outside, materialize, read_unreadable, save_png
from shapebias.data.transforms import to_tensor
from shapebias.errors import UserError, check_at_least
from shapebias.files import read_json, write_text
from shapebias.stats.streams import Draw, stream
from shapebias.stylize.bank import StyleBank, draw_styles
from shapebias.stylize.settings import SMALLEST, StylizeSettings
from shapebias.stylize.stylizer import Stylizer

MANIFEST = "stylize.json"
WAITING = 16


def view_path(folder: Path, source: Path, image: Path, view: int) -> Path:
    """Return the path in ``folder`` of the ``view``-th stylized copy of ``image``, which lies below ``source``."""
    relative = image.relative_to(source)
    return folder / relative.parent / f"{relative.name}-style{view}.png"


def stylized_views(folder: Path) -> int:
    """Return the number of styles per image in a folder made by ``stylize_folder``.

    Raises:
        UserError: the folder was not made by it, or was not finished.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise UserError(f"{folder} was not made by 'shapebias stylize' (no {MANIFEST} in it)")
    if not (Path(folder) / "styles.csv").is_file():
        raise UserError(f"{folder} is not finished: run the same 'shapebias stylize' again to resume")
    manifest = read_json(path)
    views = manifest.get("per_image") if isinstance(manifest, dict) else None
    if not isinstance(views, int) or isinstance(views, bool) or views < 1:
        raise UserError(f"{path} does not state the number of styles per image (per_image): stylize the folder again")
    return views


def unreadable_sources(folder: Path) -> list[str]:
    """Return the images that ``stylize_folder`` could not read, "path: reason" each."""
    return read_unreadable(folder, "shapebias stylize")


def check_copies(folder: Path, source: Path) -> None:
    """Refuse a stylized ``folder`` that is not of the images below ``source`` as they are now, or not whole.

    Raises:
        UserError: not finished, made of other images, or copies that are missing.
    """
    views = stylized_views(folder)
    images = list_images(source)
    again = f"shapebias stylize {source} --out {folder}"
    if read_json(folder / MANIFEST).get("images_fingerprint") != fingerprint(source, images):
        raise UserError(f"{folder} holds no copies of the images in {source} as they are now: make them with '{again}'")
    skipped = tuple(reason.rpartition(": ")[0] for reason in unreadable_sources(folder))
    there: dict[Path, set[str]] = {}
    missing = []
    for image in images:
        if any(text.endswith(image.relative_to(source).as_posix()) for text in skipped) and not _readable(image):
            continue
        for copy in (view_path(folder, source, image, view) for view in range(views)):
            if copy.parent not in there:
                there[copy.parent] = {f.name for f in copy.parent.iterdir()} if copy.parent.is_dir() else set()
            if copy.name not in there[copy.parent]:
                missing.append(copy)
    if missing:
        raise UserError(f"{len(missing)} copies are missing in {folder}, first {missing[0].name}: run '{again}' again")


def _readable(image: Path) -> bool:
    try:
        load_rgb(image)
    except UnreadableImage:
        return False
    return True


def stylize_folder(
    source: Path,
    out: Path,
    stylizer: Stylizer,
    bank: StyleBank,
    settings: StylizeSettings,
    *,
    images: Sequence[Path] | None = None,
    batch_size: int = 16,
    device: torch.device | str = "cpu",
    strict: bool = False,
    wait: bool = False,
) -> list[str]:
    """Write ``settings.per_image`` stylized copies of every image below ``source``, or of ``images``, to ``out``.

    Each image's styles are drawn from (seed, its relative path); with ``same_styles`` every image gets the
    same ones. Copies that are already there are kept, so that a killed run resumes. Images whose
    shorter side exceeds ``settings.size`` are reduced to it. With ``wait`` another process in ``out`` is waited for.

    Returns:
        The unreadable images, one "path: reason" each.
    """
    source, out = Path(source), Path(out)
    check_at_least(1, batch_size=batch_size)
    images = list_images(source) if images is None else images
    check_outside(out, source)
    identity: dict[str, Any] = {
        "schema": "shapebias/stylize/1",
        "source": str(source.resolve()),
        "images_fingerprint": fingerprint(source, images),
        "per_image": settings.per_image,
        "alpha": settings.alpha,
        "size": settings.size,
        "same_styles": settings.same_styles,
        "seed": settings.seed,
        "stylizer_sha256": bank.stylizer_sha256,
        "styles_sha256": bank.sha256,
    }
    chosen = {image: _styles_of(image.relative_to(source), settings, len(bank)) for image in images}

    def copies(image: Path) -> list[Path]:
        return [view_path(out, source, image, view) for view in range(settings.per_image)]

    @torch.inference_mode()
    def make(missing: list[Path], skip: Skip) -> Iterator[int]:
        stylizer.to(device)
        for paths, content in _same_size_batches(missing, settings.size, batch_size, skip):
            styles = np.stack([chosen[path] for path in paths], axis=1)  # (views, N)
            codes = bank.codes[styles.reshape(-1)].to(device)
            views = stylizer.stylize(content.to(device), codes, settings.alpha).cpu()
            for number, view in enumerate(views):
                save_png(view_path(out, source, paths[number % len(paths)], number // len(paths)), view)
            yield len(paths)

    return materialize(
        out,
        identity,
        images,
        copies,
        make,
        marker=MANIFEST,
        what="stylization",
        title="stylize",
        strict=strict,
        wait=wait,
        finish=lambda: _write_styles(out, source, chosen, bank),
    )


def _styles_of(relative: Path, settings: StylizeSettings, styles: int) -> np.ndarray:
    name = "" if settings.same_styles else relative.as_posix()
    return draw_styles(stream(Draw.STYLES, settings.seed, name), styles, settings.per_image)


def _same_size_batches(
    paths: Sequence[Path], size: int, batch_size: int, skip: Skip
) -> Iterator[tuple[list[Path], Tensor]]:
    """Batches of images of equal size; those of rarer sizes wait, up to ``WAITING`` batches of them."""
    waiting: dict[tuple[int, int], list[tuple[Path, Tensor]]] = defaultdict(list)
    for path in paths:
        try:
            image = _reduced(load_rgb(path), size)
        except UnreadableImage as error:
            skip(error)
            continue
        group = waiting[image.size]
        group.append((path, to_tensor(image)))
        if len(group) < batch_size and sum(map(len, waiting.values())) < WAITING * batch_size:
            continue
        fullest = max(waiting.values(), key=len)
        yield _stacked(fullest)
        fullest.clear()
    yield from (_stacked(group) for group in waiting.values() if group)


def _stacked(group: list[tuple[Path, Tensor]]) -> tuple[list[Path], Tensor]:
    return [path for path, _ in group], torch.stack([tensor for _, tensor in group])


def _reduced(image: Image.Image, size: int) -> Image.Image:
    """The image with its shorter side at most ``size``, and no side under ``SMALLEST`` pixels."""
    scale = min(1.0, size / min(image.size))
    wanted = (max(SMALLEST, round(image.width * scale)), max(SMALLEST, round(image.height * scale)))
    return image if wanted == image.size else image.resize(wanted, Image.Resampling.BICUBIC, reducing_gap=3.0)


def _write_styles(out: Path, source: Path, chosen: dict[Path, np.ndarray], bank: StyleBank) -> None:
    text = io.StringIO()
    writer = csv.writer(text)
    writer.writerow(["image", "view", "style"])
    for image, styles in chosen.items():
        if not view_path(out, source, image, 0).exists():  # unreadable
            continue
        writer.writerows((image.relative_to(source).as_posix(), view, bank.names[s]) for view, s in enumerate(styles))
    write_text(out / "styles.csv", text.getvalue())
