"""The attacks as settings of one loop (Tables 2 and 3)."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Attack:
    """Steps along the sign of a gradient, inside the L-infinity ball of radius epsilon around an image.

    Attributes:
        name: what it is called in commands and files.
        title: what it is called in print.
        steps: gradients taken per image.
        step: length of a step, as a fraction of epsilon.
        decay: of the accumulated gradient, to which each gradient is added divided by its L1 norm over the image;
            None: every step goes by its own gradient.
        random_start: whether it starts at a point drawn uniformly from the ball, not at the image.
    """

    name: str
    title: str
    steps: int
    step: float
    decay: float | None = None
    random_start: bool = False


# Goodfellow et al., ICLR 2015.
FGSM = Attack("fgsm", "FGSM", steps=1, step=1.0)
# Madry et al., ICLR 2018. The paper does not give steps and their length: these are the usual ones.
PGD = Attack("pgd", "PGD", steps=10, step=0.25, random_start=True)
# Kurakin et al., ICLR 2017 workshop. The steps reach epsilon and never pass it, at any epsilon.
IFGSM = Attack("ifgsm", "I-FGSM", steps=10, step=0.1)
# Dong et al., CVPR 2018.
MIM = Attack("mim", "MIM", steps=5, step=0.2, decay=1.0)

ATTACKS: dict[str, Attack] = {attack.name: attack for attack in (FGSM, PGD, IFGSM, MIM)}
