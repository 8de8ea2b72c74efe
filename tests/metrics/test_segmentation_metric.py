"""Intersection over union against counting pixel by pixel, and against another library."""

from __future__ import annotations

import math

import numpy as np
import pytest
import torch

from shapebias.errors import UserError
from shapebias.metrics import SegmentationIoU
from shapebias.metrics.functional.segmentation import confusion_matrix, iou, miou_difference, miou_interval


def drawn(seed=0, shape=(3, 17, 23), classes=6, void=0.1):
    rng = np.random.default_rng(seed)
    truth, prediction = rng.integers(0, classes, (2, *shape)).astype(np.uint8)
    prediction = np.where(rng.random(shape) < 0.4, truth, prediction)
    truth[rng.random(shape) < void] = 255
    return torch.from_numpy(truth), torch.from_numpy(prediction)


def counted(truth, prediction, classes):
    matrix = np.zeros((classes, classes), dtype=np.int64)
    for t, p in zip(truth.flatten().tolist(), prediction.flatten().tolist(), strict=True):
        if t != 255:
            matrix[t, p] += 1
    return matrix


@pytest.mark.parametrize("shape", [(1,), (13,), (5, 7), (2, 31, 1), (3, 17, 23)])
def test_the_matrix_counts_pixel_by_pixel(shape):
    truth, prediction = drawn(1, shape)
    found = confusion_matrix(truth, prediction, 6)
    assert found.dtype == torch.int64
    np.testing.assert_array_equal(found.numpy(), counted(truth, prediction, 6))


@pytest.mark.parametrize("dtype", [torch.uint8, torch.int16, torch.int32, torch.int64])
def test_every_whole_type_counts_alike(dtype):
    """21 classes: 20 * 21 + 20 does not fit 8 bits."""
    truth, prediction = drawn(2, classes=21)
    found = confusion_matrix(truth.to(dtype), prediction.long(), 21)
    np.testing.assert_array_equal(found.numpy(), counted(truth, prediction, 21))


def test_iou_is_that_of_sets_of_pixels():
    truth, prediction = drawn(3)
    prediction[prediction == 4] = 0  # true and never predicted
    truth[truth == 5] = 255  # predicted and never true
    found = iou(confusion_matrix(truth, prediction, 7))  # 6 is neither
    kept = (truth != 255).numpy()
    t, p = truth.numpy()[kept], prediction.numpy()[kept]
    expected = [((t == c) & (p == c)).sum() / ((t == c) | (p == c)).sum() for c in range(6)]
    np.testing.assert_allclose(found.per_class[:6], expected, rtol=1e-12)
    assert found.per_class[4] == found.per_class[5] == 0
    assert math.isnan(found.per_class[6]) and found.absent == 1
    assert found.mean == pytest.approx(np.mean(expected))
    assert found.pixel_accuracy == pytest.approx((t == p).mean())


def test_iou_is_that_of_another_library():
    from torchmetrics.functional.classification import multiclass_jaccard_index  # after ours, which mend torchvision

    truth, prediction = drawn(4)
    oracle = multiclass_jaccard_index(prediction.long(), truth.long(), 6, average=None, ignore_index=255)
    np.testing.assert_allclose(iou(confusion_matrix(truth, prediction, 6)).per_class, oracle.numpy(), rtol=1e-6)


def test_perfect_and_empty_sets():
    truth, _ = drawn(5)
    perfect = iou(confusion_matrix(truth, truth.where(truth != 255, 200), 6))  # anything may stand where nothing counts
    assert perfect.mean == perfect.pixel_accuracy == 1 and perfect.absent == 0
    void = iou(confusion_matrix(torch.full((4, 4), 255), torch.zeros(4, 4, dtype=torch.int64), 6))
    assert math.isnan(void.mean) and math.isnan(void.pixel_accuracy) and void.absent == 6


def test_another_label_may_be_the_ignored_one():
    truth = torch.tensor([0, 1, -100, 1])
    assert confusion_matrix(truth, torch.tensor([0, 1, 1, 0]), 2, ignore=-100).tolist() == [[1, 0], [1, 1]]


@pytest.mark.parametrize(
    ("truth", "prediction", "message"),
    [
        ([0, 21, 1], [0, 0, 0], "label 21 is no class: 21 classes have the numbers 0 to 20 and 255 for ignored"),
        ([0, -1, 1], [0, 0, 0], "label -1 is no class"),
        ([0, 1, 1], [0, 255, 0], "prediction 255 is no class: 21 classes have the numbers 0 to 20"),
        ([0, 1, 1], [0, -3, 0], "prediction -3 is no class"),
        ([0, 1, 1], [0, 1], r"labels are \(3,\) but predictions \(2,\)"),
        ([0, 1], [0.2, 0.8], "predictions are torch.float32: give whole numbers"),
        ([0.0, 1.0], [0, 1], "labels are torch.float32"),
    ],
)
def test_what_is_no_pair_of_masks_is_refused_in_one_line(truth, prediction, message):
    with pytest.raises(UserError, match=message) as error:
        confusion_matrix(torch.tensor(truth), torch.tensor(prediction), 21)
    assert "\n" not in str(error.value)


def test_only_a_square_matrix_has_an_iou():
    with pytest.raises(ValueError, match="is \\(classes, classes\\), not"):
        iou(np.zeros((3, 4)))


def test_the_metric_is_one_matrix_over_all_batches():
    truth, prediction = drawn(6, (9, 8, 7))
    metric = SegmentationIoU(classes=7)
    for rows in (slice(0, 2), slice(2, 9)):
        metric(prediction[rows], truth[rows])
    whole = confusion_matrix(truth, prediction, 7)
    assert torch.equal(metric.confusion, whole)
    assert float(metric.compute()) == pytest.approx(iou(whole).mean)
    other = SegmentationIoU(classes=7)
    other.update(prediction, truth)
    metric.merge_state(other)
    assert torch.equal(metric.confusion, 2 * whole)


def test_swapped_arguments_do_not_pass_where_pixels_are_ignored():
    truth, prediction = drawn(7)
    with pytest.raises(UserError, match="prediction 255 is no class"):
        SegmentationIoU(6).update(truth, prediction)


@pytest.mark.filterwarnings("ignore:The ``compute`` method of metric:UserWarning")
def test_before_any_pixel_it_is_nan():
    assert SegmentationIoU(3).compute().isnan()


def test_the_interval_is_that_of_naive_resampling():
    """The same means over draws of the matrices, made one by one with another generator: equal up to its noise."""
    n, classes = 40, 4
    rng = np.random.default_rng(0)
    matrices = rng.integers(0, 50, (n, classes, classes)) + 40 * rng.random((n, 1, 1)) * np.eye(classes)
    matrices = matrices.astype(np.int64)
    values = [iou(matrices[rng.integers(0, n, n)].sum(0)).mean for _ in range(4000)]
    interval = miou_interval(matrices, seed=0, resamples=4000)
    assert interval is not None
    width = np.percentile(values, 97.5) - np.percentile(values, 2.5)
    bias = np.mean(values) - iou(matrices.sum(0)).mean
    np.testing.assert_allclose(interval, np.percentile(values, [2.5, 97.5]) - bias, atol=0.08 * width)
    assert (
        interval == miou_interval(matrices, seed=0, resamples=4000) != miou_interval(matrices, seed=1, resamples=4000)
    )


def test_a_draw_without_a_class_takes_the_mean_of_the_others():
    """Two images, each of one class alone and right: every draw's mean is 1, whichever is missing from it."""
    matrices = np.zeros((2, 3, 3), dtype=np.int64)
    matrices[0, 0, 0], matrices[1, 1, 1] = 5, 7
    assert miou_interval(matrices, seed=0, resamples=50) == (1, 1)
    assert miou_interval(np.zeros((2, 3, 3), dtype=np.int64), seed=0, resamples=50) is None
    assert miou_interval(np.zeros((0, 3, 3), dtype=np.int64), seed=0, resamples=50) is None


def test_a_class_never_found_that_draws_may_lack_does_not_lift_the_interval():
    """One image of twenty has the class, and a third of the draws has not: their mean is over the others."""
    rng = np.random.default_rng(3)
    matrices = np.zeros((20, 2, 2), dtype=np.int64)
    matrices[:, 0, 0], matrices[0, 1, 0] = 90, 30  # all is taken for class 0
    drawn = rng.integers(0, 20, (4000, 20))
    values = np.array([iou(matrices[rows].sum(0)).mean for rows in drawn])
    value, lifted = iou(matrices.sum(0)).mean, values.mean()
    assert value < 0.5 < lifted and np.percentile(values, 97.5) == 1
    low, high = miou_interval(matrices, seed=0, resamples=4000) or (np.nan, np.nan)
    assert low < value < high and high == pytest.approx(1 - (lifted - value), abs=0.02)


def reference_miou(matrix):
    """Mean IoU class by class, in plain numbers."""
    shares = []
    for c in range(len(matrix)):
        union = sum(matrix[c]) + sum(matrix[:, c]) - matrix[c, c]
        if union > 0:
            shares.append(matrix[c, c] / union)
    return sum(shares) / len(shares)


def seeds_of(rng, seeds, n=25, shift=0):
    """(seeds, n, 4, 4): the true classes are each image's own, class 2 in one image of five, class 3 in none."""
    matrices = rng.integers(0, 50, (seeds, n, 4, 4)) + shift * np.eye(4, dtype=int)
    there = np.ones((n, 4), dtype=int)
    there[np.arange(n) % 5 > 0, 2] = there[:, 3] = 0
    return matrices * there[:, :, None] * there[:, None, :]


@pytest.mark.parametrize(("seeds_a", "seeds_b"), [(1, 1), (3, 1), (2, 4)])
def test_the_difference_is_that_of_naive_resampling_of_the_same_images(seeds_a, seeds_b):
    rng = np.random.default_rng(7)
    a, b = seeds_of(rng, seeds_a, shift=20), seeds_of(rng, seeds_b)

    def expected(rows):
        one, other = (sum(reference_miou(m[rows].sum(0)) for m in stack) / len(stack) for stack in (a, b))
        return one - other

    value, interval = miou_difference(a, b, seed=0)
    assert value == pytest.approx(expected(np.arange(25)))
    naive = [expected(rng.integers(0, 25, 25)) for _ in range(2000)]
    low, high = np.percentile(naive, [2.5, 97.5]) - (np.mean(naive) - value)
    assert interval == pytest.approx((low, high), abs=0.15 * (high - low))
    back, turned = miou_difference(b, a, seed=0)
    assert back == pytest.approx(-value) and turned == pytest.approx((-high, -low), abs=0.15 * (high - low))


def test_a_network_does_not_differ_from_itself_however_often_it_is_given():
    a = seeds_of(np.random.default_rng(8), 2)
    assert miou_difference(a, a, seed=0) == (0, (0, 0))
    value, interval = miou_difference(a[:1], a[[0, 0, 0]], seed=0)
    assert value == pytest.approx(0, abs=1e-12) and interval == pytest.approx((0, 0), abs=1e-12)


def test_a_class_that_a_draw_lacks_has_no_say_in_its_difference():
    """One network is right in both images, the other in the first alone: 1 - 1, 1 - (1 + 0) / 3 or 1 - 0 by draw."""
    a, b = np.zeros((2, 1, 2, 3, 3), dtype=np.int64)
    a[0, 0, 0, 0], a[0, 1, 1, 1] = 5, 7
    b[0, 0, 0, 0], b[0, 1, 1, 2] = 5, 7  # the second image's class 1 is taken for 2
    value, interval = miou_difference(a, b, seed=0)
    bias = (0 + 1 + 2 / 3 + 2 / 3) / 4 - value
    assert value == pytest.approx(1 - 1 / 3) and interval == pytest.approx((0 - bias, 1), abs=0.01)  # 1 - bias is cut
    assert miou_difference(np.zeros((1, 2, 3, 3)), np.zeros((2, 2, 3, 3)), seed=0)[1] is None
