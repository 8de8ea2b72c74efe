"""The source of a run's stylized views: ready copies, or a stylizer and styles that are encoded once."""

from __future__ import annotations

import sys
from dataclasses import dataclass, field
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor

from shapebias.data.image_set import fingerprint, list_images
from shapebias.files import sha256
from shapebias.stylize import StyleBank, Stylizer, load_styles, load_stylizer
from shapebias.stylize.folder import MANIFEST, check_copies
from shapebias.train.config import ViewsConfig
from shapebias.train.samples import Batch

BANK_FILE = "styles.safetensors"


class Stylizing:
    """Stylizes the images of a batch in the styles drawn for them; content is encoded once for all views."""

    def __init__(self, stylizer: Stylizer, codes: Tensor, alpha: float) -> None:
        self.stylizer, self.codes, self.alpha = stylizer, codes, alpha

    def __call__(self, batch: Batch) -> Tensor:
        """Return views (V * N, 3, S, S) of ``batch.images``, view after view, without gradients."""
        assert batch.styles is not None and batch.images is not None
        with torch.no_grad():
            return self.stylizer.stylize(batch.images, self.codes[batch.styles], self.alpha)


@dataclass
class Views:
    """The views of a run.

    ``stylizing`` makes them in the step, or is None; ``inputs`` are hashes of what they are made with; ``bank``
    holds codes that were encoded for this run, to be saved in its folder for resuming.
    """

    stylizing: Stylizing | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    bank: StyleBank | None = None

    @property
    def styles(self) -> int:
        """The number of styles to draw from in the step."""
        return len(self.stylizing.codes) if self.stylizing else 0


def find_views(config: ViewsConfig, fabric: Fabric, out: Path, root: Path, views: int) -> Views:
    """Return the views of a run in ``out`` that shows ``views`` of each image below ``root``; nothing is written.

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
        made = bank = _encoded(out / BANK_FILE, config.styles, stylizer, digest)
        styles = fingerprint(config.styles, list_images(config.styles))
    else:
        bank = load_styles(config.styles, stylizer, digest).split("train" if config.styles is None else "all")
        styles = bank.sha256
    bank = _without_twins(bank)
    stylizing = Stylizing(stylizer, bank.codes.to(fabric.device), config.alpha)
    return Views(stylizing, {"stylizer": digest, "styles": styles}, made)


def _encoded(saved: Path, styles: Path, stylizer: Stylizer, digest: str) -> StyleBank:
    """Return the codes that this run saved when it began, else the folder's, in the precision they are saved in."""
    if saved.is_file():
        bank = StyleBank.load(saved)
        if bank.stylizer_sha256 == digest:
            return bank
    bank = StyleBank.encode(stylizer, digest, [styles])
    return StyleBank(bank.codes.half().float(), bank.names, digest)


def _without_twins(bank: StyleBank) -> StyleBank:
    """Return the bank with each style once: two views of an image in one style would share more than its shape."""
    first: dict[bytes, int] = {}
    for number, code in enumerate(bank.codes):
        first.setdefault(code.numpy().tobytes(), number)
    chosen = list(first.values())
    if len(chosen) == len(bank):
        return bank
    twins = sorted(set(range(len(bank))) - set(chosen))
    print(f"warning: skipped {len(twins)} styles that are there already, first {bank.names[twins[0]]}", file=sys.stderr)
    return StyleBank(bank.codes[chosen], tuple(bank.names[n] for n in chosen), bank.stylizer_sha256)
