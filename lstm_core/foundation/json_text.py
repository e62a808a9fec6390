"""JSON as every file of ours is written."""

from __future__ import annotations

import json


def json_bytes(value: object) -> bytes:
    """JSON for people and diff programs: keys sorted, indented, UTF-8."""
    return (json.dumps(value, indent=1, sort_keys=True, ensure_ascii=False) + "\n").encode()
