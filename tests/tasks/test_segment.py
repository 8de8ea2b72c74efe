"""``segment`` from networks to results: folders, figures, pictures, going on, comparing, and what it refuses."""

from __future__ import annotations

import json

import numpy as np
import pytest
import torch
from PIL import Image

from shapebias.data.readers.voc_masks import VOC_PALETTE, load_mask, read_segmentation, save_mask
from shapebias.errors import UserError
from shapebias.files import locked
from shapebias.metrics.functional.segmentation import confusion_matrix, iou, miou_difference
from shapebias.models.checkpoint import save_classifier
from shapebias.results.results import Results
from shapebias.stats.intervals import p_value
from shapebias.stats.seeds import seed_difference, seed_interval
from shapebias.tasks.miou import miou_differences, stacked
from shapebias.tasks.segmentation import whole_images
from shapebias.tasks.segmentation.config import SegmentConfig
from shapebias.tasks.segmentation.results import all_background, segmentation_result
from shapebias.tasks.segmentation.run import divided, segment
from shapebias.tasks.segmentation.segmenter import CLASSES, Segmenter, load_segmenter, segmenter_from
from shapebias.tasks.segmentation.train import pixel_loss
from shapebias.tasks.segmentation.whole_images import confusions, predict
from shapebias.tasks.sweep import Measured
from shapebias.train.samples import Batch
from shapebias.train.settings import configure
from testkit.commands import run_command
from testkit.runs import rows, same, weights
from testkit.segmentation_data import small_voc, start
from testkit.stopped_runs import attempts_to_finish

pytestmark = pytest.mark.usefixtures("one_thread")


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return small_voc(tmp_path_factory.mktemp("voc"))


def config(data, out, **values):
    settings = {"size": 32, "epochs": 2, "batch_size": 3, "output_stride": 8, "device": "cpu"}
    return configure(SegmentConfig, data=data, out=out, **{**settings, **values})


@pytest.fixture(scope="module")
def both(data, one_thread, tmp_path_factory):
    """Two networks and two seeds, fine-tuned, then frozen into the same folder."""
    out = tmp_path_factory.mktemp("out") / "segmentation"
    sources = [start(name="one", seed=1), start(name="two", seed=2)]
    for freeze in (False, True):
        segment(sources, config(data, out, freeze=freeze), seeds=[0, 1] if freeze else [0], rates=[0.02])
    return out


def test_a_model_that_another_process_trains_is_refused(data, tmp_path):
    folder = tmp_path / "one" / "finetuned"
    with locked(folder), pytest.raises(UserError, match=f"another process is at work in {folder}"):
        segment([start(name="one", seed=1)], config(data, tmp_path), seeds=[0], rates=[0.02])


def test_both_kinds_of_backbone_stand_in_one_results_file(both):
    for name in ("one", "two"):
        found = Results.load(both / name / "results.json")
        assert [entry.condition for entry in found.results] == [{"backbone": "finetuned"}, {"backbone": "frozen"}]
        assert found.model["architecture"] == "test_resnet"
        for entry in found.results:
            assert (entry.evaluator, entry.metric, entry.n) == ("segmentation", "miou", 4)
            assert entry.value is not None and 0 <= entry.value <= 1
            assert entry.details["trained_on"]["images"] == 6


def test_the_figure_is_the_saved_networks_on_whole_images(both, data):
    val = read_segmentation(data, 2012, "val")
    entry = Results.load(both / "one/results.json").get("segmentation", "miou", backbone="finetuned")
    segmenter = load_segmenter(both / "one/finetuned/seed-0/model.safetensors")
    total = np.zeros((21, 21), dtype=np.int64)
    for path, mask in zip(val.paths, val.masks, strict=True):
        image = np.array(Image.open(path).convert("RGB"), dtype=np.float32) / 255
        with torch.no_grad():
            answer = predict(segmenter, torch.from_numpy(image).permute(2, 0, 1)).numpy()
        truth = np.array(Image.open(mask))
        np.add.at(total, (truth[truth != 255], answer[truth != 255]), 1)
    crossed = np.diag(total) / np.maximum(total.sum(0) + total.sum(1) - np.diag(total), 1)
    there = total.sum(0) + total.sum(1) > 0
    assert entry.value == pytest.approx(crossed[there].mean())
    per_class = entry.details["per_class"]
    assert list(per_class) == ["background", *CLASSES[1:]]
    assert [value is None for value in per_class.values()] == list(~there)
    assert entry.details["absent"] == [name for name, seen in zip(CLASSES, there, strict=True) if not seen]
    assert entry.details["interval"] == "bootstrap over images"
    assert entry.ci95 is not None


def test_several_seeds_give_their_mean_with_an_interval_over_seeds_and_images(both):
    entry = Results.load(both / "two/results.json").get("segmentation", "miou", backbone="frozen")
    each = [row["value"] for row in entry.details["seeds"]]
    assert [row["seed"] for row in entry.details["seeds"]] == [0, 1]
    assert entry.value == pytest.approx(np.mean(each))
    assert entry.details["interval"] == "over seeds and images: Student's t over 2 seeds, bootstrap over images"
    alone = seed_interval(each, (entry.value, entry.value), "")[0]  # images add nothing
    assert entry.ci95[0] <= alone[0] and alone[1] <= entry.ci95[1]


def test_a_run_frozen_leaves_the_backbone_as_it_was(both):
    source = start(seed=1).network.state_dict()
    head = {}
    for kind, equal in (("frozen", True), ("finetuned", False)):
        kept = weights(both / "one" / kind / "seed-0")
        backbone = {k.removeprefix("backbone.network."): v for k, v in kept.items() if k.startswith("backbone.")}
        assert all(torch.equal(source[key], value) for key, value in backbone.items()) == equal
        head[kind] = {key for key in kept if key.startswith("head.")}
    assert head["frozen"] == {"head.weight", "head.bias"}
    run = json.loads((both / "one/frozen/seed-1/run.json").read_text())
    assert (run["task"], run["backbone"], run["seed"], run["head"]) == ("segmentation", "frozen", 1, "convolution")
    assert [row["held_out"] for row in rows(both / "one/frozen/seed-1")] == ["", ""]  # val is seen once, at the end


def test_pictures_show_image_truth_and_prediction(both, data):
    folder = both / "one/pictures"
    index = json.loads((folder / "pictures.json").read_text())
    assert index["schema"] == "shapebias/segmentation-pictures/1"
    assert index["parts"] == ["image", "truth", "prediction"]
    assert [row["backbone"] for row in index["pictures"]] == ["finetuned"] * 4 + ["frozen"] * 4
    val = read_segmentation(data, 2012, "val")
    row = index["pictures"][5]
    number = val.names.index(row["image"])
    image = Image.open(val.paths[number])
    width, height = image.size
    shown = np.array(Image.open(folder / row["file"]))
    assert shown.shape == (height, 3 * width + 8, 3)
    truth = load_mask(val.masks[number], image.size)
    assert np.array_equal(shown[:, :width], np.array(image))
    assert np.array_equal(shown[:, width + 4 : 2 * width + 4], VOC_PALETTE[truth])
    segmenter = load_segmenter(both / "one/frozen/seed-0/model.safetensors")
    with torch.no_grad():
        answer = predict(segmenter, torch.from_numpy(np.array(image)).permute(2, 0, 1).float() / 255)
    assert np.array_equal(shown[:, 2 * width + 8 :], VOC_PALETTE[answer.numpy()])


def test_networks_are_compared_over_the_same_images(both):
    found = json.loads((both / "comparison.json").read_text())
    assert {(row["a"], row["b"], row["condition"]["backbone"], row["n"]) for row in found["paired"]} == {
        ("one", "two", "finetuned", 4),
        ("one", "two", "frozen", 4),
    }
    values = [
        Results.load(both / name / "results.json").get("segmentation", "miou", backbone="frozen").value
        for name in ("one", "two")
    ]
    row = next(row for row in found["paired"] if row["condition"]["backbone"] == "frozen")
    assert row["difference"] == pytest.approx((values[0] or 0) - (values[1] or 0))


def test_what_is_finished_is_not_done_again(both, data, monkeypatch):
    before = (both / "one/results.json").read_text()
    written = (both / "one/pictures/pictures.json").stat().st_mtime_ns
    monkeypatch.setattr(Segmenter, "forward", lambda *_: pytest.fail("done again"))
    segment([start(name="one", seed=1)], config(data, both), seeds=[0], rates=[0.02])
    after = json.loads((both / "one/results.json").read_text())
    kept = {entry["condition"]["backbone"]: entry for entry in json.loads(before)["results"]}
    assert {entry["condition"]["backbone"]: entry for entry in after["results"]} == kept
    assert (both / "one/pictures/pictures.json").stat().st_mtime_ns == written
    with pytest.raises(UserError, match=r"holds another run \(segmentation\) \(lr: 0.02 there, 0.5 now\)"):
        segment([start(name="one", seed=1)], config(data, both), seeds=[0], rates=[0.5])
    with pytest.raises(UserError, match="another model with that name"):
        segment([start(name="one", seed=9)], config(data, both), seeds=[0], rates=[0.02])


def test_the_rate_is_chosen_on_training_images_alone(data, tmp_path, monkeypatch):
    """Of a rate that learns and one that hardly moves; val is shown to finished networks only."""
    training, val = (read_segmentation(data, 2012, split) for split in ("train", "val"))
    seen = []

    def spied(segmenter, images, *arguments, **options):
        seen.append(images.names)
        return confusions(segmenter, images, *arguments, **options)

    monkeypatch.setattr(whole_images, "confusions", spied)
    given = config(data, tmp_path, epochs=4, select_epochs=12, batch_size=6, split_seed=3)
    entry = segment([start()], given, seeds=[1, 2], rates=[1e-6, 0.05])[0].get("segmentation", "miou")
    details, home = entry.details, tmp_path / "start/finetuned"
    assert details["lr"] == 0.05 and details["split"] == {"fit": 5, "held_out": 1}
    (aside,) = set(seen[0])
    assert seen == [(aside,)] * 24 + [val.names] * 2 and aside in training.names
    for rate in ("1e-06", "0.05"):
        run = json.loads((home / f"select/lr-{rate}/run.json").read_text())
        assert (run["data"]["images"], run["seed"], run["config"]["epochs"]) == (5, 3, 12)
        last = rows(home / f"select/lr-{rate}")[-1]
        assert details["selection"][rate]["miou"] == float(last["held_out"])
        trial = load_segmenter(home / f"select/lr-{rate}/model.safetensors")
        number = training.names.index(aside)
        found = confusions(trial, training, [number], device=torch.device("cpu"))[number]
        assert iou(found).mean == pytest.approx(float(last["held_out"]), abs=1e-5)
        assert 1 - iou(found).pixel_accuracy == pytest.approx(float(last["held_out_loss"]), abs=1e-5)
    for seed in (1, 2):
        run = json.loads((home / f"seed-{seed}/run.json").read_text())
        assert (run["data"]["images"], run["config"]["lr"], run["inputs"].get("held_out")) == (6, 0.05, None)
    seen.clear()
    segment([start()], given, seeds=[1, 2], rates=[1e-6, 0.05])
    assert not seen  # neither a trial nor a measurement again


def test_other_masks_are_trained_on_and_vocs_measured(data, tmp_path):
    """Masks of one class everywhere: what is learned is that class, and val is still scored by VOC's own."""
    training = read_segmentation(data, 2012, "train")
    for name, mask in zip(training.names, training.masks, strict=True):
        labels = np.full(np.array(Image.open(mask)).shape, 12, dtype=np.uint8)
        save_mask(tmp_path / "masks" / f"{name}.png", labels)
    given = config(data, tmp_path / "out", epochs=20, batch_size=6, masks=tmp_path / "masks")
    entry = segment([start()], given, rates=[0.05])[0].get("segmentation", "miou")
    assert entry.details["trained_on"]["masks"] == str(tmp_path / "masks")
    assert entry.details["trained_on"]["fingerprint"] != training.fingerprint
    assert entry.details["per_class"]["dog"] == 0 and entry.value is not None and entry.value < 0.05
    save_mask(tmp_path / "masks" / f"{training.names[0]}.png", np.zeros((1, 1), dtype=np.uint8))
    with pytest.raises(UserError, match="holds another run"):
        segment([start()], given, rates=[0.05])
    (tmp_path / "masks" / f"{training.names[0]}.png").unlink()
    with pytest.raises(UserError, match=r"masks lacks masks of 1 of the 6 images \(2008_000000\)"):
        segment([start()], given, rates=[0.05])


def test_a_broken_mask_of_val_is_found_before_any_training(tmp_path):
    root = small_voc(tmp_path / "voc")
    mask = read_segmentation(root, 2012, "val").masks[2]
    labels = np.array(Image.open(mask))
    broken = {
        "is 5x5 but its image": Image.fromarray(labels[:5, :5]),
        "is a mask in colours": Image.fromarray(np.stack([labels] * 3, axis=2)),
        "21": Image.fromarray(np.where(labels == 0, 21, labels).astype(np.uint8)),
    }
    for message, image in broken.items():
        image.save(mask)
        with pytest.raises(UserError, match=message) as caught:
            segment([start()], config(root, tmp_path / "out"), rates=[0.1])
        assert str(mask) in str(caught.value) and "\n" not in str(caught.value)
    assert not list((tmp_path / "out").rglob("run.json"))


def test_images_held_out_that_cannot_be_read_are_named_not_the_rate(tmp_path):
    root = small_voc(tmp_path / "voc")
    (aside,) = divided(read_segmentation(root, 2012, "train"), 0)[1].paths
    aside.write_bytes(b"no picture")
    with pytest.raises(UserError, match="none of the 1 held-out images could be read"):
        segment([start()], config(root, tmp_path / "out", epochs=1), rates=[0.1, 0.2])


def test_a_masks_folder_that_is_not_there(data, tmp_path):
    with pytest.raises(UserError, match=r"no folder .*nowhere: give one with a mask NAME.png for each image"):
        segment([start()], config(data, tmp_path, masks=tmp_path / "nowhere"), rates=[0.1])


def test_differences_of_figures_that_are_others_now_go(data, tmp_path):
    given = config(data, tmp_path, epochs=1, freeze=True)
    sources = [start(name=name, seed=seed) for seed, name in enumerate(("a", "b", "c"))]
    segment(sources, given, seeds=[0], rates=[0.1])

    def pairs():
        return {(row["a"], row["b"]) for row in json.loads((tmp_path / "comparison.json").read_text())["paired"]}

    assert pairs() == {("a", "b"), ("a", "c"), ("b", "c")}
    segment(sources[:1], given, seeds=[0], rates=[0.1])
    assert len(pairs()) == 3  # the same figure again
    segment(sources[:1], given, seeds=[0, 1], rates=[0.1])
    assert pairs() == {("b", "c")}


def test_too_few_images_to_choose_on_are_refused(tmp_path):
    given = config(small_voc(tmp_path / "voc", train=4), tmp_path / "out", batch_size=2)
    with pytest.raises(UserError, match="4 training images are too few to choose a learning rate"):
        segment([start()], given, rates=[0.1, 0.2])


def test_the_loss_over_parts_is_that_of_the_whole_batch():
    rng = torch.Generator().manual_seed(0)
    scores, labels = torch.randn(4, 21, 4, 4, generator=rng), torch.randint(0, 21, (4, 4, 4), generator=rng)
    labels[0, :3], labels[1] = 255, 255

    def loss(rows):
        batch = Batch(torch.zeros(4, 3, 4, 4)[rows], labels[rows])
        return float(pixel_loss(lambda _: scores[rows], batch, 0.0).loss)

    assert (loss(slice(2)) + loss(slice(2, 4))) / 2 == pytest.approx(loss(slice(4)))


@pytest.mark.parametrize("freeze", [False, True])
def test_a_killed_run_goes_on_to_the_same_weights(data, both, tmp_path, monkeypatch, freeze):
    """Killed after every checkpoint of every step."""
    given = config(data, tmp_path / "out", freeze=freeze, checkpoint_minutes=0.0)
    undisturbed = config(data, tmp_path / "undisturbed", freeze=freeze, checkpoint_minutes=0.0)
    segment([start(name="one", seed=1)], undisturbed, seeds=[0], rates=[0.02])
    place = f"one/{given.backbone}/seed-0"

    def run():
        segment([start(name="one", seed=1)], given, seeds=[0], rates=[0.02])

    assert attempts_to_finish(monkeypatch, run) == 5  # two epochs of two steps
    assert same(weights(given.loop.out / place), weights(undisturbed.loop.out / place))
    assert rows(given.loop.out / place) == rows(undisturbed.loop.out / place)


def test_training_learns_the_squares(data, tmp_path):
    """Cat and person are told by their colour: an easy task, which the untrained network does not do."""
    given = config(data, tmp_path, epochs=30, batch_size=6)
    found = segment([start()], given, seeds=[0], rates=[0.05])[0].get("segmentation", "miou")
    assert found.value is not None and found.value > 0.6 > 0.4 > found.details["all_background"]
    log = rows(tmp_path / "start/finetuned/seed-0")
    assert float(log[-1]["loss"]) < 0.5 * float(log[0]["loss"])


def test_ignored_pixels_count_neither_in_the_loss_nor_where_there_are_no_others():
    scores = torch.randn(2, 21, 4, 4, generator=torch.Generator().manual_seed(0), requires_grad=True)
    labels = torch.randint(0, 21, (2, 4, 4), generator=torch.Generator().manual_seed(1))
    labels[0, :2] = 255
    outcome = pixel_loss(lambda _: scores, Batch(torch.zeros(2, 3, 4, 4), labels), 0.0)
    kept = labels != 255
    chances = scores.detach().softmax(1).permute(0, 2, 3, 1)[kept]
    each = -chances[torch.arange(int(kept.sum())), labels[kept]].log()
    assert torch.allclose(outcome.loss, (each[:8].mean() + each[8:].mean()) / 2)  # half of the first image is ignored
    outcome.loss.backward()
    assert scores.grad is not None and not scores.grad[0, :, :2].any()
    empty = pixel_loss(lambda _: scores, Batch(torch.zeros(2, 3, 4, 4), torch.full_like(labels, 255)), 0.0)
    assert empty.loss.item() == 0


def random_confusions(rng, images, classes=4):
    return {index: rng.integers(0, 50, (classes, classes)) * (rng.random((classes, classes)) < 0.6) for index in images}


def measured(name, **images):
    """Random confusions, by seeds s0, s1 ..., of the images given for each."""
    outputs = {int(key[1:]): random_confusions(np.random.default_rng(int(key[1:])), images[key]) for key in images}
    return Measured(name, outputs, {}, {seed: {"weights_sha256": "hash"} for seed in outputs})


def test_only_images_that_all_answered_are_compared():
    models = [measured("a", s1=range(12)), measured("b", s2=range(3, 20)), measured("c", s3=range(12))]
    rows_ = miou_differences("segmentation", {}, models, 4, seed=0)
    assert [(row.a, row.b, row.n) for row in rows_] == [("a", "b", 9), ("a", "c", 12), ("b", "c", 9)]
    found = measured("a", s1=range(12), s2=range(4, 12))
    assert segmentation_result(found, "wxyz", backbone="b", details={}).n == 8


def test_differences_are_over_seeds_and_images_where_both_models_have_several_seeds():
    several = [measured("a", s1=range(12), s2=range(12)), measured("b", s3=range(12), s4=range(12), s5=range(12))]
    (row,) = miou_differences("segmentation", {}, several, 4, seed=0)
    stacks = [np.stack([stacked(one, range(12), 4) for one in model.outputs.values()]) for model in several]
    value, over_images = miou_difference(*stacks, seed=0)
    values = [[iou(total).mean for total in stack.sum(1)] for stack in stacks]
    interval, freedom, over = seed_difference(*values, over_images)
    assert (row.value, row.ci95) == (pytest.approx(value), pytest.approx(interval))
    assert (row.over, row.p) == ("seeds and images", p_value(row.value, interval, freedom)) and over == row.over
    assert interval[1] - interval[0] > over_images[1] - over_images[0]
    (row,) = miou_differences("segmentation", {}, [several[0], measured("c", s6=range(12))], 4, seed=0)
    assert row.over == "images"


def test_the_answer_background_everywhere():
    truth = torch.tensor([[0, 0, 0, 2]])
    matrix = confusion_matrix(truth, torch.tensor([[0, 2, 1, 2]]), 3).numpy()
    assert all_background(matrix) == pytest.approx((0.75 + 0) / 2)


def test_an_unreadable_image_is_left_out_of_the_measure_or_stops_it(tmp_path):
    val = read_segmentation(small_voc(tmp_path), 2012, "val")
    val.paths[1].write_bytes(b"no picture")
    segmenter = segmenter_from(start(), head="convolution", size=32, output_stride=8)
    noted = []
    found = confusions(segmenter, val, range(4), device=torch.device("cpu"), note=noted.extend)
    assert list(found) == [0, 2, 3]
    assert noted == [f"{val.paths[1]}: not an image"]
    with pytest.raises(UserError, match=r"unreadable image .*not an image"):
        confusions(segmenter, val, range(4), device=torch.device("cpu"), strict=True)


@pytest.mark.parametrize(
    ("values", "seeds", "message"),
    [
        ({"freeze": True, "head": "fcn"}, [0], "--freeze trains one convolution as the head"),
        ({"lr": 0.0}, [0], "--lr must be above 0"),
        ({"lr": -1.0}, [0], "--lr must lie between"),
        ({"size": 16}, [0], "--size must lie between 32"),
        ({"batch_size": 3, "grad_accum_steps": 2}, [0], "--batch-size 3 is not divisible"),
        ({"nesterov": True, "momentum": 0.0}, [0], "--nesterov needs"),
        ({"split_seed": -1}, [0], "--split-seed must lie between 0"),
        ({"select_epochs": -1}, [0], "--select-epochs must lie between 0"),
        ({}, [], "--seeds is empty"),
        ({}, [1, 1], "--seeds names a number twice"),
        ({}, [-1], "--seed must lie between 0"),
        ({"train_split": "trainaug"}, [0], "no split 'trainaug' in .*there are train, trainval, val"),
        ({"train_split": "trainval"}, [0], "4 images of the split 'trainval' are also in 'val'"),
        ({"stage": "layer7"}, [0], "start has no stage 'layer7'"),
        ({"output_stride": 32}, [0], "reduces an image of --size 32 to 1x1"),
    ],
)
def test_what_cannot_be_is_refused_before_any_training(data, tmp_path, values, seeds, message):
    with pytest.raises(UserError, match=message) as caught:
        given = dict(values)
        segment([start()], config(data, tmp_path / "out", **given), seeds=seeds, rates=[given.get("lr", 0.02)])
    assert "\n" not in str(caught.value)
    assert not list((tmp_path / "out").rglob("run.json"))


def test_the_command_trains_measures_and_prints(data, tmp_path, capsys):
    path = tmp_path / "net.safetensors"
    save_classifier(path, start(name="net"))
    small = ("--size", 32, "--epochs", 1, "--batch-size", 6, "--output-stride", 8, "--device", "cpu")
    rest = ("--freeze", "--lr", "0.1", "--seeds", "0, 2", "--json")
    run_command("segment", path, "--data", data, "--out", tmp_path / "out", *small, *rest)
    printed = capsys.readouterr()
    assert "net: mIoU" in printed.err and "on 4 images (frozen)" in printed.err
    assert json.loads(printed.out)[0]["results"][0]["condition"] == {"backbone": "frozen"}
    assert (tmp_path / "out/net/frozen/seed-2/model.safetensors").is_file()


@pytest.mark.parametrize("seeds", ["", "0,0", "a", "1.5", "-1"])
def test_seeds_that_are_none(data, tmp_path, seeds):
    with pytest.raises(UserError, match="--seed"):
        run_command("segment", "timm:x", "--data", data, "--out", tmp_path, f"--seeds={seeds}")
