"""A representation that nobody else knows is written to blocks, trained, saved, loaded and played.

Everything that it is stands in this file: K = 3, 1,024 values, uint16. No other file was touched for it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest

from lstm_core.blocks.feature_blocks import block_schema, open_blocks, write_block, write_index
from lstm_core.blocks.parts import encode_piece
from lstm_core.engine.engine import Engine
from lstm_core.engine.free_chooser import FreeRequest
from lstm_core.foundation.errors import BlockError, CheckpointError
from lstm_core.model.checkpoint import Checkpoint, load_checkpoint
from lstm_core.notes.score import NOTE_DTYPE, Score, make_notes
from lstm_core.representations.note_events import encode_score
from lstm_core.representations.notes import NOTES
from lstm_core.representations.representation import (
    STYLE_NAME,
    EventArray,
    Piece,
    PieceArrays,
    Reading,
    Representation,
    Stream,
    plain_arrays,
)
from lstm_core.representations.table import REPRESENTATIONS
from lstm_core.training.metrics import read_metrics
from lstm_core.training.recipe import ModelSize
from lstm_core.training.run import run_training
from lstm_core.training.updates import TrainSettings
from tests.lstm_core.block_sets import tiny_recipe

SOUND, LENGTH, IS_LAST = range(3)
NUM_VALUES, NUM_TOLD, NUM_NOTES, NUM_STEPS = 1024, 64, 23, 260
STYLES = ("down", "up")


def encode(score: Score) -> EventArray | None:
    """A tune of one voice: pitch and velocity as one of 1,024 sounds, the length in ticks; one more event ends it."""
    notes = score.notes
    if len(notes) == 0 or (notes["onset"][1:] < (notes["onset"] + notes["duration"])[:-1]).any():
        return None
    events = np.zeros((len(notes) + 1, 3), dtype=np.uint16)
    events[:-1, SOUND] = notes["pitch"].astype(np.int64) * 8 + notes["velocity"] // 16
    events[:-1, LENGTH] = notes["duration"]
    events[-1, IS_LAST] = 1
    return events


def decode(events: EventArray, **facts: object) -> Score:
    rows = events[events[:, IS_LAST] == 0].astype(np.int64)
    notes = np.zeros(len(rows), dtype=NOTE_DTYPE)
    notes["pitch"], notes["velocity"] = rows[:, SOUND] // 8, rows[:, SOUND] % 8 * 16 + 8
    notes["duration"], notes["onset"] = rows[:, LENGTH], np.cumsum(rows[:, LENGTH]) - rows[:, LENGTH]
    return Score(notes=notes, **facts)  # type: ignore[arg-type]


def contexts(styles: tuple[str, ...]) -> tuple[Stream, ...]:
    return (Stream("number", 1 + NUM_TOLD), Stream(STYLE_NAME, 1 + len(styles)))


def numbers(of_events: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    return 1 + np.minimum(of_events, NUM_TOLD - 1)[:, None]


def piece_arrays(piece: Piece, reading: Reading) -> PieceArrays:
    style = np.full((len(piece.events), 1), 1 + reading.styles.index(piece.style))
    return plain_arrays(piece.events, np.concatenate([numbers(np.arange(len(piece.events))), style], axis=1))


MADE_UP = Representation(
    name="made-up-1",
    streams=(Stream("sound", NUM_VALUES), Stream("length", NUM_VALUES), Stream("is_last", 2)),
    encode=encode,
    decode=decode,
    piece_arrays=piece_arrays,
    contexts=contexts,
    num_moving=1,
    moving_contexts=numbers,
    end=(IS_LAST, 1),
)
# Pitch, velocity and duration of the notes that each style cycles through.
CYCLES = {"down": [(96 - 7 * n, 24 + 16 * n, 12 + 31 * n) for n in range(6)],
          "up": [(20 + 9 * n, 104 - 16 * n, 400 + 31 * n) for n in range(6)]}  # fmt: skip


def tune(first: int, style: str, num_notes: int = NUM_NOTES) -> Score:
    """The notes of a style's cycle from the given one on."""
    found = [CYCLES[style][(first + n) % 6] for n in range(num_notes)]
    onsets = np.cumsum([0, *(duration for _, _, duration in found)])
    return Score(notes=make_notes([(int(o), d, 0, p, v) for o, (p, v, d) in zip(onsets[:-1], found, strict=True)]))


def write_tunes(folder: Path, representations: list[Representation]) -> Path:
    """Each of the twelve tunes twice, to learn and to validate, as the writer of parts encodes it."""
    rows = []
    for number in range(24):
        style, split = STYLES[number % 2], ("train", "valid")[number // 12]
        score = tune(number // 2, style)
        piece, _ = encode_piece(f"{number:02d}.mid", "", 0, score, {"source": "score"}, representations)
        assert piece is not None
        rows.append({**piece, "style": style, "licence": "CC0", "split": split, "group": piece["content_hash"]})
    table = pa.Table.from_pylist(rows, schema=block_schema(one.name for one in representations))
    write_block(folder, "b0", table, representations)
    write_index(folder, ["b0"])
    return folder


@pytest.fixture(scope="module")
def blocks(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_tunes(tmp_path_factory.mktemp("blocks"), [NOTES, MADE_UP])


@pytest.fixture(scope="module")
def run(blocks: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A finished training run."""
    folder = tmp_path_factory.mktemp("run")
    recipe = tiny_recipe(
        representation="made-up-1",
        steps=NUM_STEPS,
        valid_every=NUM_STEPS // 2,
        model=ModelSize(hidden_size=48, num_layers=1, head_size=48, dropout=0.0),
        train=TrainSettings(
            num_lanes=6, window=24, learning_rate=1e-2, warmup_steps=10, average_decay=0.9, precision="float32"
        ),
    )
    result = run_training(blocks, folder, recipe, representation=MADE_UP)
    assert result.step == NUM_STEPS
    return folder


@pytest.fixture(scope="module")
def checkpoint(run: Path) -> Checkpoint:
    return load_checkpoint(run / "checkpoint")


def test_blocks_hold_a_piece_in_each_of_their_representations(blocks: Path) -> None:
    made_up, notes = open_blocks(blocks, representation=MADE_UP), open_blocks(blocks)
    assert [(one.name, one.dtype) for one in made_up.index.representations] == [
        ("notes-1", "uint8"),
        ("made-up-1", "uint16"),
    ]
    found = set()
    for number in range(12):
        piece = made_up.piece("train", number)
        assert piece.events.dtype == np.uint16 and piece.events.max() > 255
        pitch = int(decode(piece.events).notes["pitch"][0])
        first = [note[0] for note in CYCLES[piece.style]].index(pitch)
        written = tune(first, piece.style)
        assert np.array_equal(piece.events, encode(written))  # type: ignore[arg-type]
        assert np.array_equal(notes.piece("train", number).events, encode_score(written))
        found.add((piece.style, first))
    assert len(found) == made_up.num_pieces("train") == notes.num_pieces("train") == 12


def test_what_is_decoded_is_what_was_encoded() -> None:
    notes, written = decode(encode(tune(3, "up"))).notes, tune(3, "up").notes  # type: ignore[arg-type]
    assert len(notes) == NUM_NOTES
    assert all(np.array_equal(notes[name], written[name]) for name in ("onset", "duration", "pitch", "velocity"))


def test_it_learns_what_a_table_of_counts_cannot(run: Path) -> None:
    """The unigram baseline is the entropy of twelve sounds and of twelve lengths, about; the model foresees each."""
    rows = read_metrics(run)
    [baselines] = [row for row in rows if row["kind"] == "baselines"]
    unigram, last = sum(baselines["unigram"]), [row for row in rows if row["kind"] == "valid"][-1]["nll"]
    assert 5.0 < unigram < 9.0
    # Nothing can know which of the six notes of the style comes first: log(6) nats in 24 events.
    unknown = np.log(6) / (NUM_NOTES + 1)
    assert unknown < last < unknown + 0.05 < unigram / 30


def test_it_plays_the_pattern_that_it_has_learnt(checkpoint: Checkpoint) -> None:
    """Checkpoint to events: the cycle of the style without a fault, to an end where pieces ended."""
    assert checkpoint.facts.representation == "made-up-1" and checkpoint.facts.styles == STYLES
    engine = Engine(checkpoint, representation=MADE_UP, arithmetic="float32")
    requests = [FreeRequest(seed=seed, num_events=100, temperature=0.5, contexts=(1 + seed % 2,)) for seed in range(24)]
    played = {done.number: done.events for done in engine.generate(requests)}
    firsts = set()
    for number, events in played.items():
        assert events.dtype == np.uint16
        style = STYLES[number % 2]
        first = [note[0] for note in CYCLES[style]].index(int(events[0, SOUND]) // 8)
        assert np.array_equal(events, encode(tune(first, style)))  # type: ignore[arg-type]
        firsts.add((style, first))
    assert len(played) == 24 and len(firsts) > 4
    alone = next(iter(engine.generate(requests[7:8]))).events
    assert np.array_equal(alone, played[7])


def test_a_piece_ends_at_its_number_of_events_and_keeps_to_a_mask(checkpoint: Checkpoint) -> None:
    engine = Engine(checkpoint, representation=MADE_UP, arithmetic="float32")
    allowed = np.zeros(NUM_VALUES, dtype=np.uint8)
    allowed[[3, 1000]] = 1
    only = {SOUND: allowed, IS_LAST: np.array([1, 0], dtype=np.uint8)}
    [done] = engine.generate([FreeRequest(seed=1, num_events=1500, allowed=only)])
    assert done.events.shape == (1500, 3) and set(np.unique(done.events[:, SOUND])) == {3, 1000}


def test_by_its_name_it_is_found_once_it_is_in_the_table(
    blocks: Path, checkpoint: Checkpoint, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(CheckpointError, match="cannot be played: There is no representation 'made-up-1'"):
        Engine(checkpoint, arithmetic="float32")
    monkeypatch.setitem(REPRESENTATIONS, MADE_UP.name, MADE_UP)
    assert Engine(checkpoint, arithmetic="float32").representation is MADE_UP
    assert open_blocks(blocks, representation="made-up-1").num_pieces("train") == 12
    with pytest.raises(BlockError, match="holds its pieces as notes-1, made-up-1, not as four-voices-1"):
        open_blocks(blocks, representation="four-voices-1")


def test_a_set_counts_the_pieces_that_a_representation_can_spell(tmp_path: Path) -> None:
    """Chords are no tune of one voice: they are in the blocks as notes alone, and no piece of the made-up set."""
    chord = Score(notes=make_notes([(0, 24, 0, 60, 90), (0, 24, 0, 64, 90)]))
    pieces = [encode_piece(f"{n}", "", 0, score, {"source": "score"}, [NOTES, MADE_UP])[0] for n, score in
              enumerate([tune(0, "up"), chord])]  # fmt: skip
    rows = [{**piece, "style": "up", "licence": "CC0", "split": "train", "group": ""} for piece in pieces if piece]
    table = pa.Table.from_pylist(rows, schema=block_schema(["notes-1", "made-up-1"]))
    write_block(tmp_path, "b0", table, [NOTES, MADE_UP])
    index = write_index(tmp_path, ["b0"])
    assert [(one.num_pieces["train"], one.num_events["train"]) for one in index.representations] == [
        (2, len(encode_score(tune(0, "up"))) + len(encode_score(chord))),
        (1, NUM_NOTES + 1),
    ]
    assert open_blocks(tmp_path, representation=MADE_UP).num_pieces("train") == 1
    assert open_blocks(tmp_path).num_pieces("train") == 2
    refused, row = encode_piece("c", "", 0, chord, {"source": "score"}, [MADE_UP])
    assert refused is None and row["reason"] == "piece 0 can be spelt in none of made-up-1"
