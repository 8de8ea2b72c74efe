"""Metrics for your own loops, as torchmetrics classes that accumulate over batches and ranks.

``functional`` holds the pure functions they are thin layers on, which evaluators and tasks use too.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from shapebias.lazy import imported_on_use

if TYPE_CHECKING:
    from shapebias.metrics.average_precision import MultilabelAveragePrecision
    from shapebias.metrics.latents import MutualShapeInformation, ShapeDimensionality
    from shapebias.metrics.segmentation import SegmentationIoU
    from shapebias.metrics.shape_bias import ShapeBias

_HOMES = {
    "MultilabelAveragePrecision": "shapebias.metrics.average_precision",
    "MutualShapeInformation": "shapebias.metrics.latents",
    "SegmentationIoU": "shapebias.metrics.segmentation",
    "ShapeBias": "shapebias.metrics.shape_bias",
    "ShapeDimensionality": "shapebias.metrics.latents",
}

__all__ = [
    "MultilabelAveragePrecision",
    "MutualShapeInformation",
    "SegmentationIoU",
    "ShapeBias",
    "ShapeDimensionality",
]

__getattr__ = imported_on_use(__name__, _HOMES)
