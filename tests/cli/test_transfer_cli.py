"""``shapebias transfer`` as it is typed."""

from __future__ import annotations

from functools import partial

import pytest

from shapebias.errors import UserError
from shapebias.tasks.classification import run as run_module
from testkit.commands import run_command
from testkit.images import class_folder

transfer = partial(run_command, "transfer")


@pytest.fixture
def called(monkeypatch):
    """The arguments that ``run.transfer`` is called with."""
    calls = []

    def record(models, config, **options):
        calls.append((config, options))
        raise UserError("stopped here")

    monkeypatch.setattr(run_module, "transfer", record)
    monkeypatch.setattr("shapebias.cli.training.load_models", lambda specs: specs)
    return calls


def test_lists_are_separated_by_commas(called, tmp_path):
    with pytest.raises(UserError, match="stopped here"):
        given = ("--seeds", "0,2", "--lr", "0.1,0.003", "--select-epochs", 3)
        transfer("a", "b", "--task", "voc07", "--data", tmp_path, "--out", tmp_path / "out", *given)
    ((config, options),) = called
    assert options == {"method": "finetune", "seeds": (0, 2), "rates": (0.1, 0.003)}
    assert (config.task, config.data, config.select_epochs) == ("voc07", tmp_path, 3)


def test_one_number_is_a_list_too(called, tmp_path):
    with pytest.raises(UserError, match="stopped here"):
        transfer("a", "--data", tmp_path, "--out", tmp_path, "--lr", "0.1", "--seeds", "4")
    assert called[0][1] == {"method": "finetune", "seeds": (4,), "rates": (0.1,)}


def test_a_folder_can_be_the_task_itself(called, tmp_path):
    with pytest.raises(UserError, match="stopped here"):
        transfer("a", "--task", tmp_path, "--out", tmp_path / "out")
    assert (called[0][0].task, called[0][0].data) == ("folder", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--task", "caltech102", "--data", "."), "unknown task 'caltech102': did you mean 'caltech101'"),
        (("--task", "voc07"), "required: --data"),
        (("--data", ".", "--seeds", ""), "--seeds is empty"),
        (("--data", ".", "--seeds", "0,1,0"), "--seeds names a number twice"),
        (("--data", ".", "--seeds", "0,one"), "--seeds takes whole numbers separated by commas, not '0,one'"),
        (("--data", ".", "--lr", "0.1,-1"), "--lr must"),
        (("--data", ".", "--lr", "fast"), "--lr takes numbers separated by commas, not 'fast'"),
    ],
)
def test_mistakes_are_refused_before_a_model_is_loaded(tmp_path, arguments, message):
    with pytest.raises(UserError, match=message):
        transfer("nowhere", "--out", tmp_path, *arguments)


def test_the_command_writes_results_and_says_so(tmp_path, capsys):
    import torch

    from shapebias.models.build import build_classifier
    from shapebias.models.checkpoint import save_classifier
    from shapebias.models.classifier import Identity

    torch.manual_seed(0)
    model = build_classifier("test_resnet", Identity("net", "net", "test_resnet", ("x", "y")), size=32)
    save_classifier(tmp_path / "net.safetensors", model)
    data = class_folder(tmp_path / "photos", per_class=6)
    given = ("--data", data, "--out", tmp_path / "out", "--method", "linear", "--device", "cpu")
    transfer(tmp_path / "net.safetensors", *given)
    said = capsys.readouterr().err
    assert "transfer-photos top1" in said and f"wrote {tmp_path / 'out' / 'net' / 'results.json'}" in said
