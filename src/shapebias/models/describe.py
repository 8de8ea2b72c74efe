"""A network as the results file names it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
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


def combined_sha256(digests: Sequence[str]) -> str:
    """One hash of the ``digests`` of several trainings, in their order; a single one is its own."""
    return digests[0] if len(digests) == 1 else hashlib.sha256("".join(digests).encode()).hexdigest()
