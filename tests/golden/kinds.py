"""Short orders of every kind: the twelve golden ones, and fifty-two that ask for one thing each in four ways.

python -m tests.golden.kinds       prints the sha256 of the notes of each, as JSON
"""

from __future__ import annotations

import hashlib
import json
import sys
import tempfile
from pathlib import Path
from typing import Any

from lstm_core.composing.players import load_playable, open_player
from lstm_core.orders.order_file import expand_order, read_order
from lstm_core.orders.planned import PlannedTrack
from tests.golden.golden import write_orders

KINDS: tuple[dict[str, Any], ...] = (
    {"loop": True, "duration_s": 8.0},
    {"form": "A:2 B:2 C:2", "key": "C", "key_changes": "B: A minor"},
    {"form": "A:2 B C:1", "bpm": 120.0, "meter_changes": "B: 3/4, C: 4/4", "duration_s": 9.0},
    {"form": "A B", "tempo_changes": "B: 130", "bpm": 100.0, "duration_s": 9.0},
    {"hits": [4.2], "duration_s": 9.0},
    {"form": "stinger", "duration_s": 4.0},
    {"chords": "Am F C G", "loop": True, "bpm": 120.0, "duration_s": 8.0},
    {"instruments": ["drums", "bass", "strings"], "duration_s": 6.0},
    {"roles": ["no melody"], "energy": 0.8, "duration_s": 6.0},
    {"rit": True, "fermata": True, "duration_s": 10.0},
    {"form": "intro:1 A:2 B:2", "loop": True, "loop_start": 1, "duration_s": 10.0},
    {"instruments": ["piano"], "polyphony": 3, "temperature": 1.2, "top_p": 0.8, "duration_s": 6.0},
    {"form": "A A'", "variation": 0.6, "density": 3.0, "duration_s": 10.0},
)
WAYS: tuple[dict[str, Any], ...] = ({"style": "game"}, {"style": "dance"}, {"style": "film"}, {})


def tracks_of_all_kinds(folder: Path) -> list[PlannedTrack]:
    """The sixty-four tracks; `folder` takes the golden order file."""
    groups = [
        {"name": f"kind-{kind}-{way}", "seed": 1000 + 10 * kind + way, "duration_s": 8.0, **WAYS[way], **KINDS[kind]}
        for kind in range(len(KINDS))
        for way in range(len(WAYS))
    ]
    golden = read_order(write_orders(folder)).planned
    return [*golden, *expand_order({"group": groups}, default_name="kinds").planned]


def notes_of_all_kinds(*, arithmetic: str = "int8") -> dict[str, str]:
    """sha256 of the notes of the first attempt at each track, by its name."""
    import torch

    torch.set_num_threads(1)
    with tempfile.TemporaryDirectory() as folder:
        tracks = tracks_of_all_kinds(Path(folder))
        takes = open_player(load_playable("base"), arithmetic=arithmetic).play([(track, 0) for track in tracks])
        return {tracks[take.number].name: hashlib.sha256(take.notes.tobytes()).hexdigest() for take in takes}


if __name__ == "__main__":
    sys.stdout.write(json.dumps(notes_of_all_kinds()) + "\n")
