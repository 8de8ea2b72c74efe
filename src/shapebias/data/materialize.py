"""The one writer of a folder of made images: locked, claimed, resumable, every file whole."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, TypeVar

from torch import Tensor

from shapebias.data.decode import UnreadableImage
from shapebias.data.encode import is_there, save_image
from shapebias.data.transforms import to_image
from shapebias.errors import UserError
from shapebias.files import claim_folder, locked, read_json, remove_leftovers, write_json
from shapebias.progress import progress
from shapebias.ranks import gather, rank_and_size

UNREADABLE = "unreadable.json"  # "path: reason" of each source that was skipped; there once a folder is finished

Item = TypeVar("Item")
Skip = Callable[[UnreadableImage], None]


def check_outside(out: Path, source: Path) -> None:
    """Refuse an output folder that lies in the folder of the images that it is made of."""
    if out.resolve().is_relative_to(source.resolve()):
        raise UserError(f"{out} lies in {source}, whose images it would add to: choose another --out")


def materialize(
    out: Path,
    identity: Mapping[str, Any],
    items: Sequence[Item],
    files: Callable[[Item], Sequence[Path]],
    make: Callable[[list[Item], Skip], Iterator[int]],
    *,
    marker: str,
    what: str,
    title: str,
    each: int = 1,
    unit: str = "images",
    strict: bool = False,
    unreadable: Sequence[str] = (),
    finish: Callable[[], None] | None = None,
    listing: str | None = UNREADABLE,
    wait: bool = False,
    over_ranks: bool = False,
) -> list[str]:
    """Make the files of ``items`` that are not in ``out`` yet.

    The folder is locked, then claimed for ``identity``, before anything is written. Files that are there and whole are
    kept, so that a killed call resumes.

    Args:
        out: the folder.
        identity: all that the files depend on, kept in ``out/marker``; a folder of another identity is refused.
        items: what files are made of, a source image each.
        files: the files of an item; it is finished when all of them are there.
        make: given the unfinished items and ``skip``, writes their files and yields the number of items finished, batch
            after batch. It calls ``skip`` with the error of a source that cannot be read.
        marker: the name of the file of the identity.
        what: names such a folder in errors, as in "another stylization".
        title: of the progress.
        each: units of progress per item.
        unit: the unit of the progress.
        strict: stop at a source that cannot be read; otherwise it is skipped and listed.
        unreadable: sources that were skipped before, "path: reason" each.
        finish: called when all files are there, before ``listing`` is written.
        listing: the name of the JSON list of skipped sources, there once the folder is finished; None for none.
        wait: wait for another process that works in the folder, instead of refusing it.
        over_ranks: divide the items over the processes of ``torchrun``, each of which makes this call.

    Returns:
        The sources that were skipped, "path: reason" each.

    Raises:
        UserError: another process works in the folder, it holds other files, it cannot be written, no source can be
            read, or under ``strict`` one cannot.
    """
    skipped: list[str] = []

    def skip(error: UnreadableImage) -> None:
        if strict:
            raise UserError(f"unreadable image {error} (remove it, or leave out --strict)") from error
        skipped.append(str(error))
        bar.advance(each)

    rank, ranks = rank_and_size() if over_ranks else (0, 1)
    own = items[rank::ranks]
    with contextlib.ExitStack() as held:
        if rank == 0:
            held.enter_context(locked(out, wait=wait))
            claim_folder(out, dict(identity), marker=marker, describe=lambda _: what)
            remove_leftovers(out)
        if ranks > 1:
            gather(None)  # the folder is claimed
        missing = [item for item in own if not all(is_there(file) for file in files(item))]
        if missing and listing:
            (out / listing).unlink(missing_ok=True)
        with progress(title, total=len(own) * each, done=(len(own) - len(missing)) * each, unit=unit) as bar:
            for count in make(missing, skip) if missing else ():
                bar.advance(count * each)
        if ranks > 1:
            skipped = [text for part in gather(skipped) for text in part]
        if skipped and len(skipped) == len(items):
            raise UserError(f"none of the {len(items)} images could be read, first {skipped[0]}")
        if rank == 0 and finish is not None:
            finish()
        if rank == 0 and listing:
            write_json(out / listing, [*unreadable, *skipped])
        if ranks > 1:
            gather(None)  # the folder is finished
    return [*unreadable, *skipped]


def save_png(path: Path, image: Tensor) -> None:
    """Write an image (3, H, W) in [0, 1] as an 8-bit PNG, whole or not at all."""
    save_image(path, to_image(image), compress_level=1)


def read_unreadable(folder: Path, command: str) -> list[str]:
    """Return the sources that were skipped when ``command`` made ``folder``, "path: reason" each.

    Raises:
        UserError: the list is damaged.
    """
    path = Path(folder) / UNREADABLE
    if not path.is_file():
        return []
    reasons = read_json(path)
    if not isinstance(reasons, list):
        raise UserError(f"{path} is not a list of files: run the same '{command}' again")
    return [str(reason) for reason in reasons]
