"""The machine: the device to compute on, and the versions, platform and command that a result was made with."""

from __future__ import annotations

import datetime
import os
import platform
import sys
from importlib.metadata import version
from typing import Any

import torch

from shapebias.errors import UserError


def environment(device: str) -> dict[str, Any]:
    """Return the versions of the libraries that results depend on, the platform and the command line."""
    packages = ("shapebias", "torch", "torchvision", "timm", "numpy", "pillow", "lightning-fabric", "safetensors")
    command = [argument.rsplit("/", 1)[-1] if number == 0 else argument for number, argument in enumerate(sys.argv)]
    return {
        **{name: version(name) for name in packages},
        "python": platform.python_version(),
        "platform": f"{platform.system()} {platform.machine()}",
        "device": torch.cuda.get_device_name() if device.startswith("cuda") else device,
        "threads": torch.get_num_threads(),
        "command": " ".join(command),
        "date": datetime.datetime.now(datetime.UTC).isoformat(timespec="seconds"),
    }


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


def device_of_process(name: str | None) -> str:
    """Return ``choose_device(name)``; where that is any GPU, the one of this process of ``torchrun``."""
    device = choose_device(name)
    if device != "cuda" or "LOCAL_RANK" not in os.environ:
        return device
    return f"cuda:{int(os.environ['LOCAL_RANK']) % torch.cuda.device_count()}"
