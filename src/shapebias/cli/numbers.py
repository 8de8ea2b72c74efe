"""Lists of numbers as they are typed: 0,1,2."""

from __future__ import annotations

from shapebias.errors import UserError


def whole_numbers(text: str | int, option: str) -> list[int]:
    """``"0,1,2"`` as ``[0, 1, 2]``, for ``--OPTION``.

    Raises:
        UserError: something else.
    """
    parts = _parts(text)
    for part in parts:
        if not part.isascii() or not part.isdecimal():
            raise UserError(f"--{option} {part[:40]} is no whole number: give some separated by commas, such as 0,1,2")
    return [int(part) for part in parts]


def decimals(text: str | float, option: str) -> list[float]:
    """``"0.1,0.01"`` as ``[0.1, 0.01]``, for ``--OPTION``.

    Raises:
        UserError: something else.
    """
    found = []
    for part in _parts(text):
        try:
            found.append(float(part))
        except ValueError as error:
            raise UserError(f"--{option} {part[:40]} is no number: give some separated by commas") from error
    return found


def _parts(text: str | float) -> list[str]:
    return [part.strip() for part in str(text).split(",") if part.strip()]
