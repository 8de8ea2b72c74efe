"""A segmentation model (a backbone, a head on its feature map, and upsampling to the image), and its file."""

from __future__ import annotations

from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Literal, get_args

import torch
from torch import Tensor, nn
from torch.nn import functional

from shapebias.data.readers.voc import MASK_CLASSES
from shapebias.errors import UserError
from shapebias.libraries import torchvision
from shapebias.models.checkpoint import check_header, read_header, save_with_header
from shapebias.models.classifier import Classifier
from shapebias.models.init_from import architecture_of
from shapebias.models.state_dict import fill_all_but, load_weights
from shapebias.stats.streams import Draw, torch_seed
from shapebias.tasks.segmentation.backbone import Backbone, bare_network

CLASSES = MASK_CLASSES
Head = Literal["fcn", "deeplab", "convolution"]
SCHEMA = "shapebias/segmenter/1"
DEEPLAB_REACH = 96  # pixels that the first dilated convolution reaches: rates 12 at stride 8, 6 at stride 16


@dataclass(frozen=True)
class Design:
    """The settings that a segmenter is built from; a checkpoint contains these and the weights.

    A ``stage`` of None is the last one with a feature map. ``size`` is the side of the training crops, ``mean`` and
    ``std`` normalise images in [0, 1]. If ``frozen``, only the head is trained.
    """

    name: str
    architecture: str
    head: Head
    stage: str | None
    output_stride: int
    size: int
    classes: tuple[str, ...]
    frozen: bool
    mean: tuple[float, ...]
    std: tuple[float, ...]


class _Network(nn.Module):
    """All weights of a segmenter."""

    def __init__(self, backbone: Backbone, head: nn.Module) -> None:
        super().__init__()
        self.backbone, self.head = backbone, head


class Segmenter(nn.Module):
    """A segmentation model: RGB images in [0, 1], (N, 3, H, W), to class scores (N, classes, H, W).

    Scores are interpolated bilinearly to the size of the image. A frozen backbone has no gradients and always stays
    in evaluation mode, so its weights and statistics never change.
    """

    mean: Tensor
    std: Tensor

    def __init__(self, backbone: Backbone, head: nn.Module, design: Design) -> None:
        super().__init__()
        self.network, self.design = _Network(backbone, head), design
        self.stride = backbone.stride
        self.register_buffer("mean", torch.tensor(design.mean).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(design.std).view(1, 3, 1, 1), persistent=False)
        if design.frozen:
            backbone.requires_grad_(False)
        self.train(self.training)

    def forward(self, images: Tensor) -> Tensor:
        """Return scores (N, classes, H, W)."""
        scores = self.network.head(self.network.backbone((images - self.mean) / self.std))
        return functional.interpolate(scores, images.shape[2:], mode="bilinear", align_corners=False)

    def train(self, mode: bool = True) -> Segmenter:
        """Set training or evaluation mode; a frozen backbone stays in evaluation mode."""
        super().train(mode)
        if self.design.frozen:
            self.network.backbone.eval()
        return self


def build_segmenter(design: Design, *, seed: int = 0) -> Segmenter:
    """Return a segmenter with random weights from ``seed``.

    Raises:
        UserError: the model is unknown, or has no feature map at this stage and size.
    """
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(torch_seed(Draw.INITIAL_WEIGHTS, seed))
        network = bare_network(design.architecture, design.output_stride)
        backbone = Backbone(network, design.stage, size=design.size, name=design.name)
        torch.manual_seed(torch_seed(Draw.NEW_HEAD, seed))
        head = _head(design.head, backbone.channels, backbone.stride, len(design.classes))
    return Segmenter(backbone, head, design)


def segmenter_from(
    source: Classifier,
    *,
    head: Head,
    stage: str | None = None,
    output_stride: int = 16,
    size: int = 256,
    frozen: bool = False,
    classes: tuple[str, ...] = CLASSES,
    seed: int = 0,
) -> Segmenter:
    """Return a segmenter with the backbone of ``source`` and a head initialised with ``seed``.

    Raises:
        UserError: the source cannot be rebuilt, or has no feature map at this stage and size.
    """
    design = Design(
        name=source.identity.name,
        architecture=architecture_of(source),
        head=head,
        stage=stage,
        output_stride=output_stride,
        size=size,
        classes=classes,
        frozen=frozen,
        mean=tuple(source.mean.flatten().tolist()),
        std=tuple(source.std.flatten().tolist()),
    )
    segmenter = build_segmenter(design, seed=seed)
    backbone = segmenter.network.backbone.network
    classifying = source.network.state_dict().keys() - backbone.state_dict().keys()
    fill_all_but(backbone, source.network, classifying, name=design.name, architecture=design.architecture)
    return segmenter


def _head(kind: Head, channels: int, stride: int, classes: int) -> nn.Module:
    """Return the paper's single convolution, or torchvision's heads as published (FCN, DeepLab v3)."""
    if kind == "convolution":
        return nn.Conv2d(channels, classes, 1)
    if kind == "fcn":
        return torchvision.models.segmentation.fcn.FCNHead(channels, classes)
    rate = max(1, DEEPLAB_REACH // stride)
    rates = (rate, 2 * rate, 3 * rate)
    return torchvision.models.segmentation.deeplabv3.DeepLabHead(channels, classes, atrous_rates=rates)


def save_segmenter(path: Path, segmenter: Segmenter) -> str:
    """Write the weights and the design to ``path``; return the file's SHA-256."""
    return save_with_header(path, segmenter.network, {"schema": SCHEMA, **asdict(segmenter.design)})


def load_segmenter(path: Path) -> Segmenter:
    """Return the segmenter written by ``save_segmenter``, in evaluation mode.

    Raises:
        UserError: the file does not exist, was not written by shapebias, or is damaged.
    """
    header = read_header(path, SCHEMA, "shapebias segment")
    try:
        check_header(header)
        if header["head"] not in get_args(Head) or header["output_stride"] not in (8, 16, 32):
            raise ValueError(f"its head is {header['head']!r} at stride {header['output_stride']!r}")
        if not isinstance(header["stage"], str | None) or not isinstance(header["frozen"], bool):
            raise ValueError(f"its stage is {header['stage']!r}, and frozen {header['frozen']!r}")
        given = {field.name: header[field.name] for field in fields(Design)}
        lists = {name: tuple(given[name]) for name in ("classes", "mean", "std")}
        segmenter = build_segmenter(Design(**{**given, **lists}))
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path} does not state which model it holds ({error})") from error
    load_weights(segmenter.network, path)
    return segmenter.eval()
