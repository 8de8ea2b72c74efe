"""Stylization: the small AdaIN and the paper's with VGG-19, banks of styles, and folders of stylized images."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shapebias.lazy import imported_on_use

if TYPE_CHECKING:
    from shapebias.stylize.adain import AdaIN
    from shapebias.stylize.bank import StyleBank, load_styles
    from shapebias.stylize.load import load_stylizer
    from shapebias.stylize.stylizer import Stylizer
    from shapebias.stylize.vgg import VGGAdaIN

_HOMES = {  # imported when asked for, so that settings are read without torch
    "AdaIN": "shapebias.stylize.adain",
    "StyleBank": "shapebias.stylize.bank",
    "Stylizer": "shapebias.stylize.stylizer",
    "VGGAdaIN": "shapebias.stylize.vgg",
    "load_styles": "shapebias.stylize.bank",
    "load_stylizer": "shapebias.stylize.load",
}

__all__ = ["AdaIN", "StyleBank", "Stylizer", "VGGAdaIN", "load_styles", "load_stylizer"]

__getattr__ = imported_on_use(__name__, _HOMES)
