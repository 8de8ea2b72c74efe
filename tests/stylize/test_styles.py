"""Banks of styles, and which styles an image gets."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from safetensors import safe_open
from safetensors.torch import save_file

from shapebias.data.decode import load_rgb
from shapebias.data.transforms import centre_crop, to_tensor
from shapebias.errors import UserError
from shapebias.stylize import StyleBank, load_styles, load_stylizer
from shapebias.stylize.bank import draw_styles, packaged
from shapebias.stylize.settings import SheetSettings
from shapebias.stylize.sheet import contact_sheet
from testkit.images import noise_image


def test_a_bank_survives_its_file(tmp_path, bank):
    path = tmp_path / "styles.safetensors"
    bank.save(path)
    with safe_open(path, framework="pt") as file:
        assert file.get_tensor("codes").dtype == torch.float16
    found = StyleBank.load(path)
    assert found.names == bank.names
    assert found.stylizer_sha256 == bank.stylizer_sha256
    assert found.codes.dtype == torch.float32
    torch.testing.assert_close(found.codes, bank.codes.half().float(), atol=0, rtol=0)
    assert found.sha256 == StyleBank.load(path).sha256
    assert StyleBank(found.codes, (*found.names[1:], "x"), "stylizer").sha256 != found.sha256
    assert StyleBank(found.codes + 1, found.names, "stylizer").sha256 != found.sha256


def test_training_and_held_out_styles_share_none(bank):
    train, held_out = bank.split("train"), bank.split("held-out")
    assert set(train.names) | set(held_out.names) == set(bank.names)
    assert not set(train.names) & set(held_out.names)
    assert held_out.names == ("style4", "style9")
    torch.testing.assert_close(held_out.codes, bank.codes[[4, 9]])
    assert bank.split("all") is bank
    few = StyleBank(bank.codes[:9], bank.names[:9], "stylizer")
    assert few.split("train") is few.split("held-out") is few


def test_a_picture_that_the_bank_holds_twice_is_never_trained_with_and_held_out(bank, capsys):
    codes = bank.codes.clone()
    codes[9] = codes[0] * 1.001  # the held-out copy of a training style, encoded from another file
    twice = StyleBank(codes, bank.names, "stylizer")
    assert twice.split("train").names == bank.split("train").names
    assert twice.split("held-out").names == ("style4",)
    assert not capsys.readouterr().err
    assert len(twice.split("all")) == len(bank) - 1
    assert "skipped 1 duplicate styles, first style9" in capsys.readouterr().err


def test_the_packaged_bank_trains_with_no_twin_of_a_held_out_style():
    whole = StyleBank.load(packaged("styles.safetensors"))
    train, held_out = whole.split("train"), whole.split("held-out")
    assert (len(whole), len(train), len(held_out)) == (380, 303, 75)
    apart = torch.cdist(held_out.codes, train.codes).min() / held_out.codes.norm(dim=1).max()
    assert apart > 0.005
    for painting in ("andre-derain_the-bridge-view-on-the-river-1905", "mario-zanini_futebol"):
        assert sum(name.endswith(painting) for name in (*train.names, *held_out.names)) == 1


@pytest.mark.parametrize("content", ["text", "no codes", "no names", "other shape", "nan", "more names", "names null"])
def test_a_file_that_is_no_bank_is_refused(tmp_path, content):
    path = tmp_path / "bank.safetensors"
    codes, header = torch.zeros(2, 4), '{"names": ["a", "b"], "stylizer_sha256": "s"}'
    if content == "text":
        path.write_text("not a bank")
    else:
        codes = {"other shape": torch.zeros(2, 4, 1), "nan": torch.full((2, 4), torch.nan)}.get(content, codes)
        header = {"no names": "{}", "more names": header.replace('"b"', '"b", "c"'), "names null": "null"}.get(
            content, header
        )
        save_file({"other" if content == "no codes" else "codes": codes}, path, metadata={"shapebias": header})
    with pytest.raises(UserError, match="not a style bank"):
        StyleBank.load(path)


def test_a_missing_bank_and_codes_of_another_stylizer_are_refused(tmp_path, stylizer, bank):
    with pytest.raises(UserError, match="no style bank"):
        load_styles(tmp_path / "none.safetensors", stylizer, "stylizer")
    bank.save(tmp_path / "bank.safetensors")
    assert load_styles(tmp_path / "bank.safetensors", stylizer, "stylizer").names == bank.names
    with pytest.raises(UserError, match=r"bank\.safetensors were made by another stylizer"):
        load_styles(tmp_path / "bank.safetensors", stylizer, "other")
    with pytest.raises(UserError, match="the package's style codes were made by another stylizer"):
        load_styles(None, stylizer, "other")


def test_a_folder_of_styles_is_encoded(tmp_path, stylizer, capsys):
    folder = tmp_path / "paintings"
    for name, size in (("b.png", (80, 60)), ("deep/a.jpg", (50, 70))):
        noise_image(folder / name, 3, size)
    (folder / "broken.png").write_bytes(b"")
    found = load_styles(folder, stylizer, "digest")
    assert found.names == ("paintings/b", "paintings/deep/a")
    assert found.stylizer_sha256 == "digest"
    for code, name in zip(found.codes, ("b.png", "deep/a.jpg"), strict=True):
        image = load_rgb(folder / name)
        square = to_tensor(centre_crop(*image.size)(image, 224))
        torch.testing.assert_close(code, stylizer.encode_style(square[None])[0], atol=1e-5, rtol=1e-4)
    assert "warning: skipped unreadable style" in capsys.readouterr().err
    (folder / "b.png").write_bytes(b"")
    (folder / "deep" / "a.jpg").write_bytes(b"")
    with pytest.raises(UserError, match="none of the 3 styles could be read"):
        load_styles(folder, stylizer, "digest")


def test_a_file_that_is_no_stylizer_is_refused(tmp_path):
    with pytest.raises(UserError, match="no stylizer"):
        load_stylizer(tmp_path / "none.safetensors")
    path = tmp_path / "other.safetensors"
    save_file({"a": torch.zeros(1)}, path)
    with pytest.raises(UserError, match="not the small AdaIN"):
        load_stylizer(path)
    path.write_text("x")
    with pytest.raises(UserError, match="not the small AdaIN"):
        load_stylizer(path)


def test_drawn_styles_are_distinct_keyed_and_spread():
    drawn = [draw_styles(np.random.default_rng(key), 10, 3) for key in range(300)]
    assert all(len(set(styles.tolist())) == 3 for styles in drawn)
    assert np.array_equal(drawn[5], draw_styles(np.random.default_rng(5), 10, 3))
    counts = np.bincount(np.concatenate(drawn), minlength=10)
    assert abs(counts - 90).max() < 40
    assert sorted(draw_styles(np.random.default_rng(0), 3, 3).tolist()) == [0, 1, 2]


def test_fewer_styles_than_views_are_refused():
    with pytest.raises(UserError, match="3 different styles are needed per image but only 2"):
        draw_styles(np.random.default_rng(0), 2, 3)


@pytest.mark.parametrize("styles", ["package", "folder"])
def test_contact_sheet_has_its_rows_and_columns(tmp_path, images, styles):
    out = tmp_path / "sheet.png"
    settings = SheetSettings(rows=2, columns=3, size=32)
    contact_sheet(images, out, settings, styles=images if styles == "folder" else None)
    header = 1 if styles == "folder" else 0
    assert load_rgb(out).size == (4 * 32, (2 + header) * 32)


@pytest.mark.parametrize(("option", "value"), [("rows", 0), ("columns", 0), ("size", 15), ("seed", -1), ("alpha", 1.5)])
def test_settings_of_a_contact_sheet_that_cannot_be_drawn(option, value):
    with pytest.raises(UserError, match=f"--{option}"):
        SheetSettings(**{option: value})


def test_contact_sheet_names_an_unreadable_image(tmp_path, images):
    for path in images.rglob("*.png"):
        path.write_bytes(b"")
    with pytest.raises(UserError, match="empty file"):
        contact_sheet(images, tmp_path / "sheet.png", SheetSettings(rows=1, columns=1, size=32))


@pytest.mark.parametrize(
    "header", ['{"names": "ab", "stylizer_sha256": "s"}', '{"names": ["a", 2], "stylizer_sha256": "s"}', "[" * 100_000]
)
def test_a_bank_of_no_names_is_refused(tmp_path, header):
    save_file({"codes": torch.zeros(2, 4)}, tmp_path / "bank.safetensors", metadata={"shapebias": header})
    with pytest.raises(UserError, match="is not a style bank"):
        StyleBank.load(tmp_path / "bank.safetensors")


def test_a_bank_of_codes_of_another_length_is_refused(tmp_path, stylizer):
    StyleBank(torch.zeros(12, 4), tuple("abcdefghijkl"), "stylizer").save(tmp_path / "bank.safetensors")
    with pytest.raises(UserError, match=f"codes of 4 numbers, this stylizer's have {stylizer.code_size}: encode"):
        load_styles(tmp_path / "bank.safetensors", stylizer, "stylizer")
