"""ImageNet-C's fifteen corruptions (Hendrycks & Dietterich 2019): making them, and reading folders of them."""

from shapebias.corruptions.folder import corrupt_folder
from shapebias.corruptions.make import corrupt
from shapebias.corruptions.protocol import CORRUPTIONS, SEVERITIES

__all__ = ["CORRUPTIONS", "SEVERITIES", "corrupt", "corrupt_folder"]
