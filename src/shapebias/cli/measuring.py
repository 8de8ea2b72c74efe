"""Commands that measure models: evaluate, audit, score-responses."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from shapebias.cli.models import RUN_FILE, ModelOptions, load_measured
from shapebias.cli.output import print_json, say, show_results
from shapebias.errors import UserError, some

if TYPE_CHECKING:
    from shapebias.models.classifier import Classifier
    from shapebias.results.audit import Skipped


@dataclass(frozen=True)
class EvalOptions:
    """Options of every evaluation.

    Args:
        limit: maximum number of images for accuracies, attacks and corruptions, drawn from all classes.
        attacks: attacks of fgsm, pgd, ifgsm, mim, and autoattack with the extra of that name.
        epsilon: perturbation sizes in units of 1/255 (default: .1 to .5 for white-box, 2,4,8,16 for
            transfer-attack).
        targeted: attack towards the CSV's TargetClass.
        source: model that transfer-attack generates its adversarial images on.
        mapping: how class probabilities are aggregated to the 16 categories.
        class_map: file that gives a model's own classes one of the 16 categories, CSV lines such as 'tabby,cat' or
            JSON, for shape-bias, silhouettes, edges and sketches.
        stage: measure the dimensionality of this module's pooled output (default: the last latent).
        pairs: number of image pairs per factor for the dimensionality.
        seed: random seed of styles, pairs, attacks, corruptions and resampling.
        batch_size: images per forward pass.
        device: auto, cpu, cuda or mps.
        workers: processes that decode images.
        strict: stop at an unreadable image instead of skipping it.
        json: print the results to standard output as JSON.
    """

    limit: int | None = None
    attacks: tuple[str, ...] = ("fgsm", "pgd", "ifgsm", "mim")
    epsilon: tuple[float, ...] | None = None
    targeted: bool = False
    source: str | None = None
    mapping: Literal["mean", "sum", "max"] = "mean"
    class_map: Path | None = None
    stage: str | None = None
    pairs: int = 2000
    seed: int = 0
    batch_size: int = 64
    device: str = "auto"
    workers: int = 0
    strict: bool = False
    json: bool = False

    def settings(self) -> dict[str, Any]:
        """Return the keyword arguments of an evaluation, checked before any model is loaded."""
        from shapebias.environment import device_of_process
        from shapebias.evaluators.base import EvalConfig
        from shapebias.evaluators.class_map import read_class_map

        if self.epsilon == ():
            raise UserError("--epsilon is empty: give at least one size, such as 2,4, or omit the option")
        found = asdict(self)
        del found["source"], found["json"]
        found["epsilons"] = found.pop("epsilon") or ()
        found["device"] = device_of_process(self.device)
        found["class_map"] = read_class_map(self.class_map) if self.class_map else None
        EvalConfig(Path(), Path(), **found)
        return found


def evaluate(
    models: list[str],
    *,
    evaluators: tuple[str, ...],
    data: list[str],
    out: Path,
    loading: ModelOptions,
    evaluation: EvalOptions,
) -> None:
    """Measure models with the given evaluators.

    Evaluators, and the data that each needs:
      accuracy, stylized            photographs in folders of classes, or ImageNet
      stylized-imagenet             val/ of Stylized-ImageNet
      imagenet-sketch               ImageNet-Sketch
      shape-bias                    cue-conflict images, published or by
                                    'shapebias cue-conflict'
      silhouettes, edges, sketches  such images in folders of the 16 categories
      white-box, transfer-attack    the NeurIPS 2017 images with their CSV, or
                                    folders of classes
      corruptions                   ImageNet-C, or folders of classes to corrupt
      dimensionality                any photographs, or a folder by
                                    'shapebias texture-grid'

    The paper's "targeted" attacks are white-box, its "untargeted" ones
    transfer-attack. Writes OUT/NAME/results.json for each model, and
    OUT/comparison.json for several. A model that an evaluator cannot measure does
    not stop the others; it is named, and the exit status is 2. torchrun divides the
    pairs of a model and an evaluator over its processes.

    Args:
        models: resnet50 or timm:resnet50, torchvision:NAME, a run folder, a checkpoint or package.module:callable;
            MODEL=FILE takes the weights from a file. A library's default weights are used unless the name has others
            (resnet50.a1_in1k, torchvision:resnet50.IMAGENET1K_V1); timm:hf-hub:USER/MODEL and timm:local-dir:PATH are
            models shared by timm's users.
        evaluators: what to measure.
        data: folder, [EVALUATOR=]DIR, repeatable; a DIR without EVALUATOR is used by all evaluators without their own.
        out: folder of the results.
        loading: options of the models.
        evaluation: options of the evaluation.

    Examples:
        shapebias evaluate runs/mmsi --evaluators accuracy --data photos --out results
        shapebias evaluate resnet50 resnet50=mine.pth --evaluators white-box \\
            --data nips17 --out results
        shapebias evaluate runs/mmsi --evaluators transfer-attack \\
            --source resnet50 --data nips17 --out results
    """
    from shapebias.evaluators.run import evaluate_all

    measured, settings = _prepare(models, evaluators, data, loading, evaluation)
    found = evaluate_all(measured, out=out, over_ranks=True, **settings)
    show_results(found.results, out, json=evaluation.json)
    say_skipped(found.skipped)
    if refused := {skipped.model for skipped in found.skipped}:
        raise UserError(f"not everything was measured, as said above, of {some(refused)}; the other results are whole")


def audit(
    models: list[str],
    *,
    data: list[str],
    out: Path,
    evaluators: tuple[str, ...] | None = None,
    loading: ModelOptions,
    evaluation: EvalOptions,
) -> None:
    """Measure models with every evaluator whose data is available, and write a report.

    Lists the evaluators that have no data. In a --data folder given without an
    evaluator, each evaluator looks for its data under the usual names:
    cue-conflict, nips17, imagenet-c, edges and so on; 'shapebias evaluate --help'
    lists the evaluators. Attacks and corruptions are measured on at most 1000
    images unless --limit is given. The same command resumes: existing results are
    reused. torchrun divides the pairs of a model and an evaluator over its
    processes.

    Args:
        models: resnet50 or timm:resnet50, torchvision:NAME, a run folder, a checkpoint or package.module:callable;
            MODEL=FILE takes the weights from a file. A library's default weights are used unless the name has others
            (resnet50.a1_in1k, torchvision:resnet50.IMAGENET1K_V1); timm:hf-hub:USER/MODEL and timm:local-dir:PATH are
            models shared by timm's users.
        data: folder, [EVALUATOR=]DIR, repeatable; in a DIR without EVALUATOR each evaluator finds its own data.
        out: folder of the results and of report.html.
        evaluators: evaluators to run (default: all).
        loading: options of the models.
        evaluation: options of the evaluation.

    Examples:
        shapebias audit runs/in runs/mmsi --data photos --out audit
        shapebias audit resnet50 --data datasets --source resnet50 --out audit
        shapebias audit resnet50 --data shape-bias=cue-conflict \\
            --data corruptions=imagenet-c --out audit
    """
    from shapebias.evaluators.names import EVALUATORS
    from shapebias.evaluators.run import audit as measure
    from shapebias.files import check_replaceable
    from shapebias.ranks import rank_and_size
    from shapebias.report import MARK, build_report

    page = out / "report.html"
    check_replaceable(page, MARK)
    names = tuple(EVALUATORS) if evaluators is None else evaluators
    measured, settings = _prepare(models, names, data, loading, evaluation)
    found = measure(measured, out=out, over_ranks=True, **settings)
    show_results(found.results, out, json=evaluation.json)
    say_skipped(found.skipped)
    if rank_and_size()[0]:
        return
    for warning in build_report([out, *run_folders(models)], page):
        say(f"warning: {warning}")
    say(f"wrote {page}: open it in a browser")


def say_skipped(found: Sequence[Skipped]) -> None:
    """Print what was not measured, and why."""
    for skipped in found:
        of_one = f" of {skipped.model}" if skipped.model else ""
        needs = f"; it needs {skipped.needs}" if skipped.needs else ""
        say(f"not measured: {skipped.evaluator}{of_one}: {skipped.reason}{needs}")


def run_folders(models: Sequence[str]) -> list[Path]:
    """Return the run folders among what was given as models, for the curves and examples of their training."""
    homes = [path if path.is_dir() else path.parent for path in map(Path, models) if path.exists()]
    return [home for home in homes if (home / RUN_FILE).is_file()]


def _prepare(
    models: list[str], evaluators: tuple[str, ...], data: list[str], loading: ModelOptions, evaluation: EvalOptions
) -> tuple[list[Classifier], dict[str, Any]]:
    """Check the options and load the models; return the models and the arguments of the evaluation."""
    from shapebias.evaluators.names import check_evaluators

    check_evaluators(evaluators)
    folders = parse_data(data)
    settings = evaluation.settings()
    head = {*evaluators} != {"dimensionality"}  # which measures the layer before
    measured, source = load_measured(models, evaluation.source, loading, head=head)
    return measured, {"evaluators": evaluators, "data": folders, "source": source, **settings}


def parse_data(data: Sequence[str]) -> dict[str, Path]:
    """Parse ``["DIR", "EVALUATOR=DIR"]`` into folders by evaluator; a DIR without an evaluator has the key "".

    Raises:
        UserError: two folders for the same evaluator or for all evaluators, or no folder after the "=".
    """
    folders: dict[str, Path] = {}
    for value in data:
        evaluator, sign, folder = value.partition("=")
        if not sign or Path(value).is_dir():  # a folder may have an equals sign in its name
            evaluator, folder = "", value
        if not folder:
            raise UserError(f"--data {value} names no folder: give --data EVALUATOR=DIR or --data DIR")
        if evaluator in folders:
            raise UserError(
                f"--data gives {'evaluator ' + evaluator if evaluator else 'a folder for all evaluators'} twice"
            )
        folders[evaluator] = Path(folder)
    return folders


def score_responses(files: list[Path], *, out: Path | None = None, seed: int = 0, json: bool = False) -> None:
    """Score raw responses of people or models to cue-conflict images.

    No images are needed. FILE has the columns subj, session, trial, rt,
    object_response, category, condition and imagename, as published by Geirhos et
    al. and as 'shapebias evaluate --evaluators shape-bias' writes it; each
    imagename ends in _shapeN-textureM.png.

    Args:
        files: raw responses, CSV.
        out: folder for OBSERVER/results.json and comparison.json (default: print only).
        seed: random seed of the resampling.
        json: print the results to standard output as JSON.

    Examples:
        shapebias score-responses responses/*.csv
        shapebias score-responses results/resnet50/*.csv people/*.csv --out observers
    """
    from shapebias.evaluators.base import check_numbers
    from shapebias.evaluators.human_responses import print_observers, save, score_files

    check_numbers(seed, 1, 0)
    scored = score_files(files, seed=seed)
    print_observers(scored)
    if out is not None:
        for path in save(scored, out, seed=seed):
            say(f"wrote {path}")
    if json:
        print_json([one.results.to_json() for one in scored])
