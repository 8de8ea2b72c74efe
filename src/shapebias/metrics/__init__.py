"""Metrics for your own loops, as torchmetrics classes that accumulate over batches and ranks.

``functional`` holds the pure functions they are thin layers on, which evaluators and tasks use too.
"""

from shapebias import libraries as _libraries  # noqa: F401 - first: torchmetrics imports torchvision, see there
from shapebias.metrics.average_precision import MultilabelAveragePrecision
from shapebias.metrics.latents import MutualShapeInformation, ShapeDimensionality
from shapebias.metrics.segmentation import SegmentationIoU
from shapebias.metrics.shape_bias import ShapeBias

__all__ = [
    "MultilabelAveragePrecision",
    "MutualShapeInformation",
    "SegmentationIoU",
    "ShapeBias",
    "ShapeDimensionality",
]
