"""What an attack accepts: images before normalisation, classes that the network has, epsilon in units of 1/255."""

from __future__ import annotations

import math
from numbers import Real

import torch
from torch import Tensor, nn

from shapebias.attacks.attack import Attack
from shapebias.errors import UserError

EXACT = (torch.float32, torch.float64)


def own(tensor: Tensor) -> Tensor:
    """``tensor`` outside any graph; a copy where it was made under inference mode, which gradients cannot pass."""
    if not tensor.is_inference():
        return tensor.detach()
    with torch.inference_mode(False):
        return tensor.clone()


def checked_images(images: Tensor) -> Tensor:
    """``images`` as they are, if they are float RGB in [0, 1], (N, 3, H, W). Waits for the device once.

    Raises:
        UserError: they are not; it says what they look like.
    """
    if not isinstance(images, Tensor):
        raise UserError(f"attacks take a tensor of images (N, 3, H, W) and were given {type(images).__name__}")
    shape = tuple(images.shape)
    if images.dim() == 3:
        raise UserError(f"attacks take batches (N, 3, H, W) and were given one image {shape}: pass images[None]")
    if images.dim() != 4 or shape[1] != 3:
        hint = "these have their channels last: images.movedim(-1, 1)" if shape[-1:] == (3,) else "give RGB images"
        raise UserError(f"attacks take images (N, 3, H, W) and were given {shape}: {hint}")
    if images.numel() == 0:
        raise UserError(f"attacks were given no image: {shape}")
    if images.dtype in (torch.float16, torch.bfloat16):
        raise UserError(
            f"attacks take float32 images and were given {images.dtype}, too coarse for a fraction of 1/255: "
            f"pass images.float() to a float32 network, and autocast={images.dtype} for its forward passes"
        )
    if images.dtype not in EXACT:
        raise UserError(f"attacks take float images in [0, 1] and were given {images.dtype}: images.float() / 255")
    low, high = torch.stack(torch.aminmax(images.detach())).tolist()
    if math.isnan(low) or math.isnan(high):
        raise UserError("attacks take images in [0, 1] and were given NaN: look at how the images were made")
    if low < 0 or high > 1:
        raise UserError(
            f"attacks take images in [0, 1] and were given values from {low:.6g} to {high:.6g}: {_looks(low, high)}"
        )
    return own(images)


def _looks(low: float, high: float) -> str:
    if math.isinf(low) or math.isinf(high):
        return "look at how the images were made"
    if low >= -1e-3 and high <= 1 + 1e-3:
        return "rounding, it seems: images.clamp(0, 1)"
    if low >= 0 and high <= 255:
        return "levels of 8 bits, it seems: divide by 255"
    return (
        "normalised, it seems: give them before that and let the network do it, "
        "shapebias.Classifier(network, identity, preprocessing, mean=, std=)"
    )


def checked_classes(classes: Tensor, images: Tensor, what: str) -> tuple[Tensor, int]:
    """Classes (N,) int64 on the images' device, and the largest of them. Waits for the device once.

    Raises:
        UserError: another type or shape, or a negative class; ``what`` is what they are called.
    """
    if not isinstance(classes, Tensor):
        raise UserError(f"{what} are a tensor of int64, one class per image, and were given as {_kind(classes)}")
    if classes.dtype != torch.int64 or classes.shape != images.shape[:1]:
        raise UserError(
            f"{what} are int64 of shape ({len(images)},), one class per image, and were given as "
            f"{classes.dtype} of shape {tuple(classes.shape)}: indices of the network's outputs, not names or one-hot"
        )
    low, high = torch.stack(torch.aminmax(classes)).tolist()
    if low < 0:
        raise UserError(f"{what} hold {low}: classes are counted from 0")
    return own(classes.to(images.device)), high


def checked_attack(attack: Attack) -> Attack:
    """``attack`` as it is, if it is one.

    Raises:
        UserError: it is not, but its name for instance.
    """
    if not isinstance(attack, Attack):
        raise UserError(f"attack is an Attack such as shapebias.attacks.FGSM, and was given as {_kind(attack)}")
    return attack


def checked_epsilon(epsilon: float) -> float:
    """Epsilon as a fraction of the whole range, from units of 1/255: above 0, at most 255.

    Raises:
        UserError: it is not.
    """
    if not isinstance(epsilon, Real):
        raise UserError(f"epsilon is a number, in units of 1/255, and was given as {_kind(epsilon)}")
    if not (math.isfinite(epsilon) and 0 < epsilon <= 255):
        raise UserError(f"epsilon is in units of 1/255, above 0 and at most 255, and was given as {epsilon}")
    return float(epsilon) / 255


def checked_like(tensor: Tensor, images: Tensor, what: str, bound: float = math.inf) -> Tensor:
    """``tensor`` in the images' type and place, if it has their shape; and lies in [-bound, bound], where one is given.

    Raises:
        UserError: another shape, or values outside.
    """
    if not isinstance(tensor, Tensor):
        raise UserError(f"{what} is a tensor of the images' shape, and was given as {_kind(tensor)}")
    if tensor.shape != images.shape:
        raise UserError(f"{what} has the shape {tuple(tensor.shape)}: it needs the images', {tuple(images.shape)}")
    if bound < math.inf and not bool((tensor.abs() <= bound).all()):
        raise UserError(f"{what} is a fraction of epsilon in [-{bound:g}, {bound:g}] and has values outside, or NaN")
    return own(tensor.to(images))


def checked_network(model: nn.Module, images: Tensor, autocast: torch.dtype | None) -> None:
    """Refuse a network that cannot take these images.

    Raises:
        UserError: it is no module, of another type, elsewhere or made under inference mode; or ``autocast`` is not a
            half type.
    """
    if not isinstance(model, nn.Module):
        raise UserError(f"the network is a torch.nn.Module, and was given as {_kind(model)}: put it into one's forward")
    if autocast not in (None, torch.float16, torch.bfloat16):
        raise UserError(f"autocast is torch.bfloat16, torch.float16 or None, and was given as {autocast}")
    weights = [weight for weight in model.parameters() if weight.is_floating_point()]
    if any(weight.is_inference() for weight in weights):
        raise UserError("the network was made under torch.inference_mode(): gradients need one made outside of it")
    if weights and images.dtype not in {weight.dtype for weight in weights}:
        raise UserError(
            f"the network is {weights[0].dtype} and the images are {images.dtype}: pass network.to({images.dtype}), "
            "and autocast= where its forward passes are to be in half precision"
        )
    if weights and images.device not in {weight.device for weight in weights}:
        raise UserError(f"the network is on {weights[0].device} and the images on {images.device}: move one of them")


def _kind(value: object) -> str:
    """What something is that is of no use: text as it is, anything else by its type."""
    return f"the text '{value[:40]}'" if isinstance(value, str) else type(value).__name__
