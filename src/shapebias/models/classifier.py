"""The interface of every model: RGB in [0, 1] in, logits and pooled latents out, normalisation inside."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, MutableMapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import asdict, dataclass
from typing import Any

import torch
from torch import Tensor, nn

from shapebias.data.holdout import TrainedOn
from shapebias.data.image_set import composed
from shapebias.data.transforms import Preprocessing
from shapebias.errors import UserError
from shapebias.files import safe_name
from shapebias.models.features import capture_features, stages_of
from shapebias.models.state_dict import weights_sha256

IMAGENET_MEAN = (0.485, 0.456, 0.406)
IMAGENET_STD = (0.229, 0.224, 0.225)


@dataclass(frozen=True)
class Identity:
    """The origin of a model and the meaning of its outputs; stated in every results file.

    ``name`` is also that of the model's folder of results, so that what is not safe there is replaced; one of several
    seeds may end in ``/seed-N``.
    ``classes`` are the names of its outputs in order, in Unicode's composed form, or None where they are not known;
    ImageNet's are its
    WordNet identifiers. ``weights_sha256`` is that of the file that the weights were read from, ours or
    ``--checkpoint``; for weights from elsewhere that of ``shapebias.models.state_dict``. ``weights`` is the name that
    these have where they come from: of a library's published weights, or of a file. ``trained_on`` is known of runs of
    ``shapebias train``.
    """

    name: str
    spec: str
    architecture: str
    classes: tuple[str, ...] | None = None
    scheme: str | None = None
    weights_sha256: str | None = None
    weights: str | None = None
    trained_on: TrainedOn | None = None

    def __post_init__(self) -> None:
        name, slash, seed = self.name.rpartition("/seed-")
        safe = f"{safe_name(name)}/seed-{seed}" if slash and seed.isdecimal() else safe_name(self.name)
        object.__setattr__(self, "name", safe)
        if self.classes is not None:
            object.__setattr__(self, "classes", tuple(map(composed, self.classes)))


class Classifier(nn.Module):
    """A network with its normalisation and preprocessing.

    ``forward`` takes float RGB images in [0, 1], (N, 3, H, W), and returns logits (N, classes). With
    ``latents=True`` it also returns the pooled latents (N, D) of every stage of ``stages``: by default
    one, the input of the classifying layer; or named modules, whose maps are averaged over space and
    whose tokens over their sequence.
    """

    mean: Tensor
    std: Tensor

    def __init__(
        self,
        network: nn.Module,
        identity: Identity,
        preprocessing: Preprocessing,
        *,
        mean: Sequence[float] = IMAGENET_MEAN,
        std: Sequence[float] = IMAGENET_STD,
        stages: Sequence[str] = (),
    ) -> None:
        super().__init__()
        self.network, self.identity, self.preprocessing = network, identity, preprocessing
        self.register_buffer("mean", torch.tensor(mean, dtype=torch.float32).view(1, 3, 1, 1), persistent=False)
        self.register_buffer("std", torch.tensor(std, dtype=torch.float32).view(1, 3, 1, 1), persistent=False)
        self.stages = tuple(stages)
        modules = dict(network.named_modules())
        for stage in stages:
            if stage not in modules:
                raise UserError(
                    f"{identity.architecture} has no stage '{stage}': it has {', '.join(stages_of(network))}"
                )

    def forward(self, images: Tensor, *, latents: bool = False) -> Tensor | tuple[Tensor, list[Tensor]]:
        """Logits of ``images``, and with ``latents`` the pooled latents of each stage."""
        images = (images - self.mean) / self.std
        if not latents:
            return self.network(images)
        with capture_features(self.network, self.stages, square=images.shape[2] == images.shape[3]) as seen:
            logits = self.network(images)
        stages = self.stages or ("the classifying layer",)
        for number, stage in enumerate(stages):
            if number not in seen:
                raise UserError(
                    f"{self.identity.architecture} did not pass through '{stage}': name another stage; "
                    "and compile the Classifier, not the network in it"
                )
        return logits, [seen[number] for number in range(len(stages))]

    def place(self, images: Tensor) -> Tensor:
        """Return ``images`` on the device and in the memory order of the weights."""
        last = any(
            weight.is_contiguous(memory_format=torch.channels_last) and not weight.is_contiguous()
            for weight in self.network.parameters()
            if weight.ndim == 4
        )
        order = torch.channels_last if last else torch.contiguous_format
        return images.to(self.mean.device, memory_format=order)

    def weights_sha256(self) -> str:
        """The hash that the identity states, made now where it states none."""
        return self.identity.weights_sha256 or weights_sha256(self.network)

    def describe(self) -> dict[str, Any]:
        """Return what a results file states of a model: its origin, its classes, and how it is shown images."""
        identity = asdict(self.identity)
        classes = identity.pop("classes")
        return {
            **identity,
            "parameters": sum(parameter.numel() for parameter in self.network.parameters()),
            "input_size": self.preprocessing.size,
            "preprocessing": asdict(self.preprocessing),
            "mean": [round(v, 4) for v in self.mean.flatten().tolist()],
            "std": [round(v, 4) for v in self.std.flatten().tolist()],
            "classes": list(classes) if classes is not None else None,
        }

    def cache_key(self) -> dict[str, Any]:
        """Return all that outputs for an image file depend on, as JSON: the model's part of every cache's key."""
        classes = self.identity.classes
        return {
            "weights_sha256": self.weights_sha256(),
            "spec": self.identity.spec,
            "architecture": self.identity.architecture,
            "classes": list(classes) if classes is not None else None,
            "preprocessing": {"kind": type(self.preprocessing).__name__, **asdict(self.preprocessing)},
            "mean": self.mean.flatten().tolist(),
            "std": self.std.flatten().tolist(),
            "stages": list(self.stages),
        }


@contextmanager
def frozen_eval(model: nn.Module, device: str | torch.device | None = None) -> Iterator[None]:
    """Put a model in evaluation mode with frozen parameters and gradients allowed, whatever surrounds it.

    Afterwards, also after an exception, every module has its own ``training`` flag again, every parameter its values
    where and as they lay, its ``requires_grad`` and its ``grad``, and every buffer its value. The flags are set one by
    one, for ``train`` may be overridden. Frozen parameters receive no ``grad``, whatever is propagated back. Meanwhile
    the model has copies of its buffers: some count in evaluation mode too, and gradients cannot pass those that were
    made under inference mode.

    With a ``device`` a ``Classifier`` is moved there, and its weights are put in channels-last order, faster on most
    devices, unless it does not take images in it, as networks that flatten by ``view``. Its ``place`` orders images.
    """
    trained = [parameter for parameter in model.parameters() if parameter.requires_grad]
    buffers = [
        (module, name, buffer) for module in model.modules() for name, buffer in module.named_buffers(recurse=False)
    ]
    with ExitStack() as afterwards, torch.inference_mode(False), torch.enable_grad():

        def put(owner: nn.Module | nn.Parameter, name: str, value: Any) -> None:
            afterwards.callback(setattr, owner, name, getattr(owner, name))
            setattr(owner, name, value)

        copies = {id(buffer): buffer.detach().clone() for _, _, buffer in buffers}
        for module in model.modules():
            put(module, "training", False)
        for parameter in trained:
            put(parameter, "requires_grad", False)
        for module, name, buffer in buffers:
            put(module, name, copies[id(buffer)])
        if device is not None:
            _place_weights(model, torch.device(device), afterwards)
        yield


def _place_weights(model: nn.Module, device: torch.device, afterwards: ExitStack) -> None:
    """Move a ``Classifier`` to ``device``, in channels-last order if it takes images in it, until ``afterwards``."""
    for module in model.modules():  # between devices of some kinds a move replaces the parameters themselves
        afterwards.callback(_put_back, module._parameters, dict(module._parameters))
    for parameter in model.parameters():
        afterwards.callback(setattr, parameter, "grad", parameter.grad)
        afterwards.callback(setattr, parameter, "data", parameter.data)
        parameter.grad = None
    model.to(device)
    parameters = [(parameter, parameter.data) for parameter in model.parameters()]
    buffers = [(module, dict(module._buffers)) for module in model.modules()]
    model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    if not isinstance(model, Classifier) or all(one.stride() == data.stride() for one, data in parameters):
        return
    size = model.preprocessing.size
    try:
        with torch.inference_mode():
            model(model.place(torch.zeros(2, 3, size, size)))
    except Exception:  # of the network's own code; if it takes no images at all, whoever passes some says so
        for parameter, data in parameters:
            parameter.data = data
        for module, own in buffers:
            _put_back(module._buffers, own)


def _put_back(tensors: MutableMapping[str, Any], own: Mapping[str, Any]) -> None:
    """Give a module its ``own`` tensors again, one by one: those of TorchScript know no other way."""
    for name, tensor in own.items():
        tensors[name] = tensor


def check_size(model: Classifier, *, latents: bool = False) -> None:
    """Pass one black image of the model's size through it, and with ``latents`` take those of its stages.

    Raises:
        UserError: it does not take images of this size, or passes by a stage.
    """
    size = model.preprocessing.size
    try:
        with frozen_eval(model), torch.inference_mode():
            model(model.place(torch.zeros(1, 3, size, size)), latents=latents)
    except (AssertionError, RuntimeError, ValueError) as error:
        reason = " ".join(str(error).split())[:200]
        raise UserError(f"{model.identity.architecture} does not take images of --size {size}: {reason}") from error
