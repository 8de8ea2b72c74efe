"""The arms of the study: what each trains, and why it is there."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal


@dataclass(frozen=True)
class Arm:
    """A scheme with changed settings, another term, or other views.

    Attributes:
        title: what tables call it.
        scheme: a scheme of ``shapebias train``; empty for the untrained network.
        settings: settings of ``shapebias train`` that differ from the arena's.
        term: a key of ``terms.TERMS``; "mmsi views" is the paper's.
        views: styles; "augmented", ordinary augmentations in their place; or "jitter", the natural image augmented.
        reestimate: compute the statistics of batch norm anew from natural images when training has ended.
        over_time: measure the network before every epoch too.
        alpha: strength of the stylization, where the arena can make views of another than 1.
        share: share of the view's cross entropy with one stylized view, the rest being the natural image's; the
            scheme's is .5.
    """

    title: str
    scheme: str = "mmsi-sin-in"
    settings: dict[str, Any] = field(default_factory=dict)
    term: str = "mmsi views"
    views: Literal["styles", "augmented", "jitter"] = "styles"
    reestimate: bool = False
    over_time: bool = False
    alpha: float = 1.0
    share: float | None = None


SEPARATE: dict[str, Any] = {"batchnorm": "separate"}
CONTROL: dict[str, Any] = {"lambda_m": 0.0}

ARMS: dict[str, Arm] = {
    "untrained": Arm("untrained network", ""),
    "in": Arm("`in`: natural images only", "in"),
    "shapenet-sin": Arm("`shapenet-sin`", "shapenet-sin"),
    "shapenet-sin-in": Arm("`shapenet-sin-in`: one stylized view", "shapenet-sin-in"),
    "shapenet": Arm("`shapenet`", "shapenet"),
    "mmsi-sin": Arm("`mmsi-sin`", "mmsi-sin"),
    "mmsi-sin-in": Arm("`mmsi-sin-in`: Eq. 4, lambda_s .5"),
    "mmsi": Arm("`mmsi`", "mmsi"),
    "control": Arm("Eq. 4 without the term, lambda_m 0", settings=CONTROL),
    "channel": Arm("Eq. 4, channel axis", settings={"axis": "channel"}),
    # which pairs the term ties
    "natural": Arm("Eq. 4, term over natural-a and natural-b", term="mmsi natural"),
    "all": Arm("Eq. 4, term over all three pairs", term="mmsi all"),
    "natural-2": Arm("natural pairs, lambda_m 2", settings={"lambda_m": 2.0}, term="mmsi natural"),
    "views-2": Arm("Eq. 4, lambda_m 2", settings={"lambda_m": 2.0}),
    # batch norm
    "separate": Arm("Eq. 4, separate batch norm", settings=SEPARATE),
    "separate-control": Arm("separate, lambda_m 0", settings=SEPARATE | CONTROL),
    "separate-natural": Arm("separate, natural pairs", settings=SEPARATE, term="mmsi natural"),
    "reestimated": Arm("Eq. 4, separate and re-estimated", settings=SEPARATE, reestimate=True),
    "reestimated-control": Arm("separate and re-estimated, lambda_m 0", settings=SEPARATE | CONTROL, reestimate=True),
    "reestimated-natural": Arm(
        "separate and re-estimated, natural pairs",
        settings=SEPARATE,
        term="mmsi natural",
        reestimate=True,
    ),
    # what the views are
    "augmented": Arm("two ordinary augmentations, Eq. 4", views="augmented"),
    "augmented-control": Arm("two ordinary augmentations, lambda_m 0", settings=CONTROL, views="augmented"),
    "augmented-natural": Arm("two ordinary augmentations, natural pairs", term="mmsi natural", views="augmented"),
    "jitter": Arm("natural images with strong colour jitter", "in", views="jitter"),
    # other objectives
    "js": Arm("Jensen-Shannon consistency of the answers", term="jensen-shannon"),
    "js-12": Arm(
        "Jensen-Shannon consistency, weight 12 (AugMix's)",
        settings={"lambda_m": 12.0},
        term="jensen-shannon",
    ),
    "natural-js": Arm("natural pairs and Jensen-Shannon", term="natural and js"),
    "detached": Arm("natural latents as a target without gradient", term="detached"),
    "detached-views": Arm("views' latents as targets without gradient", term="detached views"),
    "decorrelated": Arm("natural pairs and decorrelated neurons", term="decorrelated"),
    "one-view-natural": Arm(
        "one stylized view, term over natural and view, lambda_m .4",
        "shapenet-sin-in",
        {"lambda_m": 0.4},
        "mmsi natural",
    ),
    "one-view-js": Arm(
        "one stylized view, Jensen-Shannon of both answers, weight 6",
        "shapenet-sin-in",
        {"lambda_m": 6.0},
        "jensen-shannon",
    ),
    "infonce": Arm("InfoNCE over natural pairs", term="infonce"),
}
FAMILIES = (("views", "Eq. 4", "mmsi views"), ("natural", "natural pairs", "mmsi natural"))
# One setting at a time around the paper's term and around natural pairs.
SCANS: dict[str, Arm] = (
    {
        f"{name}-{setting}-{value:g}": Arm(f"{title}, {setting} {value:g}", settings={setting: value}, term=term)
        for name, title, term in FAMILIES
        for setting, values in (
            ("lambda_m", (0.2, 0.4, 1.6)),
            ("lambda_s", (0.1, 0.25, 1.0)),
            ("ramp_epochs", (2.0, 4.0)),
        )
        for value in values
    }
    | {
        "control-lambda_s-0.1": replace(
            ARMS["control"], title="lambda_m 0, lambda_s 0.1", settings=CONTROL | {"lambda_s": 0.1}
        )
    }
    | {
        f"{name}-alpha-{value:g}": Arm(f"{title}, alpha {value:g}", term=term, alpha=value)
        for name, title, term in FAMILIES
        for value in (0.25, 0.5, 0.75)
    }
    | {
        f"one-view-lambda_m-{value:g}": replace(
            ARMS["one-view-natural"],
            title=f"one stylized view, lambda_m {value:g}",
            settings={"lambda_m": value},
        )
        for value in (0.1, 0.2, 0.8, 1.6, 4.0)
    }
    | {
        f"{name}-share-{value:g}": replace(ARMS[name], title=f"{title}, {value:.0%} of the cross entropy", share=value)
        for name, title in (
            ("shapenet-sin-in", "one stylized view"),
            ("one-view-natural", "one stylized view and term"),
        )
        for value in (0.25, 0.75)
    }
)
OVER_TIME = {
    f"{name}-over-time": replace(ARMS[name], over_time=True)
    for name in ("mmsi-sin-in", "control", "natural", "one-view-natural", "shapenet-sin-in")
}
ALL = {**ARMS, **SCANS, **OVER_TIME}
