"""``shapebias transfer`` as it is typed, and its recipes."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from shapebias.cli.main import with_underscores
from shapebias.cli.transferring import transfer, transfer_arguments
from shapebias.errors import UserError
from shapebias.tasks.classification import run as run_module
from shapebias.tasks.classification.config import TransferConfig
from shapebias.tasks.classification.task import TASKS
from testkit.images import class_folder

RECIPES = Path(__file__).parents[2] / "recipes" / "transfer"
FILES = sorted(RECIPES.glob("*.yaml"))


def typed(*arguments: str):
    options = dict(vars(transfer_arguments().parse_args(with_underscores([str(a) for a in arguments]))))
    options.pop("config")
    return options


@pytest.fixture
def called(monkeypatch):
    """What ``run.transfer`` is called with."""
    calls = []

    def record(models, config, **options):
        calls.append((config, options))
        raise UserError("stopped here")

    monkeypatch.setattr(run_module, "transfer", record)
    monkeypatch.setattr("shapebias.models.load.load_model", lambda spec: spec)
    monkeypatch.setattr("shapebias.cli.names.tell_apart", lambda models, specs: None)
    return calls


def test_lists_are_separated_by_commas_and_options_may_have_hyphens(called, tmp_path):
    with pytest.raises(UserError, match="stopped here"):
        given = ("--seeds", "0,2", "--lr", "0.1,0.003", "--select-epochs", 3)
        transfer(**typed("a", "b", "--task", "voc07", "--data", tmp_path, "--out", tmp_path / "out", *given))
    ((config, options),) = called
    assert options == {"method": "finetune", "seeds": [0, 2], "rates": [0.1, 0.003]}
    assert (config.task, config.data, config.select_epochs) == ("voc07", tmp_path, 3)


def test_one_number_is_a_list_too(called, tmp_path):
    with pytest.raises(UserError, match="stopped here"):
        transfer(**typed("a", "--data", tmp_path, "--out", tmp_path, "--lr", "0.1", "--seeds", "4"))
    assert called[0][1] == {"method": "finetune", "seeds": [4], "rates": [0.1]}


def test_a_folder_can_be_the_task_itself(called, tmp_path):
    with pytest.raises(UserError, match="stopped here"):
        transfer(**typed("a", "--task", tmp_path, "--out", tmp_path / "out"))
    assert (called[0][0].task, called[0][0].data) == ("folder", tmp_path)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--task", "caltech102", "--data", "."), "unknown task 'caltech102': did you mean 'caltech101'"),
        (("--task", "voc07"), "--data is missing"),
        (("--data", ".", "--seeds", ""), "--seeds is empty"),
        (("--data", ".", "--seeds", "0,1,0"), "--seeds names a number twice"),
        (("--data", ".", "--seeds", "0,one"), "--seeds one is no whole number"),
        (("--data", ".", "--lr", "0.1,-1"), "--lr must"),
        (("--data", ".", "--lr", "fast"), "--lr fast is no number"),
    ],
)
def test_what_cannot_be_is_refused_before_a_network_is_loaded(tmp_path, arguments, message):
    with pytest.raises(UserError, match=message):
        transfer(**typed("nowhere", "--out", tmp_path, *arguments))


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
    transfer(**typed(tmp_path / "net.safetensors", *given))
    said = capsys.readouterr().err
    assert "transfer-photos top1" in said and f"wrote {tmp_path / 'out' / 'net' / 'results.json'}" in said


@pytest.mark.skipif(not FILES, reason="the recipes are not part of the source distribution")
@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_a_recipe_opens_with_command_hardware_and_result_and_can_be_run(path, called, tmp_path):
    comments = [line for line in path.read_text().splitlines() if line.startswith("#")]
    command = next(line for line in comments if "shapebias transfer" in line)
    assert f"--config recipes/transfer/{path.name}" in command
    assert any(line.startswith("# Hardware: ") for line in comments)
    assert any(line.startswith("# Result: ") for line in comments)
    assert not {"data", "out", "models"} & set(yaml.safe_load(path.read_text()))
    with pytest.raises(UserError, match="stopped here"):
        transfer(**typed("a", "--config", path, "--data", tmp_path, "--out", tmp_path))
    config, options = called[0]
    assert isinstance(config, TransferConfig) and len(options["rates"]) > 1 and len(options["seeds"]) > 1


@pytest.mark.skipif(not FILES, reason="the recipes are not part of the source distribution")
def test_every_task_has_a_recipe():
    assert {path.stem for path in FILES if not path.stem.startswith("small-")} == set(TASKS) - {"folder"}
