"""Tags of a recording: artist, title, licence and the like, as provenance to be kept."""

from __future__ import annotations

import re

MAX_TAGS = 64
MAX_VALUE_LETTERS = 1000
# Names that mean the same; the left ones come from some programs or from ID3 frames that FFmpeg does not rename.
_SYNONYMS = {
    "licence": "license",
    "wcop": "license",  # ID3: address of the copyright terms
    "wm/copyrighturl": "license",
    "copyrighturl": "license",
    "author": "artist",
    "icop": "copyright",
    "tcop": "copyright",
    "year": "date",
    "tyer": "date",
    "tdrc": "date",
    "description": "comment",
}
# Tags about the structure of the file.
_TECHNICAL = frozenset("major_brand minor_version compatible_brands handler_name vendor_id language duration".split())


def clean_tags(tags: dict[str, str]) -> dict[str, str]:
    """Tags with lower-case names in ascending order, at most MAX_TAGS; synonyms under one name, the plain one first."""
    found: dict[str, str] = {}
    plain_first = sorted(tags.items(), key=lambda item: (item[0].lower() in _SYNONYMS, item[0].lower(), item[0]))
    for raw_name, raw_value in plain_first:
        name = raw_name.strip().lower()
        name = _SYNONYMS.get(name, name)
        value = re.sub(r"[\x00-\x1f\x7f�]+", " ", raw_value).strip()[:MAX_VALUE_LETTERS]
        if name in _TECHNICAL:
            continue
        if value and re.fullmatch(r"[a-z0-9_ ./:-]{1,64}", name) and name not in found and len(found) < MAX_TAGS:
            found[name] = value
    return dict(sorted(found.items()))
