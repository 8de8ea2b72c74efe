"""What is shipped: the built package in an environment of its own, its declarations, the tracked files."""

import ast
import hashlib
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
import yaml

ROOT = Path(__file__).resolve().parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MEGABYTE = 1 << 20


def run(*command: str | Path, cwd: Path = ROOT, **options) -> subprocess.CompletedProcess[str]:
    done = subprocess.run([str(part) for part in command], cwd=cwd, capture_output=True, text=True, **options)
    assert done.returncode == 0, f"{command} ended with {done.returncode}:\n{done.stdout}\n{done.stderr}"
    return done


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the source archive, and the wheel made from that archive."""
    folder = tmp_path_factory.mktemp("built")
    run(sys.executable, "-m", "build", "--no-isolation", "--outdir", folder)
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> Path:
    (wheel,) = built.glob("*.whl")
    return wheel


@pytest.fixture(scope="module")
def clean(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment that holds the wheel; the libraries it needs are those of the running interpreter."""
    folder = tmp_path_factory.mktemp("clean")
    run(sys.executable, "-m", "venv", "--without-pip", folder)
    python = folder / "bin/python"
    run(sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--no-deps", "--no-index", wheel)
    # A folder named in a .pth file is searched, but its own .pth files, such as an editable install's, are not read.
    (site,) = folder.glob("lib/python*/site-packages")
    (site / "libraries.pth").write_text("\n".join(path for path in sys.path if path.endswith("site-packages")) + "\n")
    where = run(python, "-c", "import shapebias; print(shapebias.__file__)", cwd=folder).stdout
    assert Path(where.strip()).is_relative_to(folder)
    return folder


def test_wheel_holds_the_package_and_nothing_else(wheel: Path):
    with zipfile.ZipFile(wheel) as archive:
        sizes = {item.filename: item.file_size for item in archive.infolist()}
    source = ROOT / "src"
    expected = {
        str(path.relative_to(source))
        for path in (source / "shapebias").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts and path.suffix != ".part"
    }
    assert {name for name in sizes if ".dist-info/" not in name} == expected
    weights = {f"shapebias/stylize/weights/{name}" for name in ("adain-small.safetensors", "styles.safetensors")}
    page = {"shapebias/report/templates/page.html", "shapebias/report/templates/style.css"}
    assert weights | page | {"shapebias/py.typed", "shapebias/stylize/weights/MODEL_CARD.md"} <= set(sizes)
    assert {Path(name).name for name in sizes} >= {"LICENSE", "THIRD_PARTY_NOTICES.md"}
    assert max(sizes.values()) < 4 * MEGABYTE
    assert wheel.stat().st_size < 6 * MEGABYTE


def test_source_archive_holds_what_its_tests_need(built: Path):
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    needed = (
        "pyproject.toml README.md CHANGELOG.md CITATION.cff LICENSE Makefile requirements.lock tests/test_package.py"
    )
    assert set(needed.split()) <= names
    assert not [name for name in names if name.startswith((".venv", "runs", ".git/"))]


def test_installed_alone_it_imports_and_says_its_version(clean: Path):
    run(clean / "bin/python", "-c", "import shapebias", cwd=clean)
    assert run(clean / "bin/shapebias", "--version", cwd=clean).stdout == f"shapebias {PROJECT['version']}\n"
    assert "shapebias demo" in run(clean / "bin/shapebias", "--help", cwd=clean).stdout


def test_installed_alone_it_works(clean: Path):
    command = "shapes16 --out drawn --size 32 --train-per-class 2 --test-per-class 1"
    run(clean / "bin/shapebias", *command.split(), cwd=clean)
    assert len(list((clean / "drawn/train").glob("*/*"))) == 2 * 16


def distribution(name: str) -> str:
    """A distribution's name as indexes compare them."""
    return re.sub(r"[-_.]+", "-", re.match(r"[\w.-]+", name)[0]).lower()


def declared(*extras: str) -> set[str]:
    optional = PROJECT["optional-dependencies"]
    return {
        distribution(item) for item in [*PROJECT["dependencies"], *(d for extra in extras for d in optional[extra])]
    }


def imported(folder: str) -> dict[str, str]:
    """Distributions that the code below a folder imports, and one file that does."""
    owners = packages_distributions()
    own = {path.stem for path in (ROOT / folder).iterdir()} | {"shapebias"}
    found: dict[str, str] = {}
    for path in sorted((ROOT / folder).rglob("*.py")):
        beside = {other.stem for other in path.parent.glob("*.py") if not other.stem.startswith("test_")}
        for node in ast.walk(ast.parse(path.read_text())):
            names = []
            if isinstance(node, ast.Import):
                names = [alias.name for alias in node.names]
            elif isinstance(node, ast.ImportFrom) and not node.level:
                names = [node.module or ""]
            for top in {name.split(".")[0] for name in names} - set(sys.stdlib_module_names) - own - beside:
                owned = [distribution(owner) for owner in owners.get(top, [top])]
                one = distribution(top) if distribution(top) in owned else owned[0]  # some bring a copy of another
                found[one] = str(path.relative_to(ROOT))
    return found


def test_every_library_that_is_imported_is_declared():
    extras = [extra for extra in PROJECT["optional-dependencies"] if extra != "dev"]
    undeclared = {name: file for name, file in imported("src").items() if name not in declared(*extras)}
    for folder in ("tests", "benchmarks"):
        undeclared |= {name: file for name, file in imported(folder).items() if name not in declared(*extras, "dev")}
    assert not undeclared


def test_every_library_that_is_declared_is_imported():
    # torchvision is imported by name, once, in shapebias.libraries
    assert declared() - set(imported("src")) <= {"torchvision"}


def test_every_declared_library_is_pinned():
    pins = re.findall(r"^[\w.-]+(?===)", (ROOT / "requirements.lock").read_text(), re.MULTILINE)
    assert declared(*PROJECT["optional-dependencies"]) - {"shapebias"} <= {distribution(pin) for pin in pins}


def test_versions_agree():
    import shapebias

    version = PROJECT["version"]
    assert getattr(shapebias, "__version__", version) == version
    assert str(yaml.safe_load((ROOT / "CITATION.cff").read_text())["version"]) == version
    newest = re.search(r"^## \[(\d[^]]*)\]", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert newest and newest[1] == version


@pytest.fixture(scope="module")
def tracked() -> list[Path]:
    if not shutil.which("git") or not (ROOT / ".git").exists():
        pytest.skip("not a git checkout")
    names = run("git", "ls-files", "-z").stdout.split("\0")
    return [path for name in names if name and (path := ROOT / name).is_file()]


def test_no_tracked_file_is_large(tracked: list[Path]):
    assert not [path for path in tracked if path.stat().st_size > 6 * MEGABYTE]


def test_no_tracked_text_names_an_index_or_a_machine(tracked: list[Path]):
    hosts = "|".join(["pypi" + r"\.org", "files" + r"\.pythonhosted", "npm" + "js"])
    paths = r"(?<![\w.~-])/(?:work|root|tmp|home|opt)/"
    found = []
    for path in tracked:
        try:
            text = path.read_text()
        except UnicodeDecodeError:
            continue
        pattern = hosts if path.parent == ROOT / "tests" else f"{hosts}|{paths}"
        found += [f"{path.relative_to(ROOT)}: {match[0]}" for match in re.finditer(pattern, text)]
    assert not found


def test_the_model_card_names_the_shipped_files_by_hash() -> None:
    weights = ROOT / "src" / "shapebias" / "stylize" / "weights"
    card = (weights / "MODEL_CARD.md").read_text()
    for name in ("adain-small.safetensors", "styles.safetensors"):
        digest = hashlib.sha256((weights / name).read_bytes()).hexdigest()
        assert f"`{name}`" in card and digest in card, f"the card does not name {name} as it is: {digest}"
