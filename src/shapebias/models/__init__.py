"""Models: building, loading, running and keeping networks behind one interface, the ``Classifier``."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shapebias.lazy import imported_on_use

if TYPE_CHECKING:
    from shapebias.models.classifier import Classifier, Identity
    from shapebias.models.load import load_model, wrap

_HOMES = {
    "Classifier": "shapebias.models.classifier",
    "Identity": "shapebias.models.classifier",
    "load_model": "shapebias.models.load",
    "wrap": "shapebias.models.load",
}

__all__ = [
    "Classifier",
    "Identity",
    "load_model",
    "wrap",
]

__getattr__ = imported_on_use(__name__, _HOMES)
