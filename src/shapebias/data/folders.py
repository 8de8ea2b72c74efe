"""The image files of a folder: one walk for every command, which counts and names what it passes over.

Links are followed, save those that lead back to a folder above. A file is an image by its ending, or else by its first
bytes. Hidden entries, and what file servers, archives and desktops leave behind, are no part of any data set.
"""

from __future__ import annotations

import os
import re
import sys
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

from shapebias.errors import UserError, first_three

# fmt: off
IMAGE_SUFFIXES = frozenset({
    ".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".webp", ".tif", ".tiff", ".ppm", ".pgm", ".gif",
})
COMPANIONS = frozenset({  # labels and notes beside images: passed over without a word
    ".txt", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".md", ".html", ".log", ".mat", ".bin",
})
UNREAD = frozenset({".heic", ".heif", ".jxl", ".dng", ".cr2", ".cr3", ".nef", ".arw", ".raf", ".orf", ".rw2"})
LEAVINGS = frozenset({  # of other programs, in small letters
    "@eadir", "@recycle", "@recently-snapshot", "#recycle", "#snapshot", "$recycle.bin", "__macosx", "lost+found",
    "system volume information", "thumbs.db", "ehthumbs.db", "desktop.ini", "__pycache__", ".ipynb_checkpoints",
})
# fmt: on
_FIRST_BYTES = re.compile(
    rb"\xff\xd8\xff|\x89PNG\r\n|GIF8[79]a|II\*\0|MM\0\*|RIFF....WEBP|BM....\0\0\0\0|P[1-6]\s+[#\d]"
    rb"|\0\0\0\x0cjP  |\xff\x4f\xff\x51|....ftypavi[fs]",
    re.DOTALL,
)
TO_CONVERT = "photographs of kinds that are not read, to be converted to JPEG or PNG first"
NO_IMAGE = "files that are no images of a known kind"
LINK_BACK = "links back to a folder above"
OUTSIDE = "images outside of the class folders"
EMPTY = "folders without an image"

Identity = tuple[int, int] | None
_said: set[str] = set()


class Walk:
    """A walk through folders, to be told of once at its end.

    Attributes:
        passed: the entries that were not taken, by reason.
        folders: the folders that were entered.
    """

    def __init__(self) -> None:
        self.passed: defaultdict[str, list[Path]] = defaultdict(list)
        self.folders: list[Path] = []

    def images(self, folder: Path) -> list[Path]:
        """Return the images in ``folder`` and in its folders, in the order of their paths' parts."""
        images: list[Path] = []
        waiting: list[tuple[Path, frozenset[Identity] | None]] = [(folder, _folders_above(folder))]
        while waiting:  # no recursion: folders can be nested deeper than Python's stack
            path, within = waiting.pop()
            if within is None:
                images.append(path)
                continue
            self.folders.append(path)
            found, folders = self.entries(path)
            below: list[tuple[Path, frozenset[Identity] | None]] = [(path / name, None) for name in found]
            for child in (path / name for name in folders):
                identity = _identity(child)
                if identity in within:
                    self.passed[LINK_BACK].append(child)
                else:
                    below.append((child, within | {identity}))
            waiting += sorted(below, key=lambda entry: entry[0].name, reverse=True)
        return images

    def entries(self, folder: Path) -> tuple[list[str], list[str]]:
        """Return the names of the images and of the folders in ``folder``, each sorted."""
        images, folders = list[str](), list[str]()
        try:
            with os.scandir(folder) as listing:
                entries = list(listing)
        except OSError as error:
            self.passed[f"folders that cannot be opened ({error.strerror})"].append(folder)
            return images, folders
        for entry in entries:
            name = entry.name
            if name.lower() in LEAVINGS:
                self.passed["files and folders of other programs"].append(folder / name)
            elif name.startswith("."):
                continue
            elif os.path.isdir(entry.path) if entry.is_symlink() else entry.is_dir():  # noqa: PTH112 - many files
                if entry.is_symlink() and _identity(folder / name) in _folders_above(folder):
                    self.passed[LINK_BACK].append(folder / name)
                else:
                    folders.append(name)
            elif _is_image(entry):
                images.append(name)
            elif (suffix := os.path.splitext(name)[1].lower()) not in COMPANIONS:  # noqa: PTH122
                self.passed[TO_CONVERT if suffix in UNREAD else NO_IMAGE].append(folder / name)
        return sorted(images), sorted(folders)

    def tell(self, root: Path) -> None:
        """Say what was passed over below ``root``, where this process has not said so before."""
        told = []
        for reason, paths in self.passed.items():
            new = {os.path.relpath(path, root): f"{reason}: {_absolute(path)}" for path in paths}
            names = sorted(name for name, known in new.items() if known not in _said)
            _said.update(new.values())
            if names:
                told.append(f"{len(names)} {reason} ({first_three(names)})")
        if told:
            say_once(f"warning: in {root} passed over: {'; '.join(told)}")


def say_once(line: str) -> None:
    """Print a line to standard error, unless this process has printed it before or is not the first of several."""
    if line not in _said and os.environ.get("LOCAL_RANK", "0") == "0":
        print(line, file=sys.stderr)
    _said.add(line)


def list_images(folder: Path) -> list[Path]:
    """Return every image below ``folder``, in the order of their paths' parts.

    Raises:
        UserError: no such folder, or no image.
    """
    folder = Path(folder)
    if not folder.is_dir():
        raise UserError(f"no folder {folder}")
    walk = Walk()
    images = walk.images(folder)
    if not images:
        raise no_images(folder, walk.passed)
    walk.tell(folder)
    return images


def no_images(folder: Path, passed: Mapping[str, Sequence[Path]]) -> UserError:
    """Return the error of a folder without an image, with what was found instead."""
    found = "; ".join(f"{len(paths)} {reason}, first {paths[0].name}" for reason, paths in passed.items() if paths)
    return UserError(
        f"no images below {folder} (looked for {', '.join(sorted(IMAGE_SUFFIXES))})"
        + (f": there are {found}" if found else "")
    )


def loose_images(folder: Path) -> list[str]:
    """Return the names of the images that lie in ``folder`` itself, sorted."""
    return Walk().entries(folder)[0]


def subfolders(folder: Path) -> list[str]:
    """Return the names of the folders in ``folder``, sorted; none where it is no folder."""
    return Walk().entries(folder)[1] if folder.is_dir() else []


def part(root: Path, names: Iterable[str]) -> Path | None:
    """Return the first of the folders ``names`` that ``root`` has, such as its ``edges``."""
    return next((Path(root) / name for name in names if (Path(root) / name).is_dir()), None)


def stem_of(name: str) -> str:
    """Return the name of an image without its ending; ``x.jpg?w=640`` is ``x``, and a name without an ending itself."""
    return name.rpartition(".")[0] or name


def _is_image(entry: os.DirEntry[str]) -> bool:
    """Return whether a file is an image; one whose link leads nowhere is, by its ending, and cannot be read later."""
    if os.path.splitext(entry.name)[1].lower() in IMAGE_SUFFIXES:  # noqa: PTH122 - a million files
        if entry.is_symlink():
            return os.path.isfile(entry.path) or not os.path.exists(entry.path)  # noqa: PTH110, PTH113
        return entry.is_file()
    if not os.path.isfile(entry.path):  # noqa: PTH113 - a pipe would never end
        return False
    try:
        with open(entry.path, "rb", buffering=0) as file:  # noqa: PTH123
            return _FIRST_BYTES.match(file.read(16)) is not None
    except OSError:
        return False


def _absolute(path: Path) -> Path:
    return Path(os.path.abspath(path))  # noqa: PTH100 - a link's own parents


def _folders_above(folder: Path) -> frozenset[Identity]:
    """Return the identities of ``folder`` and of all folders that it lies in, by its path and where links lead."""
    starts = (_absolute(folder), folder.resolve())
    return frozenset({_identity(path) for start in starts for path in (start, *start.parents)} - {None})


def _identity(folder: Path) -> Identity:
    try:
        status = folder.stat()
    except OSError:
        return None
    return status.st_dev, status.st_ino
