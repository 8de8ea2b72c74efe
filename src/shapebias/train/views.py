"""The source of a run's stylized views: existing copies, or a stylizer with styles that are encoded once."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import torch
from lightning_fabric import Fabric
from torch import Tensor

from shapebias.data.folders import list_images
from shapebias.data.image_set import fingerprint
from shapebias.files import sha256
from shapebias.stylize import StyleBank, Stylizer, load_styles, load_stylizer
from shapebias.stylize.folder import COPIES, MANIFEST, check_copies
from shapebias.train.config import ViewsConfig
from shapebias.train.samples import Batch

BANK_FILE = "styles.safetensors"


class Stylizing:
    """Stylize the images of a batch in the styles drawn for them, encoding their content once for all views."""

    def __init__(self, stylizer: Stylizer, codes: Tensor, alpha: float) -> None:
        self.stylizer, self.codes, self.alpha = stylizer, codes, alpha

    def __call__(self, batch: Batch) -> Tensor:
        """Return views (V * N, 3, S, S) of ``batch.images``, view after view, without gradients."""
        assert batch.styles is not None and batch.images is not None
        with torch.no_grad():
            return self.stylizer.stylize(batch.images, self.codes[batch.styles], self.alpha)


@dataclass
class Views:
    """The source of a run's stylized views.

    Attributes:
        stylizing: makes the views during training; None for existing copies, or without views.
        inputs: hashes of the copies, or of the stylizer and styles.
        bank: styles encoded for this run, to be saved in its folder for resuming; None otherwise.
    """

    stylizing: Stylizing | None = None
    inputs: dict[str, str] = field(default_factory=dict)
    bank: StyleBank | None = None

    @property
    def styles(self) -> int:
        """The number of styles to draw from during training."""
        return len(self.stylizing.codes) if self.stylizing else 0


def find_views(config: ViewsConfig, fabric: Fabric, out: Path, root: Path, views: int) -> Views:
    """Return the source of ``views`` stylized views per image below ``root`` for a run in ``out``; write no files.

    Raises:
        UserError: the copies are of other images, or the stylizer or styles cannot be used.
    """
    if not views:
        return Views()
    if config.stylized is not None:
        check_copies(config.stylized, root)
        return Views(inputs={f"stylized {n}": sha256(config.stylized / n) for n in (MANIFEST, COPIES)})
    stylizer, digest = load_stylizer(config.stylizer)
    stylizer = stylizer.to(fabric.device)
    made = None
    if config.styles is not None and config.styles.is_dir():
        made = _encoded(out / BANK_FILE, config.styles, stylizer, digest)
        bank = made.split("all")
        styles = fingerprint(config.styles, list_images(config.styles))
    else:
        bank = load_styles(config.styles, stylizer, digest).split("train" if config.styles is None else "all")
        styles = bank.sha256
    stylizing = Stylizing(stylizer, bank.codes.to(fabric.device), config.alpha)
    return Views(stylizing, {"stylizer": digest, "styles": styles}, made)


def _encoded(saved: Path, styles: Path, stylizer: Stylizer, digest: str) -> StyleBank:
    """Return the codes that this run saved at its start, or else encode the folder, in the precision of saved codes."""
    if saved.is_file():
        bank = StyleBank.load(saved)
        if bank.stylizer_sha256 == digest:
            return bank
    bank = StyleBank.encode(stylizer, digest, [styles])
    return StyleBank(bank.codes.half().float(), bank.names, digest)
