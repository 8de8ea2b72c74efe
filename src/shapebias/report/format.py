"""Format numbers and conditions for the report. A missing value is shown as an en dash."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from shapebias.report.values import Interval, listing, number, table, text
from shapebias.results.results import Result

MISSING = "\u2013"  # en dash
_TO = "\u2013"
_MINUS = "\u2212"
_SPACE = "\u202f"  # narrow no-break space between a number and its unit


def percent(value: float | None, digits: int = 1) -> str:
    """Format a fraction in percent.

    >>> percent(0.6213)
    '62.1\\u202f%'
    """
    return MISSING if value is None else f"{_signed(100 * value, digits)}{_SPACE}%"


def percent_interval(bounds: Interval | None, digits: int = 1) -> str:
    """Format an interval of fractions in percent."""
    if bounds is None:
        return MISSING
    return f"{_signed(100 * bounds[0], digits)}{_TO}{_signed(100 * bounds[1], digits)}{_SPACE}%"


def points(value: float | None) -> str:
    """Format a difference of two fractions in percentage points, with its sign."""
    if value is None:
        return MISSING
    sign = "+" if round(100 * value, 1) > 0 else ""
    return f"{sign}{_signed(100 * value, 1)} points"


def points_interval(bounds: Interval | None) -> str:
    """Format the interval of a difference in percentage points."""
    return MISSING if bounds is None else f"{_signed(100 * bounds[0], 1)} to {_signed(100 * bounds[1], 1)}"


def plain(value: float | None) -> str:
    """Format a number that is not a fraction, to four digits."""
    return MISSING if value is None else f"{value:.4g}".replace("-", _MINUS)


def plain_interval(bounds: Interval | None) -> str:
    """Format an interval of numbers that are not fractions."""
    return MISSING if bounds is None else f"{plain(bounds[0])} to {plain(bounds[1])}"


def counted(value: int | float | None) -> str:
    """Format a count with separated thousands.

    >>> counted(57600)
    '57,600'
    """
    return MISSING if value is None else f"{round(value):,}"


def plural(value: int | None, one: str, many: str | None = None) -> str:
    """Format a count with its noun.

    >>> plural(1, "picture"), plural(2, "picture")
    ('1 picture', '2 pictures')
    """
    return f"{counted(value)} {one if value == 1 else many or one + 's'}"


def duration(seconds: float | None) -> str:
    """Format a time span in a suitable unit."""
    if seconds is None:
        return MISSING
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def short(text: str, length: int) -> str:
    """Shorten text to fit a chart.

    >>> short("a long category", 7)
    'a long…'
    """
    return text if len(text) <= length else text[: length - 1] + "…"


def describe(condition: Mapping[str, Any]) -> str:
    """Describe a result's condition in words.

    >>> describe({"styles": "held-out"})
    'styles: held-out'
    """
    return ", ".join(f"{key}: {condition[key]}" for key in sorted(condition))


def classes_note(result: Result) -> str:
    """Return a note on an accuracy over some of the model's classes only: ``over 120 of 1000 classes``."""
    answers = text(result.condition.get("answers"))
    return f"over {answers}" if answers else ""


def present_note(result: Result) -> str:
    """Return a note on a mean over fewer than all corruptions: ``over 45 of 75 corruptions and severities``."""
    if result.metric != "mean_top1_of_present":
        return ""
    present = table(result.details.get("present"))
    many = sum(len(listing(severities)) for severities in present.values())
    return f"over {many} of 75 corruptions and severities" if many else "over those present only"


def evidence(result: Result) -> str:
    """Describe the seeds and images of a transfer result, and what its interval covers, as far as recorded."""
    seeds = result.details.get("seeds")
    many = len(seeds) if isinstance(seeds, dict | list) else 0
    trainings = f"{'mean of ' if many > 1 else ''}{plural(many, 'seed')}" if many else ""
    images = f"{counted(result.n)} {'' if result.evaluator == 'cam' else 'test '}images" if result.n else ""
    background = number(result.details.get("all_background"))
    floor = f"answering background everywhere: {percent(background)}" if background is not None else ""
    return ", ".join(filter(None, [trainings, images, _covered(result), floor]))


def _covered(result: Result) -> str:
    method = text(result.details.get("interval"))
    if result.ci95 is None or method is None:
        return "" if result.ci95 else "no interval"
    if method.startswith("over seeds and images"):
        return "interval over seeds and images"
    if method.startswith("Student's t"):
        return "interval over seeds"
    return "interval over images" if "images" in method else ""


def joined(notes: Sequence[tuple[str, str]]) -> str:
    """Return the note that all models (name, note) share, otherwise one note per model that has any."""
    said = list(dict.fromkeys(note for _, note in notes))
    if len(said) <= 1:
        return said[0] if said else ""
    return "; ".join(f"{name}: {note}" for name, note in notes if note)


def _signed(value: float, digits: int) -> str:
    shown = f"{value:.{digits}f}"
    return shown.lstrip("-") if float(shown) == 0 else shown.replace("-", _MINUS)
