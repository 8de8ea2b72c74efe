"""Intervals against scipy, a slow loop, and what they promise to cover."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binomtest, norm, sem, ttest_ind
from scipy.stats import t as student

from shapebias.stats import bootstrap as module
from shapebias.stats.bootstrap import bootstrap, distinct_rows, mean_interval, paired_difference, ratio_difference
from shapebias.stats.intervals import holm, p_value, wilson
from shapebias.stats.seeds import seed_difference, seed_interval


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


def by_rows(statistic, data, resamples=3000):
    """Resampling as it is defined: n rows drawn with replacement, again and again."""
    rng = np.random.default_rng(9)
    values = np.concatenate(
        [statistic(data[rng.integers(len(data), size=len(data))].mean(0, keepdims=True)) for _ in range(resamples)]
    )
    values = values[np.isfinite(values)]
    return np.percentile(values, [2.5, 97.5]) if len(values) else None


@given(
    kinds=st.lists(st.sampled_from([(0, 0), (0, 1), (1, 1)]), min_size=1, max_size=120),
    seed=st.integers(0, 1000),
)
@settings(max_examples=12, deadline=None)
def test_equal_rows_drawn_together_are_rows_drawn_one_by_one(kinds, seed):
    data = np.array(kinds, dtype=float)
    found, wanted = bootstrap(ratio, data, seed=seed), by_rows(ratio, data)
    if wanted is None:
        assert found is None
    else:
        width = max(wanted[1] - wanted[0], 1 / len(data))
        np.testing.assert_allclose(found, wanted, atol=0.15 * width + 0.5 / max(data[:, 1].sum(), 1))


def test_paired_differences_of_many_kinds_of_rows_are_those_of_single_rows():
    rng = np.random.default_rng(5)
    a, b = (np.stack([rng.random(150) < 0.5 * p, rng.random(150) < p], 1).astype(float) for p in (0.9, 0.6))

    def difference(means):
        return means[:, 0] / means[:, 1] - means[:, 2] / means[:, 3]

    wanted = by_rows(difference, np.concatenate([a, b], axis=1))
    np.testing.assert_allclose(ratio_difference(a, b, seed=0)[1], wanted, atol=0.03)
    wanted = by_rows(mean, a[:, :1] - b[:, :1])
    np.testing.assert_allclose(paired_difference(a[:, 0], b[:, 0], seed=0)[1], wanted, atol=0.015)


def test_fifty_thousand_images_take_no_time_and_rows_all_different_little_memory(monkeypatch):
    decisions = np.random.default_rng(0).integers(0, 2, (50_000, 2)).astype(float)
    start = time.perf_counter()
    bootstrap(ratio, decisions, seed=0)
    assert time.perf_counter() - start < 5  # row by row it took minutes' worth of draws and a gigabyte
    different = np.random.default_rng(1).normal(size=(300, 1))
    whole = bootstrap(mean, different, seed=0)
    monkeypatch.setattr(module, "_CELLS", 1000)  # in parts of three resamples
    np.testing.assert_allclose(bootstrap(mean, different, seed=0), whole, rtol=1e-9)


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


def test_the_interval_over_seeds_and_images_adds_students_t_to_that_over_images():
    values, (low, high) = [0.61, 0.64, 0.6, 0.66], (0.6, 0.67)
    mean = float(np.mean(values))
    half = student.interval(0.95, 3, loc=mean, scale=sem(values))[1] - mean
    found, said = seed_interval(values, (low, high), "by images")
    assert found == pytest.approx((mean - math.hypot(mean - low, half), mean + math.hypot(high - mean, half)))
    assert said == "over seeds and images: Student's t over 4 seeds, by images"
    assert seed_interval([0.2, 0.9], (0.5, 0.6), "by images")[0] == (0.0, 1.0)


@pytest.mark.parametrize(
    ("values", "found"),
    [
        ([0.5], ((0.4, 0.6), "by images")),
        ([0.5, 0.5], ((0.4, 0.6), "by images, as all 2 seeds give the same")),
        ([0.5, math.nan], (None, "none, as the result of a seed is undefined")),
        ([math.nan, math.nan], (None, "by images")),
    ],
)
def test_one_seed_or_equal_seeds_have_the_interval_over_images_and_undefined_seeds_none(values, found):
    assert seed_interval(values, None if math.isnan(values[0]) else (0.4, 0.6), "by images") == found


def test_the_difference_over_seeds_and_images_is_welchs_with_the_images_added():
    a, b = [0.61, 0.64, 0.6, 0.66], [0.55, 0.5, 0.57]
    value = float(np.mean(a) - np.mean(b))
    welch = ttest_ind(a, b, equal_var=False)
    half = math.sqrt(sem(a) ** 2 + sem(b) ** 2) * student.ppf(0.975, int(welch.df))
    found, freedom, over = seed_difference(a, b, (value - 0.02, value + 0.03))
    assert found == pytest.approx((value - math.hypot(0.02, half), value + math.hypot(0.03, half)))
    assert over == "seeds and images" and freedom >= int(welch.df)
    alone = seed_difference(a, b, (value, value))  # images that add nothing
    assert p_value(value, *alone[:2]) == pytest.approx(2 * student.sf(welch.statistic, int(welch.df)))
    for one, other in (([0.5], b), (a, [0.5]), ([0.5, 0.5], [0.4, 0.4])):
        assert seed_difference(one, other, (0.0, 0.1)) == ((0.0, 0.1), None, "images")
    assert seed_difference([0.5, math.nan], b, (0.0, 0.1))[0] is None


def test_p_values_agree_with_their_intervals_and_with_scipy():
    assert p_value(0.3, (0.1, 0.5)) == pytest.approx(2 * norm.sf(1.96 * 0.3 / 0.2), rel=1e-3)
    half = 0.1 * student.ppf(0.975, 5)
    assert p_value(-0.3, (-0.3 - half, -0.3 + half), 5) == pytest.approx(2 * student.sf(3, 5))
    assert p_value(0.2, (-0.01, 0.4)) > 0.05 > p_value(0.2, (0.01, 0.4))
    assert (p_value(0.0, (0.0, 0.0)), p_value(0.1, (0.1, 0.1))) == (1.0, 0.0)
    assert p_value(0.1, None) is None and p_value(math.nan, (0.0, 1.0)) is None


def test_holm_is_the_step_down_rule():
    rng = np.random.default_rng(0)
    p_values = rng.random(9) ** 3
    order, wanted, highest = np.argsort(p_values), np.empty(9), 0.0
    for rank, place in enumerate(order):
        wanted[place] = highest = max(highest, min(1.0, (9 - rank) * p_values[place]))
    np.testing.assert_allclose(holm(p_values.tolist()), wanted)
    assert holm([]) == [] and holm([0.2]) == [0.2]


@pytest.mark.parametrize("values", [(-1.0, 0.0, 1.0), (0.0, 0.25, 2.0)])
def test_different_rows_are_counted_as_numpy_counts_them(values):
    data = np.random.default_rng(0).choice(values, size=(200, 3))
    for found, wanted in zip(distinct_rows(data), np.unique(data, axis=0, return_counts=True), strict=True):
        np.testing.assert_array_equal(found, wanted)


@pytest.mark.parametrize(
    "draw",
    [
        lambda rng: rng.exponential(size=3000),
        lambda rng: rng.binomial(5, 0.3, size=5000) / 5,
        lambda rng: rng.choice([-1.0, 0.0, 1.0], size=5000),
    ],
)
def test_the_interval_of_a_mean_of_many_values_is_the_normal_one_and_near_the_bootstraps(draw):
    values = draw(np.random.default_rng(1))
    half = 1.96 * values.std() / math.sqrt(len(values))
    found = mean_interval(values, seed=0)
    np.testing.assert_allclose(found, (values.mean() - half, values.mean() + half), atol=1e-5)
    np.testing.assert_allclose(found, bootstrap(mean, values[:, None], seed=0), atol=0.1 * half)


def test_the_interval_of_a_skewed_mean_is_the_bootstraps_however_many_values_there_are():
    values = np.zeros(5000)
    values[:4] = 1.0  # the normal interval would end below 0
    found = mean_interval(values, seed=0)
    assert found == bootstrap(mean, values[:, None], seed=0) and found[0] >= 0
    assert mean_interval(np.zeros(5000), seed=0) == (0.0, 0.0)
    assert mean_interval([], seed=0) is None
