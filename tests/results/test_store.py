"""The results of several models in a folder: what is merged, what is refused, and what leaves the comparison."""

from __future__ import annotations

import json
import math
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace

import pytest

from shapebias.errors import UserError
from shapebias.results.audit import Skipped, read_audit, write_audit
from shapebias.results.comparison import Difference
from shapebias.results.results import Result
from shapebias.results.store import ResultStore, changed, staying

MODEL = {"name": "x", "architecture": "a", "preprocessing": {}, "mean": [0], "std": [1], "weights_sha256": "1"}


def model(name, digest):
    return {**MODEL, "name": name, "weights_sha256": digest}


def test_results_are_merged_and_replaced(tmp_path):
    store = ResultStore(tmp_path / "out")
    assert store.read("x") is None
    one, two = Result("e", "one", 0.5, 9), Result("e", "two", 0.5, 9)
    store.merge(MODEL, {"seed": 0}, [one, two])
    found = store.merge(MODEL, {"seed": 1}, [replace(one, value=0.75)])
    assert found.results == [two, replace(one, value=0.75)]
    assert store.read("x") == found
    store.replace(replace(found, results=[one]))
    assert store.read("x").results == [one]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"weights_sha256": "2"}, "contains results of another model with that name"),
        ({"mean": [0.5]}, r"with another mean \(\[0\] there, \[0.5\] now\)"),
        ({"preprocessing": {"size": 3}}, "with another preprocessing"),
    ],
)
def test_other_models_of_that_name_are_refused_before_anything_is_measured(tmp_path, change, message):
    store = ResultStore(tmp_path)
    store.merge(MODEL, {}, [Result("e", "m", 0.5, 9)])
    for call in (lambda now: store.claim([now]), lambda now: store.merge(now, {}, [])):
        with pytest.raises(UserError, match=message):
            call({**MODEL, **change})


def test_two_commands_at_once_lose_none_of_their_results(tmp_path, monkeypatch):
    """Each reads while the other has read and not yet written, if nothing holds it off."""
    earlier = ResultStore._earlier

    def slowly(self, model):
        found = earlier(self, model)
        time.sleep(0.2)
        return found

    monkeypatch.setattr(ResultStore, "_earlier", slowly)

    def evaluate(name):
        store = ResultStore(tmp_path)
        made = store.merge(MODEL, {}, [Result(name, "top1", 0.5, 9)])
        store.compare([Difference(name, "top1", "x", "y", 0.1, None, 9)], [made, replace(made, model=model("y", "2"))])

    with ThreadPoolExecutor(4) as at_once:
        list(at_once.map(evaluate, "abcd"))
    found = ResultStore(tmp_path).read("x")
    assert found is not None and sorted(result.evaluator for result in found.results) == list("abcd")
    assert sorted(one.evaluator for one in ResultStore(tmp_path).comparison().differences) == list("abcd")


def test_results_over_other_seeds_of_a_model_go(tmp_path):
    store = ResultStore(tmp_path)
    store.merge({**MODEL, "seeds": {"0": "1"}}, {}, [Result("e", "m", 0.5, 9)])
    more = {**MODEL, "weights_sha256": "12", "seeds": {"0": "1", "1": "2"}}
    assert store.merge(more, {}, [Result("e", "other", 0.5, 9)]).results == [Result("e", "other", 0.5, 9)]
    with pytest.raises(UserError, match="another model"):
        store.claim([{**more, "weights_sha256": "3", "seeds": {"0": "3", "1": "2"}}])


def test_models_of_one_name_and_a_comparison_that_cannot_be_read_are_refused(tmp_path):
    store = ResultStore(tmp_path)
    with pytest.raises(UserError, match="two models are called 'x'"):
        store.claim([MODEL, MODEL])
    store.comparison_file.write_text("[]")
    store.claim([MODEL])
    with pytest.raises(UserError, match="not a comparison"):
        store.claim([MODEL, model("y", "2")])


def test_a_comparison_keeps_differences_of_unchanged_models(tmp_path):
    store = ResultStore(tmp_path)

    def write(evaluator, a, b, **more):
        models = []
        for name in (a, b):
            store.path(name[0]).unlink(missing_ok=True)
            models.append(store.merge(model(name[0], None if name.endswith("?") else name), {}, []))
        store.compare([Difference(evaluator, "top1", a[0], b[0], 0.5, None, 9, **more)], models)
        found = json.loads(store.comparison_file.read_text())
        return [(r["evaluator"], r["a"], r["b"]) for r in found["paired"]], found["models"]

    assert write("one", "x", "y") == ([("one", "x", "y")], ["x", "y"])
    assert write("two", "x", "z") == ([("one", "x", "y"), ("two", "x", "z")], ["x", "z", "y"])
    assert write("one", "y", "x")[0] == [("two", "x", "z"), ("one", "y", "x")]  # measured again, in either order
    apart = {"condition_a": {"m": 1}, "condition_b": {"m": 2}}
    assert len(write("one", "y", "x", **apart)[0]) == 3
    assert write("three", "y2", "z")[0] == [("two", "x", "z"), ("three", "y", "z")]
    assert write("four", "x", "z?")[0] == [("four", "x", "z")]


def test_a_difference_goes_with_the_result_that_it_was_of(tmp_path):
    store = ResultStore(tmp_path)
    given = [Result("x", "top1", 0.5, 9, condition=condition) for condition in ({}, {"m": 1}, {"m": 2})]
    models = [store.merge(model(name, name), {}, given) for name in "pqr"]

    def of(a, b, metric="top1", **conditions):
        return Difference("x", metric, a, b, 0.5, None, 9, **conditions)

    own = {"condition_a": {"m": 1}, "condition_b": {"m": 2}}
    rows = [of("p", "q"), of("q", "r"), of("p", "r", "top5"), of("r", "p", **own)]
    store.compare(rows, models)

    def left(number):
        store.merge(model("p", "p"), {}, [replace(given[number], value=0.75)])
        return list(store.comparison().differences)

    store.merge(model("p", "p"), {}, given)
    assert list(store.comparison().differences) == rows
    assert left(0) == rows[1:]
    assert left(1) == rows[1:]  # that is r's
    assert left(2) == rows[1:3]


def test_what_changed_has_another_value_interval_or_count_or_is_gone():
    results = [Result("x", "a", 0.5, 3, (0.1, 0.9)), Result("x", "b", math.nan, 3), Result("x", "c", 0.5, 3)]
    assert changed(results, results) == set()
    again = [replace(results[0], ci95=(0.1, 0.8)), replace(results[1], value=None), Result("x", "d", 0.5, 3)]
    assert changed(results, again) == {results[0].key, results[2].key}


def test_an_evaluators_results_go_together_when_its_images_change():
    def of(count, *epsilons):
        clean = Result("white-box", "top1", 1.0, count, details={"data": {"fingerprint": "f", "images": count}})
        return [clean, *(Result("white-box", "top1", 0.5, count, condition={"epsilon": e}) for e in epsilons)]

    other = Result("accuracy", "top1", 0.5, 9, details={"data": {"fingerprint": "g", "images": 9}})
    assert staying([*of(12, 2, 4), other], of(3, 4)) == [other]
    assert staying([*of(12, 2, 4), other], of(12, 4)) == [of(12, 2)[1], other]


def test_an_audit_reads_back_the_same(tmp_path):
    path = tmp_path / "audit.json"
    skipped = [Skipped("edges", "no data", "contours"), Skipped("accuracy", "other classes", model="x")]
    write_audit(path, skipped)
    assert read_audit(path) == skipped
    path.write_text('{"schema": "shapebias/audit/1", "missing": [3], "refused": null}')
    assert read_audit(path) == [Skipped("", "")]
    path.write_text("[]")
    with pytest.raises(UserError, match="not an audit file of this version"):
        read_audit(path)


def test_results_import_neither_torch_nor_timm():
    modules = ("audit", "batch_cache", "comparison", "pairing", "responses", "results", "runs", "store", "table")
    code = f"import sys, importlib; [importlib.import_module('shapebias.results.' + m) for m in {modules!r}]; "
    code += "print(sorted({'torch', 'timm', 'torchvision'} & set(sys.modules)))"
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
