"""timm and torchvision, imported so that they load beside any build of torch.

The package index holds one torchvision wheel per release, built for one torch. Beside another build
(a CPU-only torch, say) its compiled operators do not load, and its import then fails on those it
registers unconditionally. We use none of the compiled operators, so the missing ones are declared
here first. Import both libraries from this module, nowhere else.
"""

from __future__ import annotations

import importlib
import sys

import torch

_OPERATORS = ("nms", "qnms")  # those torchvision registers without asking whether they loaded
_declared: list[torch.library.Library] = []  # a declaration lives as long as its library object


def _import_torchvision() -> None:
    try:
        importlib.import_module("torchvision")
        return
    except RuntimeError as error:
        if "operator torchvision::" not in str(error):
            raise
    for name in [name for name in sys.modules if name.split(".")[0] == "torchvision"]:
        del sys.modules[name]
    library = torch.library.Library("torchvision", "FRAGMENT")
    for operator in _OPERATORS:
        library.define(f"{operator}(Tensor dets, Tensor scores, float iou_threshold) -> Tensor")
    _declared.append(library)
    importlib.import_module("torchvision")


_import_torchvision()

import timm  # noqa: E402
import torchvision  # noqa: E402

__all__ = ["timm", "torchvision"]
