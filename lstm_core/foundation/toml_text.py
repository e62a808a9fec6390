"""Values as TOML spells them."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any


class Bare(str):
    """A text that stands in TOML without quotes."""


def toml_key(key: str) -> str:
    """A key, in quotes where it needs them."""
    return key if re.fullmatch(r"[A-Za-z0-9_-]+", key) else toml_value(key)


def toml_value(value: Any) -> str:
    """A value on one line: text, number, truth value, date, list or inline table."""
    if isinstance(value, Bare):
        return str(value)
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list | tuple):
        return "[" + ", ".join(map(toml_value, value)) + "]"
    if isinstance(value, Mapping):
        return "{ " + ", ".join(f"{toml_key(key)} = {toml_value(inner)}" for key, inner in value.items()) + " }"
    return str(value.isoformat()) if hasattr(value, "isoformat") else repr(value)
