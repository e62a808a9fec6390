"""Twelve takes of every kind become a catalogue: what a processor may change after the notes, which are given.

python -m tests.lstm_core.tracks.processor_takes FOLDER    makes the catalogue and prints the sha256 of each file
"""

from __future__ import annotations

import hashlib
import json
import math
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np

from lstm_core.analysis.chords import find_tune_chords, tune_key
from lstm_core.analysis.grid import make_grid
from lstm_core.analysis.piece import analyse
from lstm_core.catalogue.folder import commit_track, write_catalog
from lstm_core.composing.take import Take
from lstm_core.notes.score import DRUMS, NoteArray, make_notes
from lstm_core.orders.admission import admit
from lstm_core.orders.order import TrackOrder, order_digest
from lstm_core.orders.order_file import read_order
from lstm_core.originality.index import build_index
from lstm_core.representations.plan.layout import Plan
from lstm_core.sound.soundfont import identity_of
from lstm_core.tracks.finishing import finish_track, form_of_take
from lstm_core.tracks.identity import Provenance
from lstm_core.tracks.originals import EarlierTracks, Originals
from lstm_core.tracks.replay import Replay
from lstm_core.tracks.track_picture import draw_track, planned_roles
from tests.golden.golden import write_orders
from tests.lstm_core.catalogue.made_up_forms import made_plan
from tests.lstm_core.originality.melodies import random_melody, score_of
from tests.lstm_core.sounds import bundled_soundfont, six_parts

ORDERS = {
    "ending": TrackOrder(duration_s=6.0, bpm=120.0),
    "loop-stems-24": TrackOrder(duration_s=4.0, bpm=120.0, loop=True, stems=True, bit_depth=24),
    "hall-24-at-48": TrackOrder(duration_s=5.0, bpm=96.0, reverb="hall", bit_depth=24, sample_rate=48000),
    "dry-wav-24": TrackOrder(duration_s=4.0, bpm=120.0, reverb="none", format="wav", bit_depth=24),
    "wav-16": TrackOrder(duration_s=4.0, bpm=120.0, format="wav", loudness_lufs=-23.0),
    "limited-wav-32": TrackOrder(duration_s=4.0, bpm=120.0, loop=True, format="wav", bit_depth=32, loudness_lufs=-9.0),
    "layers-after-intro": TrackOrder(duration_s=8.0, bpm=120.0, loop=True, loop_start=1, layers=3, bit_depth=24),
    "layers-ending": TrackOrder(duration_s=5.0, bpm=120.0, layers=2, loudness_lufs=-12.0),
    "stinger": TrackOrder(duration_s=2.0, form="stinger"),
    "hits": TrackOrder(duration_s=8.0, bpm=120.0, hits="3.95", stems=True, format="wav", bit_depth=32),
    "slower-at-the-end": TrackOrder(duration_s=14.0, bpm=120.0, rit=0.3, fermata=True, bit_depth=24),
    "every-instrument": TrackOrder(duration_s=12.0, bpm=160.0, format="wav", bit_depth=32, reverb="hall"),
}


def take_of(name: str, num_ticks: int) -> Take:
    """Chords, a bass, drums and a tune; for every-instrument one note of each, of two octaves and three velocities."""
    if name == "every-instrument":
        places = np.arange(128) * (num_ticks - 48) // 128
        rows = [
            (int(tick), 24, program, 40 + 12 * step + program % 12, 40 + 40 * step)
            for program, tick in enumerate(places)
            for step in range(3)
        ]
        rows += [(int(tick), 12, DRUMS, 35 + n % 47, 60 + n % 60) for n, tick in enumerate(places)]
        return Take(notes=make_notes(rows))
    rows = [
        (tick, length, program, pitch + (0, 2, 4, 5, 7)[beat % 5], 70 + 7 * (beat % 8))
        for beat, tick in enumerate(range(0, max(num_ticks - 24, 1), 24))
        for program, pitch, length in ((48, 60, 24), (48, 64, 20), (33, 36, 22), (73, 72, 11), (24, 55, 30))
    ]
    rows += [(tick, 6, DRUMS, 36 + tick // 24 % 3 * 2, 90) for tick in range(0, max(num_ticks - 24, 1), 12)]
    return Take(notes=make_notes(rows))


def planned(take: Take, num_bars: int) -> Take:
    """The take with a plan of the made-up kind, so that it has a form, roles and parts."""
    plan: Plan = made_plan("A", num_bars)
    notes: NoteArray = take.notes.copy()
    notes["part"] = [plan.programs.tolist().index(program) for program in notes["program"]]
    return replace(take, notes=notes, plan=plan)


def make_catalogue(folder: Path) -> Iterator[tuple[str, bool]]:
    """Makes the twelve tracks; yields the name and verdict of each gate."""
    soundfont = bundled_soundfont()
    checkpoint = {"fingerprint": "f", "name": "made up", "licences": {"CC0-1.0": 2}}
    provenance = Provenance(checkpoint=checkpoint, soundfont=identity_of(soundfont), arithmetic="float32-cpu")
    tunes = [(f"tune {seed}", score_of(*random_melody(seed, 60))) for seed in range(2)]
    originals = Originals(runs=(build_index(tunes),), earlier=EarlierTracks())
    records = []
    for number, (name, order) in enumerate(ORDERS.items()):
        track = replace(admit(replace(order, name=name, key="C major", seed=number)), track_id=f"t{number:02d}")
        last = track.plan.final_bar
        take = take_of(name, track.plan.total_ticks if last is None else track.plan.tick_of(last))
        if name.startswith(("layers", "loop", "slower")):
            take = planned(take, track.plan.num_bars)
        made = finish_track(track, 0, take, provenance, soundfont, originals=originals)
        if take.plan is not None:
            form, score = form_of_take(track, take), take.score(track.plan)
            roles = planned_roles(take.notes, take.plan)
            assert form is not None
            made.files["picture.png"] = draw_track(score, form, roles, Replay(track=track, take=take))
        records.append(commit_track(str(folder), made.record, made.files))
        yield from ((f"{name} {gate.name}", gate.is_passed) for gate in made.gates)
    write_catalog(str(folder), records)


def hashes(folder: Path) -> dict[str, str]:
    """sha256 of every file of a folder by its name in it."""
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest() for path in files}


def decisions(folder: Path) -> dict[str, str]:
    """What is decided of the golden orders before a note is chosen, and of music that is given."""
    tracks = read_order(write_orders(folder)).planned
    found = {f"order {track.name}": f"{order_digest(track.order)} {track.plan!r}" for track in tracks}
    found |= {f"order {name}": repr(admit(order).plan) for name, order in ORDERS.items()}
    for seed in range(4):
        tune, piece = score_of(*random_melody(seed, 60)), six_parts(8, seed=seed)
        grid = make_grid(tune)
        found[f"key {seed}"] = repr(key := tune_key(tune.notes, grid))
        found[f"chords {seed}"] = repr(vars(find_tune_chords(tune.notes, grid, key)))
        found[f"analysis {seed}"] = repr(
            {name: np.asarray(value).tolist() for name, value in vars(analyse(piece)).items()}
        )
    return {name: hashlib.sha256(text.encode()).hexdigest() for name, text in found.items()}


def library_values() -> dict[str, str]:
    """sha256 of what the C library and NumPy make of some numbers."""
    numbers = np.linspace(0.01, 7.0, 20_000)
    libm = np.array([math.exp(x) + math.sin(x) + math.log(x) for x in numbers.tolist()])
    numpy = np.log10(numbers) + np.power(numbers, 0.8)
    return {"libm": hashlib.sha256(libm.tobytes()).hexdigest(), "numpy": hashlib.sha256(numpy.tobytes()).hexdigest()}


if __name__ == "__main__":
    catalogue = Path(sys.argv[1], "catalogue")
    gates = dict(make_catalogue(catalogue))
    made = {"files": hashes(catalogue), "gates": gates, "decisions": decisions(Path(sys.argv[1], "orders"))}
    print(json.dumps({"made": made, "libraries": library_values()}))
