"""Styles of a folder: encoded when drawn, kept, found again, and replaced where they cannot be read."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from PIL import Image

from shapebias.errors import UserError
from shapebias.stylize import AdaIN
from shapebias.stylize import style_folder as module
from shapebias.stylize.bank import StyleBank
from shapebias.stylize.folder import stylize_folder
from shapebias.stylize.settings import StylizeSettings
from shapebias.stylize.style_folder import CODES, StyleFolder
from testkit.images import class_folder


@pytest.fixture
def stylizer():
    torch.manual_seed(0)
    return AdaIN(channels=(4, 4, 8), blocks=1).eval().requires_grad_(False)


@pytest.fixture
def paintings(tmp_path):
    (tmp_path / "paintings").mkdir()
    for number in range(6):
        painting(tmp_path / "paintings" / f"{number}.png", number)
    return tmp_path / "paintings"


def painting(path, number):
    """A picture of colors of its own."""
    pixels = np.random.default_rng(number).integers(0, 20 + 30 * number, (260, 300, 3), dtype=np.uint8)
    Image.fromarray(np.roll(pixels, number, axis=2) * np.array([1, number % 2, 1], np.uint8)).save(path)


@pytest.fixture
def encoded(monkeypatch):
    """Count the styles that are encoded."""
    counts = []
    encode = module.encode_squares
    monkeypatch.setattr(module, "encode_squares", lambda s, x: counts.append(len(x)) or encode(s, x))
    return counts


def test_only_drawn_styles_are_encoded_once_and_are_those_of_a_bank(tmp_path, paintings, stylizer, encoded):
    styles = StyleFolder(paintings, stylizer, "digest", tmp_path)
    codes = styles.take(np.array([4, 1, 4]))
    bank = StyleBank.encode(stylizer, "digest", [paintings])
    assert styles.names == bank.names
    torch.testing.assert_close(codes, bank.codes[[4, 1, 4]])
    styles.take(np.array([1, 4]))
    assert encoded == [2]


def test_kept_codes_are_found_again_also_those_of_other_processes(tmp_path, paintings, stylizer, encoded):
    first, second = (StyleFolder(paintings, stylizer, "digest", tmp_path, rank=rank) for rank in range(2))
    made = first.take(np.array([0, 1]))
    second.take(np.array([2]))
    torch.testing.assert_close(second.take(np.array([0, 1])), made, rtol=0, atol=0)
    again = StyleFolder(paintings, stylizer, "digest", tmp_path)
    torch.testing.assert_close(again.take(np.array([0, 1])), made, rtol=0, atol=0)
    again.take(np.array([2]))
    assert encoded == [2, 1]


@pytest.mark.parametrize("damage", ["cut", "changed"])
def test_a_damaged_code_is_made_again(tmp_path, paintings, stylizer, encoded, damage):
    made = StyleFolder(paintings, stylizer, "digest", tmp_path).take(np.array([0, 1]))
    (path,) = tmp_path.glob(f"{CODES}-*")
    content = bytearray(path.read_bytes())
    if damage == "cut":
        content = content[:-5]
    else:
        content[-20] ^= 255
    path.write_bytes(bytes(content))
    again = StyleFolder(paintings, stylizer, "digest", tmp_path)
    torch.testing.assert_close(again.take(np.array([0, 1])), made)
    assert encoded == [2, 1]
    once_more = StyleFolder(paintings, stylizer, "digest", tmp_path)
    torch.testing.assert_close(once_more.take(np.array([0, 1])), made)
    assert encoded == [2, 1]


def test_an_unreadable_style_is_replaced_by_the_next_that_the_image_has_not(tmp_path, paintings, stylizer, capsys):
    (paintings / "2.png").write_bytes(b"no image")
    styles = StyleFolder(paintings, stylizer, "digest", tmp_path)
    found = styles.readable(np.array([[2, 3], [0, 2], [5, 1]]))
    assert found.tolist() == [[4, 3], [0, 3], [5, 1]]
    assert capsys.readouterr().err.count("warning: replaced unreadable style") == 1


def test_an_image_never_gets_one_picture_twice(tmp_path, paintings, stylizer):
    (paintings / "3.png").write_bytes((paintings / "1.png").read_bytes())
    styles = StyleFolder(paintings, stylizer, "digest", tmp_path)
    assert styles.readable(np.array([[1, 3], [3, 1], [3, 0]])).tolist() == [[1, 4], [3, 2], [3, 0]]


def test_too_few_readable_styles_are_refused_and_any_under_strict(tmp_path, paintings, stylizer):
    for number in (1, 2, 3, 4):
        (paintings / f"{number}.png").write_bytes(b"")
    with pytest.raises(UserError, match=r"too few different styles in .* \(4 cannot\)"):
        StyleFolder(paintings, stylizer, "digest", tmp_path).readable(np.array([[0, 5, 1]]))
    with pytest.raises(UserError, match=r"unreadable style .*1\.png"):
        StyleFolder(paintings, stylizer, "digest", tmp_path, strict=True).readable(np.array([[0, 1]]))


def test_a_job_with_a_folder_of_styles_resumes_without_encoding(tmp_path, paintings, stylizer, encoded):
    images, out = class_folder(tmp_path / "images"), tmp_path / "out"

    def stylize():
        stylize_folder(images, out, stylizer, StyleFolder(paintings, stylizer, "digest", out), StylizeSettings())
        return {path.name: path.read_bytes() for path in sorted(out.rglob("*")) if path.is_file()}

    whole, count = stylize(), sum(encoded)
    (out / "cat" / "1.png-style0.png").unlink()
    assert stylize() == whole
    assert 0 < sum(encoded) == count <= 6
    painting(paintings / "7.png", 7)  # another folder of styles is another job
    with pytest.raises(UserError, match="styles_sha256"):
        stylize()
