"""Recordings become notes, drum hits and beat activations, of any length in the same memory.

What it cannot do. It hears pitches, not instruments: two that play the same note at once are one note, and which of
them plays is not said. Pitches are those of a piano; quarter tones go to the nearest semitone. A note that is struck
again within 40 ms is heard once, so very fast trills and tremolos lose notes. Slides and wide vibrato come out as
several notes or none. Ends of notes are less sure than their beginnings, above all under sounds that die away.
Unpitched noise, speech and effects may be heard as notes. Drums are told apart in five kinds of a drum kit; hand
percussion is heard as one of them or not at all. Singing was not among what it learnt from.
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

WINDOW_FRAMES = 1200  # whose verdict is kept, 24 s; longer ones leave the processor's cache and are slower
CONTEXT_FRAMES = 100  # 2 s on either side, seen and thrown away: an LSTM hears the end of its window less well
Chunk = npt.NDArray[np.float32]


class _Window(NamedTuple):
    """A stretch of a recording on its way through the network."""

    levels: Tensor  # float32 [F, NUM_BINS]
    keep: slice  # of its frames, those whose verdict counts


class Transcriber:
    """Hears recordings with one network. Mono audio at spectrogram.SAMPLE_RATE goes in.

    On a processor windows go through the network one at a time, which is the fastest there and makes a recording's
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
        """What is heard in one recording. chunks: float32 [S] of any lengths, at SAMPLE_RATE."""
        return next(iter(self.transcribe_many([chunks])))

    def transcribe_many(self, recordings: Iterable[Iterable[Chunk]]) -> Iterator[Transcription]:
        """Yields what is heard in each recording, in their order; memory does not grow with their length."""
        open_: list[_Hearing] = []
        waiting: list[tuple[_Hearing, _Window]] = []
        for chunks in recordings:
            hearing = _Hearing(self.thresholds, None if self.beats is None else BeatFeatures(self.beats, self.device))
            open_.append(hearing)
            for window in self._windows(chunks, hearing):
                waiting.append((hearing, window))
                if len(waiting) == self.windows_at_once:
                    self._hear(waiting)
                    waiting = []
            hearing.is_read = True
            while open_ and open_[0].is_read and all(owner is not open_[0] for owner, _ in waiting):
                yield open_.pop(0).result()
        self._hear(waiting)
        for hearing in open_:
            yield hearing.result()

    def _windows(self, chunks: Iterable[Chunk], hearing: _Hearing) -> Iterator[_Window]:
        """Windows of a recording in order. Their places do not depend on how it was cut into chunks."""
        kept = CONTEXT_FRAMES * HOP_LENGTH + MARGIN  # samples before a window's kept frames that it needs
        wanted = (WINDOW_FRAMES + CONTEXT_FRAMES) * HOP_LENGTH + MARGIN  # and from its first kept frame on
        buffer, first = np.zeros(0, dtype=np.float32), 0  # buffer[0] is sample `first` of the recording
        frame = 0  # the first whose verdict is still missing
        for chunk in chunks:
            hearing.num_samples += len(chunk)
            buffer = np.concatenate([buffer, chunk])
            while first + len(buffer) >= frame * HOP_LENGTH + wanted:
                yield self._window(buffer, first, frame, WINDOW_FRAMES)
                frame += WINDOW_FRAMES
                used = max(frame * HOP_LENGTH - kept - first, 0)
                buffer, first = buffer[used:], first + used
        while frame * HOP_LENGTH < hearing.num_samples:
            left = -(-hearing.num_samples // HOP_LENGTH) - frame
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

    def _hear(self, waiting: list[tuple[_Hearing, _Window]]) -> None:
        """Nothing; gives each hearing the probabilities of its windows."""
        if not waiting:
            return
        longest = max(len(window.levels) for _, window in waiting)
        rows = [nn.functional.pad(w.levels, (0, 0, 0, longest - len(w.levels)), value=FLOOR_DB) for _, w in waiting]
        levels = torch.stack(rows)
        autocast = torch.autocast(self.device.type, torch.bfloat16, enabled=self.precision == "bf16")
        with torch.inference_mode(), autocast:
            logits = self.model(levels)
            heard = [torch.sigmoid(part).float().cpu().numpy() for part in logits[:-1]]
            features = None if self.beats is None else beat_features(logits).cpu()
        for row, (hearing, window) in enumerate(waiting):
            steps = slice(window.keep.start // FRAMES_PER_STEP, -(-window.keep.stop // FRAMES_PER_STEP))
            hearing.push([part[row, window.keep] for part in heard], None if features is None else features[row, steps])


class _Hearing:
    """What was heard of one recording so far."""

    def __init__(self, thresholds: Thresholds, beats: BeatFeatures | None) -> None:
        self.num_samples, self.is_read = 0, False
        self._notes, self._drums = NoteDecoder(thresholds), DrumDecoder(thresholds)
        self._first_guess: list[npt.NDArray[np.float32]] = [np.zeros((0, 2), dtype=np.float32)]
        self._beats, self._num_frames = beats, 0

    def push(self, heard: list[npt.NDArray[np.float32]], features: Tensor | None) -> None:
        """Takes the next frames: onset, frame, velocity, drums, velocity of drums, beats; and features of beats."""
        self._notes.push(*heard[:3])
        self._drums.push(*heard[3:5])
        self._num_frames += len(heard[5])
        if self._beats is not None and features is not None:
            self._beats.push(features.clone())
        else:
            self._first_guess.append(heard[5].copy())

    def result(self) -> Transcription:
        """All of it. No note begins after the recording's end or lasts longer."""
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
