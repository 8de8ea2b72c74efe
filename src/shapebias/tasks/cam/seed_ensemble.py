"""The trainings of one model: with several random seeds, or a single one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shapebias.errors import UserError
from shapebias.models.classifier import Classifier
from shapebias.models.state_dict import combined_sha256

DIFFERENT = (
    "name",
    "spec",
    "weights_sha256",
)  # fields of the description that may differ between trainings of one model


@dataclass(frozen=True, eq=False)
class SeedEnsemble:
    """The trainings of one model.

    Attributes:
        name: name of the model.
        spec: the argument that names it on the command line.
        models: the trained models by seed, in ascending order; a single model has the seed None. Models with a seed
            are named ``NAME/seed-N``.
    """

    name: str
    spec: str
    models: Mapping[int | None, Classifier]

    @classmethod
    def of_one(cls, model: Classifier) -> SeedEnsemble:
        """Return the ensemble of a single model."""
        return cls(model.identity.name, model.identity.spec, {None: model})

    @classmethod
    def of_seeds(cls, name: str, spec: str, models: Mapping[int, Classifier]) -> SeedEnsemble:
        """Return the ensemble of one or more trainings by seed; this renames the models.

        Raises:
            UserError: the models differ in architecture, classes or preprocessing.
        """
        found: dict[int | None, Classifier] = {}
        for seed in sorted(models):
            models[seed].identity = replace(models[seed].identity, name=f"{name}/seed-{seed}")
            found[seed] = models[seed]
        first, *others = found.values()
        expected = first.describe()
        for other in others:
            for key, value in other.describe().items():
                if key not in DIFFERENT and value != expected[key]:
                    raise UserError(
                        f"{other.identity.name} and {first.identity.name} differ in {key.replace('_', ' ')}: a folder "
                        f"of seeds must contain one model, so give these two separately ({spec})"
                    )
        return cls(name, spec, found)

    def description(self) -> dict[str, Any]:
        """Return the description of the first training, with the name of the model and a hash of all weights.

        If there are seeds, ``seeds`` has the SHA-256 of the weights by seed: {"0": ...}.
        """
        digests = {seed: model.weights_sha256() for seed, model in self.models.items()}
        each = {str(seed): digest for seed, digest in digests.items() if seed is not None}
        first = next(iter(self.models.values()))
        own = {"name": self.name, "spec": self.spec, "weights_sha256": combined_sha256(list(digests.values()))}
        return {**first.describe(), **own, **({"seeds": each} if each else {})}
