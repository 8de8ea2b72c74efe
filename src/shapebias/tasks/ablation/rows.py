"""The rows of the ablation as data: the images shown, and the terms of Eq. 4 in the loss."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from torch import nn

from shapebias.errors import UserError, unknown
from shapebias.models.features import stages_of
from shapebias.tasks.ablation.config import AblationConfig
from shapebias.train.schemes import Phase
from shapebias.train.settings import update

MOST_STAGES = 4  # S5 + S4 + S3 + S2 of the paper


@dataclass(frozen=True)
class Row:
    """One row of the ablation.

    Attributes:
        name: name of the row.
        description: description for the table.
        views: number of stylized views shown with the natural image.
        style: whether the loss includes the views' cross entropies.
        mmsi: whether it includes the MMSI term. A row with views and without it is a control with the same number of
            images, whose MMSI term is logged with weight 0.
        stages: number of stages that the MMSI term compares, counted from the deepest.
    """

    name: str
    description: str
    views: int = 2
    style: bool = False
    mmsi: bool = False
    stages: int = 1

    @property
    def phase(self) -> Phase:
        """The row as a phase, as in training with a scheme."""
        return Phase(self.name, natural=1.0, views=self.views, mmsi=self.views > 0)


BOTH = "the views' loss and the MMSI term"
ROWS: dict[str, Row] = {
    row.name: row
    for row in (
        Row("baseline", "natural images alone", views=0, stages=0),
        Row("style", "two stylized views and their loss, no MMSI term (the control)", style=True),
        Row("mmsi", "two stylized views and the MMSI term of the deepest stage, no loss on the views", mmsi=True),
        Row("mmsi-style", f"{BOTH} of the deepest stage", style=True, mmsi=True),
        Row("stages-2", f"{BOTH} over the two deepest stages", style=True, mmsi=True, stages=2),
        Row("stages-4", f"{BOTH} over the four deepest stages", style=True, mmsi=True, stages=4),
    )
}


def find_rows(names: Sequence[str]) -> list[Row]:
    """Return the rows of these ``names``, in the table's order.

    Raises:
        UserError: there are no names, a name is unknown (the message suggests the nearest), or one is repeated.
    """
    for name in names:
        if name not in ROWS:
            raise unknown("row", name, ROWS)
    if not names or len(set(names)) < len(names):
        raise UserError(f"--rows must name at least one row, each once: choose from {', '.join(ROWS)}")
    return [row for row in ROWS.values() if row.name in names]


def stages_for(network: nn.Module, architecture: str, rows: Sequence[Row], given: Sequence[str]) -> tuple[str, ...]:
    """Return the stages for ``rows``, deepest first: those ``given``, or else the last stages that timm lists.

    Raises:
        UserError: a row needs more stages than there are, or the network does not list its stages.
    """
    most = max(rows, key=lambda row: row.stages)
    listed = isinstance(getattr(network, "feature_info", None), list)
    if not given and not listed and most.stages:
        raise UserError(
            f"{architecture} does not list its stages: name them with --stages, the deepest first; its modules are "
            f"{', '.join(stages_of(network))}"
        )
    stages = tuple(given) or (tuple(reversed(stages_of(network)))[:MOST_STAGES] if listed else ())
    if most.stages > len(stages):
        raise UserError(
            f"the row {most.name} needs {most.stages} stages, but there are only {len(stages)} ({', '.join(stages)}): "
            "name more with --stages, or remove the row from --rows"
        )
    return stages


def settings_of(config: AblationConfig, row: Row, stages: Sequence[str], *, equal_epochs: bool) -> AblationConfig:
    """Return the settings of one row: its folder, weights, stages, and epochs.

    For rows with views, the baseline's epochs are divided by the number of images per sample and rounded to at least
    one, so that about as many images pass through the model. With ``equal_epochs`` all rows have the same epochs.
    """
    epochs = config.loop.epochs if equal_epochs else max(1, round(config.loop.epochs / row.phase.images_per_sample))
    return update(
        config,
        out=config.loop.out / row.name,
        row=row.name,
        epochs=epochs,
        lambda_m=config.objective.lambda_m if row.mmsi else 0.0,
        lambda_s=config.objective.lambda_s if row.style else 0.0,
        stages=tuple(stages)[: row.stages],
    )
