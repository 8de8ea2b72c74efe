"""A small stylizer by adaptive instance normalisation (Huang & Belongie 2017, arXiv:1703.06868).

Style is separate from content. A *style code* is the per-channel mean and standard deviation of the
encoder's features at its three scales; ``encode_style`` makes it once and it serves any image. The
decoder normalises its own features at each scale and gives them the code's statistics, so that a code
carries fine texture as well as colour, and not only what the deepest features keep.
"""

from __future__ import annotations

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from shapebias.stylize.stylizer import Stylizer, statistics

VARIANCE_FLOOR = 1e-3
NOISE_TILE = 64


def adain(features: Tensor, mean: Tensor, std: Tensor) -> Tensor:
    """Give ``features`` (N, C, H, W) the per-channel ``mean`` and ``std``, both (N, C)."""
    own_mean, own_std = statistics(features, floor=VARIANCE_FLOOR, unbiased=False)
    scale = std / own_std
    shift = mean - own_mean * scale
    scale, shift = (part[..., None, None].to(features.dtype) for part in (scale, shift))
    return torch.addcmul(shift, features, scale)


class AdaIN(Stylizer):
    """The small stylizer; see ``Stylizer`` for what it does.

    Example:
        >>> stylizer = AdaIN()
        >>> codes = stylizer.encode_style(torch.rand(2, 3, 64, 64))
        >>> stylizer.stylize(torch.rand(2, 3, 48, 40), codes).shape
        torch.Size([2, 3, 48, 40])
    """

    noise: Tensor

    def __init__(self, channels: tuple[int, int, int] = (32, 48, 96), blocks: int = 2) -> None:
        super().__init__()
        fine, middle, coarse = channels
        self.channels = channels
        self.encoder = nn.ModuleList(
            [
                _convolutions((3, fine)),
                _convolutions((fine, middle), (middle, middle)),
                _convolutions((middle, coarse), (coarse, coarse)),
            ]
        )
        self.blocks = nn.ModuleList(_ResidualBlock(coarse) for _ in range(blocks))
        self.up = nn.ModuleList([_conv(coarse, middle), _conv(middle, fine)])
        self.grain = nn.ParameterList([nn.Parameter(torch.full((c,), 0.1)) for c in (coarse, middle, fine)])
        self.to_rgb = _conv(fine, 3)
        noise = torch.randn(3, NOISE_TILE, NOISE_TILE, generator=torch.Generator().manual_seed(0))
        self.register_buffer("noise", noise)

    @property
    def code_size(self) -> int:
        """Length of a style code: a mean and a standard deviation for each encoder channel."""
        return 2 * sum(self.channels)

    def encode_content(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features at a quarter of the size, (N, C, H/4, W/4), and the images' own codes, (N, code_size)."""
        features, parts = images, []
        for stage in self.encoder:
            features = stage(features)
            parts += statistics(features, floor=VARIANCE_FLOOR, unbiased=False)
        return features, torch.cat(parts, dim=1)

    def decode(self, features: Tensor, codes: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
        """Images of ``size`` from content ``features`` and ``codes``, one code an image."""
        fine, middle, coarse = self.channels
        m1, s1, m2, s2, m3, s3 = codes.split([fine, fine, middle, middle, coarse, coarse], dim=1)
        half = tuple((n + 1) // 2 for n in size)
        x = adain(self._grain(features, 0), m3, s3)
        for block in self.blocks:
            x = block(x)
        x = F.interpolate(x, size=half, mode="nearest")
        x = F.relu(adain(self._grain(self.up[0](x), 1), m2, s2), inplace=True)
        x = F.interpolate(x, size=tuple(size), mode="nearest")
        x = F.relu(adain(self._grain(self.up[1](x), 2), m1, s1), inplace=True)
        return torch.sigmoid(self.to_rgb(x).float())

    def _grain(self, features: Tensor, scale: int) -> Tensor:
        """Add a fixed noise pattern, so that flat areas can take on texture too; in training it is shifted about."""
        height, width = features.shape[-2:]
        rows, columns = -(-height // NOISE_TILE), -(-width // NOISE_TILE)
        tile = self.noise[scale].to(features.dtype)
        if self.training:
            tile = tile.roll(torch.randint(NOISE_TILE, (2,)).tolist(), (0, 1))
        tile = tile.repeat(rows, columns)[:height, :width]
        grain = self.grain[scale].to(features.dtype)[:, None, None] * tile
        return features + grain[None].contiguous(memory_format=torch.channels_last)


def _conv(inputs: int, outputs: int, stride: int = 1) -> nn.Conv2d:
    return nn.Conv2d(inputs, outputs, 3, stride=stride, padding=1, padding_mode="reflect")


def _convolutions(*channels: tuple[int, int]) -> nn.Sequential:
    """Convolutions with a ReLU each; of two, the first halves the size."""
    convolutions = [_conv(*c, stride=2 if number + 1 < len(channels) else 1) for number, c in enumerate(channels)]
    return nn.Sequential(*(layer for conv in convolutions for layer in (conv, nn.ReLU(inplace=True))))


class _ResidualBlock(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first, self.second = _conv(channels, channels), _conv(channels, channels)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(F.relu(self.first(x), inplace=True))
