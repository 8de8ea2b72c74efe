"""Networks: one face for all of them, and how they are found and kept."""

from shapebias.models.classifier import Classifier, Identity
from shapebias.models.load import load_model, wrap

__all__ = ["Classifier", "Identity", "load_model", "wrap"]
