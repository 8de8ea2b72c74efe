"""Which styles an image gets: drawn from a key, so that nothing but the key matters."""

from __future__ import annotations

import numpy as np

from shapebias.errors import UserError


def draw_styles(rng: np.random.Generator, styles: int, views: int) -> np.ndarray:
    """``views`` different styles out of ``styles``, (views,) of int64.

    Raises:
        UserError: fewer styles than views; two views in one style would share more than shape.
    """
    if styles < views:
        raise UserError(f"{views} different styles are needed per image but only {styles} are there: add styles")
    return rng.choice(styles, size=views, replace=False)
