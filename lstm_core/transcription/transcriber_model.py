"""The network of the transcriber: one small recurrent network that every pitch shares, and one for beat and drums."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import NamedTuple

import torch
from torch import Tensor, nn

from lstm_core.transcription.spectrogram import BINS_PER_SEMITONE, FLOOR_DB, LOWEST_PITCH, NUM_BINS

FIRST_PITCH, NUM_PITCHES = 21, 88  # the pitches that are distinguished: a piano's
NUM_DRUMS, NUM_BEATS = 5, 2  # transcription.DRUM_NAMES; beat and downbeat
FRAMES_PER_STEP = 2  # of the recurrent layers of pitches and beats: half the steps cost half, onsets lose nothing
_MIDDLE_DB, _SPREAD_DB = -60.0, 20.0  # of the levels of music, about


@dataclass(frozen=True, kw_only=True)
class TranscriberSettings:
    """The shape of the network."""

    harmonics: tuple[float, ...] = (0.5, 1, 2, 3, 4, 5, 6, 7, 8)  # whose bins each pitch looks at
    channels: int = 32  # of the convolutions that the pitches share
    hidden_size: int = 48  # of the recurrent layer that the pitches share, in each direction
    rhythm_channels: int = 96
    rhythm_hidden_size: int = 64
    beat_hidden_size: int = 64

    def __post_init__(self) -> None:
        for name in ("channels", "hidden_size", "rhythm_channels", "rhythm_hidden_size", "beat_hidden_size"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)}, it must be at least 1")
        if not self.harmonics or min(self.harmonics) <= 0:
            raise ValueError(f"harmonics are {self.harmonics}, they must be numbers above 0")

    @property
    def rhythm_size(self) -> int:
        """Numbers in a step of Logits.rhythm."""
        return self.rhythm_channels + 2 * self.rhythm_hidden_size + 2 * self.beat_hidden_size


class Logits(NamedTuple):
    """Output of the network for each frame; a sigmoid makes probabilities, and velocities of 0 to 1, of it."""

    onset: Tensor  # float32 [B, F, NUM_PITCHES]
    frame: Tensor  # float32 [B, F, NUM_PITCHES]
    velocity: Tensor  # float32 [B, F, NUM_PITCHES]
    drums: Tensor  # float32 [B, F, NUM_DRUMS]
    drum_velocity: Tensor  # float32 [B, F, NUM_DRUMS]
    beats: Tensor  # float32 [B, F, NUM_BEATS]; a first estimate, from a short context; a BeatNetwork has a longer one
    rhythm: Tensor  # [B, F / FRAMES_PER_STEP, rhythm_size] what the rhythm branch makes of it all, for a BeatNetwork


class TranscriberModel(nn.Module):
    """Levels of a spectrogram become logits of notes, drums and beats.

    All pitches share their weights, as a melody is the same a semitone higher: of each pitch the network sees the bins
    round its harmonics, side by side as channels (after R. Bittner and others, A lightweight instrument-agnostic model
    for polyphonic note transcription, 2022), and a recurrent layer runs along time for each pitch. Pitches are
    connected by convolutions over neighbours and octaves, and with the whole through the rhythm branch.
    """

    def __init__(self, settings: TranscriberSettings) -> None:
        super().__init__()
        self.settings = settings
        width, hidden = settings.channels, settings.hidden_size
        self.harmonic = _block(len(settings.harmonics), width, (3, 7), stride=(1, BINS_PER_SEMITONE), padding=(1, 0))
        self.neighbour = _block(width, width, (3, 3), padding=(1, 1))
        self.octave = _block(width, width, (3, 3), padding=(1, 12), dilation=(1, 12))
        self.context = nn.Linear(2 * settings.rhythm_hidden_size, width)
        self.pitch_lstm = nn.LSTM(FRAMES_PER_STEP * width, hidden, batch_first=False, bidirectional=True)
        self.unfold = nn.Linear(2 * hidden, FRAMES_PER_STEP * width)
        self.verdict = _block(width, width, (3, 3), padding=(1, 12), dilation=(1, 12))
        self.notes = nn.Conv2d(width, 3, 1)
        assert self.notes.bias is not None
        self.rhythm = nn.Sequential(
            nn.Conv1d(NUM_BINS, settings.rhythm_channels, 3, padding=1),
            nn.ReLU(),
            nn.Conv1d(settings.rhythm_channels, settings.rhythm_channels, 5, padding=2),
            nn.ReLU(),
        )
        deep = nn.Conv1d(2 * settings.rhythm_channels, settings.rhythm_channels, 3, padding=1)
        nn.init.zeros_(deep.weight)  # a residual block that begins as the identity
        assert deep.bias is not None
        nn.init.zeros_(deep.bias)
        self.rhythm_deep = nn.Sequential(
            nn.Conv1d(settings.rhythm_channels, 2 * settings.rhythm_channels, 3, padding=1), nn.ReLU(), deep
        )
        self.rhythm_lstm = nn.LSTM(
            settings.rhythm_channels, settings.rhythm_hidden_size, batch_first=False, bidirectional=True
        )
        rhythm = settings.rhythm_channels + 2 * settings.rhythm_hidden_size
        self.beat_lstm = nn.LSTM(rhythm, settings.beat_hidden_size, batch_first=False, bidirectional=True)
        self.rhythm_heads = nn.Linear(rhythm + 2 * settings.beat_hidden_size, 2 * NUM_DRUMS + NUM_BEATS)
        with torch.no_grad():  # onsets are rare: begin there, and the first steps need not find it out
            self.notes.bias.copy_(torch.tensor([-4.0, -3.0, 0.0]))
            self.rhythm_heads.bias.copy_(torch.tensor([-4.0] * NUM_DRUMS + [0.0] * NUM_DRUMS + [-3.0] * NUM_BEATS))
        self._first_bins = _first_bins(settings.harmonics)

    def forward(self, levels: Tensor) -> Logits:
        """Logits of each frame. levels: float32 [B, F, NUM_BINS] in dB, of a Spectrogram; F even."""
        x = (levels.clamp(min=FLOOR_DB) - _MIDDLE_DB) / _SPREAD_DB
        wide, drums, drum_velocity, beats, rhythm = self._rhythm(x)
        onset, frame, velocity = self._pitches(x, wide)
        return Logits(onset, frame, velocity, drums, drum_velocity, beats, rhythm)

    def in_fast_order(self) -> TranscriberModel:
        """This model with the weights of its convolutions laid out channels last: faster on a processor."""
        return nn.Module.to(self, memory_format=torch.channels_last)  # type: ignore[call-overload, no-any-return]

    def _rhythm(self, x: Tensor) -> tuple[Tensor, Tensor, Tensor, Tensor, Tensor]:
        local = self.rhythm(x.transpose(1, 2))
        local = torch.relu(local + self.rhythm_deep(local)).permute(2, 0, 1)  # [F, B, channels]
        wide = self.rhythm_lstm(local)[0]
        both = torch.cat([local, wide.to(local)], dim=-1)
        pairs = both.reshape(len(both) // FRAMES_PER_STEP, FRAMES_PER_STEP, *both.shape[1:])
        steps = pairs.mean(1)
        slow = self.beat_lstm(steps)[0].to(local)
        both = torch.cat([both, slow.repeat_interleave(FRAMES_PER_STEP, dim=0)], dim=-1)
        drums, drum_velocity, beats = (
            self.rhythm_heads(both).transpose(0, 1).float().split([NUM_DRUMS, NUM_DRUMS, NUM_BEATS], dim=-1)
        )
        rhythm = torch.cat([steps, slow], dim=-1).transpose(0, 1)
        return wide.transpose(0, 1), drums, drum_velocity, beats, rhythm

    def _pitches(self, x: Tensor, rhythm: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        num_rows, num_frames, _ = x.shape
        seen = self.neighbour(self.harmonic(self._harmonics(x)))
        seen = self.octave(seen) + self.context(rhythm).transpose(1, 2)[..., None]  # [B, width, F, pitches]
        width = seen.shape[1]
        steps = seen.permute(2, 0, 3, 1).reshape(num_frames // 2, 2, num_rows * NUM_PITCHES, width)
        steps = steps.transpose(1, 2).reshape(num_frames // 2, num_rows * NUM_PITCHES, 2 * width)
        recurrent = self.unfold(self.pitch_lstm(steps)[0])
        recurrent = recurrent.reshape(num_frames // 2, num_rows, NUM_PITCHES, 2, width).permute(1, 4, 0, 3, 2)
        recurrent = recurrent.reshape(num_rows, width, num_frames, NUM_PITCHES)
        notes = self.notes(self.verdict(torch.relu(seen + recurrent))).float()
        onset, frame, velocity = notes.unbind(1)
        return onset, frame, velocity

    def _harmonics(self, x: Tensor) -> Tensor:
        """The bins round each harmonic of each pitch as channels: [B, harmonics, F, 3 * NUM_PITCHES + 4]."""
        length = BINS_PER_SEMITONE * NUM_PITCHES + 4  # two thirds of a semitone more at either end, for the kernel
        low = max(0, -min(self._first_bins))
        high = max(0, max(self._first_bins) + length - NUM_BINS)
        silence = (FLOOR_DB - _MIDDLE_DB) / _SPREAD_DB
        padded = nn.functional.pad(x, (low, high), value=silence)
        rows = [padded[..., first + low : first + low + length] for first in self._first_bins]
        return torch.stack(rows, dim=1).contiguous(memory_format=torch.channels_last)


def _first_bins(harmonics: tuple[float, ...]) -> list[int]:
    """Where the bins of each harmonic of the lowest pitch begin, two before the first of its three."""
    centre = (FIRST_PITCH - LOWEST_PITCH) * BINS_PER_SEMITONE
    return [centre + round(12 * BINS_PER_SEMITONE * math.log2(h)) - 2 for h in harmonics]


def _block(
    num_in: int,
    num_out: int,
    kernel: tuple[int, int],
    *,
    stride: tuple[int, int] = (1, 1),
    padding: tuple[int, int],
    dilation: tuple[int, int] = (1, 1),
) -> nn.Sequential:
    """Convolution over (frames, pitches), normalised, rectified."""
    convolution = nn.Conv2d(num_in, num_out, kernel, stride=stride, padding=padding, dilation=dilation, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(num_out, momentum=0.02), nn.ReLU())
