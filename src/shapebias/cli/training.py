"""Commands that train models or process trained ones: train, transfer, segment, cam, ablation, export."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from shapebias.cli.models import load_models, load_seeded
from shapebias.cli.options import without
from shapebias.cli.output import first_process, print_json, say, show_results
from shapebias.errors import UserError
from shapebias.tasks.ablation.config import AblationConfig
from shapebias.tasks.classification.config import TransferConfig
from shapebias.tasks.segmentation.config import SegmentConfig
from shapebias.train.config import TrainConfig
from shapebias.train.settings import update


def train(config: TrainConfig, *, out: Path, resume: bool = False) -> None:
    """Train a timm or torchvision model by one of the paper's schemes.

    The data folder contains one folder of images per class, or train/ and val/ (or
    test/) with class folders, or ImageNet as published. An interrupted run resumes
    when the same command is given again; --resume RUN takes the settings from the
    run itself.

    Args:
        config: settings of the training.
        out: folder of the run.
        resume: resume the run in --out. With a folder, --resume RUN, resume that run with its own settings.

    Examples:
        shapebias train --scheme in --model resnet18 --data photos --out runs/in
        shapebias train --scheme mmsi-sin-in --model resnet18 --size 128 \\
            --data photos --stylized photos-stylized --out runs/mmsi
        shapebias train --scheme mmsi --model resnet50 --init pretrained \\
            --data imagenet --out runs/resnet50
        shapebias train --config recipe.yaml --lambda-m 0 --out runs/control
        shapebias train --resume runs/mmsi
    """
    config = update(config, model=config.model.removeprefix("timm:"))
    config.check()
    if resume and not (out / "run.json").is_file():
        raise UserError(f"there is no run to resume in {out}: omit --resume to start one")
    from shapebias.train.run import train as run

    folder = run(config)
    say(f"wrote {folder}/model.safetensors, metrics.csv and run.json")


def transfer(
    models: list[str],
    config: Annotated[TransferConfig, without("seed", "lr")],
    *,
    task: str = "folder",
    data: Path | None = None,
    out: Path,
    method: Literal["finetune", "linear", "knn"] = "finetune",
    seeds: tuple[int, ...] = (0,),
    lr: tuple[float, ...] = (0.03, 0.01, 0.003),
    json: bool = False,
) -> None:
    """Transfer models to another classification task, and measure them on it.

    Tasks: voc07 (trainval, test) and voc12 (train, val), several classes per image,
    by mean average precision; caltech101 (30 images per class train), cifar100, dtd
    (split 1) and any folder of classes, by top-1 accuracy.

    Methods: finetune trains all weights; linear and knn classify frozen features.
    Learning rates (or the L2 weight of linear) are selected on a fifth of the
    training images, never on test images; then the model is trained on all of them.

    Writes OUT/NAME/results.json, OUT/comparison.json, and the trained models in
    OUT/NAME/TASK/seed-N. The same command resumes after an interruption.

    Args:
        models: models to start from: resnet50 or timm:resnet50, torchvision:NAME, a run folder or a checkpoint;
            MODEL=FILE takes the weights from a file, whatever its classification layer.
        config: settings of the transfer.
        task: voc07, voc12, caltech101, cifar100, dtd, folder (class folders in DATA), or the path of such a folder.
        data: folder of the task's images (default: the folder given as --task).
        out: folder of the results.
        method: finetune, linear or knn.
        seeds: random seeds; the model is fine-tuned once per seed (not used by linear and knn).
        lr: learning rates of fine-tuning to choose from.
        json: print the results to standard output as JSON.

    Examples:
        shapebias transfer runs/in runs/mmsi --task voc07 --data VOCdevkit \\
            --seeds 0,1,2 --out transfer
        shapebias transfer runs/in --data textures --method linear --out transfer
        shapebias transfer resnet50 --config recipes/transfer/dtd.yaml --data dtd \\
            --out transfer
    """
    from shapebias.tasks.classification.task import FOLDER, TASKS, check_task

    if task not in TASKS and Path(task).is_dir():
        if data is not None and data.resolve() != Path(task).resolve():
            raise UserError(f"--task {task} and --data {data} are different folders of classes: give only one of them")
        task, data = FOLDER, Path(task)
    check_task(task)
    if data is None:
        raise UserError("required: --data, the folder of the task's images")
    from shapebias.tasks.classification.run import check
    from shapebias.tasks.classification.run import transfer as run

    config = update(config, task=task, data=data)
    check(config, method, seeds, lr)
    results = run(load_models(models), config, method=method, seeds=seeds, rates=lr)
    show_results(results, out, json=json)


def segment(
    models: list[str],
    config: Annotated[SegmentConfig, without("task", "seed", "lr", "compile")],
    *,
    out: Path,
    seeds: tuple[int, ...] = (0,),
    lr: tuple[float, ...] = (0.1, 0.03, 0.01),
    json: bool = False,
) -> None:
    """Train models for segmentation on VOC2012, and measure mIoU on val.

    Learning rates are selected on a fifth of the training images, never on val
    images; then the model is trained on all of them. OUT/NAME holds results.json,
    pictures and a run for each seed. The same command resumes after an
    interruption.

    Args:
        models: models to start from: resnet50 or timm:resnet50, torchvision:NAME, a run folder or a checkpoint;
            MODEL=FILE takes the weights from a file, whatever its classification layer.
        config: settings of the training.
        out: folder of the results.
        seeds: random seeds; the model is trained once per seed.
        lr: learning rates to choose from.
        json: print the results to standard output as JSON.

    Examples:
        shapebias segment runs/in runs/mmsi --data VOCdevkit --size 128 \\
            --out segmentation
        shapebias segment runs/in runs/mmsi --data VOCdevkit --freeze --seeds 0,1,2 \\
            --out segmentation
        shapebias segment runs/mmsi --data VOCdevkit --masks cam/mmsi/seed-0/masks \\
            --out segmentation-pseudo
    """
    from shapebias.tasks.segmentation.run import segment as run
    from shapebias.tasks.sweep import check_settings

    check_settings(config, lr, seeds)
    results = run(load_models(models), config, seeds=seeds, rates=lr)
    for found in results:
        entry = found.get("segmentation", "miou", backbone=config.backbone)
        say(f"{found.model['name']}: mIoU {100 * (entry.value or 0):.1f} % on {entry.n} images ({config.backbone})")
    say(f"wrote {out}")
    if json and first_process():
        print_json([found.to_json() for found in results])


def cam(
    models: list[str],
    *,
    data: Path,
    out: Path,
    split: str = "train",
    scales: tuple[float, ...] = (1, 0.5, 1.5, 2),
    flip: bool = True,
    threshold: float = 0.15,
    size: int | None = None,
    seed: int = 0,
    device: str = "auto",
    strict: bool = False,
    json: bool = False,
) -> None:
    """Make pseudo-labels for segmentation from class activation maps.

    MODEL is a classifier of VOC's 20 classes that ends in a feature map, its
    average and a linear layer (a ResNet, say), as trained by 'shapebias transfer
    --task voc12': a folder with one model's seeds (seed-0, seed-1 and so on), or
    the folder or file of a single seed. Maps are summed over all scales and their
    mirror images, and the map of each labelled class is divided by its maximum; a
    pixel gets the class with the highest score above the threshold. Images are
    padded to multiples of 32 pixels, never cropped.

    Writes OUT/NAME/masks/ID.png in VOC's palette, ready for training a segmentation
    model, pictures of six images, and the mIoU at the given threshold, at the best
    one and at all thresholds to OUT/NAME/results.json. For several seeds these are
    means with intervals over seeds and images; the best threshold is shared by all
    seeds, where the mean is highest; each seed's masks are in
    OUT/NAME/seed-N/masks, and the pictures are of the first seed. Differences
    between models, in their means over seeds, are written to OUT/comparison.json.
    The same command resumes after an interruption, and adds seeds trained in the
    meantime.

    Args:
        models: classifiers of VOC's 20 classes.
        data: folder into which VOC2012 was unpacked.
        out: folder of the masks and results.
        split: list of images in ImageSets/Segmentation or, if not there, in ImageSets/Main.
        scales: scales of the image, at most 4.
        flip: add the mirrored images.
        threshold: score of the background, 0 to 1.
        size: shorter side of images at scale 1 in pixels, for a model trained on small images (default: that of each
            image).
        seed: random seed of the resampling and of the pictures.
        device: auto, cpu, cuda or mps.
        strict: stop at an unreadable image instead of skipping it.
        json: print the results to standard output as JSON.

    Examples:
        shapebias cam transfer/in/voc12 transfer/mmsi/voc12 --data voc --out cam
        shapebias cam transfer/mmsi/voc12/seed-0 --data VOCdevkit \\
            --split trainaug --out cam-trainaug
        shapebias cam transfer/*/voc12 --data voc --scales 1 --no-flip --out cam-1
    """
    from shapebias.environment import choose_device
    from shapebias.tasks.cam.evaluate import pseudo_label
    from shapebias.tasks.cam.multiscale import CamSettings

    settings = CamSettings(scales, flip, threshold, size)
    where = choose_device(device)
    networks = load_seeded(models)
    results = pseudo_label(
        networks, data=data, out=out, split=split, settings=settings, device=where, seed=seed, strict=strict
    )
    for network in networks:
        masks = ", ".join(str(out / model.identity.name / "masks") for model in network.models.values())
        say(f"wrote {masks} and {out / network.name / 'pictures'}")
    show_results(results, out, json=json)


def ablation(
    config: Annotated[AblationConfig, without("row", "seed", "lr")],
    *,
    out: Path,
    rows: tuple[str, ...] | None = None,
    seeds: tuple[int, ...] = (0,),
    lr: tuple[float, ...] = (0.05, 0.02, 0.005),
    equal_epochs: bool = False,
) -> None:
    """Train and tabulate the paper's ablation on multi-label VOC2012.

    Rows, in the order of the table:
      baseline    binary cross entropy on natural images
      style       adds two stylized views of each image, their loss weighted by
                  lambda_s; no MMSI term: the control for the views
      mmsi        lambda_m times the MMSI term of the deepest stage; no loss on the
                  views
      mmsi-style  both
      stages-2    both, the term averaged over the two deepest stages
      stages-4    both, over the four deepest

    Models are trained on VOC2012's train and measured on its val. If several --lr
    are given, one is selected for each row: the best on a fifth of train, held out
    by --split-seed, after --select-epochs. The model is then trained with it on all
    of train, once per seed; val is only used at the end. On one device, a learning
    rate whose loss does not stay finite is skipped.

    Rows with views get a third of the epochs, so that they process about as
    many images; the table states how many. The same command resumes after an
    interruption. Rows can be added to the same OUT later, and so can seeds if all
    are named again; only rows of the same command are compared, so include the
    baseline. --stylized takes stylized copies of the folder VOC2012/JPEGImages.

    Args:
        config: settings of the ablation.
        out: folder of the ablation.
        rows: rows to train (default: all).
        seeds: random seeds; each row is trained once per seed.
        lr: learning rates to choose from.
        equal_epochs: train rows with views for as many epochs as the baseline.

    Examples:
        shapebias ablation --model resnet18 --init pretrained --data VOCdevkit \\
            --seeds 0,1,2 --out ablation
        shapebias ablation --model resnet18 --init runs/mmsi --data VOCdevkit \\
            --size 128 --rows baseline,mmsi --out ablation
        shapebias ablation --config recipes/ablation/small.yaml --model resnet18 \\
            --data VOCdevkit --stages layer3 --lr 0.01 --out ablation-layer3
    """
    from shapebias.tasks.ablation.rows import ROWS
    from shapebias.tasks.ablation.run import ablate

    config = update(config, model=config.model.removeprefix("timm:"))
    ablate(config, list(ROWS) if rows is None else rows, seeds, rates=lr, equal_epochs=equal_epochs)
    say(f"wrote {out}/table.md, comparison.json and the rows' results.json")


def export(model: str, *, out: Path, library: Literal["timm", "torchvision"] = "timm") -> None:
    """Write the weights of a run or checkpoint as a plain state dict.

    The file can be used without this package.

    Args:
        model: a run folder or a checkpoint of this package.
        out: the file: .safetensors, .pth or .pt.
        library: library that will load the file.

    Examples:
        shapebias export runs/mmsi --out mmsi.safetensors
        shapebias export runs/mmsi --library torchvision --out mmsi.pth
    """
    from shapebias.models.export import export_weights

    digest = export_weights(model, out, library)
    say(f"wrote {out}: a state dict for {library}, SHA-256 {digest}")
