"""What an evaluator gave, kept as a file."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest

from shapebias.evaluators.base import EvalConfig
from shapebias.evaluators.resume import load_or_run, load_result, save_result
from shapebias.results.results import EvalResult, Result
from testkit.fixed_networks import by_colour


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


def kept(**row: object) -> dict[str, object]:
    """Return the per-image values of one result, as a file holds them."""
    return {"images": ["a", "b"], "per_image": [{"of": ["e", "m", "{}"], **row}]}


@pytest.mark.parametrize(
    "change",
    [
        {"results": [{}]},
        {"images": 3},
        {"images": [1, 2]},
        {"per_image": [{"of": 1}]},
        {"results": None},
        kept(columns=[[1]]),  # of one image
        kept(columns=[[1, 1], [1, 1], [1, 1]]),
        kept(columns=[["1", "0"]]),
        kept(columns=[[True, False]]),
        kept(columns=[[1, float("inf")]]),
        kept(columns=[[1, 10**400]]),
        kept(columns=[[1, 0], [1]]),
        kept(columns=3),
        kept(of=["e", "m", "[]"], columns=[[1, 0]]),
        kept(of=["e", "m", "x"], columns=[[1, 0]]),
        kept(of=["e", "m"], columns=[[1, 0]]),
    ],
)
def test_damaged_outcomes_are_measured_again_and_named(tmp_path, capsys, change):
    path = tmp_path / "o.json"
    save_result(path, {}, EvalResult([]))
    path.write_text(json.dumps(json.loads(path.read_text()) | change))
    assert load_result(path, {}) is None
    assert capsys.readouterr().err == f"warning: {path} is damaged: its evaluator measures again\n"
    path.write_text("[" * 100_000)
    assert load_result(path, {}) is None


def test_values_of_each_image_come_back_also_from_a_file_that_lists_them_by_row(tmp_path):
    path = tmp_path / "o.json"
    one, two = ("e", "one", "{}"), ("e", "two", "{}")
    values = {one: np.array([[0.25], [float("nan")]]), two: np.array([[1.0, 2.0], [0.0, 3.0]])}
    save_result(path, {}, EvalResult([], ("a", "b"), values))
    assert len(path.read_text().splitlines()) == 1  # a line for all: millions of values take a tenth of the time

    def check() -> None:
        found = load_result(path, {})
        assert found is not None
        for key, rows in values.items():
            np.testing.assert_array_equal(found.per_image[key], rows)

    check()
    content = json.loads(path.read_text())
    content["per_image"] = [
        {"of": list(one), "values": [[0.25], [None]]},
        {"of": list(two), "values": [[1, 2.0], [0, 3]]},
    ]
    path.write_text(json.dumps(content, indent=2))
    check()


def test_the_same_evaluator_of_another_process_is_waited_for_and_its_results_are_taken(tmp_path):
    class Slow:
        name, fingerprint, config, runs = "slow", "f", EvalConfig(tmp_path, tmp_path), 0

        def run(self, _model):
            self.runs += 1
            time.sleep(0.3)
            return EvalResult([Result("slow", "top1", 0.5, 2)])

    slow, model, path = Slow(), by_colour("net"), tmp_path / "net" / "unfinished" / "slow.json"
    with ThreadPoolExecutor(2) as at_once:
        one, other = at_once.map(lambda _: load_or_run(path, slow, model), range(2))
    assert slow.runs == 1 and one.results == other.results
