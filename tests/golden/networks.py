"""Networks with weights that no training made: random features, and a classifying layer fitted to given images.

A training drifts apart on different processors; these answer the same, and not by chance.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

RIDGE = 1e-3
# Convolutions of VGG-19 up to relu4_1 and of its decoder, by their numbers in the published files: inputs and outputs.
ENCODER = {2: (3, 64), 5: (64, 64), 9: (64, 128), 12: (128, 128), 16: (128, 256), 19: (256, 256), 22: (256, 256)}
ENCODER |= {25: (256, 256), 29: (256, 512)}
DECODER = {1: (512, 256), 5: (256, 256), 8: (256, 256), 11: (256, 256), 14: (256, 128), 18: (128, 128), 21: (128, 64)}
DECODER |= {25: (64, 64), 28: (64, 3)}
LOGIT = 8.0  # of an image's own class


def fitted(path: Path, known: Sequence[tuple[Path, int]], *, outputs: int, size: int, seed: int) -> None:
    """Write weights of timm's ``test_resnet`` that answer ``known`` images by their numbers."""
    import torch
    from safetensors.torch import save_file

    from shapebias.libraries import timm

    network = timm.create_model("test_resnet", num_classes=outputs)
    rng = np.random.default_rng(seed)
    for value in network.parameters():
        if value.ndim > 1:
            drawn = rng.standard_normal(value.shape, dtype=np.float32) * np.sqrt(2 / value[0].numel())
            value.data = torch.from_numpy(drawn.astype(np.float32))
    images = torch.stack([pixels(file, size) for file, _ in known])
    for module in network.modules():
        if isinstance(module, torch.nn.BatchNorm2d):
            module.momentum = None  # the plain average over all batches
    with torch.no_grad():
        network.train()(images)
        latents = network.eval().forward_head(network.forward_features(images), pre_logits=True).double().numpy()
    wanted = np.zeros((len(known), outputs))
    wanted[np.arange(len(known)), [label for _, label in known]] = LOGIT
    inputs = np.concatenate([latents, np.ones((len(latents), 1))], axis=1)
    gram = inputs.T @ inputs
    layer = np.linalg.solve(gram + RIDGE * np.trace(gram) / len(gram) * np.eye(len(gram)), inputs.T @ wanted)
    state = network.state_dict()
    state["fc.weight"] = torch.from_numpy(layer[:-1].T.astype(np.float32).copy())
    state["fc.bias"] = torch.from_numpy(layer[-1].astype(np.float32))
    path.parent.mkdir(exist_ok=True)
    save_file(state, path)


def vgg_stylizer(folder: Path) -> None:
    """Write the two files of the paper's stylizer with random weights."""
    import torch

    rng = np.random.default_rng(12)
    folder.mkdir()
    for name, layers in (("vgg_normalised", ENCODER), ("decoder", DECODER)):
        state = {}
        if layers is ENCODER:
            state |= {"0.weight": torch.eye(3)[:, :, None, None] * 4, "0.bias": torch.full((3,), -2.0)}
        for number, (inputs, outputs) in layers.items():
            kernel = rng.standard_normal((outputs, inputs, 3, 3), dtype=np.float32) * np.sqrt(2 / (9 * inputs))
            state[f"{number}.weight"] = torch.from_numpy(kernel.astype(np.float32))
            state[f"{number}.bias"] = torch.full((outputs,), 0.5 if outputs == 3 else 0.0)
        torch.save(state, folder / f"{name}.pth")


def pixels(path: Path, size: int):
    """Return an image as the network is shown it: (3, size, size), -1 to 1."""
    import torch

    image = Image.open(path).convert("RGB").resize((size, size), Image.Resampling.BICUBIC)
    return torch.from_numpy(np.asarray(image, dtype=np.float32) / 127.5 - 1).permute(2, 0, 1)
