"""Which processor made each track of an order, beside the summary of its runs.

Tracks are the same whichever made them. Should two ever differ, this says where to look.
"""

from __future__ import annotations

import json
from collections.abc import Mapping

from lstm_core import storage


def keep_processors(catalogue: str, name: str, made: Mapping[str, str]) -> dict[str, int]:
    """Adds the processors by track_id to `summaries/NAME.processors.json`; of how many tracks of them each made.

    The file holds the tracks of every processor, those of earlier runs too, which a later one may have made again.
    """
    uri = storage.join(catalogue, "summaries", f"{name}.processors.json")
    try:
        before = json.loads(storage.read_bytes(uri))
        known = {track_id: processor for processor, ids in before.items() for track_id in ids}
    except (storage.MissingError, ValueError, AttributeError):  # none yet, or one that was cut short
        known = {}
    by_processor: dict[str, list[str]] = {}
    for track_id, processor in sorted((known | dict(made)).items()):
        by_processor.setdefault(processor, []).append(track_id)
    storage.write_bytes(uri, (json.dumps(by_processor, indent=1, sort_keys=True) + "\n").encode())
    counts = list(made.values())
    return {processor: counts.count(processor) for processor in sorted(set(counts))}
