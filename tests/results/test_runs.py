"""The record of a training, whole and damaged."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from shapebias.errors import UserError
from shapebias.results.runs import Run


def test_a_run_has_its_record_and_its_epochs(tmp_path: Path) -> None:
    record = {"schema": "shapebias/run/1", "name": "ours", "weights_sha256": None}
    (tmp_path / "run.json").write_text(json.dumps(record))
    run = Run.load(tmp_path)
    assert (run.name, run.weights, run.record, run.epochs()) == ("ours", None, record, [])
    (tmp_path / "metrics.csv").write_text("phase,images,loss\nmain,60,0.5\nmain,120,nan\nend,x,\n")
    assert run.epochs() == [
        {"phase": "main", "images": 60.0, "loss": 0.5},
        {"phase": "main", "images": 120.0, "loss": None},
        {"phase": "end", "images": None, "loss": None},
    ]
    (tmp_path / "metrics.csv").write_bytes(b"phase,loss\nmain,\xff\n")
    with pytest.raises(UserError, match=r"metrics\.csv is not readable as CSV"):
        run.epochs()


@pytest.mark.parametrize(
    "content",
    [
        *("{", "[]", '{"schema": "other"}', '{"schema": "shapebias/run/1", "name": 7}'),
        '{"schema": "shapebias/run/1", "name": "x", "environment": []}',
        '{"schema": "shapebias/run/1", "name": "x", "weights_sha256": 3}',
        '{"schema": "shapebias/run/1", "name": "x", "images_seen": "many"}',
    ],
)
def test_a_damaged_record_is_one_line(tmp_path: Path, content: str) -> None:
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(UserError, match=r"run\.json") as caught:
        Run.load(tmp_path)
    assert "\n" not in str(caught.value)


def test_a_run_that_a_result_is_made_of_is_whole(tmp_path: Path) -> None:
    record = {"schema": "shapebias/run/1", "name": "x", "weights_sha256": "a", "environment": {}}
    (tmp_path / "run.json").write_text(json.dumps(record))
    assert Run.load(tmp_path).finished() == record
    with pytest.raises(UserError, match=r"run.json is damaged \(no head\): delete .* to train it again"):
        Run.load(tmp_path).finished("head")
