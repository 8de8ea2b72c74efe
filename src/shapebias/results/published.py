"""Published shape biases of models whose weights are known: by their name in a library, or by the hash of their file.

All are on the published 1,280 cue-conflict images, with the mean over the members of each category. Names of models in
the source that fit several weights of a library are left out.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

GAVRIKOV = "Gavrikov and Keuper, CVPR 2024: benchmark.csv of github paulgavrikov/biases_vs_generalization"
GEIRHOS = "Geirhos et al., ICLR 2019, and README of github rgeirhos/Stylized-ImageNet"

_TIMM = {
    "lambda_resnet50ts.a1h_in1k": 0.22951,
    "nf_resnet50.ra2_in1k": 0.25573,
    "resnet50.a1_in1k": 0.20991,
    "resnet50.a1h_in1k": 0.17282,
    "resnet50.a2_in1k": 0.16285,
    "resnet50.a3_in1k": 0.12797,
    "resnet50.b1k_in1k": 0.18799,
    "resnet50.b2k_in1k": 0.17572,
    "resnet50.c1_in1k": 0.17815,
    "resnet50.c2_in1k": 0.18213,
    "resnet50.d_in1k": 0.1704,
    "resnet50.fb_ssl_yfcc100m_ft_in1k": 0.2096,
    "resnet50.fb_swsl_ig1b_ft_in1k": 0.28479,
    "resnet50.tv2_in1k": 0.17191,
    "resnet50.tv_in1k": 0.21465,
    "resnet50_gn.a1h_in1k": 0.26052,
    "resnetv2_50x1_bit.goog_distilled_in1k": 0.31314,
    "vit_base_patch16_224.augreg_in1k": 0.30601,
    "vit_base_patch16_224.sam_in1k": 0.38177,
    "vit_base_patch32_224.augreg_in1k": 0.57252,
}
_TORCHVISION = {"resnet50.IMAGENET1K_V1": 0.21465, "resnet50.IMAGENET1K_V2": 0.17191}
_RESNET50_FILES = {  # the first 8 digits of the file's SHA-256, which the publishers put into its name
    "0676ba61": ("torchvision's resnet50.IMAGENET1K_V1", 0.21465, GAVRIKOV),
    "11ad3fa6": ("torchvision's resnet50.IMAGENET1K_V2", 0.17191, GAVRIKOV),
    "c8e5653e": ("ResNet-50 trained on Stylized-ImageNet", 0.814, GEIRHOS),
    "2a0d100e": ("ResNet-50 trained on Stylized-ImageNet and ImageNet", 0.347, GEIRHOS),
    "ca06340c": ("ResNet-50 trained on both and fine-tuned on ImageNet", 0.205, GEIRHOS),
}


def published_shape_bias(model: Mapping[str, Any]) -> dict[str, Any] | None:
    """Return ``{"of", "value", "source"}`` for the description of a model in a results file; None if it is not known.

    >>> model = {"spec": "timm:resnet50", "architecture": "resnet50", "weights": "resnet50.a1_in1k"}
    >>> published_shape_bias(model)["value"]
    0.20991
    """
    architecture = str(model.get("architecture")).partition(".")[0]
    digits, weights = str(model.get("weights_sha256"))[:8], str(model.get("weights"))
    if architecture == "resnet50" and digits in _RESNET50_FILES:
        of, value, source = _RESNET50_FILES[digits]
        return {"of": of, "value": value, "source": source}
    torchvision = str(model.get("spec")).startswith("torchvision:")
    of = f"{architecture}.{weights}" if torchvision else weights
    value = (_TORCHVISION if torchvision else _TIMM).get(of)
    library = "torchvision" if torchvision else "timm"
    return None if value is None else {"of": f"{library}'s {of}", "value": value, "source": GAVRIKOV}


def published_text(details: Mapping[str, Any]) -> str | None:
    """Return a sentence on the published shape bias in the ``details`` of a measured one; None without one."""
    found = details.get("published")
    if not isinstance(found, dict) or not isinstance(value := found.get("value"), float):
        return None
    where = "on the 1,280 published images"
    return f"published for {found.get('of')}: {100 * value:.1f} % {where} ({found.get('source')})"
