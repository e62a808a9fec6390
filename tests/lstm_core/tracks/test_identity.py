"""The name of a track."""

from __future__ import annotations

from dataclasses import replace

from lstm_core.orders.order import TrackOrder
from lstm_core.sound.soundfont import SoundFontIdentity
from lstm_core.tracks.identity import Provenance, track_id_of

ORDER = TrackOrder(duration_s=16.0, bpm=120.0, key="C", seed=5)


def test_a_track_id_depends_on_all_that_makes_a_track() -> None:
    def provenance(**changes: str) -> Provenance:
        values = {"fingerprint": "a", "sha256": "b", "arithmetic": "bf16-cpu"} | changes
        soundfont = SoundFontIdentity(name="x", sha256=values["sha256"])
        return Provenance(
            checkpoint={"fingerprint": values["fingerprint"]}, soundfont=soundfont, arithmetic=values["arithmetic"]
        )

    first = track_id_of(ORDER, provenance())
    assert len(first) == 24 and first == track_id_of(replace(ORDER, name="x"), provenance())
    others = [provenance(fingerprint="c"), provenance(sha256="c"), provenance(arithmetic="float32-cpu")]
    ids = {first, track_id_of(replace(ORDER, seed=6), provenance()), *(track_id_of(ORDER, other) for other in others)}
    assert len(ids) == 5
