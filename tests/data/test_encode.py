"""Image files on a disk that fills up: whole under their names, or not there."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from shapebias.data.encode import is_there, save_image
from shapebias.data.image_set import from_labels
from testkit.images import class_folder
from testkit.processes import run

ON_A_FULL_DISK = """
import resource, signal, sys
from pathlib import Path
from PIL import Image
from shapebias.data.encode import save_image
from shapebias.errors import UserError
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (8192, 8192))
try:
    save_image(Path(sys.argv[1]), Image.effect_noise((224, 224), 90), sys.argv[2])
except UserError as error:
    print(error)
"""


@pytest.mark.parametrize("kind", ["jpeg", "png"])
def test_a_full_disk_leaves_no_half_written_image(tmp_path, kind):
    path = tmp_path / f"a.{kind}"
    done = run(ON_A_FULL_DISK, path, kind)
    assert done.returncode == 0, done.stderr
    assert done.stdout == f"cannot write {path}: File too large: free some space or choose another folder\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("name", ["a.png", "a.JPEG", "a.jpg"])
def test_an_image_that_was_cut_short_is_not_done(tmp_path, name):
    path = tmp_path / name
    assert not is_there(path)
    save_image(path, Image.effect_noise((32, 32), 90), "png" if name == "a.png" else "jpeg")
    whole = path.read_bytes()
    assert is_there(path)
    for content in (b"", whole[:1], whole[: len(whole) // 2], whole[:-1], whole[:-20] + bytes(20)):
        path.write_bytes(content)
        assert not is_there(path)


def test_a_corrupted_copy_that_was_cut_short_is_made_again(tmp_path):
    pytest.importorskip("imagecorruptions")
    from shapebias.corruptions.folder import corrupt_folder

    root = class_folder(tmp_path / "in", per_class=1)
    paths = sorted(root.rglob("*.png"))
    images, out = from_labels(root, paths, [path.parent.name for path in paths]), tmp_path / "out"
    cell = {"corruptions": ["brightness"], "severities": [1]}
    corrupt_folder(images, out, **cell)
    copy = out / "brightness" / "1" / "bear" / "0.JPEG"
    whole = copy.read_bytes()
    copy.write_bytes(whole[: len(whole) // 2])
    corrupt_folder(images, out, **cell)
    assert copy.read_bytes() == whole
    assert np.asarray(Image.open(copy)).shape == (32, 32, 3)
