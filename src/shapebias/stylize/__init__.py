"""Stylization: the small AdaIN and the paper's with VGG-19, banks of styles, and stylized folders."""

from importlib import import_module
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from shapebias.stylize.adain import AdaIN
    from shapebias.stylize.bank import StyleBank, load_styles
    from shapebias.stylize.load import load_stylizer
    from shapebias.stylize.stylizer import Stylizer
    from shapebias.stylize.vgg import VGGAdaIN

_MODULES = {
    "AdaIN": "adain",
    "StyleBank": "bank",
    "Stylizer": "stylizer",
    "VGGAdaIN": "vgg",
    "load_styles": "bank",
    "load_stylizer": "load",
}

__all__ = ["AdaIN", "StyleBank", "Stylizer", "VGGAdaIN", "load_styles", "load_stylizer"]


def __getattr__(name: str) -> Any:
    """Import a public name when it is first asked for: the command line reads settings from here without torch."""
    if name not in _MODULES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return getattr(import_module(f"{__name__}.{_MODULES[name]}"), name)
