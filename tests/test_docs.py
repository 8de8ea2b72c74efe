"""The Python in the documentation runs as it stands and does what the text states; its commands can be typed."""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

import shapebias.libraries  # noqa: F401 - or timm does not load beside every build of torch
from shapebias.cli.main import find_command
from testkit.commands import commands, read_command

ROOT = Path(__file__).resolve().parent.parent


def blocks(page: str, heading: str) -> list[str]:
    """The Python blocks below a heading of a page, up to the next heading."""
    text = (ROOT / page).read_text(encoding="utf-8")
    sections = re.split(r"^##? ", text, flags=re.MULTILINE)
    (section,) = [section for section in sections if section.partition("\n")[0] == heading]
    return re.findall(r"^```python\n(.*?)^```$", section, flags=re.MULTILINE | re.DOTALL)


def run(page: str, heading: str) -> dict[str, Any]:
    """What the one Python block below the heading leaves behind."""
    (code,) = blocks(page, heading)
    torch.manual_seed(0)
    names: dict[str, Any] = {"__name__": "example"}
    exec(compile(code, f"{page}: {heading}", "exec"), names)
    return names


def reached(layer: Any) -> bool:
    return layer.weight.grad is not None and bool(layer.weight.grad.isfinite().all() and layer.weight.grad.any())


def test_every_python_block_of_the_page_is_run_here():
    text = (ROOT / "docs/your-own-loop.md").read_text(encoding="utf-8")
    headings = ("Plain PyTorch", "A timm script", "A Lightning module")
    here = [block for heading in headings for block in blocks("docs/your-own-loop.md", heading)]
    assert len(here) == text.count("```python") == 3
    assert max(len(block.splitlines()) for block in here) <= 40


def test_readme():
    names = run("README.md", "In Python")
    assert names["view_a"].shape == names["view_b"].shape == names["images"].shape
    assert (names["view_a"] - names["view_b"]).abs().mean() > 0.01
    assert -4.7 < names["loss"].item() < 0


def test_plain_pytorch():
    names = run("docs/your-own-loop.md", "Plain PyTorch")
    assert names["loss"].isfinite()
    assert reached(names["features"][0])
    assert (names["two"][:, 0] != names["two"][:, 1]).all()
    assert names["views"].shape == (64, 3, 64, 64)
    # the MMSI term alone reaches the first layer too
    names["features"].zero_grad()
    latents = names["features"](names["views"]).split(32)
    names["mmsi_loss"](*latents).backward()
    assert reached(names["features"][0])


def test_timm():
    names = run("docs/your-own-loop.md", "A timm script")
    assert names["loss"].isfinite()
    assert reached(names["model"].conv1)
    assert names["latents"].dtype == torch.bfloat16
    assert names["mmsi"](*names["latents"].split(8)[1:]).dtype == torch.float32


@pytest.mark.filterwarnings("ignore:.*does not have many workers")
@pytest.mark.filterwarnings("ignore:Found .* module.s. in eval mode")  # the stylizer, as the page says
@pytest.mark.filterwarnings("ignore:.*LeafSpec.*is deprecated:FutureWarning")  # Lightning's own use of torch
def test_lightning():
    names = run("docs/your-own-loop.md", "A Lightning module")
    module, trainer = names["module"], names["trainer"]
    assert trainer.global_step == 2
    assert trainer.callback_metrics["loss"].isfinite()
    assert trainer.callback_metrics["mmsi"].item() < 0
    assert reached(module.network.conv1)
    assert not module.stylizer.training
    assert all(parameter.grad is None for parameter in module.stylizer.parameters())


PAGES = [*sorted(path for path in (ROOT / "docs").glob("*.md")), ROOT / "README.md", ROOT / "CONTRIBUTING.md"]
PAGES += sorted((ROOT / "recipes").rglob("*.yaml"))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_command_of_a_page_can_be_typed(path, monkeypatch):
    monkeypatch.chdir(ROOT)
    for line in commands(path):
        name, arguments = find_command(shlex.split(line.removeprefix("shapebias "), comments=True))
        if "--help" in arguments or "--resume" in arguments or "FILE" in arguments:
            continue
        read_command(name, *arguments)  # raises what the user would be told


def test_the_pages_have_commands():
    assert sum(len(commands(path)) for path in PAGES) > 60
