"""ImageNet's 1000 classes in the order of every published network's outputs: sorted WordNet identifiers.

The list is timm's own (``timm.data.ImageNetInfo``), so none is kept here.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Sequence
from functools import cache
from typing import Any

COUNT = 1000


@cache
def wordnet_ids() -> tuple[str, ...]:
    """The identifiers, ``n01440764`` first.

    Raises:
        RuntimeError: timm's list is not the 1000 identifiers in sorted order.
    """
    ids = tuple(_info().label_names())
    if len(ids) != COUNT or list(ids) != sorted(set(ids)):
        raise RuntimeError("timm's ImageNet classes are not 1000 sorted WordNet identifiers: use another timm")
    return ids


def described(wnid: str) -> str:
    """An identifier with its name, for messages: ``n01440764 (tench)``; any other name as it is."""
    return f"{wnid} ({_synonyms(wnid)[0]})" if wnid in wordnet_ids() else wnid


def naming_of(names: Sequence[str]) -> str:
    """Guess how names that are not WordNet identifiers may name ImageNet's classes.

    Returns:
        "indices" where all ``names`` are numbers from 0 to 999, "words" where all are ImageNet's names in
        words (case, spaces, hyphens and underscores do not matter), "" otherwise.
    """
    if names and all(name.isascii() and name.isdecimal() and int(name) < COUNT for name in names):
        return "indices"
    return "words" if names and {_plain(name) for name in names} <= _words() else ""


@cache
def _words() -> frozenset[str]:
    return frozenset(_plain(word) for wnid in wordnet_ids() for word in _synonyms(wnid))


def category_word(name: str) -> str:
    """Return a class's name as lowercase letters, of which the names of cue-conflict images are made.

    A WordNet identifier gives its first name: ``n02102040`` is ``englishspringer``, and ``Persian_cat`` is
    ``persiancat``. An unknown identifier and a name without a letter from a to z are returned as they are.
    """
    if re.fullmatch(r"n\d{8}", name):
        if name not in _lemmas():
            return name
        named = _synonyms(name)[0]
    else:
        named = name
    letters = unicodedata.normalize("NFKD", named.casefold())
    return "".join(character for character in letters if "a" <= character <= "z") or name


def category_words(names: Sequence[str]) -> tuple[str, ...]:
    """Return ``category_word`` of each name; names that would share one stay as they are."""
    words = [category_word(name) for name in names]
    count = Counter(words)
    return tuple(word if count[word] == 1 else name for name, word in zip(names, words, strict=True))


def _synonyms(wnid: str) -> list[str]:
    return _info().label_name_to_description(wnid).split(", ")


def _plain(name: str) -> str:
    return "".join(character for character in name.casefold() if character.isalnum())


@cache
def _lemmas() -> frozenset[str]:
    return frozenset(_timm().data.ImageNetInfo("imagenet-22k").label_names())


@cache
def _info() -> Any:
    return _timm().data.ImageNetInfo("imagenet-1k")


def _timm() -> Any:
    from shapebias.libraries import timm  # seconds, and few folders need its lists

    return timm
