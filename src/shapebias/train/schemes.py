"""The paper's training schemes as data (its section 4, "Implementation Details").

A scheme is a sequence of phases; a phase defines the images shown and the weight of each term of the loss.
To add a scheme, add a line to ``SCHEMES``.
"""

from __future__ import annotations

from dataclasses import dataclass

from shapebias.errors import unknown


@dataclass(frozen=True)
class Phase:
    """One phase of training.

    Attributes:
        name: name of the phase.
        natural: weight of the natural image's cross entropy; 0 means that natural images are not shown.
        views: number of stylized views.
        stylized: weight of each stylized view's cross entropy; None for lambda_s.
        mmsi: whether lambda_m l_MMSI is added.
        finetuning: whether the phase has its own epochs and learning rate.
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
    """Return the phases of the scheme ``name``.

    Raises:
        UserError: the name is unknown; the message suggests the nearest one.
    """
    if name not in SCHEMES:
        raise unknown("scheme", name, SCHEMES)
    return SCHEMES[name]
