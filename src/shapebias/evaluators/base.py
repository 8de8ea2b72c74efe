"""The one contract of every evaluator."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, Protocol, get_args

from shapebias.attacks.attack import ATTACKS
from shapebias.data.image_set import ImageSet
from shapebias.errors import UserError, check_at_least, unknown
from shapebias.evaluators.class_map import check_class_map
from shapebias.models.classifier import Classifier
from shapebias.models.predict import Loading
from shapebias.results.results import EvalResult

CategoryMapping = Literal["mean", "sum", "max"]
KNOWN_ATTACKS = (*ATTACKS, "autoattack")


@dataclass(frozen=True)
class EvalConfig:
    """Settings of an evaluator: where to look, where to write, and how.

    ``mapping`` is how ImageNet's classes become the 16 categories; ``stage`` the module whose pooled output is
    the latent (default: the input of the classifying layer), ``pairs`` how many are drawn per factor. ``limit``
    is the most images that accuracies, attacks and corruptions are measured on, drawn by the seed and spread over
    the classes. ``attacks`` are made at each of ``epsilons``, in units of 1/255 (none: those of the paper's
    table); ``targeted`` towards a class instead of away from the true one; ``source`` is the model that
    transferred ones are made against. ``class_map`` is the category, one of the 16, of a model's own classes.
    ``holdouts`` is the fraction of a data set that trainings held out, by the fingerprint of its files: of such a data
    set these images alone are measured.
    """

    data: Path
    out: Path
    seed: int = 0
    batch_size: int = 64
    device: str = "cpu"
    workers: int = 0
    strict: bool = False
    mapping: CategoryMapping = "mean"
    stage: str | None = None
    pairs: int = 2000
    limit: int | None = None
    attacks: tuple[str, ...] = tuple(ATTACKS)
    epsilons: tuple[float, ...] = ()
    targeted: bool = False
    source: Classifier | None = None
    class_map: Mapping[str, str] | None = None
    holdouts: Mapping[str, float] = field(default_factory=dict[str, float])

    def __post_init__(self) -> None:
        check_numbers(self.seed, self.batch_size, self.workers)
        if self.mapping not in get_args(CategoryMapping):
            raise unknown("mapping", self.mapping, get_args(CategoryMapping))
        check_class_map(self.class_map or {})
        check_at_least(2, pairs=self.pairs)
        if self.limit is not None:
            check_at_least(1, limit=self.limit)
        for attack in self.attacks:
            if attack not in KNOWN_ATTACKS:
                raise unknown("attack", attack, KNOWN_ATTACKS)
        for epsilon in self.epsilons:
            if not (math.isfinite(epsilon) and 0 < epsilon <= 255):
                raise UserError(
                    f"--epsilon {epsilon:g} is not a size of perturbation: it is in units of 1/255, "
                    "above 0 and at most 255 (8 stands for 8/255)"
                )
            if epsilon < 0.001:
                raise UserError(
                    f"--epsilon {epsilon:g} is below .001: float32 images cannot hold such a change; it is in units of "
                    "1/255 (0.1 is a tenth of a level of 8 bits)"
                )
        if len(set(self.attacks)) < len(self.attacks) or len(set(self.epsilons)) < len(self.epsilons):
            raise UserError("--attacks or --epsilon names something twice: give each once")

    @property
    def loading(self) -> Loading:
        """Return how images are read."""
        return Loading(self.batch_size, self.workers, self.strict)


class Evaluator(Protocol):
    """An evaluator: it checks its data when it is built; ``run`` measures one model.

    What does not depend on the model (reading a folder, stylizing it) is done once. ``needs`` says in a
    sentence what data it takes, for who has none of it.
    """

    name: str
    needs: str
    config: EvalConfig

    @property
    def sources(self) -> ImageSet:
        """The images that are measured, or that what is measured is made of."""
        ...

    @property
    def fingerprint(self) -> str:
        """A hash of the images: their names, sizes in bytes, and classes."""
        ...

    @classmethod
    def find(cls, root: Path) -> Path | None:
        """Return where its data lie in a folder of several data sets, None where they do not."""
        ...

    def __init__(self, config: EvalConfig) -> None: ...

    def check(self, model: Classifier) -> None:
        """Refuse a model that this cannot measure; asked of every model before anything is measured."""
        ...

    def run(self, model: Classifier) -> EvalResult:
        """Measure ``model``, which is inside ``frozen_eval`` on the device of its settings."""
        ...


def check_numbers(seed: int, batch_size: int, workers: int) -> None:
    """Refuse numbers out of range, naming the option."""
    check_at_least(0, seed=seed, workers=workers)
    check_at_least(1, batch_size=batch_size)


def data_details(folder: Path, images: int, fingerprint: str, unreadable: Sequence[str]) -> dict[str, Any]:
    """Return the data that a result was measured on; the folder is absolute, to be found from anywhere."""
    place = str(folder.absolute())
    return {"folder": place, "images": images, "fingerprint": fingerprint, "unreadable": list(unreadable)}
