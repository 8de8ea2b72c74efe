"""The paper's tables beside ours, and a verdict on each of its claims."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from arms import ALL
from comparing import Ends, cell_text, difference, markdown, mean, over_seeds_alone
from record import ARENA_TITLES, LEAST_SEEDS, SEEDS_ALONE, Record

UNTRAINED = "untrained"
SCHEMES = ("in", "shapenet-sin", "mmsi-sin", "shapenet-sin-in", "mmsi-sin-in", "shapenet", "mmsi")
# ResNet-50's figures, percent (BMVC 2022, Tables 1 to 5), in the order of SCHEMES, None where the paper has none: by
# table, what is measured there, and the measure of ours that stands beside it.
PAPER: dict[int, dict[tuple[str, str], tuple[float | None, ...]]] = {
    1: {
        ("shape bias", "shape bias"): (21.8, 79.8, 83.1, 39.3, 51.9, 22.9, 26.1),
        ("shape neurons", "shape neurons"): (17.0, 26.2, 36.0, 23.7, 32.7, 18.4, 18.8),
    },
    2: {("MIM, epsilon 4, transferred", "transfer-attack"): (None, 51.7, 54.6, None, None, 11.4, 47.3)},
    3: {("PGD, epsilon .2 (ours 1)", "white-box"): (39.2, 20.0, 18.4, None, None, 38.9, 41.0)},
    4: {
        ("corruptions", "corruptions"): (37.7, 34.9, 36.4, None, None, 40.1, 40.2),
        ("stylized images", "stylized"): (7.1, 50.6, 54.2, None, None, 9.8, 9.6),
    },
    5: {("top-1", "top-1"): (75.8, 53.2, 56.8, None, None, 75.4, 76.2)},
}
# Table 7: mean AP of ResNet-50 on VOC2012, by row of our ablation; the paper lacks the control.
ABLATION: dict[str, float | None] = {
    "baseline": 91.8,
    "style": None,
    "mmsi": 92.5,
    "mmsi-style": 93.4,
    "stages-2": 93.2,
    "stages-4": 93.3,
}


class Claim(NamedTuple):
    """The paper says that ``more`` has more of ``measure`` than ``less``."""

    table: str
    text: str
    more: str
    less: str
    measure: str


FULL = "the same on textures of full strength"
CLAIMS = (
    Claim("1", "the term raises shape bias, stylized images alone", "mmsi-sin", "shapenet-sin", "shape bias"),
    Claim("1", "the term raises shape bias, with natural images", "mmsi-sin-in", "shapenet-sin-in", "shape bias"),
    Claim("1", FULL, "mmsi-sin-in", "shapenet-sin-in", "shape bias full"),
    Claim("1", "it does so after fine-tuning", "mmsi", "shapenet", "shape bias"),
    Claim("1", "shape training raises shape bias over natural images alone", "mmsi-sin-in", "in", "shape bias"),
    Claim("1", FULL, "mmsi-sin-in", "in", "shape bias full"),
    Claim("1", "the term raises shape neurons, stylized images alone", "mmsi-sin", "shapenet-sin", "shape neurons"),
    Claim("1", "the term raises shape neurons, with natural images", "mmsi-sin-in", "shapenet-sin-in", "shape neurons"),
    Claim("1", "it does so after fine-tuning", "mmsi", "shapenet", "shape neurons"),
    Claim("1", "fine-tuning lowers shape bias", "mmsi-sin-in", "mmsi", "shape bias"),
    Claim("2", "the term helps against transferred attacks", "mmsi", "shapenet", "transfer-attack"),
    Claim("3", "the term helps against white-box attacks", "mmsi", "shapenet", "white-box"),
    Claim("4", "the term helps under corruptions", "mmsi-sin", "shapenet-sin", "corruptions"),
    Claim("4", "the term helps on stylized images", "mmsi-sin", "shapenet-sin", "stylized"),
    Claim("5", "shape training does not cost accuracy: more than natural images alone", "mmsi", "in", "top-1"),
    Claim("5", "nor than ShapeNet", "mmsi", "shapenet", "top-1"),
)
# What the paper does not ask: the term alone, all else equal.
OWN = (
    Claim("-", "the term alone (lambda_m .8 against 0) raises decisions by shape", "mmsi-sin-in", "control", "shape"),
    Claim("-", FULL, "mmsi-sin-in", "control", "shape full"),
    Claim("-", "the term alone raises shape neurons", "mmsi-sin-in", "control", "shape neurons"),
    Claim("-", "the term alone raises stylized accuracy", "mmsi-sin-in", "control", "stylized"),
    Claim("-", "the term alone raises accuracy", "mmsi-sin-in", "control", "top-1"),
)
NOT_THE_PAPERS = {"reproduced": "yes", "contradicted": "no, the opposite"}


def verdict(ends: Ends, seeds: int) -> str:
    """Return what the interval of a difference says about the claim that it is above 0."""
    if ends is None or seeds < LEAST_SEEDS:
        return f"undecided (fewer than {LEAST_SEEDS} seeds)"
    if ends[0] > 0:
        return "reproduced"
    return "contradicted" if ends[1] < 0 else "undecided at this scale"


def beside(records: Mapping[str, Record]) -> dict[str, str]:
    """Return the paper's Tables 1 to 5 by their markers: its figure and ours (number of seeds), a row per scheme.

    The first row is the network before training, which the paper does not have.
    """
    made = {}
    for table, columns in PAPER.items():
        names = ("paper", *(ARENA_TITLES.get(one, one) for one in records))
        headings = ["scheme", *(f"{what}: {one}" for what, _ in columns for one in names)]
        lines = []
        for scheme in (UNTRAINED, *SCHEMES):
            line = [ALL[scheme].title if scheme == UNTRAINED else f"`{scheme}`"]
            for (_, measure), figures in columns.items():
                figure = None if scheme == UNTRAINED else figures[SCHEMES.index(scheme)]
                line.append("-" if figure is None else f"{figure:.1f}")
                for record in records.values():
                    cells = record.cells(scheme, record.seeds)
                    text = cell_text(*mean(cells, measure, record.images)) if cells else "-"
                    line.append(text if text == "-" else f"{text} ({len(cells)})")
            lines.append(line)
        made[f"paper table {table}"] = markdown(headings, lines)
    return made


def verdicts(records: Mapping[str, Record]) -> str:
    """Return the table of claims: in each arena the difference, its interval over seeds and images, and the verdict."""
    lines = []
    for claim in (*CLAIMS, *OWN):
        about = f"{claim.measure}: `{claim.more}` minus `{claim.less}`"
        lines.append([claim.table, claim.text, about, *(_verdict(claim, one) for one in records.values())])
    return markdown(["table", "claim", "measured", *(ARENA_TITLES.get(one, one) for one in records)], lines)


def _verdict(claim: Claim, record: Record) -> str:
    more, less = (record.cells(arm, record.seeds) for arm in (claim.more, claim.less))
    if not set(more) & set(less):
        return "not measured"
    value, ends, each = difference(more, less, claim.measure, record.images)
    if value is None:
        return "not measured"
    seeds, found = f"{len(each)} seed{'s' * (len(each) > 1)}", verdict(ends, len(each))
    found = found if claim in CLAIMS else NOT_THE_PAPERS.get(found, found)
    mark = SEEDS_ALONE if over_seeds_alone(claim.measure, record.images) else ""
    return f"{cell_text(value, ends, '+.1f')}{mark}, {seeds}: **{found}**"


def ablation(rows: Mapping[str, dict[str, Any]]) -> str:
    """Return the paper's Table 7 beside ours, from the rows that ``ablation.py`` collected."""
    lines = []
    for name, figure in ABLATION.items():
        row = rows[name]
        away = [row[f"minus_{other}"] for other in ("baseline", "style")]
        lines.append(
            [
                f"`{name}`: {row['description']}",
                "-" if figure is None else f"{figure:.1f}",
                cell_text(row["value"], tuple(row["ci95"])),
                " / ".join(f"{100 * value:.1f}" for value in row["seeds"]),
                *("-" if one is None else cell_text(one["value"], tuple(one["ci95"]), "+.1f") for one in away),
                f"{row['images_seen']:,}",
            ]
        )
    headings = ["row", "paper", "ours", "seeds", "minus `baseline`", "minus `style`", "images through the network"]
    return markdown(headings, lines)
