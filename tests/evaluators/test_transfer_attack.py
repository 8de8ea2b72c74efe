"""Adversarial images made against one model, stored, and shown to others."""

from __future__ import annotations

import json
import os
import shutil
from contextlib import ExitStack
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from shapebias.attacks import ATTACKS, perturb, uniform_start
from shapebias.data.decode import load_rgb
from shapebias.data.transforms import to_tensor
from shapebias.errors import UserError
from shapebias.evaluators.adversarial.adversarial_set import read_set
from shapebias.evaluators.adversarial.make_set import rounded_towards
from shapebias.evaluators.adversarial.transfer_attack import EPSILONS, TransferAttack
from shapebias.evaluators.adversarial.white_box import WhiteBox
from shapebias.evaluators.base import EvalConfig
from shapebias.files import locked
from shapebias.models.imagenet import wordnet_ids
from shapebias.models.state_dict import weights_sha256
from testkit.competition import competition
from testkit.images import class_folder, noise_image
from testkit.small_networks import CLASSES, FlatAtBlack, NoGradient, OddAtBlack, Rounding, Small, classifier

COLUMNS = ("clean", "fgsm/2", "fgsm/8", "pgd/2", "pgd/8")


@pytest.fixture
def folder(tmp_path):
    return class_folder(tmp_path / "images", CLASSES, per_class=2)


@pytest.fixture
def config(folder, tmp_path):
    source = classifier(Small(seed=1), "source")
    return EvalConfig(
        folder, tmp_path / "out", batch_size=3, attacks=("fgsm", "pgd"), epsilons=(2.0, 8.0), source=source
    )


def only_set(config):
    (folder,) = (config.out / "images").iterdir()
    return folder


def levels(path):
    return np.asarray(Image.open(path)).astype(int)


def values_of(outcome):
    return {entry.key: (entry.value, entry.n, entry.ci95) for entry in outcome.results}


def contents(folder):
    return {path.relative_to(folder): path.read_bytes() for path in sorted(folder.rglob("*.png"))}


@pytest.mark.parametrize("epsilon", [1.0, 2.0, 2.5, 4.0, 8.0, 16.0, 255.0])
def test_rounding_goes_towards_the_original_and_never_past_epsilon(epsilon):
    original = torch.arange(256, dtype=torch.uint8).repeat(400, 1)
    generator = torch.Generator().manual_seed(0)
    change = (torch.rand(400, 256, generator=generator) * 2 - 1) * epsilon
    change[0], change[1], change[2] = epsilon, -epsilon, 0  # FGSM's
    exact = original.double() + change.double()
    stored = rounded_towards(original, (exact / 255).clamp(0, 1).float(), epsilon).double()
    moved = stored - original.double()
    assert moved.abs().max() <= epsilon
    inside = exact.clamp(0, 255) - original.double()
    assert ((moved.abs() <= inside.abs() + 1e-3) & (moved * inside >= 0)).all()
    assert (moved.abs() > inside.abs() - 1).all()  # and no more than a level is lost
    assert torch.equal(stored[0], (original[0].double() + int(epsilon)).clamp(max=255))
    assert torch.equal(stored[2], original[2].double())


def test_whole_levels_survive_the_attack_and_its_rounding_errors(config):
    config = replace(config, attacks=("fgsm", "ifgsm"), epsilons=EPSILONS)
    TransferAttack(config).run(classifier())
    made = only_set(config)
    for attack in ("fgsm", "ifgsm"):
        for epsilon in (2, 4, 8, 16):
            for label in CLASSES:
                clean = levels(made / "clean" / label / "0.png.png")
                change = levels(made / attack / str(epsilon) / label / "0.png.png") - clean
                assert np.abs(change).max() == epsilon
                inside = (clean >= epsilon) & (clean <= 255 - epsilon)
                if attack == "fgsm":
                    assert set(np.unique(np.abs(change[inside]))) <= {0, epsilon}


def test_the_stored_images_are_the_sources_crop_attacked_on_the_source(config):
    TransferAttack(config).run(classifier())
    made, source = only_set(config), config.source
    assert not list(made.rglob(".*"))
    for label in CLASSES:
        for number in range(2):
            name = f"{label}/{number}.png"
            image = source.preprocessing(load_rgb(config.data / name))[None]
            clean = image * 255
            assert np.array_equal(levels(made / "clean" / f"{name}.png"), clean[0].permute(1, 2, 0).round().numpy())
            for attack in ("fgsm", "pgd"):
                for epsilon in (2, 8):
                    start = uniform_start(image.shape, 0, [name])
                    target = torch.tensor([CLASSES.index(label)])
                    changed = perturb(source, image, target, ATTACKS[attack], epsilon, start=start)
                    wanted = rounded_towards(clean.round().to(torch.uint8), changed, epsilon)[0].permute(1, 2, 0)
                    found = levels(made / attack / str(epsilon) / f"{name}.png")
                    assert np.abs(found - wanted.numpy().astype(int)).max() <= 1  # float noise at a whole level
                    assert (found == wanted.numpy()).mean() > 0.99
    manifest = json.loads((made / "adversarial.json").read_text())
    assert manifest["schema"] == "shapebias/adversarial/1"
    assert manifest["source"]["name"] == "source"
    assert len(manifest["source"]["weights_sha256"]) == 64
    assert (manifest["size"], manifest["seed"], manifest["targeted"], manifest["finished"]) == (16, 0, False, True)
    assert manifest["images"][0] == {"name": "bear/0.png", "label": "bear"}


@pytest.mark.parametrize(("size", "shown"), [(16, "as they are"), (12, "resized to 12"), (20, "resized to 20")])
def test_models_are_shown_the_whole_images(config, size, shown):
    model = classifier(size=size, crop=0.5)
    found = TransferAttack(config).run(model)
    made = only_set(config)
    clean = found.results[0]
    called = f"source-{weights_sha256(config.source.network)[:8]}"
    assert clean.condition == {"attack": "none", "source": called}
    assert clean.details["source"]["name"] == "source"
    assert clean.details["shown"] == shown
    assert [entry.condition for entry in found.results[1:]] == [
        {"attack": a, "epsilon": e, "source": called} for a in ("fgsm", "pgd") for e in (2.0, 8.0)
    ]
    for entry in found.results:
        attack, epsilon = entry.condition["attack"], entry.condition.get("epsilon")
        below = made / "clean" if epsilon is None else made / attack / f"{epsilon:g}"
        right = []
        for name in found.images:
            picture = load_rgb(below / f"{name}.png")
            if size != 16:
                picture = picture.resize((size, size), Image.Resampling.BILINEAR)
            right.append(CLASSES[int(model(to_tensor(picture)[None]).argmax())] == name.split("/")[0])
        assert found.per_image[entry.key][:, 0].tolist() == right
        assert (entry.evaluator, entry.metric, entry.value, entry.n) == ("transfer-attack", "top1", np.mean(right), 8)
    assert not (config.out / "net" / "unfinished" / "transfer-attack").exists()


def test_several_models_share_one_set(config):
    evaluator = TransferAttack(config)
    models = [classifier(), classifier(Small(seed=5), "other"), config.source]
    for model in models:
        evaluator.check(model)
    first = evaluator.run(models[0])
    before, gradients = contents(only_set(config)), config.source.network.gradients
    evaluator.run(models[1])
    assert values_of(TransferAttack(config).run(models[0])) == values_of(first)
    itself = TransferAttack(config).run(models[2])
    assert contents(only_set(config)) == before
    assert config.source.network.gradients == gradients  # not attacked again, by this evaluator or a later one
    values = [entry.value for entry in itself.results]
    assert values[0] > values[-1]  # the source is misled itself


@pytest.mark.parametrize(
    "change",
    [{"seed": 1}, {"epsilons": (2.0, 9.0)}, {"attacks": ("fgsm",)}, {"limit": 3}, {"source": "other"}],
)
def test_other_settings_make_a_set_of_their_own(config, change):
    if "source" in change:
        change = {"source": classifier(Small(seed=9), "source")}
    for one in (config, replace(config, **change)):
        TransferAttack(one).run(classifier())
    assert len(list((config.out / "images").iterdir())) == 2


def test_the_order_of_attacks_makes_no_other_set(config):
    one, other = (
        TransferAttack(replace(config, attacks=a)).run(classifier()) for a in (("fgsm", "pgd"), ("pgd", "fgsm"))
    )
    assert values_of(one) == values_of(other)
    assert len(list((config.out / "images").iterdir())) == 1


def test_a_killed_making_resumes_and_makes_no_whole_image_again(config):
    expected = replace(config, out=config.out / "whole")
    TransferAttack(expected).run(classifier())
    killed = replace(config, source=classifier(Small(seed=1, stop=30), "source"))  # in the second of three batches
    with pytest.raises(KeyboardInterrupt):
        TransferAttack(killed).run(classifier())
    made = only_set(config)
    with pytest.raises(UserError, match="is not finished"):
        read_set(made)
    whole = [made / f"{column}/{name}.png" for name in ("bear/0.png", "bear/1.png", "cat/0.png") for column in COLUMNS]
    times = [path.stat().st_mtime_ns for path in whole]
    assert len(whole) < len(contents(made)) < len(contents(only_set(expected)))
    (made / "clean" / ".x.png.abc.part").write_bytes(b"")
    TransferAttack(config).run(classifier())
    assert [path.stat().st_mtime_ns for path in whole] == times
    assert contents(made) == contents(only_set(expected))
    assert not list(made.rglob("*.part"))


def test_sources_of_one_name_have_results_of_their_own(config):
    other = replace(config, source=classifier(Small(seed=9), "source"))
    one, two = (TransferAttack(s).run(classifier()) for s in (config, other))
    assert not {entry.key for entry in one.results} & {entry.key for entry in two.results}


def test_images_that_went_missing_are_made_again(config):
    evaluator = TransferAttack(config)
    evaluator.run(classifier())
    before = contents(only_set(config))
    (only_set(config) / "pgd" / "8" / "cat" / "1.png.png").unlink()
    (only_set(config) / "clean" / "owl" / "0.png.png").write_bytes(b"")  # as a full disk leaves it
    evaluator.run(classifier())
    assert contents(only_set(config)) == before


def test_names_need_not_be_utf8(config, folder):
    odd = os.fsdecode(b"caf\xe9.png")
    (folder / "cat" / "1.png").rename(folder / "cat" / odd)
    for evaluator in (WhiteBox, TransferAttack):
        assert f"cat/{odd}" in evaluator(config).run(classifier()).images


def test_another_process_that_makes_the_same_images_is_waited_for(config, monkeypatch):
    TransferAttack(config).run(classifier())
    other = ExitStack()
    other.enter_context(locked(only_set(config)))
    monkeypatch.setattr("shapebias.files.sleep", lambda _seconds: other.close())
    assert len(TransferAttack(config).run(classifier()).images) == 8


def test_images_that_cannot_be_made_are_listed_and_skipped(config, folder):
    Image.new("RGB", (30, 30)).save(folder / "cat" / "1.png")
    (folder / "owl" / "0.png").write_bytes(b"no image")
    config = replace(config, source=classifier(OddAtBlack(), "source"))
    for _ in range(2):  # the second time from the manifest
        found = TransferAttack(config).run(classifier())
        assert len(found.images) == 6
        assert not {"cat/1.png", "owl/0.png"} & set(found.images)
        details = found.results[0].details
        assert details["gradients_not_finite"] == ["cat/1.png"]
        assert "the gradient of source is not finite for 1 of the images" in details["warning"]
        assert [reason.partition(": ")[0] for reason in details["data"]["unreadable"]] == [str(folder / "owl/0.png")]
    made = only_set(config)
    assert not list(made.rglob("cat/1.png.png"))
    assert json.loads((made / "adversarial.json").read_text())["gradients_not_finite"] == ["cat/1.png"]
    with pytest.raises(UserError, match="unreadable image"):
        TransferAttack(replace(config, strict=True)).run(classifier())
    noise_image(folder / "owl" / "0.png", 5)
    with pytest.raises(UserError, match=r"gradient of source is not finite for cat/1.png"):
        TransferAttack(replace(config, strict=True)).run(classifier())


def test_images_with_a_gradient_of_zero_are_made_and_counted_also_after_a_kill(config, folder):
    for name in ("bear/1.png", "owl/0.png"):
        Image.new("RGB", (30, 30)).save(folder / name)
    killed = replace(config, source=classifier(FlatAtBlack(stop=30), "source"))  # in the second of three batches
    with pytest.raises(KeyboardInterrupt):
        TransferAttack(killed).run(classifier())
    source = classifier(FlatAtBlack(), "source")
    config = replace(config, source=source)
    for _ in range(2):  # the second time from the manifest
        found = TransferAttack(config).run(classifier())
        assert len(found.images) == 8
        details = found.results[0].details
        assert details["zero_gradients"] == {"count": 2, "names": ["bear/1.png", "owl/0.png"]}
        assert "the gradient of source is exactly zero for 2 of the images" in details["warning"]
    part = TransferAttack(EvalConfig(only_set(config), config.out / "again", limit=2)).run(classifier())
    shown = [name for name in ("bear/1.png", "owl/0.png") if name in part.images]
    assert part.results[0].details["zero_gradients"] == {"count": len(shown), "names": shown}
    gradients = source.network.gradients
    TransferAttack(config).run(classifier())
    assert source.network.gradients == gradients  # nothing is attacked again


def test_of_a_set_made_before_what_is_asked_for_is_shown(config):
    whole = TransferAttack(config).run(classifier())
    ready = EvalConfig(only_set(config), config.out / "again")
    for change, wanted in (
        ({}, {(a, e) for a in ("fgsm", "pgd") for e in (2.0, 8.0)}),
        ({"epsilons": (8.0,)}, {("fgsm", 8.0), ("pgd", 8.0)}),
        ({"attacks": ("pgd",)}, {("pgd", 2.0), ("pgd", 8.0)}),
        ({"attacks": ("pgd",), "epsilons": (2.0,)}, {("pgd", 2.0)}),
    ):
        found = TransferAttack(replace(ready, **change)).run(classifier())
        shown = {(e.condition["attack"], e.condition["epsilon"]) for e in found.results[1:]}
        assert shown == wanted
        assert values_of(found).items() <= values_of(whole).items()
        details = found.results[0].details
        assert (set(details["attacks"]), set(details["epsilons"])) == ({a for a, _ in wanted}, {e for _, e in wanted})
    for change, words in (
        ({"epsilons": (2.0, 4.0)}, r"was made without --epsilon 4: it has 2, 8; choose from these"),
        ({"attacks": ("fgsm", "mim")}, r"was made without --attacks mim: it has fgsm, pgd; choose from these"),
        ({"attacks": ()}, "no attacks given"),
    ):
        with pytest.raises(UserError, match=words):
            TransferAttack(replace(ready, **change))


def test_outputs_that_are_not_finite_name_the_model_and_the_first_image(config, folder):
    class NoneAtBlack(Small):
        def forward(self, images):
            return super().forward(images) / (images.amax((1, 2, 3)) > -1.99)[:, None]

    Image.new("RGB", (30, 30)).save(folder / "cat" / "1.png")
    with pytest.raises(UserError, match=r"^net answers .*/clean/cat/1\.png\.png with NaN or infinity"):
        TransferAttack(config).run(classifier(NoneAtBlack()))


def test_a_set_made_before_needs_no_source_and_no_originals(tmp_path):
    rows = [(f"i{n}", str(1 + n % 3), str(4 + n % 2), f"A{n}", "https://x.example", "CC BY 2.0") for n in range(5)]
    columns = ("ImageId", "TrueLabel", "TargetClass", "Author", "OriginalLandingURL", "License")
    data = competition(tmp_path / "nips17", rows, columns, images=[row[0] for row in rows])
    classes = wordnet_ids()[:5]
    source, model = classifier(Small(5, seed=1), "source", classes), classifier(Small(5), classes=classes)
    config = EvalConfig(
        data, tmp_path / "out", attacks=("ifgsm",), epsilons=(16.0,), targeted=True, source=source, batch_size=2
    )
    made = TransferAttack(config).run(model)
    assert {entry.metric for entry in made.results} == {"top1", "target_rate"}
    called = f"source-{weights_sha256(source.network)[:8]}"
    assert made.results[1].condition == {"attack": "ifgsm", "epsilon": 16.0, "targeted": True, "source": called}
    moved = shutil.copytree(only_set(config), tmp_path / "elsewhere" / "set")
    shutil.rmtree(data)
    evaluator = TransferAttack(EvalConfig(moved, tmp_path / "again"))
    evaluator.check(model)
    found = evaluator.run(model)
    assert values_of(found) == values_of(made)
    assert found.images == made.images == tuple(f"i{n}" for n in range(5))
    assert TransferAttack.find(moved) == moved
    assert "i3, A3, https://x.example, CC BY 2.0" in (moved / "ATTRIBUTION.txt").read_text()
    limited = TransferAttack(EvalConfig(moved, tmp_path / "again", limit=2)).run(model)
    assert limited.results[0].n == 2
    assert limited.results[0].details["data"]["drawn"] == {"images": 2, "of": 5, "seed": 0}
    with pytest.raises(UserError, match="made against source, not other: omit --source"):
        TransferAttack(EvalConfig(moved, tmp_path / "again", source=classifier(Small(5, seed=7), "other", classes)))
    (moved / "ifgsm" / "16" / "i2.png").write_bytes(b"")
    partly = TransferAttack(EvalConfig(moved, tmp_path / "again")).run(model)
    assert {entry.n for entry in partly.results} == {4}
    assert "i2" not in partly.images
    assert "i2.png: empty file" in partly.results[0].details["data"]["unreadable"][0]


@pytest.mark.parametrize(
    ("key", "value", "message"),
    [
        ("schema", "shapebias/adversarial/2", "does not describe adversarial images of this version"),
        ("kind", "examples", "a few examples for a report"),
        ("images", [], "is damaged"),
        ("images", [{"name": "../bear/0.png", "label": "bear"}], "is damaged"),
        ("images", [{"name": "/etc/bear", "label": "bear"}], "is damaged"),
        ("images", [{"name": "bear/0.png", "label": 3}], "is damaged"),
        ("images", [{"name": 3, "label": "bear"}], "is damaged"),
        ("images", 3, "is damaged"),
        ("attacks", {"../x": {}}, "is damaged"),
        ("attacks", ["fgsm"], "is damaged"),
        ("source", {"name": "source"}, "is damaged"),
        ("epsilons", [float("inf")], "is damaged"),
        ("epsilons", ["x"], "is damaged"),
        ("source", None, "is damaged"),
        ("unreadable", 7, "is damaged"),
    ],
)
def test_manifests_that_cannot_be_used_are_refused(config, key, value, message, tmp_path):
    config = replace(config, attacks=("fgsm",), limit=2)
    TransferAttack(config).run(classifier())
    path = only_set(config) / "adversarial.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), key: value}))
    with pytest.raises(UserError, match=message) as error:
        TransferAttack(EvalConfig(path.parent, tmp_path / "again"))
    assert "\n" not in str(error.value)


def test_what_cannot_be_measured_is_refused_first(config, folder):
    with pytest.raises(UserError, match="add --source MODEL"):
        TransferAttack(replace(config, source=None))
    with pytest.raises(UserError, match=r"--epsilon 0.5 is less than a level of 8 bits"):
        TransferAttack(replace(config, epsilons=(0.5, 2.0)))
    with pytest.raises(UserError, match="the network has no owl"):
        TransferAttack(config).check(classifier(classes=("bear", "cat", "dog", "pig")))
    strange = replace(config, source=classifier(name="source", classes=("bear", "cat", "dog", "pig")))
    with pytest.raises(UserError, match="source have different classes: the network has no owl"):
        TransferAttack(strange).check(classifier())
    with pytest.raises(UserError, match=r"source cannot be attacked on .*no gradient"):
        TransferAttack(replace(config, source=classifier(NoGradient(), "source"))).check(classifier())
    with pytest.raises(UserError, match=r"source cannot be attacked on .*no gradient"):
        TransferAttack(replace(config, source=classifier(Rounding(), "source"))).check(classifier())
    nameless = classifier(name="source")
    nameless.identity = replace(nameless.identity, classes=None)
    with pytest.raises(UserError, match="source needs known classes: use a run folder of ours, or a model with Imag"):
        TransferAttack(replace(config, source=nameless)).check(classifier())
    TransferAttack(config).check(classifier(NoGradient()))  # it is only shown images
    assert not config.out.exists()


def test_examples_are_what_was_shown(config):
    found = TransferAttack(config).run(classifier(size=20))
    examples, made = found.results[0].details["examples"], only_set(config)
    folder = config.out / "net" / "transfer-attack"
    assert examples["folder"] == str(folder.resolve())
    for row in examples["images"]:
        assert (row["attack"], row["epsilon"]) == ("pgd", 8.0)
        clean, changed = (levels(folder / row[kind]) for kind in ("clean", "adversarial"))
        assert np.array_equal(clean, levels(made / "clean" / f"{row['image']}.png"))
        assert np.array_equal(changed, levels(made / "pgd" / "8" / f"{row['image']}.png"))
        assert np.abs(levels(folder / row["difference"]) - (127.5 + (changed - clean) / 8 * 127.5)).max() <= 0.5
        right = [found.per_image[found.results[n].key][found.images.index(row["image"]), 0] for n in (0, -1)]
        assert [row["answer_clean"] == row["label"], row["answer_adversarial"] == row["label"]] == right
