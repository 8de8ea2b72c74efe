"""The paper's training schemes as data (its section 4, "Implementation Details").

A scheme is a sequence of phases; a phase says what is shown and what each part of the loss counts.
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
    is the number of stylized views, ``mmsi`` whether lambda_m l_MMSI is added.
    """

    name: str
    natural: float
    views: int = 0
    stylized: float | None = 0.0
    mmsi: bool = False

    @property
    def images_per_sample(self) -> int:
        """How many images of each sample pass through the network."""
        return (self.natural > 0) + self.views


NATURAL_ONLY = Phase("natural", natural=1.0)

SCHEMES: dict[str, tuple[Phase, ...]] = {
    "in": (NATURAL_ONLY,),
    "shapenet-sin": (Phase("stylized", natural=0.0, views=1, stylized=1.0),),
    "shapenet-sin-in": (Phase("joint", natural=0.5, views=1, stylized=0.5),),
    "mmsi-sin": (Phase("stylized", natural=0.0, views=2, stylized=0.5, mmsi=True),),
    "mmsi-sin-in": (Phase("joint", natural=1.0, views=2, stylized=None, mmsi=True),),
}


def find_scheme(name: str) -> tuple[Phase, ...]:
    """The phases of the scheme called ``name``; an unknown one is refused with the nearest name."""
    if name not in SCHEMES:
        raise unknown("scheme", name, SCHEMES)
    return SCHEMES[name]
