"""The device to compute on."""

from __future__ import annotations

import torch

from shapebias.errors import UserError


def choose_device(name: str | None) -> str:
    """Return ``name`` if it can be used here; for None or auto the best there is: cuda, else cpu.

    Raises:
        UserError: no such device, or not on this machine.
    """
    if name is None or name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    kind, _, number = name.partition(":")
    if kind not in {"cpu", "cuda", "mps"} or (number and not number.isdecimal()):
        raise UserError(f"unknown device '{name}': choose auto, cpu, cuda or mps")
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError) as error:
        raise UserError(f"device '{name}' cannot be used here ({str(error).split('. ')[0][:120]}): try cpu") from error
    return name
