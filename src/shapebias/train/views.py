"""Where a run's stylized views come from: ready copies, or a stylizer and styles that are encoded once."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

from lightning_fabric import Fabric

from shapebias.data.image_set import fingerprint, list_images
from shapebias.files import sha256
from shapebias.stylize import StyleBank, Stylizer, load_styles, load_stylizer
from shapebias.stylize.folder import MANIFEST, check_copies
from shapebias.train.config import TrainConfig
from shapebias.train.step import Stylizing

BANK_FILE = "styles.safetensors"


@dataclass
class Views:
    """How a run gets its views.

    ``stylizing`` makes them in the step, or is None; ``inputs`` are hashes of what they are made with; ``bank``
    holds codes that were encoded for this run, to be kept in its folder for going on.
    """

    stylizing: Stylizing | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    bank: StyleBank | None = None


def find_views(config: TrainConfig, fabric: Fabric, root: Path, views: int) -> Views:
    """The views of a run that shows ``views`` of each image below ``root`` at most; nothing is written.

    Raises:
        UserError: copies of other images, a stylizer or styles that cannot be used.
    """
    if not views:
        return Views()
    if config.stylized is not None:
        check_copies(config.stylized, root)
        return Views(inputs={f"stylized {n}": sha256(config.stylized / n) for n in (MANIFEST, "styles.csv")})
    stylizer, digest = load_stylizer(config.stylizer)
    stylizer = stylizer.to(fabric.device)
    made = None
    if config.styles is not None and config.styles.is_dir():
        made = bank = _encoded(config.loop.out / BANK_FILE, config.styles, stylizer, digest)
        styles = fingerprint(config.styles, list_images(config.styles))
    else:
        bank = load_styles(config.styles, stylizer, digest).split("train" if config.styles is None else "all")
        styles = bank.sha256
    bank = _without_twins(bank)
    stylizing = Stylizing(stylizer, bank.codes.to(fabric.device), config.alpha)
    return Views(stylizing, {"stylizer": digest, "styles": styles}, made)


def _encoded(kept: Path, styles: Path, stylizer: Stylizer, digest: str) -> StyleBank:
    """The codes that this run kept when it began, else the folder's, in the precision they are kept in."""
    if kept.is_file():
        bank = StyleBank.load(kept)
        if bank.stylizer_sha256 == digest:
            return bank
    bank = StyleBank.encode(stylizer, digest, [styles])
    return StyleBank(bank.codes.half().float(), bank.names, digest)


def _without_twins(bank: StyleBank) -> StyleBank:
    """The bank with each style once: two views of an image in one style would share more than its shape."""
    first: dict[bytes, int] = {}
    for number, code in enumerate(bank.codes):
        first.setdefault(code.numpy().tobytes(), number)
    chosen = list(first.values())
    if len(chosen) == len(bank):
        return bank
    left_out = sorted(set(range(len(bank))) - set(chosen))
    print(
        f"warning: left out {len(left_out)} styles that are there already, first {bank.names[left_out[0]]}",
        file=sys.stderr,
    )
    return StyleBank(bank.codes[chosen], tuple(bank.names[n] for n in chosen), bank.stylizer_sha256)
