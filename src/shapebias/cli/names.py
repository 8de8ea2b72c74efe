"""Names of networks that are measured together: those that clash say where each comes from."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from shapebias.models.checkpoint import MODEL_FILE
from shapebias.models.classifier import Classifier

DEEPEST = 5  # folders above a run that its name may take in


def tell_apart(models: Sequence[Classifier], specs: Sequence[str]) -> None:
    """Qualify the names that several ``models`` share by what was typed for each, as ``told_apart`` does."""
    for model, name in zip(models, told_apart([model.identity.name for model in models], specs), strict=True):
        model.identity = replace(model.identity, name=name)


def told_apart(names: Sequence[str], specs: Sequence[str]) -> list[str]:
    """``names``, those that clash qualified by what was typed for each; names still shared stay as they are.

    ``timm:resnet50`` and ``torchvision:resnet50`` become ``timm-resnet50`` and ``torchvision-resnet50``, ``a.net:make``
    becomes ``a-net-make``, a checkpoint or run takes the names of the folders it lies in, as many as it takes.
    """
    wanted = list(names)
    for depth in range(1, DEEPEST):
        clashing = {name for name in wanted if wanted.count(name) > 1}
        wanted = [
            _qualified(name, spec, depth) if now in clashing else now
            for name, spec, now in zip(names, specs, wanted, strict=True)
        ]
    return [now if wanted.count(now) == 1 else name for name, now in zip(names, wanted, strict=True)]


def _qualified(name: str, spec: str, depth: int) -> str:
    path = Path(spec)
    if path.exists():
        here = path.resolve()
        home = here.parent if here.is_file() and here.name == MODEL_FILE else here
        folders = [folder.name for folder in list(home.parents)[:depth] if folder.name]
        return "-".join([*reversed(folders), name])
    kind, _, _ = spec.partition(":")
    return f"{kind.replace('.', '-')}-{name}"
