"""The number of a model's outputs, and the names of its classes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from shapebias.data.image_set import composed
from shapebias.errors import UserError
from shapebias.files import read_text
from shapebias.models.classifier import Classifier, frozen_eval
from shapebias.models.imagenet import COUNT, wordnet_ids

MOST_BYTES = 10_000_000  # of a file of class names


def read_class_names(path: Path) -> tuple[str, ...]:
    """Read the class names in a text file, one a line, in the order of a model's outputs.

    Raises:
        UserError: no such file, not UTF-8 text, a blank line before the last name, or a name given twice.
    """
    try:
        lines = read_text(Path(path), MOST_BYTES).splitlines()
    except FileNotFoundError as error:
        raise UserError(f"no file of class names {path}") from error
    except (OSError, ValueError) as error:
        raise UserError(f"{path} cannot be read as class names: {error}") from error
    names = tuple(line.strip() for line in "\n".join(lines).rstrip().splitlines())
    if "" in names:
        raise UserError(f"{path}, line {names.index('') + 1} is blank: give one class name a line, none left out")
    check_distinct(names, str(path))
    return names


def check_distinct(names: Sequence[str], where: str) -> None:
    """Refuse no names at all, and a name given twice."""
    if not names:
        raise UserError(f"{where}: there are no class names: give one for each output of the model")
    first: dict[str, int] = {}
    for number, name in enumerate(names, 1):
        if first.setdefault(name, number) != number:
            raise UserError(f"{where}: '{name}' is the name of class {first[name]} and of class {number}: give it once")


def outputs_of(model: Classifier) -> int:
    """Count the outputs of a model by passing one black image of its own input size, in evaluation mode.

    Raises:
        UserError: it does not take that image, or its output is not (N, classes).
    """
    name, size = model.identity.name, model.preprocessing.size
    tensor = next((t for t in (*model.network.parameters(), *model.network.buffers())), torch.zeros(0))
    mean = model.mean.to(tensor.device)
    black = torch.zeros(1, 3, size, size, device=tensor.device)
    try:
        with frozen_eval(model.network), torch.no_grad():
            logits: Any = model.network((black - mean) / model.std.to(tensor.device))
    except Exception as error:  # any code may run here
        reason = (str(error).strip() or type(error).__name__).splitlines()[0][:200]
        raise UserError(
            f"'{name}' does not take float32 images (1, 3, {size}, {size}): {reason}; "
            "for another size wrap it in a shapebias.Classifier with its Preprocessing"
        ) from error
    if not isinstance(logits, Tensor) or logits.ndim != 2 or len(logits) != 1:
        shape = tuple(logits.shape) if isinstance(logits, Tensor) else type(logits).__name__
        raise UserError(f"the output of '{name}' for one image is {shape}, not (1, classes) logits: return those alone")
    return logits.shape[1]


def with_classes(model: Classifier, names: Sequence[str] | None, *, where: str = "classes") -> Classifier:
    """Return ``model`` with the names of its outputs: those given, else its own, else ImageNet's where there are 1000.

    ImageNet's are a default, which given names replace; other names of its own cannot be replaced. Any
    other number of outputs stays without names, and what needs them asks for them.

    Raises:
        UserError: names given twice, not as many as there are outputs, or not the model's own; ``where`` names
            their source.
    """
    own, names = model.identity.classes, None if names is None else tuple(map(composed, names))
    if names is None and own is not None:
        return model
    if names is not None:
        check_distinct(names, where)
    outputs = outputs_of(model)
    if names is not None and len(names) != outputs:
        raise UserError(f"{where} has {len(names)} class names, but '{model.identity.name}' has {outputs} outputs")
    if names is not None and own is not None and own != wordnet_ids():
        for number, (given, known) in enumerate(zip(names, own, strict=False), 1):
            if given != known:
                raise UserError(
                    f"{where} calls output {number} '{given}', but '{model.identity.name}' knows it as '{known}': "
                    "leave the names out, it has its own"
                )
    found = names if names is not None else wordnet_ids() if outputs == COUNT else None
    model.identity = replace(model.identity, classes=found)
    return model
