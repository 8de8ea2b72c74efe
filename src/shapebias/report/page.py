"""Assemble the page from the headings and templates of all sections."""

from __future__ import annotations

import functools
from importlib import metadata, resources

import jinja2
from markupsafe import Markup

from shapebias.report import format
from shapebias.report.collect import Collection
from shapebias.report.respondents import respondents
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

TITLE, OTHER_TITLE = "Shape or texture?", "Results"
ABOUT_SHAPE = (SHAPE_BIAS, DECISIONS, CATEGORIES, SHAPE_NEURONS)
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
    shown = [
        (section, Markup(_environment().get_template(section.template).render(context)))
        for section, context in built.items()
        if context is not None
    ]
    about_shape = any(built[section] is not None for section in ABOUT_SHAPE)
    about_other_tasks = built[TRANSFER] is not None
    absent = [section.title for section, context in built.items() if section.expected and context is None]
    answered = [one.index for one in respondents(collection) if one.model is None]
    indices = [*(model.index for model in collection.models), *answered]
    return (
        _environment()
        .get_template("page.html")
        .render(
            title=title or (TITLE if about_shape else OTHER_TITLE),
            about_shape=about_shape,
            style=Markup(_source("style.css")),
            version=metadata.version("shapebias"),
            people=indices.count(None),
            models=len(indices) - indices.count(None),
            sections=shown,
            absent=[] if about_other_tasks else absent,
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
