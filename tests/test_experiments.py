"""The experiments behind the documentation's tables: what is written between a page's markers, and what is there."""

from __future__ import annotations

import importlib.util
import json
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).resolve().parent.parent
if not (ROOT / "experiments").is_dir():
    pytest.skip("the experiments are not part of the source distribution", allow_module_level=True)


@pytest.fixture(scope="module")
def seeds() -> Any:
    """The module of ``experiments/seeds.py``."""
    spec = importlib.util.spec_from_file_location("seeds_experiment", ROOT / "experiments" / "seeds.py")
    assert spec is not None and spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # where its dataclasses look for their annotations
    spec.loader.exec_module(module)
    return module


def row(seeds: Any, model: str, seed: int, value: float | None) -> dict[str, Any]:
    ends = None if value is None else [value - 0.1, value + 0.1]
    metrics = {name: {"value": value, "ci95": ends, "n": 240} for name in {**seeds.DECISIONS, **seeds.OTHERS}}
    return {"model": model, "seed": seed, **metrics}


def test_tables_are_means_over_seeds_with_student_intervals_and_each_seed_over_images(seeds: Any) -> None:
    values = {0: 0.50, 1: 0.52, 2: 0.54}
    rows = [row(seeds, "in", seed, value) for seed, value in values.items()]
    made = seeds.tables({"rows": [*rows, row(seeds, "control", 0, 0.25), row(seeds, "separate", 0, None)]})
    cell = "52.0 [47.0, 57.0]"  # 2 +- 4.303 * 2 / sqrt(3) points
    assert made["decisions"].splitlines()[0] == "| model | by shape | by texture | by neither | shape bias |"
    assert made["decisions"].splitlines()[2] == f"| `in`: natural images only | {' | '.join([cell] * 4)} |"
    assert made["others"].splitlines()[3].endswith(" | 25.0 [15.0, 35.0] |")  # of one seed, over its images
    assert "| `in` | 1 | 52.0 [42.0, 62.0] |" in made["seeds"]
    assert "| not defined |" in made["batchnorm"]
    rows = [row(seeds, "mmsi-sin-in", seed, value) for seed, value in values.items()]
    rows += [row(seeds, "control", seed, 0.5) for seed in values]
    difference = seeds.tables({"rows": rows})["difference"].splitlines()
    assert difference[0] == "| `mmsi-sin-in` minus `control` | seed 0 | seed 1 | seed 2 | mean |"
    assert difference[2] == "| by shape | +0.0 | +2.0 | +4.0 | +2.0 [-3.0, +7.0] |"


def test_tables_replace_the_text_between_their_markers_alone(seeds: Any) -> None:
    page = "a\n<!-- table: x -->\nold\n| 1 |\n<!-- end: x -->\nb\n<!-- table: y -->\nkept\n<!-- end: y -->\n"
    once = seeds.replaced(page, {"x": r"| \1 new |", "z": "no such marker"})
    assert once == page.replace("old\n| 1 |", r"| \1 new |")
    assert seeds.replaced(once, {"x": r"| \1 new |"}) == once


def test_every_table_has_its_place_on_the_pages_and_is_of_the_committed_record(seeds: Any) -> None:
    pages = [page.read_text(encoding="utf-8") for page in seeds.PAGES]
    for name in seeds.tables({"rows": []}):
        assert sum(text.count(f"<!-- table: {name} -->\n") for text in pages) == 1, name
        assert sum(text.count(f"\n<!-- end: {name} -->\n") for text in pages) == 1, name
    if seeds.RECORD.is_file():
        made = seeds.tables(json.loads(seeds.RECORD.read_text(encoding="utf-8")))
        assert all(seeds.replaced(text, made) == text for text in pages)


def test_a_record_of_other_source_code_is_refused(seeds: Any, tmp_path: Path) -> None:
    (tmp_path / "seeds.json").write_text('{"source": "other", "size": {}, "environment": {}, "rows": []}')
    with pytest.raises(SystemExit, match="of other source code or another size"):
        seeds.run(tmp_path, [0], ["in"], seeds.QUICK)
