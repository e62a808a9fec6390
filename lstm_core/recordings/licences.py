"""The licence of a recording, from its tags, in one spelling: Creative Commons ones as SPDX identifiers."""

from __future__ import annotations

import re
from collections.abc import Mapping

PUBLIC_DOMAIN = "Public domain"
MAX_LETTERS = 200  # of a licence that is not a known one
_ADDRESS = re.compile(r"creativecommons\.org/(licenses|publicdomain)/([a-z+-]+)(?:/(\d\.\d))?(?:/([a-z]{2})\b)?")
# In these texts a run of spaces, hyphens and underscores has become one space.
_ZERO = re.compile(r"\b(?:cc ?|creative commons )(?:0|zero)\b(?: ?v?(\d\.\d))?")
_SHORT = re.compile(r"\bcc (by(?: (?:nc|nd|sa))*)\b(?: ?v?(\d\.\d))?")
_LONG = re.compile(
    r"\bcreative commons attribution((?: (?:non ?commercial|no ?deriv(?:ative)?s?(?: works)?|share ?alike))*)"
    r"(?: licen[cs]e)?(?: ?\(?v?(\d\.\d))?"
)
_PUBLIC_DOMAIN = re.compile(
    r"(?:cc )?(?:(?:this )?(?:work|recording|music|song|track)? ?(?:is )?(?:in )?the )?"
    r"(?:public domain|pd)(?: (?:mark|dedication))?(?: 1\.0)?\.?"
)
_CONDITIONS = ("by", "nc", "nd", "sa")  # in the order of SPDX
_FREE = {"zero": "CC0", "mark": PUBLIC_DOMAIN, "publicdomain": PUBLIC_DOMAIN}


def licence_of_tags(tags: Mapping[str, str]) -> str | None:
    """The licence in the tags of a recording (of `tags.clean_tags`); None where they hold none.

    The licence tag goes first. Without one, a licence that we know is looked for in the copyright notice and the
    comment; else the notice itself is the answer, as it names the owner of the rights.
    """
    licence, notice = tags.get("license", ""), tags.get("copyright", "")
    if licence:
        return known_licence(licence) or _shortened(licence)
    return known_licence(notice) or known_licence(tags.get("comment", "")) or _shortened(notice) or None


def known_licence(text: str) -> str | None:
    """SPDX identifier of the one Creative Commons licence that a text names, PUBLIC_DOMAIN where that is all it says.

    None for other texts, and for those that name several. A licence without a version has none here either.
    """
    plain = re.sub(r"[\s_-]+", " ", text).strip().lower()
    if _PUBLIC_DOMAIN.fullmatch(plain):
        return PUBLIC_DOMAIN
    found = {_of_address(*match) for match in _ADDRESS.findall(text.lower())}
    found |= {_joined("CC0", version) for version in _ZERO.findall(plain)}
    found |= {_of_conditions(conditions.split(), version) for conditions, version in _SHORT.findall(plain)}
    found |= {_of_conditions(["by", *_initials(words)], version) for words, version in _LONG.findall(plain)}
    named = {one for one in found if not any(_says_more(other, one) for other in found)}
    return named.pop() if len(named) == 1 else None


def _says_more(other: str, one: str) -> bool:
    """Whether another name is this one with a version or a country: texts often name their licence twice."""
    return other.startswith(f"{one}-") and (one[-1].isdigit() or other[len(one) + 1].isdigit())


def _of_address(kind: str, name: str, version: str, country: str) -> str:
    if name in _FREE:
        return _joined(_FREE[name], version if name == "zero" else "")
    return _of_conditions(name.split("-"), version, country)


def _of_conditions(names: list[str], version: str, country: str = "") -> str:
    known = [name for name in _CONDITIONS if name in names] or names
    return _joined("CC", *(name.upper() for name in known), version, country.upper())


def _initials(words: str) -> list[str]:
    return [
        name for name, start in (("nc", "non"), ("nd", "no ?deriv"), ("sa", "share")) if re.search(rf"\b{start}", words)
    ]


def _joined(*parts: str) -> str:
    return "-".join(part for part in parts if part)


def _shortened(text: str) -> str:
    return " ".join(text.split())[:MAX_LETTERS]
