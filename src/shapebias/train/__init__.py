"""Training: schemes, samples, the step and the loop.

The package can be called: it shares its name with the public function ``shapebias.train``, see ``shapebias.api``.
"""

from __future__ import annotations

import sys
from importlib import import_module
from pathlib import Path
from types import ModuleType
from typing import Any


class _Callable(ModuleType):
    def __call__(self, **settings: Any) -> Path:
        return import_module("shapebias.api").train(**settings)


sys.modules[__name__].__class__ = _Callable
