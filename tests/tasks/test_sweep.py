"""Choosing a learning rate: what is tried, what is taken, and what is refused."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import SimpleNamespace

import pytest

from shapebias.errors import NotFinite, UserError
from shapebias.tasks.sweep import FAILED, Score, Sweep, check_settings, last_score, select_lr
from shapebias.train.config import LoopConfig


@dataclass(frozen=True)
class Config:
    loop: LoopConfig
    split_seed: int = 4
    select_epochs: int = 0

    def check(self):
        if self.loop.lr > 1:
            raise UserError("refused")


ALONE, TWO = SimpleNamespace(world_size=1), SimpleNamespace(world_size=2)


def choose(tmp_path, scores, *, fabric=ALONE, **values):
    """``select_lr`` of the rates in ``scores``; the trainings that it asked for."""
    runs = []

    def train(run, fit, held_out):
        runs.append((run, fit, held_out))
        score = scores[run.loop.lr]
        if isinstance(score, Exception):
            raise score
        run.loop.out.mkdir(parents=True)
        (run.loop.out / "metrics.csv").write_text(f"epoch,held_out,held_out_loss\n1,0,0\n2,{score[0]},{score[1]}\n")

    def divided(seed):
        return [f"fit {seed}"] * 8, [f"held out {seed}"] * 2

    sweep = Sweep("net", tmp_path / "net", "top1", [], divided, train, lambda *_: None)
    config = Config(LoopConfig(tmp_path, seed=9, epochs=10), **values)
    return *select_lr(config, fabric, sweep, list(scores)), runs


def test_the_best_score_is_taken_and_between_equals_the_lower_loss(tmp_path):
    rate, details, runs = choose(tmp_path, {0.1: (0.5, 1.0), 0.03: (0.7, 2.0), 0.01: (0.7, 1.5)})
    assert rate == 0.01
    assert details == {
        "lr": 0.01,
        "selection": {
            "0.1": {"top1": 0.5, "loss": 1.0},
            "0.03": {"top1": 0.7, "loss": 2.0},
            "0.01": {"top1": 0.7, "loss": 1.5},
        },
        "split": {"fit": 8, "held_out": 2},
    }
    for run, fit, held_out in runs:
        assert (run.loop.seed, run.loop.epochs, run.select_epochs) == (4, 4, 0)  # a third, rounded up
        assert run.loop.out == tmp_path / "net" / "select" / f"lr-{run.loop.lr}"
        assert (fit[0], held_out[0]) == ("fit 4", "held out 4")


def test_a_single_rate_is_taken_untried(tmp_path):
    assert choose(tmp_path, {0.1: (0.5, 1.0)}) == (0.1, {"lr": 0.1}, [])


def test_epochs_of_trials_can_be_given(tmp_path):
    assert {run.loop.epochs for run, *_ in choose(tmp_path, {0.1: (0, 0), 0.2: (0, 0)}, select_epochs=7)[2]} == {7}


def test_rates_that_are_nearly_equal_have_folders_of_their_own(tmp_path):
    _, details, runs = choose(tmp_path, {0.1: (0.1, 0), 0.10000001: (0.2, 0)})
    assert len({run.loop.out for run, *_ in runs}) == 2 and details["lr"] == 0.10000001


def test_a_rate_that_diverges_is_left_out_and_others_errors_are_not(tmp_path, capsys):
    rate, details, _ = choose(tmp_path / "a", {10.0: NotFinite("the loss is not finite"), 0.1: (0.0, 3.0)})
    assert rate == 0.1 and math.isnan(details["selection"]["10"]["top1"])
    assert "--lr 10 is too high for net: skipped" in capsys.readouterr().err
    with pytest.raises(UserError, match="full disk"):
        choose(tmp_path / "b", {0.1: UserError("full disk"), 0.2: (0.5, 1.0)})
    with pytest.raises(UserError, match=r"the loss of net is not finite with any --lr of 0.1, 0.2: give lower ones"):
        choose(tmp_path / "c", {0.1: NotFinite("x"), 0.2: NotFinite("x")})


def test_on_several_devices_a_rate_that_diverges_is_named(tmp_path):
    with pytest.raises(UserError, match=r"--lr 10 is too high for net \(the loss.*\): remove it from --lr"):
        choose(tmp_path, {10.0: NotFinite("the loss is not finite"), 0.1: (0.5, 1.0)}, fabric=TWO)


def test_scores_of_nan_are_the_worst():
    assert max([FAILED, Score(0.0, 9.0), Score(0.0, math.nan)], key=lambda score: score.order) == Score(0.0, 9.0)


@pytest.mark.parametrize("text", ["", "epoch,loss\n1,2\n", "epoch,held_out,held_out_loss\n1,,\n", "held_out\n1,2\n"])
def test_a_damaged_log_is_refused(tmp_path, text):
    (tmp_path / "metrics.csv").write_text(text)
    with pytest.raises(
        UserError, match=r"metrics.csv is missing or damaged: delete .* to try that learning rate again"
    ):
        last_score(tmp_path)


def test_a_trial_without_its_log_is_named(tmp_path):
    with pytest.raises(
        UserError, match=r"metrics.csv is missing or damaged: delete .* to try that learning rate again"
    ):
        last_score(tmp_path)


@pytest.mark.parametrize(
    ("rates", "seeds", "message"),
    [
        ([], [0], "--lr is empty"),
        ([0.1], [], "--seeds is empty"),
        ([0.1, 0.10], [0], "--lr names a number twice"),
        ([0.1], [1, 1], "--seeds names a number twice"),
        ([0.1, 7.0], [0], "refused"),
    ],
)
def test_settings_that_cannot_be(rates, seeds, message):
    with pytest.raises(UserError, match=message):
        check_settings(Config(LoopConfig()), rates, seeds)
