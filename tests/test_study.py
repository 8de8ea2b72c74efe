"""The study's terms against plain formulas, its intervals against plain ones, and its cells."""

from __future__ import annotations

import importlib.util
import os
import re
import sys
from importlib import import_module
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
import torch.nn.functional as F

from shapebias.files import read_json, write_json
from shapebias.losses import MMSILoss, mmsi_loss
from shapebias.results.comparison import Difference
from shapebias.results.results import Result, Results
from shapebias.results.store import ResultStore
from shapebias.tasks.ablation.rows import ROWS
from shapebias.train.run import train
from testkit.runs import config, furthest, numbers, weights

ROOT = Path(__file__).resolve().parent.parent
if not (ROOT / "experiments").is_dir():
    pytest.skip("the experiments are not part of the source distribution", allow_module_level=True)
sys.path.insert(0, str(ROOT / "experiments" / "study"))

NAMES = ("ablation", "answer", "arms", "cells", "comparing", "figures", "paper", "record", "terms", "training")
ablation, answer, arms, cells_of_the_study, comparing, figures, paper, record, terms, training = map(
    import_module, NAMES
)
ALL, ARMS, Arm, TERMS = arms.ALL, arms.ARMS, arms.Arm, terms.TERMS
Place, code_version, compute, key = (
    getattr(cells_of_the_study, name) for name in ("Place", "code_version", "compute", "key")
)
difference, mean, replaced, verdict = comparing.difference, comparing.mean, comparing.replaced, paper.verdict


@pytest.fixture
def given() -> tuple[list[torch.Tensor], list[torch.Tensor]]:
    generator = torch.Generator().manual_seed(0)
    latents = [torch.randn(12, 6, generator=generator, requires_grad=True) for _ in range(3)]
    return latents, [torch.randn(12, 4, generator=generator) for _ in range(3)]


def test_pairs_are_the_papers_bound_of_these_pairs(given: Any) -> None:
    (n, a, b), logits = given
    mmsi, latents = MMSILoss(), [n, a, b]
    torch.testing.assert_close(TERMS["mmsi views"](latents, logits, mmsi), mmsi_loss(a, b))
    natural = (mmsi_loss(n, a) + mmsi_loss(n, b)) / 2
    torch.testing.assert_close(TERMS["mmsi natural"](latents, logits, mmsi), natural)
    everything = (2 * natural + mmsi_loss(a, b)) / 3
    torch.testing.assert_close(TERMS["mmsi all"](latents, logits, mmsi), everything)
    torch.testing.assert_close(TERMS["mmsi natural"]([n, a], logits[:2], mmsi), mmsi_loss(n, a))  # of one view


@pytest.mark.parametrize(
    ("term", "moves"), [("detached", [False, True, True]), ("detached views", [True, False, False])]
)
def test_a_target_without_gradient_does_not_move(given: Any, term: str, moves: list[bool]) -> None:
    latents, logits = given
    value = TERMS[term](latents, logits, MMSILoss())
    torch.testing.assert_close(value, TERMS["mmsi natural"](latents, logits, MMSILoss()))
    value.backward()
    assert [z.grad is not None and bool(z.grad.abs().sum() > 0) for z in latents] == moves


def test_jensen_shannon_is_the_entropy_of_the_mean_less_the_mean_entropy(given: Any) -> None:
    latents, logits = given
    shares = torch.stack([F.softmax(one, dim=1) for one in logits])
    entropy = -(shares * shares.log()).sum(-1)
    middle = shares.mean(0)
    wanted = (-(middle * middle.log()).sum(-1) - entropy.mean(0)).mean()
    torch.testing.assert_close(TERMS["jensen-shannon"](latents, logits, MMSILoss()), wanted)
    assert float(TERMS["jensen-shannon"](latents, [logits[0]] * 3, MMSILoss()).abs()) < 1e-6


def test_infonce_falls_where_views_match_and_a_shared_shift_changes_nothing(given: Any) -> None:
    (n, a, b), logits = given
    term = TERMS["infonce"]
    assert term([n, n, n], logits, MMSILoss()) < term([n, a, b], logits, MMSILoss())
    torch.testing.assert_close(term([n + 3, a, b], logits, MMSILoss()), term([n, a, b], logits, MMSILoss()))


def test_decorrelation_adds_the_mean_square_of_other_neurons_correlations(given: Any) -> None:
    (n, a, b), logits = given
    rho = np.corrcoef(n.detach().numpy().T)
    extra = 0.05 * (np.square(rho).sum() - len(rho)) / (len(rho) - 1)
    found = TERMS["decorrelated"]([n, a, b], logits, MMSILoss()) - TERMS["mmsi natural"]([n, a, b], logits, MMSILoss())
    assert float(found.detach()) == pytest.approx(extra, rel=1e-4)


@pytest.mark.parametrize(("scheme", "term"), [("mmsi-sin-in", "mmsi all"), ("shapenet-sin-in", "jensen-shannon")])
def test_an_arm_with_its_term_at_weight_0_trains_as_its_scheme_does(
    images: Path, tmp_path: Path, scheme: str, term: str
) -> None:
    plain = train(config(images, tmp_path / "plain", scheme=scheme, lambda_m=0.0))
    arm = Arm("", scheme, {"lambda_m": 0.0}, term)
    ours = training.train_arm(arm, config(images, tmp_path / "arm", scheme=scheme, lambda_m=0.0))
    assert furthest(weights(plain), weights(ours)) < 1e-5
    other = training.train_arm(arm, config(images, tmp_path / "other", scheme=scheme, lambda_m=5.0))
    assert furthest(weights(plain), weights(other)) > 1e-3


def test_a_share_weighs_the_views_cross_entropy_and_leaves_the_rest_to_the_image(images: Path, tmp_path: Path) -> None:
    arm = Arm("", "shapenet-sin-in", share=0.75)
    run = training.train_arm(arm, config(images, tmp_path / "arm", scheme=arm.scheme))
    for row in numbers(run):
        assert row["loss"] == pytest.approx(0.25 * row["natural"] + 0.75 * row["stylized"], rel=1e-3)


def cells(values: list[float], decisions: list[str]) -> dict[int, Any]:
    return {
        seed: {"measures": {"shape": {"value": v, "ci95": [0.0, 1.0], "n": len(d)}}, "answers": {"decisions": d}}
        for seed, (v, d) in enumerate(zip(values, decisions, strict=True))
    }


def test_means_and_differences_have_students_intervals_but_no_shorter_than_the_images() -> None:
    spread = cells([0.2, 0.5, 0.8], ["stnnn" * 20, "ssnnt" * 20, "sssst" * 20])
    value, ends = mean(spread, "shape", None)
    half = 4.30265 * 0.3 / np.sqrt(3)
    assert value == pytest.approx(0.5)
    assert ends == pytest.approx((max(0, 0.5 - half), min(1, 0.5 + half)), abs=1e-4)
    same = cells([0.5, 0.5], ["st" * 50, "ts" * 50])
    value, ends = mean(same, "shape", None)
    assert ends == pytest.approx((0.5 - 1.96 * np.sqrt(0.25 / 99 / 2), 0.5 + 1.96 * np.sqrt(0.25 / 99 / 2)), abs=1e-3)
    found, ends, each = difference(spread, same, "shape", None)
    assert each == pytest.approx([-0.3, 0.0])
    assert found == pytest.approx(-0.15)
    assert verdict(ends, 2) == "undecided (fewer than 3 seeds)"
    assert [verdict(e, 3) for e in ((0.1, 0.2), (-0.2, -0.1), (-0.1, 0.1))] == [
        "reproduced",
        "contradicted",
        "undecided at this scale",
    ]


def test_decisions_at_full_strength_are_their_own_answers() -> None:
    weak = cells([1.0, 1.0, 1.0], ["s" * 4] * 3)
    names = {kind: [f"cat/cat{n}-dog{n}.png" for n in range(4)] for kind in ("decisions", "decisions full")}
    for cell, found in zip(weak.values(), ("sstt", "sttn", "ssst"), strict=True):
        cell["answers"]["decisions full"] = found
        cell["measures"]["shape full"] = {"value": found.count("s") / 4, "ci95": None, "n": 4}
    value, ends = mean(weak, "shape full", names)
    assert value == pytest.approx(0.5)
    assert ends is not None and ends[0] < 0.5 < ends[1]
    assert mean(weak, "shape", names)[1] == (1.0, 1.0)


def given_record(shares: dict[str, list[float]], measure: str = "shape neurons") -> Any:
    made = [
        {"arm": arm, "seed": seed, "measures": {measure: {"value": value, "ci95": None, "n": 9}}, "answers": {}}
        for arm, values in shares.items()
        for seed, value in enumerate(values)
    ]
    return record.Record({"images": None, "seeds": {"dev": [0, 1, 2], "fresh": [100]}, "cells": made})


def test_intervals_join_seeds_and_images_where_all_seeds_share_them() -> None:
    names = {"decisions": [f"cat/cat{n}-dog{n}.png" for n in range(100)]}
    shared = cells([0.4, 0.5, 0.6], ["s" * 40 + "n" * 60, "s" * 50 + "n" * 50, "s" * 60 + "n" * 40])
    over_seeds = 4.30265 * 0.1 / np.sqrt(3)
    assert mean({0: shared[0]}, "shape", names) == (0.4, None)  # one seed has no interval
    _, ends = mean(shared, "shape", names)
    assert ends is not None and over_seeds < (ends[1] - ends[0]) / 2 < over_seeds + 0.1
    fewer = shared | {3: cells([0.5], ["sn" * 5])[0]}  # on ten of the images: its value counts, they do not
    value, wider = mean(fewer, "shape", names)
    assert value == pytest.approx(0.5) and wider is not None
    assert (wider[1] - wider[0]) / 2 > 3.18245 * np.sqrt(0.02 / 3) / 2
    for cell in shared.values():  # a measure whose images are not known one by one, with intervals of +-.05 over them
        cell["measures"]["stylized"] = {"value": 0.5, "ci95": [0.45, 0.55], "n": 100}
    assert mean(shared, "stylized", names)[1] == pytest.approx((0.45, 0.55))
    assert mean(shared, "stylized", None)[1] == pytest.approx((0.5 - 0.05 / np.sqrt(3), 0.5 + 0.05 / np.sqrt(3)))
    assert comparing.over_seeds_alone("stylized", names) and not comparing.over_seeds_alone("stylized", None)


@pytest.mark.parametrize(
    ("shape", "top1", "seeds", "says"),
    [
        ((0.01, 0.2), (-0.009, 0.0), 3, "met"),
        ((0.01, 0.2), (-0.011, 0.02), 3, "not met: top-1 may fall by a point"),
        ((-0.01, 0.2), (0.0, 0.1), 3, "not met: decisions by shape may not rise"),
        ((-0.2, -0.1), (-0.1, 0.1), 3, "not met: decisions by shape may not rise, top-1 may fall by a point"),
        ((0.1, 0.2), (0.0, 0.1), 2, "undecided: fewer than 3 seeds"),
    ],
)
def test_a_scheme_is_named_only_if_shape_rises_and_accuracy_stays(
    shape: tuple[float, float], top1: tuple[float, float], seeds: int, says: str
) -> None:
    assert answer.ruling(shape, top1, seeds) == says


def test_claims_have_a_verdict_for_each_arena() -> None:
    clear = given_record(
        {"mmsi-sin-in": [0.4, 0.5, 0.6], "shapenet-sin-in": [0.1, 0.2, 0.3], "control": [0.6, 0.7, 0.8]}
    )
    table = paper.verdicts({"clear": clear, "few": given_record({"mmsi-sin-in": [0.4], "shapenet-sin-in": [0.1]})})
    row = next(line for line in table.splitlines() if "raises shape neurons, with natural images" in line)
    assert row.split(" | ")[3:] == [
        "+30.0 [+30.0, +30.0], 3 seeds: **reproduced**",
        "+30.0, 1 seed: **undecided (fewer than 3 seeds)** |",
    ]
    own = next(line for line in table.splitlines() if "the term alone raises shape neurons" in line)
    assert own.split(" | ")[3:] == ["-20.0 [-20.0, -20.0], 3 seeds: **no, the opposite**", "not measured |"]


def test_the_papers_tables_stand_beside_every_arena() -> None:
    table = paper.beside({"ours": given_record({"mmsi-sin-in": [0.4, 0.5, 0.6]})})["paper table 1"].splitlines()
    neurons = [line.split(" | ")[3:] for line in table]
    assert neurons[2] == ["-", "- |"]  # before training
    assert neurons[0] == ["shape neurons: paper", "shape neurons: ours |"]
    assert neurons[3:][paper.SCHEMES.index("mmsi-sin-in")] == ["32.7", "50.0 [25.2, 74.8] (3) |"]
    assert neurons[3:][paper.SCHEMES.index("in")] == ["17.0", "- |"]


def test_an_ablation_is_collected_by_row(tmp_path: Path) -> None:
    every = []
    for number, name in enumerate(ROWS):
        details = {"seeds": [{"seed": s, "value": 0.1 * s} for s in (0, 1)], "images_seen": [7200, 7200]}
        model = {"name": name, "weights_sha256": name}
        every.append(
            Results(model, {}, [Result("ablation-voc12", "map", number / 10, 9, (0.0, 0.9), {"kind": "ap"}, details)])
        )
        ResultStore(tmp_path).replace(every[-1])
    told = {"evaluator": "ablation-voc12", "metric": "map", "n": 9, "condition": {"kind": "ap"}}
    pair = Difference(a="baseline", b="mmsi", value=-0.2, ci95=(-0.3, -0.1), **told)
    ResultStore(tmp_path).compare([pair], every)
    rows = ablation.collected(tmp_path)
    assert list(rows) == list(paper.ABLATION) == list(ROWS)
    assert rows["mmsi"]["minus_baseline"] == {"value": 0.2, "ci95": (0.1, 0.3)}
    assert rows["mmsi"]["minus_style"] is None
    line = next(text for text in paper.ablation(rows).splitlines() if "`mmsi`" in text)
    assert line.split(" | ")[1:] == ["92.5", "20.0 [0.0, 90.0]", "0.0 / 10.0", "+20.0 [+10.0, +30.0]", "-", "7,200 |"]


def test_a_cell_is_computed_once_and_its_key_is_what_decides_its_numbers(tmp_path: Path) -> None:
    place = Place("shapes16", {"size": 48}, code_version(), "x86_64 AVX2")
    arm = ARMS["natural"]
    other = Arm("another title", term=arm.term)
    assert key(arm, 0, place) == key(other, 0, place)
    others = [key(ARMS["all"], 0, place), key(arm, 1, place), key(arm, 0, Place("shapes16", {}, "", ""))]
    assert len({key(arm, 0, place), *others}) == 4
    assert len({key(one, 0, place) for one in ALL.values()}) == len(ALL)
    made = []
    for _ in range(2):
        assert compute(tmp_path / "cells" / "a.json", lambda: made.append(1) or {"arm": "natural"}) == {
            "arm": "natural"
        }
    assert made == [1]


def test_of_twin_cells_the_latest_is_kept(tmp_path: Path) -> None:
    for number, name in enumerate(("b", "a")):
        write_json(tmp_path / "cells" / f"{name}.json", {"arm": "natural", "seed": 0, "number": number})
        os.utime(tmp_path / "cells" / f"{name}.json", (number, number))
    assert [cell["number"] for cell in cells_of_the_study.kept(tmp_path, ["natural"])] == [1]
    assert cells_of_the_study.kept(tmp_path, ["all"]) == []


def test_tables_replace_the_text_between_their_markers_alone() -> None:
    page = "a\n<!-- table: x -->\nold\n| 1 |\n<!-- end: x -->\nb\n<!-- table: y -->\nkept\n<!-- end: y -->\n"
    once = replaced(page, {"x": r"| \1 new |", "z": "no such marker"})
    assert once == page.replace("old\n| 1 |", r"| \1 new |")
    assert replaced(once, {"x": r"| \1 new |"}) == once


def test_the_pages_are_those_that_the_records_make() -> None:
    of_page = import_module("page")
    made = of_page.pages()
    names = set(of_page.every_text(of_page.every_record()))
    for page, text in made.items():
        assert text == page.read_text(encoding="utf-8"), f"run python experiments/study/page.py --write: {page.name}"
        assert set(re.findall("<!-- table: (.*) -->", text)) <= names


def test_figures_of_sentences_come_from_the_records() -> None:
    found = {"ours": given_record({"natural": [0.4, 0.5, 0.6], "control": [0.1, 0.2, 0.3]})}
    one = "{{ours: natural minus control, shape neurons, dev}}"
    two = "{{ours:\nnatural, shape\nneurons, all}}"
    text = f"- it rises by {one} points,\n  to {two} %\n- and\n\n| a\n| b\n"
    assert figures.filled(text, found) == "- it rises by +30.0 [30.0, 30.0] points, to 50.0 %\n- and\n\n| a\n| b\n"
    for wrong in ("{{ours: natural, top-1, dev}}", "{{ours: mmsi, shape neurons, dev}}", "{{ours natural}}"):
        with pytest.raises(ValueError, match=r"nothing for|cannot read"):
            figures.filled(wrong, found)


def test_recording_keeps_the_published_cells_of_other_arms_and_seeds(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spec = importlib.util.spec_from_file_location("study_main", ROOT / "experiments" / "study" / "__main__.py")
    assert spec is not None and spec.loader is not None
    command = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(command)
    monkeypatch.setattr(command, "OWN", tmp_path / "published")
    arena = import_module("shapes16").make_arena()
    for value, given in ((1, [("natural", 0), ("control", 0), ("gone", 0)]), (2, [("natural", 0), ("natural", 1)])):
        out = tmp_path / str(value)
        for arm, seed in given:
            write_json(out / "cells" / f"{arm}-{seed}.json", {"arm": arm, "seed": seed, "value": value})
        found = read_json(command.record(arena, out))["cells"]
    assert [(c["arm"], c["seed"], c["value"]) for c in found] == [
        ("control", 0, 1),
        ("natural", 0, 2),
        ("natural", 1, 2),
    ]
    assert command.published(arena) == [(0, "control"), (0, "natural"), (1, "natural")]
