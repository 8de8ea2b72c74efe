"""The rows of the ablation as data: the images shown, and the parts of Eq. 4 that count."""

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
    """One row: ``views`` shown beside the natural image, whether their loss and the MMSI term count, and the stages.

    ``stages`` are counted from the deepest. A row with views and ``mmsi`` False is the control that spends the same
    images: its term is computed to be seen, and weighs nothing.
    """

    name: str
    description: str
    views: int = 2
    style: bool = False
    mmsi: bool = False
    stages: int = 1

    @property
    def phase(self) -> Phase:
        """The images of a step, as in training by a scheme."""
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
        UserError: none, an unknown name (the nearest is named), or one given twice.
    """
    for name in names:
        if name not in ROWS:
            raise unknown("row", name, ROWS)
    if not names or len(set(names)) < len(names):
        raise UserError(f"--rows must name each row once, of {', '.join(ROWS)}")
    return [row for row in ROWS.values() if row.name in names]


def stages_for(network: nn.Module, architecture: str, rows: Sequence[Row], given: Sequence[str]) -> tuple[str, ...]:
    """Return the stages that ``rows`` choose from, deepest first: those ``given``, else the last of timm's own list.

    Raises:
        UserError: a row wants more than there are, or the network does not say which it has.
    """
    most = max(rows, key=lambda row: row.stages)
    listed = isinstance(getattr(network, "feature_info", None), list)
    if not given and not listed and most.stages:
        raise UserError(
            f"{architecture} does not list its stages: name them with --stages, the deepest first, of its modules "
            f"{', '.join(stages_of(network))}"
        )
    stages = tuple(given) or (tuple(reversed(stages_of(network)))[:MOST_STAGES] if listed else ())
    if most.stages > len(stages):
        raise UserError(
            f"the row {most.name} compares {most.stages} stages, and there are {len(stages)} ({', '.join(stages)}): "
            "name more with --stages, or leave it out of --rows"
        )
    return stages


def settings_of(config: AblationConfig, row: Row, stages: Sequence[str], *, equal_epochs: bool) -> AblationConfig:
    """Return the settings of one row: its folder, weights, stages, and epochs.

    Rows with views get the baseline's epochs divided by the images that each sample shows, rounded, at least one, so
    that about as many images pass the network; with ``equal_epochs`` as many epochs.
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
