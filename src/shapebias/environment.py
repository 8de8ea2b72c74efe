"""With what a figure was made: versions, platform, device, command."""

from __future__ import annotations

import datetime
import platform
import sys
from importlib.metadata import version
from typing import Any

import torch


def environment(device: str) -> dict[str, Any]:
    """Versions of the libraries that figures depend on, the platform, and how it was started."""
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
