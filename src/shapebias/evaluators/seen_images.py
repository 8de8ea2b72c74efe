"""Find out if a model is measured on images that it was trained on, or on those that its training held out."""

from __future__ import annotations

import sys
from collections.abc import Mapping, Sequence

from shapebias.data.holdout import files_of
from shapebias.evaluators.base import Evaluator
from shapebias.models.classifier import Classifier
from shapebias.results.results import EvalResult

SEEN, HELD_OUT, SOME = "all", "none", "some"  # details.data.training_images


def holdouts_of(models: Sequence[Classifier]) -> dict[str, float]:
    """Return the fraction of each data set that all trainings on it held out, by the data set's fingerprint."""
    found: dict[str, float] = {}
    for trained in (model.identity.trained_on for model in models):
        if trained and trained.holdout:
            found[trained.whole] = min(trained.holdout, found.get(trained.whole, 1.0))
    return found


def tell_held_out(evaluators: Mapping[str, Evaluator], models: Sequence[Classifier]) -> None:
    """Print which evaluators are given only the images that a training held out."""
    for name, evaluator in evaluators.items():
        images = evaluator.sources
        if images.held_out:
            trained = {model.identity.name: model.identity.trained_on for model in models}
            runs = [name for name, one in trained.items() if one and one.whole == images.origin]
            print(
                f"{name}: measured on the {len(images)} images of {images.root} that the training of "
                f"{' and '.join(runs)} held out",
                file=sys.stderr,
            )


def note_seen(found: EvalResult, evaluator: Evaluator, model: Classifier) -> None:
    """Add to the first result of ``found`` whether its images are those that ``model`` was trained on."""
    trained, images = model.identity.trained_on, evaluator.sources
    if trained is None or not found.results:
        return
    origin, details = images.origin or files_of(images), found.results[0].details
    if origin == trained.fingerprint:
        seen = SEEN
    elif origin == trained.whole:
        seen = HELD_OUT if images.held_out else SOME
    else:
        return
    details["data"] = {**details.get("data", {}), "training_images": seen}
    if seen != HELD_OUT:
        what = "the images" if seen == SEEN else "images among which are those"
        warning = (
            f"{model.identity.name} is measured on {what} that it was trained on, which says little about new ones: "
            "give others, or train with --holdout"
        )
        details["warning"] = "; ".join(filter(None, [details.get("warning"), warning]))
