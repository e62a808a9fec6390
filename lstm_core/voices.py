"""The inner loop of the synthesiser: one recorded sample played by many notes, added into a stereo stem.

Envelopes, low-pass filter and LFOs follow the SoundFont model (Technical Specification 2.04, section 9). They move in
steps of CONTROL_FRAMES; the volume runs linearly between two steps.
"""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt

from lstm_core.soundbank import PAD_FRAMES

CONTROL_FRAMES = 64
SILENCE_DB = 96.0  # a voice this far under its peak has ended; 16-bit audio holds no more
MAX_STEP = 32.0  # frames of a recording a frame of audio: five octaves up; beyond, only aliases would sound
INAUDIBLE = np.float32(1e-6)  # a gain of -120 dB
CUT_S = 0.02  # a voice that another one cuts off (closed on open hi-hat) is gone after this

# Fields of a voice, in the order of its row; times in frames, a rate is a change per frame.
VOICE_DTYPE = np.dtype(
    [
        ("start", "<i8"),  # frame of the stem
        ("off", "<i8"),  # frames from the start to the release
        ("cut", "<i8"),  # frames from the start to where another note cuts it off; as good as infinite mostly
        ("step", "<f8"),  # frames of the recording a frame of the stem
        ("left", "<f8"),  # gain
        ("right", "<f8"),
        ("delay", "<f8"),
        ("attack", "<f8"),
        ("hold", "<f8"),
        ("decay_rate", "<f8"),  # dB
        ("sustain_db", "<f8"),  # under the peak
        ("release_rate", "<f8"),  # dB
        ("cutoff_cents", "<f8"),  # of the filter, above 8.176 Hz
        ("resonance_db", "<f8"),
        ("has_filter", "<f8"),
        ("mod_delay", "<f8"),
        ("mod_attack", "<f8"),
        ("mod_hold", "<f8"),
        ("mod_decay_rate", "<f8"),  # of the full height, 1
        ("mod_sustain", "<f8"),
        ("mod_release_rate", "<f8"),
        ("mod_to_cutoff", "<f8"),  # cents at full height
        ("mod_to_step", "<f8"),
        ("lfo_delay", "<f8"),
        ("lfo_rate", "<f8"),  # turns
        ("lfo_to_step", "<f8"),  # cents
        ("lfo_to_cutoff", "<f8"),
        ("lfo_to_db", "<f8"),
        ("vibrato_delay", "<f8"),
        ("vibrato_rate", "<f8"),
        ("vibrato_to_step", "<f8"),
    ]
)


@numba.njit(cache=True, nogil=True)  # type: ignore[untyped-decorator]
def add_voices(
    voices: npt.NDArray[np.void],
    groups: npt.NDArray[np.int64],
    samples: npt.NDArray[np.float32],
    loop_start: int,
    loop_end: int,
    sample_rate: float,
    scratch: npt.NDArray[np.float32],
    stem: npt.NDArray[np.float32],
) -> None:
    """Nothing; adds each voice to `stem`, float32 [2, S], as far as the stem reaches.

    Music repeats itself: voices that differ in nothing but start, cut and gains are made once and added many times.

    Args:
        voices: VOICE_DTYPE [N], sorted by group.
        groups: int64 [N]; voices of one group differ in start, cut, left and right only.
        samples: of the recording, float32, PAD_FRAMES more at both ends.
        loop_start: frame, or -1 for none.
        loop_end: frame that equals loop_start; without loop the end of the recording.
        sample_rate: of the stem, in Hz.
        scratch: float32 [S], overwritten.
        stem: float32 [2, S].
    """
    made = 0
    for number in range(len(voices)):
        v = voices[number]
        if number == 0 or groups[number] != groups[number - 1]:
            first = number
            earliest = v["start"]
            while first + 1 < len(voices) and groups[first + 1] == groups[number]:
                first += 1
                earliest = min(earliest, voices[first]["start"])
            made = _make_voice(v, samples, loop_start, loop_end, sample_rate, scratch[: stem.shape[1] - earliest])
        count = min(made, stem.shape[1] - v["start"])
        faded = int(CUT_S * sample_rate)
        whole = min(count, v["cut"])
        _mix(scratch[:whole], v["left"], v["right"], stem[:, v["start"] : v["start"] + whole])
        for i in range(whole, min(count, v["cut"] + faded)):
            gain = 1.0 - (i - v["cut"] + 1) / faded
            stem[0, v["start"] + i] += scratch[i] * v["left"] * gain
            stem[1, v["start"] + i] += scratch[i] * v["right"] * gain


@numba.njit(cache=True, nogil=True)
def _make_voice(v, samples, loop_start, loop_end, sample_rate, sound):  # type: ignore[no-untyped-def]
    """How many frames a voice sounds; they lie in `sound`, at most all of it."""
    position = np.int64(0)  # 2**-32 frames of the recording
    last_gain = 0.0
    state, rows = np.zeros(4), np.empty(CONTROL_FRAMES)  # of the filter
    off_db, off_mod = -1.0, -1.0
    frame = 0
    while frame < len(sound):
        now = frame + CONTROL_FRAMES
        db = _volume_db(v, min(now, v["off"]))
        if now > v["off"]:
            if off_db < 0.0:
                off_db = db
            db = off_db + (now - v["off"]) * v["release_rate"]
        lfo = _triangle(now, v["lfo_delay"], v["lfo_rate"])
        gain = 10.0 ** (-0.05 * (db - lfo * v["lfo_to_db"])) if db < SILENCE_DB else 0.0
        if gain == 0.0 and last_gain == 0.0 and now > v["delay"] + v["attack"] + 1:
            break
        modulation = 0.0
        if v["mod_to_step"] != 0.0 or v["mod_to_cutoff"] != 0.0:
            modulation = _modulation(v, min(now, v["off"]))
            if now > v["off"]:
                if off_mod < 0.0:
                    off_mod = modulation
                modulation = max(off_mod - (now - v["off"]) * v["mod_release_rate"], 0.0)
        cents = modulation * v["mod_to_step"] + lfo * v["lfo_to_step"]
        if v["vibrato_to_step"] != 0.0:
            cents += _triangle(now, v["vibrato_delay"], v["vibrato_rate"]) * v["vibrato_to_step"]
        step = v["step"] * 2.0 ** (cents / 1200.0) if cents != 0.0 else v["step"]
        step_fixed = np.int64(min(step, MAX_STEP) * 4294967296.0)
        piece = sound[frame : min(frame + CONTROL_FRAMES, len(sound))]
        position, made = _play(samples, loop_start, loop_end, position, step_fixed, piece)
        if v["has_filter"] > 0.0:
            cutoff = v["cutoff_cents"] + modulation * v["mod_to_cutoff"] + lfo * v["lfo_to_cutoff"]
            _low_pass(piece, made, cutoff, v["resonance_db"], sample_rate, state, rows)
        _shape(piece[:made], last_gain, gain)
        last_gain = gain
        frame += made
        if made < len(piece):
            break
    return frame


@numba.njit(cache=True, nogil=True, inline="always")
def _volume_db(v, time):  # type: ignore[no-untyped-def]
    """dB under the peak, before the release."""
    time -= v["delay"]
    if time <= 0.0:
        return SILENCE_DB
    if time < v["attack"]:
        return min(-20.0 * np.log10(time / v["attack"]), SILENCE_DB)
    time -= v["attack"] + v["hold"]
    if time <= 0.0:
        return 0.0
    return min(time * v["decay_rate"], v["sustain_db"])


@numba.njit(cache=True, nogil=True, inline="always")
def _modulation(v, time):  # type: ignore[no-untyped-def]
    """Height of the modulation envelope before the release, 0..1."""
    time -= v["mod_delay"]
    if time <= 0.0:
        return 0.0
    if time < v["mod_attack"]:
        return np.sqrt(time / v["mod_attack"])
    time -= v["mod_attack"] + v["mod_hold"]
    if time <= 0.0:
        return 1.0
    return max(1.0 - time * v["mod_decay_rate"], v["mod_sustain"])


@numba.njit(cache=True, nogil=True, inline="always")
def _triangle(time, delay, rate):  # type: ignore[no-untyped-def]
    """A triangle wave of -1..1 that starts upwards from 0 after a delay."""
    if time <= delay:
        return 0.0
    turn = (time - delay) * rate + 0.25
    turn -= np.floor(turn)
    return 4.0 * turn - 1.0 if turn < 0.5 else 3.0 - 4.0 * turn


@numba.njit(cache=True, nogil=True)
def _play(samples, loop_start, loop_end, position, step, sound):  # type: ignore[no-untyped-def]
    """Position afterwards and how many frames the recording gave; they lie in `sound`.

    Positions are fixed point, 32 bits below the dot: half the time of floating point, and exact in the longest note.
    Between frames runs the cubic of E. Catmull and R. Rom, A class of local interpolating splines (1974).
    """
    made = 0
    end = np.int64(loop_end) << 32
    while made < len(sound):
        if position >= end:
            if loop_start < 0:
                break
            position -= np.int64(loop_end - loop_start) << 32
            continue
        run = min(len(sound) - made, (end - position - 1) // step + 1)
        base = samples[(position >> 32) + PAD_FRAMES - 1 :]
        below = position & 0xFFFFFFFF
        for i in range(run):
            place = below + i * step
            j = np.uint64(place >> 32)
            x = np.float32(np.int32((place >> 8) & 0xFFFFFF)) * np.float32(2.0**-24)
            a, b, c, d = base[j], base[j + np.uint64(1)], base[j + np.uint64(2)], base[j + np.uint64(3)]
            slope = (c - a) * np.float32(0.5)
            bow = a - np.float32(2.5) * b + np.float32(2.0) * c - np.float32(0.5) * d
            bend = (d - a) * np.float32(0.5) + np.float32(1.5) * (b - c)
            sound[made + i] = ((bend * x + bow) * x + slope) * x + b
        position += run * step
        made += run
    return position, made


@numba.njit(cache=True, nogil=True)
def _low_pass(sound, count, cutoff_cents, resonance_db, sample_rate, state, rows):  # type: ignore[no-untyped-def]
    """Nothing; runs a two-pole low-pass over `sound` in place (R. Bristow-Johnson, Audio EQ Cookbook).

    First the part that looks at the input alone, which the processor does many samples at a time, then the feedback
    with as short a chain from sample to sample as can be: half the time of the usual form.

    Args:
        state: the last two inputs and the last two outputs, newest first; float64 [4].
        rows: scratch, float64 [CONTROL_FRAMES].
    """
    hz = min(max(8.176 * 2.0 ** (cutoff_cents / 1200.0), 5.0), 0.45 * sample_rate)
    q = 10.0 ** ((resonance_db - 3.01) / 20.0)
    angle = 2.0 * np.pi * hz / sample_rate
    alpha = np.sin(angle) / (2.0 * q)
    cosine = np.cos(angle)
    scale = 1.0 / (1.0 + alpha)
    height = 10.0 ** (-resonance_db / 40.0)  # half of the resonance comes off the whole, section 8.1.2, generator 9
    b0 = 0.5 * (1.0 - cosine) * scale * height
    a1 = -2.0 * cosine * scale
    a2 = (1.0 - alpha) * scale
    x1, x2, y1, y2 = state[0], state[1], state[2], state[3]
    if count > 0:
        rows[0] = b0 * (sound[0] + 2.0 * x1 + x2)
    if count > 1:
        rows[1] = b0 * (sound[1] + 2.0 * sound[0] + x1)
    for i in range(2, count):
        rows[i] = b0 * (sound[i] + 2.0 * sound[i - 1] + sound[i - 2])
    if count > 1:
        state[0], state[1] = sound[count - 1], sound[count - 2]
    elif count > 0:
        state[0], state[1] = sound[0], x1
    for i in range(count):
        y = (rows[i] - a2 * y2) - a1 * y1
        y2 = y1
        y1 = y
        sound[i] = y
    state[2], state[3] = y1, y2


@numba.njit(cache=True, nogil=True)
def _shape(sound, first, last):  # type: ignore[no-untyped-def]
    """Nothing; puts `sound` under a gain that runs from `first` to `last`."""
    slope = np.float32((last - first) / CONTROL_FRAMES)
    start = np.float32(first)
    for i in range(len(sound)):
        sound[i] *= start + slope * np.float32(i + 1)


@numba.njit(cache=True, nogil=True)
def _mix(sound, left, right, stem):  # type: ignore[no-untyped-def]
    """Nothing; adds mono `sound` to a stereo stem of the same length."""
    for side in range(2):
        gain = np.float32(right if side else left)
        if gain > INAUDIBLE:  # half of most stereo sounds is panned hard to one side
            target = stem[side]
            for i in range(len(sound)):
                target[i] += sound[i] * gain
