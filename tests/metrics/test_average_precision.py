"""Average precision in its three kinds, against its definition written out, and the bootstrap against copied images."""

from __future__ import annotations

import math
from typing import get_args

import numpy as np
import pytest
import torch

from shapebias.errors import UserError
from shapebias.metrics import MultilabelAveragePrecision
from shapebias.metrics.functional.average_precision import (
    Kind,
    average_precision,
    mean_ap_draws,
    mean_ap_interval,
    mean_average_precision,
)
from shapebias.stats import bootstrap
from shapebias.stats.streams import Draw, stream

KINDS = get_args(Kind)


def by_thresholds(scores, truth, kind):
    """The definition: recall and precision of "score >= threshold" at every distinct score."""
    shown = [scores >= threshold for threshold in sorted(set(scores), reverse=True)]
    points = [(truth[s].sum(), truth[s].mean()) for s in shown]  # whole recalls, precisions
    positives = truth.sum()
    if kind == "ap":
        steps = zip([(0, 0.0), *points], points, strict=False)
        return sum((found - before) * precision for (before, _), (found, precision) in steps) / positives

    def best(tenths):
        return max(precision for found, precision in points if found * 10 >= tenths)

    if kind == "ap_voc2010":
        return sum(best(10 * found) for found in range(1, positives + 1)) / positives
    return sum(best(tenth * positives) for tenth in range(11)) / 11


def drawn(seed, n=60, k=5, levels=None, share=0.3):
    rng = np.random.default_rng(seed)
    scores = rng.normal(size=(n, k)) if levels is None else rng.integers(0, levels, (n, k)).astype(float)
    return scores, rng.random((n, k)) < share, rng.random((n, k)) < 0.8


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("levels", [None, 1, 2, 7])
def test_every_kind_is_its_definition(kind, levels):
    for seed in range(20):
        scores, truth, valid = drawn(seed, 40, 1, levels)
        scores, truth, valid = scores[:, 0], truth[:, 0], valid[:, 0]
        expected = by_thresholds(scores[valid], truth[valid], kind)
        assert average_precision(scores, truth, valid, kind) == pytest.approx(expected, rel=1e-12)


def test_ap_is_that_of_another_library():
    from torchmetrics.functional.classification import binary_average_precision  # after ours, which mend torchvision

    for seed in range(10):
        scores, truth, _ = drawn(seed, 50, 1, levels=None if seed % 2 else 9)
        scores, truth = scores[:, 0], truth[:, 0]
        oracle = binary_average_precision(torch.tensor(scores).sigmoid(), torch.tensor(truth).long())
        assert average_precision(scores, truth) == pytest.approx(float(oracle), rel=1e-5)


def test_ap_is_scikit_learns():
    sklearn = pytest.importorskip("sklearn.metrics")
    for seed in range(20):
        scores, truth, _ = drawn(seed, 50, 1, levels=None if seed % 2 else 9)
        assert average_precision(scores[:, 0], truth[:, 0]) == pytest.approx(
            sklearn.average_precision_score(truth[:, 0], scores[:, 0]), rel=1e-12
        )


def test_kinds_computed_by_hand():
    """In the order of the scores + - - + +: precisions 1, 2/4, 3/5 at the recalls 1/3, 2/3, 1."""
    scores, truth = np.array([5.0, 4, 3, 2, 1]), np.array([True, False, False, True, True])
    assert average_precision(scores, truth) == pytest.approx((1 + 1 / 2 + 3 / 5) / 3)
    assert average_precision(scores, truth, kind="ap_voc2010") == pytest.approx((1 + 3 / 5 + 3 / 5) / 3)
    eleven = (4 * 1 + 7 * 3 / 5) / 11  # recalls 0 to 0.3, and 0.4 to 1
    assert average_precision(scores, truth, kind="ap_voc2007") == pytest.approx(eleven)


def test_tied_images_enter_together():
    """Positive and negative of one score: the precision 1 that either could have alone is never reached."""
    scores, truth = np.array([2.0, 2.0, 1.0]), np.array([True, False, True])
    for order in ([0, 1, 2], [1, 0, 2], [2, 1, 0]):
        assert average_precision(scores[order], truth[order]) == pytest.approx((1 / 2 + 2 / 3) / 2)
        assert average_precision(scores[order], truth[order], kind="ap_voc2010") == pytest.approx(2 / 3)
        assert average_precision(scores[order], truth[order], kind="ap_voc2007") == pytest.approx(2 / 3)


def test_a_recall_of_exactly_three_tenths_is_reached():
    """3 * 0.1 is more than 0.3 in floating point."""
    truth = np.array([True] * 3 + [False] * 90 + [True] * 7)
    assert average_precision(-np.arange(100.0), truth, kind="ap_voc2007") == pytest.approx((4 * 1 + 7 * 10 / 100) / 11)


@pytest.mark.parametrize("kind", KINDS)
def test_only_the_order_of_the_scores_matters(kind):
    scores, truth, valid = (part[:, 0] for part in drawn(3, levels=12))
    value, shuffled = average_precision(scores, truth, valid, kind), np.random.default_rng(0).permutation(len(scores))
    assert average_precision(scores[shuffled], truth[shuffled], valid[shuffled], kind) == pytest.approx(
        value, rel=1e-12
    )
    assert average_precision(np.exp(scores / 3), truth, valid, kind) == pytest.approx(value, rel=1e-12)
    infinite = np.where(scores == scores.max(), np.inf, np.where(scores == scores.min(), -np.inf, scores))
    assert average_precision(infinite, truth, valid, kind) == pytest.approx(value, rel=1e-12)
    assert average_precision(truth.astype(float), truth, valid, kind) == 1


@pytest.mark.parametrize("kind", KINDS)
def test_without_a_positive_it_is_undefined(kind):
    assert math.isnan(average_precision(np.array([1.0, 2.0]), np.array([False, False]), kind=kind))
    assert math.isnan(average_precision(np.array([1.0, 2.0]), np.array([False, True]), np.array([True, False]), kind))
    assert math.isnan(average_precision(np.array([]), np.array([], dtype=bool), kind=kind))


def test_the_mean_is_over_classes_with_a_positive():
    scores, truth, valid = drawn(0)
    truth[:, 1] = False
    valid[:, 3] = ~truth[:, 3]  # all its positives are difficult
    found = mean_average_precision(scores, truth, valid, "ap")
    assert np.isnan(found.per_class).tolist() == [False, True, False, True, False]
    assert found.absent == 2
    assert found.per_class[4] == pytest.approx(average_precision(scores[:, 4], truth[:, 4], valid[:, 4]))
    assert found.value == pytest.approx(np.mean(found.per_class[[0, 2, 4]]))
    nothing = mean_average_precision(scores, np.zeros_like(truth), None, "ap")
    assert math.isnan(nothing.value) and nothing.absent == 5


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("levels", [None, 6])
def test_a_draw_is_the_mean_ap_of_its_copied_images(kind, levels):
    n, resamples = 25, 40
    scores, truth, valid = drawn(1, n, 4, levels, share=0.15)
    truth[:, 2] = np.arange(n) == 7  # missing from a third of the draws
    values = mean_ap_draws(scores, truth, valid, kind, seed=5, resamples=resamples)
    times = stream(Draw.RESAMPLES, 5).multinomial(n, np.full(n, 1 / n), size=resamples)
    for value, copies in zip(values, times, strict=True):
        rows = np.repeat(np.arange(n), copies)
        expected = []
        for c in range(4):
            kept = rows[valid[rows, c]]
            if truth[kept, c].any():
                expected.append(by_thresholds(scores[kept, c], truth[kept, c], kind))
        assert value == pytest.approx(np.mean(expected), rel=1e-12)
    bias = values.mean() - mean_average_precision(scores, truth, valid, kind).value
    assert mean_ap_interval(scores, truth, valid, kind, seed=5, resamples=resamples) == pytest.approx(
        tuple(np.clip(np.percentile(values, [2.5, 97.5]) - bias, 0, 1))
    )


@pytest.mark.parametrize("kind", KINDS)
def test_of_few_images_with_rare_classes_the_interval_holds_the_value(kind):
    rng = np.random.default_rng(0)
    truth = rng.random((160, 20)) < 0.05
    scores = rng.normal(size=(160, 20)) + truth
    value = mean_average_precision(scores, truth, None, kind).value
    low, high = mean_ap_interval(scores, truth, None, kind, seed=0, resamples=200)
    assert low + 0.25 * (high - low) < value < high - 0.25 * (high - low)


def test_the_interval_holds_the_mean_and_follows_the_seed():
    scores, truth, valid = drawn(2, 300, 6)
    scores += truth
    interval = mean_ap_interval(scores, truth, valid, "ap", seed=0, resamples=300)
    assert interval == mean_ap_interval(scores, truth, valid, "ap", seed=0, resamples=300)
    assert interval != mean_ap_interval(scores, truth, valid, "ap", seed=1, resamples=300)
    low, high = interval
    assert low < mean_average_precision(scores, truth, valid, "ap").value < high < low + 0.2


def test_blocks_of_draws_change_nothing(monkeypatch):
    scores, truth, valid = drawn(4)
    whole = mean_ap_draws(scores, truth, valid, "ap", seed=0, resamples=50)
    monkeypatch.setattr(bootstrap, "_CELLS", 7 * len(scores))
    np.testing.assert_array_equal(mean_ap_draws(scores, truth, valid, "ap", seed=0, resamples=50), whole)


def test_there_is_no_interval_of_nothing():
    scores, truth, _ = drawn(0)
    assert mean_ap_interval(scores, np.zeros_like(truth), None, "ap", seed=0, resamples=20) is None
    assert mean_ap_interval(scores[:0], truth[:0], None, "ap", seed=0, resamples=20) is None


def test_what_is_no_ranking_is_refused():
    scores, truth, _ = drawn(0)
    with pytest.raises(ValueError, match="one shape"):
        mean_average_precision(scores, truth[:, :2], None, "ap")
    with pytest.raises(ValueError, match="bool"):
        mean_average_precision(scores, np.where(truth, 1, -1), None, "ap")
    with pytest.raises(UserError, match="the scores of 2 of 60 images hold NaN"):
        holes = scores.copy()
        holes[[3, 3, 9], [0, 1, 0]] = np.nan
        mean_average_precision(holes, truth, None, "ap")
    with pytest.raises(UserError, match="did you mean 'ap_voc2010'"):
        mean_average_precision(scores, truth, None, "voc2010")
    with pytest.raises(UserError, match="unknown kind"):
        MultilabelAveragePrecision("map")


def updated(kind, rows):
    metric = MultilabelAveragePrecision(kind)
    scores, truth, valid = (torch.from_numpy(part)[rows] for part in drawn(6))
    for batch in torch.arange(len(scores)).split(7):
        metric.update(scores[batch].float(), truth[batch], valid[batch])
    return metric


@pytest.mark.parametrize("kind", KINDS)
def test_the_metric_is_the_function_over_all_batches(kind):
    scores, truth, valid = drawn(6)
    expected = mean_average_precision(scores.astype(np.float32), truth, valid, kind).value
    assert float(updated(kind, slice(None)).compute()) == pytest.approx(expected, rel=1e-6)


@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float16])
def test_half_precision_scores_are_kept_as_they_are(dtype):
    scores, truth, _ = (torch.from_numpy(part) for part in drawn(6))
    metric = MultilabelAveragePrecision("ap")
    first = metric(scores[:20].to(dtype), truth[:20])  # of the batch, and adds it
    assert first == pytest.approx(
        mean_average_precision(scores[:20].to(dtype).float().numpy(), truth[:20].numpy(), None, "ap").value
    )
    metric(scores[20:].to(dtype), truth[20:])
    expected = mean_average_precision(scores.to(dtype).float().numpy(), truth.numpy(), None, "ap").value
    assert metric.compute() == pytest.approx(expected)


def test_batches_that_do_not_fit_are_refused():
    metric = updated("ap", slice(None))
    with pytest.raises(ValueError, match="outputs for 3 classes after outputs for 5"):
        metric.update(torch.rand(4, 3), torch.ones(4, 3, dtype=torch.bool))
    with pytest.raises(ValueError, match="must be bool"):
        metric.update(torch.rand(4, 5), torch.ones(4, 5))
    with pytest.raises(ValueError, match=r"\(N, classes\) each"):
        metric.update(torch.rand(4, 5), torch.ones(4, dtype=torch.bool))


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric:UserWarning")
def test_before_any_image_it_is_nan():
    assert MultilabelAveragePrecision("ap").compute().isnan()


def over_ranks(*metrics):
    """What each rank computes, of tensors gathered as between processes, where they must agree in type and axes."""
    sent = []
    for metric in metrics:
        metric.distributed_available_fn = lambda: True
        metric.dist_sync_fn = lambda tensor, group: [sent[-1].append(tensor) or tensor]
        sent.append([])
        metric.compute()
        metric._computed = None
    for parts in zip(*sent, strict=True):
        assert len({(part.dtype, part.ndim) for part in parts}) == 1
    found = []
    for metric in metrics:
        gathered = iter(zip(*sent, strict=True))
        metric.dist_sync_fn = lambda tensor, group, gathered=gathered: list(next(gathered))
        found.append(metric.compute())
    return found


def test_ranks_are_one_process():
    whole = updated("ap", slice(None)).compute()
    assert over_ranks(updated("ap", slice(0, 41)), updated("ap", slice(41, None))) == [whole, whole]
    empty = MultilabelAveragePrecision("ap")
    empty._update_count = 1  # as after a last batch that held none of this rank's
    assert over_ranks(empty, updated("ap", slice(None))) == [whole, whole]
