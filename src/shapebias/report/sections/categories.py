"""Shape bias by category: a row per category, a mark per model and person (Geirhos et al. 2019, figure 4)."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from shapebias.report.charts import LANES, PERCENT, Axis, Dot, Total, row_chart
from shapebias.report.collect import Collection
from shapebias.report.format import percent, percent_interval, plain
from shapebias.report.respondents import Respondent, respondents
from shapebias.report.sections import Section

_AXIS = Axis(1.0, 0.0, PERCENT.ticks)  # shape at the left


def build(collection: Collection) -> dict[str, Any] | None:
    """Return the chart and its numbers for the models on the page and the respondents of response files."""
    answered = [r for r in respondents(collection) if r.shares or r.model is None]
    categories = sorted({category for respondent in answered for category in respondent.shares})
    if not categories:
        return None
    rows = []
    for category in categories:
        found = (respondent.shares.get(category) for respondent in answered)
        rows.append((category, [(percent(one.value), percent_interval(one.ci95)) if one else None for one in found]))
    longest = max((min(len(category), 18) for category in categories), default=0)
    chart = _chart(answered, categories)
    people = any(respondent.index is None for respondent in answered)
    label_width = max(60, 8 * longest + 22)
    return {"respondents": answered, "people": people, "rows": rows, "chart": chart, "label_width": label_width}


def _chart(answered: Sequence[Respondent], categories: Sequence[str]) -> Markup:
    """Models lie one under the other; people share a lane, as rings. Vertical lines are shares over all pictures."""
    people = any(respondent.index is None for respondent in answered)
    dots, totals, lanes = [], [], int(people)
    for respondent in answered:
        lane = 0 if respondent.index is None else lanes
        lanes += respondent.index is not None
        if respondent.overall is not None:
            title = f"{respondent.name}, all categories: {percent(respondent.overall)} by shape"
            totals.append(Total(respondent.overall, title, respondent.index))
        for category, share in respondent.shares.items():
            counts = f"{plain(share.shape)} by shape, {plain(share.texture)} by texture"
            shown = f"{percent(share.value)} by shape ({percent_interval(share.ci95)}; {counts})"
            title = f"{respondent.name}, {category}: {shown}"
            dots.append(Dot(categories.index(category), lane, share.value, title, respondent.index))
    names = ", ".join(f"{r.name} {percent(r.overall, 0)}" if len(answered) > 1 else r.name for r in answered)
    return row_chart(
        categories,
        dots,
        _AXIS,
        label=f"Share of shape decisions per category for {names}; the numbers follow as a table",
        lanes=lanes,
        step=max(30, 9 * min(lanes, LANES) + 8),
        spacing=7.5 * LANES / max(lanes, LANES),
        totals=totals,
        halves=("side-shape", "side-texture"),
    )


CATEGORIES = Section("Shape bias by category", "categories.html", build, expected=True)
