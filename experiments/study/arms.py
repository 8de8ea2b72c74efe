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
# In titles: the paper's objective, the same with the term between the image and each of its views, and one view.
EQ4, EACH, ONE = "Eq. 4", "Eq. 4, term between image and each view", "one view"

ARMS: dict[str, Arm] = {
    "untrained": Arm("initial weights, not trained", ""),
    "in": Arm("`in`: natural images only", "in"),
    "shapenet-sin": Arm("`shapenet-sin`", "shapenet-sin"),
    "shapenet-sin-in": Arm("`shapenet-sin-in`: one view, no term", "shapenet-sin-in"),
    "shapenet": Arm("`shapenet`", "shapenet"),
    "mmsi-sin": Arm("`mmsi-sin`", "mmsi-sin"),
    "mmsi-sin-in": Arm("`mmsi-sin-in`: the paper's Eq. 4"),
    "mmsi": Arm("`mmsi`", "mmsi"),
    "control": Arm(f"{EQ4} without the term", settings=CONTROL),
    "channel": Arm(f"{EQ4}, channel axis", settings={"axis": "channel"}),
    # which pairs the term ties
    "natural": Arm(EACH, term="mmsi natural"),
    "all": Arm(f"{EQ4}, term over all three pairs", term="mmsi all"),
    "natural-2": Arm(f"{EACH}, lambda_m 2", settings={"lambda_m": 2.0}, term="mmsi natural"),
    "views-2": Arm(f"{EQ4}, lambda_m 2", settings={"lambda_m": 2.0}),
    # batch norm
    "separate": Arm(f"{EQ4}, separate batch norm", settings=SEPARATE),
    "separate-control": Arm(f"{EQ4} without the term, separate batch norm", settings=SEPARATE | CONTROL),
    "separate-natural": Arm(f"{EACH}, separate batch norm", settings=SEPARATE, term="mmsi natural"),
    "reestimated": Arm(f"{EQ4}, separate batch norm, re-estimated", settings=SEPARATE, reestimate=True),
    "reestimated-control": Arm(
        f"{EQ4} without the term, separate batch norm, re-estimated",
        settings=SEPARATE | CONTROL,
        reestimate=True,
    ),
    "reestimated-natural": Arm(
        f"{EACH}, separate batch norm, re-estimated",
        settings=SEPARATE,
        term="mmsi natural",
        reestimate=True,
    ),
    # what the views are
    "augmented": Arm(f"{EQ4}, ordinary augmentations as views", views="augmented"),
    "augmented-control": Arm(
        f"{EQ4} without the term, ordinary augmentations as views", settings=CONTROL, views="augmented"
    ),
    "augmented-natural": Arm(f"{EACH}, ordinary augmentations as views", term="mmsi natural", views="augmented"),
    "jitter": Arm("`in` with strong colour jitter", "in", views="jitter"),
    # other objectives
    "js": Arm(f"{EQ4}, Jensen-Shannon of the answers for the term", term="jensen-shannon"),
    "js-12": Arm(
        f"{EQ4}, Jensen-Shannon of the answers for the term, weight 12 (AugMix's)",
        settings={"lambda_m": 12.0},
        term="jensen-shannon",
    ),
    "natural-js": Arm(f"{EACH}, and Jensen-Shannon of the answers", term="natural and js"),
    "detached": Arm(f"{EACH}, no gradient to the image's latents", term="detached"),
    "detached-views": Arm(f"{EACH}, no gradient to the views' latents", term="detached views"),
    "decorrelated": Arm(f"{EACH}, and decorrelated neurons", term="decorrelated"),
    "one-view-natural": Arm(
        f"{ONE} and term",
        "shapenet-sin-in",
        {"lambda_m": 0.4},
        "mmsi natural",
    ),
    "one-view-js": Arm(
        f"{ONE}, Jensen-Shannon of both answers, weight 6",
        "shapenet-sin-in",
        {"lambda_m": 6.0},
        "jensen-shannon",
    ),
    "infonce": Arm(f"{EQ4}, InfoNCE between image and each view for the term", term="infonce"),
}
FAMILIES = (("views", EQ4, "mmsi views"), ("natural", EACH, "mmsi natural"))
# One setting at a time.
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
            ARMS["control"], title=f"{EQ4} without the term, lambda_s 0.1", settings=CONTROL | {"lambda_s": 0.1}
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
            title=f"{ONE} and term, lambda_m {value:g}",
            settings={"lambda_m": value},
        )
        for value in (0.1, 0.2, 0.8, 1.6, 4.0)
    }
    | {
        f"{name}-share-{value:g}": replace(
            ARMS[name], title=f"{title}, {100 * value:g} % of the cross entropy on the view", share=value
        )
        for name, title in (
            ("shapenet-sin-in", f"{ONE}, no term"),
            ("one-view-natural", f"{ONE} and term"),
        )
        for value in (0.25, 0.75)
    }
)
OVER_TIME = {
    f"{name}-over-time": replace(ARMS[name], over_time=True)
    for name in ("mmsi-sin-in", "control", "natural", "one-view-natural", "shapenet-sin-in")
}
ALL = {**ARMS, **SCANS, **OVER_TIME}
MAIN = ("untrained", "in", "shapenet-sin-in", "control", "mmsi-sin-in", "natural", "one-view-natural")
