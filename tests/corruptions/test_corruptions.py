"""Making corrupted images: draws by name alone, global generators untouched, the public layout, resuming, refusing."""

from __future__ import annotations

import importlib
import io
import json
import math
import random
import sys
import warnings

import numpy as np
import pytest
from PIL import Image

import shapebias.corruptions.folder as module
from shapebias.corruptions import CORRUPTIONS, SEVERITIES, corrupt, corrupt_folder
from shapebias.corruptions.corruption import GROUPS, corruption_library
from shapebias.corruptions.folder import prepare
from shapebias.corruptions.layout import corruption_folders, read_corrupted
from shapebias.data.decode import load_rgb
from shapebias.data.readers.class_folders import read_class_folders
from shapebias.errors import UserError
from shapebias.evaluators.corruption.corruption_scores import ALEXNET_ERRORS
from testkit.images import class_folder, noise_image

try:
    import imagecorruptions as library
except ImportError:
    library = None
needs_library = pytest.mark.skipif(library is None, reason="imagecorruptions-imaug is not installed")
FAST = ("gaussian_noise", "contrast", "jpeg_compression")


def photograph(side=(64, 48), seed=0):
    """A smooth picture with an edge, so that blurs and noises both change it."""
    rows, columns = np.mgrid[: side[1], : side[0]]
    waves = [np.sin(rows / (5 + c + seed)) + np.cos(columns / (7 - c)) for c in range(3)]
    pixels = np.stack(waves, axis=-1) * 50 + 120 + 40 * (columns > side[0] / 2)[..., None]
    return Image.fromarray(np.clip(pixels, 0, 255).astype(np.uint8))


def photographs(root, classes=("bear", "cat"), per_class=2, size=(64, 48)):
    for c, name in enumerate(classes):
        (root / name).mkdir(parents=True)
        for i in range(per_class):
            photograph(size, seed=3 * c + i).save(root / name / f"{i}.png")
    return read_class_folders(root)


def contents(out):
    return {path.relative_to(out).as_posix(): path.read_bytes() for path in sorted(out.rglob("*.JPEG"))}


def numpy_state():
    kind, words, *rest = np.random.get_state()
    return kind, words.tolist(), *rest


def test_the_protocol_is_the_published_one():
    assert [len(names) for names in GROUPS.values()] == [3, 4, 4, 4]
    assert len(set(CORRUPTIONS)) == 15
    assert SEVERITIES == (1, 2, 3, 4, 5)
    per_mille = [886, 894, 923, 820, 826, 786, 798, 867, 827, 819, 565, 853, 646, 718, 606]
    assert [math.floor(1000 * ALEXNET_ERRORS[name] + 0.5 - 1e-9) for name in CORRUPTIONS] == per_mille


@needs_library
def test_names_are_the_librarys():
    assert list(CORRUPTIONS) == library.get_corruption_names()


@needs_library
@pytest.mark.parametrize("corruption", CORRUPTIONS)
def test_draws_depend_on_seed_name_corruption_and_severity_alone(corruption):
    image = photograph()
    np.random.seed(5)
    np.random.normal()  # leaves a second number waiting in the generator
    before = numpy_state()
    first = np.array(corrupt(image, corruption, 3, seed=1, name="a"))
    assert numpy_state() == before
    assert first.shape == (48, 64, 3)
    assert first.dtype == np.uint8
    np.random.seed(6)
    corrupt(image, "snow", 1)
    again = np.array(corrupt(np.array(image), corruption, 3, seed=1, name="a"))
    np.testing.assert_array_equal(first, again)
    assert np.abs(first - np.array(image, dtype=float)).mean() > 1
    random_ones = set(CORRUPTIONS) - {"defocus_blur", "zoom_blur", "brightness", *GROUPS["digital"]} | {
        "elastic_transform"
    }
    for other in ({"name": "b"}, {"seed": 2}):
        changed = np.array(corrupt(image, corruption, 3, **{"seed": 1, "name": "a", **other}))
        assert (changed != first).any() == (corruption in random_ones)


@needs_library
@pytest.mark.parametrize("corruption", ["contrast", "pixelate", "defocus_blur", "brightness", "jpeg_compression"])
def test_what_is_not_random_is_the_librarys(corruption):
    image = photograph()
    for severity in (1, 5):
        wanted = library.corrupt(np.array(image), severity, corruption)
        np.testing.assert_array_equal(np.array(corrupt(image, corruption, severity)), wanted)


@needs_library
@pytest.mark.parametrize("corruption", ["gaussian_noise", "shot_noise", "impulse_noise"])
def test_noise_grows_with_severity(corruption):
    image = photograph()
    far = [np.abs(np.array(corrupt(image, corruption, s)) - np.array(image, dtype=float)).mean() for s in SEVERITIES]
    assert far == sorted(far)
    assert far[-1] > 1.5 * far[0]


@needs_library
def test_numbas_and_pythons_generators_stay_as_they_are():
    numba = importlib.import_module("numba")

    @numba.njit
    def seeded(seed):
        np.random.seed(seed)

    @numba.njit
    def draw():
        return np.random.random()

    seeded(1)
    wanted = [draw() for _ in range(3)]
    seeded(1)
    found = [draw()]
    before = random.getstate()
    corrupt(photograph(), "glass_blur", 5)
    assert random.getstate() == before
    assert found + [draw() for _ in range(2)] == wanted


@needs_library
def test_an_exception_of_the_library_leaves_the_generator_too(monkeypatch):
    before = numpy_state()
    monkeypatch.setattr(library, "corrupt", lambda *_: np.random.normal() / 0)
    with pytest.raises(ZeroDivisionError):
        corrupt(photograph(), "fog", 1)
    assert numpy_state() == before


@needs_library
def test_the_librarys_words_are_kept_back_and_ours_are_not(monkeypatch, capsys):
    def talking(pixels, *_, **__):
        print("Exception handling")
        warnings.warn("theirs", stacklevel=1)
        return pixels

    monkeypatch.setattr(library, "corrupt", talking)
    corrupt(photograph(), "fog", 1)
    assert capsys.readouterr().out == ""
    with pytest.warns(UserWarning, match="ours"):
        warnings.warn("ours", stacklevel=1)


@needs_library
@pytest.mark.parametrize("size", [(32, 32), (224, 224), (33, 97)])
def test_every_corruption_takes_every_size(size):
    for pixels in (np.zeros((size[1], size[0], 3), np.uint8), np.full((size[1], size[0], 3), 255, np.uint8)):
        for corruption in CORRUPTIONS if size != (224, 224) else ("frost", "snow", "fog"):
            for severity in (1, 5):
                assert corrupt(pixels, corruption, severity).size == size


def test_what_cannot_be_corrupted_is_refused(monkeypatch):
    image = photograph()
    for change, words in (
        ({"corruption": "fogg"}, "unknown corruption 'fogg': did you mean 'fog'"),
        ({"corruption": "spatter"}, "unknown corruption 'spatter'"),
        ({"severity": 0}, "no severity 0"),
        ({"severity": 6}, "no severity 6"),
        ({"seed": -1}, "--seed"),
        ({"image": photograph((64, 31)), "name": "cat/1.png"}, "cat/1.png is 64 x 31 pixels: 32 at least"),
        ({"image": np.zeros((64, 64), np.uint8)}, r"\(H, W, 3\) of uint8"),
        ({"image": np.zeros((64, 64, 3))}, "float64"),
    ):
        with pytest.raises(UserError, match=words):
            corrupt(**{"image": image, "corruption": "fog", "severity": 1, **change})


def test_without_the_library_it_says_what_to_install(tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "imagecorruptions", None)
    corruption_library.cache_clear()
    try:
        source = photographs(tmp_path / "in")
        for work in (lambda: corrupt(photograph(), "fog", 1), lambda: corrupt_folder(source, tmp_path / "out")):
            with pytest.raises(UserError, match=r'imagecorruptions-imaug .*: pip install "shapebias\[corruptions\]"'):
                work()
        assert not (tmp_path / "out").exists()
    finally:
        corruption_library.cache_clear()


def test_images_are_prepared_as_the_public_set_is():
    image = photograph((500, 375))
    wanted = image.resize((341, 256), Image.Resampling.BILINEAR).crop((58, 16, 282, 240))
    np.testing.assert_array_equal(np.array(prepare(image)), np.array(wanted))
    small = photograph((300, 100))
    np.testing.assert_array_equal(np.array(prepare(small)), np.array(small)[:, 100:200])
    assert prepare(photograph((224, 230))).size == (224, 224)
    assert prepare(photograph((223, 230))).size == (223, 223)


@needs_library
def test_a_folder_gets_the_public_layout_and_a_manifest(tmp_path):
    source = photographs(tmp_path / "in")
    out = tmp_path / "out"
    assert corrupt_folder(source, out, seed=3, corruptions=FAST, severities=(1, 5)) == []
    assert list(contents(out)) == sorted(
        f"{c}/{s}/{name}/{i}.JPEG" for c in FAST for s in (1, 5) for name in ("bear", "cat") for i in range(2)
    )
    manifest = json.loads((out / "corruptions.json").read_text())
    version = importlib.metadata.version("imagecorruptions-imaug")
    wanted = {
        "seed": 3,
        "images": 4,
        "library": f"imagecorruptions-imaug {version}, without its elastic_transform and frost",
        "jpeg_quality": 85,
    }
    assert wanted.items() <= manifest.items()
    assert manifest["images_fingerprint"] == source.fingerprint
    assert not list(out.rglob(".*"))
    whole = io.BytesIO()  # one file, by hand
    square = load_rgb(tmp_path / "in" / "cat" / "1.png").crop((8, 0, 56, 48))
    made = corrupt(square, "gaussian_noise", 5, seed=3, name="cat/1.png")
    made.save(whole, format="jpeg", quality=85, optimize=True)
    assert (out / "gaussian_noise" / "5" / "cat" / "1.JPEG").read_bytes() == whole.getvalue()
    images = read_corrupted(out)
    assert (images.made, images.classes, len(images.cells)) == (True, ("bear", "cat"), 6)


@needs_library
def test_bytes_are_the_same_by_any_processes_and_in_any_order(tmp_path):
    source = photographs(tmp_path / "in")
    corrupt_folder(source, tmp_path / "one", corruptions=FAST, severities=(2,))
    corrupt_folder(source, tmp_path / "two", corruptions=FAST[::-1], severities=(2,), workers=2)
    for corruption in FAST:
        corrupt_folder(source, tmp_path / "three", corruptions=(corruption,), severities=(2, 4))
    one, two, three = (contents(tmp_path / name) for name in ("one", "two", "three"))
    assert one == two
    assert one.items() <= three.items()
    corrupt_folder(source, tmp_path / "other", seed=1, corruptions=FAST, severities=(2,))
    other = contents(tmp_path / "other")
    assert {name for name in one if one[name] != other[name]} == {n for n in one if n.startswith("gaussian_noise")}


@needs_library
def test_a_killed_run_resumes_and_each_image_is_read_once(tmp_path, monkeypatch):
    source, out = photographs(tmp_path / "in"), tmp_path / "out"
    made, read, library_corrupt = [], [], library.corrupt

    def killed_at_the_fifth(*arguments, **options):
        made.append(1)
        if len(made) == 5:
            raise KeyboardInterrupt
        return library_corrupt(*arguments, **options)

    monkeypatch.setattr(library, "corrupt", killed_at_the_fifth)
    with pytest.raises(KeyboardInterrupt):
        corrupt_folder(source, out, corruptions=FAST, severities=(1,))
    monkeypatch.undo()
    there = contents(out)
    assert len(there) == 4
    with pytest.raises(UserError, match="not finished: run the same 'shapebias corrupt' again"):
        read_corrupted(out)
    (out / "contrast" / ".0.JPEG.x.part").touch()  # as a process leaves it that is killed outright
    times = {name: (out / name).stat().st_mtime_ns for name in there}
    monkeypatch.setattr(module, "load_rgb", lambda path: read.append(path.name) or load_rgb(path))
    corrupt_folder(source, out, corruptions=FAST, severities=(1,))
    assert len(read) == 3  # the first image had all its copies
    assert {name: (out / name).stat().st_mtime_ns for name in there} == times
    assert not list(out.rglob(".*"))
    corrupt_folder(source, out, corruptions=FAST, severities=(1,))
    assert len(read) == 3
    corrupt_folder(source, tmp_path / "whole", corruptions=FAST, severities=(1,))
    assert contents(out) == contents(tmp_path / "whole")


@needs_library
def test_a_copy_of_no_bytes_is_made_again(tmp_path):
    source, out = photographs(tmp_path / "in"), tmp_path / "out"
    corrupt_folder(source, out, corruptions=FAST, severities=(1,))
    whole = contents(out)
    (out / "contrast" / "1" / "cat" / "0.JPEG").write_bytes(b"")  # as a full disk leaves it
    corrupt_folder(source, out, corruptions=FAST, severities=(1,))
    assert contents(out) == whole


@needs_library
def test_names_that_differ_in_their_endings_do_not_overwrite_each_other(tmp_path):
    root = tmp_path / "in"
    names = ["a.png", "a.jpg", "a.png.jpg", "b.bmp", "below/b.png", "c.d.png", "a.JPEG.png"]
    for seed, name in enumerate(names):
        noise_image(root / "bear" / name, seed, (40, 40))
    noise_image(root / "cat" / "a.png", 9, (40, 40))
    out = tmp_path / "out"
    corrupt_folder(read_class_folders(root), out, corruptions=("contrast",), severities=(1,))
    found = contents(out / "contrast" / "1")
    assert len(found) == len(set(found.values())) == 8
    assert {"bear/a.jpg.JPEG", "bear/b.JPEG", "bear/below/b.JPEG", "bear/c.d.JPEG", "cat/a.JPEG"} < set(found)
    assert len(read_corrupted(out).names) == 8


@needs_library
def test_unreadable_images_are_listed_or_fatal_and_small_ones_refused(tmp_path):
    source, out = photographs(tmp_path / "in"), tmp_path / "out"
    (source.root / "cat" / "0.png").write_bytes(b"")
    reason = f"{source.root / 'cat' / '0.png'}: empty file"
    options = {"corruptions": ("contrast",), "severities": (1,)}
    for _ in range(2):
        assert corrupt_folder(source, out, **options) == [reason]
        assert read_corrupted(out).unreadable == (reason,)
        assert len(contents(out)) == 3
    with pytest.raises(UserError, match=r"unreadable image .*cat/0\.png: empty file"):
        corrupt_folder(source, tmp_path / "strict", strict=True, **options)
    noise_image(source.root / "cat" / "0.png", 0, (31, 90))
    with pytest.raises(UserError, match=r"cat/0\.png is 31 x 90 pixels: images to corrupt need at least 32, remove it"):
        corrupt_folder(source, tmp_path / "small", **options)
    assert not contents(tmp_path / "small")
    for path in source.paths:
        path.write_bytes(b"")
    with pytest.raises(UserError, match="none of the 4 images could be read"):
        corrupt_folder(source, tmp_path / "none", **options)


@needs_library
def test_other_work_in_the_same_folder_is_refused(tmp_path):
    source, out = photographs(tmp_path / "in"), tmp_path / "out"
    options = {"corruptions": ("contrast",), "severities": (1,)}
    corrupt_folder(source, out, **options)
    with pytest.raises(UserError, match=r"another set of corrupted images .*seed"):
        corrupt_folder(source, out, seed=1, **options)
    with pytest.raises(UserError, match="images_fingerprint"):
        corrupt_folder(source.subsample(3, 0), out, **options)
    with pytest.raises(UserError, match="lies in"):
        corrupt_folder(source, source.root / "c", **options)
    for change, words in (
        ({"workers": -1}, "--workers"),
        ({"corruptions": ()}, "no corruptions"),
        ({"severities": (1, 1)}, "twice"),
        ({"corruptions": ("rain",)}, "unknown corruption"),
    ):
        with pytest.raises(UserError, match=words):
            corrupt_folder(source, tmp_path / "new", **{**options, **change})
    corrupted = read_class_folders(out / "contrast" / "1")
    assert len(corrupted) == 4
    class_folder(out, ("fog",), 1)
    with pytest.raises(UserError, match="holds corrupted images already"):
        corrupt_folder(read_class_folders(out), tmp_path / "new", **options)


@needs_library
def test_a_failure_in_a_process_is_one_line(tmp_path):
    source, out = photographs(tmp_path / "in"), tmp_path / "out"
    out.mkdir()
    corrupt_folder(source, out, corruptions=("contrast",), severities=(1,))
    (out / "contrast" / "2").touch()  # a file where a folder must come
    with pytest.raises(UserError, match=r"^cannot write ") as error:
        corrupt_folder(source, out, corruptions=("contrast",), severities=(2,), workers=1)
    assert "\n" not in str(error.value)


def test_other_folders_are_not_taken_for_corrupted_ones(tmp_path):
    assert corruption_folders(class_folder(tmp_path / "weather", ("fog", "snow"))) == {}
    assert corruption_folders(tmp_path / "none") == {}
    with pytest.raises(UserError, match="holds no corrupted images: expected"):
        read_corrupted(tmp_path / "weather")
