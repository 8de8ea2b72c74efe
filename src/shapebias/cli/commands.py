"""What each command does: check the input, call the library, say what was written."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal

from shapebias.errors import UserError


def say(text: str) -> None:
    """A message for the person at the terminal."""
    print(text, file=sys.stderr, flush=True)


def demo(out: Path, seed: int) -> None:
    """Generate, train, measure, show."""
    from shapebias.demo import run_demo

    page = run_demo(out, seed=seed)
    say(f"wrote {page}: open it in a browser")


def train(stages: Sequence[str], resume: bool, **options: Any) -> None:
    """Train one network."""
    from shapebias.train.config import TrainConfig

    config = TrainConfig(stages=tuple(stages), **options)
    config.check()
    if resume and not (config.out / "run.json").is_file():
        raise UserError(f"there is no run to resume in {config.out}: leave out --resume to begin one")
    from shapebias.train.run import train as run

    folder = run(config)
    if os.environ.get("LOCAL_RANK", "0") == os.environ.get("NODE_RANK", "0") == "0":  # of several processes, the first
        say(f"wrote {folder}/model.safetensors, metrics.csv and run.json")


def evaluate(
    models: Sequence[str],
    suites: str,
    data: Sequence[str],
    out: Path,
    seed: int,
    batch_size: int,
    device: str | None,
    workers: int,
    strict: bool,
    json: bool,
) -> None:
    """Measure networks."""
    from shapebias.device import choose_device
    from shapebias.measure.contract import check_numbers
    from shapebias.measure.evaluate import check_suites, evaluate_all
    from shapebias.measure.table import print_table
    from shapebias.models.load import load_model

    names = [name.strip() for name in suites.split(",") if name.strip()]
    check_suites(names)
    folders = parse_data(data)
    check_numbers(seed, batch_size, workers)
    choose_device(device)
    networks = [load_model(spec) for spec in models]
    results = evaluate_all(
        networks,
        suites=names,
        data=folders,
        out=out,
        seed=seed,
        batch_size=batch_size,
        device=device,
        workers=workers,
        strict=strict,
    )
    print_table(results)
    for result in results:
        say(f"wrote {out / result.model['name'] / 'results.json'}")
    if len(results) > 1:
        say(f"wrote {out / 'comparison.json'}")
    if json:
        _print_json([result.to_json() for result in results])


def parse_data(data: Sequence[str]) -> dict[str, Path]:
    """``["DIR", "suite=DIR"]`` as folders by suite; the bare folder has the key "".

    Raises:
        UserError: a suite or the bare folder given twice, or nothing after the sign.
    """
    folders: dict[str, Path] = {}
    for value in data:
        suite, sign, folder = value.partition("=")
        if not sign:
            suite, folder = "", value
        if not folder:
            raise UserError(f"--data {value} names no folder: give --data SUITE=DIR or --data DIR")
        if suite in folders:
            raise UserError(f"--data gives {'suite ' + suite if suite else 'a folder for all suites'} twice")
        folders[suite] = Path(folder)
    return folders


def stylize(
    source: Path,
    out: Path,
    stylizer: str,
    styles: Path | None,
    per_image: int,
    alpha: float,
    size: int,
    same_styles: bool,
    seed: int,
    batch_size: int,
    device: str | None,
    strict: bool,
) -> None:
    """Stylize a folder."""
    from shapebias.device import choose_device
    from shapebias.stylize import load_styles, load_stylizer
    from shapebias.stylize.folder import StylizeSettings, stylize_folder
    from shapebias.stylize.load import check_styles

    settings = StylizeSettings(per_image=per_image, alpha=alpha, size=size, same_styles=same_styles, seed=seed)
    device = choose_device(device)
    check_styles(stylizer, styles)
    network, digest = load_stylizer(stylizer)
    bank = load_styles(styles, network, digest)
    bank = bank.split("train") if styles is None else bank
    unreadable = stylize_folder(
        source, out, network, bank, settings, batch_size=batch_size, device=device, strict=strict
    )
    for reason in unreadable:
        say(f"warning: left out unreadable image {reason}")
    say(f"wrote {out}: {per_image} stylized copies per image, stylize.json, styles.csv")


def stylizer_train(
    content: Path, styles: Sequence[Path], perceptual: str, out: Path, workers: int, **recipe: Any
) -> None:
    """Train the small AdaIN and encode its bank."""
    from shapebias.stylizer_training.recipe import Recipe
    from shapebias.stylizer_training.train import train_stylizer

    for path in train_stylizer(content, list(styles), perceptual, out, Recipe(**recipe), workers=workers):
        say(f"wrote {path}")


def stylizer_show(**options: Any) -> None:
    """Write a contact sheet."""
    from shapebias.stylize.sheet import contact_sheet

    contact_sheet(**options)
    say(f"wrote {options['out']}")


def stylizer_encode(styles: Sequence[Path], stylizer: str, out: Path, device: str | None) -> None:
    """Encode styles as a bank."""
    from shapebias.device import choose_device
    from shapebias.stylize import StyleBank, load_stylizer

    if out.suffix != ".safetensors":
        raise UserError(f"a bank is a .safetensors file, not {out.name}: give --out styles.safetensors")
    network, digest = load_stylizer(stylizer)
    bank = StyleBank.encode(network.to(choose_device(device)), digest, list(styles))
    bank.save(out)
    say(f"wrote {out}: {len(bank)} styles")


def report(runs: Sequence[Path], out: Path) -> None:
    """Write the page."""
    from shapebias.report import build_report

    for warning in build_report(list(runs), out):
        say(f"warning: {warning}")
    say(f"wrote {out}")


def shapes16(out: Path, size: int, train_per_class: int, test_per_class: int, own: float, seed: int) -> None:
    """Write the generated data."""
    from shapebias.shapes16 import generate

    generate(out, size=size, train_per_class=train_per_class, test_per_class=test_per_class, own=own, seed=seed)
    say(f"wrote {out}: train, test, cue-conflict, silhouettes, shapes16.json")


def download(what: str, out: Path, size: str) -> None:
    """Fetch photographs."""
    from shapebias.data.download import download_imagenette

    assert what == "imagenette"  # the only choice there is
    came = download_imagenette(out, size=size)
    say(f"{'wrote' if came else 'already there:'} {out}: imagenette's train/ and val/, to use as --data {out}")


def export(model: str, out: Path, library: Literal["timm", "torchvision"]) -> None:
    """Write weights for others."""
    from shapebias.models.export import export_weights

    digest = export_weights(model, out, library)
    say(f"wrote {out}: a state dict for {library}, SHA-256 {digest}")


def _print_json(value: Any) -> None:
    try:
        print(json.dumps(value, indent=2, allow_nan=False), flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        sys.stdout = None  # type: ignore[assignment] - or the interpreter tries again at exit
        raise UserError(f"cannot write to standard output: {error.strerror}") from error
