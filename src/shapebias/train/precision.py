"""``--precision auto``: the precision in which a training step is fastest on this machine."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Callable
from dataclasses import replace

import torch
from torch import Tensor

from shapebias.environment import choose_device
from shapebias.files import read_json
from shapebias.models.classifier import Classifier
from shapebias.train.config import LoopConfig
from shapebias.train.log import CONFIG_FILE

WORTH = 0.85  # bf16 is chosen where its step takes less than this share of a float32 step
IMAGES, STEPS = 8, 2


def with_precision(config: LoopConfig, model: Callable[[], Classifier]) -> LoopConfig:
    """Return ``config`` with "auto" replaced by the precision to train in; it is printed.

    A run that is resumed keeps its precision. On a GPU that computes in bfloat16 the choice is bf16-mixed; on a CPU
    it is bf16-mixed where training steps of ``model()`` are faster in it. Several processes must agree without
    measuring: on CPUs they train in 32-true.
    """
    if config.precision != "auto":
        return config
    recorded = config.out / CONFIG_FILE
    known = read_json(recorded) if recorded.is_file() else None
    if isinstance(known, dict) and known.get("precision") in ("32-true", "bf16-mixed"):
        return replace(config, precision=known["precision"])
    device, reason = choose_device(config.device), ""
    if device == "cuda":
        faster = torch.cuda.is_bf16_supported(including_emulation=False)
    elif device != "cpu" or config.devices * config.nodes > 1 or "WORLD_SIZE" in os.environ:
        faster = False
    else:
        ratio = bf16_over_float32(model())
        faster, reason = ratio < WORTH, f" (a step in bf16 takes {ratio:.2f} of the time in float32)"
    chosen = replace(config, precision="bf16-mixed" if faster else "32-true")
    print(f"precision: {chosen.precision}{reason}", file=sys.stderr)
    return chosen


def bf16_over_float32(model: Classifier) -> float:
    """Return the time of a training step of ``model`` on the CPU in bfloat16 over that in float32, each the least."""
    model.train().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    images = torch.rand(IMAGES, 3, *[model.preprocessing.size] * 2).contiguous(memory_format=torch.channels_last)

    def seconds(*, bf16: bool) -> float:
        began = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bf16):
            logits = model(images)
        assert isinstance(logits, Tensor)
        logits.float().logsumexp(1).mean().backward()
        return time.perf_counter() - began

    times: dict[bool, list[float]] = {False: [], True: []}
    for _ in range(1 + STEPS):  # the first of each prepares its kernels
        for bf16, values in times.items():
            values.append(seconds(bf16=bf16))
    return min(times[True][1:]) / min(times[False][1:])
