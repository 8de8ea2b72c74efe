"""Train vision networks to see shape instead of texture, measure it, and show it.

The public names are imported when they are first used, so that ``import shapebias`` is quick.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from shapebias.lazy import imported_on_use

if TYPE_CHECKING:
    from shapebias.api import train, transfer
    from shapebias.errors import UserError
    from shapebias.evaluators import Result, Results, evaluate
    from shapebias.losses import MMSILoss, mmsi_loss, mutual_shape_information
    from shapebias.metrics import MutualShapeInformation, ShapeBias, ShapeDimensionality
    from shapebias.models import Classifier, load_model, wrap
    from shapebias.report import build_report
    from shapebias.stylize import AdaIN, StyleBank, load_styles, load_stylizer

    __version__: str

_HOMES = {
    "AdaIN": "shapebias.stylize",
    "Classifier": "shapebias.models",
    "Result": "shapebias.evaluators",
    "MMSILoss": "shapebias.losses",
    "MutualShapeInformation": "shapebias.metrics",
    "Results": "shapebias.evaluators",
    "ShapeBias": "shapebias.metrics",
    "ShapeDimensionality": "shapebias.metrics",
    "StyleBank": "shapebias.stylize",
    "UserError": "shapebias.errors",
    "build_report": "shapebias.report",
    "evaluate": "shapebias.evaluators",
    "load_model": "shapebias.models",
    "load_styles": "shapebias.stylize",
    "load_stylizer": "shapebias.stylize",
    "mmsi_loss": "shapebias.losses",
    "mutual_shape_information": "shapebias.losses",
    "train": "shapebias.api",
    "transfer": "shapebias.api",
    "wrap": "shapebias.models",
}

__all__ = [
    "AdaIN",
    "Classifier",
    "MMSILoss",
    "MutualShapeInformation",
    "Result",
    "Results",
    "ShapeBias",
    "ShapeDimensionality",
    "StyleBank",
    "UserError",
    "__version__",
    "build_report",
    "evaluate",
    "load_model",
    "load_styles",
    "load_stylizer",
    "mmsi_loss",
    "mutual_shape_information",
    "train",
    "transfer",
    "wrap",
]


def __getattr__(name: str) -> Any:
    if name == "__version__":
        from importlib.metadata import version

        return version("shapebias")
    return imported_on_use(__name__, _HOMES)(name)


def __dir__() -> list[str]:
    return __all__
