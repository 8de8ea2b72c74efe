"""Numbers as people read them. A missing value is an en dash everywhere."""

from __future__ import annotations

MISSING = "\u2013"  # en dash
_TO = "\u2013"
_MINUS = "\u2212"
_SPACE = "\u202f"  # narrow no-break space between a number and its unit


def percent(value: float | None, digits: int = 1) -> str:
    """A fraction in percent.

    >>> percent(0.6213)
    '62.1\\u202f%'
    """
    return MISSING if value is None else f"{_signed(100 * value, digits)}{_SPACE}%"


def percent_interval(bounds: tuple[float, float] | None, digits: int = 1) -> str:
    """Two fractions as an interval in percent."""
    if bounds is None:
        return MISSING
    return f"{_signed(100 * bounds[0], digits)}{_TO}{_signed(100 * bounds[1], digits)}{_SPACE}%"


def points(value: float | None) -> str:
    """A difference of two fractions in percentage points, with its sign."""
    if value is None:
        return MISSING
    sign = "+" if round(100 * value, 1) > 0 else ""
    return f"{sign}{_signed(100 * value, 1)} points"


def points_interval(bounds: tuple[float, float] | None) -> str:
    """An interval of a difference in percentage points."""
    return MISSING if bounds is None else f"{_signed(100 * bounds[0], 1)} to {_signed(100 * bounds[1], 1)}"


def plain(value: float | None) -> str:
    """A number that is not a fraction, to four digits."""
    return MISSING if value is None else f"{value:.4g}".replace("-", _MINUS)


def plain_interval(bounds: tuple[float, float] | None) -> str:
    """Two numbers that are not fractions as an interval."""
    return MISSING if bounds is None else f"{plain(bounds[0])} to {plain(bounds[1])}"


def counted(value: int | float | None) -> str:
    """A count with thousands separated.

    >>> counted(57600)
    '57,600'
    """
    return MISSING if value is None else f"{round(value):,}"


def plural(value: int | None, one: str, many: str | None = None) -> str:
    """A count with its noun.

    >>> plural(1, "picture"), plural(2, "picture")
    ('1 picture', '2 pictures')
    """
    return f"{counted(value)} {one if value == 1 else many or one + 's'}"


def duration(seconds: float | None) -> str:
    """A time span in its natural unit."""
    if seconds is None:
        return MISSING
    for size, unit in ((86400, "days"), (3600, "hours"), (60, "minutes")):
        if seconds >= 2 * size:
            return f"{seconds / size:.1f} {unit}"
    return f"{seconds:.0f} seconds"


def short(text: str, length: int) -> str:
    """Text cut to fit a chart.

    >>> short("a long category", 7)
    'a long…'
    """
    return text if len(text) <= length else text[: length - 1] + "…"


def _signed(value: float, digits: int) -> str:
    shown = f"{value:.{digits}f}"
    return shown.lstrip("-") if float(shown) == 0 else shown.replace("-", _MINUS)
