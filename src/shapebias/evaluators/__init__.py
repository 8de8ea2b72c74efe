"""Measuring: evaluators behind one contract, and the results file."""

from shapebias.evaluators.evaluate import evaluate
from shapebias.results.results import Result, Results

__all__ = ["Result", "Results", "evaluate"]
