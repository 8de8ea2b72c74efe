"""The 16 categories of Geirhos et al., and which of ImageNet's 1000 classes belong to each.

Geirhos et al., "ImageNet-trained CNNs are biased towards texture", ICLR 2019: 207 of the 1000 classes have
an entry-level category. Numbers are indices in ImageNet's usual order (sorted WordNet identifiers).
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence

import numpy as np

from shapebias.errors import unknown

MAPPINGS = {"mean": np.mean, "sum": np.sum, "max": np.max}

# fmt: off
CATEGORIES = (
    "airplane", "bear", "bicycle", "bird", "boat", "bottle", "car", "cat",
    "chair", "clock", "dog", "elephant", "keyboard", "knife", "oven", "truck",
)
# fmt: on


def _span(*parts: int | tuple[int, int]) -> tuple[int, ...]:
    """Indices from single numbers and inclusive spans."""
    return tuple(n for part in parts for n in (range(part[0], part[1] + 1) if isinstance(part, tuple) else (part,)))


MEMBERS: dict[str, tuple[int, ...]] = {
    "airplane": (404,),
    "bear": _span((294, 297)),
    "bicycle": (444, 671),
    "bird": _span(8, (10, 16), (18, 20), (22, 24), (80, 83), (87, 96), (98, 100), (127, 133), (135, 145)),
    "boat": (472, 554, 625, 814, 914),
    "bottle": (440, 720, 737, 898, 899, 901, 907),
    "car": (436, 511, 817),
    "cat": _span((281, 286)),
    "chair": (423, 559, 765, 857),
    "clock": (409, 530, 892),
    "dog": _span((152, 191), (193, 203), (205, 226), (228, 241), (243, 250), (252, 257), 259, (261, 263), (265, 268)),
    "elephant": (385, 386),
    "keyboard": (508, 878),
    "knife": (499,),
    "oven": (766,),
    "truck": (555, 569, 656, 675, 717, 734, 864, 867),
}


IMAGENET_SHA256 = "385e0240499426c022b773be1ae4da780f057b89c9694c7f47199f62746b6edd"
"""Of the 1000 WordNet identifiers in ImageNet's order, one a line."""


def category_probabilities(
    probabilities: np.ndarray, mapping: str = "mean", members: Mapping[str, Sequence[int]] = MEMBERS
) -> np.ndarray:
    """Probabilities (N, classes) to a score of each category (N, categories), the 16 of ImageNet's by default.

    Args:
        probabilities: rows that sum to 1, by default in ImageNet's order.
        mapping: "mean" of the member classes, as Geirhos et al. report; "sum", which favours categories of many
            classes (dog has 109, knife one); or "max", the strongest member.
        members: the columns that belong to each category.

    Raises:
        UserError: another mapping.
    """
    if mapping not in MAPPINGS:
        raise unknown("mapping", mapping, MAPPINGS)
    combine = MAPPINGS[mapping]
    return np.stack([combine(probabilities[:, list(columns)], axis=1) for columns in members.values()], axis=1)


def is_imagenet(classes: Sequence[str]) -> bool:
    """Return whether these are the WordNet identifiers of ImageNet's 1000 classes, in its order."""
    return len(classes) == 1000 and hashlib.sha256("\n".join(classes).encode()).hexdigest() == IMAGENET_SHA256
