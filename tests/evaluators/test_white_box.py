"""Accuracy under attacks on the model itself: results, resuming, skipped images, what is refused."""

from __future__ import annotations

import json
from dataclasses import replace

import numpy as np
import pytest
import torch
from PIL import Image

from shapebias.attacks import ATTACKS, perturb, uniform_start
from shapebias.data.decode import load_rgb
from shapebias.errors import UserError
from shapebias.evaluators.accuracy import Accuracy
from shapebias.evaluators.adversarial import attack_images, batches
from shapebias.evaluators.adversarial.white_box import EPSILONS, WhiteBox
from shapebias.evaluators.base import EvalConfig
from shapebias.models.imagenet import wordnet_ids
from shapebias.stats.intervals import wilson
from testkit.competition import competition
from testkit.images import class_folder, noise_image
from testkit.small_networks import CLASSES, FlatAtBlack, NoGradient, OddAtBlack, Rounding, Small, classifier


@pytest.fixture
def folder(tmp_path):
    return class_folder(tmp_path / "images", CLASSES, per_class=2)


@pytest.fixture
def config(folder, tmp_path):
    return EvalConfig(folder, tmp_path / "out", batch_size=3, attacks=("pgd", "mim"), epsilons=(20.0,))


def targeted_competition(root):
    rows = [(f"i{n}", str(1 + n % 3), str(4 + n % 2)) for n in range(6)]
    return competition(root, rows, ("ImageId", "TrueLabel", "TargetClass"), images=[row[0] for row in rows])


def network_of_imagenet():
    return classifier(Small(1000), classes=wordnet_ids())


def values_of(outcome):
    return {entry.key: (entry.value, entry.n, entry.ci95) for entry in outcome.results}


def same(a, b):
    assert values_of(a) == values_of(b)
    assert a.images == b.images
    assert all(np.array_equal(a.per_image[key], b.per_image[key]) for key in a.per_image)
    return True


def test_every_figure_is_that_of_the_attack_image_by_image(config):
    model = classifier()
    config = replace(config, attacks=tuple(ATTACKS), epsilons=(2.0, 20.0))
    found = WhiteBox(config).run(model)
    assert len(found.results) == len(found.per_image) == 1 + 4 * 2
    names = [f"{label}/{i}.png" for label in CLASSES for i in range(2)]
    assert list(found.images) == names
    for entry in found.results:
        right = []
        for name in names:
            image = model.preprocessing(load_rgb(config.data / name))[None]
            label = torch.tensor([CLASSES.index(name.split("/")[0])])
            if entry.condition != {"attack": "none"}:
                start = uniform_start(image.shape, 0, [name])
                attack = ATTACKS[entry.condition["attack"]]
                image = perturb(model, image, label, attack, entry.condition["epsilon"], start=start)
            right.append(bool(model(image).argmax(1) == label))
        assert found.per_image[entry.key][:, 0].tolist() == right
        assert (entry.evaluator, entry.metric) == ("white-box", "top1")
        assert (entry.value, entry.n, entry.ci95) == (np.mean(right), 8, wilson(sum(right), 8))
    values = [entry.value for entry in found.results]
    assert values[0] > min(values)  # the attacks do something


def test_without_attack_it_is_the_accuracy(config):
    model = classifier()
    clean = WhiteBox(config).run(model).results[0]
    top1 = Accuracy(config).run(model).results[0]
    assert clean.condition == {"attack": "none"}
    assert (clean.value, clean.n, clean.ci95) == (top1.value, top1.n, top1.ci95)


def test_the_papers_epsilons_are_the_default(folder, tmp_path):
    found = WhiteBox(EvalConfig(folder, tmp_path / "out", limit=4)).run(classifier())
    conditions = [entry.condition for entry in found.results[1:]]
    assert conditions == [{"attack": a, "epsilon": e} for a in ("fgsm", "pgd", "ifgsm", "mim") for e in EPSILONS]
    details = found.results[0].details
    assert details["gradient_evaluations"] == 116 * 4
    assert details["data"]["drawn"] == {"images": 4, "of": 8, "seed": 0}
    assert details["attacks"]["pgd"]["random_start"]
    assert sorted(name.split("/")[0] for name in found.images) == list(CLASSES)


def test_batches_do_not_matter(config):
    outcomes = [WhiteBox(replace(config, batch_size=size)).run(classifier()) for size in (1, 3, 64)]
    assert same(outcomes[0], outcomes[1])
    assert same(outcomes[0], outcomes[2])


def test_a_killed_run_resumes_and_repeats_no_finished_batch(config):
    whole = classifier()
    expected = WhiteBox(replace(config, out=config.out / "whole")).run(whole)
    killed = classifier(Small(stop=int(whole.network.passes * 0.6)))
    with pytest.raises(KeyboardInterrupt):
        WhiteBox(config).run(killed)
    parts = list((config.out / "net" / "unfinished" / "white-box").glob("*.npz"))
    assert len(parts) == 1  # of three batches
    again = classifier()
    found = WhiteBox(config).run(again)
    assert same(found, expected)
    examples = whole.network.gradients - expected.results[0].details["gradient_evaluations"]
    per_image = expected.results[0].details["gradient_evaluations"] // 8
    assert again.network.gradients == 5 * per_image + examples
    details = [outcome.results[0].details["gradient_evaluations"] for outcome in (found, expected)]
    assert details[0] == details[1]
    assert not (config.out / "net" / "unfinished" / "white-box").exists()


@pytest.mark.parametrize(
    "change", [{"seed": 1}, {"epsilons": (21.0,)}, {"attacks": ("pgd",)}, {"attacks": ("mim", "pgd")}]
)
def test_other_settings_do_not_go_on_from_there(config, change):
    killed = classifier(Small(stop=40))  # in the third of three batches
    with pytest.raises(KeyboardInterrupt):
        WhiteBox(config).run(killed)
    assert len(list((config.out / "net" / "unfinished" / "white-box").glob("*.npz"))) == 2
    other = replace(config, **change)
    again, fresh = classifier(), classifier()
    assert same(WhiteBox(other).run(again), WhiteBox(replace(other, out=config.out / "b")).run(fresh))
    assert again.network.gradients == fresh.network.gradients


@pytest.mark.parametrize("stop", [40, 55])  # in the third batch; after it, when only unreadable images are left
def test_unreadable_images_are_skipped_and_listed_also_after_a_kill(config, folder, stop):
    for name in ("bear/1.png", "owl/0.png", "owl/1.png"):
        (folder / name).write_bytes(b"no image")
    config = replace(config, batch_size=2)
    expected = WhiteBox(replace(config, out=config.out / "whole")).run(classifier())
    killed = classifier(Small(stop=stop))
    with pytest.raises(KeyboardInterrupt):
        WhiteBox(config).run(killed)
    found = WhiteBox(config).run(classifier())
    assert same(found, expected)
    assert len(found.images) == 5
    unreadable = found.results[0].details["data"]["unreadable"]
    assert [reason.partition(": ")[0] for reason in unreadable] == [
        str(folder / name) for name in ("bear/1.png", "owl/0.png", "owl/1.png")
    ]
    assert found.results[0].details["data"]["images"] == 5
    with pytest.raises(UserError, match=r"unreadable image .*bear/1.png"):
        WhiteBox(replace(config, strict=True)).run(classifier())


@pytest.mark.parametrize("batch_size", [1, 4, 64])
def test_images_without_a_finite_gradient_are_skipped_everywhere(config, folder, batch_size):
    Image.new("RGB", (30, 30)).save(folder / "cat" / "1.png")
    config = replace(config, batch_size=batch_size)
    found = WhiteBox(config).run(classifier(OddAtBlack()))
    assert len(found.images) == 7
    assert "cat/1.png" not in found.images
    assert {entry.n for entry in found.results} == {7}
    details = found.results[0].details
    assert details["gradients_not_finite"] == ["cat/1.png"]
    assert "the gradient of net is not finite for 1 of the images, skipped everywhere: cat/1.png" in details["warning"]
    assert details["data"]["images"] == 7
    with pytest.raises(UserError, match=r"gradient of net is not finite for cat/1.png"):
        WhiteBox(replace(config, strict=True)).run(classifier(OddAtBlack()))
    (folder / "cat" / "1.png").unlink()
    assert same(found, WhiteBox(replace(config, out=config.out / "b")).run(classifier(OddAtBlack())))


@pytest.mark.parametrize("attacks", [("fgsm", "pgd"), ("pgd",)])
def test_images_with_a_gradient_of_zero_are_shown_and_counted(config, folder, attacks):
    for name in ("cat/1.png", "owl/0.png"):
        Image.new("RGB", (30, 30)).save(folder / name)
    config = replace(config, attacks=attacks)
    killed = classifier(FlatAtBlack(stop=25))  # after a batch
    with pytest.raises(KeyboardInterrupt):
        WhiteBox(config).run(killed)
    found = WhiteBox(config).run(classifier(FlatAtBlack()))
    assert len(found.images) == 8
    details = found.results[0].details
    assert details["zero_gradients"] == {"count": 2, "names": ["cat/1.png", "owl/0.png"]}
    assert details["warning"].startswith("the gradient of net is exactly zero for 2 of the images: the attack cannot")
    assert details["warning"].endswith("cat/1.png, owl/0.png")
    none = WhiteBox(replace(config, out=config.out / "b")).run(classifier()).results[0].details
    assert none["zero_gradients"] == {"count": 0, "names": []}
    assert "warning" not in none


def test_gradients_of_both_kinds_are_warned_of_together(config, folder):
    class Both(OddAtBlack):
        def forward(self, images):
            return super().forward(images) * (images.amin((1, 2, 3)) < 1.99)[:, None]

    Image.new("RGB", (30, 30)).save(folder / "cat" / "1.png")
    Image.new("RGB", (30, 30), "white").save(folder / "dog" / "0.png")
    details = WhiteBox(replace(config, attacks=("fgsm",))).run(classifier(Both())).results[0].details
    assert details["gradients_not_finite"] == ["cat/1.png"]
    assert details["zero_gradients"]["names"] == ["dog/0.png"]
    assert "skipped everywhere: cat/1.png; the gradient of net is exactly zero for 1 of" in details["warning"]


def test_no_image_with_a_finite_gradient_is_an_error(tmp_path):
    for name in CLASSES:
        (tmp_path / "images" / name).mkdir(parents=True)
        Image.new("RGB", (30, 30)).save(tmp_path / "images" / name / "0.png")
    with pytest.raises(UserError, match="not finite for any image"):
        WhiteBox(EvalConfig(tmp_path / "images", tmp_path / "out")).run(classifier(OddAtBlack()))


def test_outputs_that_are_not_finite_under_attack_are_an_error(config):
    class Overflow(Small):
        def forward(self, images):
            found = super().forward(images)
            return found if images.requires_grad or self.passes < 12 else found / 0.0

    with pytest.raises(UserError, match=r"net answers bear/0\.png under pgd at 20/255 with NaN or infinity"):
        WhiteBox(config).run(classifier(Overflow()))


def test_outputs_that_are_not_finite_name_the_first_image(config, folder):
    class NoneAtBlack(Small):
        def forward(self, images):
            return super().forward(images) / (images.amax((1, 2, 3)) > -1.99)[:, None]

    for name in ("cat/1.png", "owl/0.png"):
        Image.new("RGB", (30, 30)).save(folder / name)
    with pytest.raises(UserError, match=r"net answers cat/1\.png with NaN or infinity"):
        WhiteBox(config).run(classifier(NoneAtBlack()))


def test_models_that_cannot_be_attacked_are_refused_first(config):
    evaluator = WhiteBox(config)
    with pytest.raises(UserError, match=r"net cannot be attacked on .*has no gradient"):
        evaluator.check(classifier(NoGradient()))
    with pytest.raises(UserError, match=r"net cannot be attacked on .*has no gradient.*rounding inside it"):
        evaluator.check(classifier(Rounding()))
    sure = classifier()
    sure.network.head.bias.data[0] = 1e6  # the loss of what it is wholly sure of is flat, and it is no rounding
    evaluator.check(sure)
    with pytest.raises(UserError, match="different classes: the network has no owl"):
        evaluator.check(classifier(classes=("bear", "cat", "dog", "pig")))
    model = classifier().train()
    evaluator.check(model)
    assert model.network.training
    assert model.network.gradients == 1


def test_the_model_is_left_as_it_was(config):
    model = classifier()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    WhiteBox(config).run(model)
    assert all(torch.equal(value, before[name]) for name, value in model.state_dict().items())
    assert all(p.grad is None and p.requires_grad for p in model.parameters())
    assert not model._forward_pre_hooks


def test_targeted_attacks_count_the_targets_too(tmp_path):
    data = targeted_competition(tmp_path / "nips17")
    model = classifier(Small(5), classes=wordnet_ids()[:5])
    config = EvalConfig(data, tmp_path / "out", attacks=("ifgsm",), epsilons=(40.0,), targeted=True)
    found = WhiteBox(config)
    found.check(model)
    outcome = found.run(model)
    assert [(e.metric, e.condition) for e in outcome.results] == [
        ("top1", {"attack": "none"}),
        ("top1", {"attack": "ifgsm", "epsilon": 40.0, "targeted": True}),
        ("target_rate", {"attack": "none"}),
        ("target_rate", {"attack": "ifgsm", "epsilon": 40.0, "targeted": True}),
    ]
    taken = []
    for n in range(6):
        image = model.preprocessing(load_rgb(data / "images" / f"i{n}.png"))[None]
        label, target = torch.tensor([n % 3]), torch.tensor([3 + n % 2])
        changed = perturb(model, image, label, ATTACKS["ifgsm"], 40.0, targets=target)
        taken.append(bool(model(changed).argmax(1) == target))
    rate = outcome.results[3]
    assert outcome.per_image[rate.key][:, 0].tolist() == taken
    assert rate.value > outcome.results[2].value
    assert outcome.images == tuple(f"i{n}" for n in range(6))


def test_targets_must_be_there_and_known(tmp_path, folder):
    with pytest.raises(UserError, match="--targeted needs a target class for each image"):
        WhiteBox(EvalConfig(folder, tmp_path / "out", targeted=True))
    data = targeted_competition(tmp_path / "nips17")
    with pytest.raises(UserError, match="autoattack is untargeted only"):
        WhiteBox(EvalConfig(data, tmp_path / "out", targeted=True, attacks=("fgsm", "autoattack")))
    without_targets = wordnet_ids()[:3]
    few = classifier(Small(3), classes=without_targets)
    WhiteBox(EvalConfig(data, tmp_path / "out")).check(few)
    with pytest.raises(UserError, match="the network has no n01491361"):
        WhiteBox(EvalConfig(data, tmp_path / "out", targeted=True)).check(few)


def test_data_that_are_no_images_are_refused(tmp_path):
    noise_image(tmp_path / "set" / "images" / "a.png", 0)
    with pytest.raises(UserError, match="no CSV that says what they show"):
        WhiteBox(EvalConfig(tmp_path / "set", tmp_path / "out"))
    with pytest.raises(UserError, match="no folder"):
        WhiteBox(EvalConfig(tmp_path / "absent", tmp_path / "out"))
    with pytest.raises(UserError, match=r"a\.png is a file: give its folder, .*images$"):
        WhiteBox(EvalConfig(tmp_path / "set" / "images" / "a.png", tmp_path / "out"))
    with pytest.raises(UserError, match="no attacks given"):
        WhiteBox(EvalConfig(class_folder(tmp_path / "c"), tmp_path / "out", attacks=()))


def test_where_its_data_are_found(tmp_path):
    assert WhiteBox.find(class_folder(tmp_path / "images" / "photos").parent) is None
    competition(tmp_path / "sets" / "nips17")
    assert WhiteBox.find(tmp_path / "sets") == WhiteBox.find(tmp_path / "sets/nips17") == tmp_path / "sets/nips17"
    assert WhiteBox.find(tmp_path / "sets/nips17/images") == tmp_path / "sets/nips17"


def test_rows_without_an_image_are_told(tmp_path):
    data = targeted_competition(tmp_path / "nips17")
    (data / "images" / "i4.png").unlink()
    found = WhiteBox(EvalConfig(data, tmp_path / "out", attacks=("fgsm",))).run(network_of_imagenet())
    assert found.results[0].n == 5
    assert "i4.png: not there (row in line 6" in found.results[0].details["data"]["unreadable"][0]


def test_autoattack_is_called_for_each_epsilon(config, monkeypatch):
    calls = []

    def darkened(model, images, labels, epsilon, *, seed, batch_size):
        calls.append((epsilon, seed, batch_size, tuple(labels.tolist())))
        return (images - epsilon / 255).clamp(0, 1)

    for module in (attack_images, batches):
        monkeypatch.setattr(module, "autoattack", darkened)
    evaluator = WhiteBox(replace(config, attacks=("autoattack", "fgsm"), epsilons=(2.0, 20.0), batch_size=8, seed=3))
    evaluator.check(classifier())
    outcome = evaluator.run(classifier())
    assert [entry.condition.get("attack") for entry in outcome.results] == ["none", *["autoattack"] * 2, *["fgsm"] * 2]
    assert [call[:3] for call in calls] == [(1.0, 0, 1), (2.0, 3, 8), (20.0, 3, 8)]
    assert calls[1][3] == tuple(np.repeat(range(4), 2))
    assert outcome.results[0].details["attacks"]["autoattack"]["title"] == "AutoAttack"


def test_examples_are_drawn_by_their_names_and_show_the_exact_difference(config):
    model = classifier()
    found = [WhiteBox(replace(config, batch_size=size)).run(model).results[0].details["examples"] for size in (3, 8)]
    assert found[0] == found[1]
    folder = config.out / "net" / "white-box"
    assert found[0]["folder"] == str(folder.resolve())
    manifest = json.loads((folder / "adversarial.json").read_text())
    assert (manifest["schema"], manifest["kind"]) == ("shapebias/adversarial/1", "examples")
    assert not (folder / "ATTRIBUTION.txt").exists()
    assert len(found[0]["images"]) == 6
    for row in found[0]["images"]:
        assert (row["attack"], row["epsilon"], row["label"]) == ("mim", 20.0, row["image"].split("/")[0])
        image = model.preprocessing(load_rgb(config.data / row["image"]))[None]
        label = torch.tensor([CLASSES.index(row["label"])])
        changed = perturb(model, image, label, ATTACKS["mim"], 20.0)
        assert row["answer_clean"] == CLASSES[int(model(image).argmax())]
        assert row["answer_adversarial"] == CLASSES[int(model(changed).argmax())]
        wanted = {"clean": image, "adversarial": changed, "difference": 0.5 + (changed - image) * 255 / 40}
        for kind, picture in wanted.items():
            levels = np.asarray(Image.open(folder / row[kind])).transpose(2, 0, 1)
            assert np.abs(levels - picture[0].numpy() * 255).max() <= 0.501


def test_examples_name_whose_photographs_they_are(tmp_path):
    data = competition(tmp_path / "nips17")
    WhiteBox(EvalConfig(data, tmp_path / "out", attacks=("fgsm",))).run(network_of_imagenet())
    text = (tmp_path / "out" / "net" / "white-box" / "ATTRIBUTION.txt").read_text()
    assert "aa, Ann, https://a.example/1, CC BY 2.0" in text
