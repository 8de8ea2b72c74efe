"""Commands that show results: report, demo."""

from __future__ import annotations

from pathlib import Path

from shapebias.cli.output import say


def report(runs: list[Path], *, out: Path, reference: str | None = None) -> None:
    """Write one self-contained HTML page from runs, results and response files.

    Args:
        runs: folders of runs or results, and response CSV files or folders of them.
        out: the page, for example report.html.
        reference: name of the model that the others are compared with (default: the first given).

    Examples:
        shapebias report runs results --out report.html
        shapebias report results responses --out comparison.html
    """
    from shapebias.report import build_report

    for warning in build_report(runs, out, reference=reference):
        say(f"warning: {warning}")
    say(f"wrote {out}")


def demo(*, out: Path = Path("runs/demo"), seed: int = 0, quick: bool = False) -> None:
    """Generate data, train three models, measure them, and write one page.

    Takes about four minutes on two CPU cores.

    Args:
        out: folder of the demonstration.
        seed: random seed of data, training and evaluation.
        quick: run all steps in half a minute, too short for the models to learn anything.

    Examples:
        shapebias demo
        shapebias demo --seed 1 --out runs/demo-1
    """
    from shapebias.demo import run_demo

    page = run_demo(out, seed=seed, quick=quick)
    say(f"wrote {page}: open it in a browser")
