"""JSB chorales on a grid of sixteenths, four voices: nats per token of the same MusicLSTM that makes the tracks.

    python -m benchmarks.jsb CORPUS.json --minutes 60

The canonical split of Boulanger-Lewandowski et al. 2012 (229 / 76 / 77 chorales). A step is an event of four streams
S, A, T, B; every token counts, held notes and silence included. The model is told the position in the bar (step
modulo 16) and nothing else. Chosen on valid; test is read once, at the end.

Published on the same grid (nats per token): Coconet, chronological order, 0.436; Transformer 0.417; Music Transformer
0.335; TonicNet, which also predicts the chord of each step, 0.317.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch

from benchmarks.report import print_metric
from lstm_core.dataset.lanes import PieceArrays
from lstm_core.model.music_lstm import ModelSettings, MusicLSTM, num_weights
from lstm_core.representations.note_events import Stream
from lstm_core.training.updates import Trainer, TrainSettings

LOWEST, HIGHEST = 36, 81  # over the training chorales
VOICES = ("soprano", "alto", "tenor", "bass")
STEPS_PER_BAR = 16


class Chorales:
    """Chorales as pieces of four streams: 0 is silence, 1 is MIDI pitch LOWEST."""

    def __init__(self, chorales: list[list[list[int]]], *, seed: int | None) -> None:
        self.pieces = [np.array(chorale, dtype=np.int64) for chorale in chorales]
        self.seed = seed  # None: as written; else transposed by a random interval that keeps the range

    def __len__(self) -> int:
        return len(self.pieces)

    def load(self, index: int, epoch: int) -> PieceArrays:
        piece = self.pieces[index]
        sounding = piece >= 0
        shift = 0
        if self.seed is not None:
            random = np.random.Generator(np.random.Philox(key=[self.seed, (index << 32) + epoch]))
            shift = int(random.integers(LOWEST - piece[sounding].min(), HIGHEST - piece.max() + 1))
            shift = max(-6, min(6, shift))
        events = np.where(sounding, np.clip(piece + shift, LOWEST, HIGHEST) - LOWEST + 1, 0)
        position = 1 + np.arange(len(piece), dtype=np.int64)[:, None] % STEPS_PER_BAR
        nothing = np.zeros((len(piece), 0, 1), dtype=np.int64)
        return PieceArrays(events, position, _NO_FLAGS, np.zeros(len(piece), dtype=np.int64), nothing)


_NO_FLAGS: npt.NDArray[np.float32] = np.zeros(0, dtype=np.float32)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("corpus", type=Path, nargs="?", default=Path("../shared/corpora/jsb/Jsb16thSeparated.json"))
    parser.add_argument("--minutes", type=float, default=60.0, help="training time, evaluation included")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--hidden", type=int, default=512)
    parser.add_argument("--dropout", type=float, default=0.4)
    parser.add_argument("--learning-rate", type=float, default=2e-3)
    parser.add_argument("--lanes", type=int, default=32)
    parser.add_argument("--window", type=int, default=64)
    parser.add_argument("--weight-decay", type=float, default=0.05)
    parser.add_argument("--seed", type=int, default=1)
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.manual_seed(arguments.seed)
    splits = json.loads(arguments.corpus.read_text())
    model = MusicLSTM(
        ModelSettings(
            streams=tuple(Stream(voice, HIGHEST - LOWEST + 2) for voice in VOICES),
            contexts=(Stream("position", 1 + STEPS_PER_BAR),),
            hidden_size=arguments.hidden,
            dropout=arguments.dropout,
        )
    )
    settings = TrainSettings(
        num_lanes=arguments.lanes,
        window=arguments.window,
        learning_rate=arguments.learning_rate,
        weight_decay=arguments.weight_decay,
        average_decay=0.999,
        seed=arguments.seed,
    )
    trainer = Trainer(model, Chorales(splits["train"], seed=arguments.seed), settings)
    valid, step, seconds = train(trainer, Chorales(splits["valid"], seed=None), arguments.minutes)
    test = Chorales(splits["test"], seed=None)
    nats = trainer.evaluate(test, range(len(test))).nll / len(VOICES)
    facts = {"weights": num_weights(model), "steps": step, "training_s": round(seconds), "threads": arguments.threads}
    published = {"coconet": 0.436, "transformer": 0.417, "music_transformer": 0.335, "tonicnet": 0.317}
    print_metric("jsb_valid_nats", valid, "nats per token", against=published, **facts)
    print_metric("jsb_test_nats", nats, "nats per token", against=published, **facts)


def train(trainer: Trainer, valid: Chorales, minutes: float) -> tuple[float, int, float]:
    """Best nats per token on valid, its step, the seconds spent; the trainer is left with the best averaged weights."""
    start, num_steps, best, best_step = time.monotonic(), 1_000_000, float("inf"), 0
    best_average = trainer.average
    while (elapsed := time.monotonic() - start) < minutes * 60 and trainer.step < num_steps:
        trainer.train_step(num_steps)
        if trainer.step == 50:  # the schedule is made from the measured rate
            num_steps = max(100, int(50 * minutes * 60 / elapsed * 0.93))
        if trainer.step % max(num_steps // 100, 25) == 0 or trainer.step == num_steps:
            nats = trainer.evaluate(valid, range(len(valid))).nll / len(VOICES)
            if nats < best:
                best, best_step = nats, trainer.step
                best_average = [p.clone() for p in trainer.average]
            print(f"step {trainer.step}/{num_steps} valid {nats:.4f} best {best:.4f} {elapsed:.0f} s", flush=True)
    trainer.average = best_average
    return best, best_step, time.monotonic() - start


if __name__ == "__main__":
    main()
