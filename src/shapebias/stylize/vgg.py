"""The paper's stylizer: AdaIN between VGG-19 and its mirrored decoder (Huang & Belongie 2017, arXiv:1703.06868).

The encoder is VGG-19 up to relu4_1 with "normalised" weights, after a 1x1 convolution that turns RGB in
[0, 1] into what VGG expects. The decoder mirrors it, with nearest upsampling for its pooling. A *style
code* is the per-channel mean and standard deviation of relu4_1. Layers are numbered as in the published
weights, so that these load without renaming (see ``shapebias.stylize.load``).
"""

from __future__ import annotations

import torch
from torch import Tensor, nn

from shapebias.errors import UserError
from shapebias.stylize.stylizer import Stylizer, statistics

FEATURES = 512  # channels of relu4_1
SMALLEST = 16  # pixels per side: relu4_1 is then 2 x 2, the least that reflection padding can take
VARIANCE_FLOOR = 1e-5

# Widths of the 3x3 convolutions in order; between blocks the encoder pools by 2 and the decoder enlarges by 2.
ENCODER_BLOCKS = ((64, 64), (128, 128), (256, 256, 256, 256), (FEATURES,))
DECODER_BLOCKS = ((256,), (256, 256, 256, 128), (128, 64), (64, 3))


def adain(features: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Give ``features`` (N, C, H, W) the ``mean`` and ``std``, both (N, C); computed in float32, returned in theirs."""
    own_mean, own_std = _statistics(features)
    shift, scale, own = (part.float()[..., None, None] for part in (mean, std / own_std, own_mean))
    return torch.addcmul(shift, features.float() - own, scale).to(features.dtype)


class VGGAdaIN(Stylizer):
    """AdaIN with VGG-19, frozen; its weights are random until a state dict is loaded.

    Its parameters are ``encoder.N.weight`` and ``decoder.N.weight`` (and ``bias``), N the number in the
    published files. Images are at least 16 x 16.

    Example:
        >>> stylizer = VGGAdaIN()
        >>> codes = stylizer.encode_style(torch.rand(2, 3, 32, 32))
        >>> stylizer.stylize(torch.rand(2, 3, 24, 20), codes).shape
        torch.Size([2, 3, 24, 20])
    """

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(*_encoder())
        self.decoder = nn.Sequential(*_decoder())
        self.requires_grad_(False).eval()

    @property
    def code_size(self) -> int:
        """Length of a style code: a mean and a standard deviation for each channel of relu4_1."""
        return 2 * FEATURES

    def encode_content(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """relu4_1 at an eighth of the size, (N, 512, ceil(H/8), ceil(W/8)), and the images' own codes, (N, 1024).

        Raises:
            UserError: images too small for the network.
        """
        height, width = images.shape[-2:]
        if min(height, width) < SMALLEST:
            raise UserError(f"VGG-19 needs images of at least {SMALLEST} x {SMALLEST} pixels, not {width} x {height}")
        features = self.encoder(images)
        return features, torch.cat(_statistics(features), dim=1)

    def decode(self, features: Tensor, codes: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
        """Images (N, 3, *size) in [0, 1], float32, from ``features`` in the statistics ``codes``, one code an image.

        The pooling rounds up, so that the decoder's images are up to 7 pixels larger than ``size`` and cut.
        """
        height, width = size
        mean, std = codes.split(FEATURES, dim=1)
        images = self.decoder(adain(features, mean, std))
        return images[..., :height, :width].float().clamp(0, 1)


def _statistics(features: Tensor) -> tuple[Tensor, Tensor]:
    """Statistics as the published decoder was trained with: of the unbiased variance."""
    return statistics(features, floor=VARIANCE_FLOOR, unbiased=True)


def _encoder() -> list[nn.Module]:
    layers: list[nn.Module] = [nn.Conv2d(3, 3, 1)]
    inputs = 3
    for block, widths in enumerate(ENCODER_BLOCKS):
        if block > 0:
            layers.append(nn.MaxPool2d(2, ceil_mode=True))
        for width in widths:
            layers += _convolution(inputs, width)
            inputs = width
    return layers


def _decoder() -> list[nn.Module]:
    layers: list[nn.Module] = []
    inputs = FEATURES
    for block, widths in enumerate(DECODER_BLOCKS):
        if block > 0:
            layers.append(nn.Upsample(scale_factor=2, mode="nearest"))
        for width in widths:
            layers += _convolution(inputs, width)
            inputs = width
    return layers[:-1]  # an image is not rectified


def _convolution(inputs: int, outputs: int) -> list[nn.Module]:
    return [nn.ReflectionPad2d(1), nn.Conv2d(inputs, outputs, 3), nn.ReLU(inplace=True)]
