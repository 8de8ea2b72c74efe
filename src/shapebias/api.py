"""Training and transfer from Python, with the options of the commands as keyword arguments."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from shapebias.cli.models import tell_apart
from shapebias.tasks.classification.config import TransferConfig
from shapebias.train.config import TrainConfig
from shapebias.train.settings import configure_checked

if TYPE_CHECKING:
    from shapebias.models.classifier import Classifier
    from shapebias.results.results import Results
    from shapebias.tasks.classification.run import Method


def train(*, scheme: str, model: str, data: Path | str, out: Path | str, **settings: Any) -> Path:
    """Train a model by one of the paper's schemes, as ``shapebias train`` does, resuming an interrupted run.

    Args:
        scheme: in, shapenet-sin, shapenet-sin-in, shapenet, mmsi-sin, mmsi-sin-in or mmsi.
        model: a timm model by its name, or torchvision:NAME.
        data: folder of images in class folders, divided or not, or ImageNet.
        out: folder of the run.
        settings: any other option of ``shapebias train``, with underscores: ``epochs=20``, ``lambda_m=0.8``.

    Returns:
        The folder of the run, which ``evaluate`` takes as a model.

    Raises:
        UserError: unknown or conflicting settings, or data or a folder that cannot be used.
    """
    from shapebias.train.run import train as run

    name = model.removeprefix("timm:")
    return run(configure_checked(TrainConfig, scheme=scheme, model=name, data=data, out=out, **settings))


def transfer(
    models: str | Path | Classifier | Sequence[str | Path | Classifier],
    *,
    task: str = "folder",
    data: Path | str,
    out: Path | str,
    method: Method = "finetune",
    seeds: Sequence[int] = (0,),
    lr: Sequence[float] | None = None,
    **settings: Any,
) -> list[Results]:
    """Transfer models to another classification task, as ``shapebias transfer`` does, and measure them on it.

    Args:
        models: one model or several: run folders and whatever else ``load_model`` takes, or what it returns.
        task: voc07, voc12, caltech101, cifar100, dtd, or folder for class folders in ``data``.
        data: folder of the task's images.
        out: folder of the results and the trained models.
        method: finetune, linear or knn.
        seeds: random seeds; a model is fine-tuned once with each.
        lr: learning rates to choose from; None for those of the command.
        settings: any other option of ``shapebias transfer``, with underscores.

    Returns:
        The results of each model, which are also in ``out/NAME/results.json``.

    Raises:
        UserError: unknown or conflicting settings, or models, data or a folder that cannot be used.
    """
    from torch import nn

    from shapebias.models.load import load_model
    from shapebias.tasks.classification.run import RATES, check
    from shapebias.tasks.classification.run import transfer as run

    config = configure_checked(TransferConfig, task=task, data=data, out=out, **settings)
    rates = RATES if lr is None else tuple(lr)
    check(config, method, seeds, rates)
    given = [models] if isinstance(models, str | Path | nn.Module) else models
    named = [str(one) if isinstance(one, Path) else one for one in given]
    loaded = [one if isinstance(one, nn.Module) else load_model(one) for one in named]
    tell_apart(loaded, [model.identity.spec for model in loaded])
    return run(loaded, config, method=method, seeds=seeds, rates=rates)
