"""Weighted nearest neighbours on frozen features (Wu et al. 2018, the usual protocol: k = 20, temperature 0.07)."""

from __future__ import annotations

import numpy as np

NEIGHBOURS = 20
TEMPERATURE = 0.07
_CELLS = 1 << 24  # of similarities held at once


def knn_scores(
    training: np.ndarray,
    targets: np.ndarray,
    features: np.ndarray,
    classes: int,
    *,
    k: int = NEIGHBOURS,
    temperature: float = TEMPERATURE,
) -> np.ndarray:
    """The share of each class among the ``k`` nearest training images, weighted by exp(cosine / temperature).

    Args:
        training: features (n, D) of the training images.
        targets: theirs: (n,) class numbers, or (n, K) with 1, 0, and -1 for what counts neither way: that image has no
            vote on that class.
        features: (m, D).
        classes: K.
        k: neighbours, at most n of them are taken; of equally near ones the first.
        temperature: above 0.

    Returns:
        (m, K) in [0, 1]; rows sum to one where images have one class each.
    """
    k = min(k, len(training))
    if targets.ndim == 1:
        votes, counts = np.eye(classes)[targets], np.ones((len(targets), classes))
    else:
        votes, counts = (targets == 1).astype(np.float64), (targets >= 0).astype(np.float64)
    known, found = _unit(training), []
    at_once = max(1, _CELLS // max(1, len(training)))
    for start in range(0, len(features), at_once):
        cosine = _unit(features[start : start + at_once]) @ known.T
        nearest = np.argsort(-cosine, axis=1, kind="stable")[:, :k]
        near = np.take_along_axis(cosine, nearest, axis=1)
        weight = np.exp((near - near[:, :1]) / temperature)[:, :, None]  # relative to the nearest: never 0 / 0
        heard = (weight * counts[nearest]).sum(1)
        found.append((weight * votes[nearest]).sum(1) / np.where(heard > 0, heard, 1))
    return np.concatenate(found) if found else np.zeros((0, classes))


def _unit(features: np.ndarray) -> np.ndarray:
    """Rows of length one; a row of zeros stays."""
    given = np.asarray(features, np.float64)
    length = np.linalg.norm(given, axis=1, keepdims=True)
    return given / np.where(length > 0, length, 1)
