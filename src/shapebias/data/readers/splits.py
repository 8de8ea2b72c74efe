"""The splits of a data set by the names of its folders: ``train/`` with ``val/`` or ``test/``, as people call them."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from shapebias.data.folders import loose_images, say_once, subfolders
from shapebias.data.readers.imagenet import VAL_IMAGE, labels_file
from shapebias.errors import UserError, first_three, some

# In any case, and with "-", "_", "." or spaces in between: "Train", "hold_out".
TRAINING, VALIDATION, TEST = "train", "val", "test"
SPLITS = {
    **dict.fromkeys(("train", "training"), TRAINING),
    **dict.fromkeys(("val", "valid", "validation", "dev"), VALIDATION),
    **dict.fromkeys(("test", "testing", "holdout"), TEST),
}
_ALIKE = re.compile(
    "(train|training|trn|trainval|val|valid|validation|eval|evaluation|dev|test|testing|tst|holdout|heldout|unlabell?ed)"
    r"(set|split|data|images?|imgs)?\d*"
)


@dataclass(frozen=True)
class Splits:
    """The folders of a data set's splits; None for one that is not there."""

    train: Path | None = None
    val: Path | None = None
    test: Path | None = None

    @property
    def held_out(self) -> Path | None:
        """The images to evaluate on: those for validation, else those for test."""
        return self.val or self.test


def find_splits(root: Path) -> Splits | None:
    """Return the splits in ``root``; None for a folder without any, as one of class folders is.

    A single folder that is called like a split and holds images alone, beside others that do, is a class of that name.

    Raises:
        UserError: folders that look like splits, but not which are which: one split twice, an unknown name without a
            pair of known ones, or class folders beside them.
    """
    names = subfolders(root)
    alike = [name for name in names if looks_like_split(name)]
    if not alike:
        return None
    classes = [name for name in names if name not in alike and loose_images(root / name)]
    if classes and len(alike) == 1 and _is_class(root, root / alike[0]):
        return None
    known = [name for name in alike if _plain(name) in SPLITS]
    unknown = [name for name in alike if name not in known]
    count = Counter(SPLITS[_plain(name)] for name in known)
    if twice := [name for name in known if count[SPLITS[_plain(name)]] > 1]:
        raise UserError(f"{root} has {_folders(twice)} for one split: keep one of them, or join them")
    found = Splits(**{SPLITS[_plain(name)]: root / name for name in known})
    if unknown and (found.train is None or found.held_out is None):
        raise UserError(
            f"{root} has {_folders(alike)}, which look like splits of a data set, but {_folders(unknown)} "
            f"{'is' if len(unknown) == 1 else 'are'} not known: rename to {', '.join(SPLITS)} (in any case)"
        )
    inside = {name for split in known for name in subfolders(root / split)}
    if mixed := [name for name in classes if name in inside]:
        raise UserError(
            f"{root} mixes splits of a data set ({_folders(known)}) with class folders ({some(mixed)}): move these "
            f"into {found.train or root / TRAINING}, or the splits elsewhere"
        )
    if besides := [*unknown, *classes]:
        say_once(f"warning: of {root} {_folders(known)} are taken, not {first_three(besides)}")
    return found


def looks_like_split(name: str) -> bool:
    """Return whether a folder is called as the splits of data sets are."""
    return _ALIKE.fullmatch(_plain(name)) is not None


def check_undivided(root: Path) -> None:
    """Refuse a folder with splits in it, which would be taken for classes.

    Raises:
        UserError: there are some, or as ``find_splits``.
    """
    if splits := find_splits(root):
        there = [folder for folder in (splits.train, splits.val, splits.test) if folder is not None]
        raise UserError(
            f"{root} holds {_folders(folder.name for folder in there)}, splits of a data set and no classes: "
            f"give one of them, such as {there[-1]}"
        )


def _is_class(root: Path, folder: Path) -> bool:
    """Return whether a folder has images alone, and no file labels them as ImageNet's for validation are."""
    if subfolders(folder) or labels_file(root, folder):
        return False
    return not any(name.startswith(VAL_IMAGE) for name in loose_images(folder))


def _plain(name: str) -> str:
    return re.sub(r"[-_. ]", "", name.casefold())


def _folders(names: Iterable[str]) -> str:
    return " and ".join(f"{name}/" for name in names)
