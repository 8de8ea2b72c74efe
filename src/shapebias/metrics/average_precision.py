"""Average precision of multi-label classification, in the three kinds that figures are published in.

All walk down the distinct scores as thresholds: images of one score enter together, so that their order in the data
changes nothing. With p(r) the precision where the recall reaches r, and e(r) the highest precision at any recall of r
or more:

- ``ap``: the sum of p over the steps of the recall, not interpolated (scikit-learn's ``average_precision_score``);
- ``ap_voc2010``: the area below e, over all points (Pascal VOC from 2010 on);
- ``ap_voc2007``: the mean of e at the recalls 0, 0.1 ... 1 (Pascal VOC up to 2009; Everingham et al. 2010).
"""

from __future__ import annotations

from typing import Literal, NamedTuple, get_args

import numpy as np
import torch
from torch import Tensor
from torchmetrics import Metric
from torchmetrics.utilities import dim_zero_cat

from shapebias.errors import UserError, unknown

Kind = Literal["ap", "ap_voc2010", "ap_voc2007"]
_CELLS = 1 << 22  # of counts held at once, images x resamples


class MeanAP(NamedTuple):
    """Mean AP over the classes that have a positive; ``per_class`` (k,) is NaN for the ``absent`` ones."""

    value: float
    per_class: np.ndarray
    absent: int


class _Ranking(NamedTuple):
    """A class's images by falling score, down to the last positive, in steps that each end at a threshold."""

    images: np.ndarray  # numbers of the images
    starts: np.ndarray  # of each step among ``images``; every step has a positive
    positives: np.ndarray  # numbers of the positive images
    firsts: np.ndarray  # the first of each step among ``positives``


def ap(scores: np.ndarray, truth: np.ndarray, counts: np.ndarray | None = None) -> float:
    """Average precision, not interpolated, of one class; NaN without a positive.

    Args:
        scores: (n,), higher for images that more likely show the class.
        truth: (n,) bool, whether they do.
        counts: (n,) bool; an image where it is False counts neither way (VOC's "difficult"). Default: all count.

    Raises:
        ValueError: other shapes or types.
        UserError: scores that are NaN.
    """
    return _single(scores, truth, counts, "ap")


def ap_voc2010(scores: np.ndarray, truth: np.ndarray, counts: np.ndarray | None = None) -> float:
    """Average precision by the envelope of the precision at all points; see ``ap``."""
    return _single(scores, truth, counts, "ap_voc2010")


def ap_voc2007(scores: np.ndarray, truth: np.ndarray, counts: np.ndarray | None = None) -> float:
    """Average precision by the envelope of the precision at 11 recalls; see ``ap``."""
    return _single(scores, truth, counts, "ap_voc2007")


def mean_average_precision(scores: np.ndarray, truth: np.ndarray, counts: np.ndarray | None, kind: Kind) -> MeanAP:
    """Mean over classes of the average precision of one ``kind``; NaN if no class has a positive.

    Args:
        scores: (n, k), higher for images that more likely show the class.
        truth: (n, k) bool, whether they do.
        counts: (n, k) bool; an image where it is False counts neither way for that class. None: all count.
        kind: see above.

    Raises:
        ValueError: other shapes or types.
        UserError: scores that are NaN, or an unknown kind.
    """
    rankings = _rankings(scores, truth, counts, kind)
    once = np.ones((len(scores), 1), dtype=np.int32)
    per_class = np.array([_areas(ranking, once, kind)[0] for ranking in rankings])
    absent = np.isnan(per_class)
    value = float(per_class[~absent].mean()) if not absent.all() else float("nan")
    return MeanAP(value, per_class, int(absent.sum()))


def resampled_map(
    scores: np.ndarray, truth: np.ndarray, counts: np.ndarray | None, kind: Kind, *, seed: int, resamples: int = 2000
) -> np.ndarray:
    """The mean AP of ``resamples`` draws with replacement of as many images, (resamples,).

    A draw's mean is over the classes with a positive in it, NaN if there is none. The draws depend on the seed and the
    numbers of images and resamples alone, so those of two networks on the same images are paired.
    See ``mean_average_precision`` for the arguments and errors.
    """
    rankings = _rankings(scores, truth, counts, kind)
    n, rng = len(scores), np.random.default_rng(seed)
    if n == 0:
        return np.full(resamples, np.nan)
    at_once = max(1, _CELLS // n)
    values = []
    for start in range(0, resamples, at_once):
        drawn = rng.multinomial(n, np.full(n, 1 / n), size=min(at_once, resamples - start))
        times = np.ascontiguousarray(drawn.T, dtype=np.int32)  # images first: a class gathers whole rows
        areas = np.stack([_areas(ranking, times, kind) for ranking in rankings])
        present = ~np.isnan(areas)
        with np.errstate(invalid="ignore"):
            values.append(np.where(present, areas, 0).sum(0) / present.sum(0))
    return np.concatenate(values)


def bootstrap_map(
    scores: np.ndarray, truth: np.ndarray, counts: np.ndarray | None, kind: Kind, *, seed: int, resamples: int = 2000
) -> tuple[float, float] | None:
    """The 95 % interval of the mean AP, resampling images; None if no draw has a positive.

    Percentiles of the draws (``resampled_map``) less their bias: with images drawn twice, tied positives raise the AP
    of small sets by several points, so that the plain percentiles would hardly hold the value itself.
    """
    values = resampled_map(scores, truth, counts, kind, seed=seed, resamples=resamples)
    return less_bias(values, mean_average_precision(scores, truth, counts, kind).value, 0.0, 1.0)


def less_bias(draws: np.ndarray, value: float, lowest: float, highest: float) -> tuple[float, float] | None:
    """The 2.5 and 97.5 percentiles of what is defined of ``draws`` (n,), less how far their mean is above ``value``.

    They are cut to between ``lowest`` and ``highest``; None where no draw is defined.
    """
    draws = draws[~np.isnan(draws)]
    if not len(draws):
        return None
    low, high = np.clip(np.percentile(draws, [2.5, 97.5]) - (draws.mean() - value), lowest, highest)
    return float(low), float(high)


def _single(scores: np.ndarray, truth: np.ndarray, counts: np.ndarray | None, kind: Kind) -> float:
    scores, truth = np.asarray(scores), np.asarray(truth)
    counts = None if counts is None else np.asarray(counts)[..., None]
    return mean_average_precision(scores[..., None], truth[..., None], counts, kind).value


def _rankings(scores: np.ndarray, truth: np.ndarray, counts: np.ndarray | None, kind: str) -> list[_Ranking]:
    """One per class, of checked arguments."""
    if kind not in get_args(Kind):
        raise unknown("kind of average precision", kind, get_args(Kind))
    scores, truth = np.asarray(scores, dtype=np.float64), np.asarray(truth)
    counts = np.ones(truth.shape, dtype=bool) if counts is None else np.asarray(counts)
    if scores.ndim != 2 or not scores.shape == truth.shape == counts.shape or scores.shape[1] == 0:
        raise ValueError(
            f"scores, truth and counts must be of one shape, not {scores.shape}, {truth.shape} and {counts.shape}"
        )
    if truth.dtype != bool or counts.dtype != bool:  # VOC's -1 would be taken for true
        raise ValueError(f"truth and counts must be bool, not {truth.dtype} and {counts.dtype}")
    if rows := int(np.isnan(scores).any(1).sum()):
        raise UserError(f"the scores of {rows} of {len(scores)} images hold NaN: mend the network that gave them")
    return [_ranked(*columns) for columns in zip(scores.T, truth.T, counts.T, strict=True)]


def _ranked(scores: np.ndarray, truth: np.ndarray, counts: np.ndarray) -> _Ranking:
    kept = np.flatnonzero(counts)
    order = kept[np.argsort(-scores[kept], kind="stable")]
    sorted_scores, rows = scores[order], np.flatnonzero(truth[order])
    ends = np.flatnonzero(np.append(sorted_scores[1:] != sorted_scores[:-1], True)) + 1  # where ties end
    # between positives the recall stays and the precision falls: their thresholds are all that any kind asks for
    ends = ends[np.unique(np.searchsorted(ends, rows, side="right"))]
    starts = np.append(0, ends)[: len(ends)]
    return _Ranking(order[: ends[-1] if len(ends) else 0], starts, order[rows], np.searchsorted(rows, starts))


def _areas(ranking: _Ranking, times: np.ndarray, kind: Kind) -> np.ndarray:
    """AP (draws,) of one class where image i comes ``times[i]`` (n, draws) times; NaN without a positive."""
    if not len(ranking.starts):
        return np.full(times.shape[1], np.nan)
    found = np.add.reduceat(times[ranking.positives], ranking.firsts, axis=0, dtype=np.int64).cumsum(0)
    seen = np.add.reduceat(times[ranking.images], ranking.starts, axis=0, dtype=np.int64).cumsum(0)
    total = found[-1]
    precision = found / np.maximum(seen, 1)
    if kind != "ap":
        precision = np.maximum.accumulate(precision[::-1])[::-1]
    if kind == "ap_voc2007":
        draws = np.arange(times.shape[1])
        reached = [(10 * found < tenth * total).sum(0) for tenth in range(11)]  # whole numbers: 0.3 is reached exactly
        area = sum(precision[row, draws] for row in reached) / 11
    else:
        area = (np.diff(found, axis=0, prepend=0) * precision).sum(0) / np.maximum(total, 1)
    return np.where(total > 0, area, np.nan)


class MultilabelAveragePrecision(Metric):
    """Mean AP over the classes that have a positive.

    ``update(outputs, truth, counts)`` takes scores (N, K) of any floating-point type, logits or probabilities, and
    bool (N, K) as ``mean_average_precision`` does. ``compute`` gives a float32 scalar, NaN without a positive. Scores
    are kept as float32, 8 bytes per image and class, and gathered over ranks; a rank may have seen no image.

    Args:
        kind: ap, ap_voc2010 or ap_voc2007.

    Example:
        >>> metric = MultilabelAveragePrecision("ap")
        >>> scores = torch.tensor([[0.9, 0.2], [0.8, 0.6], [0.7, 0.1]])
        >>> metric.update(scores, torch.tensor([[True, False], [False, True], [True, False]]))
        >>> metric.compute()  # (1/1 + 2/3) / 2 and 1
        tensor(0.9167)
    """

    is_differentiable = False
    higher_is_better = True
    full_state_update = True  # or forward would not see batches of another number of classes
    scores: list[Tensor]
    labels: list[Tensor]
    classes: Tensor

    def __init__(self, kind: Kind = "ap", **kwargs: object) -> None:
        super().__init__(**kwargs)
        if kind not in get_args(Kind):
            raise unknown("kind of average precision", kind, get_args(Kind))
        self.kind: Kind = kind
        # flat and of one type: what torchmetrics gathers in place of nothing from a rank without images
        self.add_state("scores", [], dist_reduce_fx="cat")
        self.add_state("labels", [], dist_reduce_fx="cat")  # 1 positive, 0 negative, -1 neither
        self.add_state("classes", torch.tensor(0), dist_reduce_fx="max")

    def update(self, outputs: Tensor, truth: Tensor, counts: Tensor | None = None) -> None:
        """Keep the scores and labels of a batch.

        Raises:
            ValueError: other shapes or types, or another number of classes than before.
        """
        counts = torch.ones_like(truth, dtype=torch.bool) if counts is None else counts
        if outputs.ndim != 2 or not outputs.shape == truth.shape == counts.shape or not outputs.is_floating_point():
            shapes = ", ".join(str(tuple(part.shape)) for part in (outputs, truth, counts))
            raise ValueError(f"outputs (floating point), truth and counts must be (N, classes) each, not {shapes}")
        if truth.dtype != torch.bool or counts.dtype != torch.bool:
            raise ValueError(f"truth and counts must be bool, not {truth.dtype} and {counts.dtype}")
        if int(self.classes) not in (0, outputs.shape[1]):
            raise ValueError(f"outputs for {outputs.shape[1]} classes after outputs for {int(self.classes)}")
        self.classes.fill_(outputs.shape[1])
        self.scores.append(outputs.detach().flatten().to(self.dtype))
        self.labels.append(truth.to(self.dtype).where(counts, -1.0).flatten())

    def compute(self) -> Tensor:
        """Mean AP, a scalar in [0, 1]; NaN without a positive."""
        classes, value = int(self.classes), float("nan")
        if classes:
            scores, labels = (
                dim_zero_cat(state).reshape(-1, classes).double().cpu().numpy() for state in (self.scores, self.labels)
            )
            value = mean_average_precision(scores, labels == 1, labels >= 0, self.kind).value
        return torch.tensor(value, device=self.classes.device)
