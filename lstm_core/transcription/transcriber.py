"""Recordings become notes, drum hits and beat activations, of any length in the same memory.

What it cannot do. It transcribes pitches, not instruments: two instruments that play the same note at once become one
note, and the result does not say which of them plays. Pitches are those of a piano; quarter tones go to the nearest
semitone. A note that is struck again within 40 ms is transcribed once, so very fast trills and tremolos lose notes.
Slides and wide vibrato come out as several notes or none. Ends of notes are less certain than their beginnings, above
all where sounds decay slowly. Unpitched noise, speech and effects may be transcribed as notes. Drums are classified
into five kinds of a drum kit; hand percussion becomes one of them or is missed. Singing was not in the training data.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from lstm_core.transcription.beats.network import BeatFeatures, beat_features
from lstm_core.transcription.note_decoding import DrumDecoder, NoteDecoder, Thresholds
from lstm_core.transcription.spectrogram import FLOOR_DB, FRAME_RATE, HOP_LENGTH, MARGIN, SAMPLE_RATE, Spectrogram
from lstm_core.transcription.transcriber_checkpoint import TranscriberCheckpoint
from lstm_core.transcription.transcriber_model import FRAMES_PER_STEP, TranscriberModel
from lstm_core.transcription.transcription import Transcription

WINDOW_FRAMES = 1200  # whose output is kept, 24 s; longer windows do not fit the processor's cache and are slower
CONTEXT_FRAMES = 100  # 2 s on either side, whose output is discarded: an LSTM is less accurate at the ends of a window
Chunk = npt.NDArray[np.float32]


class _Window(NamedTuple):
    """A stretch of a recording as input of the network."""

    levels: Tensor  # float32 [F, NUM_BINS]
    keep: slice  # of its frames, those whose output is kept


class Transcriber:
    """Transcribes recordings with one network. The input is mono audio at spectrogram.SAMPLE_RATE.

    On a CPU windows go through the network one at a time, which is the fastest there and makes a recording's
    result the same whatever else is transcribed with it; on a GPU `windows_at_once` of them, of several recordings.
    """

    def __init__(
        self,
        checkpoint: TranscriberCheckpoint,
        *,
        device: str | torch.device = "cpu",
        precision: str = "bf16",
        windows_at_once: int | None = None,
    ) -> None:
        if precision not in ("bf16", "float32"):
            raise ValueError(f'precision is "{precision}", it must be "bf16" or "float32"')
        self.device, self.precision, self.thresholds = torch.device(device), precision, checkpoint.thresholds
        self.model = fused(checkpoint.model).to(self.device).in_fast_order()
        self.beats = None if checkpoint.beats is None else checkpoint.beats.to(self.device).eval()
        self.spectrogram = Spectrogram().to(self.device)
        self.windows_at_once = windows_at_once or (1 if self.device.type == "cpu" else 16)

    def transcribe(self, chunks: Iterable[Chunk]) -> Transcription:
        """The transcription of one recording. chunks: float32 [S] of any lengths, at SAMPLE_RATE."""
        return next(iter(self.transcribe_many([chunks])))

    def transcribe_many(self, recordings: Iterable[Iterable[Chunk]]) -> Iterator[Transcription]:
        """Yields the transcription of each recording, in their order; memory does not grow with their length."""
        open_: list[_Partial] = []
        waiting: list[tuple[_Partial, _Window]] = []
        for chunks in recordings:
            partial = _Partial(self.thresholds, None if self.beats is None else BeatFeatures(self.beats, self.device))
            open_.append(partial)
            for window in self._windows(chunks, partial):
                waiting.append((partial, window))
                if len(waiting) == self.windows_at_once:
                    self._transcribe_windows(waiting)
                    waiting = []
            partial.is_read = True
            while open_ and open_[0].is_read and all(owner is not open_[0] for owner, _ in waiting):
                yield open_.pop(0).result()
        self._transcribe_windows(waiting)
        for partial in open_:
            yield partial.result()

    def _windows(self, chunks: Iterable[Chunk], partial: _Partial) -> Iterator[_Window]:
        """Windows of a recording in order. Their places do not depend on how it was cut into chunks."""
        kept = CONTEXT_FRAMES * HOP_LENGTH + MARGIN  # samples before a window's kept frames that it needs
        wanted = (WINDOW_FRAMES + CONTEXT_FRAMES) * HOP_LENGTH + MARGIN  # and from its first kept frame on
        buffer, first = np.zeros(0, dtype=np.float32), 0  # buffer[0] is sample `first` of the recording
        frame = 0  # the first without an output
        for chunk in chunks:
            partial.num_samples += len(chunk)
            buffer = np.concatenate([buffer, chunk])
            while first + len(buffer) >= frame * HOP_LENGTH + wanted:
                yield self._window(buffer, first, frame, WINDOW_FRAMES)
                frame += WINDOW_FRAMES
                used = max(frame * HOP_LENGTH - kept - first, 0)
                buffer, first = buffer[used:], first + used
        while frame * HOP_LENGTH < partial.num_samples:
            left = -(-partial.num_samples // HOP_LENGTH) - frame
            yield self._window(buffer, first, frame, min(WINDOW_FRAMES, left))
            frame += WINDOW_FRAMES

    def _window(self, buffer: Chunk, first: int, frame: int, num_kept: int) -> _Window:
        """The window that keeps `num_kept` frames from `frame` on; silence beyond the recording's ends."""
        start, num_frames = frame - CONTEXT_FRAMES, num_kept + num_kept % 2 + 2 * CONTEXT_FRAMES
        low, high = start * HOP_LENGTH - MARGIN, (start + num_frames) * HOP_LENGTH + MARGIN
        piece = buffer[max(low - first, 0) : max(high - first, 0)]
        before = max(first - low, 0)
        signal = np.pad(piece, (before, high - low - before - len(piece)))
        with torch.inference_mode():
            waveform = torch.from_numpy(np.nan_to_num(signal, nan=0.0, posinf=1.0, neginf=-1.0))[None].to(self.device)
            levels = self.spectrogram(waveform, first=MARGIN, num_frames=num_frames)[0]
        return _Window(levels, slice(CONTEXT_FRAMES, CONTEXT_FRAMES + num_kept))

    def _transcribe_windows(self, waiting: list[tuple[_Partial, _Window]]) -> None:
        """Passes each recording the probabilities of its windows."""
        if not waiting:
            return
        longest = max(len(window.levels) for _, window in waiting)
        rows = [nn.functional.pad(w.levels, (0, 0, 0, longest - len(w.levels)), value=FLOOR_DB) for _, w in waiting]
        levels = torch.stack(rows)
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")
        with torch.inference_mode(), autocast:
            logits = self.model(levels)
            probabilities = [torch.sigmoid(part).float().cpu().numpy() for part in logits[:-1]]
            features = None if self.beats is None else beat_features(logits).cpu()
        for row, (partial, window) in enumerate(waiting):
            steps = slice(window.keep.start // FRAMES_PER_STEP, -(-window.keep.stop // FRAMES_PER_STEP))
            kept = [part[row, window.keep] for part in probabilities]
            partial.push(kept, None if features is None else features[row, steps])


class _Partial:
    """The transcription of one recording, as far as it has got."""

    def __init__(self, thresholds: Thresholds, beats: BeatFeatures | None) -> None:
        self.num_samples, self.is_read = 0, False
        self._notes, self._drums = NoteDecoder(thresholds), DrumDecoder(thresholds)
        self._first_guess: list[npt.NDArray[np.float32]] = [np.zeros((0, 2), dtype=np.float32)]
        self._beats, self._num_frames = beats, 0

    def push(self, probabilities: list[npt.NDArray[np.float32]], features: Tensor | None) -> None:
        """Takes the next frames: onset, frame, velocity, drums, velocity of drums, beats; and features of beats."""
        self._notes.push(*probabilities[:3])
        self._drums.push(*probabilities[3:5])
        self._num_frames += len(probabilities[5])
        if self._beats is not None and features is not None:
            self._beats.push(features.clone())
        else:
            self._first_guess.append(probabilities[5].copy())

    def result(self) -> Transcription:
        """The whole transcription. No note begins or ends after the end of the recording."""
        duration_s = self.num_samples / SAMPLE_RATE
        notes, drums = self._notes.finish(), self._drums.finish()
        notes["offset_s"] = np.minimum(notes["offset_s"], duration_s)
        if self._beats is None:
            beats, tempo = np.concatenate(self._first_guess), None
        else:
            beats, tempo = self._beats.finish()
        return Transcription(
            notes=notes[notes["offset_s"] > notes["onset_s"]],
            drums=drums[drums["onset_s"] < duration_s],
            beat_activation=beats[: self._num_frames],
            tempo_activation=tempo,
            frame_rate=FRAME_RATE,
            duration_s=duration_s,
        )


def fused(model: TranscriberModel) -> TranscriberModel:
    """A model that computes the same with the normalisations inside the convolutions."""
    copy = TranscriberModel(model.settings)
    copy.load_state_dict(model.state_dict())
    copy.eval()
    for block in (copy.harmonic, copy.neighbour, copy.octave, copy.verdict):
        convolution, normalisation = block[0], block[1]
        assert isinstance(convolution, nn.Conv2d) and isinstance(normalisation, nn.BatchNorm2d)
        block[0], block[1] = fuse_conv_bn_eval(convolution, normalisation), nn.Identity()
    return copy
