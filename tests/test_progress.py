"""Progress: lines where nobody watches, a live bar on a terminal, never both."""

from __future__ import annotations

import io
import sys

import pytest

import shapebias.progress as module
from shapebias.progress import Bar, progress
from shapebias.results.table import print_rows


class Terminal(io.StringIO):
    def isatty(self):
        return True


def test_lines_say_what_is_done_and_end_with_all(capsys):
    with progress("work", total=3, done=1, unit="steps") as bar:
        bar.advance()
        bar.advance(loss=0.5)
    lines = capsys.readouterr().err.splitlines()
    assert lines[-1].startswith("work  3/3  ")
    assert "steps/s" in lines[-1]
    assert lines[-1].endswith("loss 0.500")


def test_a_terminal_gets_a_live_bar_and_a_second_one_only_lines(monkeypatch):
    terminal = Terminal()
    monkeypatch.setattr(sys, "stderr", terminal)
    with progress("outer", total=2) as outer:
        assert isinstance(outer, module._Live)
        with progress("inner", total=1) as inner:
            assert not isinstance(inner, module._Live)
        outer.advance(2)
    with pytest.raises(KeyboardInterrupt), progress("stopped", total=1):
        raise KeyboardInterrupt
    with progress("after", total=1) as after:
        assert isinstance(after, module._Live)
    assert "outer" in terminal.getvalue()
    assert "2/2" in terminal.getvalue()


@pytest.mark.parametrize(("seconds", "text"), [(0.4, "0:00"), (61, "1:01"), (3599.6, "1:00:00"), (7325, "2:02:05")])
def test_clock(seconds, text):
    assert module._clock(seconds) == text


def test_the_rate_counts_this_process_only():
    bar = Bar("work", total=100, done=90, unit="images")
    bar.started -= 2
    bar.advance(4)
    assert bar.rate == pytest.approx(2, rel=0.1)
    assert "0:03 left" in bar.line()
    assert "left" not in Bar("work", total=10, done=0, unit="images").line()


def test_names_with_square_brackets_and_colons_are_shown_as_they_are(monkeypatch, capsys):
    name = "resnet[bold] [/] :dog: \\[x]"
    print_rows(name, ["model [red]", "value"], [[name, name]], width=120)
    printed = capsys.readouterr().err
    assert printed.count(name) == 3
    assert "model [red]" in printed
    shown = Terminal()
    monkeypatch.setattr(sys, "stderr", shown)
    with progress(name, total=1) as bar:
        bar.advance()
    assert f"{name}  1/1" in shown.getvalue()
