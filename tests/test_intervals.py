"""Intervals against scipy, a slow loop, and what they promise to cover."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest

from shapebias.measure.intervals import bootstrap, paired_difference, ratio_difference, wilson


def mean(means):
    return means[:, 0]


def ratio(means):
    with np.errstate(invalid="ignore", divide="ignore"):
        return means[:, 0] / means[:, 1]


@given(n=st.integers(1, 5000), share=st.floats(0, 1))
@settings(max_examples=60, deadline=None)
def test_wilson_is_scipys(n, share):
    successes = round(share * n)
    wanted = binomtest(successes, n).proportion_ci(method="wilson")
    np.testing.assert_allclose(wilson(successes, n), (wanted.low, wanted.high), atol=1e-12)


def test_wilson_of_nothing_is_none_and_keeps_to_the_unit_interval():
    assert wilson(0, 0) is None
    assert wilson(0, 3)[0] == 0.0
    assert wilson(3, 3)[1] == 1.0


def test_bootstrap_is_near_a_slow_loop():
    rng = np.random.default_rng(0)
    data = np.stack([rng.random(60) < 0.4, np.ones(60)], axis=1).astype(float)
    data[rng.random(60) < 0.3] = 0  # undecided rows count for neither
    found = bootstrap(ratio, data, seed=0)
    values = []
    for _ in range(4000):
        rows = data[rng.integers(60, size=60)]
        values.append(rows[:, 0].sum() / rows[:, 1].sum())
    np.testing.assert_allclose(found, np.percentile(values, [2.5, 97.5]), atol=0.025)


def test_bootstrap_of_a_mean_is_near_the_normal_interval():
    data = np.random.default_rng(1).normal(3, 2, size=(800, 1))
    low, high = bootstrap(mean, data, seed=0)
    half = 1.96 * data.std() / math.sqrt(800)
    np.testing.assert_allclose((low, high), (data.mean() - half, data.mean() + half), atol=0.15 * half)


def test_bootstrap_covers_the_truth_about_95_times_in_100():
    rng = np.random.default_rng(2)
    covered = 0
    for trial in range(200):
        low, high = bootstrap(mean, rng.normal(size=(50, 1)), seed=trial, resamples=400)
        covered += low <= 0 <= high
    assert 178 <= covered <= 199  # 190 expected, standard deviation 3.1, a little under for n = 50


def test_bootstrap_is_keyed_and_none_without_values():
    data = np.random.default_rng(0).random((30, 1))
    assert bootstrap(mean, data, seed=0) == bootstrap(mean, data, seed=0) != bootstrap(mean, data, seed=1)
    assert bootstrap(mean, np.zeros((0, 1)), seed=0) is None
    assert bootstrap(ratio, np.zeros((5, 2)), seed=0) is None


def test_resamples_without_a_value_are_left_out():
    data = np.zeros((6, 2))
    data[0] = 1  # one decided image: many resamples have none, the others say 1
    assert bootstrap(ratio, data, seed=0) == (1.0, 1.0)


@pytest.mark.parametrize("shift", [0.0, 0.25])
def test_paired_difference_uses_the_pairing(shift):
    rng = np.random.default_rng(3)
    common = rng.normal(size=300)
    a, b = common + shift + 0.01 * rng.normal(size=300), common
    difference, (low, high) = paired_difference(a, b, seed=0)
    assert difference == pytest.approx(a.mean() - b.mean())
    assert low <= difference <= high
    assert high - low < 0.005  # unpaired it would be 0.3
    np.testing.assert_allclose(paired_difference(b, a, seed=0)[0], -difference)


def test_ratio_difference_against_a_slow_loop():
    rng = np.random.default_rng(4)
    a, b = (np.stack([rng.random(80) < p, np.ones(80)], 1).astype(float) for p in (0.7, 0.4))
    a[:9] = 0
    difference, found = ratio_difference(a, b, seed=0)
    assert difference == pytest.approx(a[:, 0].sum() / a[:, 1].sum() - b[:, 0].sum() / b[:, 1].sum())
    values = []
    for _ in range(4000):
        rows = rng.integers(80, size=80)
        values.append(a[rows, 0].sum() / a[rows, 1].sum() - b[rows, 0].sum() / b[rows, 1].sum())
    np.testing.assert_allclose(found, np.percentile(values, [2.5, 97.5]), atol=0.03)


def test_difference_of_undecided_networks_is_nan_without_interval():
    nothing = np.zeros((4, 2))
    difference, interval = ratio_difference(nothing, nothing, seed=0)
    assert math.isnan(difference)
    assert interval is None
    assert ratio_difference(np.zeros((0, 2)), np.zeros((0, 2)), seed=0)[1] is None
