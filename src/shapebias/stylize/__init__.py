"""Stylization: the small AdaIN and the paper's with VGG-19, banks of styles, and stylized folders."""

from shapebias.stylize.adain import AdaIN
from shapebias.stylize.bank import StyleBank, load_styles
from shapebias.stylize.load import load_stylizer
from shapebias.stylize.stylizer import Stylizer
from shapebias.stylize.vgg import VGGAdaIN

__all__ = ["AdaIN", "StyleBank", "Stylizer", "VGGAdaIN", "load_styles", "load_stylizer"]
