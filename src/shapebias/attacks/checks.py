"""Checks of the arguments of attacks: images before normalisation, classes of the model, epsilon in units of 1/255."""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor, nn

from shapebias.errors import UserError

EXACT = (torch.float32, torch.float64)


def checked_images(images: Tensor) -> Tensor:
    """Return ``images``, detached, if they are float RGB in [0, 1], (N, 3, H, W). Waits for the device once.

    Raises:
        UserError: they are not; it states what they look like.
    """
    if not isinstance(images, Tensor):
        raise UserError(f"attacks need a tensor of images (N, 3, H, W), not {described_type(images)}")
    shape = tuple(images.shape)
    if images.dim() == 3:
        raise UserError(f"attacks need batches (N, 3, H, W), not one image {shape}: pass images[None]")
    if images.dim() != 4 or shape[1] != 3:
        hint = "these have their channels last: images.movedim(-1, 1)" if shape[-1:] == (3,) else "give RGB images"
        raise UserError(f"attacks need images (N, 3, H, W), not {shape}: {hint}")
    if images.numel() == 0:
        raise UserError(f"attacks need at least one image, not {shape}")
    if images.dtype in (torch.float16, torch.bfloat16):
        raise UserError(
            f"attacks need float32 images, not {images.dtype}, which is too coarse for a fraction of 1/255: "
            f"pass images.float() to a float32 model, and autocast={images.dtype} for its forward passes"
        )
    if images.dtype not in EXACT:
        raise UserError(f"attacks need float images in [0, 1], not {images.dtype}: images.float() / 255")
    low, high = torch.stack(torch.aminmax(images.detach())).tolist()
    if math.isnan(low) or math.isnan(high):
        raise UserError("attacks need images in [0, 1], and these hold NaN: check how the images were made")
    if low < 0 or high > 1:
        raise UserError(
            f"attacks need images in [0, 1], and these hold values from {low:.6g} to {high:.6g}: {_cure(low, high)}"
        )
    return _detached(images)


def _cure(low: float, high: float) -> str:
    """Return the likely reason for values outside [0, 1], and what to do about it."""
    if math.isinf(low) or math.isinf(high):
        return "check how the images were made"
    if low >= -1e-3 and high <= 1 + 1e-3:
        return "rounding errors, it seems: images.clamp(0, 1)"
    if low >= 0 and high <= 255:
        return "levels of 8 bits, it seems: divide by 255"
    return (
        "normalised, it seems: pass the images before normalisation and let the model normalise them, "
        "shapebias.Classifier(network, identity, preprocessing, mean=, std=)"
    )


def checked_classes(classes: Tensor, images: Tensor, name: str) -> tuple[Tensor, int]:
    """Return classes (N,) int64 on the device of the images, and the largest of them. Waits for the device once.

    Raises:
        UserError: another type or shape, or a negative class; ``name`` is that of the argument.
    """
    if not isinstance(classes, Tensor):
        raise UserError(f"{name} must be a tensor of int64, one class per image, not {described_type(classes)}")
    if classes.dtype != torch.int64 or classes.shape != images.shape[:1]:
        raise UserError(
            f"{name} must be int64 of shape ({len(images)},), one class per image, not {classes.dtype} of shape "
            f"{tuple(classes.shape)}: give indices of the model's outputs, not names or one-hot vectors"
        )
    low, high = torch.stack(torch.aminmax(classes)).tolist()
    if low < 0:
        raise UserError(f"{name} hold {low}: classes are counted from 0")
    return _detached(classes.to(images.device)), high


def checked_epsilon(epsilon: float) -> float:
    """Return epsilon, given in units of 1/255, as a fraction of the range [0, 1]: above 0, at most 1.

    Raises:
        UserError: another type, or out of range.
    """
    if not isinstance(epsilon, Real):
        raise UserError(f"epsilon must be a number, in units of 1/255, not {described_type(epsilon)}")
    if not (math.isfinite(epsilon) and 0 < epsilon <= 255):
        raise UserError(f"epsilon must be in units of 1/255, above 0 and at most 255, not {epsilon}")
    return float(epsilon) / 255


def checked_like(tensor: Tensor, images: Tensor, name: str, bound: float = math.inf) -> Tensor:
    """Return ``tensor`` with the type and device of the images, if it has their shape and lies in [-bound, bound].

    Raises:
        UserError: another shape, or values outside; ``name`` is that of the argument.
    """
    if not isinstance(tensor, Tensor):
        raise UserError(f"{name} must be a tensor of the images' shape, not {described_type(tensor)}")
    if tensor.shape != images.shape:
        raise UserError(f"{name} has the shape {tuple(tensor.shape)}, and the images have {tuple(images.shape)}")
    if bound < math.inf and not bool((tensor.abs() <= bound).all()):
        raise UserError(f"{name} must be a fraction of epsilon in [-{bound:g}, {bound:g}], and has other values or NaN")
    return _detached(tensor.to(images))


def checked_model(model: nn.Module, images: Tensor, autocast: torch.dtype | None) -> None:
    """Refuse a model that cannot be given these images.

    Raises:
        UserError: no module, another type or device, or made under inference mode; or ``autocast`` is not a half type.
    """
    if not isinstance(model, nn.Module):
        raise UserError(f"the model must be a torch.nn.Module, not {described_type(model)}: wrap it in one")
    if autocast not in (None, torch.float16, torch.bfloat16):
        raise UserError(f"autocast must be torch.bfloat16, torch.float16 or None, not {autocast}")
    weights = [weight for weight in model.parameters() if weight.is_floating_point()]
    if any(weight.is_inference() for weight in weights):
        raise UserError("the model was made under torch.inference_mode(): gradients need one made outside of it")
    if weights and images.dtype not in {weight.dtype for weight in weights}:
        raise UserError(
            f"the model is {weights[0].dtype} and the images are {images.dtype}: pass model.to({images.dtype}), "
            "and autocast= for forward passes in half precision"
        )
    if weights and images.device not in {weight.device for weight in weights}:
        raise UserError(f"the model is on {weights[0].device} and the images on {images.device}: move one of them")


def described_type(value: object) -> str:
    """Return the type of a wrong argument for an error message, or the text itself of one that is text."""
    return f"the text '{value[:40]}'" if isinstance(value, str) else type(value).__name__


def _detached(tensor: Tensor) -> Tensor:
    """Return ``tensor`` outside any graph; a copy if made under inference mode, which gradients cannot pass."""
    if not tensor.is_inference():
        return tensor.detach()
    with torch.inference_mode(False):
        return tensor.clone()
