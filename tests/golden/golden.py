"""The golden catalogue: twelve tracks, byte by byte, that a refactoring leaves as they are.

    python -m tests.golden.golden events   what the base model plays: the notes of first attempts, in seconds
    python -m tests.golden.golden check    whole tracks through the command line: every file of each
    python -m tests.golden.golden renew    writes catalogue.json anew: only for a change of sound that is meant

They are the same on every kind of processor. They hang on the versions of what computes, which catalogue.json names.
"""

from __future__ import annotations

import argparse
import hashlib
import json
import os
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from importlib import metadata, util
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(__file__).resolve().parent
ORDERS = FOLDER / "orders.toml"
CATALOGUE = FOLDER / "catalogue.json"
PACKAGES = ("numpy", "scipy", "torch", "numba", "symusic", "soundfile", "pyloudnorm", "pillow", "pretty_midi")
ONE_THREAD = dict.fromkeys(("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS", "NUMBA_NUM_THREADS"), "1")
RECORD, SCORE = "track.json", "score.mid"
LONGEST_VALUE = 200  # characters of a value of a record that are kept; of a longer one the hash is


@dataclass(frozen=True, kw_only=True)
class GoldenTrack:
    """What is kept of a track."""

    track_id: str
    files: dict[str, str]  # sha256 by name, track.json included
    record: dict[str, str]  # JSON of each value and gate of track.json but for its files, or "sha256 ..." of a long one


Tracks = dict[str, GoldenTrack]  # by the name of the order


@dataclass(frozen=True, kw_only=True)
class Golden:
    """What catalogue.json holds."""

    made_with: dict[str, str]  # versions of what computes
    events: dict[str, str]  # sha256 of the notes of each first attempt, by the name of the order
    tracks: Tracks


def read_golden(path: Path = CATALOGUE) -> Golden:
    """The golden catalogue."""
    content = json.loads(path.read_text(encoding="utf-8"))
    tracks = {name: GoldenTrack(**track) for name, track in content.pop("tracks").items()}
    return Golden(**content, tracks=tracks)


def write_golden(golden: Golden, path: Path = CATALOGUE) -> None:
    """Writes a golden catalogue; the same one gives the same bytes."""
    path.write_text(json.dumps(asdict(golden), indent=1, sort_keys=True) + "\n", encoding="utf-8")


def made_here() -> dict[str, str]:
    """The versions of what computes, as `made_with` holds them."""
    return {name: metadata.version(name) for name in PACKAGES}


def foreign(golden: Golden) -> list[str]:
    """Why tracks made here may differ from the golden ones although no code did: one line each, none where alike."""
    here = made_here()
    return [
        f"{name}: the golden catalogue was made with {was}, here is {here.get(name, 'none')}"
        for name, was in golden.made_with.items()
        if here.get(name) != was
    ]


def make_events(folder: Path) -> dict[str, str]:
    """sha256 of the notes of each order's first attempt, by name; `folder` takes the order file."""
    import torch

    from lstm_core.composing.players import load_playable, open_player
    from lstm_core.orders.order_file import read_order

    torch.set_num_threads(1)
    tracks = read_order(write_orders(folder)).planned
    takes = open_player(load_playable("base")).play([(track, 0) for track in tracks])
    played = {tracks[take.number].name: _sha256(take.notes.tobytes()) for take in takes}
    return {track.name: played[track.name] for track in tracks}


def make_tracks(folder: Path, *, limits: Mapping[str, str] | None = None) -> Tracks:
    """The twelve tracks as the command line makes them, in a catalogue inside `folder`.

    `limits` are variables that have libraries take the processor for another one.

    Raises:
        RuntimeError: the command failed, or held a track back.
    """
    catalogue = folder / "catalogue"
    options = ["--set", f"soundfont={_soundfont()}"]
    command = [*_tonemill(), "generate", "base", str(write_orders(folder)), str(catalogue), *options]
    environment = {**os.environ, **ONE_THREAD, **(limits or {}), "PYTHONPATH": str(ROOT)}
    done = subprocess.run(command, cwd=ROOT, env=environment, capture_output=True, text=True)
    if done.returncode != 0:
        raise RuntimeError(f"tonemill generate ended with {done.returncode}:\n{done.stdout}\n{done.stderr}")
    return read_tracks(catalogue)


def read_tracks(catalogue: Path) -> Tracks:
    """What is to be kept of the tracks of a catalogue, by the names of their orders."""
    tracks = {}
    for folder in (catalogue / "tracks").iterdir():
        content = json.loads((folder / RECORD).read_bytes())
        files = {
            path.relative_to(folder).as_posix(): _sha256(path.read_bytes())
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        content |= {f"gate {gate['name']}": gate for gate in content.pop("gates")}
        record = {key: _value(value) for key, value in content.items() if key != "files"}
        tracks[content["name"]] = GoldenTrack(track_id=content["track_id"], files=files, record=record)
    return dict(sorted(tracks.items()))


def differences(golden: Tracks, made: Tracks) -> list[str]:
    """One line for each track, file and value of a record in which two catalogues differ."""
    lines = []
    for name in sorted(golden.keys() | made.keys()):
        if name not in made or name not in golden:
            lines.append(f"{name}: {'was not made' if name in golden else 'is not in the golden catalogue'}")
        else:
            lines += [f"{name}: {line}" for line in _differences(golden[name], made[name])]
    return lines


def differing_events(golden: Mapping[str, str], made: Mapping[str, str]) -> list[str]:
    """One line for each order whose notes differ."""
    names = sorted(golden.keys() | made.keys())
    return [f"{name}: other notes" for name in names if golden.get(name) != made.get(name)]


def _differences(golden: GoldenTrack, made: GoldenTrack) -> list[str]:
    names = sorted(golden.files.keys() | made.files.keys())
    differing = [name for name in names if golden.files.get(name) != made.files.get(name)]
    # The record lists the hashes of the files: it always differs where one of them does.
    values = [
        f"  {RECORD}, {key}: {golden.record.get(key, 'none')} -> {made.record.get(key, 'none')}"
        for key in sorted(golden.record.keys() | made.record.keys())
        if golden.record.get(key) != made.record.get(key)
    ]
    if not differing and not values:
        return []
    if SCORE in differing:
        kind = "other notes"
    elif [name for name in differing if name.endswith((".flac", ".wav"))]:
        kind = "the same notes, another sound"
    elif differing == [RECORD]:
        kind = "only the record differs"
    else:
        kind = "the same notes and sound, other files"
    return [kind, *(f"  {name} {_change(name, golden, made)}" for name in differing if name != RECORD), *values]


def _change(name: str, golden: GoldenTrack, made: GoldenTrack) -> str:
    if name not in made.files:
        return "is missing"
    return "differs" if name in golden.files else "is new"


def _value(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= LONGEST_VALUE else f"sha256 {_sha256(text.encode())}"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def write_orders(folder: Path) -> Path:
    """The order file in `folder`, with the primer that it names beside it."""
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "primer.mid").write_bytes(_primer())
    path = folder / ORDERS.name
    path.write_bytes(ORDERS.read_bytes())
    return path


def _primer() -> bytes:
    """A MIDI file of four bars in 4/4, a tune of the piano in quarters; by hand, so that no code of ours is in it."""
    body = b"\x00\xff\x51\x03\x07\xa1\x20\x00\xff\x58\x04\x04\x02\x18\x08\x00\xc0\x00"  # 120 bpm, 4/4, piano
    for pitch in (60, 64, 67, 64, 65, 69, 72, 69, 67, 71, 74, 71, 72, 67, 64, 60):
        body += bytes((0x00, 0x90, pitch, 90, 0x60, 0x80, pitch, 0))  # 0x60 ticks: a quarter
    body += b"\x00\xff\x2f\x00"
    return b"MThd\x00\x00\x00\x06\x00\x00\x00\x01\x00\x60MTrk" + len(body).to_bytes(4, "big") + body


def _tonemill() -> list[str]:
    """The command `tonemill` of this checkout, wherever its function is: an installed one may be of another."""
    scripts = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]["scripts"]
    module, _, function = scripts["tonemill"].partition(":")
    return [sys.executable, "-c", f"import sys; from {module} import {function}; sys.exit({function}())"]


def _soundfont() -> Path:
    """TimGM6mb, which is the same wherever the package pretty_midi is."""
    found = util.find_spec("pretty_midi")
    assert found is not None and found.origin is not None
    return Path(found.origin).parent / "TimGM6mb.sf2"


def main() -> int:
    """Does what the command line asks; gives back the exit status, 1 where something differs."""
    parser = argparse.ArgumentParser(prog="python -m tests.golden.golden", description=__doc__.split("\n\n")[0])
    parser.add_argument("what", choices=("events", "check", "renew"))
    what = parser.parse_args().what
    with tempfile.TemporaryDirectory(prefix="tonemill-golden-") as name:
        folder = Path(name)
        if what == "renew":
            return _renew(folder)
        golden = read_golden()
        if what == "events":
            lines = differing_events(golden.events, make_events(folder))
        else:
            lines = differences(golden.tracks, make_tracks(folder))
    print("\n".join([*lines, *(foreign(golden) if lines else [f"{len(golden.tracks)} tracks, no difference"])]))
    return 1 if lines else 0


def _renew(folder: Path) -> int:
    golden = Golden(made_with=made_here(), events=make_events(folder), tracks=make_tracks(folder))
    if CATALOGUE.exists():
        before = read_golden()
        print("\n".join(differences(before.tracks, golden.tracks) or ["no track differs from what was kept"]))
    write_golden(golden)
    print(f"wrote {CATALOGUE.relative_to(ROOT)}; look at its difference before you commit it")
    return 0


if __name__ == "__main__":
    sys.exit(main())
