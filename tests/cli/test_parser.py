"""What holds for every command: its spelling, its help, its lists and flags."""

from __future__ import annotations

import re
import shlex
from dataclasses import is_dataclass

import pytest

from shapebias.cli.main import COMMANDS, find_command, main
from shapebias.cli.options import GROUPS, REQUIRED
from shapebias.cli.parser import Parser
from shapebias.errors import UserError
from testkit.commands import read_command

every_command = pytest.mark.parametrize("command", COMMANDS)
WITH_SETTINGS = ["train", "transfer", "segment", "ablation", "stylizer train"]


def read(line):
    """The arguments of the command in the line, which is not run."""
    name, rest = find_command(shlex.split(line))
    return read_command(name, *rest)


@every_command
def test_help(capsys, command):
    assert main([*command.split(), "--help"]) == 0
    captured = capsys.readouterr()
    assert captured.err == ""
    lines = captured.out.splitlines()
    assert lines[0].startswith(f"usage: shapebias {command} ")
    assert max(map(len, lines)) <= 80
    titles = [line[:-1] for line in lines if re.fullmatch(r"[a-z]+:", line)]
    assert titles == [title for title in [*GROUPS, "examples"] if title in titles]
    assert {"data", "other", "examples"} <= set(titles) or command == "demo"


@every_command
def test_every_option_has_a_help_with_its_default(command):
    for option in Parser(command, COMMANDS[command]).options.values():
        assert len(option.text) > 5, option.name
        assert option.positional or option.help.endswith(")"), option.help
        assert option.positional or re.search(r"\((default: .+|required)\)$", option.help), option.help


@every_command
def test_options_are_spelled_with_hyphens_and_outputs_are_out(command):
    parser = Parser(command, COMMANDS[command])
    for action in parser._actions:
        assert all(re.fullmatch(r"-h|--[a-z0-9]+(-[a-z0-9]+)*", name) for name in action.option_strings)
    assert "out" in parser.options and not parser.options["out"].positional


@every_command
def test_a_device_is_chosen_automatically(command):
    device = Parser(command, COMMANDS[command]).options.get("device")
    assert device is None or device.default == "auto"


@every_command
def test_the_examples_of_the_help_are_read(command, capsys):
    main([*command.split(), "--help"])
    examples = capsys.readouterr().out.partition("examples:\n")[2].replace("\\\n", " ").splitlines()
    own = [line for line in examples if line.strip().startswith(f"shapebias {command} ") or line.endswith(" demo")]
    assert len(examples) >= 2 and len(own) >= 2
    for line in examples:
        if "--config" not in line and "--resume" not in line:
            read(line.strip().removeprefix("shapebias "))


@every_command
def test_everything_missing_is_named_at_once(command):
    parser = Parser(command, COMMANDS[command])
    missing = [option.typed for option in parser.options.values() if option.default is REQUIRED]
    if missing:
        with pytest.raises(UserError) as error:
            parser.read([])
        assert str(error.value) == f"required: {', '.join(missing)}"


@pytest.mark.parametrize(
    ("line", "name", "value"),
    [
        ("corrupt a --out b --severities 1,3", "severities", (1, 3)),
        ("corrupt a --out b --corruptions fog", "corruptions", ("fog",)),
        ("corrupt a --out b", "corruptions", None),
        ("evaluate a --out b --data c --evaluators accuracy,stylized", "evaluators", ("accuracy", "stylized")),
        ("evaluate a --out b --data c --evaluators ,", "evaluators", ()),
        ("evaluate a b --out b --data x=c --data d --evaluators e", "data", ["x=c", "d"]),
        ("evaluate a b --out b --data x=c --data d --evaluators e", "models", ["a", "b"]),
        ("cam a --out b --data c", "scales", (1, 0.5, 1.5, 2)),
        ("cam a --out b --data c --scales 1,.5", "scales", (1, 0.5)),
        ("cam a --out b --data c --no-flip", "flip", False),
        ("cue-conflict a --out b --no-same", "same", False),
        ("cue-conflict a --out b", "same", True),
        ("ablation --model m --data d --out o --seeds 0,1,2", "seeds", (0, 1, 2)),
        ("ablation --model m --data d --out o --rows baseline,mmsi --seeds 3", "rows", ("baseline", "mmsi")),
        ("segment m --data d --out o --lr 0.1,1", "lr", (0.1, 1.0)),
        ("stylize a --out b --same-styles", "same_styles", True),
    ],
)
def test_lists_and_flags(line, name, value):
    given = read(line)
    nested = {
        key: inner for settings in given.values() if is_dataclass(settings) for key, inner in vars(settings).items()
    }
    assert {**given, **nested}[name] == value


def test_settings_are_options_and_make_a_config():
    given = "--grad-accum-steps 2 --no-channels-last --nesterov --batchnorm separate --stages layer3,layer4"
    config = read(f"train --scheme in --model m --data d --out o {given}")["config"]
    assert (config.loop.grad_accum_steps, config.loop.channels_last, config.loop.nesterov) == (2, False, True)
    assert (config.batchnorm, config.objective.stages, str(config.loop.out)) == ("separate", ("layer3", "layer4"), "o")
    segment = read("segment m --data d --out o --lr 1,2 --freeze")
    assert (segment["config"].loop.epochs, segment["config"].freeze, segment["lr"]) == (50, True, (1.0, 2.0))
    with pytest.raises(UserError, match="unknown option --seed: did you mean --seeds"):
        read("segment m --data d --out o --seed 1")


@pytest.mark.parametrize("written", ["0,2", "[0, 2]", "\n  - 0\n  - 2"])
def test_lists_in_a_file_of_settings(tmp_path, written):
    path = tmp_path / "recipe.yaml"
    path.write_text(f"seeds: {written}\nmodel: m\nequal-epochs: true\n")
    found = read(f"ablation --config {path} --data d --out o")
    assert (found["seeds"], found["config"].model, found["equal_epochs"]) == ((0, 2), "m", True)


@every_command
def test_files_of_settings(command):
    assert ("--config" in Parser(command, COMMANDS[command]).format_help()) == (command in WITH_SETTINGS)
