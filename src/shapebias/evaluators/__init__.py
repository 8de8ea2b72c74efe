"""Evaluators: a file each, or a folder for those of several parts; ``evaluate`` runs them by name."""

from shapebias.evaluators.evaluate import evaluate  # not on use: the name is that of its file too
from shapebias.results.results import Result, Results

__all__ = ["Result", "Results", "evaluate"]
