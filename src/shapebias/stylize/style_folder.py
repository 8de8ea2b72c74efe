"""A folder of style images, encoded when they are drawn: of tens of thousands of paintings a job may need a few."""

from __future__ import annotations

import sys
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import BinaryIO, Protocol

import numpy as np
import torch
from torch import Tensor

from shapebias.data.decode import UnreadableImage
from shapebias.data.folders import list_images
from shapebias.data.image_set import fingerprint
from shapebias.errors import UserError
from shapebias.stylize.bank import STYLE_SIZE, encode_squares, has_twin, load_square, style_name
from shapebias.stylize.stylizer import Stylizer

CODES = ".style-codes"  # the files of codes beside the copies, one a process
AT_ONCE = 16


class Styles(Protocol):
    """Styles to draw from: a bank, or a folder."""

    def __len__(self) -> int: ...

    @property
    def names(self) -> tuple[str, ...]:
        """The styles' names."""
        ...

    @property
    def stylizer_sha256(self) -> str:
        """The hash of the stylizer that makes their codes."""
        ...

    @property
    def sha256(self) -> str:
        """A hash of what the styles are made of."""
        ...

    def readable(self, numbers: np.ndarray) -> np.ndarray:
        """Return ``numbers``, (N, views), with unreadable styles replaced by others."""
        ...

    def take(self, numbers: np.ndarray) -> Tensor:
        """Return the codes (M, code_size) of readable styles ``numbers``, (M,)."""
        ...


class StyleFolder:
    """The styles of every image below ``folder``, each cut to its central square.

    Codes are kept in ``kept``, a folder, where a later call finds them: records of a number, a code and a checksum,
    appended as they are made; one that was cut short is made again.

    Args:
        folder: the folder of style images.
        stylizer: the stylizer that encodes them, on the device of its parameters.
        stylizer_sha256: the hash of its weights.
        kept: the folder of the files of codes.
        rank: the number of this process among those that share ``kept``.
        strict: refuse an unreadable style instead of replacing it.

    Raises:
        UserError: no folder, or no images in it.
    """

    def __init__(
        self,
        folder: Path,
        stylizer: Stylizer,
        stylizer_sha256: str,
        kept: Path,
        *,
        rank: int = 0,
        strict: bool = False,
    ) -> None:
        self.folder, self.stylizer, self.stylizer_sha256 = folder, stylizer, stylizer_sha256
        self.paths = list_images(folder)
        self.names = tuple(style_name(folder, path) for path in self.paths)
        self.kept, self.rank, self.strict = kept, rank, strict
        self.record = np.dtype([("style", "<i8"), ("code", "<f4", (stylizer.code_size,)), ("crc", "<u4")])
        self._places: dict[int, tuple[Path, int]] = {}  # of each code: its file and offset
        self._seen: dict[Path, int] = {}  # bytes of each file that were looked through
        self._unreadable: set[int] = set()

    def __len__(self) -> int:
        return len(self.paths)

    @property
    def sha256(self) -> str:
        """The fingerprint of the folder's files, which are not read for it."""
        return f"folder {fingerprint(self.folder, self.paths)}"

    def readable(self, numbers: np.ndarray) -> np.ndarray:
        """Return ``numbers``, (N, views), with unreadable styles replaced, each by the next that its row has not.

        So is a second copy of a picture that its row has already. The drawn styles are encoded.

        Raises:
            UserError: too few styles are readable, or under ``strict`` one is not.
        """
        chosen = numbers.copy()
        self._encode(np.unique(chosen))
        for row in chosen:
            for view, style in enumerate(row):
                if not self._usable(int(style), row[:view]):
                    row[view] = self._after(int(style), row, view)
        return chosen

    def take(self, numbers: np.ndarray) -> Tensor:
        """Return the codes (M, code_size) of readable styles ``numbers``, (M,)."""
        self._encode(np.unique(numbers))
        codes = np.empty((len(numbers), self.stylizer.code_size), np.float32)
        for row, number in enumerate(numbers):
            codes[row] = self._read(int(number))
        return torch.from_numpy(codes)

    def _usable(self, style: int, before: np.ndarray) -> bool:
        """Return whether a style can be read and is no second copy of one that its image has ``before`` it."""
        return style not in self._unreadable and not has_twin(self.take(np.array([style]))[0], self.take(before))

    def _after(self, style: int, row: np.ndarray, view: int) -> int:
        for step in range(1, len(self)):
            number = (style + step) % len(self)
            if number not in row:
                self._encode([number])
                if self._usable(number, row[:view]):
                    return number
        raise UserError(
            f"too few different styles in {self.folder} can be read ({len(self._unreadable)} cannot): add others"
        )

    def _encode(self, numbers: Sequence[int] | np.ndarray) -> None:
        """Encode the styles ``numbers`` that were not yet, and append their codes to this process's file."""
        missing = self._missing(numbers)
        if missing:
            self._find()
            missing = self._missing(missing)
        for start in range(0, len(missing), AT_ONCE):
            squares: dict[int, Tensor] = {}
            for number in missing[start : start + AT_ONCE]:
                try:
                    squares[number] = load_square(self.paths[number], STYLE_SIZE)
                except UnreadableImage as error:
                    if self.strict:
                        raise UserError(f"unreadable style {error} (remove it, or leave out --strict)") from error
                    self._unreadable.add(number)
                    print(f"warning: replaced unreadable style {error}", file=sys.stderr)
            if squares:
                self._keep(list(squares), encode_squares(self.stylizer, torch.stack(list(squares.values()))))

    def _missing(self, numbers: Sequence[int] | np.ndarray) -> list[int]:
        return [n for n in map(int, numbers) if n not in self._places and n not in self._unreadable]

    def _keep(self, numbers: Sequence[int], codes: Tensor) -> None:
        records = np.zeros(len(numbers), self.record)
        records["style"], records["code"] = numbers, codes.numpy()
        records["crc"] = [_checksum(record) for record in records]
        path = self.kept / f"{CODES}-{self.rank}"
        try:
            with path.open("ab") as file:
                end = file.tell()
                offset = end - end % self.record.itemsize  # a record cut short by a kill is written over
                file.truncate(offset)
                file.write(records.tobytes())
        except OSError as error:
            raise UserError(f"cannot write {path}: {error.strerror}") from error
        for row, number in enumerate(numbers):
            self._places[number] = (path, offset + row * self.record.itemsize)

    def _find(self) -> None:
        """Look through what was appended to the files of codes, by this process or others."""
        for path in sorted(self.kept.glob(f"{CODES}-*")):
            with path.open("rb") as file:
                for offset, record in _records(file, self.record, self._seen.get(path, 0)):
                    if _checksum(record) == record["crc"] and 0 <= record["style"] < len(self):
                        self._places[int(record["style"])] = (path, offset)
                    self._seen[path] = offset + self.record.itemsize

    def _read(self, number: int) -> np.ndarray:
        path, offset = self._places[number]
        with path.open("rb") as file:
            file.seek(offset)
            return np.frombuffer(file.read(self.record.itemsize), self.record)[0]["code"].copy()


def _records(file: BinaryIO, record: np.dtype, offset: int) -> Iterator[tuple[int, np.void]]:
    file.seek(offset)
    while len(content := file.read(record.itemsize)) == record.itemsize:
        yield offset, np.frombuffer(content, record)[0]
        offset += record.itemsize


def _checksum(record: np.void) -> int:
    return zlib.crc32(record["style"].tobytes() + record["code"].tobytes())
