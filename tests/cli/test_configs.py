"""Config files as people and machines write them: empty values, wrong types, and contents without end."""

from __future__ import annotations

import json
import resource

import pytest

from shapebias.cli.main import COMMANDS, main
from shapebias.cli.parser import Parser
from shapebias.errors import UserError
from shapebias.models.classes import read_class_names
from testkit.commands import read_command

GIVEN = {
    "train": ("--data", "d", "--out", "o", "--model", "m", "--scheme", "in"),
    "transfer": ("m", "--data", "d", "--out", "o"),
    "segment": ("m", "--data", "d", "--out", "o"),
    "ablation": ("--data", "d", "--out", "o", "--model", "m"),
}
MAY_BE_EMPTY = {"stylized", "styles", "size", "crop", "data", "masks", "head", "stage", "rows"}


def read(tmp_path, text, command="train", name="c.yaml"):
    path = tmp_path / name
    path.write_bytes(text if isinstance(text, bytes) else text.encode())
    return read_command(command, *GIVEN[command], "--config", path)


@pytest.mark.parametrize("command", GIVEN)
@pytest.mark.parametrize("empty", ["", "null"])
def test_an_empty_value_is_named_where_there_must_be_one(tmp_path, command, empty):
    refused = 0
    for option in Parser(command, COMMANDS[command]).options.values():
        if option.positional:
            continue
        text = f"{option.typed[2:]}: {empty}\n"
        if option.optional:
            assert option.name in MAY_BE_EMPTY
            read(tmp_path, text, command)
            continue
        with pytest.raises(UserError, match=f"^{option.typed} has no value in .*c.yaml: give it one, or remove"):
            read(tmp_path, text, command)
        refused += 1
    assert refused > 20


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("epochs: [3]", "--epochs takes a whole number, not '[3]' (in "),
        ("epochs: 3.5", "--epochs takes a whole number, not '3.5' (in "),
        ("lr: {a: 1}", "--lr takes a number, not '{'a': 1}' (in "),
        ("model: [a]", "--model takes a name, not '['a']' (in "),
        ("data: true", "--data takes a path, not 'True' (in "),
        ("stages: [null]", "--stages takes names, separated by commas or as a list, not 'None' (in "),
        ("stages: {layer3: 1}", "--stages takes names, separated by commas or as a list, not '{'layer3': 1}' (in "),
        ("strict: yep", "--strict takes true or false, not 'yep' (in "),
        ("1: 2", "unknown option 1 in "),
        ("- epochs", "holds no settings"),
        ("", "holds no settings"),
        (b"epochs: 3 # \xe9t\xe9", "'utf-8' codec can't decode byte 0xe9"),
        ("epochs: \0", "special characters are not allowed"),
        ("data: 2020-13-45", "month must be in 1..12"),
        ("seed: 1" + "0" * 5000, "cannot read --config"),
        ("stages: " + "[" * 50_000, "brackets or lists nested more than 5 deep"),
        ("stages: " + "[" * 400 + "]" * 400, "brackets or lists nested more than 5 deep"),
        ("stages: " + "- " * 400 + "a", "cannot read --config"),
        ("epochs: 3\n" + "#" * 200_000, "it has more than 100000 bytes"),
        ("stages: &s [*s]", "an alias of more than a single value, *s"),
        ("seed: &s 1\nstages: &s [*s]", "an alias of more than a single value, *s"),
        ("!!python/object/apply:os.abort []", "could not determine a constructor"),
    ],
)
@pytest.mark.parametrize("name", ["c.yaml", "config.json"])
def test_what_is_no_config_is_refused_in_one_line(tmp_path, text, message, name):
    with pytest.raises(UserError) as caught:
        read(tmp_path, text, name=name)
    assert message in str(caught.value)


def test_aliases_that_double_without_end_take_no_memory(tmp_path):
    doubled = "".join(f"{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 40))
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    with pytest.raises(UserError, match=r"an alias of more than a single value, \*a0"):
        read(tmp_path, "0: &a0 [x]\n" + doubled)
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 100_000  # KiB


def test_an_alias_of_one_value_and_a_list_are_taken(tmp_path):
    found = read(tmp_path, "lr: &rate 0.25\nweight-decay: *rate\nstages: [layer3, 4]\nstyles:\n")["config"]
    assert (found.loop.lr, found.loop.weight_decay, found.objective.stages) == (0.25, 0.25, ("layer3", "4"))
    assert found.views.styles is None
    assert read(tmp_path, "seeds: [1, 2]\nlr: 0.5\n", "transfer")["seeds"] == (1, 2)
    with pytest.raises(UserError, match=r"--seeds takes whole numbers, .* not .1\.5."):
        read(tmp_path, "seeds: [1.5]\n", "transfer")


def test_the_settings_of_a_run_are_read_by_the_same_rules(tmp_path, capsys):
    (tmp_path / "config.json").write_text(json.dumps({"model": "m", "data": "d", "scheme": "in", "epochs": None}))
    assert main(["train", "--resume", str(tmp_path)]) == 2
    assert capsys.readouterr().err.startswith("shapebias: error: --epochs has no value in ")
    (tmp_path / "config.json").write_text("[" * 90_000)
    assert main(["train", "--resume", str(tmp_path)]) == 2
    error = capsys.readouterr().err
    assert "nested more than 5 deep" in error and error.count("\n") == 1


@pytest.mark.parametrize(
    ("content", "message"), [(b"caf\xe9\n", "can't decode"), (b"name\n" * 2_100_000, "more than 10000000 bytes")]
)
def test_class_names_that_are_no_short_text_are_refused(tmp_path, content, message):
    (tmp_path / "names.txt").write_bytes(content)
    with pytest.raises(UserError, match=f"cannot be read as class names: .*{message}"):
        read_class_names(tmp_path / "names.txt")


def test_a_setting_given_twice_and_toml_are_refused(tmp_path):
    with pytest.raises(UserError, match="epochs given more than once"):
        read(tmp_path, "epochs: 1\nlr: 0.1\nepochs: 2\n")
    with pytest.raises(UserError, match="a config is YAML or JSON, with lines such as"):
        read(tmp_path, '[training]\nepochs = "1"\n')
