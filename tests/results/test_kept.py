"""Parts of a long measurement on disk, and finished outcomes as files."""

from __future__ import annotations

import json

import numpy as np
import pytest

from shapebias.evaluators.base import EvalResult
from shapebias.evaluators.resume import load_result, save_result
from shapebias.results.batch_cache import BatchCache
from shapebias.results.results import Result


def test_parts_are_there_under_the_same_key_only(tmp_path):
    kept = BatchCache(tmp_path / "k", {"weights": "a", "epsilons": [0.1, 0.2]})
    assert kept.get("fog/3") is None
    kept.put("fog/3", right=np.array([True, False]), numbers=np.arange(2))
    found = BatchCache(tmp_path / "k", {"weights": "a", "epsilons": [0.1, 0.2]}).get("fog/3")
    assert found is not None
    assert {name: values.tolist() for name, values in found.items()} == {"right": [True, False], "numbers": [0, 1]}
    assert kept.get("fog/4") is None
    other = BatchCache(tmp_path / "k", {"weights": "b", "epsilons": [0.1, 0.2]})
    assert other.get("fog/3") is None
    assert BatchCache(tmp_path / "k", {"weights": "a", "epsilons": [0.1, 0.2]}).get("fog/3") is None  # gone for good


def test_what_is_done_leaves_nothing(tmp_path):
    kept = BatchCache(tmp_path / "k", {})
    kept.put("part", values=np.zeros(3))
    kept.clear()
    assert not (tmp_path / "k").exists()


@pytest.mark.parametrize("content", [b"", b"PK\x03\x04 cut", b"\x80\x04K\x01.", b"x" * 100])
def test_damaged_parts_are_not_there(tmp_path, content):
    kept = BatchCache(tmp_path / "k", {})
    kept.put("part", values=np.zeros(3))
    (part,) = (tmp_path / "k").glob("*.npz")
    part.write_bytes(content)
    assert kept.get("part") is None
    (tmp_path / "k" / "key.json").write_bytes(content)
    kept = BatchCache(tmp_path / "k", {})
    kept.put("part", values=np.ones(1))
    assert kept.get("part") is not None


def test_outcomes_come_back_as_they_were(tmp_path):
    entry = Result("white-box", "top1", 0.5, 2, (0.1, 0.9), {"attack": "mim", "epsilon": 0.1}, {"a": [1]})
    none = Result("shape-bias", "shape_bias", float("nan"), 0, None)
    outcome = EvalResult([entry, none], ("a", "ä"), {entry.key: np.array([[1.0], [0.0]])})
    save_result(tmp_path / "o.json", {"weights": "a"}, outcome)
    found = load_result(tmp_path / "o.json", {"weights": "a"})
    assert found is not None
    assert found.results[0] == entry
    assert found.results[1].value is None
    assert found.images == outcome.images
    assert found.per_image[entry.key].tolist() == [[1.0], [0.0]]
    assert load_result(tmp_path / "o.json", {"weights": "b"}) is None
    assert load_result(tmp_path / "none.json", {"weights": "a"}) is None


@pytest.mark.parametrize("change", [{"results": [{}]}, {"images": 3}, {"per_image": [{"of": 1}]}, {"results": None}])
def test_damaged_outcomes_are_measured_again(tmp_path, change):
    path = tmp_path / "o.json"
    save_result(path, {}, EvalResult([]))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert load_result(path, {}) is None
    path.write_text("[" * 100_000)
    assert load_result(path, {}) is None
