"""``--precision auto`` takes the faster of two measured steps, and a resumed run keeps its choice."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from shapebias.errors import UserError
from shapebias.files import write_json
from shapebias.models.build import build_classifier
from shapebias.models.classifier import Classifier, Identity
from shapebias.train import precision
from shapebias.train.config import LoopConfig
from shapebias.train.distributed import setup_fabric
from shapebias.train.precision import bf16_over_float32, with_precision


def _never() -> Classifier:
    raise AssertionError("measured")


@pytest.fixture
def config(tmp_path: Path) -> LoopConfig:
    return LoopConfig(out=tmp_path / "run", device="cpu", precision="auto")


def test_a_given_precision_is_kept_without_measuring(config: LoopConfig) -> None:
    given = replace(config, precision="bf16-mixed")
    assert with_precision(given, _never) is given


@pytest.mark.parametrize(("ratio", "chosen"), [(0.5, "bf16-mixed"), (0.95, "32-true"), (7.0, "32-true")])
def test_the_faster_precision_is_taken_and_said(
    config: LoopConfig, ratio: float, chosen: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    model = build_classifier("test_resnet", Identity("m", "m", "test_resnet"), size=32)
    monkeypatch.setattr(precision, "bf16_over_float32", lambda _: ratio)
    assert with_precision(config, lambda: model).precision == chosen
    assert f"precision: {chosen} (a step in bf16 takes {ratio:.2f}" in capsys.readouterr().err


def test_a_step_is_measured_in_both_precisions() -> None:
    model = build_classifier("test_resnet", Identity("m", "m", "test_resnet"), size=32)
    assert 0 < bf16_over_float32(model) < 1e4


def test_a_resumed_run_keeps_its_precision(config: LoopConfig) -> None:
    config.out.mkdir()
    write_json(config.out / "config.json", {"precision": "bf16-mixed"})
    assert with_precision(config, _never).precision == "bf16-mixed"


def test_several_processes_do_not_measure(config: LoopConfig) -> None:
    assert with_precision(replace(config, devices=2), _never).precision == "32-true"


def test_other_tasks_ask_for_a_precision(config: LoopConfig) -> None:
    with pytest.raises(UserError, match="--precision auto is for the command train"):
        setup_fabric(config)
