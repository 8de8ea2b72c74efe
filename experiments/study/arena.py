"""What an arena is: data for a seed, the recipe of a scheme on it, and the measures of a run."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from shapebias.data.image_set import ImageSet
from shapebias.data.readers.class_folders import evaluation_images, training_images
from shapebias.evaluators.run import evaluate_all
from shapebias.files import locked, read_json
from shapebias.models.checkpoint import MODEL_FILE, load_classifier
from shapebias.models.classifier import Classifier, frozen_eval
from shapebias.models.predict import Loading, PredictedBatches
from shapebias.results.results import Result, Results, without_nan
from shapebias.train.config import TrainConfig
from shapebias.train.run import train
from shapebias.train.settings import update

# What tables call a measure, and where a results file has it: evaluator, metric, condition.
MEASURES: dict[str, tuple[str, str, dict[str, Any]]] = {
    "shape": ("shape-bias", "shape_decisions", {}),
    "texture": ("shape-bias", "texture_decisions", {}),
    "neither": ("shape-bias", "neither_decisions", {}),
    "shape bias": ("shape-bias", "shape_bias", {}),
    "top-1": ("accuracy", "top1", {}),
    "stylized": ("stylized", "top1", {}),
    "silhouettes": ("silhouettes", "top1", {}),
    "corruptions": ("corruptions", "mean_top1", {}),
    "white-box": ("white-box", "top1", {"attack": "pgd"}),
    "transfer-attack": ("transfer-attack", "top1", {"attack": "mim"}),
    "shape neurons": ("dimensionality", "shape_neurons", {}),
    "texture neurons": ("dimensionality", "texture_neurons", {}),
}

SOURCE = "source"  # of transferred attacks: a network trained on natural images alone, the same for all arms
FULL = "full"  # in the names of decisions on conflict images with textures of full strength
BRIEFLY = ("accuracy", "shape-bias", "dimensionality")
ATTACKS = {"white-box": ("pgd", 1.0), "transfer-attack": ("mim", 4.0)}  # with epsilon in units of 1/255


@dataclass(frozen=True)
class Arena:
    """One setting in which all arms are compared.

    Attributes:
        name: of the arena, and of its folder.
        title: what pages call it.
        settings: everything that decides its numbers besides the code: sizes, budgets, data.
        prepare: makes the data of a seed in a folder, and resumes.
        recipe: settings of a scheme's training on it: scheme, folder of the seed, seed.
        measure: evaluates the network in a folder: the folder, folder of the seed, seed.
        measure_briefly: returns some of its measures alone.
        dev: seeds to develop on.
        fresh: seeds to confirm with.
        images: returns the names of the cue-conflict images by the answers on them, in the folder of the arena, where
            all seeds are measured on the same; None where each seed has images of its own.
        restyle: makes views of another alpha in the folder of a seed, and returns theirs; None where there are none.
    """

    name: str
    title: str
    settings: dict[str, Any]
    prepare: Callable[[Path, int], None]
    recipe: Callable[[str, Path, int], TrainConfig]
    measure: Callable[[Path, Path, int], dict[str, Any]]
    measure_briefly: Callable[[Path, Path, int], dict[str, Any]]
    dev: tuple[int, ...]
    fresh: tuple[int, ...]
    images: Callable[[Path], dict[str, list[str]]] | None = None
    restyle: Callable[[Path, int, float], Path] | None = None


def train_source(config: TrainConfig, folder: Path) -> None:
    """Train the network that transferred attacks are made on in the folder of a seed, where it is not there."""
    with locked(folder, "source", wait=True):
        train(update(config, out=folder / SOURCE))


def measured_all(
    run: Path,
    source: Path,
    data: Path,
    sets: dict[str, Path],
    evaluators: Sequence[str],
    out: Path,
    *,
    seed: int,
    limit: int,
    full: Path | None = None,
) -> dict[str, Any]:
    """Measure a network by ``evaluators`` and by attacks.

    Args:
        run: folder of the network.
        source: folder of the network that transferred attacks are made on.
        data: the data set, whose held-out images are answered one by one.
        sets: folders by evaluator, as ``evaluate_all`` takes them.
        evaluators: their names, attacks aside.
        out: folder of the results.
        seed: of everything random.
        limit: images of corruptions and attacks.
        full: cue-conflict images with textures of full strength.
    """
    model, attacked = load_classifier(run / MODEL_FILE), load_classifier(source / MODEL_FILE)
    given: dict[str, Any] = {"out": out, "seed": seed, "batch_size": 128}
    found = measured(evaluate_all([model], evaluators=evaluators, data=sets, costly_limit=limit, **given).results[0])
    for name, (attack, epsilon) in ATTACKS.items():
        told: dict[str, Any] = {"attacks": (attack,), "epsilons": (epsilon,), "limit": limit, "source": attacked}
        found |= measured(evaluate_all([model], evaluators=name, data={"": data}, **told, **given).results[0])
    images = evaluation_images(data, training_images(data).classes)
    assert images is not None
    answers = {"decisions": decisions(out / model.identity.name / "decisions.json"), "right": right(model, images)}
    if full is not None:
        place = out / model.identity.name / FULL
        told = {**given, "out": place}
        decided = measured(evaluate_all([model], evaluators="shape-bias", data={"": full}, **told).results[0])
        found |= {f"{name} {FULL}": value for name, value in decided.items()}
        answers[f"decisions {FULL}"] = decisions(place / model.identity.name / "decisions.json")
    return {"measures": found, "answers": answers}


def measured_briefly(run: Path, sets: dict[str, Path], out: Path, *, seed: int) -> dict[str, Any]:
    """Return a network's accuracy, its decisions on cue-conflict images and its neurons."""
    model = load_classifier(run / MODEL_FILE)
    told: dict[str, Any] = {"out": out, "seed": seed, "batch_size": 128}
    found = measured(evaluate_all([model], evaluators=BRIEFLY, data=sets, **told).results[0])
    shutil.rmtree(out / model.identity.name)  # the next moment's network has the same name
    return found


def measured(results: Results) -> dict[str, Any]:
    """Return the measures that a results file has, each with value, interval over images and count."""
    found: dict[str, Any] = {}
    for name, (evaluator, metric, condition) in MEASURES.items():
        try:
            one = results.get(evaluator, metric, **condition)
        except KeyError:
            continue
        found[name] = compact(one)
    return found


def compact(one: Result) -> dict[str, Any]:
    """Return a result's value, interval over images and count, to four digits."""
    ends = one.ci95 and [round(float(end), 4) for end in one.ci95]
    value = without_nan(one.value)
    return {"value": None if value is None else round(value, 4), "ci95": ends, "n": one.n}


def decisions(file: Path) -> str:
    """Return the decision on each cue-conflict image, in the file's order: s by shape, t by texture, n by neither."""
    return "".join(
        "s" if one["decision"] == one["shape"] else "t" if one["decision"] == one["texture"] else "n"
        for one in read_json(file)["images"]
    )


def right(model: Classifier, images: ImageSet) -> str:
    """Return 1 for each of ``images`` that ``model`` classifies correctly, else 0."""
    batches = PredictedBatches(model, list(images.paths), Loading(64, 0, strict=True))
    with frozen_eval(model, "cpu"):
        found = [(logits.argmax(1).numpy() == images.targets[rows]) for rows, logits in batches]
    return "".join("1" if one else "0" for one in np.concatenate(found))
