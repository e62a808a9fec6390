"""Recordings for tests of jobs: tunes in six codecs, and files that are broken in each way that a bucket knows."""

from __future__ import annotations

import struct
from functools import cache

import numpy as np
import scipy.signal

from lstm_core.notes.score import Score, Tempo, make_notes
from lstm_core.sound.synth import render_stems
from tests.lstm_core.encoded import FORMATS, encode
from tests.lstm_core.sounds import bundled_soundfont

CODECS = {"wav": ".wav", "flac": ".flac", "mp3": ".mp3", "vorbis": ".ogg", "opus": ".opus", "m4a": ".m4a"}
RATE = 44100
_MAJOR = (0, 2, 4, 5, 7, 9, 11)
_PROGRAMS = (0, 4, 11, 24, 40, 46, 73)


def tune(number: int, duration_s: float) -> np.ndarray:
    """A melody over a bass, others for each number: float32 [2, S] at RATE."""
    random = np.random.default_rng(number)
    bpm, key, program = float(random.integers(80, 150)), int(random.integers(12)), int(random.choice(_PROGRAMS))
    rows, step = [], 0
    for quaver in range(int(duration_s * bpm / 30)):
        if random.random() < 0.85:
            step = int(np.clip(step + random.integers(-3, 4), -4, 11))
            pitch = 62 + key + 12 * (step // 7) + _MAJOR[step % 7]
            rows.append((12 * quaver, 11, program, pitch, int(random.integers(80, 110))))
        if quaver % 4 == 0:
            rows.append((12 * quaver, 46, 32, 36 + key + _MAJOR[int(random.integers(7))], 90))
    score = Score(notes=make_notes(rows), tempos=(Tempo(tick=0, bpm=bpm),))
    stems = render_stems(score, bundled_soundfont(), num_samples=round(duration_s * RATE), tail_s=0.0)
    waveform = sum(stems.values())
    return (0.6 * waveform / np.abs(waveform).max()).astype(np.float32)


def at_rate(waveform: np.ndarray, sample_rate: int) -> np.ndarray:
    """The same sound at another rate."""
    if sample_rate == RATE:
        return waveform
    return scipy.signal.resample_poly(waveform, sample_rate // 100, RATE // 100, axis=1).astype(np.float32)


def recording(number: int, duration_s: float, codec: str) -> bytes:
    """A tune as a file of a codec."""
    return encode(at_rate(tune(number, duration_s), FORMATS[codec].rate), codec)


def unusual_recordings(first: int, duration_s: float) -> dict[str, bytes]:
    """Files by name that are unlike others and still music: each becomes a piece. Tunes from number `first` on."""

    def sound(number: int) -> np.ndarray:
        return tune(first + number, duration_s)

    eight = np.zeros((8, round(duration_s * RATE)), dtype=np.float32)
    eight[:2], eight[4:6] = sound(0), 0.3 * sound(0)
    spoilt = sound(1)
    spoilt[0, 5000], spoilt[1, 70_000] = np.nan, np.inf
    low = scipy.signal.resample_poly(sound(2), 80, 441, axis=1).astype(np.float32)
    return {
        "eight channels.flac": encode(eight, "flac", sample_rate=RATE),
        "two samples are no numbers.wav": encode(spoilt, "wav_float", sample_rate=RATE),
        "telephone.wav": encode(low[:1], "wav", sample_rate=8000),
        "studio.flac": encode(at_rate(sound(3), 192_000), "flac", sample_rate=192_000),
        "flac under another name.mp3": encode(sound(4), "flac", sample_rate=RATE),
        "film music.MP4": encode(sound(5), "m4a"),
    }


@cache
def broken_recordings() -> dict[str, tuple[bytes, str, str]]:
    """Files by name that no piece can come of: their bytes, and the stage and a word of the reason of the reject."""
    noise = np.random.default_rng(0)
    good = {name: recording(9_000, 4.0, name) for name in ("wav", "flac", "mp3", "m4a")}
    sound = tune(9_001, 4.0)
    silence = np.zeros((2, 3 * RATE), dtype=np.float32)
    no_channels = bytearray(good["wav"])
    no_channels[22:24] = b"\0\0"
    files = {
        "empty.mp3": (b"", "decode", "empty (0 bytes)"),
        "cut.wav": (good["wav"][:200_000], "decode", "cut short"),
        "cut.flac": (good["flac"][: len(good["flac"]) // 2], "decode", "cut short"),
        "cut.mp3": (good["mp3"][: len(good["mp3"]) // 2], "decode", "cut short"),
        "cut.m4a": (good["m4a"][: len(good["m4a"]) // 2], "decode", "without an index"),
        "text.ogg": ("Läuft nicht.\n".encode() * 99, "decode", "is text, not audio"),
        "page.mp3": (b"<!doctype html><title>404</title>" * 20, "decode", "is text, not audio"),
        "picture.mp3": (b"\x89PNG\r\n\x1a\n" + noise.bytes(5000), "decode", "no audio"),
        "bytes.opus": (noise.bytes(30_000), "decode", "no audio"),
        "song.mid": (good["mp3"], "parse", ""),
        "no channels.wav": (bytes(no_channels), "decode", ""),
        "no numbers.wav": (_float_wav(np.full((2, 3 * RATE), np.nan, dtype=np.float32)), "decode", "NaN"),
        "infinity.wav": (_float_wav(np.where(sound > 0.1, np.inf, sound)), "decode", "infinite"),
        "direct current.wav": (_wav(np.full((2, 3 * RATE), 0.4)), "quality", "direct current"),
        "silence.flac": (encode(silence, "flac", sample_rate=RATE), "quality", "silent"),
        "noise.wav": (_wav(noise.uniform(-1, 1, (2, 3 * RATE))), "quality", "noise"),
        "clipped.wav": (_wav(np.clip(30 * sound, -1, 1)), "quality", "clipped"),
        "out of phase.wav": (_wav(np.stack([sound[0], -sound[0]])), "quality", "cancels itself"),
        "speech.wav": (_wav(speech(6.0)[None]), "transcribe", "confidence 0."),
        "50 ms.wav": (_wav(sound[:, :2205]), "decode", "lasts 0.050 s"),
        "locked.m4a": (good["m4a"].replace(b"mp4a", b"drms", 1), "decode", "is encrypted"),
        "bomb.flac": (_silent_flac(5 * 3600), "decode", "at most 14400 s"),
    }
    return files


def speech(duration_s: float, seed: int = 0) -> np.ndarray:
    """A voice that talks, as a source and filters make it: syllables of gliding pitch, vowels, hisses: float32 [S]."""
    random = np.random.default_rng(seed)
    parts: list[np.ndarray] = []
    while sum(map(len, parts)) < duration_s * RATE:
        length = int(random.uniform(0.09, 0.22) * RATE)
        if random.random() < 0.3:
            b, a = scipy.signal.butter(2, [2500, 7000], "band", fs=RATE)
            parts.append(0.05 * scipy.signal.lfilter(b, a, random.standard_normal(length // 2)))
        pitch = np.geomspace(random.uniform(95, 150), random.uniform(80, 140), length)
        voice = scipy.signal.sawtooth(2 * np.pi * np.cumsum(pitch * (1 + 0.02 * random.standard_normal(length))) / RATE)
        for formant in (random.uniform(300, 800), random.uniform(900, 2200), random.uniform(2300, 3000)):
            b, a = scipy.signal.iirpeak(formant, 6, fs=RATE)
            voice = voice * 0.2 + scipy.signal.lfilter(b, a, voice)
        parts.append(0.3 * voice * np.hanning(length))
        parts.append(np.zeros(int(random.uniform(0.01, 0.25 if random.random() < 0.2 else 0.06) * RATE)))
    waveform = np.concatenate(parts)[: round(duration_s * RATE)]
    return (0.5 * waveform / np.abs(waveform).max()).astype(np.float32)


def _wav(waveform: np.ndarray) -> bytes:
    return encode(waveform.astype(np.float32), "wav")


def _float_wav(waveform: np.ndarray) -> bytes:
    body = np.ascontiguousarray(waveform.T, dtype="<f4").tobytes()
    form = struct.pack("<HHIIHH", 3, len(waveform), RATE, 4 * len(waveform) * RATE, 4 * len(waveform), 32)
    chunks = b"fmt " + struct.pack("<I", 16) + form + b"data" + struct.pack("<I", len(body)) + body
    return b"RIFF" + struct.pack("<I", 4 + len(chunks)) + b"WAVE" + chunks


def _silent_flac(duration_s: int) -> bytes:
    return encode(np.zeros((1, 1000 * duration_s), dtype=np.float32), "flac", sample_rate=1000)
