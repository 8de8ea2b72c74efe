"""The interface of a stylizer: encode contents and styles, and decode a content in any style's statistics.

A stylizer is three things: ``encode_content``, ``decode`` and the size of its codes. Everything else
follows from them and is the same for all: a style is its image's own code, several views share one
encoding of the content, and ``alpha`` mixes the content's own statistics with the style's.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn


def statistics(features: Tensor, *, floor: float, unbiased: bool) -> tuple[Tensor, Tensor]:
    """Mean and standard deviation of each channel over space, (N, C, H, W) -> two of (N, C), in float32.

    ``floor`` is added to the variance before the root. The mean is subtracted first: the mean of squares less the
    square of the mean is a little faster, but rounds so that trainings on two processors part. ``torch.var_mean`` is as
    exact, and several times slower on a CPU.
    """
    features = features.float()
    mean = features.mean((2, 3), keepdim=True)
    variance = (features - mean).square().mean((2, 3))
    if unbiased:
        places = features.shape[2] * features.shape[3]
        variance = variance * (places / (places - 1))
    return mean.flatten(1), (variance + floor).sqrt()


class Stylizer(nn.Module, ABC):
    """``encode_style(images) -> codes`` and ``stylize(content, codes, alpha) -> images``.

    Images are float RGB in [0, 1], (N, 3, H, W), any H and W of at least 16. Codes are float32 of
    shape (M, ``code_size``): per-channel means and standard deviations.
    """

    @property
    @abstractmethod
    def code_size(self) -> int:
        """Length of a style code."""

    @abstractmethod
    def encode_content(self, images: Tensor) -> tuple[Tensor, Tensor]:
        """Features of ``images`` for ``decode``, and the images' own codes, (N, code_size)."""

    @abstractmethod
    def decode(self, features: Tensor, codes: Tensor, size: torch.Size | tuple[int, int]) -> Tensor:
        """Images (N, 3, *size) in [0, 1] from content ``features`` and ``codes``, one code an image."""

    def encode_style(self, images: Tensor) -> Tensor:
        """Style codes of ``images``, (N, code_size). One code serves any number of contents."""
        return self.encode_content(images)[1]

    def stylize(self, content: Tensor, codes: Tensor, alpha: float = 1.0) -> Tensor:
        """``content`` in the styles ``codes``: images of the content's size in [0, 1].

        Args:
            content: (N, 3, H, W) in [0, 1].
            codes: (N, code_size), or (V * N, code_size) for V views of each image, view after view;
                content is encoded once for all its views.
            alpha: 1 is the full style, 0 the content's own; between, the statistics are mixed. Features
                ``t`` in the style's statistics and ``f`` in their own are both linear in ``f``, so that
                this is Huang & Belongie's ``alpha * t + (1 - alpha) * f`` (for the small AdaIN, which has
                three scales, at the deepest).

        Returns:
            (len(codes), 3, H, W), view after view.

        Raises:
            ValueError: the codes do not divide over the images.
        """
        features, own = self.encode_content(content)
        views = len(codes) // len(content)
        if views < 1 or views * len(content) != len(codes):
            raise ValueError(f"{len(codes)} codes do not divide over {len(content)} images")
        if views > 1:
            features, own = features.repeat(views, 1, 1, 1), own.repeat(views, 1)
        mixed = codes if alpha == 1.0 else own + alpha * (codes - own)
        return self.decode(features, mixed, content.shape[-2:])

    def forward(self, content: Tensor, style: Tensor, alpha: float = 1.0) -> Tensor:
        """Stylize ``content`` after the images ``style``, one each."""
        return self.stylize(content, self.encode_style(style), alpha)
