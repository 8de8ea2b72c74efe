"""One model by its trainings: those of several random seeds, or the one that is given alone."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from shapebias.errors import UserError
from shapebias.models.classifier import Classifier
from shapebias.models.state_dict import combined_sha256

DIFFERENT = ("name", "spec", "weights_sha256")  # in what the descriptions of trainings of one model may differ


@dataclass(frozen=True, eq=False)
class SeedEnsemble:
    """A model called ``name``, given as ``spec``; ``models`` by seed, rising, or by None the one given alone.

    The models of seeds are called ``NAME/seed-N``, one given alone by its own name.
    """

    name: str
    spec: str
    models: Mapping[int | None, Classifier]

    @classmethod
    def of_one(cls, model: Classifier) -> SeedEnsemble:
        """Return the ensemble of a model that is given alone."""
        return cls(model.identity.name, model.identity.spec, {None: model})

    @classmethod
    def of_seeds(cls, name: str, spec: str, models: Mapping[int, Classifier]) -> SeedEnsemble:
        """Return the ensemble of one or more trainings by their seeds; the models are renamed.

        Raises:
            UserError: they are not of one architecture, with the same classes and preprocessing.
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
                        f"{other.identity.name} has another {key.replace('_', ' ')} than {first.identity.name}: a "
                        f"folder of seeds holds one model's, give these two each by itself ({spec})"
                    )
        return cls(name, spec, found)

    def description(self) -> dict[str, Any]:
        """Return the first training's description, with the model's name and a hash of all weights.

        Of seeds, ``seeds`` has the SHA-256 of each one's weights: {"0": ...}.
        """
        digests = {seed: model.weights_sha256() for seed, model in self.models.items()}
        each = {str(seed): digest for seed, digest in digests.items() if seed is not None}
        first = next(iter(self.models.values()))
        own = {"name": self.name, "spec": self.spec, "weights_sha256": combined_sha256(list(digests.values()))}
        return {**first.describe(), **own, **({"seeds": each} if each else {})}
