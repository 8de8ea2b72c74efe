"""The processes that decode images: their errors come as one line, and they end."""

from __future__ import annotations

import subprocess
import sys

SCRIPT = """
import sys
import torch
from torch.utils.data import DataLoader, Dataset
from shapebias.data.loaders import batches_of, ignore_signals
from shapebias.errors import UserError

class Bad(Dataset):
    def __len__(self):
        return 4
    def __getitem__(self, index):
        if index == 2:
            raise UserError("mask 2: it holds 77, which is no class")
        return index

if __name__ == "__main__":
    loader = DataLoader(Bad(), num_workers=WORKERS, worker_init_fn=ignore_signals, persistent_workers=WORKERS > 0)
    seen = []
    try:
        for batch in batches_of(loader):
            seen += batch.tolist()
    except UserError as error:
        print(seen, error, sep="|")
"""


def output(tmp_path, workers):
    script = tmp_path / "script.py"
    script.write_text(SCRIPT.replace("WORKERS", str(workers)))
    return subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=True).stdout


def test_an_error_in_a_worker_is_the_line_that_it_is_and_the_worker_ends(tmp_path):
    assert output(tmp_path, 1) == output(tmp_path, 0) == "[0, 1]|mask 2: it holds 77, which is no class\n"
