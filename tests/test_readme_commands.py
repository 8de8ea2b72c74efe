"""The README's commands, one after the other in one folder, as a newcomer types them; on tiny data and models.

Left to the parser alone (``test_docs.py``): what downloads (``download``, ``--stylizer vgg19``), the demonstration, and
transfer, segmentation, CAM and the ablation, which ``tests/tasks`` run. The other pages are read by the parser too.
"""

from __future__ import annotations

import re
import shlex
from pathlib import Path
from typing import Any

import pytest
import torch

from shapebias.cli.main import main
from shapebias.libraries import timm
from shapebias.models import load
from testkit.commands import commands
from testkit.competition import competition
from testkit.images import class_folder, noise_image

ROOT = Path(__file__).resolve().parent.parent
IMAGENETTE = ("n01440764", "n02102040", "n03417042")
PARSED_ONLY = ("download", "demo", "transfer", "segment", "cam", "ablation")
TRAINING = (
    "--model=test_resnet --size=32 --epochs=1 --finetune-epochs=1 --batch-size=4 --finetune-batch-size=4 --init=none"
)
SMALLER = {
    "train": f"{TRAINING} --finetune-batch-size=4 --grad-accum-steps=1 --precision=32-true --workers=0 --device=cpu",
    "evaluate": "--attacks=fgsm --epsilon=1 --pairs=20 --limit=4 --device=cpu",
    "audit": "--attacks=fgsm --epsilon=1 --pairs=20 --limit=4 --device=cpu --evaluators=accuracy,shape-bias,white-box",
    "corrupt": "--corruptions=contrast --severities=1",
    "cue-conflict": "--per-pair=2 --size=32",
}


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with everything that the README speaks of."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "recipes").symlink_to(ROOT / "recipes")
    for split in ("train", "val"):
        class_folder(tmp_path / "photos" / split, IMAGENETTE, 6)
    for place in ("imagenet", "datasets/imagenet"):
        (tmp_path / place).parent.mkdir(exist_ok=True)
        (tmp_path / place).symlink_to(tmp_path / "photos")
    class_folder(tmp_path / "datasets" / "imagenet-sketch", IMAGENETTE, 2)
    class_folder(tmp_path / "textures", tuple("abcde"), 1)
    for name in ("dog/dog1-truck1", "truck/truck1-dog1", "cat/cat1-dog1"):
        noise_image(tmp_path / "cue-conflict" / f"{name}.png", 0)
    (tmp_path / "categories.csv").write_text("n02102040,dog\nn03417042,truck\n")
    (tmp_path / "names.txt").write_text("\n".join(IMAGENETTE))
    competition(tmp_path / "nips17")
    (tmp_path / "package").mkdir()
    made = "timm.create_model('test_resnet', num_classes=3)"
    (tmp_path / "package" / "module.py").write_text(f"import timm\n\n\ndef model():\n    return {made}\n")
    torch.save(timm.create_model("test_resnet").state_dict(), tmp_path / "mine.pth")
    (tmp_path / "people").mkdir()
    header = "subj,session,trial,rt,object_response,category,condition,imagename"
    rows = [f"anna,1,{n},1,{a},dog,0,x_dog{n}-cat{n}.png" for n, a in enumerate(("dog", "cat", "na"), 1)]
    (tmp_path / "people" / "anna.csv").write_text("\n".join([header, *rows]))
    return tmp_path


@pytest.fixture
def untrained(monkeypatch: pytest.MonkeyPatch) -> None:
    """Small networks of random weights in place of the libraries' pretrained ones."""
    build = load.build_classifier

    def small(architecture: str, identity: Any, **options: Any) -> Any:
        published = re.fullmatch(r"(timm|torchvision):resnet50", architecture)
        name = "test_resnet" if published else architecture
        torch.manual_seed(0)  # the same weights whenever it is loaded
        return build(name, identity, **{**options, "pretrained": False})

    monkeypatch.setattr(load, "build_classifier", small)


@pytest.mark.usefixtures("untrained")
def test_every_command_of_the_readme_in_order(folder: Path, capfd: pytest.CaptureFixture[str]) -> None:
    ran = []
    for line in commands(ROOT / "README.md"):
        name, *typed = shlex.split(line.removeprefix("shapebias "), comments=True)
        if name in PARSED_ONLY or "vgg19" in typed or len(typed) < 2:
            continue
        arguments = [str(p) for one in typed for p in (sorted(Path().glob(one)) if "*" in one else [one])]
        more = [] if "--resume" in arguments else SMALLER.get(name, "").split()
        assert main([name, *arguments, *more]) == 0, f"{line}\n{capfd.readouterr().err[-2000:]}"
        ran.append(name)
    assert {"train", "evaluate", "stylize", "report", "export", "score-responses", "audit", "cue-conflict"} <= {*ran}
    assert len(ran) >= 18
    assert (folder / "conflicts" / "tench").is_dir()


@pytest.mark.usefixtures("untrained")
def test_conflicts_of_downloaded_photographs_are_measured_by_a_run_on_them(folder: Path) -> None:
    """``download imagenette``, ``train``, ``cue-conflict`` and ``audit``, whose folders are called by identifiers."""
    train = f"train --scheme=in --data=photos --out=runs/in {SMALLER['train']}"
    assert main(train.split()) == 0
    assert main(["cue-conflict", "photos", "--out=conflicts", "--per-pair=2", "--size=32"]) == 0
    audit = "audit runs/in timm:resnet50 --data=shape-bias=conflicts --evaluators=shape-bias --out=audit --device=cpu"
    assert main(audit.split()) == 0
    assert {path.parent.name for path in Path("audit").glob("*/results.json")} == {"in", "resnet50"}
