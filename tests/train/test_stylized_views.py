"""The views of a run: copies of its own images, styles that differ, codes that are kept."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time

import pytest

from shapebias.cli.main import main
from shapebias.errors import UserError
from shapebias.stylize import StyleBank
from shapebias.stylize.folder import check_copies, stylize_folder
from shapebias.stylize.settings import StylizeSettings
from shapebias.train.run import train
from testkit.images import class_folder, noise_image
from testkit.runs import config, rows, same, weights
from testkit.stopped_runs import die_at_checkpoints


def test_copies_of_images_that_have_changed_are_refused(images, stylizer, bank, tmp_path):
    stylize_folder(images, tmp_path / "stylized", stylizer, bank, StylizeSettings(per_image=2))
    noise_image(images / "cat" / "0.png", 5, (50, 44))
    with pytest.raises(UserError, match=r"no copies of the images in .* as they are now: make them with"):
        train(config(images, tmp_path / "run", stylized=tmp_path / "stylized"))


def test_missing_copies_are_counted_unreadable_sources_are_not(images, stylizer, bank, tmp_path):
    (images / "cat" / "zero.png").write_bytes(b"")
    noise_image(images / "cat" / "also.png", 7)
    stylize_folder(images, tmp_path / "stylized", stylizer, bank, StylizeSettings(per_image=2))
    train(config(images, tmp_path / "whole", stylized=tmp_path / "stylized", epochs=1))
    for view in (0, 1):
        (tmp_path / "stylized" / "bear" / f"0.png-style{view}.png").unlink()
    with pytest.raises(UserError, match="2 copies are missing in"):
        train(config(images, tmp_path / "run", stylized=tmp_path / "stylized"))


def test_a_linked_class_has_copies_and_one_without_is_refused(images, stylizer, bank, tmp_path):
    class_folder(tmp_path / "elsewhere", ("dog",))
    stylize_folder(images, tmp_path / "before", stylizer, bank, StylizeSettings(per_image=2))
    (images / "dog").symlink_to(tmp_path / "elsewhere" / "dog")
    with pytest.raises(UserError, match="no copies of the images in"):
        check_copies(tmp_path / "before", images)
    stylize_folder(images, tmp_path / "stylized", stylizer, bank, StylizeSettings(per_image=2))
    assert len(list((tmp_path / "stylized" / "dog").iterdir())) == 4
    check_copies(tmp_path / "stylized", images)
    shutil.rmtree(tmp_path / "stylized" / "dog")
    with pytest.raises(UserError, match="4 copies are missing in"):
        train(config(images, tmp_path / "run", stylized=tmp_path / "stylized"))


def test_an_unreadable_image_excuses_no_other_whose_name_ends_alike(images, stylizer, bank, tmp_path):
    (images / "cat" / "x0.png").write_bytes(b"")
    noise_image(images / "0.png", 3)
    (images / "bear" / "0.png").write_bytes(b"")
    stylize_folder(images, tmp_path / "stylized", stylizer, bank, StylizeSettings(per_image=2))
    (tmp_path / "stylized" / "0.png-style0.png").unlink()
    with pytest.raises(UserError, match="1 copies are missing"):
        check_copies(tmp_path / "stylized", images)


def test_the_same_style_twice_counts_once(images, tmp_path, capsys):
    for name, seed in (("a", 3), ("b", 3)):
        noise_image(tmp_path / "styles" / f"{name}.png", seed)
    with pytest.raises(UserError, match="2 different styles are needed per image but only 1"):
        train(config(images, tmp_path / "run", styles=tmp_path / "styles"))
    noise_image(tmp_path / "styles" / "c.png", 4)
    capsys.readouterr()
    train(config(images, tmp_path / "run", styles=tmp_path / "styles", epochs=1))
    assert "skipped 1 duplicate styles, first styles/b" in capsys.readouterr().err
    with pytest.raises(UserError, match="--alpha 0 does not stylize images"):
        train(config(images, tmp_path / "other", alpha=0.0))


def test_styles_of_a_folder_are_encoded_once(images, tmp_path, monkeypatch):
    for n in range(4):
        noise_image(tmp_path / "styles" / f"{n}.png", n)
    whole = train(config(images, tmp_path / "whole", styles=tmp_path / "styles"))
    with monkeypatch.context() as patch:
        die_at_checkpoints(patch)
        with pytest.raises(KeyboardInterrupt):
            train(config(images, tmp_path / "parts", styles=tmp_path / "styles"))
    monkeypatch.setattr(StyleBank, "encode", None)  # going on needs none of it
    parts = train(config(images, tmp_path / "parts", styles=tmp_path / "styles"))
    assert same(weights(whole), weights(parts))


def test_a_run_goes_on_where_its_data_have_moved(images, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    line = ["train", "--scheme=in", "--model=test_resnet", "--epochs=1", "--batch-size=4", "--size=32"]
    assert main([*line, "--data=images", "--out=run"]) == 0
    assert json.loads((tmp_path / "run" / "config.json").read_text())["data"] == str(images)
    (tmp_path / "elsewhere").mkdir()
    monkeypatch.chdir(tmp_path / "elsewhere")
    assert main(["train", "--resume", "../run"]) == 0
    images.rename(tmp_path / "moved")
    assert main(["train", "--resume", "../run", "--data", "../moved"]) == 0
    assert capsys.readouterr().err.count("is already finished") == 2
    assert main(["train", "--resume", "../run", "--out", "other"]) == 2
    assert "omit --out" in capsys.readouterr().err


def test_a_signal_to_the_whole_group_is_a_checkpoint_too(tmp_path):
    """Workers that decode must not die of it before the main process has written its checkpoint."""
    data, out = class_folder(tmp_path / "images", per_class=40), tmp_path / "run"
    line = ["train", "--scheme=in", "--model=test_resnet", "--epochs=400", "--batch-size=8", "--size=32", "--workers=1"]
    command = [sys.executable, "-m", "shapebias", *line, f"--data={data}", f"--out={out}", "--device=cpu"]
    process = subprocess.Popen(command, stderr=subprocess.PIPE, text=True, start_new_session=True)
    try:
        while not rows_of(out) and process.poll() is None:
            time.sleep(0.01)
        os.killpg(process.pid, signal.SIGTERM)
        _, messages = process.communicate(timeout=120)
    finally:
        process.kill()
    assert process.returncode == 143, messages
    assert "Traceback" not in messages
    assert list((out / "checkpoints").glob("*-*.pt"))


def rows_of(out):
    return rows(out) if (out / "metrics.csv").is_file() else []
