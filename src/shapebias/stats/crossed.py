"""Shares over images that are each made of two photographs, which other images of the set share.

A cue-conflict image has the shape of one photograph and the texture of another; the published 1,280 images are made of
160 and 48. Decisions on images of one photograph resemble each other, so the variance of a share is

    V = V_shape + V_texture - V_image

(the two-way clustered variance of Cameron, Gelbach and Miller 2011). V_shape is that of sums over the images of one
photograph, photographs being drawn within their category, and V_image that of images drawn independently.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from shapebias.stats.intervals import Interval, t_quantile, wilson


@dataclass(frozen=True, eq=False)
class Crossed:
    """The photographs of n images.

    Attributes:
        images: (n,), the number of the image that each row is of; several rows are repeated trials.
        roles: for shape and texture, the photograph of each row (n,) and the category of each photograph; a role whose
            photographs are in one row each is absent.
    """

    images: np.ndarray
    roles: tuple[tuple[np.ndarray, np.ndarray], ...]

    @classmethod
    def of(cls, photographs: Sequence[tuple[str, str]] | None) -> Crossed | None:
        """Return the structure of rows of the ``photographs`` (shape, texture), named as "cat1".

        None where no photograph is in two rows, so that rows are independent, and where ``photographs`` is.
        """
        roles = []
        for names in zip(*(photographs or ()), strict=True):
            unique, rows = np.unique(np.array(names), return_inverse=True)
            if len(unique) < len(names):
                categories = np.unique([name.rstrip("0123456789") for name in unique], return_inverse=True)[1]
                roles.append((rows.reshape(-1), categories))
        if not roles:
            return None
        images = np.unique([" ".join(pair) for pair in photographs or ()], return_inverse=True)[1]
        return cls(images, tuple(roles))

    @property
    def freedom(self) -> int:
        """The degrees of freedom of the variance: those of the role with the fewest photographs."""
        return min(int(np.maximum(np.bincount(group) - 1, 1).sum()) for _, group in self.roles)

    def variance(self, influence: np.ndarray) -> float:
        """Return the variance of the sum of ``influence`` (n,), never below that of independent images."""
        of_images = float((np.bincount(self.images, influence) ** 2).sum())
        extra = sum(_within(np.bincount(rows, influence), group) - of_images for rows, group in self.roles)
        return max(of_images + extra, of_images)

    def effective(self, pairs: np.ndarray) -> float:
        """Return how many independent decisions would leave a ratio as uncertain as these.

        ``pairs`` (n, 2) is as in ``ratio_interval``. If all decisions agree, their variance is unknown, and the result
        is the number of photographs decided on, in the role with the fewest.
        """
        shape, decided = pairs.sum(0)
        if 0 < shape < decided:
            share = shape / decided
            return float(min(decided, share * (1 - share) / self.variance(_influence(pairs))))
        rows = pairs[:, 1] > 0
        return float(min(len(np.unique(of_role[rows])) for of_role, _ in self.roles))

    def interval(self, pairs: np.ndarray) -> Interval | None:
        """Return Wilson's interval of a ratio over the effective number of decisions, by Student's t."""
        shape, decided = pairs.sum(0)
        if decided == 0:
            return None
        n = self.effective(pairs)
        return wilson(n * float(shape / decided), n, t_quantile(self.freedom))


def covariances(a: np.ndarray, b: np.ndarray, crossed: Crossed | None) -> tuple[float, float, float]:
    """Return the variances of two ratios over the same images and of their difference.

    Args:
        a: (n, 2), numerator and denominator of each image.
        b: the same of the other ratio.
        crossed: the photographs of the images; None for independent images.
    """
    one, other = _influence(a), _influence(b)

    def variance(influence: np.ndarray) -> float:
        return float((influence**2).sum()) if crossed is None else crossed.variance(influence)

    return variance(one), variance(other), variance(one - other)


def _influence(pairs: np.ndarray) -> np.ndarray:
    """Return the first-order change of the ratio of sums by each image, (N,)."""
    shape, decided = pairs.sum(0)
    return (pairs[:, 0] - shape / decided * pairs[:, 1]) / decided


def _within(sums: np.ndarray, group: np.ndarray) -> float:
    """The variance of the total of ``sums``, one per photograph, drawn within groups; one alone counts as it is."""
    size, total, squares = np.bincount(group), np.bincount(group, sums), np.bincount(group, sums**2)
    centred = (squares - total**2 / np.maximum(size, 1)) * size / np.maximum(size - 1, 1)
    return float(np.where(size > 1, centred, squares).sum())
