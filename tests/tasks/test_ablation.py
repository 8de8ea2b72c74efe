"""The ablation's parts: rows, the multi-label objective, samples, starting weights."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from shapebias.errors import UserError
from shapebias.losses import MMSILoss, Weights, objective
from shapebias.models.checkpoint import save_classifier
from shapebias.models.classifier import check_size
from shapebias.results.comparison import Difference
from shapebias.results.results import Result, Results
from shapebias.tasks.ablation.config import AblationConfig
from shapebias.tasks.ablation.rows import ROWS, find_rows, settings_of, stages_for
from shapebias.tasks.ablation.run import ablate, find_voc12
from shapebias.tasks.ablation.table import cells
from shapebias.tasks.ablation.train import initial_model
from shapebias.tasks.classification.outputs import task_loss
from shapebias.tasks.classification.task import find_task
from shapebias.train.samples import Batch, TrainingSamples
from shapebias.train.settings import configure
from shapebias.train.step import forward_step
from testkit.devkit import write_devkit


def config(**values):
    given = {"model": "test_resnet", "data": Path("voc"), "out": Path("out"), "size": 32, "batch_size": 4, **values}
    return configure(AblationConfig, **given)


@pytest.fixture
def voc(tmp_path) -> Path:
    return write_devkit(tmp_path / "voc")


def labels(seed=0, n=6, k=5):
    return torch.from_numpy(np.random.default_rng(seed).choice([1, 0, -1], (n, k), p=[0.4, 0.4, 0.2]).astype(np.int8))


def by_hand(logits, targets):
    p, targets = 1 / (1 + np.exp(-logits.double().numpy())), targets.numpy()
    each = np.where(targets == 1, -np.log(p), -np.log(1 - p))
    return (each * (targets >= 0)).sum() / each.size


def test_the_objective_is_eq_4_with_the_term_averaged_over_stages():
    generator = torch.Generator().manual_seed(2)
    targets = labels()
    natural, a, b = (torch.randn(6, 5, generator=generator) for _ in range(3))
    latents = [(torch.randn(6, d, generator=generator), torch.randn(6, d, generator=generator)) for d in (7, 3)]
    loss, parts = objective(natural, [a, b], latents, targets, Weights(1, 0.1, 0.8), MMSILoss(), task_loss)
    terms = []
    for z_a, z_b in latents:
        rho = [np.corrcoef(z_a[:, d], z_b[:, d])[0, 1] for d in range(z_a.shape[1])]
        terms.append(np.mean(0.5 * np.log(1 - np.square(rho))))
    expected = by_hand(natural, targets) + 0.8 * np.mean(terms)
    expected += 0.1 * (by_hand(a, targets) + by_hand(b, targets))
    assert loss.item() == pytest.approx(expected, rel=1e-4)
    assert set(parts) == {"natural", "stylized", "mmsi"}


def step(model, row, weights):
    generator = torch.Generator().manual_seed(3)
    images = [torch.rand(6 * times, 3, 32, 32, generator=generator) for times in (1, 2)]
    phase = ROWS[row].phase
    batch = Batch(images[0], labels(k=20), images[1] if phase.views else None, None, [])
    model.zero_grad()
    outcome = forward_step(model, batch, phase, weights, MMSILoss(), loss=task_loss)
    outcome.loss.backward()
    return outcome, torch.cat([p.grad.flatten() for p in model.parameters() if p.grad is not None])


def test_views_that_weigh_nothing_leave_the_baselines_gradient():
    model = initial_model(config(model="test_vit", stages=("blocks.5", "blocks.3"))).train()  # without batch norm
    alone, baseline = step(model, "baseline", Weights(1, 0, 0))
    beside, nothing = step(model, "mmsi", Weights(1, 0, 0))
    torch.testing.assert_close(nothing, baseline, rtol=1e-4, atol=1e-6)
    assert set(alone.values) == {"natural", "loss"}
    assert beside.values["loss"].item() == pytest.approx(alone.values["loss"].item(), rel=1e-5)
    assert not torch.allclose(step(model, "mmsi", Weights(1, 0, 0.8))[1], baseline, rtol=1e-3)


def test_the_steps_term_is_the_mean_of_the_single_stages_and_rho_that_of_the_deepest():
    found = {}
    for stages in (("layer4",), ("layer2",), ("layer4", "layer2")):
        model = initial_model(config(stages=stages)).eval()
        found[stages] = step(model, "mmsi-style", Weights(1, 0.1, 0.8))[0].values
    terms = [found[stages]["mmsi"].item() for stages in found]
    assert terms[2] == pytest.approx((terms[0] + terms[1]) / 2, rel=1e-5)
    assert terms[0] != pytest.approx(terms[1], rel=1e-3)
    for name in ("rho", "spread"):
        assert found["layer4", "layer2"][name] == found["layer4",][name] != found["layer2",][name]


def samples(part, views=2, **values):
    return TrainingSamples(part, size=32, views=views, styles=12, **values)


def test_every_row_shows_the_same_natural_images_with_their_classes(voc):
    train = find_voc12(voc).train
    keys = [(1, 5), (1, 0), (1, 3)]
    batches = [s.collate([s[key] for key in keys]) for s in (samples(train, 0), samples(train, 2))]
    assert torch.equal(*(batch.tensors()["images"] for batch in batches))
    for batch in batches:
        assert np.array_equal(batch.labels, train.targets[[5, 0, 3]])
    assert set(np.unique(train.targets)) == {-1, 0, 1}
    assert batches[0].styles is None and len(batches[1].tensors()["styles"]) == 6
    assert set(batches[1].tensors()) == {"images", "labels", "styles"}


def test_a_stand_in_for_an_unreadable_image_brings_its_own_classes(voc):
    train = find_voc12(voc).train
    train.paths[2].write_bytes(b"no picture")
    shown = samples(train)
    batch = shown.collate([shown[(0, 2)]])
    assert np.array_equal(batch.labels[0], train.targets[3])
    assert len(batch.unreadable) == 1 and str(train.paths[2]) in batch.unreadable[0]


def test_the_images_are_transfers_named_as_their_copies_are(voc):
    task, other = find_voc12(voc), find_task("voc12", voc)
    assert (task.evaluator, other.evaluator) == ("ablation-voc12", "transfer-voc12")
    assert task.train.names[0] == "2012_000000.jpg" and task.train.paths == other.train.paths
    assert task.test.fingerprint == other.test.fingerprint


def weights(model):
    return {name: value.clone() for name, value in model.network.state_dict().items()}


@pytest.mark.parametrize("init", ["none", "file"])
def test_rows_of_one_seed_begin_with_the_same_weights(tmp_path, init):
    trained = None
    if init == "file":
        trained = initial_model(config(seed=9))  # with 20 classes: its classifying layer is replaced all the same
        save_classifier(tmp_path / "run" / "model.safetensors", trained)
        init = str(tmp_path / "run")
    state = torch.get_rng_state()
    one, other = (weights(initial_model(config(init=init, stages=s))) for s in ((), ("layer4", "layer1")))
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert torch.equal(torch.get_rng_state(), state)
    drawn = weights(initial_model(config(init=init, seed=1)))
    head = {"fc.weight"}
    assert {name for name in one if not torch.equal(one[name], drawn[name])} >= head
    if trained is not None:
        kept = weights(trained)
        differ = {name for name in one if not torch.equal(one[name], kept[name])}
        assert head <= differ <= {"fc.weight", "fc.bias"}


def test_weights_of_another_network_or_of_nothing_are_refused(tmp_path):
    save_classifier(tmp_path / "model.safetensors", initial_model(config(model="test_vit")))
    with pytest.raises(UserError, match="belongs to another network"):
        initial_model(config(init=str(tmp_path)))
    with pytest.raises(UserError, match=r"no weights .*a finished run's folder"):
        initial_model(config(init=str(tmp_path / "none")))


def test_rows_with_views_get_a_third_of_the_epochs():
    def epochs(row, given, **options):
        return settings_of(
            config(epochs=given), ROWS[row], ("a", "b"), **{"equal_epochs": False, **options}
        ).loop.epochs

    assert [epochs("baseline", n) for n in (1, 30)] == [1, 30]
    assert [epochs("mmsi", n) for n in (1, 2, 5, 30)] == [1, 1, 2, 10]
    assert epochs("mmsi", 30, equal_epochs=True) == 30


def test_a_rows_settings_are_its_own_weights_and_stages():
    stages = ("layer4", "layer3", "layer2", "layer1")
    made = {n: settings_of(config(select_epochs=5), row, stages, equal_epochs=False) for n, row in ROWS.items()}
    objectives = {name: settings.objective for name, settings in made.items()}
    assert {n: (c.lambda_m, c.lambda_s, len(c.stages)) for n, c in objectives.items()} == {
        "baseline": (0, 0, 0),
        "style": (0, 0.1, 1),
        "mmsi": (0.8, 0, 1),
        "mmsi-style": (0.8, 0.1, 1),
        "stages-2": (0.8, 0.1, 2),
        "stages-4": (0.8, 0.1, 4),
    }
    assert made["stages-2"].objective.stages == ("layer4", "layer3")
    assert (made["mmsi"].loop.out, made["mmsi"].row, made["mmsi"].select_epochs) == (Path("out/mmsi"), "mmsi", 5)


def test_the_default_stages_are_the_last_four_the_deepest_first():
    network = initial_model(config()).network
    assert stages_for(network, "net", list(ROWS.values()), ()) == ("layer4", "layer3", "layer2", "layer1")
    assert stages_for(network, "net", [ROWS["mmsi"]], ("layer2",)) == ("layer2",)
    with pytest.raises(UserError, match="stages-2 needs 2 stages, but there are only 1 \\(layer2\\)"):
        stages_for(network, "net", [ROWS["stages-2"]], ("layer2",))
    silent = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(3, 2))
    assert stages_for(silent, "net", [ROWS["baseline"]], ()) == ()
    with pytest.raises(UserError, match="net does not list its stages: name them with --stages"):
        stages_for(silent, "net", [ROWS["mmsi"]], ())


def test_a_stage_or_size_that_cannot_be_is_refused():
    with pytest.raises(UserError, match=r"has no stage 'layer9': it has .*layer4"):
        initial_model(config(stages=("layer9",)))
    with pytest.raises(UserError, match="does not take images of --size 100"):
        check_size(initial_model(config(model="test_vit", size=100)), latents=True)


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (["mmsi-styl"], "unknown row 'mmsi-styl': did you mean 'mmsi-style'"),
        ([], "--rows must name at least one row, each once"),
        (["mmsi", "mmsi"], "--rows must name at least one row, each once"),
    ],
)
def test_rows_that_cannot_be(names, message):
    with pytest.raises(UserError, match=message):
        find_rows(names)


def test_rows_keep_the_tables_order():
    assert [row.name for row in find_rows(["stages-2", "baseline"])] == ["baseline", "stages-2"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"seeds": []}, "--seeds is empty"),
        ({"seeds": [1, 1]}, "--seeds names a number twice"),
        ({"seeds": [0, 2**32]}, "--seed must lie between"),
        ({"rates": []}, "--lr is empty"),
        ({"rates": [0.1, 0.1]}, "--lr names a number twice"),
        ({"rates": [0.1, 0.0]}, "--lr must be above 0"),
    ],
)
def test_seeds_and_rates_that_cannot_be(options, message):
    with pytest.raises(UserError, match=message):
        ablate(config(), ["baseline"], **options)


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"lr": -1.0}, "--lr must lie between"),
        ({"select_epochs": -1}, "--select-epochs must lie between 0"),
        ({"split_seed": 2**32}, "--split-seed must lie between 0"),
        ({"batch_size": 2}, "use at least 3"),
        ({"stages": ("layer4", "layer4")}, "--stages names a stage twice"),
        ({"stylized": Path("copies"), "alpha": 0.5}, "--stylized uses existing copies"),
    ],
)
def test_settings_that_cannot_be(values, message):
    with pytest.raises(UserError, match=message):
        config(**values).check(views=True)


def test_the_baseline_alone_needs_no_batch_to_correlate():
    config(batch_size=2).check(views=False)


def result(name, value, lambda_m):
    details = {"lambda_m": lambda_m, "lambda_s": 0.1, "epochs": 4, "lr": 0.02, "images_seen": [1200], "seeds": [{}]}
    details["row"] = {"views": 2 * bool(lambda_m), "stages": ["layer4", "layer3"]}
    entries = [
        Result("ablation-voc12", "map", value, 9, (0.1, 0.5), {"kind": kind}, details)
        for kind in ("ap", "ap_voc2010", "ap_voc2007")
    ]
    return Results({"name": name}, {}, entries)


def test_the_tables_difference_has_its_sign_whichever_way_it_was_written():
    rows = [result("baseline", 0.2, 0.0), result("mmsi", 0.5, 0.8), result("style", None, 0.8)]
    paired = [Difference("ablation-voc12", "map", "baseline", "mmsi", -0.3, (-0.4, -0.1), 9, {"kind": "ap"})]
    paired.insert(0, replace(paired[0], value=0.9, condition={"kind": "ap_voc2007"}))
    baseline, mmsi, style = cells(rows, paired)
    assert baseline == ["baseline", "-", "-", "-", "0.02", "4", "1,200", "1", *["20.0 [10.0, 50.0]"] * 3, "-"]
    assert mmsi[:4] == ["mmsi", "0.8", "0.1", "layer4+layer3"]
    assert mmsi[-1] == "+30.0 [+10.0, +40.0]"
    assert style[-2:] == ["-", "-"]
