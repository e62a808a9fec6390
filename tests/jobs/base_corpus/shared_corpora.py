"""A folder of corpora like the one beside the project, with a few bars of music in each."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from jobs.base_corpus.mutopia import PIECES_NAME
from lstm_core.notes.midi import write_midi
from lstm_core.notes.score import NOTE_DTYPE, Score, Tempo, tidy

BSD = "Contributors to the {} project\n\nRedistribution and use in source and binary forms, ...\n"
HEADER = "file\tcomposer\ttitle\tinstrument\tstyle\tlicence"
PIECES = (
    "a.mid\tBachJS\tFuga I\tOrgan\tBaroque\tPublic Domain",
    "b.mid\tBrownCJ\tToccatina\tPiano\tModern\tCreative Commons Attribution 3.0",
    "c.mid\tDoeJ\tPrelude\tPiano\tModern\tCreative Commons Attribution-ShareAlike 4.0",
    "d.mid\tArbanJB\tFirst Studies\tTrumpet\tTechnique\tPublic Domain",
)


def tune(*, bpm: float = 60.0, num_parts: int = 1, velocity: int = 90, program: int = 0, pitch: int = 60) -> bytes:
    """Four bars of quarters as a MIDI file."""
    notes = np.zeros(16 * num_parts, dtype=NOTE_DTYPE)
    for part in range(num_parts):
        own = notes[part::num_parts]
        own["onset"], own["duration"] = np.arange(16) * 24, 24
        own["pitch"], own["part"] = pitch - 7 * part + np.arange(16) % 5, part
    notes["velocity"], notes["program"] = velocity, program
    return write_midi(Score(notes=tidy(notes), tempos=(Tempo(tick=0, bpm=bpm),)), by_part=True)


HELLAND = ("Cyaron's Gate", "Crossroads", "Dark Knight", "Daybreak", "Destiny", "From Here", "Thugs")


def make_shared(folder: Path, *, pieces: tuple[str, ...] = PIECES) -> Path:
    """The folder, filled."""
    texts = {
        "freedoom/COPYING.adoc": BSD.format("Freedoom"),
        "blasphemer/COPYING.md": BSD.format("Blasphemer"),
        "helland/LICENSE.md": "Creative Commons Attribution 4.0 International Public License",
        "openscore-lieder/LICENSE.txt": "CC0 1.0 Universal",
        "openscore-quartets/LICENSE.txt": "CC0 1.0 Universal",
        f"mutopia/{PIECES_NAME}": "\n".join([HEADER, *pieces]) + "\n",
    }
    names = ["freedoom/d_e1m1.mid", "freedoom/dummy.mid", "blasphemer/mus_e2m5.mid"]
    names += [f"helland/{name}.mid" for name in HELLAND]
    names += ["openscore-lieder/lc1.mxl", "openscore-quartets/sq1.mxl"]
    names += [f"mutopia/{row.partition(chr(9))[0]}" for row in pieces]
    for name, data in {**{n: t.encode() for n, t in texts.items()}, **{n: tune() for n in names}}.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)
    return folder
