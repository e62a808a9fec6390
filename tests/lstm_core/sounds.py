"""Sounds for tests: a six-part score, a hand-made SoundFont, and FFmpeg as a second opinion."""

from __future__ import annotations

import importlib.util
import io
import struct
from pathlib import Path

import av
import numpy as np

from lstm_core.notes.score import DRUMS, Score, Tempo, make_notes
from lstm_core.sound.soundfont import SoundFont, find_soundfont

CHORDS = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14))
MAJOR = (0, 2, 4, 5, 7, 9, 11)
SAMPLE_RATE = 44100


def six_parts(num_bars: int = 8, bpm: float = 120.0, seed: int = 0) -> Score:
    """Piano, bass, strings, flute, pad and drums in C, bars of 4/4; something new in every bar."""
    random = np.random.default_rng(seed)
    rows: list[tuple[int, int, int, int, int]] = []
    for bar in range(num_bars):
        chord, start = CHORDS[bar % 4], bar * 96
        for beat in range(4):
            rows.append((start + 24 * beat, 22, 33, 36 + chord[0 if beat % 2 == 0 else 2] % 12, 90))
            rows.append((start + 24 * beat, 6, DRUMS, 36 if beat % 2 == 0 else 38, 100))
            rows += [(start + 24 * beat + 12 * i, 6, DRUMS, 42, 70) for i in range(2)]
            if random.random() < 0.8:
                rows.append((start + 24 * beat, 20, 73, 72 + MAJOR[random.integers(7)], 85))
        rows += [(start, 94, 48, 60 + step, 60) for step in chord]
        rows += [(start, 94, 89, 48 + step, 50) for step in chord]
        rows += [(start + 12 * i, 14, 0, 60 + chord[i % 3], 60 + int(random.integers(30))) for i in range(8)]
    return Score(notes=make_notes(rows), tempos=(Tempo(tick=0, bpm=bpm),))


def sine(hz: float, seconds: float, *, level: float = 0.5, sample_rate: int = SAMPLE_RATE) -> np.ndarray:
    """float32 [2, S], both channels the same."""
    wave = level * np.sin(2 * np.pi * hz * np.arange(round(seconds * sample_rate)) / sample_rate)
    return np.stack([wave, wave]).astype(np.float32)


def ffmpeg_measures(waveform: np.ndarray, sample_rate: int) -> tuple[float, float]:
    """Integrated loudness in LUFS and true peak in dBTP as FFmpeg's ebur128 filter has them."""
    graph = av.filter.Graph()
    source = graph.add_abuffer(sample_rate=sample_rate, format="fltp", layout="stereo")
    meter, sink = graph.add("ebur128", "peak=true:metadata=1"), graph.add("abuffersink")
    source.link_to(meter)
    meter.link_to(sink)
    graph.configure()
    frame = av.AudioFrame.from_ndarray(np.ascontiguousarray(waveform), format="fltp", layout="stereo")
    frame.sample_rate, frame.pts = sample_rate, 0
    graph.push(frame)
    graph.push(None)
    facts: dict[str, str] = {}
    while True:
        try:
            facts = graph.pull().metadata or facts
        except (av.error.EOFError, av.error.BlockingIOError):
            break
    return float(facts["lavfi.r128.I"]), 20 * np.log10(float(facts["lavfi.r128.true_peak"]))


def ffmpeg_decode(data: bytes) -> tuple[np.ndarray, int]:
    """Waveform float32 [C, S] and sample rate, decoded by FFmpeg."""
    parts = []
    with av.open(io.BytesIO(data)) as file:
        resampler = av.AudioResampler(format="fltp")
        for frame in file.decode(audio=0):
            parts += [part.to_ndarray() for part in resampler.resample(frame)]
        parts += [part.to_ndarray() for part in resampler.resample(None)]
        return np.concatenate(parts, axis=1), file.streams.audio[0].rate


Zone = tuple[list[tuple[int, int]], list[tuple[int, int, int, int]]]  # (generator, amount), (source, to, amount, by)


def write_soundfont(path: Path, instrument: list[Zone], preset: list[Zone], *, bank: int = 0, program: int = 0) -> Path:
    """A SoundFont with one preset, one instrument and two samples.

    Sample 0 is a sine of 441 Hz, one second at 44.1 kHz, root key 69, looped over its last 100 periods; sample 1 is
    half a second of full-scale direct current, unlooped, root key 60.
    """
    wave = np.rint(16384 * np.sin(2 * np.pi * 441 * np.arange(44100) / 44100)).astype("<i2")
    pool = np.concatenate([wave, np.zeros(46), np.full(22050, 32767), np.zeros(46)]).astype("<i2")
    second = 44100 + 46
    shdr = [
        ("sine", 0, 44100, 34100, 44100, 69),
        ("flat", second, second + 22050, second, second, 60),
        ("EOS",) + (0,) * 5,
    ]
    tables = {
        "phdr": [
            struct.pack("<20sHHHIII", b"patch", program, bank, 0, 0, 0, 0),
            struct.pack("<20sHHHIII", b"EOP", 0, 0, len(preset), 0, 0, 0),
        ],
        "inst": [struct.pack("<20sH", b"instrument", 0), struct.pack("<20sH", b"EOI", len(instrument))],
        "shdr": [
            struct.pack("<20s5IBbHH", name.encode(), start, end, loop, stop, 44100, key, 0, 0, 1)
            for name, start, end, loop, stop, key in shdr
        ],
    }
    for letter, zones in (("p", preset), ("i", instrument)):
        bags, generators, modulators = [], [], []
        for zone_generators, zone_modulators in [*zones, ([], [])]:
            bags.append(struct.pack("<HH", len(generators), len(modulators)))
            generators += [struct.pack("<HH", number, amount & 0xFFFF) for number, amount in zone_generators]
            modulators += [struct.pack("<HHhHH", *modulator, 0) for modulator in zone_modulators]
        tables |= {
            f"{letter}bag": bags,
            f"{letter}gen": [*generators, bytes(4)],
            f"{letter}mod": [*modulators, bytes(10)],
        }
    body = _list("INFO", _chunk("ifil", struct.pack("<HH", 2, 4)))
    body += _list("sdta", _chunk("smpl", pool.tobytes()))
    body += _list("pdta", b"".join(_chunk(name, b"".join(rows)) for name, rows in tables.items()))
    path.write_bytes(b"RIFF" + struct.pack("<I", len(body) + 4) + b"sfbk" + body)
    return path


def _chunk(name: str, body: bytes) -> bytes:
    return name.encode() + struct.pack("<I", len(body)) + body + bytes(len(body) % 2)


def _list(kind: str, body: bytes) -> bytes:
    return _chunk("LIST", kind.encode() + body)


def bundled_soundfont() -> SoundFont:
    """TimGM6mb of the package pretty_midi: tests must not depend on what else a machine has installed."""
    return find_soundfont(str(Path(importlib.util.find_spec("pretty_midi").origin).parent / "TimGM6mb.sf2"))  # type: ignore[union-attr,arg-type]
