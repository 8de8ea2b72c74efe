"""Compare collected numbers with the pinned ones, by tolerances that depend on the kind of number."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

# (pattern, replacement) applied in order to the keys of the new run, for what the code has renamed since.
KEY_RENAMES: tuple[tuple[str, str], ...] = ()

# How far a number may drift, by the first pattern found in its key: absolute, relative, how many images may be answered
# otherwise (over the figure's own n), and which share of the numbers of that kind may drift at all, beyond TIGHT. One
# image answered otherwise shifts a few figures; a change of the code shifts most of a kind. Whole numbers may drift by
# "absolute" alone; texts and hashes never. Short trainings part from
# each other on two processors, and what is measured of them follows. Chosen at three to ten times what AVX2 instead of
# AVX-512 was seen to change.
DRIFT: tuple[tuple[str, float, float, int, float], ...] = (
    (r"/(adversarial|difference|pgd|mim|fgsm|ifgsm)/.*pixels: (mean|std)$", 1.0, 0, 0, 0.5),  # 0 to 255
    (r"^(cam|segmentation)\S* .*pixels: (mean|std)$", 5.0, 0, 0, 0.8),
    (r"pixels: (mean|std)$", 0.1, 0, 0, 0.2),
    (r"(safetensors|pth): mean$", 2e-4, 0, 0, 0.6),
    (r"(safetensors|pth): norm$", 0, 1e-2, 0, 0.6),
    (r"(safetensors|pth): projection$", 8.0, 0, 0, 0.8),  # of other weights: as far apart as their norms, 30 to 200
    (r"metrics.csv: row \d+ (epoch|step|images|lr)$", 0, 0, 0, 0),
    (r"metrics.csv: row \d+ (train|val|held_out)\w*(top1|top5|right|accuracy|miou|map)\w*$", 0.2, 0, 0, 0.4),
    (r"metrics.csv: row \d+ held_out$", 0.3, 0, 0, 0.5),
    (r"metrics.csv: row \d+ ", 1e-2, 0.2, 0, 0.5),
    (r"(results|comparison).json: (segmentation|cam)/\S+ .* (low|high)$", 0.4, 0.4, 0, 0.8),  # Student's t of two seeds
    (r"(cam|pictures).json: .*(miou|pixel_accuracy)$", 0.2, 0, 0, 0.6),
    (r"(results|comparison).json: (segmentation|cam)/", 0.25, 0, 0, 0.5),
    (r"results.json: .*details selection\..*loss$", 1e-2, 0.2, 0, 0.8),
    (r"results.json: .*details selection\.", 0.4, 0, 0, 0.4),
    (r"(results|comparison).json: (transfer-(?!attack)|ablation)\S+ .* (value|difference|low|high)$", 0.4, 0, 2, 0.4),
    (r"results.json: (transfer-(?!attack)|ablation)\S+ .* details (seeds|mean)\S*$", 0.1, 0, 2, 0.2),
    (r"results.json: dimensionality/\w+_correlated_neurons .* value$", 0, 0, 1, 0.2),
    (r"results.json: dimensionality/", 2e-5, 1e-4, 0, 0.5),
    (r"neurons.json: ", 1e-4, 1e-3, 0, 0.5),
    (r"decisions.json: |details confidence", 2e-4, 1e-3, 0, 0.6),
    (r"(results|comparison).json: shape-bias/.*( n|details (shape|texture)|\.(shape|texture))$", 1, 0, 0, 0.1),
    (r"results.json: .* (value|low|high|details (decided|per_c(ategory|orruption)\.).*)$", 0, 0, 2, 0.05),
    (r"comparison.json: .* (difference|low|high)$", 0, 0, 3, 0.05),
    (r"html: <(img|svg|tr)>$", 8, 0, 0, 1),  # which images are shown depends on single answers
    (r"", 0, 0, 0, 0),
)
TIGHT = (2e-6, 2e-5)  # absolute, relative: the rounding of sums, which is no drift
SHOWN = 40  # differences that are printed


def compare(pinned: Mapping[str, Any], found: Mapping[str, Any], *, exact: bool = False) -> int:
    """Print what is missing, surplus or different; return 1 where there is anything, else 0.

    With ``exact`` no difference is allowed and hashes of one kind of processor count too.
    """
    found = {renamed(key): value for key, value in found.items()}
    missing, surplus = sorted(pinned.keys() - found.keys()), sorted(found.keys() - pinned.keys())
    common = sorted(pinned.keys() & found.keys())
    kinds = {key: kind_of(key) for key in common}
    drifted = [key for key in common if not same(pinned[key], found[key], exact=exact or kinds[key] is None)]
    different = [key for key in drifted if exact or not may_drift(key, pinned, found)]
    show("missing", missing)
    show("surplus", surplus)
    show("different", [f"{key}: {pinned[key]} pinned, {found[key]} now" for key in different])
    too_many = []
    for kind, (pattern, *_, share) in enumerate(() if exact else DRIFT):
        those = [key for key in drifted if kinds[key] == kind]
        of = sum(value == kind for value in kinds.values())
        if len(those) > max(share * of, 1 if share else 0):
            too_many.append(f"{len(those)} of {of} keys like {pattern or 'any other'}: {', '.join(those[:3])} ...")
    show("too many drifted", too_many)
    print(f"{len(pinned)} pinned: {len(missing)} missing, {len(surplus)} surplus, {len(different)} different, ", end="")
    print(f"{len(drifted) - len(different)} drifted, {len(too_many)} kinds drifted too much")
    return int(bool(missing or surplus or different or too_many))


def kind_of(key: str) -> int | None:
    """Return the number of a key's line in ``DRIFT``; None for hashes that are the same on one processor only."""
    return None if key.endswith(" here") else next(n for n, row in enumerate(DRIFT) if re.search(row[0], key))


def same(a: Any, b: Any, *, exact: bool) -> bool:
    """Return whether two numbers are equal; unless ``exact`` floats may differ by rounding."""
    if exact or not (is_number(a) and is_number(b)) or (isinstance(a, int) and isinstance(b, int)):
        return a == b and (type(a) is type(b) or not exact)
    return abs(a - b) <= max(TIGHT[0], TIGHT[1] * max(abs(a), abs(b)))


def may_drift(key: str, pinned: Mapping[str, Any], found: Mapping[str, Any]) -> bool:
    """Return whether a number may be as far from the pinned one as it is."""
    kind, a, b = kind_of(key), pinned[key], found[key]
    if kind is None or not (is_number(a) and is_number(b)):
        return kind is None
    _, absolute, relative, flips, _ = DRIFT[kind]
    if isinstance(a, int) and isinstance(b, int):
        return abs(a - b) <= absolute
    n = count_of(key, pinned)
    return abs(a - b) <= max(absolute, relative * max(abs(a), abs(b)), flips / n * 1.0001 if n else 0.0)


def is_number(value: Any) -> bool:
    """Return whether a value is a number and no truth value."""
    return isinstance(value, int | float) and not isinstance(value, bool)


def count_of(key: str, pinned: Mapping[str, Any]) -> int | None:
    """Return the count of images that a figure, one of its ends or details is over."""
    if key.endswith(".value") and (n := pinned.get(key.removesuffix("value") + "n")):
        return n
    return pinned.get(re.sub(r" (value|low|high|difference|details .*)$", " n", key))


def show(title: str, lines: Sequence[str]) -> None:
    """Print the first lines of a kind."""
    for line in lines[:SHOWN]:
        print(f"{title}: {line}")
    if len(lines) > SHOWN:
        print(f"... and {len(lines) - SHOWN} more {title}")


def renamed(key: str) -> str:
    """Return a new key as the pinned numbers call it."""
    for pattern, replacement in KEY_RENAMES:
        key = re.sub(pattern, replacement, key)
    return key
