"""The paper's tables beside ours, and a verdict on each of its claims."""

from __future__ import annotations

from typing import NamedTuple

from comparing import Cells, Ends, cell_text, difference, markdown, mean

LEAST_SEEDS = 3
SCHEMES = ("shapenet-sin", "mmsi-sin", "shapenet-sin-in", "mmsi-sin-in", "in", "shapenet", "mmsi")
# ResNet-50's figures, percent (BMVC 2022, Tables 1 to 5), by the measure of ours that stands beside them.
PAPER: dict[str, dict[str, tuple[float, ...]]] = {
    "Table 1: shape bias": {"shape bias": (79.8, 83.1, 39.3, 51.9, 21.8, 22.9, 26.1)},
    "Table 1: shape neurons": {"shape neurons": (26.2, 36.0, 23.7, 32.7, 17.0, 18.4, 18.8)},
    "Table 2: transferred attack (MIM, epsilon 4)": {"transfer-attack": (51.7, 54.6, -1, -1, -1, 11.4, 47.3)},
    "Table 3: white-box (PGD; their epsilon .2, ours 1)": {"white-box": (20.0, 18.4, -1, -1, 39.2, 38.9, 41.0)},
    "Table 4: corruptions": {"corruptions": (34.9, 36.4, -1, -1, 37.7, 40.1, 40.2)},
    "Table 4: stylized images": {"stylized": (50.6, 54.2, -1, -1, 7.1, 9.8, 9.6)},
    "Table 5: top-1": {"top-1": (53.2, 56.8, -1, -1, 75.8, 75.4, 76.2)},
}  # fmt: skip


class Claim(NamedTuple):
    """The paper says that ``more`` has more of ``measure`` than ``less``."""

    table: str
    text: str
    more: str
    less: str
    measure: str


CLAIMS = (
    Claim("1", "the term raises shape bias, stylized images alone", "mmsi-sin", "shapenet-sin", "shape bias"),
    Claim("1", "the term raises shape bias, with natural images", "mmsi-sin-in", "shapenet-sin-in", "shape bias"),
    Claim("1", "it does so after fine-tuning", "mmsi", "shapenet", "shape bias"),
    Claim("1", "shape training raises shape bias over natural images alone", "mmsi-sin-in", "in", "shape bias"),
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
    Claim("-", "the term alone raises shape neurons", "mmsi-sin-in", "control", "shape neurons"),
)


def verdict(ends: Ends, seeds: int) -> str:
    """Return what the interval of a difference says about the claim that it is above 0."""
    if ends is None or seeds < LEAST_SEEDS:
        return f"undecided (fewer than {LEAST_SEEDS} seeds)"
    if ends[0] > 0:
        return "reproduced"
    return "contradicted" if ends[1] < 0 else "undecided at this scale"


def beside(arms: dict[str, Cells], seeds: set[int], images: list[str] | None) -> str:
    """Return the paper's tables beside ours, a row per scheme and measure."""
    lines = []
    for table, measures in PAPER.items():
        for measure, figures in measures.items():
            for scheme, figure in zip(SCHEMES, figures, strict=True):
                cells = {seed: cell for seed, cell in arms.get(scheme, {}).items() if seed in seeds}
                if cells:
                    theirs = "-" if figure < 0 else f"{figure:.1f}"
                    lines.append([table, f"`{scheme}`", theirs, cell_text(*mean(cells, measure, images))])
    return markdown(["table", "scheme", "paper, ResNet-50 on ImageNet", "ours"], lines)


def verdicts(arms: dict[str, Cells], seeds: set[int], images: list[str] | None) -> str:
    """Return the table of claims: the difference, its interval over seeds and images, and the verdict."""
    lines = []
    for claim in (*CLAIMS, *OWN):
        more, less = (
            {seed: cell for seed, cell in arms.get(arm, {}).items() if seed in seeds}
            for arm in (claim.more, claim.less)
        )
        if not set(more) & set(less):
            continue
        value, ends, each = difference(more, less, claim.measure, images)
        about = f"{claim.measure}: `{claim.more}` minus `{claim.less}`"
        lines.append(
            [claim.table, claim.text, about, cell_text(value, ends, "+.1f"), str(len(each)), verdict(ends, len(each))]
        )
    return markdown(["table", "claim", "measured", "difference", "seeds", "verdict"], lines)
