"""What can be typed: every command with its arguments, and what it calls."""

from __future__ import annotations

from collections.abc import Callable

from shapebias.cli import (
    ablating,
    auditing,
    corrupting,
    measuring,
    pseudo_labelling,
    segmenting,
    stylizers,
    stylizing,
    training,
    transferring,
)
from shapebias.cli.arguments import Parser, new_parser

COMMANDS: dict[str, Callable[..., None]] = {
    "demo": training.demo,
    "train": training.train,
    "evaluate": measuring.evaluate,
    "audit": auditing.audit,
    "score-responses": measuring.score_responses,
    "stylize": stylizing.stylize,
    "cue-conflict": stylizing.cue_conflict,
    "texture-grid": stylizing.texture_grid,
    "corrupt": corrupting.corrupt,
    "transfer": transferring.transfer,
    "segment": segmenting.segment,
    "cam": pseudo_labelling.cam,
    "ablation": ablating.ablation,
    "stylizer train": stylizers.train,
    "stylizer show": stylizers.show,
    "stylizer encode": stylizers.encode,
    "report": measuring.report,
    "shapes16": training.shapes16,
    "export": training.export,
    "download": training.download,
}

EXAMPLES = """examples:
  shapebias demo
  shapebias train --scheme mmsi-sin-in --model resnet18 --data photos --size 128 --out runs/mmsi
  shapebias evaluate runs/mmsi timm:resnet50 --evaluators shape-bias --data cue-conflict --out results
  shapebias stylize photos photos-stylized --per-image 2
  shapebias audit runs/mmsi timm:resnet50 --data datasets --out audit
  shapebias report runs results --out report.html

"shapebias COMMAND --help" says more of each. Options may be written with - or _ inside.
Progress goes to standard error."""


def build_parser() -> Parser:
    """The whole command line."""
    parser = new_parser("Train vision networks to see shape instead of texture, measure it, and show it.", EXAMPLES)
    parser.add_argument("--version", action="version", version=_version(), help="print the version and exit")
    commands_ = parser.add_subcommands(required=True, dest="command", metavar="COMMAND", title="commands")
    commands_.add_subcommand(
        "demo", training.demo_arguments(), help="data, three trained networks, measurements and a page, in minutes"
    )
    commands_.add_subcommand("train", training.train_arguments(), help="train a network by one of the paper's schemes")
    commands_.add_subcommand("evaluate", measuring.evaluate_arguments(), help="measure networks, ours or not")
    commands_.add_subcommand(
        "audit", auditing.audit_arguments(), help="every measurement there is data for, and one page"
    )
    commands_.add_subcommand(
        "score-responses",
        measuring.score_responses_arguments(),
        help="shape bias from raw responses of people or networks",
    )
    commands_.add_subcommand("stylize", stylizing.stylize_arguments(), help="stylize a folder of images")
    commands_.add_subcommand(
        "cue-conflict",
        stylizing.cue_conflict_arguments(),
        help="images with the shape of one thing in the texture of another",
    )
    commands_.add_subcommand(
        "texture-grid", stylizing.texture_grid_arguments(), help="put a folder of images into the same few textures"
    )
    commands_.add_subcommand(
        "corrupt",
        corrupting.corrupt_arguments(),
        help="noise, blur, weather and more on a folder of images (ImageNet-C's)",
    )
    commands_.add_subcommand(
        "transfer", transferring.transfer_arguments(), help="try networks as a start for other classification tasks"
    )
    commands_.add_subcommand(
        "segment", segmenting.segment_arguments(), help="train networks for segmentation on VOC, and measure mIoU"
    )
    commands_.add_subcommand(
        "cam", pseudo_labelling.cam_arguments(), help="pseudo-labels for segmentation from a classifier's activations"
    )
    commands_.add_subcommand(
        "ablation", ablating.ablation_arguments(), help="the paper's ablation on multi-label VOC: train and tabulate"
    )
    stylizer = new_parser("Train the small AdaIN stylizer, look at what a stylizer does, or encode styles for one.")
    commands_.add_subcommand(
        "stylizer", stylizer, help="train the small stylizer, look at one, or encode styles for it"
    )
    commands_.add_subcommand("report", measuring.report_arguments(), help="one HTML page from runs and results")
    commands_.add_subcommand("shapes16", training.shapes16_arguments(), help="write the generated data set")
    commands_.add_subcommand(
        "export", training.export_arguments(), help="write a network's weights for timm or torchvision"
    )
    commands_.add_subcommand("download", training.download_arguments(), help="photographs to begin with")
    actions = stylizer.add_subcommands(required=True, dest="action", metavar="ACTION", title="actions")
    actions.add_subcommand("train", stylizers.train_arguments(), help="train it")
    actions.add_subcommand("show", stylizers.show_arguments(), help="write a contact sheet")
    actions.add_subcommand(
        "encode", stylizers.encode_arguments(), help="encode style images once, as a bank for --styles"
    )
    return parser


def _version() -> str:
    from importlib.metadata import version

    return f"shapebias {version('shapebias')}"
