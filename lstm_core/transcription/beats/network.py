"""The second network of the transcriber: notes, drums and rhythm of the first one become beats and tempo.

A beat is recognised over many seconds, a note in a fraction of one. So this network is small, has a step of 40 ms, and
a wide view: dilated convolutions over ten seconds, after M. Davies and S. Böck, Temporal convolutional networks for
musical audio beat tracking (2019), and a recurrent layer over its whole input. It also estimates the tempo, as a choice
of one of many, which mostly decides between a beat and its half: after S. Böck, M. Davies and P. Knees, Multi-task
learning of tempo and beat: learning one to improve the other (2019).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor, nn

from lstm_core.transcription.spectrogram import FRAME_RATE
from lstm_core.transcription.transcriber_model import FRAMES_PER_STEP, NUM_BEATS, NUM_DRUMS, NUM_PITCHES, Logits

STEP_RATE = FRAME_RATE / FRAMES_PER_STEP  # 25 per second
NUM_TEMPI, MIN_TEMPO_BPM, MAX_TEMPO_BPM = 73, 40.0, 240.0  # 2.5 % from one to the next
TEMPI_BPM = np.geomspace(MIN_TEMPO_BPM, MAX_TEMPO_BPM, NUM_TEMPI)
STEPS_PER_TEMPO = 25  # one estimate of the tempo per second is kept
SEGMENT_STEPS, CONTEXT_STEPS = 1500, 250  # a minute is processed at once, with 10 s on either side
_DILATIONS = (1, 2, 4, 8, 16, 32, 64)
_KERNEL = 5


@dataclass(frozen=True, kw_only=True)
class BeatNetworkSettings:
    """The shape of the network."""

    channels: int = 64
    hidden_size: int = 64  # of the recurrent layer, in each direction
    dropout: float = 0.1  # while it learns

    def __post_init__(self) -> None:
        if self.channels < 1 or self.hidden_size < 1 or not 0.0 <= self.dropout < 1.0:
            raise ValueError(
                f"channels {self.channels} and hidden_size {self.hidden_size} must be at least 1, "
                f"dropout {self.dropout} from 0 to under 1"
            )


class BeatLogits(NamedTuple):
    beats: Tensor  # float32 [B, F, NUM_BEATS]; a sigmoid makes probabilities of it
    tempo: Tensor  # float32 [B, F / FRAMES_PER_STEP, NUM_TEMPI]; a softmax does


def num_features(rhythm_size: int) -> int:
    """Numbers that this network is given of each step, where the first one's rhythm branch has so many."""
    return 2 * NUM_PITCHES + NUM_DRUMS + rhythm_size


def beat_features(logits: Logits) -> Tensor:
    """What the first network says, at the steps of the second: float32 [B, F / FRAMES_PER_STEP, num_features].

    Probabilities of onsets (the higher of two frames), of sounding pitches (their mean) and of drum hits, and the
    rhythm branch as it is.
    """
    onset, frame, drums = (torch.sigmoid(part).detach() for part in (logits.onset, logits.frame, logits.drums))
    parts = [_pairs(onset).amax(2), _pairs(frame).mean(2), _pairs(drums).amax(2), logits.rhythm.detach()]
    return torch.cat([part.float() for part in parts], dim=-1)


def _pairs(x: Tensor) -> Tensor:
    return x.reshape(x.shape[0], x.shape[1] // FRAMES_PER_STEP, FRAMES_PER_STEP, x.shape[2])


class BeatNetwork(nn.Module):
    """Features of `beat_features` become logits of beats, downbeats and tempo."""

    def __init__(self, settings: BeatNetworkSettings, rhythm_size: int) -> None:
        super().__init__()
        self.settings = settings
        width = settings.channels
        self.seen = nn.Linear(num_features(rhythm_size), width)
        self.dilated = nn.ModuleList(
            nn.Conv1d(width, width, _KERNEL, dilation=dilation, padding=dilation * (_KERNEL // 2))
            for dilation in _DILATIONS
        )
        self.mixed = nn.ModuleList(nn.Conv1d(width, width, 1) for _ in _DILATIONS)
        self.lstm = nn.LSTM(width, settings.hidden_size, bidirectional=True)
        self.dropout = nn.Dropout(settings.dropout)
        self.beats = nn.Linear(width + 2 * settings.hidden_size, FRAMES_PER_STEP * NUM_BEATS)
        self.tempo = nn.Linear(width + 2 * settings.hidden_size, NUM_TEMPI)
        with torch.no_grad():
            self.beats.bias.fill_(-3.0)  # beats are rare

    def forward(self, features: Tensor) -> BeatLogits:
        """Logits of each frame and step. features: float32 [B, F / FRAMES_PER_STEP, num_features]."""
        x = self.dropout(torch.relu(self.seen(features))).transpose(1, 2)  # [B, width, steps]
        for dilated, mixed in zip(self.dilated, self.mixed, strict=True):
            x = x + mixed(self.dropout(torch.relu(dilated(x))))
        x = x.permute(2, 0, 1)  # [steps, B, width]
        wide = self.lstm(x)[0]
        both = self.dropout(torch.cat([x, wide.to(x)], dim=-1)).transpose(0, 1)
        beats, tempo = self.beats(both).float(), self.tempo(both).float()
        return BeatLogits(beats.reshape(len(beats), -1, NUM_BEATS), tempo)


class BeatFeatures:
    """The beats of one recording out of features that come in stretches, in the same memory for any length."""

    def __init__(self, network: BeatNetwork, device: torch.device) -> None:
        self._network, self._device = network, device
        self._waiting: list[Tensor] = []  # features, from `_first` steps before the first without an output on
        self._num_waiting, self._before = 0, 0
        self._beats = [np.zeros((0, NUM_BEATS), dtype=np.float32)]
        self._tempo = [np.zeros((0, NUM_TEMPI), dtype=np.float32)]

    def push(self, features: Tensor) -> None:
        """Takes the next steps: float32 [steps, num_features]."""
        self._waiting.append(features)
        self._num_waiting += len(features)
        while self._num_waiting >= self._before + SEGMENT_STEPS + CONTEXT_STEPS:
            self._process(SEGMENT_STEPS)

    def finish(self) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
        """Probabilities of beats and downbeats, float32 [F, NUM_BEATS], and of tempi, float32 [seconds, NUM_TEMPI]."""
        if self._num_waiting > self._before:
            self._process(self._num_waiting - self._before)
        return np.concatenate(self._beats), np.concatenate(self._tempo)

    def _process(self, num_steps: int) -> None:
        """Computes the outputs of the next steps, with the known context on either side."""
        features = torch.cat(self._waiting)
        seen = features[: self._before + num_steps + CONTEXT_STEPS].to(self._device)
        with torch.inference_mode():
            beats, tempo = self._network(seen[None])
            kept = slice(FRAMES_PER_STEP * self._before, FRAMES_PER_STEP * (self._before + num_steps))
            self._beats.append(torch.sigmoid(beats[0, kept]).cpu().numpy())
            own = torch.softmax(tempo[0, self._before : self._before + num_steps], dim=-1).cpu().numpy()
        self._tempo.extend(_by_second(own))
        rest = max(self._before + num_steps - CONTEXT_STEPS, 0)
        self._before = self._before + num_steps - rest
        self._waiting = [features[rest:]]
        self._num_waiting = len(features) - rest


def _by_second(tempo: npt.NDArray[np.float32]) -> Iterator[npt.NDArray[np.float32]]:
    """The mean of each STEPS_PER_TEMPO rows, float32 [1, NUM_TEMPI] each."""
    for first in range(0, len(tempo), STEPS_PER_TEMPO):
        yield tempo[first : first + STEPS_PER_TEMPO].mean(axis=0, keepdims=True)
