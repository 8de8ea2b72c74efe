"""What ``stylize`` makes in a second beside the usual script, and on two cores beside one.

Photographs of 224 px and styles of 512 px are drawn and saved first; every photograph gets two styles; each copy is
written as PNG. The usual script takes one copy after the other: it decodes the photograph and the style, encodes both
with VGG-19 (random weights, in the layout of the published files), decodes, and writes, with torch's defaults. ``bank``
is ``stylize_folder`` with that network and codes that are ready; ``job`` with a folder of a fifth as many new styles as
photographs, which it encodes; ``small`` with the AdaIN and the styles that ship with the package. ``one core`` and
``two cores`` are ``small`` on so many processors and threads. ``stylize`` cuts and reduces styles to the size that it
encodes; the script encodes them as they are.

Every way runs in a process of its own, in turn, in each round; starting it, loading the network and one photograph to
warm up are not counted. Prints the median ratios of outputs per CPU second and per second of wall time, with quartiles:
on a processor that others use too, only the former tell anything, and ``two cores`` nothing at all.

    python benchmarks/stylizing.py [--quick]
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import torch
from PIL import Image
from spread import processor, spread

from shapebias.allocator import keep_freed_memory
from shapebias.data.folders import list_images
from shapebias.stylize.bank import StyleBank, load_styles
from shapebias.stylize.folder import styles_of, stylize_folder
from shapebias.stylize.load import DECODER, ENCODER, load_stylizer
from shapebias.stylize.settings import StylizeSettings
from shapebias.stylize.style_folder import StyleFolder
from shapebias.stylize.vgg import VGGAdaIN

ROUNDS, ROUNDS_QUICK = 3, 2
COUNTS = {"script": 3, "bank": 12, "job": 20, "small": 96, "one core": 96, "two cores": 96}  # photographs
COUNTS_QUICK = {"script": 2, "bank": 6, "job": 10, "small": 32, "one core": 32, "two cores": 32}
SHARE = 5  # photographs for each new style of ``job``
SETTINGS = StylizeSettings(per_image=2, size=224)


def draw(folder: Path, count: int, size: int) -> None:
    """Save ``count`` squares of noise at several scales as JPEG."""
    folder.mkdir()
    rng = np.random.default_rng(size)
    for number in range(count):
        octaves = [Image.fromarray(rng.integers(0, 256, (n, n, 3), np.uint8)) for n in (4, 16, 64, size)]
        layers = [np.asarray(octave.resize((size, size), Image.Resampling.BICUBIC), np.float32) for octave in octaves]
        picture = np.average(layers, axis=0, weights=(8, 4, 2, 1)) * rng.uniform(0.2, 1, 3)
        Image.fromarray(picture.astype(np.uint8)).save(folder / f"{number:04}.jpg", quality=92)


def prepare(work: Path, counts: dict[str, int]) -> None:
    """Draw photographs and styles, and save the paper's network with random weights and a bank of its codes."""
    for way, count in counts.items():
        draw(work / f"photographs {way}", count, 224)
    draw(work / "photographs warm", 1, 224)
    draw(work / "styles", max(2, counts["job"] // SHARE), 512)
    torch.manual_seed(0)
    network = VGGAdaIN()
    for parameter in network.parameters():  # torch's own would make the codes of all styles nearly the same
        torch.nn.init.kaiming_normal_(parameter) if parameter.dim() > 1 else torch.nn.init.zeros_(parameter)
    (work / "vgg").mkdir()
    torch.save(network.encoder.state_dict(), work / "vgg" / ENCODER)
    torch.save(network.decoder.state_dict(), work / "vgg" / DECODER)
    stylizer, digest = load_stylizer(work / "vgg")
    StyleBank.encode(stylizer, digest, [work / "styles"]).save(work / "bank.safetensors")


def pixels(path: Path) -> torch.Tensor:
    """Decode an image, (1, 3, H, W) in [0, 1]."""
    return torch.from_numpy(np.array(Image.open(path).convert("RGB"))).permute(2, 0, 1)[None].float().div(255)


@torch.no_grad()
def script(network: VGGAdaIN, photographs: Path, styles: list[Path], out: Path) -> None:
    """The usual script: every copy by itself."""
    out.mkdir()
    for path in list_images(photographs):
        for view, style in enumerate(styles_of(path.name, SETTINGS, len(styles))):
            made = network(pixels(path), pixels(styles[style]))[0]
            array = made.mul(255).add(0.5).clamp(0, 255).permute(1, 2, 0).to(torch.uint8).numpy()
            Image.fromarray(array).save(out / f"{path.stem}-{view}.png")


def measure(work: Path, way: str) -> dict[str, float]:
    """Run a way once; return its outputs per second of CPU and of wall time."""
    cores = {"one core": 1, "two cores": 2}.get(way)
    if cores and hasattr(os, "sched_setaffinity"):
        os.sched_setaffinity(0, sorted(os.sched_getaffinity(0))[:cores])
        torch.set_num_threads(cores)
    vgg = way in {"script", "bank", "job"}
    stylizer, digest = load_stylizer(work / "vgg" if vgg else None)
    usual = VGGAdaIN()
    if way == "script":
        usual.load_state_dict(stylizer.state_dict())  # in torch's own order of memory
    else:
        keep_freed_memory()
    bank = load_styles(work / "bank.safetensors" if vgg else None, stylizer, digest)

    def run(photographs: Path, out: Path) -> None:
        if way == "script":
            script(usual, photographs, list_images(work / "styles"), out)
            return
        out.mkdir()
        new = way == "job" and "warm" not in photographs.name
        styles = StyleFolder(work / "styles", stylizer, digest, out) if new else bank
        stylize_folder(photographs, out, stylizer, styles, SETTINGS)

    with tempfile.TemporaryDirectory(dir=work) as made:
        run(work / "photographs warm", Path(made) / "warm")
        cpu, wall = time.process_time(), time.perf_counter()
        run(work / f"photographs {way}", Path(made) / "copies")
        cpu, wall = time.process_time() - cpu, time.perf_counter() - wall
    outputs = SETTINGS.per_image * len(list_images(work / f"photographs {way}"))
    return {"CPU": outputs / cpu, "wall": outputs / wall}


def rounds(work: Path, counts: dict[str, int], number: int) -> Iterator[dict[str, dict[str, float]]]:
    """Yield the rates of every way, round after round; every other round in the reverse order."""
    for one in range(number):
        found = {}
        for way in list(counts)[:: -1 if one % 2 else 1]:
            child = subprocess.run(
                [sys.executable, __file__, str(work), way],
                check=True,
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            )
            found[way] = json.loads(child.stdout.splitlines()[-1])
        yield found


def main(quick: bool) -> None:
    counts = COUNTS_QUICK if quick else COUNTS
    with tempfile.TemporaryDirectory() as scratch:
        prepare(Path(scratch), counts)
        found = list(rounds(Path(scratch), counts, ROUNDS_QUICK if quick else ROUNDS))
    print(f"{processor()}; photographs: {', '.join(f'{way} {count}' for way, count in counts.items())}")
    pairs = [(way, "script") for way in ("bank", "job", "small")] + [("two cores", "one core")]
    for way, beside in pairs:
        for kind in ("CPU", "wall"):
            ratios = [one[way][kind] / one[beside][kind] for one in found]
            print(f"outputs per second ({kind}), {way} / {beside} = {spread(ratios, 2)}")


if __name__ == "__main__":
    if len(sys.argv) == 3:
        print(json.dumps(measure(Path(sys.argv[1]), sys.argv[2])))
    else:
        main("--quick" in sys.argv)
