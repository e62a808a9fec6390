"""JSB chorales on a grid of sixteenths, four voices: nats per token of the same MusicLSTM that makes the tracks.

    python -m benchmarks.jsb CORPUS.json --minutes 60

The canonical split of Boulanger-Lewandowski et al. 2012 (229 / 76 / 77 chorales). A step is an event of four streams
S, A, T, B; every token counts, held notes and silence included. The model is conditioned on the position in the
bar (step modulo 16) and nothing else. Chosen on valid; test is read once, at the end.

Published on the same grid (nats per token): Coconet, chronological order, 0.436; Transformer 0.417; Music Transformer
0.335; TonicNet, which also predicts the chord of each step, 0.317.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
import torch

from benchmarks.report import print_metric
from lstm_core.blocks.feature_blocks import BlockSet, block_schema, open_blocks, write_block, write_index
from lstm_core.dataset.pieces import SplitPieces
from lstm_core.model.music_lstm import ModelSettings, MusicLSTM, num_weights
from lstm_core.representations.four_voice_grid import FOUR_VOICES, VOICES, grid_of
from lstm_core.representations.representation import AugmentSettings
from lstm_core.training.updates import Trainer, TrainSettings

TRANSPOSED = AugmentSettings(transpose=6)  # as far as the compass allows


def write_chorales(folder: Path, train: list[list[list[int]]], valid: list[list[list[int]]]) -> BlockSet:
    """A block set of chorales, each a list of four MIDI pitches for each step, -1 for silence; in the given order."""
    rows = []
    for split, chorales in (("train", train), ("valid", valid)):
        for number, chorale in enumerate(chorales):
            events = {FOUR_VOICES.name: grid_of(np.array(chorale, dtype=np.int64)).tobytes()}
            row = {"piece_id": f"{number:032x}", "style": "", "licence": "", "duration_s": 0.0, "split": split}
            rows.append({**row, "events": events, "meters": [], "tempos": []})
    write_block(folder, "chorales", pa.Table.from_pylist(rows, schema=block_schema([FOUR_VOICES.name])))
    write_index(folder, ["chorales"])
    return open_blocks(folder)


def main() -> None:
    options = _options()
    torch.set_num_threads(options.threads)
    torch.manual_seed(options.seed)
    splits = json.loads(options.corpus.read_text())
    with tempfile.TemporaryDirectory() as folder:
        learnt = write_chorales(Path(folder) / "learnt", splits["train"], splits["valid"])
        test = SplitPieces(write_chorales(Path(folder) / "test", [], splits["test"]), "valid", ())
        model = new_model(hidden_size=options.hidden, dropout=options.dropout)
        settings = TrainSettings(
            num_lanes=options.lanes,
            window=options.window,
            learning_rate=options.learning_rate,
            weight_decay=options.weight_decay,
            average_decay=0.999,
            seed=options.seed,
        )
        pieces = SplitPieces(learnt, "train", (), seed=options.seed, augment=TRANSPOSED)
        trainer = Trainer(model, pieces, settings)
        valid, step, seconds = train(trainer, SplitPieces(learnt, "valid", ()), options.minutes)
        nats = trainer.evaluate(test, range(len(test))).nll / len(VOICES)
    facts = {"weights": num_weights(model), "steps": step, "training_s": round(seconds), "threads": options.threads}
    published = {"coconet": 0.436, "transformer": 0.417, "music_transformer": 0.335, "tonicnet": 0.317}
    print_metric("jsb_valid_nats", valid, "nats per token", against=published, **facts)
    print_metric("jsb_test_nats", nats, "nats per token", against=published, **facts)


def new_model(*, hidden_size: int, dropout: float) -> MusicLSTM:
    """A model of the four-voice grid with random weights."""
    return MusicLSTM(
        ModelSettings(
            streams=FOUR_VOICES.streams,
            contexts=FOUR_VOICES.contexts(()),
            num_flags=FOUR_VOICES.num_flags,
            onset_contexts=FOUR_VOICES.onset_contexts,
            num_lags=FOUR_VOICES.num_lags,
            hidden_size=hidden_size,
            dropout=dropout,
        )
    )


def _options() -> argparse.Namespace:
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
    return parser.parse_args()


def train(trainer: Trainer, valid: SplitPieces, minutes: float) -> tuple[float, int, float]:
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
