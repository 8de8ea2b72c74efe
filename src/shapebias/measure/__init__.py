"""Measuring: evaluators behind one contract, and the results file."""

from shapebias.measure.evaluate import evaluate
from shapebias.measure.results import Entry, Results

__all__ = ["Entry", "Results", "evaluate"]
