"""Whole files or none, JSON, and folders that are refused rather than overwritten."""

from __future__ import annotations

import contextlib
import errno
import json
import os
import subprocess
import sys
import tempfile
import threading
from concurrent.futures import ThreadPoolExecutor

import pytest

from shapebias.errors import UserError, unknown
from shapebias.files import (
    atomic,
    check_replaceable,
    claim_folder,
    locked,
    make_folder,
    read_json,
    safe_name,
    sha256,
    write_json,
    write_text,
)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def claim(folder, **identity):
    return claim_folder(folder, identity, marker="run.json", describe=lambda found: f"run ({found.get('scheme')})")


@pytest.mark.parametrize("durable", [True, False])
def test_a_finished_block_replaces_the_file(tmp_path, durable):
    path = tmp_path / "deep" / "er" / "a.txt"
    for text in ("first", "second"):
        with atomic(path, durable=durable) as temporary:
            assert temporary.parent == path.parent
            temporary.write_text(text)
        assert path.read_text() == text
    assert names(path.parent) == ["a.txt"]


@pytest.mark.parametrize("raised", [ValueError("x"), KeyboardInterrupt(), SystemExit(143)])
def test_a_failed_block_leaves_the_old_file_whole(tmp_path, raised):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with pytest.raises(type(raised)), atomic(path) as temporary:
        temporary.write_text("half of the ne")
        raise raised
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


def test_the_temporary_file_is_hidden_and_no_image(tmp_path):
    with atomic(tmp_path / "a.png") as temporary:
        assert temporary.name.startswith(".")
        assert temporary.suffix == ".part"
        temporary.write_bytes(b"x")


@pytest.mark.parametrize("code", [errno.ENOSPC, errno.EROFS, errno.EACCES])
def test_a_folder_that_cannot_be_written_is_one_line(tmp_path, monkeypatch, code):
    def refuse(*_args, **_options):
        raise OSError(code, os.strerror(code))

    monkeypatch.setattr(tempfile, "mkstemp", refuse)
    monkeypatch.setattr(tempfile, "TemporaryFile", refuse)
    for write in (lambda: write_text(tmp_path / "a.txt", "x"), lambda: make_folder(tmp_path)):
        with pytest.raises(UserError, match=f"cannot write .*{os.strerror(code)}") as caught:
            write()
        assert "\n" not in str(caught.value)
    assert names(tmp_path) == []


def test_a_full_disk_inside_the_block_is_one_line(tmp_path, monkeypatch):
    path = tmp_path / "a.txt"
    path.write_text("old")

    def full(_handle):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="No space left on device"):
        write_text(path, "new")
    assert path.read_text() == "old"
    assert names(tmp_path) == ["a.txt"]


@pytest.mark.parametrize(
    ("name", "write"),
    [("a.safetensors", 'save_file({"a": value}, temporary)'), ("a.pt", 'torch.save(value, temporary.open("wb"))')],
)
def test_weights_on_a_full_disk_are_the_users_error(tmp_path, name, write):
    """A limit on the size of files fails the write itself, as a full disk does."""
    program = f"""
import resource, sys, torch
from pathlib import Path
from safetensors.torch import save_file
from shapebias.errors import UserError
from shapebias.files import atomic
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
value = torch.zeros(100_000)
try:
    with atomic(Path(sys.argv[1]) / "{name}") as temporary:
        {write}
except UserError as error:
    print(error)
"""
    done = subprocess.run([sys.executable, "-c", program, tmp_path], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith(f"cannot write {tmp_path / name}: ")
    assert done.stdout.count("\n") == 1
    assert names(tmp_path) == []


def test_a_fault_of_ours_while_writing_stays_one(tmp_path):
    with pytest.raises(RuntimeError, match="ours"), atomic(tmp_path / "a"):
        raise RuntimeError("ours")


def test_a_file_where_a_folder_is_needed(tmp_path):
    (tmp_path / "file").write_text("x")
    for write in (
        lambda: write_text(tmp_path / "file" / "a.txt", "x"),
        lambda: make_folder(tmp_path / "file"),
        lambda: make_folder(tmp_path / "file" / "below"),
        lambda: claim(tmp_path / "file"),
        lambda: claim(tmp_path / "file" / "below"),
    ):
        with pytest.raises(UserError, match="file") as caught:
            write()
        assert "\n" not in str(caught.value)
    assert (tmp_path / "file").read_text() == "x"


def test_make_folder_leaves_nothing_in_it(tmp_path):
    make_folder(tmp_path / "a" / "b")
    make_folder(tmp_path / "a" / "b")
    assert names(tmp_path / "a" / "b") == []


def test_json_round_trip_and_no_nan(tmp_path):
    path = tmp_path / "a.json"
    value = {"a": [1, 2.5, None, "ü"], "b": {}}
    write_json(path, value)
    assert read_json(path) == value
    with pytest.raises(ValueError, match="JSON"):
        write_json(path, {"a": float("nan")})
    assert read_json(path) == value


@pytest.mark.parametrize("content", [b"{", b"", b"\xff\xfe{"])
def test_broken_json_is_the_users_error(tmp_path, content):
    path = tmp_path / "a.json"
    with pytest.raises(UserError, match="no file"):
        read_json(path)
    path.write_bytes(content)
    with pytest.raises(UserError, match="not readable JSON"):
        read_json(path)
    with pytest.raises(UserError, match="not readable JSON"):
        read_json(tmp_path)  # a folder


def test_sha256_is_the_known_one(tmp_path):
    (tmp_path / "a").write_bytes(b"abc")
    assert sha256(tmp_path / "a") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"


def test_claiming_again_for_the_same_work(tmp_path):
    out = tmp_path / "out"
    assert claim(out, scheme="in", seed=0) is False
    assert json.loads((out / "run.json").read_text()) == {"scheme": "in", "seed": 0}
    (out / "other.txt").write_text("made since")
    assert claim(out, scheme="in", seed=0) is True


def test_other_work_is_refused_with_the_difference(tmp_path):
    claim(tmp_path / "out", scheme="in", seed=0, old=1)
    with pytest.raises(UserError) as caught:
        claim(tmp_path / "out", scheme="in", seed=1, new=2)
    text = str(caught.value)
    assert "another run (in)" in text
    assert "seed: 0 there, 1 now" in text
    assert "old: 1 there, None now" in text
    assert "new: None there, 2 now" in text
    assert "scheme:" not in text
    assert json.loads((tmp_path / "out" / "run.json").read_text())["seed"] == 0


def test_a_folder_of_others_files_is_refused_and_left(tmp_path):
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(UserError, match="not empty"):
        claim(tmp_path, seed=0)
    assert names(tmp_path) == ["notes.txt"]


def test_hidden_files_do_not_count_as_content(tmp_path):
    (tmp_path / ".DS_Store").write_text("x")
    assert claim(tmp_path, seed=0) is False


@pytest.mark.parametrize("content", ["[]", "3", "{"])
def test_a_marker_of_others_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with pytest.raises(UserError):
        claim(tmp_path, seed=0)
    assert (tmp_path / "run.json").read_text() == content


def test_a_second_command_is_refused_or_waits_and_the_lock_leaves_nothing(tmp_path, monkeypatch, capsys):
    waits, held = [], contextlib.ExitStack()

    def wait(_seconds):
        waits.append(1)
        if len(waits) == 25:
            held.close()

    monkeypatch.setattr("shapebias.files.sleep", wait)
    held.enter_context(locked(tmp_path, "accuracy"))
    with locked(tmp_path), locked(tmp_path, "edges"):
        with (
            pytest.raises(UserError, match=f"another process is at work on accuracy in {tmp_path}: wait for it"),
            locked(tmp_path, "accuracy"),
        ):
            pass
        with locked(tmp_path, "accuracy", wait=True):
            assert len(waits) == 25
    assert capsys.readouterr().err == f"waiting: another process is at work on accuracy in {tmp_path}\n"
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    ("name", "wanted"),
    [
        ("subject-02", "subject-02"),
        ("../x y/z", "-x y-z"),
        ("lr0.01 (2)", "lr0.01 (2)"),
        ("..", "unnamed"),
        (".a", "a"),
        ("a\n\x00b", "a--b"),
        ("ü" * 150, "ü" * 100),
    ],
)
def test_names_for_files(name, wanted):
    assert safe_name(name) == wanted


def test_only_one_of_many_holds_a_folder_at_a_time(tmp_path):
    inside, most = threading.Semaphore(1), []

    def work(_number):
        with locked(tmp_path, wait=True):
            most.append(inside.acquire(blocking=False))
            inside.release()

    with ThreadPoolExecutor(8) as threads:
        list(threads.map(work, range(40)))
    assert most == [True] * 40


def test_the_lock_of_a_killed_process_is_gone(tmp_path):
    program = """
import os, signal, sys
from pathlib import Path
from shapebias.files import locked
with locked(Path(sys.argv[1])):
    os.kill(os.getpid(), signal.SIGKILL)
"""
    assert subprocess.run([sys.executable, "-c", program, tmp_path], check=False).returncode == -9
    with locked(tmp_path):
        pass
    assert names(tmp_path) == []


def test_unknown_names_the_nearest_or_all():
    assert "did you mean 'bravo'?" in str(unknown("word", "bravvo", ["alpha", "bravo"]))
    far = str(unknown("word", "zzz", ["alpha", "bravo"]))
    assert "did you mean" not in far
    assert "alpha, bravo" in far


def test_a_pipe_is_neither_replaced_nor_waited_for(tmp_path):
    os.mkfifo(tmp_path / "page.html")
    for write in (lambda path: write_text(path, "x"), lambda path: check_replaceable(path, b"mark")):
        with pytest.raises(UserError, match=r"page\.html is a pipe or a device"):
            write(tmp_path / "page.html")
    assert (tmp_path / "page.html").is_fifo() and names(tmp_path) == ["page.html"]
