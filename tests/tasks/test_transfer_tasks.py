"""Tasks of transfer: which images train and which test, stratified draws, and what is refused."""

from __future__ import annotations

import hashlib
import tarfile

import numpy as np
import pytest

from shapebias.data.readers.classification import read_cifar100
from shapebias.errors import UserError
from shapebias.tasks.classification.task import find_task, stratified
from testkit.devkit import write_devkit
from testkit.images import class_folder, noise_image


def test_a_stratified_draw_takes_the_share_of_every_class():
    targets = np.repeat([0, 1, 2, 3], [10, 5, 2, 1])
    taken = stratified(targets, 0.2, np.random.default_rng(3))
    assert [int(taken[targets == label].sum()) for label in range(4)] == [2, 1, 0, 0]
    assert (stratified(targets, 0.2, np.random.default_rng(3)) == taken).all()
    assert any((stratified(targets, 0.2, np.random.default_rng(seed)) != taken).any() for seed in range(5))


def test_a_stratified_draw_of_several_classes_per_image_is_near_the_share_of_each():
    rng = np.random.default_rng(0)
    targets = (rng.random((400, 6)) < [0.02, 0.05, 0.1, 0.2, 0.3, 0.5]).astype(np.int8)
    targets[rng.random(targets.shape) < 0.05] = -1
    taken = stratified(targets, 0.2, np.random.default_rng(0))
    shares = [(taken & (targets[:, k] == 1)).sum() / (targets[:, k] == 1).sum() for k in range(6)]
    assert np.abs(np.array(shares) - 0.2).max() < 0.08
    assert abs(taken.mean() - 0.2) < 0.05
    assert shares[0] > 0  # the rarest are not left to chance


@pytest.mark.parametrize("test", ["val", "test"])
def test_a_divided_folder_keeps_its_division_and_the_numbers_of_the_training_classes(tmp_path, test):
    class_folder(tmp_path / "train", ("ant", "bee", "cow"), 3)
    class_folder(tmp_path / test, ("bee", "cow"), 2)
    task = find_task("folder", tmp_path)
    assert (task.name, task.evaluator, task.metric) == (tmp_path.name, f"transfer-{tmp_path.name}", "top1")
    assert task.test.targets.tolist() == [1, 1, 2, 2]
    assert all(task.classes[label] in name for name, label in zip(task.test.names, task.test.targets, strict=True))
    assert task.notes == ("classes without a test image: 1, first ant",)


def test_an_undivided_folder_is_divided_by_the_seed_and_says_so(tmp_path):
    class_folder(tmp_path, ("ant", "bee"), 10)
    task, again, other = (find_task("folder", tmp_path, seed=seed) for seed in (0, 0, 1))
    assert np.bincount(task.test.targets).tolist() == [2, 2] and len(task.train) == 16
    assert not set(task.train.paths) & set(task.test.paths)
    assert task.test.names == again.test.names != other.test.names
    assert "has no train and test split" in task.notes[0]


def test_the_fingerprint_changes_with_targets_and_names(tmp_path):
    class_folder(tmp_path, ("ant", "bee"), 5)
    part = find_task("folder", tmp_path).train
    assert part.take(range(len(part))).fingerprint == part.fingerprint
    assert len({part.fingerprint, part.take([0, 1]).fingerprint, part.take([1, 0]).fingerprint}) == 3


def test_caltech101_trains_on_thirty_images_per_class_and_leaves_its_background_out(tmp_path):
    root = tmp_path / "101_ObjectCategories"
    for name, count in (("ant", 33), ("bee", 6), ("BACKGROUND_Google", 4)):
        for number in range(count):
            noise_image(root / name / f"image_{number:04}.png", number, (4, 4))
    task = find_task("caltech101", tmp_path)
    assert task.classes == ("ant", "bee")
    assert np.bincount(task.train.targets).tolist() == [30, 4]
    assert np.bincount(task.test.targets).tolist() == [3, 2]
    assert not any("BACKGROUND" in name for name in (*task.train.names, *task.test.names))
    assert task.notes == ("classes with at most 30 images: 1; two thirds of their images are for training",)


def test_dtd_takes_train_and_val_of_split_1_to_train_with(tmp_path):
    for number in range(6):
        noise_image(tmp_path / "dtd" / "images" / "abc"[number % 3] / f"{number}.png", number, (4, 4))
    lists = tmp_path / "dtd" / "labels"
    lists.mkdir()
    for name, images in (("train1", "a/0.png\nb/1.png\n"), ("val1", "c/2.png\n"), ("test1", "b/4.png\na/3.png\n")):
        (lists / f"{name}.txt").write_text(images)
    task = find_task("dtd", tmp_path)
    assert [path.name for path in task.train.paths] == ["0.png", "1.png", "2.png"]
    assert task.test.targets.tolist() == [0, 1] and task.classes == ("a", "b", "c")
    (lists / "test1.txt").write_text("b/4.png\nb/missing.png\n")
    with pytest.raises(UserError, match=r"lacks 1 listed images, first b/missing\.png"):
        find_task("dtd", tmp_path)
    (lists / "test1.txt").write_text("../../etc/x.png\n")
    with pytest.raises(UserError, match="not CLASS/NAME"):
        find_task("dtd", tmp_path)


def test_cifar100_becomes_pictures_once(tmp_path, monkeypatch):
    from shapebias.libraries import torchvision

    calls = []

    class Published:
        def __init__(self, root, *, train, download):
            calls.append((root, train, download))
            self.classes = ["ape", "bee"]
            self.targets = [1, 0, 1] if train else [0, 1]
            self.data = np.random.default_rng(train).integers(0, 256, (len(self.targets), 32, 32, 3), dtype=np.uint8)

    monkeypatch.setattr(torchvision.datasets, "CIFAR100", Published)
    train, test = read_cifar100(tmp_path, False)
    assert train.targets.tolist() == [0, 1, 1] and test.targets.tolist() == [0, 1] and train.classes == ("ape", "bee")
    read_cifar100(tmp_path, False)
    assert calls == [(tmp_path, True, False), (tmp_path, False, False)]


def test_voc_targets_say_what_counts_neither_way(shared):
    task = find_task("voc12", shared / "data" / "voc")
    assert (task.single, task.metric, len(task.train), len(task.test)) == (False, "map", 160, 160)
    assert task.train.targets.shape == (160, 20) and set(np.unique(task.train.targets)) <= {-1, 0, 1}
    assert (task.train.targets == 1).any(1).all()
    assert any("aeroplane, train" in note for note in task.notes)


@pytest.mark.parametrize(
    ("task", "make", "message"),
    [
        ("vox07", lambda root: None, "unknown task 'vox07': did you mean 'voc07'"),
        ("folder", lambda root: (root / "train").mkdir(), "has no class folders"),
        ("folder", lambda root: class_folder(root / "train"), "no test images: add val/ or test/"),
        ("folder", lambda root: class_folder(root / "val"), "no training images: add train/"),
        ("folder", lambda root: class_folder(root), "too few images of bear, cat to test on"),
        ("caltech101", lambda root: class_folder(root), "is not Caltech-101: expected .*101_ObjectCategories"),
        ("dtd", lambda root: class_folder(root), "no DTD in .*: expected .*/dtd with images/ and labels/"),
        ("cifar100", lambda root: class_folder(root), "expected .*cifar-100-python with train, test and meta"),
        ("voc07", lambda root: class_folder(root), "no VOC2007 in"),
    ],
)
def test_data_that_are_not_the_tasks_are_refused_with_what_is_expected(tmp_path, task, make, message):
    make(tmp_path)
    with pytest.raises(UserError, match=message) as raised:
        find_task(task, tmp_path)
    assert "\n" not in str(raised.value)


def test_test_classes_without_training_images_are_refused(tmp_path):
    class_folder(tmp_path / "train", ("ant", "bee"), 3)
    class_folder(tmp_path / "test", ("ant", "cow"), 2)
    with pytest.raises(UserError, match=r"has classes without training images in .*train \(cow\)"):
        find_task("folder", tmp_path)


def test_no_folder_and_a_download_that_there_is_not_are_refused(tmp_path):
    with pytest.raises(UserError, match="no folder"):
        find_task("folder", tmp_path / "absent")
    with pytest.raises(UserError, match="--download is not available for --task folder"):
        find_task("folder", tmp_path, download=True)


def test_voc_is_fetched_by_torchvision_part_by_part(tmp_path, monkeypatch):
    """torchvision takes an archive that is there, if it is the published one, and else would download it."""
    from shapebias.libraries import torchvision

    known = torchvision.datasets.voc.DATASET_YEAR_DICT
    write_devkit(tmp_path / "made")
    whole = tmp_path / "made/VOCdevkit/VOC2012"
    lists, parts = whole / "ImageSets/Main", {"2007": ("train", "trainval"), "2007-test": ("val", "test")}
    for key, (split, name) in parts.items():
        archive = tmp_path / "data" / known[key]["filename"]
        archive.parent.mkdir(exist_ok=True)
        with tarfile.open(archive, "w") as file:
            for image in (lists / f"{split}.txt").read_text().split():
                for path in (f"JPEGImages/{image}.jpg", f"Annotations/{image}.xml"):
                    file.add(whole / path, f"VOCdevkit/VOC2007/{path}")
            file.add(lists / f"{split}.txt", f"VOCdevkit/VOC2007/ImageSets/Main/{name}.txt")
        digest = hashlib.md5(archive.read_bytes(), usedforsecurity=False).hexdigest()
        monkeypatch.setitem(known[key], "md5", digest)
    task = find_task("voc07", tmp_path / "data", download=True)
    assert (task.name, len(task.train), len(task.test)) == ("voc07", 8, 6)
    monkeypatch.setattr(torchvision.datasets, "VOCDetection", None)
    assert len(find_task("voc07", tmp_path / "data", download=True).test) == 6  # nothing is fetched again


def test_caltech101_is_fetched_by_torchvision_once(tmp_path, monkeypatch):
    from shapebias.libraries import torchvision

    def published(root, *, download):
        assert download
        class_folder(root / "caltech101" / "101_ObjectCategories", ("ant", "bee", "BACKGROUND_Google"), 3)

    monkeypatch.setattr(torchvision.datasets, "Caltech101", published)
    assert len(find_task("caltech101", tmp_path, download=True).train) == 4
    monkeypatch.setattr(torchvision.datasets, "Caltech101", None)
    assert len(find_task("caltech101", tmp_path, download=True).test) == 2


def test_a_download_that_fails_says_so_in_one_line(tmp_path, monkeypatch):
    from shapebias.libraries import torchvision

    def broken(*_arguments, **_options):
        raise OSError("no route\nto host")

    monkeypatch.setattr(torchvision.datasets, "VOCDetection", broken)
    with pytest.raises(UserError, match=r"cannot download to .* \(no route to host\): connect, or put the files there"):
        find_task("voc12", tmp_path, download=True)


def test_too_few_images_to_hold_any_out_are_refused(tmp_path):
    class_folder(tmp_path / "train", ("ant", "bee"), 2)
    class_folder(tmp_path / "val", ("ant", "bee"), 1)
    with pytest.raises(UserError, match="too few to hold some out"):
        find_task("folder", tmp_path).held_out(0)
