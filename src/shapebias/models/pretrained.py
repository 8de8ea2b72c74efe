"""Pretrained weights: found in the cache, downloaded, or refused at once where they cannot be had.

The hub client of timm repeats every failed request for most of a minute. So its cache is searched first,
and then the host is tried once, before timm downloads from it.
"""

from __future__ import annotations

import difflib
import http.client
import importlib
import ssl
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any

import torch

from shapebias.errors import UserError
from shapebias.libraries import timm

PATIENCE = 4.0  # seconds for a host to answer
_CACHED_NAMES = ("model.safetensors", "pytorch_model.bin")


def timm_overlay(name: str) -> dict[str, Any]:
    """Return the changes to timm's configuration of ``name`` that load its weights: a cached file, or none.

    Raises:
        UserError: timm has no such weights, or they are not in the cache and their host does not answer.
    """
    try:
        config = timm.models.get_pretrained_cfg(name)
    except RuntimeError as error:  # an unknown tag
        known = timm.list_models(f"{name.split('.')[0]}.*", pretrained=True)
        raise UserError(f"timm has no weights '{name}': there are {', '.join(known) or 'none'}") from error
    if config is None or not config.has_weights:
        names = sorted({known.split(".")[0] for known in timm.list_models(pretrained=True)})
        near = difflib.get_close_matches(name.split(".")[0], names, n=3, cutoff=0.5)
        hint = f" (it has for {', '.join(near)})" if near else ""
        raise UserError(f"timm has no pretrained weights for '{name}'{hint}: start from none or from a weights file")
    if config.file:
        return {}
    if config.hf_hub_id is None:
        check_download(str(config.url), name)
        return {}
    hub: Any = importlib.import_module("huggingface_hub")  # timm's own requirement; its cache and its settings
    repository, _, revision = config.hf_hub_id.partition("@")
    for filename in (config.hf_hub_filename,) if config.hf_hub_filename else _CACHED_NAMES:
        found = hub.try_to_load_from_cache(repository, filename, revision=revision or None)
        if isinstance(found, str):
            return {} if config.hf_hub_filename else {"file": found, "custom_load": False}
    if not hub.constants.HF_HUB_OFFLINE:  # else timm itself refuses at once
        check_host(hub.constants.ENDPOINT, name)
    return {}


def check_download(url: str, what: str) -> None:
    """Refuse weights that lie neither in torch's cache nor on a host that answers.

    Raises:
        UserError: they cannot be had.
    """
    if not (Path(torch.hub.get_dir()) / "checkpoints" / Path(urllib.parse.urlparse(url).path).name).is_file():
        check_host(url, what)


def check_host(url: str, what: str) -> None:
    """Ask ``url`` for an answer, of whatever kind, within ``PATIENCE`` seconds per address.

    Raises:
        UserError: there is none; ``what`` names the model whose weights were wanted.
    """
    try:
        with urllib.request.urlopen(urllib.request.Request(url, method="HEAD"), timeout=PATIENCE):
            return
    except urllib.error.HTTPError as error:
        error.close()
    except http.client.HTTPException:
        return
    except OSError as error:
        reason = getattr(error, "reason", error)
        if isinstance(reason, ssl.SSLError):  # it answers; the libraries bring other certificates than Python
            return
        raise no_weights(what, f"{urllib.parse.urlparse(url).hostname}: {reason}") from error


def no_weights(what: str, reason: object) -> UserError:
    """The error for pretrained weights that did not come, with the first line of the ``reason``."""
    line = (str(reason).strip() or type(reason).__name__).splitlines()[0][:200]
    return UserError(
        f"the pretrained weights of '{what}' could not be loaded ({line}): "
        "connect to the internet once, or give a weights file instead"
    )
