"""Records of made tracks, as far as orders read them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from lstm_core.orders.order import TrackOrder, order_fields

FOREST, CAVE = "0" * 23 + "f", "0" * 23 + "c"


def made_content(track_id: str, chords: str, **changed: Any) -> dict[str, Any]:
    """The record of a loop in 4/4 whose chords are one for each half bar."""
    names = chords.split()
    order = TrackOrder(style="game", loop=True, duration_s=20.0, loudness_lufs=-18.0, seed=5)
    form = {
        "chords": names,
        "slots_per_bar": 2,
        "energy": [0.25] + [0.5] * (len(names) // 2 - 2) + [0.75],
        "roles": {"melody": ["flute"], "bass": ["fingered bass"]},
    }
    base = {
        "track_id": track_id, "name": f"wood-00{1 + (track_id == CAVE)}", "order": order_fields(order), "form": form,
        "key": "D minor", "meter": "4/4", "bpm": 96.0, "loop": True,
    }  # fmt: skip
    return base | changed


def write_made(folder: Path, *contents: dict[str, Any]) -> str:
    """A catalogue with these records."""
    for content in contents:
        path = folder / "tracks" / content["track_id"] / "track.json"
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content))
    return str(folder)


def layer(number: int, loudness_lufs: float, *parts: str) -> dict[str, Any]:
    return {"name": f"layer-{number}", "parts": parts, "loudness_lufs": loudness_lufs, "true_peak_dbtp": -3.0}


LAYERED = {
    "layers": [
        layer(1, -24.04, "harmony: string ensemble 1"),
        layer(2, -20.06, "harmony: string ensemble 1", "drums: drums"),
        layer(3, -45.0, "harmony: string ensemble 1", "drums: drums", "melody: flute"),
    ]
}
