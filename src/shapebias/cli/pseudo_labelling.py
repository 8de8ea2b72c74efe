"""The command that makes pseudo-labels of a classifier's class activation maps: cam."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from shapebias.cli.arguments import Parser, new_parser
from shapebias.cli.output import print_json, say
from shapebias.errors import UserError

CAM_EXAMPLES = """examples:
  shapebias cam transfer/in/voc12 transfer/mmsi/voc12 --data VOCdevkit --out cam
  shapebias cam transfer/mmsi/voc12/seed-0 --data VOCdevkit --split trainaug --out cam-trainaug
  shapebias cam transfer/*/voc12 --data VOCdevkit --scales 1 --no-flip --out cam-single

MODEL is a classifier of VOC's 20 classes that ends in a map, its average and a linear layer (a ResNet, say), as
'shapebias transfer --task voc12' trains them: a folder with the seeds of one network (seed-0, seed-1 and so on), or a
single one's folder or file. Its maps are made at every scale and mirrored, summed, and for the classes of an image's
labels divided by their maximum; a pixel gets the best class where it is above the threshold.
Writes OUT/NAME/masks/ID.png in VOC's palette, ready to train a segmentation on, pictures of six images, and the mIoU at
the threshold, at the best one and over all of them to OUT/NAME/results.json. Of several seeds these figures are the
means, with Student's t interval over seeds; the best threshold is one for all, where the mean is highest; each seed's
masks are in OUT/NAME/seed-N/masks, the pictures are the first one's. Differences between networks, of the means over
seeds, go to OUT/comparison.json. Images are padded to multiples of 32 pixels, never cropped. What was made is not made
again: goes on where it was killed, or with the seeds that came since."""


def cam_arguments() -> Parser:
    """What ``cam`` takes."""
    parser = new_parser("Pseudo-labels for segmentation from a classifier's class activation maps.", CAM_EXAMPLES)
    parser.add_argument("models", nargs="+", metavar="MODEL", help="classifiers of VOC's 20 classes, see below")
    parser.add_argument("--data", type=Path, required=True, help="the folder that VOC2012 was unpacked to")
    parser.add_argument("--out", type=Path, required=True, help="folder of the masks and results")
    parser.add_argument(
        "--split", type=str, default="train", help="list in ImageSets/Segmentation, or else in ImageSets/Main"
    )
    parser.add_argument("--scales", type=str, default="1,.5,1.5,2", help="of the image, separated by commas; at most 4")
    parser.add_argument("--no_flip", action="store_true", help="leave out the mirrored images")
    parser.add_argument("--threshold", type=float, default=0.15, help="score of the background, 0 to 1")
    parser.add_argument(
        "--size",
        type=int,
        default=None,
        help="shorter side of images at scale 1, in pixels; default each image's own. For a network trained on small "
        "images",
    )
    parser.add_argument("--seed", type=int, default=0, help="of the resampling and of the pictures")
    parser.add_argument("--device", type=str, default=None, help="cpu, cuda or mps; default the best there is")
    parser.add_argument("--strict", action="store_true", help="stop at an unreadable image")
    parser.add_argument("--json", action="store_true", help="print the results to standard output as JSON")
    return parser


def cam(
    models: Sequence[str],
    data: Path,
    out: Path,
    split: str,
    scales: str,
    no_flip: bool,
    threshold: float,
    size: int | None,
    seed: int,
    device: str | None,
    strict: bool,
    json: bool,
) -> None:
    """Make pseudo-labels."""
    from shapebias.cli.seeds import load_seeded
    from shapebias.device import choose_device
    from shapebias.results.table import print_table
    from shapebias.tasks.cam.evaluate import pseudo_label
    from shapebias.tasks.cam.multiscale import CamSettings

    settings = CamSettings(_scales(scales), not no_flip, threshold, size)
    where = choose_device(device)
    networks = load_seeded(models)
    results = pseudo_label(
        networks, data=data, out=out, split=split, settings=settings, device=where, seed=seed, strict=strict
    )
    print_table(results)
    for network in networks:
        folder = out / network.name
        masks = ", ".join(str(out / model.identity.name / "masks") for model in network.models.values())
        say(f"wrote {folder / 'results.json'}, {masks} and {folder / 'pictures'}")
    if len(results) > 1:
        say(f"wrote {out / 'comparison.json'}")
    if json:
        print_json([result.to_json() for result in results])


def _scales(text: str) -> tuple[float, ...]:
    try:
        return tuple(float(part) for part in text.split(",") if part.strip())
    except ValueError as error:
        raise UserError(f"--scales takes numbers separated by commas, such as 1,.5,1.5,2, not '{text}'") from error
