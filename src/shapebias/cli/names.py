"""Names of networks that are measured together: those that clash say where each comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shapebias.models.checkpoint import MODEL_FILE
from shapebias.models.classifier import Classifier


def tell_apart(models: Sequence[Classifier], specs: Sequence[str]) -> None:
    """Qualify the names that several ``models`` share by what was typed for each; names still shared stay as they are.

    ``timm:resnet50`` and ``torchvision:resnet50`` become ``timm-resnet50`` and ``torchvision-resnet50``, ``a.net:make``
    becomes ``a-net-make``, a checkpoint or run takes the name of the folder it lies in.
    """
    names = [model.identity.name for model in models]
    wanted = [
        _qualified(name, spec) if names.count(name) > 1 else name for name, spec in zip(names, specs, strict=True)
    ]
    for model, name in zip(models, wanted, strict=True):
        if wanted.count(name) == 1:
            model.identity = replace(model.identity, name=name)


def _qualified(name: str, spec: str) -> str:
    path = Path(spec)
    if path.exists():
        here = path.resolve()
        home = here.parent.parent if here.is_file() and here.name == MODEL_FILE else here.parent
        return f"{home.name}-{name}" if home.name else name
    kind, _, _ = spec.partition(":")
    return f"{kind.replace('.', '-')}-{name}"
