"""Stylize a whole folder: every image in several styles, written beside a manifest, resumable."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch

from shapebias.data.ahead import same_size_batches
from shapebias.data.decode import WITH_FRAMES, UnreadableImage, has_frames, load_rgb
from shapebias.data.folders import list_images, say_once
from shapebias.data.image_set import fingerprint
from shapebias.data.materialize import Skip, check_outside, materialize, read_unreadable
from shapebias.errors import UserError, check_at_least
from shapebias.files import read_json, sha256, write_text
from shapebias.ranks import rank_and_size
from shapebias.stats.streams import Draw, stream
from shapebias.stylize.bank import draw_styles
from shapebias.stylize.batches import Stylizing, default_batch_size, stylize_batches, stylized_size
from shapebias.stylize.settings import StylizeSettings
from shapebias.stylize.style_folder import Styles
from shapebias.stylize.stylizer import Stylizer

MANIFEST = "stylize.json"
COPIES = "copies.jsonl"  # a line for each copy: its image, view, style, file and hash; there once all are made


def view_path(folder: Path, source: Path, image: Path, view: int, suffix: str = "png") -> Path:
    """Return the path in ``folder`` of the ``view``-th stylized copy of ``image``, which lies below ``source``."""
    relative = image.relative_to(source)
    return folder / relative.parent / f"{relative.name}-style{view}.{suffix}"


def stylized_views(folder: Path) -> int:
    """Return the number of styles per image in a folder made by ``stylize_folder``.

    Raises:
        UserError: the folder was not made by it, or was not finished.
    """
    path = Path(folder) / MANIFEST
    if not path.is_file():
        raise UserError(f"{folder} was not made by 'shapebias stylize' (no {MANIFEST} in it)")
    if not (Path(folder) / COPIES).is_file():
        raise UserError(f"{folder} is not finished: run the same 'shapebias stylize' again to resume")
    manifest = read_json(path)
    views = manifest.get("per_image") if isinstance(manifest, dict) else None
    if not isinstance(views, int) or isinstance(views, bool) or views < 1:
        raise UserError(f"{path} does not state the number of styles per image (per_image): stylize the folder again")
    return views


def copies_format(folder: Path) -> str:
    """Return the file ending of the copies in a folder made by ``stylize_folder``: png, jpeg or webp."""
    manifest = read_json(Path(folder) / MANIFEST)
    return str(manifest.get("format", "png")) if isinstance(manifest, dict) else "png"


def unreadable_sources(folder: Path) -> list[str]:
    """Return the images that ``stylize_folder`` could not read, "path: reason" each."""
    return read_unreadable(folder, "shapebias stylize")


def check_copies(folder: Path, source: Path) -> None:
    """Refuse a stylized ``folder`` that is not of the images below ``source`` as they are now, or not whole.

    Raises:
        UserError: not finished, made of other images, or copies that are missing.
    """
    views, kind = stylized_views(folder), copies_format(folder)
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
        for copy in (view_path(folder, source, image, view, kind) for view in range(views)):
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
    styles: Styles,
    settings: StylizeSettings,
    *,
    images: Sequence[Path] | None = None,
    batch_size: int | None = None,
    device: torch.device | str = "cpu",
    strict: bool = False,
    wait: bool = False,
    over_ranks: bool = False,
) -> list[str]:
    """Write ``settings.per_image`` stylized copies of every image below ``source``, or of ``images``, to ``out``.

    Each image's styles are drawn from (seed, its relative path); with ``same_styles`` every image gets the
    same ones. Copies that are already there are kept, so that a killed run resumes. With ``over_ranks``
    the images are divided over the processes of ``torchrun``, each of which makes this call. With ``wait`` another
    process in ``out`` is waited for.

    Returns:
        The unreadable images, one "path: reason" each.
    """
    source, out = Path(source), Path(out)
    batch_size = default_batch_size(device) if batch_size is None else batch_size
    check_at_least(1, batch_size=batch_size)
    images = list_images(source) if images is None else images
    check_outside(out, source)
    styles_of("", settings, len(styles))  # refuses fewer styles than views before anything is written
    identity: dict[str, Any] = {
        "schema": "shapebias/stylize/2",
        "source": str(source.resolve()),
        "images_fingerprint": fingerprint(source, images),
        **asdict(settings),
        "stylizer_sha256": styles.stylizer_sha256,
        "styles_sha256": styles.sha256,
    }
    rank, ranks = rank_and_size() if over_ranks else (0, 1)
    own = images[rank::ranks]

    def copies(image: Path) -> list[Path]:
        return [view_path(out, source, image, view, settings.format) for view in range(settings.per_image)]

    def drawn(images: Sequence[Path]) -> np.ndarray:
        chosen = [styles_of(image.relative_to(source).as_posix(), settings, len(styles)) for image in images]
        return styles.readable(np.stack(chosen))

    def make(missing: list[Path], skip: Skip) -> Iterator[int]:
        batches = same_size_batches(own, lambda size: stylized_size(size, settings), batch_size)
        wanted = set(missing)
        incomplete = (batch for batch in batches if not wanted.isdisjoint(batch))
        stylizing = Stylizing(stylizer.to(device), styles, settings)
        return stylize_batches(incomplete, stylizing, drawn, copies, wanted, skip)

    def finish() -> None:
        if several := [image for image in images if image.suffix.lower() in WITH_FRAMES and has_frames(image)]:
            about = f"{len(several)} images hold several frames or pages, first {several[0].name}"
            say_once(f"warning: {about}: only the first of each was stylized")
        write_text(out / COPIES, "".join(_records(out, source, images, drawn, copies, styles)))

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
        finish=finish,
        over_ranks=over_ranks,
    )


def styles_of(name: str, settings: StylizeSettings, styles: int) -> np.ndarray:
    """Return the numbers of an image's styles among ``styles``, (views,), from the seed and its ``name`` alone."""
    drawn_for = "" if settings.same_styles else name
    return draw_styles(stream(Draw.STYLES, settings.seed, drawn_for), styles, settings.per_image)


def _records(
    out: Path,
    source: Path,
    images: Sequence[Path],
    drawn: Callable[[Sequence[Path]], np.ndarray],
    copies: Callable[[Path], list[Path]],
    styles: Styles,
) -> Iterator[str]:
    """Yield a line of JSON for each copy; unreadable images have none."""
    for image in images:
        files = copies(image)
        if not files[0].exists():
            continue
        for view, (style, file) in enumerate(zip(drawn([image])[0], files, strict=True)):
            record = {
                "image": image.relative_to(source).as_posix(),
                "view": view,
                "style": styles.names[style],
                "file": file.relative_to(out).as_posix(),
                "sha256": sha256(file),
            }
            yield json.dumps(record) + "\n"
