"""What ImageNet-C consists of: its corruptions as their folders are called, and AlexNet's errors on them.

D. Hendrycks & T. Dietterich, "Benchmarking Neural Network Robustness to Common Corruptions and Perturbations",
ICLR 2019.
"""

from __future__ import annotations

from collections.abc import Sequence

from shapebias.errors import UserError, unknown

GROUPS = {
    "noise": ("gaussian_noise", "shot_noise", "impulse_noise"),
    "blur": ("defocus_blur", "glass_blur", "motion_blur", "zoom_blur"),
    "weather": ("snow", "frost", "fog", "brightness"),
    "digital": ("contrast", "elastic_transform", "pixelate", "jpeg_compression"),
}
CORRUPTIONS = tuple(name for names in GROUPS.values() for name in names)
SEVERITIES = (1, 2, 3, 4, 5)

EXTRA_GROUP = "extra"  # published beside them for tuning on; no part of the benchmark
EXTRA = ("speckle_noise", "gaussian_blur", "spatter", "saturate")

ALEXNET_ERRORS = {  # top-1 error of AlexNet, the mean over the five severities
    "gaussian_noise": 0.886428,
    "shot_noise": 0.894468,
    "impulse_noise": 0.922640,
    "defocus_blur": 0.819880,
    "glass_blur": 0.826268,
    "motion_blur": 0.785948,
    "zoom_blur": 0.798360,
    "snow": 0.866816,
    "frost": 0.826572,
    "fog": 0.819324,
    "brightness": 0.564592,
    "contrast": 0.853204,
    "elastic_transform": 0.646056,
    "pixelate": 0.717840,
    "jpeg_compression": 0.606500,
}


def check_cells(corruptions: Sequence[str], severities: Sequence[int]) -> None:
    """Refuse corruptions and severities that do not exist, none of them, or one given twice."""
    for name in corruptions:
        if name not in CORRUPTIONS:
            raise unknown("corruption", name, CORRUPTIONS)
    for severity in severities:
        if severity not in SEVERITIES or isinstance(severity, bool):
            raise UserError(f"there is no severity {severity}: choose from 1 to 5")
    for kind, given in (("corruptions", corruptions), ("severities", severities)):
        if not given:
            raise UserError(f"no {kind} given: name some, or leave them out for all")
        if len(set(given)) < len(given):
            raise UserError(f"--{kind} names something twice: give each once")
