"""Whether a stylized folder holds copies of just these images, all of them."""

from __future__ import annotations

from pathlib import Path

from shapebias.data.image_set import fingerprint, list_images
from shapebias.errors import UserError
from shapebias.files import read_json
from shapebias.stylize.folder import MANIFEST, stylized_views, unreadable_sources, view_path


def check_copies(folder: Path, source: Path) -> None:
    """Refuse a stylized ``folder`` that is not of the images below ``source`` as they are now, or not whole.

    Raises:
        UserError: not finished, made of other images, or copies that are missing.
    """
    views = stylized_views(folder)
    images = list_images(source)
    again = f"shapebias stylize {source} {folder}"
    if read_json(folder / MANIFEST).get("images_fingerprint") != fingerprint(source, images):
        raise UserError(f"{folder} holds no copies of the images in {source} as they are now: make them with '{again}'")
    left_out = tuple(reason.rpartition(": ")[0] for reason in unreadable_sources(folder))
    there: dict[Path, set[str]] = {}
    missing = []
    for image in images:
        if any(text.endswith(image.relative_to(source).as_posix()) for text in left_out):
            continue
        for copy in (view_path(folder, source, image, view) for view in range(views)):
            if copy.parent not in there:
                there[copy.parent] = {f.name for f in copy.parent.iterdir()} if copy.parent.is_dir() else set()
            if copy.name not in there[copy.parent]:
                missing.append(copy)
    if missing:
        raise UserError(f"{len(missing)} copies are missing in {folder}, first {missing[0].name}: run '{again}' again")
