"""One update of the weights: gradient accumulation, clipping, the optimiser step and the moving average."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import torch
from lightning_fabric import Fabric
from torch import Tensor, nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from shapebias.errors import NotFinite, UserError
from shapebias.train.config import LoopConfig
from shapebias.train.samples import Batch
from shapebias.train.task import TrainingPhase


class OptimizerStep:
    """The optimiser of one phase, with the moving average of the weights if there is one.

    Args:
        config: the settings.
        fabric: Fabric, already launched.
        model: ``trained`` as set up by ``fabric``.
        trained: the module to train, with all its weights in ``network``, as in a ``Classifier``.
        phase: the phase to train.
    """

    def __init__(
        self, config: LoopConfig, fabric: Fabric, model: Any, trained: nn.Module, phase: TrainingPhase
    ) -> None:
        self.config, self.fabric, self.model, self.trained, self.phase = config, fabric, model, trained, phase
        optimizer = build_optimizer(trained, config, lr=phase.schedule.peak)
        self.optimizer: Any = fabric.setup_optimizers(optimizer)
        self.average: AveragedModel | None = None
        if config.ema_decay:
            average = get_ema_multi_avg_fn(config.ema_decay)
            self.average = AveragedModel(trained, multi_avg_fn=average, use_buffers=True)

    def __call__(self, parts: Iterator[Batch], rate: float, epoch: float) -> dict[str, Tensor]:
        """Update the weights with the next accumulation steps from ``parts``; return their averaged values to log."""
        config, fabric = self.config, self.fabric
        for group in self.optimizer.param_groups:
            group["lr"] = rate
        self.optimizer.zero_grad()
        values: list[dict[str, Tensor]] = []
        for part in range(config.grad_accum_steps):
            waits = fabric.world_size > 1 and part + 1 < config.grad_accum_steps
            with fabric.no_backward_sync(self.model) if waits else contextlib.nullcontext():
                with fabric.autocast():
                    output = self.phase.loss(self.model, next(parts), epoch)
                fabric.backward(output.loss / config.grad_accum_steps)
            values.append(output.values)
        if config.clip_norm:
            fabric.clip_gradients(self.model, self.optimizer, max_norm=config.clip_norm, error_if_nonfinite=False)
        self.optimizer.step()
        if self.average is not None:
            self.average.update_parameters(self.trained)
        if len(values) == 1:
            return values[0]
        return {name: torch.stack([v[name] for v in values]).mean() for name in values[0]}

    @property
    def network(self) -> nn.Module:
        """The module with the weights."""
        return self.trained.get_submodule("network")

    @property
    def rate(self) -> float:
        """The learning rate of the last update."""
        return self.optimizer.param_groups[0]["lr"]

    def result(self) -> nn.Module:
        """Return the current result: the averaged model if there is a moving average, else the trained one."""
        return self.trained if self.average is None else self.average.module

    def finish(self) -> None:
        """Copy the averaged weights, if there are any, into the trained model."""
        if self.average is not None:
            self.trained.load_state_dict(self.average.module.state_dict())

    def state(self) -> dict[str, Any]:
        """Return the weights and the optimiser's state, for a checkpoint.

        Raises:
            NotFinite: the weights are not finite; such weights are never saved.
        """
        if not all(bool(value.isfinite().all()) for value in self.trained.state_dict().values()):
            raise NotFinite(
                f"the weights are no longer finite (earlier checkpoints are in {self.config.out}): "
                "try a lower --lr, --clip-norm 1 or --precision 32-true in another --out"
            )
        return {
            "model": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "scaler": self.fabric.strategy.precision.state_dict(),
            "average": None if self.average is None else self.average.state_dict(),
        }

    def restore(self, state: dict[str, Any]) -> None:
        """Resume from ``state``.

        Raises:
            UserError: the state belongs to another model or optimiser.
        """
        try:
            self.network.load_state_dict(state["model"])
            if [set(g) for g in state["optimizer"]["param_groups"]] != [set(g) for g in self.optimizer.param_groups]:
                raise ValueError("its optimiser has other settings")  # torch would only fail in the next step
            self.optimizer.load_state_dict(state["optimizer"])
            self.fabric.strategy.precision.load_state_dict(state["scaler"])
            if self.average is not None:
                self.average.load_state_dict(state["average"])
        except (RuntimeError, ValueError, KeyError, AttributeError, TypeError) as error:
            reason = str(error).splitlines()[0]
            raise UserError(
                f"the checkpoint in {self.config.out} belongs to another model or optimiser ({reason}): "
                "delete its checkpoints folder to start again"
            ) from error


def build_optimizer(network: nn.Module, config: LoopConfig, *, lr: float) -> torch.optim.Optimizer:
    """Return SGD with momentum, or AdamW, over all parameters that are not frozen.

    Weight decay applies to all of them, those of norms and biases included.
    """
    parameters = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if config.optimizer == "adamw":
        return torch.optim.AdamW(parameters, lr=lr, weight_decay=config.weight_decay)
    return torch.optim.SGD(
        parameters, lr=lr, momentum=config.momentum, nesterov=config.nesterov, weight_decay=config.weight_decay
    )
