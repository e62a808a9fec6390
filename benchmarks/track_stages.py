"""The cost of each stage between a score and its delivered bytes, on one core, beside that of the obvious way.

    python -m benchmarks.track_stages [--repeats 7] [--soundfont PATH]
    python -m benchmarks.track_stages --tracks 8 [--checkpoint base] [--repeats 3] [--soundfont PATH]

The first: one track of 60 s, stereo, 44.1 kHz, six parts, in studio and at -16 LUFS, once as it ends and once as a
loop. Times are processor time of the process, the median of the repeats, first calls left out. Each line holds
milliseconds per second of audio; `realtime` is its inverse. `track_stages_total` is a whole track; the lines before it
are its parts.
Peers: symusic's synthesiser for the same notes (which has neither velocity nor release), pyloudnorm, resample_poly
to four times the rate, one FFT convolution of the whole length.

The second: a table of the same over first takes of tracks as `benchmarks.tracks` orders them, some of them loops.
`stage_*` is the least of the repeats, the mean over the tracks, and `first` what the first call took, which reads
presets and recordings that no track before has played; indented are calls inside the stages.
"""

from __future__ import annotations

import argparse
import statistics
import time
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from types import ModuleType
from unittest.mock import patch

import numpy as np
import numpy.typing as npt
import pyloudnorm
import symusic
from scipy import signal

from benchmarks.report import print_metric
from lstm_core.composing.players import load_playable, open_player
from lstm_core.composing.take import Take
from lstm_core.foundation.kept_heap import keep_heap
from lstm_core.notes.score import DRUMS, Score, make_notes
from lstm_core.orders.order_file import expand_order
from lstm_core.orders.planned import PlannedTrack
from lstm_core.sound import levelling, mastering, synth
from lstm_core.sound.audio import decode
from lstm_core.sound.loudness import integrated_loudness, true_peak_dbtp
from lstm_core.sound.mastering import Master, MasterSettings, Stems, master
from lstm_core.sound.output_formats import encode
from lstm_core.sound.reverb import convolve, impulse_response
from lstm_core.sound.soundfont import SoundFont, find_soundfont, identity_of, refer_to_soundfont
from lstm_core.sound.synth import render_stems
from lstm_core.tracks import gates
from lstm_core.tracks.finishing import finish_track
from lstm_core.tracks.gates import audio_gates, score_gates
from lstm_core.tracks.identity import Provenance

SECONDS = 60
SAMPLE_RATE = 44100
NUM_SAMPLES = SECONDS * SAMPLE_RATE
SETTINGS = MasterSettings()
MUSIC_END = NUM_SAMPLES - 2 * SAMPLE_RATE
ORDER = {
    "duration_s": SECONDS,
    "bpm": {"min": 84, "max": 140},
    "style": "game",
    "loop": [True, False],
    "instruments": ["piano", "bass", "guitar", "strings", "lead", "drums"],
}
CALLS: dict[ModuleType, tuple[str, ...]] = {  # that are timed inside the stages
    synth: ("add_voices",),
    mastering: ("_sums", "high_passed", "convolve", "integrated_loudness", "quantise", "true_peak_dbtp"),
    levelling: ("tile_peaks", "apply_gain", "integrated_loudness"),
    gates: ("integrated_loudness", "true_peak_dbtp", "measure_seam", "longest_flat_top"),
}
CHORDS = ((0, 4, 7), (9, 12, 16), (5, 9, 12), (7, 11, 14))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--repeats", type=int, default=7)
    parser.add_argument("--soundfont", default="")
    parser.add_argument("--tracks", type=int, default=0)
    parser.add_argument("--checkpoint", default="base")
    arguments = parser.parse_args()
    keep_heap()  # as the processes that make tracks do
    if arguments.tracks:
        report_tracks(arguments.tracks, arguments.repeats, arguments.checkpoint, find_soundfont(arguments.soundfont))
        return
    repeats, soundfont, score = arguments.repeats, find_soundfont(arguments.soundfont), six_parts()
    stems = render_stems(score, soundfont, num_samples=NUM_SAMPLES)
    masters = {loop: mastered(stems, loop=loop, music_end=None if loop else MUSIC_END) for loop in (False, True)}
    data = {loop: encode(one.waveform, sample_rate=SAMPLE_RATE) for loop, one in masters.items()}
    report_stages(repeats, score, soundfont, stems, masters[False].waveform, data)
    report_parts(repeats, masters[False].waveform, data[False])


def mastered(stems: Stems, *, loop: bool, music_end: int | None) -> Master:
    """The master of some stems as an ending or as a loop."""
    return master(stems, num_samples=NUM_SAMPLES, loop=loop, seed=1, settings=SETTINGS, music_end=music_end)


def report_stages(
    repeats: int,
    score: Score,
    soundfont: SoundFont,
    stems: Stems,
    waveform: npt.NDArray[np.float32],
    data: dict[bool, bytes],
) -> None:
    """Prints the stages of a track, and their sums for a track with an ending and for a loop.

    Args:
        repeats: Measurements of each stage.
        score: The music.
        soundfont: Of the instruments.
        stems: The rendered score.
        waveform: Its master with an ending, float32 [2, S].
        data: Encoded masters of an ending and of a loop.
    """
    total = report(
        "stage_synth",
        repeats,
        lambda: render_stems(score, soundfont, num_samples=NUM_SAMPLES),
        lambda: render_with_symusic(score, soundfont),
    )
    total += report("stage_encode", repeats, lambda: encode(waveform, sample_rate=SAMPLE_RATE))
    for loop, ending in ((False, "ending"), (True, "loop")):
        value = total + report(
            f"stage_master_{ending}", repeats, lambda loop=loop: mastered(stems, loop=loop, music_end=MUSIC_END)
        )
        value += report(
            f"stage_gates_{ending}",
            repeats,
            lambda loop=loop: (
                audio_gates(data[loop], num_samples=NUM_SAMPLES, loop=loop, settings=SETTINGS),
                score_gates(score, key_pitch_classes=None, num_bars=SECONDS // 2, bar_ticks=96),
            ),
        )
        print_metric(
            f"track_stages_total_{ending}", value, "ms/s", against={"target": 8.5}, realtime=round(1000 / value, 1)
        )


def report_tracks(num_tracks: int, repeats: int, checkpoint: str, soundfont: SoundFont) -> None:
    """Prints the table of composed tracks: the stages of `finish_track` that follow the notes, and calls inside them.

    Args:
        num_tracks: How many.
        repeats: Measurements of each stage of each track, after a first.
        checkpoint: What composes them.
        soundfont: Of the instruments.
    """
    played = composed(num_tracks, checkpoint)
    finished(*played[0], soundfont)  # compiles what is not compiled yet
    firsts: dict[str, float] = {}
    least: dict[str, float] = {}
    for track, take in played:
        runs = [finished(track, take, soundfont) for _ in range(repeats + 1)]
        for name in runs[0]:
            firsts[name] = firsts.get(name, 0.0) + runs[0][name]
            least[name] = least.get(name, 0.0) + min(run.get(name, 0.0) for run in runs[1:])
    scale = 1000 / SECONDS / num_tracks
    for name in sorted(least, key=lambda name: (name.startswith(" "), name)):
        print_metric(name, least[name] * scale, "ms/s", first=round(firsts[name] * scale, 5))
    total = sum(seconds for name, seconds in least.items() if not name.startswith(" ")) * scale
    print_metric("tracks_stages_total", total, "ms/s", realtime=round(1000 / total, 1), tracks=num_tracks)


def composed(num_tracks: int, checkpoint: str) -> list[tuple[PlannedTrack, Take]]:
    """First takes of tracks of six instruments, as `benchmarks.tracks` orders them."""
    order = expand_order({"count": num_tracks, "seed": 2, "track": ORDER}, default_name="tracks")
    tracks = [replace(track, track_id=track.name) for track in order.planned]
    takes = open_player(load_playable(checkpoint)).play([(track, 0) for track in tracks])
    return [(tracks[take.number], take) for take in takes]


def finished(track: PlannedTrack, take: Take, soundfont: SoundFont) -> dict[str, float]:
    """Processor seconds of each stage of a track, and of some calls inside them, these indented."""
    seconds: dict[str, float] = {}
    identity = identity_of(refer_to_soundfont(str(soundfont.path)))
    provenance = Provenance(checkpoint={"fingerprint": ""}, soundfont=identity, arithmetic="")
    with ExitStack() as stack:
        for module, names in CALLS.items():
            for name in names:
                call = timed(getattr(module, name), f"  {module.__name__.rsplit('.')[-1]}.{name}", seconds)
                stack.enter_context(patch.object(module, name, call))
        stages = finish_track(track, 0, take, provenance, soundfont).seconds
    return seconds | {f"stage_{name}": value for name, value in stages.items()}


def timed(call: Callable[..., object], name: str, seconds: dict[str, float]) -> Callable[..., object]:
    """The same call, which adds its processor time to `seconds`."""

    def measured(*arguments: object, **named: object) -> object:
        start = time.thread_time()
        result = call(*arguments, **named)
        seconds[name] = seconds.get(name, 0.0) + time.thread_time() - start
        return result

    return measured


def report_parts(repeats: int, waveform: npt.NDArray[np.float32], data: bytes) -> None:
    """Prints single parts of the stages beside their peers. waveform: float32 [2, S], encoded in `data`."""
    send, response = waveform[0].copy(), impulse_response(SETTINGS.reverb, SAMPLE_RATE)
    as_float64, meter = waveform.T.astype(np.float64), pyloudnorm.Meter(SAMPLE_RATE)
    report(
        "part_loudness",
        repeats,
        lambda: integrated_loudness(waveform, SAMPLE_RATE),
        lambda: meter.integrated_loudness(as_float64),
    )
    report(
        "part_true_peak",
        repeats,
        lambda: true_peak_dbtp(waveform),
        lambda: np.abs(signal.resample_poly(waveform, 4, 1, axis=1)).max(),
    )
    report(
        "part_reverb",
        repeats,
        lambda: convolve(send, response),
        lambda: signal.fftconvolve(send[None], response, axes=1),
    )
    report("part_decode", repeats, lambda: decode(data))


def report(metric: str, repeats: int, work: Callable[[], object], peer: Callable[[], object] | None = None) -> float:
    """Milliseconds per second of audio that some work takes, printed beside those of its peer."""
    milliseconds = median_ms(work, repeats)
    against = {} if peer is None else {"peer": median_ms(peer, 3)}
    print_metric(metric, milliseconds, "ms/s", against=against, realtime=round(1000 / milliseconds))
    return milliseconds


def median_ms(work: Callable[[], object], repeats: int) -> float:
    """Processor milliseconds of one call per second of audio, after a first call that does not count."""
    work()
    times = []
    for _ in range(repeats):
        start = time.process_time()
        work()
        times.append(time.process_time() - start)
    return statistics.median(times) * 1000 / SECONDS


def six_parts() -> Score:
    """Piano, bass, strings, flute, pad and drums, 30 bars at 120 bpm, with slightly irregular lengths and loudness."""
    random = np.random.default_rng(0)
    rows: list[tuple[int, int, int, int, int]] = []

    def play(onset: int, duration: int, program: int, pitch: int, velocity: int) -> None:
        rows.append(
            (onset, duration + int(random.integers(-1, 2)), program, pitch, velocity + int(random.integers(12)))
        )

    for bar in range(SECONDS // 2 - 1):
        chord, start = CHORDS[bar % 4], bar * 96
        for beat in range(4):
            play(start + 24 * beat, 20, 33, 36 + chord[0 if beat % 2 == 0 else 2] % 12, 84)
            play(start + 24 * beat, 6, DRUMS, 36 if beat % 2 == 0 else 38, 90)
            for half in range(2):
                play(start + 24 * beat + 12 * half, 6, DRUMS, 42, 60)
            play(start + 24 * beat, 20, 73, 72 + int(random.choice([0, 2, 4, 5, 7, 9, 11])), 80)
        for step in chord:
            play(start, 94, 48, 60 + step, 56)
            play(start, 94, 89, 48 + step, 48)
        for eighth in range(8):
            play(start + 12 * eighth, 14, 0, 60 + chord[eighth % 3], 70)
    return Score(notes=make_notes(rows))


def render_with_symusic(score: Score, soundfont: SoundFont) -> object:
    """The same notes through symusic's synthesiser."""
    file = symusic.Score(24)
    file.tempos.append(symusic.Tempo(0, 120))
    for program in np.unique(score.notes["program"]):
        track = symusic.Track("", 0 if program == DRUMS else int(program), bool(program == DRUMS))
        for note in score.notes[score.notes["program"] == program]:
            track.notes.append(symusic.Note(*(int(note[name]) for name in ("onset", "duration", "pitch", "velocity"))))
        file.tracks.append(track)
    return symusic.Synthesizer(str(soundfont.path), SAMPLE_RATE, 0).render(file, True)


if __name__ == "__main__":
    main()
