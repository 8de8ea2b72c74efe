"""Assemble the page from the headings and templates of all sections."""

from __future__ import annotations

import functools
from importlib import metadata, resources

import jinja2
from markupsafe import Markup

from shapebias.report import format
from shapebias.report.collect import Collection
from shapebias.report.sections import Section
from shapebias.report.sections.accuracy import ACCURACY
from shapebias.report.sections.attacks import ATTACKS
from shapebias.report.sections.categories import CATEGORIES
from shapebias.report.sections.corruptions import CORRUPTIONS
from shapebias.report.sections.decisions import DECISIONS
from shapebias.report.sections.neurons import SHAPE_NEURONS
from shapebias.report.sections.overview import OVERVIEW
from shapebias.report.sections.provenance import AUDIT, PROVENANCE
from shapebias.report.sections.results import RESULTS
from shapebias.report.sections.shape_bias import SHAPE_BIAS
from shapebias.report.sections.training import TRAINING_CURVES, TRAINING_PICTURES
from shapebias.report.sections.transfer import TRANSFER
from shapebias.report.svg import key, meter

TITLE = "Shape or texture?"
SECTIONS = (
    SHAPE_BIAS,
    OVERVIEW,
    TRAINING_PICTURES,
    DECISIONS,
    CATEGORIES,
    ACCURACY,
    ATTACKS,
    CORRUPTIONS,
    TRANSFER,
    SHAPE_NEURONS,
    TRAINING_CURVES,
    RESULTS,
    AUDIT,
    PROVENANCE,
)


def render(collection: Collection, *, title: str | None) -> str:
    """Return the page of a collection; sections add to its warnings."""
    built = {section: section.build(collection) for section in SECTIONS}
    about_other_tasks = built[TRANSFER] is not None  # otherwise the section has no heading
    shown: list[tuple[Section, Markup]] = []
    for section, context in built.items():
        if context is not None:
            shown.append((section, Markup(_environment().get_template(section.template).render(context))))
        elif section.absent and not about_other_tasks:
            shown.append((section, Markup('<p class="absent">{}</p>').format(section.absent)))
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=title or TITLE,
            style=Markup(_source("style.css")),
            version=metadata.version("shapebias"),
            models=collection.models,
            sections=shown,
        )
    )


@functools.cache
def _environment() -> jinja2.Environment:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_source),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    names = ("percent", "percent_interval", "counted", "plural")
    environment.filters.update({name: getattr(format, name) for name in names})
    environment.globals.update(key=key, meter=meter)
    return environment


def _source(name: str) -> str:
    return (resources.files("shapebias.report") / "templates" / name).read_text(encoding="utf-8")
