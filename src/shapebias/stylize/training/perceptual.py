"""Perceptual losses of a stylized image, in the features of a fixed network: VGG-16 up to relu4_1."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from torch import Tensor, nn

from shapebias.errors import UserError

# Convolutions per block, and the activations kept: relu1_2, relu2_2, relu3_3, relu4_1.
BLOCKS = ((64, 64), (128, 128), (256, 256, 256), (512,))
# Shallow layers carry local texture, so they weigh more in the style term.
STYLE_WEIGHTS = (1.0, 1.0, 0.8, 0.4)
CONTENT_LAYERS = (2, 3)
VARIANCE_FLOOR = 1e-5
_INPUTS_OF_CAFFE = (104.007, 116.669, 122.679)  # means of B, G, R on a 0..255 scale


class Perceptual(nn.Module):
    """VGG-16 features of RGB images in [0, 1]; frozen, gradients reach the images only.

    ``mean`` and ``std`` normalise the input, three values each in RGB order.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, mean: Tensor, std: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean.view(1, 3, 1, 1))
        self.register_buffer("std", std.view(1, 3, 1, 1))
        blocks, inputs = [], 3
        for block, widths in enumerate(BLOCKS):
            layers: list[nn.Module] = [] if block == 0 else [nn.MaxPool2d(2)]
            for width in widths:
                layers += [nn.Conv2d(inputs, width, 3, padding=1), nn.ReLU()]
                inputs = width
            blocks.append(nn.Sequential(*layers))
        self.blocks = nn.ModuleList(blocks)
        self.requires_grad_(False).eval()

    def forward(self, images: Tensor) -> list[Tensor]:
        """The four activations of (N, 3, H, W) images, shallow to deep."""
        features, kept = (images - self.mean) / self.std, []
        for block in self.blocks:
            features = block(features)
            kept.append(features)
        return kept

    def convolutions(self) -> list[nn.Conv2d]:
        """Its convolutions in order."""
        return [layer for layer in self.modules() if isinstance(layer, nn.Conv2d)]


def load_perceptual(source: str) -> Perceptual:
    """VGG-16 from ``torchvision`` (downloaded into its cache) or from an HDF5 file of Keras weights.

    The HDF5 layout is that of a holistically-nested edge detector, whose trunk has VGG-16's shapes
    (``block1/layers/conv2d/vars/0``, ...); its input is BGR, 0..255, less the Caffe means.
    """
    if source == "torchvision":
        return _from_torchvision()
    path = Path(source)
    if not path.is_file():
        raise UserError(f"no perceptual weights at {path}: give an .h5 file, or 'torchvision' to download VGG-16")
    return _from_hdf5(path)


def _from_torchvision() -> Perceptual:
    from shapebias.libraries import torchvision

    mean, std = torch.tensor([0.485, 0.456, 0.406]), torch.tensor([0.229, 0.224, 0.225])
    network = Perceptual(mean, std)
    try:
        source = torchvision.models.vgg16(weights="IMAGENET1K_V1").get_submodule("features")
    except OSError as error:
        raise UserError(f"VGG-16's weights could not be downloaded ({error}): give a file instead") from error
    theirs = [layer for layer in source.children() if isinstance(layer, nn.Conv2d)]
    for ours, other in zip(network.convolutions(), theirs, strict=False):
        ours.load_state_dict(other.state_dict())
    return network


def _from_hdf5(path: Path) -> Perceptual:
    try:
        import h5py
    except ImportError as error:
        raise UserError(f"reading {path} needs h5py: pip install 'shapebias[stylizer]'") from error

    network = Perceptual(torch.tensor(_INPUTS_OF_CAFFE[::-1]) / 255, torch.full((3,), 1 / 255))
    layers = iter(network.convolutions())
    try:
        with h5py.File(path) as file:
            for block, widths in enumerate(BLOCKS, start=1):
                for index in range(len(widths)):
                    name = "conv2d" if index == 0 else f"conv2d_{index}"
                    kernel, bias = (
                        torch.from_numpy(np.asarray(file[f"block{block}/layers/{name}/vars/{part}"])) for part in (0, 1)
                    )
                    kernel = kernel.permute(3, 2, 0, 1)  # HWIO -> OIHW
                    layer = next(layers)
                    layer.weight.data.copy_(kernel.flip(1) if (block, index) == (1, 0) else kernel)  # BGR -> RGB
                    if layer.bias is not None:
                        layer.bias.data.copy_(bias)
    except (OSError, KeyError, RuntimeError) as error:
        raise UserError(f"{path} does not hold VGG-16-shaped weights: {error}") from error
    return network


def content_loss(stylized: Sequence[Tensor], content: Sequence[Tensor]) -> Tensor:
    """Mean squared difference of instance-normalised deep features: outlines stay, colours are free."""
    terms = [(_normalised(stylized[i]) - _normalised(content[i])).square().mean() for i in CONTENT_LAYERS]
    return torch.stack(terms).mean()


def style_loss(stylized: Sequence[Tensor], style: Sequence[Tensor]) -> Tensor:
    """Distance of means, standard deviations and channel covariances, layer by layer.

    Each part is relative to the style's own variance, so that layers and images weigh alike. The
    covariances (the centred Gram matrix) tell textures apart that share all means and deviations.
    """
    total = stylized[0].new_zeros(())
    for weight, ours, theirs in zip(STYLE_WEIGHTS, stylized, style, strict=True):
        mean, covariance = _moments(ours)
        wanted_mean, wanted_covariance = _moments(theirs)
        variance = wanted_covariance.diagonal(dim1=1, dim2=2)
        power = variance.mean(1, keepdim=True) + VARIANCE_FLOOR
        mean_term = ((mean - wanted_mean).square() / power).mean()
        own = covariance.diagonal(dim1=1, dim2=2)
        std_term = ((_root(own) - _root(variance)).square() / power).mean()
        size = wanted_covariance.square().sum((1, 2)) + VARIANCE_FLOOR
        covariance_term = ((covariance - wanted_covariance).square().sum((1, 2)) / size).mean()
        total = total + weight * (mean_term + std_term + covariance_term)
    return total


def total_variation(images: Tensor) -> Tensor:
    """Mean absolute difference of neighbouring pixels."""
    return images.diff(dim=2).abs().mean() + images.diff(dim=3).abs().mean()


def _root(variance: Tensor) -> Tensor:
    return (variance + VARIANCE_FLOOR).sqrt()


def _normalised(features: Tensor) -> Tensor:
    variance, mean = torch.var_mean(features.float(), dim=(2, 3), keepdim=True, unbiased=False)
    return (features.float() - mean) * (variance + VARIANCE_FLOOR).rsqrt()


def _moments(features: Tensor) -> tuple[Tensor, Tensor]:
    """Channel means (N, C) and covariances (N, C, C) over space."""
    flat = features.float().flatten(2)
    mean = flat.mean(2, keepdim=True)
    centred = flat - mean
    return mean[..., 0], centred @ centred.transpose(1, 2) / flat.shape[2]
