"""The paper's training schemes as data (its section 4, "Implementation Details").

A scheme is a sequence of phases; a phase has the images shown and the weight of each part of the loss.
Adding one is a line here.
"""

from __future__ import annotations

from dataclasses import dataclass

from shapebias.errors import unknown


@dataclass(frozen=True)
class Phase:
    """One stretch of training.

    ``natural`` and ``stylized`` are the weights of the cross entropies of the natural image and of each
    stylized view (``None``: lambda_s); a ``natural`` of 0 means that natural images are not shown. ``views``
    is the number of stylized views, ``mmsi`` whether lambda_m l_MMSI is added; ``finetuning`` phases have
    epochs and learning rate of their own.
    """

    name: str
    natural: float
    views: int = 0
    stylized: float | None = 0.0
    mmsi: bool = False
    finetuning: bool = False

    @property
    def images_per_sample(self) -> int:
        """The number of images of each sample that pass through the model."""
        return (self.natural > 0) + self.views


NATURAL = Phase("natural", natural=1.0)
ONE_VIEW = Phase("joint", natural=0.5, views=1, stylized=0.5)
TWO_VIEWS = Phase("joint", natural=1.0, views=2, stylized=None, mmsi=True)
FINETUNING = Phase("finetuning", natural=1.0, finetuning=True)

SCHEMES: dict[str, tuple[Phase, ...]] = {
    "in": (NATURAL,),
    "shapenet-sin": (Phase("stylized", natural=0.0, views=1, stylized=1.0),),
    "shapenet-sin-in": (ONE_VIEW,),
    "shapenet": (ONE_VIEW, FINETUNING),
    "mmsi-sin": (Phase("stylized", natural=0.0, views=2, stylized=0.5, mmsi=True),),
    "mmsi-sin-in": (TWO_VIEWS,),
    "mmsi": (TWO_VIEWS, FINETUNING),
}


def find_scheme(name: str) -> tuple[Phase, ...]:
    """The phases of the scheme called ``name``; an unknown one is refused with the nearest name."""
    if name not in SCHEMES:
        raise unknown("scheme", name, SCHEMES)
    return SCHEMES[name]
