"""Files of music that orders name: a primer, whose first bars a track continues, and a tune that it accompanies.

A file is read once, where the order is; from there on its events or notes travel with the track.
"""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

import numpy as np

from lstm_core import storage
from lstm_core.foundation.closing import Closing
from lstm_core.foundation.errors import OrderError, ScoreError, StorageError
from lstm_core.notes.reading import SUFFIXES, IsolatedReader
from lstm_core.notes.score import Score
from lstm_core.orders.melodies.placing import with_melody
from lstm_core.orders.melodies.tune import Tune, tune_of
from lstm_core.orders.order import TrackOrder
from lstm_core.orders.plan import TrackPlan
from lstm_core.orders.timing.hit_file import cut_list_uri, with_hits_read
from lstm_core.representations.note_events import (
    DURATION,
    DURATIONS,
    END,
    INSTRUMENT,
    EventArray,
    encode_score,
    event_onsets,
)

if TYPE_CHECKING:
    from lstm_core.orders.melodies.recording import TuneRecorder
    from lstm_core.transcription.recording_transcriber import Transcribed

PRIMER_SHARE = 0.5  # of a track's bars that a primer may fill at most
MAX_KEPT = 256  # primers of one order that are kept in memory


@dataclass(frozen=True)
class _Primer:
    """A file as it was when the order was read."""

    sha256: str
    score: Score | ScoreError  # or the reason why it is none
    events: dict[tuple[str, int], EventArray] = field(default_factory=dict)  # by meter and bars of the track


class PrimerReader(Closing):
    """Reads primers and melodies of an order, each once, in a process that a file may crash without harm to others.

    A context manager. The process starts with the first file.
    """

    def __init__(self) -> None:
        self._files: dict[str, _Primer] = {}  # by URI, the last ones read
        self._tunes: dict[str, tuple[str, Tune]] = {}  # by URI, each with the hash of its bytes
        self._recordings: dict[str, tuple[str, Transcribed]] = {}  # the same of recordings
        self._recorded_tunes: dict[tuple[str | float, ...], Tune] = {}
        self._reader = IsolatedReader()
        self._recorder: TuneRecorder | None = None  # None until a recording is met
        self.cut_lists: set[str] = set()  # URIs of those that orders named, whose seconds their rows hold

    def close(self) -> None:
        """Ends the processes."""
        self._reader.close()
        if self._recorder is not None:
            self._recorder.close()

    def pin(self, order: TrackOrder, folder: str) -> TrackOrder:
        """The order with the absolute URI of its primer, which may be relative to `folder`, and the hash of its bytes.

        So with a melody, whose key, meter, tempo and length take the place of what the order leaves open. A cut list
        that it names for its hits, too, is read: its seconds take its place.

        Raises:
            OrderError: there is no such file, or it is not the one whose hash the order names.
        """
        if uri := cut_list_uri(order, folder):
            self.cut_lists.add(uri)
        order = with_hits_read(order, folder)
        if order.melody:
            order = replace(order, melody=storage.absolute(order.melody, folder))
            sha256, tune = self._tune(order)
            if order.melody_sha256 not in ("", sha256):
                raise OrderError(
                    f"melody {order.melody} is not the file that melody_sha256 names: its sha256 is {sha256}."
                )
            notes = "" if tune.origin is None else tune.origin.notes
            order = with_melody(replace(order, melody_sha256=sha256, melody_notes=notes), tune)
        if not order.primer:
            return order
        uri = storage.absolute(order.primer, folder)
        sha256 = self._file(uri).sha256
        if order.primer_sha256 not in ("", sha256):
            raise OrderError(f"primer {uri} is not the file that primer_sha256 names: its sha256 is {sha256}.")
        return replace(order, primer=uri, primer_sha256=sha256)

    def events(self, order: TrackOrder, plan: TrackPlan) -> EventArray | None:
        """Events [T, K] of the bars of a primer that the track continues, None without a primer; not to be written.

        Raises:
            OrderError: the primer is no MIDI file, of another meter, without notes, or not the one that was pinned.
        """
        if not order.primer:
            return None
        primer = self._file(order.primer)
        if order.primer_sha256 not in ("", primer.sha256):
            raise OrderError(f"primer {order.primer} was changed since the order was read. Run the order again.")
        if isinstance(primer.score, ScoreError):
            raise OrderError(f"primer {order.primer}: {primer.score}") from primer.score
        key = (str(plan.meter), plan.num_bars)
        if key not in primer.events:
            primer.events[key] = _first_bars(primer.score, order.primer, plan)
            primer.events[key].setflags(write=False)
        return primer.events[key]

    def tune(self, order: TrackOrder) -> Tune | None:
        """The tune that an order names as its melody, None where it names none.

        Raises:
            OrderError: the file is no score of one tune, or not the one that was pinned.
        """
        if not order.melody:
            return None
        sha256, tune = self._tune(order)
        if order.melody_sha256 not in ("", sha256):
            raise OrderError(f"melody {order.melody} was changed since the order was read. Run the order again.")
        return tune

    def _tune(self, order: TrackOrder) -> tuple[str, Tune]:
        """The hash of the bytes of the melody of an order, and its tune."""
        uri = order.melody
        suffix = "." + storage.name_of(uri).rpartition(".")[2].lower()
        if suffix not in SUFFIXES:
            return self._recorded(order, suffix)
        if order.melody_notes:
            raise OrderError(f"melody_notes is given, but melody {uri} is no recording. Leave melody_notes out.")
        if uri not in self._tunes:
            data = _melody_bytes(uri)
            (scores,) = self._reader.read_many([(data, suffix)])
            if isinstance(scores, ScoreError):
                raise OrderError(f"melody {uri}: {scores}") from scores
            if len(scores) != 1:
                raise OrderError(f"melody {uri} holds {len(scores)} pieces. Keep one of them in the file.")
            self._tunes[uri] = hashlib.sha256(data).hexdigest(), tune_of(scores[0], uri)
            if len(self._tunes) > MAX_KEPT:
                del self._tunes[next(iter(self._tunes))]
        return self._tunes[uri]

    def _recorded(self, order: TrackOrder, suffix: str) -> tuple[str, Tune]:
        """The same where the melody is a recording; torch is imported here, with the first one."""
        from lstm_core.recordings import recording

        uri = order.melody
        if suffix not in recording.SUFFIXES:
            raise OrderError(
                f"melody {uri} is neither a score nor a recording: known are "
                f"{', '.join((*SUFFIXES, *recording.SUFFIXES))}."
            )
        from lstm_core.orders.melodies.recording import TuneRecorder, recorded_tune

        if uri not in self._recordings:
            data = _melody_bytes(uri)
            if self._recorder is None:
                self._recorder = TuneRecorder()
            self._recordings[uri] = hashlib.sha256(data).hexdigest(), self._recorder.transcribed(data, uri)
            if len(self._recordings) > MAX_KEPT:
                del self._recordings[next(iter(self._recordings))]
        sha256, found = self._recordings[uri]
        asked = (uri, order.bpm, order.meter, order.key, order.scale, order.melody_notes)  # all that the tune hangs on
        if asked not in self._recorded_tunes:
            self._recorded_tunes[asked] = recorded_tune(found, order, uri)
            if len(self._recorded_tunes) > MAX_KEPT:
                del self._recorded_tunes[next(iter(self._recorded_tunes))]
        return sha256, self._recorded_tunes[asked]

    def _file(self, uri: str) -> _Primer:
        if uri not in self._files:
            try:
                data = storage.read_bytes(uri)
            except StorageError as error:
                raise OrderError(f"The primer cannot be read. {error}") from error
            (scores,) = self._reader.read_many([(data, ".mid")])
            score = scores if isinstance(scores, ScoreError) else scores[0]
            self._files[uri] = _Primer(hashlib.sha256(data).hexdigest(), score)
            if len(self._files) > MAX_KEPT:
                del self._files[next(iter(self._files))]
        return self._files[uri]


def _melody_bytes(uri: str) -> bytes:
    try:
        return storage.read_bytes(uri)
    except StorageError as error:
        raise OrderError(f"The melody cannot be read. {error}") from error


def _first_bars(score: Score, uri: str, plan: TrackPlan) -> EventArray:
    """Events of the bars of a primer that a track of this plan continues."""
    if str(score.meters[0]) != str(plan.meter):
        raise OrderError(f"primer {uri} is in {score.meters[0]}, the order requests {plan.meter}.")
    bar_ticks = plan.meter.bar_ticks
    end = min([score.end_tick, *(meter.tick for meter in score.meters[1:])])
    num_bars = min(-(-end // bar_ticks), int(plan.num_bars * PRIMER_SHARE))
    if num_bars < 1:
        raise OrderError(f"primer {uri}: a track of {plan.num_bars} bars is too short to continue it. Request more.")
    stop = num_bars * bar_ticks
    notes = score.notes[score.notes["onset"] < stop].copy()
    notes["duration"] = np.minimum(notes["duration"], stop - notes["onset"])
    events: EventArray = encode_score(Score(notes=notes, meters=(plan.meter,)))
    onsets = event_onsets(events)
    events, onsets = events[onsets < stop], onsets[onsets < stop]
    events = events[events[:, INSTRUMENT] != END]
    if not (events[:, DURATION] > 0).any():
        raise OrderError(f"primer {uri} has no note in its first {num_bars} bars. Use another one.")
    # The nearest duration of the stream may be a little longer than the note.
    over = onsets[: len(events)] + DURATIONS[events[:, DURATION]] > stop
    events[over, DURATION] -= 1
    return np.array(events)
