"""Batches of a long measurement on disk."""

from __future__ import annotations

import numpy as np
import pytest

from shapebias.results.batch_cache import BatchCache


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


def test_files_of_others_in_its_folder_stay(tmp_path):
    (tmp_path / "k").mkdir()
    (tmp_path / "k" / "photo.jpg").write_bytes(b"mine")
    kept = BatchCache(tmp_path / "k", {})
    kept.put("part", values=np.zeros(3))
    kept.clear()
    assert [path.name for path in (tmp_path / "k").iterdir()] == ["photo.jpg"]
