"""Models: building, loading, running and keeping networks behind one interface, the ``Classifier``."""

from shapebias.models.classifier import Classifier, Identity
from shapebias.models.load import load_model, wrap

__all__ = ["Classifier", "Identity", "load_model", "wrap"]
