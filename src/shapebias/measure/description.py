"""A network as the results file names it."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

from shapebias.models.classifier import Classifier


def describe(model: Classifier) -> dict[str, Any]:
    """Where it comes from, what its outputs mean, and how it sees images."""
    identity = asdict(model.identity)
    classes = identity.pop("classes")
    return {
        **identity,
        "parameters": sum(parameter.numel() for parameter in model.network.parameters()),
        "input_size": model.preprocessing.size,
        "preprocessing": asdict(model.preprocessing),
        "mean": [round(v, 4) for v in model.mean.flatten().tolist()],
        "std": [round(v, 4) for v in model.std.flatten().tolist()],
        "classes": list(classes) if classes is not None else None,
    }
