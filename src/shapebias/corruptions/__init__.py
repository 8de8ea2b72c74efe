"""ImageNet-C's fifteen corruptions (Hendrycks & Dietterich 2019): making them, and reading folders of them.

``corruption`` corrupts one image, ``folder`` a whole folder, ``layout`` reads one in the published layout.
"""

from shapebias.corruptions.corruption import CORRUPTIONS, SEVERITIES, corrupt
from shapebias.corruptions.folder import corrupt_folder

__all__ = ["CORRUPTIONS", "SEVERITIES", "corrupt", "corrupt_folder"]
