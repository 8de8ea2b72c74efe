"""Stylization: the small AdaIN, banks of styles, and stylized folders."""

from shapebias.stylize.adain import AdaIN
from shapebias.stylize.bank import StyleBank, load_styles, load_stylizer

__all__ = ["AdaIN", "StyleBank", "load_styles", "load_stylizer"]
