"""What a network's outputs mean: names given, ImageNet's, or unknown; and folders that do not fit them."""

from __future__ import annotations

import pytest
import torch
from torch import nn

import shapebias.evaluators.stylized as stylized
from shapebias.data.categories16 import is_imagenet
from shapebias.data.readers.class_folders import read_class_folders
from shapebias.errors import UserError
from shapebias.evaluators import evaluate
from shapebias.evaluators.class_subset import answering_among
from shapebias.libraries import timm, torchvision
from shapebias.models import load_model, wrap
from shapebias.models.imagenet import described, naming_of, wordnet_ids
from testkit.images import class_folder


def tiny(classes):
    return timm.create_model("test_resnet", num_classes=classes).eval()


def mean_colour(outputs):
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, outputs))


def test_imagenets_classes():
    ids = wordnet_ids()
    names = [described(wnid).partition(" (")[2][:-1] for wnid in ids]
    assert (len(ids), ids[0], names[0], names[-1]) == (1000, "n01440764", "tench", "toilet tissue")
    assert list(ids) == sorted(set(ids))
    assert is_imagenet(ids)
    theirs = torchvision.models.get_model_weights("resnet18")["DEFAULT"].meta["categories"]
    same = sum(a.casefold() == b.casefold() for a, b in zip(names, theirs, strict=True))
    assert same > 950  # torchvision tells the others apart: "crane bird", "missile"
    assert [naming_of(n) for n in (["0", "7"], ["tench", "great_white_shark"], ["n01440764"], ["1000"], [])] == [
        "indices",
        "words",
        "",
        "",
        "",
    ]


def test_outputs_get_the_names_that_are_known():
    assert wrap(mean_colour(1000)).identity.classes == wordnet_ids()
    assert wrap(mean_colour(10)).identity.classes is None
    assert wrap(tiny(10)).identity.classes is None
    network = mean_colour(1000).train()
    assert wrap(network, classes=[str(n) for n in range(1000)]).identity.classes[:2] == ("0", "1")


def test_class_names_come_from_a_file(tmp_path):
    file = tmp_path / "names.txt"
    file.write_bytes("\ufeffant \r\nbee\r\nété\r\n".encode())
    torch.save(tiny(3).state_dict(), tmp_path / "w.pth")
    found = load_model("timm:test_resnet", checkpoint=tmp_path / "w.pth", classes=file)
    assert found.identity.classes == ("ant", "bee", "été")


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\nb\na\n", r"names.txt: 'a' is the name of class 1 and of class 3"),
        (b"a\n\nb\n", r"names.txt, line 2 is blank"),
        (b"", r"there are no class names"),
        (b"\xff\xfe\x00", r"cannot be read as class names"),
        (b"a\nb\n", r"names.txt has 2 class names, but 'make' has 3 outputs"),
        (b"a\nb\nc\nd", r"names.txt has 4 class names, but 'make' has 3 outputs"),
        (None, r"no file of class names"),
    ],
)
def test_class_names_that_do_not_fit(tmp_path, monkeypatch, content, message):
    (tmp_path / "three_nets.py").write_text(
        "from torch import nn\ndef make():\n"
        "    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 3))\n"
    )
    monkeypatch.chdir(tmp_path)
    if content is not None:
        (tmp_path / "names.txt").write_bytes(content)
    with pytest.raises(UserError, match=message):
        load_model("three_nets:make", classes=tmp_path / "names.txt")


def test_a_folder_of_some_of_imagenets_classes(tmp_path):
    chosen = wordnet_ids()[3], wordnet_ids()[998]
    network = mean_colour(1000)
    network[2].weight.data.zero_()
    network[2].bias.data = torch.eye(1000)[998]
    found = evaluate(network, evaluators=["accuracy"], data=class_folder(tmp_path / "f", chosen, per_class=3))
    top1 = found.get("accuracy", "top1")
    assert (top1.value, top1.n, top1.details["classes"]) == (0.5, 6, {"in_folder": 2, "of_network": 1000})


@pytest.mark.parametrize(
    ("names", "message"),
    [
        (
            ("0", "999"),
            r"has no 0, 999 \(2 of 2 folders\); it has n01440764 \(tench\), .*look like ImageNet's class num",
        ),
        (
            ("goldfish", "Great_White_Shark"),
            r"has no Great_White_Shark, goldfish .*look like ImageNet's names in words",
        ),
        (("n01440764", "n99999999"), r"has no n99999999 \(1 of 2 folders\); it has n01440764 \(tench\), [^;]*$"),
    ],
)
def test_folders_that_are_not_called_by_the_networks_classes(tmp_path, names, message):
    with pytest.raises(UserError, match=message):
        evaluate(mean_colour(1000), evaluators=["accuracy"], data=class_folder(tmp_path / "f", names))


def test_classes_are_checked_before_anything_is_stylized(images, tmp_path, monkeypatch):
    monkeypatch.setattr(stylized, "stylize_folder", lambda *_args, **_options: pytest.fail("stylized first"))
    for network, message in (
        (mean_colour(4), "are not known.*give --classes FILE"),
        (wrap(mean_colour(2), classes=["x", "y"]), "has no bear, cat"),
    ):
        with pytest.raises(UserError, match=message):
            evaluate(network, evaluators=["stylized"], data=images)


def test_outputs_follow_names_in_any_order(tmp_path):
    folder = read_class_folders(class_folder(tmp_path / "f", ("ant", "bee", "cat"), 1))
    among = answering_among(wrap(mean_colour(3), classes=("cat", "ant", "bee")), folder)
    assert among.outputs.tolist() == [1, 2, 0]
