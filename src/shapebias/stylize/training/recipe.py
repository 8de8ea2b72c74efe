"""Settings of training the small stylizer, data aside."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from shapebias.errors import check_at_least


@dataclass(frozen=True)
class Recipe:
    """Settings of ``shapebias stylizer train``.

    Args:
        steps: training steps.
        size: side of the square crops in pixels.
        batch_size: content and style images per step.
        learning_rate: learning rate of Adam, constant, then a cosine over the last 40 percent of the steps.
        style_weight: weight of the style term, rising from 0 over the warm-up.
        content_weight: weight of the content term.
        identity_weight: weight of reproducing an image in its own style.
        smoothness_weight: weight of the total variation.
        warmup: steps over which the style weight rises; without it the stylizer collapses to one colour.
        precision: 32-true or bf16-mixed.
        seed: random seed of weights, crops and pairs.
    """

    steps: int = 4000
    size: int = 64
    batch_size: int = 8
    learning_rate: float = 6e-4
    style_weight: float = 2.5
    content_weight: float = 1.0
    identity_weight: float = 5.0
    smoothness_weight: float = 0.05
    warmup: int = 400
    precision: Literal["32-true", "bf16-mixed"] = "32-true"
    seed: int = 0

    def __post_init__(self) -> None:
        check_at_least(1, steps=self.steps, batch_size=self.batch_size, warmup=self.warmup)
        check_at_least(16, size=self.size)
        check_at_least(0, seed=self.seed)
