"""A stylizer by name or path: small, vgg19, a file of the small one, a folder of VGG's two files."""

from __future__ import annotations

import hashlib
from pathlib import Path

import torch

from shapebias.download import fetch
from shapebias.errors import UserError
from shapebias.files import sha256
from shapebias.models.state_dict import load_weights
from shapebias.stylize.adain import AdaIN
from shapebias.stylize.bank import NOT_THE_PACKAGES, packaged
from shapebias.stylize.stylizer import Stylizer
from shapebias.stylize.vgg import VGGAdaIN

ENCODER, DECODER = "vgg_normalised.pth", "decoder.pth"
RELEASE = "https://github.com/naoto0804/pytorch-AdaIN/releases/download/v0.0.0"
BEYOND_RELU4_1 = [f"{n}.{kind}" for n in range(32, 52) for kind in ("weight", "bias")]  # not needed here
FOLDER = f"a folder with {ENCODER} and {DECODER}"


def load_stylizer(source: str | Path | None = None, *, url: str = RELEASE) -> tuple[Stylizer, str]:
    """Load a stylizer, frozen and in evaluation mode, and the hash by which its style codes are known.

    Args:
        source: None or "small", the AdaIN that ships with the package; "vgg19", the paper's, whose two
            files are downloaded once (about 95 MB); a safetensors file of the small AdaIN; or a folder
            that holds ``vgg_normalised.pth`` and ``decoder.pth``, or one of these two files. A ``Path``
            is always a file or folder.
        url: the address below which "vgg19" finds its files.

    Returns:
        The network; and the SHA-256 of its file, for VGG that of its two files' SHA-256s.

    Raises:
        UserError: no such stylizer, files that hold another network, or a download that failed.
    """
    if source is None or source == "small":
        return _small(packaged("adain-small.safetensors"))
    if source == "vgg19":
        return _vgg(download_vgg(url))
    path = Path(source)
    if path.name in (ENCODER, DECODER):
        return _vgg(path.parent)
    return _vgg(path) if path.is_dir() else _small(path)


def check_styles(source: str | Path | None, styles: Path | None) -> None:
    """Refuse the package's styles (``styles`` is None) for vgg19 now rather than after its download."""
    if source == "vgg19" and styles is None:
        raise UserError(NOT_THE_PACKAGES)


def download_vgg(url: str = RELEASE) -> Path:
    """Return the folder of VGG's two files in torch's cache, downloaded from ``url`` where they are not there yet.

    Raises:
        UserError: see ``shapebias.download.fetch``.
    """
    folder = Path(torch.hub.get_dir()) / "shapebias"
    for name in (ENCODER, DECODER):
        fetch(f"{url}/{name}", folder / name, otherwise=f"connect once, or give {FOLDER} as --stylizer DIR")
    return folder


def _small(path: Path) -> tuple[Stylizer, str]:
    network = AdaIN()
    if not path.is_file():
        raise UserError(f"no stylizer {path}: give small, vgg19, a .safetensors file or {FOLDER}")
    try:
        load_weights(network, path)
    except UserError as error:
        raise UserError(f"not the small AdaIN: {error}") from error
    network.requires_grad_(False).eval()
    return network.to(memory_format=torch.channels_last), sha256(path)  # type: ignore[call-overload]


def _vgg(folder: Path) -> tuple[Stylizer, str]:
    network = VGGAdaIN()
    for name, part in ((ENCODER, network.encoder), (DECODER, network.decoder)):
        path = folder / name
        if not path.is_file():
            raise UserError(f"no file {path}: --stylizer takes small, vgg19, a .safetensors file or {FOLDER}")
        try:
            load_weights(part, path, ignore=BEYOND_RELU4_1 if name == ENCODER else ())
        except UserError as error:
            raise UserError(f"not the weights of AdaIN's VGG-19: {error}") from error
    hashes = "".join(sha256(folder / name) for name in (ENCODER, DECODER))
    network.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    return network, hashlib.sha256(hashes.encode()).hexdigest()
