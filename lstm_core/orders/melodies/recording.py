"""A recording of a tune becomes the tune: transcribed, put on beats, made one line, or refused with what was measured.

It imports torch, so it is imported where a recording is met, and nowhere else.
"""

from __future__ import annotations

import hashlib
import io
from dataclasses import replace

import numpy as np
import torch

from lstm_core import storage
from lstm_core.foundation.closing import Closing
from lstm_core.foundation.errors import OrderError, RecordingError
from lstm_core.notes.keys import has_mode, parse_key, scale_pitch_classes
from lstm_core.notes.score import DRUMS, Meter, Score, Tempo
from lstm_core.orders.melodies.barlines import AskedBeats, beats_of_tune
from lstm_core.orders.melodies.line import is_alone, line_of
from lstm_core.orders.melodies.tune import Tune, TuneOrigin, tune_of
from lstm_core.orders.order import FREE_KEY, TrackOrder
from lstm_core.recordings.limits import TranscriptionLimits
from lstm_core.transcription.beats.grid import score_of
from lstm_core.transcription.recording_transcriber import RecordingTranscriber, Source, Transcribed
from lstm_core.transcription.transcriber import Transcriber
from lstm_core.transcription.transcriber_checkpoint import load_transcriber

FEWEST_NOTES = 4  # of a tune
LIMITS = TranscriptionLimits(least_confidence=0.0, min_duration_s=2.0, max_duration_s=600.0)
# Mean probability of the notes. Of 60 songs and dances played by twelve instruments the least was 0.67; of sung ones
# that half of the notes were wrong in, as they wavered by a semitone or lay between two, it was 0.60 to 0.67.
LEAST_CLEAR = 0.66
_AGAIN = "Record the tune alone, close to the microphone, in tune and without vibrato, or write it down."


class TuneRecorder(Closing):
    """Finds the tunes of recordings. A context manager: it owns a process that decodes."""

    def __init__(self) -> None:
        self._transcriber = RecordingTranscriber(Transcriber(load_transcriber()), LIMITS)

    def close(self) -> None:
        """Ends the process that decodes."""
        self._transcriber.close()

    def transcribed(self, data: bytes, uri: str) -> Transcribed:
        """What sounds in a recording, with at least a few clear notes; on one thread, so that it is always the same.

        Raises:
            OrderError: it cannot be decoded, is silent or noise, or holds no clear notes.
        """
        num_threads = torch.get_num_threads()
        torch.set_num_threads(1)
        try:
            found = self._transcriber.transcribe(Source(storage.name_of(uri), io.BytesIO(data)))
        except RecordingError as error:
            raise OrderError(f"melody {uri} {error}. {_AGAIN}") from error
        finally:
            torch.set_num_threads(num_threads)
        notes = found.transcription.notes
        if len(notes) < FEWEST_NOTES:
            raise OrderError(
                f"melody {uri}: {len(notes)} clear notes are found in its {found.quality.duration_s:.1f} s, at least "
                f"{FEWEST_NOTES} are needed. {_AGAIN}"
            )
        if (clear := float(notes["confidence"].mean())) < LEAST_CLEAR:
            raise OrderError(
                f"melody {uri}: its notes are not clear: {len(notes)} are found with a confidence of {clear:.2f} of 1, "
                f"{LEAST_CLEAR:g} is needed. {_AGAIN}"
            )
        return found


def recorded_tune(found: Transcribed, order: TrackOrder, uri: str) -> Tune:
    """The tune of a recording, on the beats and in the key that an order names, else on those that are found.

    An order that was read before names what was found then, and its notes: they are found again in the same way.

    Raises:
        OrderError: there is no beat, no line that is surely the melody, or other notes than the order was read with.
    """
    ways = [AskedBeats(bpm=order.bpm, meter=order.meter)]
    if order.melody_notes:
        ways += [AskedBeats(bpm=order.bpm), AskedBeats(meter=order.meter), AskedBeats()]
    refusal: OrderError | None = None
    for asked in ways:
        try:
            tune = _tune_on(found, asked, uri)
        except OrderError as error:
            refusal = refusal or error
            continue
        assert tune.origin is not None
        if order.melody_notes in ("", tune.origin.notes):
            return replace(tune, key=_key_of(tune, order))
    if refusal is not None:
        raise refusal
    raise OrderError(
        f"melody {uri}: other notes are found in it here than melody_notes says: the order was read by another version "
        "or on another kind of processor. Leave melody_notes out, or write the tune down."
    )


def _tune_on(found: Transcribed, asked: AskedBeats, uri: str) -> Tune:
    """The tune on the beats that are asked for."""
    transcription = found.transcription
    alone = is_alone(found.score.notes[found.score.notes["program"] != DRUMS])
    gridded = score_of(transcription, given=beats_of_tune(transcription, asked, uri, is_alone=alone))
    notes = line_of(gridded.score, uri)
    if len(notes) < FEWEST_NOTES:
        raise OrderError(
            f"melody {uri}: its melody has {len(notes)} notes, at least {FEWEST_NOTES} are needed. {_AGAIN}"
        )
    given = asked.given_meter
    meter = given if given is not None else replace(gridded.score.meters[0], tick=0)
    bpm = asked.bpm or float(round(_main_bpm(gridded.score)))
    score = Score(notes=notes, tempos=(Tempo(tick=0, bpm=bpm),), meters=(meter,))
    origin = TuneOrigin(
        num_notes=len(notes), confidence=round(gridded.confidence, 3), notes=_fingerprint(score, meter, bpm)
    )
    return replace(tune_of(score, uri), origin=origin)


def _key_of(tune: Tune, order: TrackOrder) -> int:
    """The key of a tune: that of the order where its notes fit it as well as the one that is found."""
    if order.key in ("", FREE_KEY):
        return tune.key
    key = parse_key(order.key)
    key = key if has_mode(order.key) else key % 12 + 12 * (tune.key >= 12)
    pitch_class, length = tune.notes["pitch"] % 12, tune.notes["duration"]

    def inside(one: int, scale: str) -> int:
        return int(length[np.isin(pitch_class, list(scale_pitch_classes(one, scale)))].sum())

    return key if inside(key, order.scale) >= inside(tune.key, "") else tune.key


def _main_bpm(score: Score) -> float:
    """The tempo in the middle of all ticks of a score, in quarters per minute."""
    ends = [*(tempo.tick for tempo in score.tempos[1:]), score.end_tick]
    lengths = [max(end - tempo.tick, 0) for tempo, end in zip(score.tempos, ends, strict=True)]
    order = np.argsort([tempo.bpm for tempo in score.tempos])
    reached = np.cumsum(np.array(lengths)[order])
    return score.tempos[int(order[np.searchsorted(reached, reached[-1] / 2)])].bpm


def _fingerprint(score: Score, meter: Meter, bpm: float) -> str:
    """16 hexadecimal digits for the notes of a tune, its meter and its tempo."""
    return hashlib.sha256(f"{meter} {bpm:g} ".encode() + score.notes.tobytes()).hexdigest()[:16]
