"""The command line as a process: what it imports, its exit status, signals, and standard output that fails."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from shapebias.cli.main import main
from shapebias.data.decode import load_rgb
from testkit.images import noise_image
from testkit.processes import run

RUN = "import sys; from shapebias.cli.main import main; sys.exit(main(sys.argv[1:]))"
SLOWLY = """
import signal, sys, time
signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs inherit that it is ignored
import shapebias.stylize.batches as module
save_image = module.save_image
module.save_image = lambda *image, **options: (time.sleep(0.1), save_image(*image, **options))[1]
from shapebias.cli.main import main
sys.exit(main(sys.argv[1:]))
"""


@pytest.mark.parametrize("command", ["", "train", "evaluate", "ablation", "stylizer train"])
def test_help_imports_no_torch(command):
    program = RUN.replace("sys.exit(main(sys.argv[1:]))", "main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)")
    done = run(program, *command.split(), "--help")
    assert done.returncode == 0
    assert done.stdout.startswith("usage: shapebias")
    modules = set(done.stderr.split())
    assert "shapebias.cli.main" in modules
    assert not modules & {"torch", "torchvision", "timm", "matplotlib", "lightning_fabric", "numpy"}


@pytest.mark.parametrize(
    ("command", "used"),
    [
        ("report none", set()),
        ("shapes16 --size 4", set()),
        ("corrupt none", {"torch"}),
        ("cue-conflict none", {"torch"}),
        ("stylize none", {"torch"}),
        ("score-responses none.csv", {"torch"}),
    ],
)
def test_a_command_imports_no_library_that_it_does_not_use(command, used, tmp_path):
    program = RUN.replace("sys.exit(main(sys.argv[1:]))", "main(sys.argv[1:]); print(*sys.modules, file=sys.stderr)")
    done = run(program, *command.split(), "--out", str(tmp_path / "out"))
    modules = set(done.stderr.split())
    assert "shapebias.errors" in modules
    assert modules & {"torch", "torchvision", "timm", "scipy", "lightning_fabric", "torchmetrics"} == used


def test_a_mistake_as_a_process(tmp_path):
    script = Path(sys.executable).with_name("shapebias")
    if not script.exists():
        pytest.skip("the console script is not installed beside this Python")
    done = subprocess.run(
        [script, "stylize", tmp_path / "none", "--out", tmp_path / "out"], capture_output=True, text=True
    )
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"shapebias: error: no folder {tmp_path / 'none'}\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="no /dev/full here")
def test_standard_output_that_is_full_or_closed():
    program = (
        """
import sys
from shapebias.cli import main, output
main.COMMANDS["demo"] = lambda: output.print_json(list(range(100_000)))
"""
        + RUN
    )
    with Path("/dev/full").open("w") as full:
        done = run(program, "demo", capture_output=False, stdout=full, stderr=subprocess.PIPE)
    assert done.returncode == 2
    assert done.stderr == "shapebias: error: cannot write to standard output: No space left on device\n"
    reader, writer = os.pipe()
    os.close(reader)
    done = run(program, "demo", capture_output=False, stdout=writer, stderr=subprocess.PIPE)
    os.close(writer)
    assert (done.returncode, done.stderr) == (1, "")


def test_a_fault_of_ours_exits_1():
    program = "from shapebias.cli import main\nmain.COMMANDS['demo'] = lambda: 1 / 0\n" + RUN
    done = run(program, "demo")
    assert done.returncode == 1
    assert "ZeroDivisionError" in done.stderr


@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 143), (signal.SIGINT, 130)])
def test_a_stopped_stylization_is_whole_and_resumes(tmp_path, number, status, capsys):
    for i in range(40):
        noise_image(tmp_path / "in" / f"{i:02}.png", i, (24, 24))
    command = ["stylize", str(tmp_path / "in"), "--out", str(tmp_path / "out"), "--per-image", "1", "--batch-size", "4"]
    process = subprocess.Popen([sys.executable, "-c", SLOWLY, *command], stderr=subprocess.PIPE, text=True)
    try:
        while len(list((tmp_path / "out").glob("*.png"))) < 3 and process.poll() is None:
            time.sleep(0.01)
        process.send_signal(number)
        _, messages = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == status, messages
    assert "Traceback" not in messages
    assert messages.splitlines()[-1].endswith("every finished file is whole, run the same command to resume")
    there = sorted((tmp_path / "out").glob("*.png"))
    assert 3 <= len(there) < 40
    for path in there:
        assert load_rgb(path).size == (24, 24)
    assert not list((tmp_path / "out").glob(".*"))
    kept = {path: path.stat().st_mtime_ns for path in there}
    assert main(command) == 0
    assert len(list((tmp_path / "out").glob("*.png"))) == 40
    assert {path: path.stat().st_mtime_ns for path in kept} == kept
    capsys.readouterr()
