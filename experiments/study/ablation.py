"""Collect a run of ``shapebias ablation``, the paper's Table 7, for the study's pages.

    python experiments/study/ablation.py FOLDER

Writes experiments/study/ablation.json from the folder's results: each row's mean AP over seeds, its value for each
seed, and its differences from the baseline and from the control, paired over seeds and images.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path
from typing import Any

from shapebias.files import write_text
from shapebias.results.store import ResultStore
from shapebias.tasks.ablation.rows import ROWS
from shapebias.tasks.ablation.table import EVALUATOR

OUT = Path(__file__).parent / "ablation.json"
KIND = {"kind": "ap"}


def collected(folder: Path) -> dict[str, Any]:
    """Return the rows of an ablation by name."""
    store = ResultStore(folder)
    paired = [one for one in store.comparison().differences if one.condition.get("kind") == KIND["kind"]]
    rows = {}
    for name, row in ROWS.items():
        results = store.read(name)
        if results is None:
            raise SystemExit(f"{folder} has no results of the row {name}: run all rows")
        found = results.get(EVALUATOR, "map", **KIND)
        rows[name] = {
            "description": row.description,
            "value": found.value,
            "ci95": found.ci95,
            "n": found.n,
            "seeds": [one["value"] for one in found.details["seeds"]],
            "images_seen": found.details["images_seen"][0],
            "made": {key: value for key, value in results.environment.items() if key not in ("command", "platform")},
        }
        for other in ("baseline", "style"):
            pair = next((one for one in paired if name != other and one.between(name, other)), None)
            value, ends = (None, None) if pair is None else pair.of(name)
            rows[name][f"minus_{other}"] = None if pair is None else {"value": value, "ci95": ends}
    return rows


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    rows = collected(parser.parse_args().folder)
    write_text(OUT, json.dumps(rows, indent=1) + "\n")
    print(f"wrote {OUT}")


if __name__ == "__main__":
    main()
