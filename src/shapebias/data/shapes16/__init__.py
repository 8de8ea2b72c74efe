"""shapes16: sixteen categories drawn as figures, each with a texture of its own, all generated."""

from __future__ import annotations

from shapebias.data.categories16 import CATEGORIES
from shapebias.data.shapes16.generate import MANIFEST, count, generate
from shapebias.data.shapes16.render import render_image, render_mask
from shapebias.data.shapes16.textures import texture

__all__ = ["CATEGORIES", "MANIFEST", "count", "generate", "render_image", "render_mask", "texture"]
