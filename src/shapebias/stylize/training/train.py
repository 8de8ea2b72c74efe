"""Train the small AdaIN on a folder of photographs and folders of styles."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import numpy as np
import torch
from lightning_fabric import Fabric
from safetensors.torch import save_file
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from shapebias.data.decode import UnreadableImage, load_rgb
from shapebias.data.folders import list_images
from shapebias.data.transforms import random_crop, to_tensor
from shapebias.errors import UserError
from shapebias.files import atomic, claim_folder, locked, remove_leftovers
from shapebias.progress import progress
from shapebias.stats.streams import Draw, stream, torch_seed
from shapebias.stylize.adain import AdaIN
from shapebias.stylize.bank import StyleBank
from shapebias.stylize.load import load_stylizer
from shapebias.stylize.training.perceptual import Perceptual, content_loss, load_perceptual, style_loss, total_variation
from shapebias.stylize.training.recipe import Recipe

MARKER = "stylizer.json"


class ContentAndStyle(Dataset[tuple[Tensor, Tensor]]):
    """The k-th pair of a content crop and a style crop, fixed by (seed, k)."""

    def __init__(self, content: Sequence[Path], styles: Sequence[Path], recipe: Recipe) -> None:
        self.content, self.styles, self.recipe = content, styles, recipe

    def __len__(self) -> int:
        return self.recipe.steps * self.recipe.batch_size

    def __getitem__(self, k: int) -> tuple[Tensor, Tensor]:
        rng = stream(Draw.STYLIZER_SAMPLE, self.recipe.seed, k)
        return self._crop(self.content, rng, (0.4, 1.0)), self._crop(self.styles, rng, (0.08, 1.0))

    def _crop(self, paths: Sequence[Path], rng: np.random.Generator, scale: tuple[float, float]) -> Tensor:
        for _ in range(20):
            try:
                image = load_rgb(paths[int(rng.integers(len(paths)))])
            except UnreadableImage:
                continue
            return to_tensor(random_crop(*image.size, rng, scale=scale)(image, self.recipe.size))
        raise UserError("20 unreadable images in a row: check the content and style folders")


def train_stylizer(
    content: Path, styles: Sequence[Path], perceptual: str, out: Path, recipe: Recipe, *, workers: int = 1
) -> list[Path]:
    """Train, checkpointing to ``out/state.pt`` so that a killed run resumes.

    Args:
        content: folder of photographs.
        styles: folders of paintings and textures.
        perceptual: see ``load_perceptual``.
        out: where the state, the averaged network and the bank of all styles go.
        recipe: the settings.
        workers: processes that decode images.

    Returns:
        The files written: the network and its bank.
    """
    with locked(out):
        return _train(content, styles, perceptual, out, recipe, workers)


def _train(
    content: Path, styles: Sequence[Path], perceptual: str, out: Path, recipe: Recipe, workers: int
) -> list[Path]:
    fabric = Fabric(accelerator="auto", devices=1, precision=recipe.precision)
    fabric.seed_everything(torch_seed(Draw.INITIAL_WEIGHTS, recipe.seed), verbose=False)
    network = AdaIN().to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    optimizer = torch.optim.Adam(network.parameters(), lr=recipe.learning_rate)
    judge = fabric.to_device(load_perceptual(perceptual).to(memory_format=torch.channels_last))  # type: ignore[call-overload]
    model, optimizer = fabric.setup(network, optimizer)
    average = {name: value.detach().clone() for name, value in network.named_parameters()}
    pairs = ContentAndStyle(list_images(content), [p for folder in styles for p in list_images(folder)], recipe)
    claim_folder(out, asdict(recipe), marker=MARKER, describe=lambda _: "stylizer")
    remove_leftovers(out)
    step = _resume(out, network, optimizer, average)
    remaining = range(step * recipe.batch_size, len(pairs))
    loader = fabric.setup_dataloaders(
        DataLoader(pairs, batch_size=recipe.batch_size, sampler=remaining, num_workers=workers, drop_last=True)
    )
    with progress("stylizer", total=recipe.steps, done=step, unit="steps") as bar:
        for images, style in loader:
            rate = _learning_rate(recipe, step)
            for group in optimizer.param_groups:
                group["lr"] = rate
            parts = _losses(fabric, model, judge, images, style)
            ramp = min(1.0, (step + 1) / recipe.warmup)
            loss = (
                recipe.content_weight * parts["content"]
                + recipe.style_weight * ramp * parts["style"]
                + recipe.identity_weight * parts["identity"]
                + recipe.smoothness_weight * parts["smoothness"]
            )
            optimizer.zero_grad()
            fabric.backward(loss)
            fabric.clip_gradients(model, optimizer, max_norm=1.0)
            optimizer.step()
            step += 1
            decay = min(0.999, step / (step + 20))
            with torch.no_grad():
                for name, value in network.named_parameters():
                    average[name].lerp_(value, 1 - decay)
            if step % 20 == 0:
                bar.advance(20, **{name: float(value.detach()) for name, value in parts.items()})
            if step % 250 == 0 or step == recipe.steps:
                _save(out, step, network, optimizer, average)
    network.load_state_dict(average, strict=False)
    return _write(out, network, list(styles))


def _write(out: Path, network: AdaIN, styles: Sequence[Path]) -> list[Path]:
    """Write the network in float16 and, encoded by just that, the bank of all its styles."""
    path, bank = out / "adain.safetensors", out / "styles.safetensors"
    with atomic(path) as temporary:
        save_file({name: value.half().contiguous() for name, value in network.state_dict().items()}, temporary)
    stylizer, digest = load_stylizer(path)
    StyleBank.encode(stylizer, digest, styles).save(bank)
    return [path, bank]


def _losses(fabric: Fabric, model: Any, judge: Perceptual, images: Tensor, style: Tensor) -> dict[str, Tensor]:
    images = images.contiguous(memory_format=torch.channels_last)
    style = style.contiguous(memory_format=torch.channels_last)
    with fabric.autocast():
        network = model.module
        features, own = network.encode_content(images)
        codes = network.encode_style(style)
        both = network.decode(features.repeat(2, 1, 1, 1), torch.cat([codes, own]), images.shape[-2:])
        stylized, same = both.chunk(2)
        with torch.no_grad():
            reference = judge(torch.cat([images, style]))
        result = judge(stylized)
    count = len(images)
    return {
        "content": content_loss(result, [f[:count] for f in reference]),
        "style": style_loss(result, [f[count:] for f in reference]),
        "identity": (same - images).abs().mean(),
        "smoothness": total_variation(stylized),
    }


def _learning_rate(recipe: Recipe, step: int) -> float:
    """Constant, then a cosine over the last 40 % down to a twentieth."""
    start = 0.6 * recipe.steps
    if step < start:
        return recipe.learning_rate
    part = (step - start) / (recipe.steps - start)
    return recipe.learning_rate * (0.05 + 0.95 * 0.5 * (1 + np.cos(np.pi * part)))


def _save(out: Path, step: int, network: AdaIN, optimizer: Any, average: dict[str, Tensor]) -> None:
    state = {
        "step": step,
        "network": network.state_dict(),
        "optimizer": optimizer.state_dict(),
        "average": average,
    }
    with atomic(out / "state.pt") as temporary, temporary.open("wb") as file:
        torch.save(state, file)


def _resume(out: Path, network: AdaIN, optimizer: Any, average: dict[str, Tensor]) -> int:
    path = out / "state.pt"
    if not path.is_file():
        return 0
    try:
        state = torch.load(path, map_location="cpu", weights_only=True)
        network.load_state_dict(state["network"])
        optimizer.load_state_dict(state["optimizer"])
        average.update(state["average"])
        return int(state["step"])
    except Exception as error:  # a damaged file can fail in many ways
        raise UserError(f"{path} is damaged: delete it to start again") from error
