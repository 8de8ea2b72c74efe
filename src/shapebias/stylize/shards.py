"""Stylize tar shards in WebDataset layout: for each a shard of copies, with the other fields of its samples."""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from shapebias.data.ahead import same_size_batches
from shapebias.data.decode import UnreadableImage
from shapebias.data.folders import IMAGE_SUFFIXES
from shapebias.data.image_set import fingerprint
from shapebias.data.materialize import UNREADABLE, Skip, check_outside, materialize
from shapebias.errors import UserError, check_at_least
from shapebias.files import atomic, sha256, write_json, write_text
from shapebias.ranks import rank_and_size
from shapebias.stylize.batches import Stylizing, default_batch_size, stylize_batches, stylized_size
from shapebias.stylize.folder import MANIFEST, styles_of
from shapebias.stylize.settings import StylizeSettings
from shapebias.stylize.style_folder import Styles
from shapebias.stylize.stylizer import Stylizer

UNPACKED = ".unpacked"
GZIP = b"\x1f\x8b"
END = 1024  # bytes of zero at the end of a tar file


@dataclass(frozen=True)
class Sample:
    """An image that was unpacked to ``path``: the key and ending it had, and the other fields of its sample."""

    path: Path
    key: str
    suffix: str
    fields: dict[str, bytes]


def find_shards(source: Path) -> list[Path]:
    """Return the tar files in ``source``, or ``source`` if it is one; none for other files and folders."""
    if source.is_file():
        return [source] if source.suffix == ".tar" else []
    return sorted(source.glob("*.tar")) if source.is_dir() else []


def stylize_shards(
    source: Path,
    out: Path,
    stylizer: Stylizer,
    styles: Styles,
    settings: StylizeSettings,
    *,
    batch_size: int | None = None,
    device: torch.device | str = "cpu",
    strict: bool = False,
) -> list[str]:
    """Write ``out/NAME.tar`` for every shard ``NAME.tar`` in ``source``, and ``NAME.jsonl`` with a line for each copy.

    A sample KEY becomes the samples KEY-style0, KEY-style1, ... with its other fields (label, text) as they are. Its
    styles are drawn from the seed and the image's name in the shard. Finished shards are kept; under ``torchrun``
    the shards are divided over the processes. The rest is as for ``stylize_folder``.

    Returns:
        The unreadable images and the shards that were cut short, "path: reason" each.

    Raises:
        UserError: no shards, or the library webdataset is not installed.
    """
    shards = find_shards(Path(source))
    batch_size = default_batch_size(device) if batch_size is None else batch_size
    check_at_least(1, batch_size=batch_size)
    if not shards:
        raise UserError(f"no .tar files in {source}")
    root = shards[0].parent
    if source.is_dir():
        check_outside(out, source)
    styles_of("", settings, len(styles))
    work = out / f"{UNPACKED}-{rank_and_size()[0]}"

    def files(shard: Path) -> Sequence[Path]:
        return out / shard.name, out / f"{shard.stem}.jsonl"

    def make(missing: list[Path], _skip: Skip) -> Iterator[int]:
        stylizing = Stylizing(stylizer.to(device), styles, settings)
        for shard in missing:
            _stylize_shard(shard, files(shard), stylizing, work, batch_size, strict=strict)
            yield 1

    def finish() -> None:
        for folder in out.glob(f"{UNPACKED}-*"):
            shutil.rmtree(folder)
        write_json(out / UNREADABLE, _passed_over(shards, out))

    identity: dict[str, Any] = {
        "schema": "shapebias/stylize-shards/1",
        "source": str(source.resolve()),
        "images_fingerprint": fingerprint(root, shards),
        **asdict(settings),
        "stylizer_sha256": styles.stylizer_sha256,
        "styles_sha256": styles.sha256,
    }
    materialize(
        out,
        identity,
        shards,
        files,
        make,
        marker=MANIFEST,
        what="stylization",
        title="stylize",
        unit="shards",
        finish=finish,
        listing=None,
        over_ranks=True,
    )
    return _passed_over(shards, out)


def _stylize_shard(
    shard: Path, files: Sequence[Path], stylizing: Stylizing, work: Path, batch_size: int, *, strict: bool
) -> None:
    settings, styles = stylizing.settings, stylizing.styles
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    skipped: list[str] = []

    def skip(error: UnreadableImage) -> None:
        sample = samples.get(error.path)
        name = shard.name if sample is None else f"{shard.name}/{sample.key}.{sample.suffix}"
        if strict:
            raise UserError(f"unreadable image {name}: {error.reason} (leave out --strict to skip it)") from error
        skipped.append(f"{name}: {error.reason}")

    samples: dict[Path, Sample] = {}
    for sample in _unpacked(shard, work, skip):
        samples[sample.path] = sample

    def drawn(paths: Sequence[Path]) -> np.ndarray:
        names = (f"{samples[path].key}.{samples[path].suffix}" for path in paths)
        return styles.readable(np.stack([styles_of(name, settings, len(styles)) for name in names]))

    def copies(path: Path) -> list[Path]:
        return [path.with_name(f"{path.name}-style{view}") for view in range(settings.per_image)]

    paths = list(samples)
    batches = same_size_batches(paths, lambda size: stylized_size(size, settings), batch_size)
    for _ in stylize_batches(batches, stylizing, drawn, copies, samples, skip):
        pass
    lines: list[dict[str, Any]] = [{"passed over": reason} for reason in skipped]
    with atomic(files[0]) as temporary, _webdataset().TarWriter(str(temporary), encoder=False, mtime=0) as tar:
        for path, sample in samples.items():
            if not copies(path)[0].exists():
                continue
            for view, (style, copy) in enumerate(zip(drawn([path])[0], copies(path), strict=True)):
                tar.write({"__key__": f"{sample.key}-style{view}", **sample.fields, settings.format: copy.read_bytes()})
                image = f"{sample.key}.{sample.suffix}"
                lines.append({"image": image, "view": view, "style": styles.names[style], "sha256": sha256(copy)})
    write_text(files[1], "".join(json.dumps(line) + "\n" for line in lines))
    shutil.rmtree(work)


def _unpacked(shard: Path, work: Path, skip: Skip) -> Iterator[Sample]:
    """Write the image of each sample to ``work`` under a number; the rest of a shard that was cut short is skipped."""
    faults: list[Exception] = []

    def fault(error: Exception) -> bool:
        faults.append(error)
        return True

    number = 0
    tar = _webdataset().tariterators
    with shard.open("rb") as stream:
        files = tar.tar_file_expander([{"url": str(shard), "stream": stream}], handler=fault)
        for fields in tar.group_by_keys(files, handler=fault):
            given = {name: value for name, value in fields.items() if not name.startswith("__")}
            suffix = next((n for n in given if f".{n.rpartition('.')[2].lower()}" in IMAGE_SUFFIXES), None)
            if suffix is None:
                skip(UnreadableImage(shard, f"its sample {fields['__key__']} has no image"))
                continue
            path = work / f"{number:08}"
            path.write_bytes(given.pop(suffix))
            number += 1
            yield Sample(path, str(fields["__key__"]), suffix, given)
        stream.seek(0)
        compressed = stream.read(2) == GZIP
        stream.seek(max(0, shard.stat().st_size - END))
        whole = compressed or not any(stream.read())
    if faults or not whole:
        reason = " ".join(str(faults[0]).partition(" @ ")[0].split()) if faults else "it lacks the end of a tar file"
        skip(UnreadableImage(shard, f"cut short or damaged after {number} images: {reason}"))


def _passed_over(shards: Sequence[Path], out: Path) -> list[str]:
    lines = (
        json.loads(line)
        for shard in shards
        for line in (out / f"{shard.stem}.jsonl").read_text(encoding="utf-8").splitlines()
    )
    return [line["passed over"] for line in lines if "passed over" in line]


def _webdataset() -> Any:
    try:
        import webdataset  # pyright: ignore[reportMissingImports]
    except ImportError as error:
        raise UserError("tar shards need the library webdataset: pip install 'shapebias[shards]'") from error
    return webdataset
