"""Evaluators: a file each, or a folder for those of several parts; ``evaluate`` runs them by name."""

from __future__ import annotations

from typing import TYPE_CHECKING

from shapebias.lazy import imported_on_use

if TYPE_CHECKING:
    from shapebias.evaluators.run import evaluate
    from shapebias.results.results import Result, Results

_HOMES = {  # imported when asked for, so that reading a folder imports no evaluator
    "Result": "shapebias.results.results",
    "Results": "shapebias.results.results",
    "evaluate": "shapebias.evaluators.run",
}

__all__ = ["Result", "Results", "evaluate"]

__getattr__ = imported_on_use(__name__, _HOMES)
