"""Stylization: the small AdaIN and the paper's with VGG-19, banks of styles, and folders of stylized images."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shapebias.stylize.adain import AdaIN
    from shapebias.stylize.bank import StyleBank, load_styles
    from shapebias.stylize.load import load_stylizer
    from shapebias.stylize.stylizer import Stylizer
    from shapebias.stylize.vgg import VGGAdaIN

_HOMES = {  # imported when asked for, so that settings are read without torch
    "AdaIN": "adain",
    "StyleBank": "bank",
    "Stylizer": "stylizer",
    "VGGAdaIN": "vgg",
    "load_styles": "bank",
    "load_stylizer": "load",
}

__all__ = ["AdaIN", "StyleBank", "Stylizer", "VGGAdaIN", "load_styles", "load_stylizer"]


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module 'shapebias.stylize' has no attribute '{name}'")
    return getattr(import_module(f"shapebias.stylize.{_HOMES[name]}"), name)
