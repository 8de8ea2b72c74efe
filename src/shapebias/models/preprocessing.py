"""The preprocessing that timm gives a network for evaluation, as ours."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from PIL import Image
from torch import Tensor

from shapebias.data.image_batches import Preprocessing
from shapebias.data.transforms import to_tensor
from shapebias.errors import UserError
from shapebias.libraries import timm

RESAMPLING = {"bicubic": Image.Resampling.BICUBIC, "bilinear": Image.Resampling.BILINEAR}


@dataclass(frozen=True)
class Squashed(Preprocessing):
    """timm's crop mode "squash": both sides resized to ``size / crop``, whatever the aspect; the centre cut out."""

    crop_mode: str = "squash"

    def __call__(self, image: Image.Image) -> Tensor:
        """A PIL RGB image as float32 (3, size, size) in [0, 1]."""
        side = int(self.size / self.crop + 1e-6)
        if image.size != (side, side):
            image = image.resize((side, side), RESAMPLING[self.interpolation])
        left = round((side - self.size) / 2)
        return to_tensor(image.crop((left, left, left + self.size, left + self.size)))


def timm_preprocessing(config: Mapping[str, Any], name: str) -> tuple[Preprocessing, Sequence[float], Sequence[float]]:
    """Preprocessing, mean and std of a ``pretrained_cfg``, by timm's own resolution of what it leaves open.

    The sizes are those of training, as timm takes unless told to use ``test_input_size``. The centre is
    cut out of the resized image (``Preprocessing``) or of the squashed one (``Squashed``).

    Raises:
        UserError: something that we do not do: padding, oblong or other than RGB input, a rare interpolation.
    """
    library: Any = timm
    found = library.data.resolve_data_config(pretrained_cfg=dict(config))
    channels, height, width = found["input_size"]
    crop, mode, interpolation = found["crop_pct"], found["crop_mode"], found["interpolation"]
    odd = [
        f"{channels} channels" * (channels != 3),
        f"{height} x {width} pixels" * (height != width),
        f"crop mode '{mode}'" * (mode not in ("center", "squash")),
        f"crop {crop}, which pads," * (crop > 1),
        f"interpolation '{interpolation}'" * (interpolation not in RESAMPLING),
    ]
    if any(odd):
        raise UserError(
            f"'{name}' wants its images with {' and '.join(filter(None, odd))}, which is not supported: "
            "only square RGB images, resized bicubic or bilinear, with the centre cut out"
        )
    make = Squashed if mode == "squash" else Preprocessing
    return make(size=height, crop=crop, interpolation=interpolation), found["mean"], found["std"]
