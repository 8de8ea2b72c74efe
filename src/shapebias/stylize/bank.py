"""A bank of styles: codes made once by ``encode_style``, to stylize without the paintings; and drawing from it."""

from __future__ import annotations

import hashlib
import json
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import numpy as np
import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file
from torch import Tensor

from shapebias.data.decode import UnreadableImage, load_rgb
from shapebias.data.folders import list_images
from shapebias.data.transforms import centre_crop, to_tensor
from shapebias.errors import UserError
from shapebias.files import atomic
from shapebias.progress import progress
from shapebias.stylize.stylizer import Stylizer

BankSplit = Literal["all", "train", "held-out"]
HELD_OUT_EVERY = 5  # every fifth style is kept for measuring
STYLE_SIZE = 224
TWINS = 0.003  # codes nearer than this share of their length: one picture twice (other paintings: 0.04 and more)
AT_ONCE = 16
NOT_THE_PACKAGES = (
    "the package's style codes were made by another stylizer, the small one that ships with it: "
    "give --styles with a folder of paintings"
)


@dataclass(frozen=True)
class StyleBank:
    """Codes of M styles, (M, code_size) float32, their names, and the hash of the stylizer that made them."""

    codes: Tensor
    names: tuple[str, ...]
    stylizer_sha256: str

    def __len__(self) -> int:
        return len(self.names)

    @property
    def sha256(self) -> str:
        """A hash of the codes and names."""
        digest = hashlib.sha256("\n".join(self.names).encode())
        digest.update(self.codes.contiguous().numpy().tobytes())
        return digest.hexdigest()

    def readable(self, numbers: np.ndarray) -> np.ndarray:
        """Return ``numbers``, style numbers of any shape: codes need no reading."""
        return numbers

    def take(self, numbers: np.ndarray) -> Tensor:
        """Return the codes (M, code_size) of the styles ``numbers``, (M,)."""
        return self.codes[torch.from_numpy(numbers)]

    def split(self, split: BankSplit) -> StyleBank:
        """Return the styles to train with, those held out for measuring (every fifth), or all, without twins.

        Of styles that are one picture twice (codes nearer than ``TWINS``) only the first is used, in whichever part it
        lies. The others stay in their parts. A bank of fewer than ten styles is not divided.
        """
        unique = self._unique()
        if split != "all" and len(self) >= 2 * HELD_OUT_EVERY:
            held_out = split == "held-out"
            unique = [i for i in unique if (i % HELD_OUT_EVERY == HELD_OUT_EVERY - 1) == held_out]
        elif len(unique) < len(self):
            twin = min(set(range(len(self))) - set(unique))
            skipped = len(self) - len(unique)
            print(f"warning: skipped {skipped} duplicate styles, first {self.names[twin]}", file=sys.stderr)
        if len(unique) == len(self):
            return self
        return StyleBank(self.codes[unique], tuple(self.names[i] for i in unique), self.stylizer_sha256)

    def _unique(self) -> list[int]:
        """Return the numbers of the styles that are no twin of an earlier one."""
        chosen: list[int] = []
        for i, code in enumerate(self.codes):
            if not has_twin(code, self.codes[chosen]):
                chosen.append(i)
        return chosen

    @classmethod
    def encode(
        cls, stylizer: Stylizer, stylizer_sha256: str, folders: Sequence[Path], *, size: int = STYLE_SIZE
    ) -> StyleBank:
        """Encode every readable image below ``folders``, each cut to its central square of ``size``."""
        paths = [(folder, path) for folder in folders for path in list_images(folder)]
        codes, names, unreadable = [], [], []
        with progress("styles", total=len(paths), unit="styles") as bar:
            for start in range(0, len(paths), AT_ONCE):
                some, squares = paths[start : start + AT_ONCE], []
                for folder, path in some:
                    try:
                        squares.append(load_square(path, size))
                    except UnreadableImage as error:
                        unreadable.append(error)
                        print(f"warning: skipped unreadable style {error}", file=sys.stderr)
                    else:
                        names.append(style_name(folder, path))
                if squares:
                    codes += encode_squares(stylizer, torch.stack(squares))
                bar.advance(len(some))
        if not codes:
            raise UserError(f"none of the {len(paths)} styles could be read, first {unreadable[0]}")
        return cls(torch.stack(codes), tuple(names), stylizer_sha256)

    def save(self, path: Path) -> None:
        """Write the bank as safetensors, codes in float16.

        Raises:
            UserError: codes beyond float16's range, which no image makes with sound weights.
        """
        codes = self.codes.half().contiguous()
        if not codes.isfinite().all():
            raise UserError(f"style codes of {float(self.codes.abs().max()):g} do not fit a bank: check the stylizer")
        metadata = {"shapebias": json.dumps({"names": self.names, "stylizer_sha256": self.stylizer_sha256})}
        with atomic(path) as temporary:
            save_file({"codes": codes}, temporary, metadata=metadata)

    @classmethod
    def load(cls, path: Path) -> StyleBank:
        """Read a bank.

        Raises:
            UserError: no such file, or not a bank of ours.
        """
        try:
            with safe_open(path, framework="pt") as file:
                metadata = json.loads((file.metadata() or {}).get("shapebias", "{}"))
                codes = file.get_tensor("codes").float()
            names, digest = metadata["names"], metadata["stylizer_sha256"]
            if not isinstance(names, list) or not all(isinstance(one, str) for one in (*names, digest)):
                raise ValueError("its names are not a list of names")
            if not names or codes.ndim != 2 or len(codes) != len(names) or not codes.isfinite().all():
                raise ValueError("its codes and names do not agree")
            return cls(codes, tuple(names), digest)
        except FileNotFoundError as error:
            raise UserError(f"no style bank {path}") from error
        except (OSError, KeyError, ValueError, TypeError, RecursionError, RuntimeError, SafetensorError) as error:
            raise UserError(f"{path} is not a style bank: {error}") from error


def load_styles(source: Path | None, stylizer: Stylizer, stylizer_sha256: str) -> StyleBank:
    """Load the bank that ships with the package, one from a file, or the styles of a folder of images.

    Raises:
        UserError: a bank whose codes another stylizer made, or of codes of another length.
    """
    if source is not None and Path(source).is_dir():
        return StyleBank.encode(stylizer, stylizer_sha256, [Path(source)])
    bank = StyleBank.load(Path(source) if source else packaged("styles.safetensors"))
    if bank.stylizer_sha256 != stylizer_sha256:
        if source is None:
            raise UserError(NOT_THE_PACKAGES)
        raise UserError(
            f"the codes in {source} were made by another stylizer: give --styles with a folder of paintings"
        )
    if bank.codes.shape[1] != stylizer.code_size:
        wrong = f"holds codes of {bank.codes.shape[1]} numbers, this stylizer's have {stylizer.code_size}"
        raise UserError(f"{source} {wrong}: encode the styles again")
    return bank


def draw_styles(rng: np.random.Generator, styles: int, views: int) -> np.ndarray:
    """Draw ``views`` different styles out of ``styles``, (views,) int64.

    Raises:
        UserError: fewer styles than views; two views in one style would share more than shape.
    """
    if styles < views:
        raise UserError(f"{views} different styles are needed per image but only {styles} are there: add styles")
    return rng.choice(styles, size=views, replace=False)


def load_square(path: Path, size: int) -> Tensor:
    """Decode the central square of an image, (3, size, size) in [0, 1].

    Raises:
        UnreadableImage: the file does not decode.
    """
    image = load_rgb(path)
    return to_tensor(centre_crop(*image.size)(image, size))


@torch.inference_mode()
def encode_squares(stylizer: Stylizer, squares: Tensor) -> Tensor:
    """Return the style codes (N, code_size) of images (N, 3, H, W) in [0, 1], float32 on the CPU."""
    images = squares.to(next(stylizer.parameters()).device).contiguous(memory_format=torch.channels_last)
    return stylizer.encode_style(images).float().cpu()


def has_twin(code: Tensor, others: Tensor) -> bool:
    """Return whether one of the style codes ``others`` (N, code_size) is of the same picture as ``code``."""
    apart = torch.linalg.vector_norm(others - code, dim=1)
    return bool((apart <= TWINS * torch.linalg.vector_norm(code)).any())


def style_name(folder: Path, path: Path) -> str:
    """Return the name of the style of the image ``path`` below ``folder``."""
    return f"{folder.name}/{path.relative_to(folder).with_suffix('').as_posix()}"


def packaged(name: str) -> Path:
    """Return the path of a weights file that ships with the package."""
    return Path(__file__).parent / "weights" / name
