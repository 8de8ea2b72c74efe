"""Put the page together: what each section says and shows, then one template."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from importlib import metadata, resources
from pathlib import Path

import jinja2
from markupsafe import Markup

from shapebias.report import format as words
from shapebias.report.accuracies import accuracies_of
from shapebias.report.adversarial_pictures import Gallery, read_galleries
from shapebias.report.answers import Card, Responses, choose_cards, read_responses
from shapebias.report.attacked import attacked_of
from shapebias.report.cam_chart import cam_charts
from shapebias.report.category_chart import category_chart, category_rows, label_width
from shapebias.report.charts import decision_bar, neuron_bar
from shapebias.report.collect import Collection, Network
from shapebias.report.comparison import compare
from shapebias.report.corruption_chart import corruption_chart
from shapebias.report.corruption_map import corruption_maps
from shapebias.report.curves import PANELS, Panel, curve_chart, curves_of
from shapebias.report.decisions import Sample, draw_sample, may_be_published, read_decisions
from shapebias.report.examples import Examples, read_examples
from shapebias.report.label_pictures import LabelGallery, read_label_galleries
from shapebias.report.neurons import read_strips
from shapebias.report.observers import observers_of, read_observers
from shapebias.report.overview import overview_of
from shapebias.report.pictures import attribution, is_folder
from shapebias.report.provenance import origin
from shapebias.report.records import Entry, number, table, text
from shapebias.report.svg import key, meter, ring_key
from shapebias.report.tables import full_table, is_clear, paired_table
from shapebias.report.transfer import transfer_models

TITLE = "Shape or texture?"


@dataclass(frozen=True)
class Verdict:
    """One network's line at the top of the page."""

    network: Network
    entry: Entry
    bar: Markup | None
    conflicts: int | None


@dataclass(frozen=True)
class Neurons:
    """One network's neurons divided by what they encode."""

    network: Network
    stage: str
    bar: Markup
    scores: tuple[tuple[str, str], ...]
    pairs: str
    neurons: str


def render(collection: Collection, *, title: str | None) -> tuple[str, list[str]]:
    """The whole page, and what was missing or doubtful in the input."""
    warnings = list(collection.warnings)
    networks = collection.networks
    responses = read_responses(networks, warnings)
    sample = draw_sample(read_decisions(networks, warnings), warnings)
    cards = sample.cards if sample else choose_cards(responses, warnings)
    examples = read_examples(networks)
    galleries = read_galleries(networks, warnings)
    labelled = read_label_galleries(networks, warnings)
    observers = [*observers_of(networks), *read_observers(collection.responses, networks, warnings)]
    origins = [origin(network) for network in networks]
    warnings += _different_data(networks)
    context = {
        "title": title or TITLE,
        "style": Markup(_resource("style.css")),
        "version": metadata.version("shapebias"),
        "networks": networks,
        "verdicts": _verdicts(networks),
        "summary": _summary(collection),
        "glance": overview_of(networks),
        "unmeasured": [n for n in networks if n.shape_bias is None],
        "examples": examples,
        "has_responses": bool(responses or sample),
        "sample": sample,
        "credit": bool(cards) and _may_be_published(sample, responses),
        "cards": cards,
        "left_out": _without_answers(networks, cards),
        "observers": observers,
        "category_chart": category_chart(observers) if observers else None,
        "label_width": label_width(observers),
        "category_rows": category_rows(observers),
        "compared": compare(collection),
        "accuracies": accuracies_of(networks),
        "attacked": attacked_of(networks),
        "galleries": galleries,
        "corruptions": corruption_maps(networks),
        "corruption_chart": corruption_chart(collection),
        "starts": transfer_models(networks),
        "cams": cam_charts(networks),
        "labelled": labelled,
        "neurons": _neurons(networks),
        "strips": read_strips(networks, warnings),
        "curves": _curves(networks),
        "numbers": full_table(networks),
        "measured": [n for n in networks if n.measurements],
        "paired": paired_table(collection),
        "audited": collection.unmeasured,
        "origins": origins,
        "warnings": list(dict.fromkeys([*warnings, *(f"{o.network.name}: {w}" for o in origins for w in o.warnings)])),
        "credits": _credits(networks, examples, [*galleries, *labelled]),
    }
    return _template().render(context), list(dict.fromkeys(warnings))


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(_resource),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(words=words, key=key, ring_key=ring_key, meter=meter)
    return environment.get_template("template.html")


def _resource(name: str) -> str:
    return resources.files("shapebias.report").joinpath(name).read_text(encoding="utf-8")


def _verdicts(networks: Sequence[Network]) -> list[Verdict]:
    found = []
    for network in networks:
        entry = network.entry("shape-bias", "shape_bias")
        if entry is not None:
            bar = decision_bar(entry, network.name) if entry.value is not None else None
            conflicts = number(entry.details.get("conflict_images"))
            found.append(Verdict(network, entry, bar, None if conflicts is None else int(conflicts)))
    return found


def _summary(collection: Collection) -> str | None:
    """The verdict in one or two sentences that claim no more than the intervals allow."""
    ranked = [n for n in collection.networks if n.shape_bias is not None]
    if not ranked:
        return None
    low, high = ranked[0], ranked[-1]
    least, most = words.percent(low.shape_bias, 0), words.percent(high.shape_bias, 0)
    if low is high:
        return f"“{low.name}” went by the shape in {least} of the decisions in which it followed either cue."
    said = f"“{high.name}” went by the shape in {most} of its decisions, “{low.name}” in {least}."
    for item in collection.differences:
        if item.metric == "shape_bias" and {item.a, item.b} == {low.name, high.name} and item.ci95:
            inside = "The difference on the same pictures is clear of zero"
            if not is_clear(item):
                inside = "The difference on the same pictures could be chance"
            value, ends = item.value, item.ci95
            if value is not None and item.a == low.name:  # told as how far the higher is above the lower
                value, ends = -value, (-ends[1], -ends[0])
            return f"{said} {inside}: {words.points(value)} (95 % interval {words.points_interval(ends)})."
    bounds = [n.entry("shape-bias", "shape_bias") for n in (low, high)]
    ends = [entry.ci95 for entry in bounds if entry and entry.ci95]
    if len(ends) < 2:
        return f"{said} Without intervals it is open whether that is more than chance."
    if ends[0][1] >= ends[1][0]:
        return f"{said} Their 95 % intervals overlap, so the difference is uncertain."
    return f"{said} Their 95 % intervals do not overlap."


def _different_data(networks: Sequence[Network]) -> list[str]:
    """A warning for every evaluator whose networks were measured on different files."""
    prints: dict[tuple[str, str], set[str]] = {}
    for entry in (e for network in networks for e in network.entries):
        fingerprint = table(entry.details.get("data")).get("fingerprint")
        if isinstance(fingerprint, str):
            prints.setdefault((entry.evaluator, entry.key[2]), set()).add(fingerprint)
    differing = [key for key, found in sorted(prints.items()) if len(found) > 1]
    many = Counter(evaluator for evaluator, _ in differing)
    said = (b if many[b] > 2 else " ".join(filter(None, (b, condition))) for b, condition in differing)
    return [
        f"the networks were measured on different data for {what}: their numbers are not comparable"
        for what in dict.fromkeys(said)
    ]


def _without_answers(networks: Sequence[Network], cards: Sequence[Card]) -> list[Network]:
    answered = {a.network.index for card in cards for a in card.answers}
    return [n for n in networks if cards and n.index not in answered]


def _may_be_published(sample: Sample | None, responses: Sequence[Responses]) -> bool:
    if sample:
        return sample.credit
    return any(r.folder and may_be_published(r.folder, [c.file for c in r.answers]) for r in responses)


def _neurons(networks: Sequence[Network]) -> list[Neurons]:
    found = []
    for network in networks:
        kinds = ("shape", "texture", "residual")
        entries = [network.entry("dimensionality", f"{kind}_neurons") for kind in kinds]
        values = [(kind, e.value) for kind, e in zip(kinds, entries, strict=True) if e and e.value is not None]
        if not values:
            continue
        details = next(e.details for e in entries if e)
        scores = tuple((k, words.plain(number(table(details.get("scores")).get(k)))) for k in kinds)
        counts = [words.counted(number(details.get(k))) for k in ("pairs", "neurons")]
        bar = neuron_bar(network.name, [(k, min(max(v, 0.0), 1.0)) for k, v in values])
        found.append(Neurons(network, text(details.get("stage")) or "", bar, scores, *counts))
    return found


def _curves(networks: Sequence[Network]) -> list[tuple[Panel, Markup, list[Network]]]:
    lines = {panel: curves_of(panel.column, networks) for panel in PANELS}
    ends = [x for curves in lines.values() for curve in curves for x, _ in curve.points]
    return [
        (panel, curve_chart(panel, curves, max(ends)), [c.network for c in curves])
        for panel, curves in lines.items()
        if curves
    ]


def _credits(
    networks: Sequence[Network], examples: Examples | None, galleries: Sequence[Gallery | LabelGallery]
) -> list[str]:
    """The texts of the attribution files beside the pictures shown and the data used."""
    folders: list[Path] = [
        *([examples.folder] if examples else []),
        *(folder for g in galleries for folder in g.folders),
    ]
    for network in networks:
        records = [table(network.run.record.get("data"))] if network.run else []
        records += [table(entry.details.get("data")) for entry in network.entries]
        folders += [Path(r["folder"]) for r in records if isinstance(r.get("folder"), str) and r["folder"]]
    texts = (attribution(folder) for folder in dict.fromkeys(folders) if is_folder(folder))
    return list(dict.fromkeys(text for text in texts if text))
