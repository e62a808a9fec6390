"""Which tracks of an order repeat others of it, decided so that it does not matter what was made first.

Takes count in the order of attempts, and among those of one attempt in the order of track_id. A take counts unless one
that counts before it has the same notes, or nearly the same (originality/signatures.py). Being near is not transitive,
so a track is judged only once nothing that is still to be made could come before it: a run that was killed, and knows
some of the tracks, then decides as one that was not. Tracks that start from another one are like it by intention, and
bridges between made tracks follow when these are settled: neither are judged.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from lstm_core.catalogue.records import TrackRecord
from lstm_core.orders.timing.bridge import made_ids
from lstm_core.originality.signatures import SignatureTable


def repeated_tracks(records: Iterable[TrackRecord], waiting: Mapping[str, int], *, max_attempts: int) -> list[str]:
    """The tracks, by track_id, that have to be made anew as far as that can be decided yet.

    Args:
        records: Of all tracks of the order that are there.
        waiting: The number of the next attempt at each track that is still to be made.
        max_attempts: At a track, the first included.
    """
    own = [record for record in records if not _starts_from_others(record.order)]
    takes = sorted(own, key=lambda record: (record.attempt, record.track_id))
    table = SignatureTable([take.notes_signature for take in takes])
    to_come = min(((attempt, track_id) for track_id, attempt in waiting.items()), default=None)
    fingerprints: set[str] = set()
    repeated: dict[int, str] = {}
    for number, take in enumerate(takes):
        if to_come is not None and (take.attempt, take.track_id) > to_come:
            break
        near = table.near(take.notes_signature).tolist()
        if take.score_fingerprint in fingerprints or any(other < number and other not in repeated for other in near):
            repeated[number] = take.track_id
            again = (take.attempt + 1, take.track_id)
            if again[0] < max_attempts and (to_come is None or again < to_come):
                to_come = again
        else:
            fingerprints.add(take.score_fingerprint)
    return list(repeated.values())


def _starts_from_others(order: dict[str, Any]) -> bool:
    """Whether the order of a record starts from other tracks, or joins them: it may be as like them as it is."""
    return bool(order.get("from") or order.get("between") or made_ids(order.get("bridge", "")))
