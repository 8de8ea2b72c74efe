"""The base class of the metrics, from torchmetrics, imported so that it loads beside any build of torch."""

from shapebias import libraries as _libraries  # noqa: F401, I001 - first: torchmetrics imports torchvision
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

__all__ = ["Metric", "dim_zero_cat"]
