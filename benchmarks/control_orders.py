"""Random orders over all fields that a row may have, as a user would write them: names of fields and values."""

from __future__ import annotations

from typing import Any

import numpy as np

FORMS = (
    "A B",
    "A A' B A",
    "A B A B'",
    "A A",
    "A B C A'",
    "A:4 A':4 B:8",
    "A A' A''",
    "intro A B A outro",
    "intro:4 A:8 B:8",
    "verse chorus verse chorus",
)
CHORDS = ("C G Am F", "Am F C G", "Dm G7 | Cmaj7 | % | Fmaj7 Em7", "C/E F G Am", "Csus4 C5 | F | G", "E7 Am | Bdim C")
ENERGIES = ("0.2", "0.5", "0.9", "rise", "fall", "arc", "0.2 0.8 0.4", "0.1 1")
PLAYERS = (
    ("piano",), ("guitar", "bass", "drums"), ("strings*3",), ("flute", "harp", "cello"),
    ("lead", "pad", "bass", "drums"),
    ("violin", "strings", "piano"), ("organ", "choir aahs"), ("drums",), ("brass*2", "drums", "tuba"), ("music box",),
)  # fmt: skip
ROLES = ("no melody", "melody, bass", "harmony, bass", "no drums", "melody", "no bass, no drums", "figure, harmony")
METERS = ("4/4", "4/4", "4/4", "3/4", "6/8", "5/4", "2/4")
TEMPO_CHANGES = ("B: 140", "B: 100; C: 150", "A': 96", "chorus: 128", "outro: 70", "B: 20")
KEY_CHANGES = ("B: +2", "B: Ab; C: C", "A': +5", "chorus: -3", "outro: E", "C: F#")
METER_CHANGES = ("B: 3/4", "B: 6/8; A: 4/4", "B: 5/4; A': 4/4; A: 4/4", "C: 3/4; A': 4/4", "chorus: 2/4; verse: 4/4")
CUES = ("stinger", "fanfare", "stinger:2", "fanfare:3")
_NOT_WITH_MELODY = (
    "form",
    "hits",
    "tempo_changes",
    "rit",
    "fermata",
    "loop_start",
    "meter",
    "duration_s",
    "exact_tempo",
    "key_changes",
    "meter_changes",
)
CUE_SHARE, MELODY_SHARE = 0.06, 0.08  # of orders that are short cues, or accompany a tune


def random_fields(number: int, styles: tuple[str, ...], tunes: tuple[str, ...] = ()) -> dict[str, Any]:
    """The fields of random order `number`, each of them in a share of the orders; some orders contradict themselves.

    `tunes` are files that an order may accompany.
    """
    random = np.random.default_rng(number)
    is_cue = random.random() < CUE_SHARE
    fields = _of_cue(random) if is_cue else _of_music(random)
    if tunes and not is_cue and random.random() < MELODY_SHARE:
        fields["melody"] = _one(random, tunes)
        for name in _NOT_WITH_MELODY:
            if random.random() < 0.9:
                fields.pop(name, None)
    fields |= _some(random, {"style": (styles, 0.6), "energy": (ENERGIES, 0.4), "instruments": (PLAYERS, 0.5)})
    fields |= _some(random, {"layers": ((2, 3, 4), 0.12), "polyphony": (range(2, 9), 0.2)})
    return {**fields, "seed": number}


def _of_music(random: np.random.Generator) -> dict[str, Any]:
    duration_s = float(np.round(random.uniform(24.0, 90.0), 1))
    fields: dict[str, Any] = {"duration_s": duration_s, "loop": bool(random.random() < 0.5)}
    fields |= _some(
        random,
        {
            "form": (FORMS, 0.5),
            "chords": (CHORDS, 0.4),
            "roles": (ROLES, 0.3),
            "key": (("C", "Am", "F# minor", "Eb major", "free"), 0.5),
            "meter": (METERS, 0.5),
            "bpm": (range(60, 181), 0.3),
            "variation": ((0.0, 0.2, 0.5, 1.0), 0.2),
            "tempo_changes": (TEMPO_CHANGES, 0.12),
            "key_changes": (KEY_CHANGES, 0.12),
            "meter_changes": (METER_CHANGES, 0.1),
            "rit": ((0.2, 0.4, 0.9), 0.12),
            "fermata": ((True,), 0.12),
            "loop_start": ((1, 2, 4, 8), 0.2),
            "exact_tempo": ((True,), 0.05),
        },
    )
    if random.random() < 0.15:
        count = int(random.integers(1, 4))
        fields["hits"] = " ".join(f"{second:.2f}" for second in np.sort(random.uniform(2.0, 1.1 * duration_s, count)))
    return fields


def _of_cue(random: np.random.Generator) -> dict[str, Any]:
    fields = {"form": _one(random, CUES), "duration_s": float(np.round(random.uniform(0.4, 6.0), 2))}
    return fields | _some(random, {"bpm": (range(60, 181), 0.3), "key": (("C", "Am"), 0.5), "loop": ((True,), 0.1)})


def _some(random: np.random.Generator, offered: dict[str, tuple[Any, float]]) -> dict[str, Any]:
    """One value of each field that is asked for, by its share."""
    found = {}
    for name, (values, share) in offered.items():
        if random.random() < share:
            found[name] = _one(random, values)
    return found


def _one(random: np.random.Generator, values: Any) -> Any:
    return values[int(random.integers(len(values)))]
