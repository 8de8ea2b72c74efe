"""What intervals over seeds and images promise to cover, by a small run of the simulation behind the documentation."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest


def test_intervals_over_seeds_and_images_hold_the_truth_where_those_over_either_do_not():
    path = Path(__file__).parents[2] / "experiments" / "seed_coverage.py"
    if not path.is_file():
        pytest.skip("the experiments are not here")
    spec = importlib.util.spec_from_file_location("seed_coverage", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    _, images, both, paired, difference = module.coverage(module.Setting(3, 2000, 0.4), 100, 0)
    assert images < 0.7 and paired < 0.55  # 0.42 and 0.28 expected, standard deviation 0.05
    assert both > 0.85 and difference > 0.9  # 0.95 and 0.99 expected
