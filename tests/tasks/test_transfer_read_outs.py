"""Read-outs of frozen features against plain numpy, the losses, and the interval over seeds."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from scipy import optimize, stats
from scipy.special import expit, log_softmax, logsumexp

from shapebias.stats.intervals import t_quantile
from shapebias.tasks.classification.outputs import share_right, task_loss
from shapebias.tasks.classification.probe import fit_path, fit_probe, knn_scores


def features(n: int = 40, d: int = 5, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(n, d)) * [1, 10, 0.1, 3, 1][:d] + 2


def several(n: int = 40, k: int = 3, seed: int = 1) -> np.ndarray:
    return np.random.default_rng(seed).integers(-1, 2, (n, k)).astype(np.int8)


def test_the_loss_of_one_class_is_the_cross_entropy():
    logits, targets = features(6, 4), np.array([0, 3, 1, 1, 2, 0])
    expected = -log_softmax(logits, axis=1)[np.arange(6), targets].mean()
    assert float(task_loss(torch.from_numpy(logits), torch.from_numpy(targets))) == pytest.approx(expected)


def test_what_counts_neither_way_has_no_say_in_the_loss_and_no_gradient():
    targets = several(8)
    logits = torch.from_numpy(features(8, 3)).requires_grad_()
    loss = task_loss(logits, torch.from_numpy(targets))
    loss.backward()
    values, counts = logits.detach().numpy(), targets >= 0
    each = np.where(targets == 1, np.logaddexp(0, -values), np.logaddexp(0, values))
    assert float(loss.detach()) == pytest.approx(each[counts].sum() / each.size)
    assert logits.grad is not None
    assert (logits.grad.numpy()[~counts] == 0).all() and (logits.grad.numpy()[counts] != 0).all()
    nothing = task_loss(torch.zeros(2, 3), torch.full((2, 3), -1))
    assert float(nothing) == 0
    with torch.no_grad():
        parts = [task_loss(logits[rows], torch.from_numpy(targets[rows])) for rows in (slice(4), slice(4, 8))]
    assert float(sum(parts)) / 2 == pytest.approx(float(loss.detach()))  # over parts and ranks as over the whole


def test_an_infinite_logit_of_what_counts_neither_way_changes_nothing():
    logits, targets = torch.tensor([[1.0, -torch.inf], [0.5, 2.0]]), torch.tensor([[1, -1], [0, 1]])
    logits.requires_grad_()
    loss = task_loss(logits, targets)
    loss.backward()
    assert loss.isfinite() and logits.grad is not None and logits.grad[0, 1] == 0


def test_the_share_right_counts_images_or_yes_and_no():
    assert float(share_right(torch.eye(3), torch.tensor([0, 1, 0]))) == pytest.approx(2 / 3)
    logits, targets = torch.tensor([[1.0, -1.0], [1.0, 1.0]]), torch.tensor([[1, 0], [0, -1]])
    assert float(share_right(logits, targets)) == pytest.approx(2 / 3)


def test_a_probe_is_the_minimum_that_scipy_finds():
    given, targets, l2 = features(), np.random.default_rng(2).integers(0, 3, 40), 0.05
    probe = fit_probe(given, targets, 3, l2)
    inputs = (given - given.mean(0)) / given.std(0)

    def loss(flat: np.ndarray) -> float:
        weight, bias = flat[:15].reshape(5, 3), flat[15:]
        logits = inputs @ weight + bias
        return (logsumexp(logits, axis=1) - logits[np.arange(40), targets]).mean() + l2 / 2 * (weight**2).sum()

    found = optimize.minimize(loss, np.zeros(18), options={"gtol": 1e-8})
    own = np.concatenate([probe.weight.ravel(), probe.bias])
    assert loss(own) <= found.fun + 1e-9
    np.testing.assert_allclose(probe.weight.ravel(), found.x[:15], atol=1e-4)


def test_a_probe_of_several_classes_has_a_gradient_of_zero():
    given, targets, l2 = features(), several(), 0.01
    probe = fit_probe(given, targets, 3, l2)
    inputs, counts = (given - probe.mean) / probe.std, targets >= 0
    wrong = (expit(probe(given)) - (targets == 1)) * counts / counts.size
    np.testing.assert_allclose(inputs.T @ wrong + l2 * probe.weight, 0, atol=1e-5)
    np.testing.assert_allclose(wrong.sum(0), 0, atol=1e-5)


def test_a_probe_does_not_depend_on_its_start_or_on_the_features_scale():
    given, targets = features(), np.arange(40) % 3
    path = fit_path(given, targets, 3, (1.0, 0.01))
    assert list(path) == [1.0, 0.01]
    cold = fit_probe(given, targets, 3, 0.01)
    np.testing.assert_allclose(path[0.01](given), cold(given), atol=1e-3)
    scaled = fit_probe(given * [1, 5, 0.2, 1, 100] - 7, targets, 3, 0.01)
    np.testing.assert_allclose(scaled(given * [1, 5, 0.2, 1, 100] - 7), cold(given), atol=1e-3)


def test_constant_features_do_no_harm():
    given = np.concatenate([features(), np.full((40, 1), 0.3, dtype=np.float64)], axis=1)
    targets = np.arange(40) % 2
    assert np.isfinite(fit_probe(given, targets, 2, 0.1)(given)).all()


def test_neighbours_are_weighed_as_the_definition_says():
    training, given, targets = features(30), features(7, seed=5), np.arange(30) % 4
    found = knn_scores(training, targets, given, 4, k=6)
    for row, one in zip(found, given, strict=True):
        cosine = np.array([one @ other / np.linalg.norm(one) / np.linalg.norm(other) for other in training])
        near = np.argsort(-cosine)[:6]
        weight = np.exp(cosine[near] / 0.07)
        expected = [weight[targets[near] == label].sum() / weight.sum() for label in range(4)]
        np.testing.assert_allclose(row, expected, rtol=1e-9)
    np.testing.assert_allclose(found.sum(1), 1)


def test_more_neighbours_than_there_are_is_all_of_them():
    training, given, targets = features(5), features(3, seed=4), np.array([0, 1, 1, 0, 1])
    assert (knn_scores(training, targets, given, 2) == knn_scores(training, targets, given, 2, k=5)).all()


def test_neighbours_that_count_neither_way_have_no_vote():
    training, given, targets = features(6), features(2, seed=4), several(6)
    found = knn_scores(training, targets, given, 3)
    for label in range(3):
        rows = targets[:, label] >= 0
        alone = knn_scores(training[rows], (targets[rows, label] == 1).astype(np.int64), given, 2)
        np.testing.assert_allclose(found[:, label], alone[:, 1], rtol=1e-9)


def test_blank_features_have_neighbours_too():
    found = knn_scores(np.zeros((4, 3)), np.array([0, 0, 1, 1]), np.zeros((2, 3)), 2)
    np.testing.assert_allclose(found, 0.5)


@pytest.mark.parametrize("freedom", [1, 2, 3, 4, 7, 10, 31])
def test_the_quantile_of_t_is_scipys(freedom):
    assert t_quantile(freedom) == pytest.approx(stats.t.ppf(0.975, freedom), rel=1e-9)
    assert t_quantile(freedom, 0.5) == pytest.approx(stats.t.ppf(0.75, freedom), rel=1e-9)
