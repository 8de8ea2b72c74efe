"""Neurons told apart by their own correlations: known ones are found, chance ones are not."""

from __future__ import annotations

import math

import pytest
import torch
from scipy import stats

from shapebias.evaluators.dimensionality.neurons import correlate_neurons, strongest_neurons, threshold
from shapebias.metrics.functional.moments import pair_moments

SHAPE, TEXTURE, WIDTH = range(30), range(30, 50), 200


def known_pairs(seed=0, count=400):
    """Both kinds of pairs: neurons 0-29 follow the shape, 30-49 the texture, the rest neither."""
    generator = torch.Generator().manual_seed(seed)
    found = []
    for own in (SHAPE, TEXTURE):
        a, b = torch.randn(2, count, WIDTH, generator=generator, dtype=torch.float64)
        columns = list(own)
        b[:, columns] = 0.6 * a[:, columns] + 0.8 * b[:, columns]
        found.append(pair_moments(a, b))
    return found


@pytest.mark.parametrize("seed", range(5))
def test_known_neurons_are_found(seed):
    found = correlate_neurons(*known_pairs(seed), samples=400)
    assert found.shape_neurons.nonzero().flatten().tolist() == list(SHAPE)
    assert found.texture_neurons.nonzero().flatten().tolist() == list(TEXTURE)


def test_by_chance_one_study_in_twenty_names_a_neuron():
    false = 0
    for seed in range(200):
        a, b = torch.randn(2, 2, 100, 50, generator=torch.Generator().manual_seed(seed), dtype=torch.float64)
        found = correlate_neurons(pair_moments(a[0], b[0]), pair_moments(a[1], b[1]), samples=100)
        false += int(found.shape_neurons.any() or found.texture_neurons.any())
    assert false <= 20  # 10 are expected, of 200


def test_the_threshold_is_fishers():
    z = stats.norm.isf(0.05 / (2 * 512))
    assert threshold(240, 512) == pytest.approx(math.tanh(z / math.sqrt(237)))
    assert threshold(3, 512) == 1.0


def test_the_strongest_are_listed_with_both_correlations():
    shape, texture = known_pairs()
    named = strongest_neurons(correlate_neurons(shape, texture, samples=400))
    for factor, own in (("shape", SHAPE), ("texture", TEXTURE)):
        assert len(named[factor]) == 10
        assert {one["neuron"] for one in named[factor]} <= set(own)
        values = [one[f"{factor}_correlation"] for one in named[factor]]
        assert values == sorted(values, reverse=True)


def test_a_constant_neuron_is_nobodys():
    flat = pair_moments(torch.full((50, 3), 0.1), torch.full((50, 3), 0.1))
    found = correlate_neurons(flat, flat, samples=50)
    assert not found.shape_neurons.any()
    assert strongest_neurons(found) == {"shape": [], "texture": []}
