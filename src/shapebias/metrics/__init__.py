"""What is measured here as torchmetrics metrics, for loops of your own: they add up over batches and over ranks."""

from shapebias import libraries as _libraries  # noqa: F401 - first: torchmetrics imports torchvision, see there
from shapebias.metrics.average_precision import MultilabelAveragePrecision
from shapebias.metrics.mutual_information import MutualShapeInformation
from shapebias.metrics.segmentation import SegmentationIoU
from shapebias.metrics.shape_bias import ShapeBias
from shapebias.metrics.shape_dimensionality import ShapeDimensionality

__all__ = [
    "MultilabelAveragePrecision",
    "MutualShapeInformation",
    "SegmentationIoU",
    "ShapeBias",
    "ShapeDimensionality",
]
