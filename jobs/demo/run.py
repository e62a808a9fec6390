"""`tonemill demo`: the whole way on one machine, from recordings to a page of finished tracks.

    FOLDER/scores       chorales and dance tunes out of music21, as MusicXML and ABC
    FOLDER/corpus       recordings of them in six codecs: all that the stages below see
    FOLDER/blocks       feature blocks of what is transcribed from the recordings
    FOLDER/run          a short fine-tuning of the base checkpoint, on two workers
    FOLDER/order.toml   twelve tracks
    FOLDER/catalogue    the tracks; open its index.html

Recordings that may be given away with a program are rare, so the demo makes its own. With `from_scores` it leaves
them out, and the scores are the corpus. Run again, it does only what is missing: a demo that is complete takes seconds.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import time
from contextlib import nullcontext
from dataclasses import asdict, dataclass, field
from pathlib import Path

from jobs.demo.bundled_scores import build_corpus
from jobs.demo.recordings import record_scores
from jobs.generate.run import GenerateResult, run_generate
from jobs.generate.track_pipeline import GenerateRecipe
from jobs.prepare.recipe import PrepareRecipe
from jobs.prepare.run import run_prepare
from jobs.runtime.local_ray import ray_running
from jobs.train.run import run_train
from lstm_core.blocks.feature_blocks import read_index
from lstm_core.model.checkpoint import BASE, JSON_NAME, load_checkpoint
from lstm_core.orders.order_file import read_order
from lstm_core.representations.notes import NOTES
from lstm_core.training.recipe import ModelSize, TrainRecipe
from lstm_core.training.run_state import newest_state
from lstm_core.training.updates import TrainSettings

MARK_NAME = "demo.key"  # in the run: a hash of what it is trained on and how
# Sixteen recordings of each codec, an hour: the training reads them once or twice in its minute. To play and transcribe
# one takes 0.8 s of processor time, to read a score 0.05: of scores there may be more.
RECORDED = {"chorale": 28, "reel": 24, "jig": 24, "hornpipe": 20}
SCORES = {"chorale": 47, "reel": 45, "jig": 40, "hornpipe": 30}
FINE_TUNING = TrainSettings(learning_rate=4e-4, warmup_steps=10, num_lanes=32)  # gentle: a minute must not undo hours
# Transcriptions differ from what the base model learnt (9.5 against 2.7 nats per event): at 4e-4 the same minute left
# a madrigal a quarter of its notes.
FINE_TUNING_ON_TRANSCRIPTIONS = TrainSettings(learning_rate=5e-5, warmup_steps=10, num_lanes=32)
VALID_EVENTS = 6_000  # a look at the validation pieces takes a second or two of that minute
FROM_NOTHING = TrainSettings(num_lanes=32)  # without a base checkpoint


@dataclass(frozen=True, kw_only=True)
class DemoTrack:
    """One line of the demo's order."""

    name: str
    style: str
    key: str
    bpm: int
    meter: str
    duration_s: int
    loop: bool
    instruments: tuple[str, ...] = ()


TRACKS = (
    DemoTrack(name="chapel", style="chorale", key="G major", bpm=88, meter="4/4", duration_s=45, loop=False),
    DemoTrack(
        name="vigil",
        style="chorale",
        key="D minor",
        bpm=72,
        meter="4/4",
        duration_s=40,
        loop=True,
        instruments=("string ensemble 1",),
    ),
    DemoTrack(name="tavern", style="jig", key="D major", bpm=168, meter="6/8", duration_s=30, loop=True),
    DemoTrack(
        name="harbour",
        style="jig",
        key="A minor",
        bpm=156,
        meter="6/8",
        duration_s=42,
        loop=False,
        instruments=("flute",),
    ),
    DemoTrack(name="fair", style="reel", key="G major", bpm=200, meter="2/2", duration_s=24, loop=True),
    DemoTrack(
        name="chase",
        style="reel",
        key="E minor",
        bpm=104,
        meter="2/4",
        duration_s=36,
        loop=False,
        instruments=("violin",),
    ),
    DemoTrack(name="deck", style="hornpipe", key="Bb major", bpm=160, meter="2/2", duration_s=27, loop=True),
    DemoTrack(
        name="village",
        style="hornpipe",
        key="A major",
        bpm=84,
        meter="2/4",
        duration_s=50,
        loop=False,
        instruments=("accordion",),
    ),
    DemoTrack(name="boss", style="game", key="E minor", bpm=140, meter="4/4", duration_s=48, loop=True),
    DemoTrack(name="caves", style="game", key="C minor", bpm=100, meter="4/4", duration_s=60, loop=False),
    DemoTrack(name="court", style="madrigal", key="F major", bpm=84, meter="4/4", duration_s=55, loop=False),
    DemoTrack(name="shore", style="air", key="E major", bpm=92, meter="3/4", duration_s=33, loop=True),
)


@dataclass(frozen=True, kw_only=True)
class DemoSettings:
    """How large a demo is."""

    scores: dict[str, int] = field(default_factory=lambda: dict(RECORDED))  # at most, by bundled style
    from_scores: bool = False  # the scores are the corpus, not recordings of them
    minutes: float = 0.75  # of training
    steps: int | None = None  # instead of minutes
    num_workers: int = 2
    tracks: tuple[DemoTrack, ...] = TRACKS
    use_base: bool = True  # False, or without a base checkpoint: train from nothing
    model: ModelSize = field(default_factory=ModelSize)  # of a model that is trained from nothing


@dataclass(frozen=True, kw_only=True)
class DemoResult:
    generated: GenerateResult
    seconds: dict[str, float]  # wall time of each stage


def run_demo(folder: str | Path = "demo", settings: DemoSettings | None = None, *, verbose: bool = False) -> DemoResult:
    """Makes, or completes, a demo in a folder."""
    settings, folder = settings or DemoSettings(), Path(folder)
    scores, blocks, run, catalogue = (folder / name for name in ("scores", "blocks", "run", "catalogue"))
    clock = _Clock()
    num_scores = sum(build_corpus(scores, settings.scores).values())
    clock.stop("scores", f"{num_scores} scores of {', '.join(settings.scores)} in {scores}")
    # One Ray for all stages; a demo that is complete needs none, and what it should lack after all starts its own.
    is_complete = (catalogue / "index.html").exists()
    num_cpus = max(4, os.cpu_count() or 1, settings.num_workers + 2)
    with nullcontext() if is_complete else ray_running(num_cpus=num_cpus, verbose=verbose):
        corpus = scores
        if not settings.from_scores:
            corpus = folder / "corpus"
            num_recordings, num_made = record_scores(scores, corpus, num_workers=settings.num_workers)
            clock.stop("record", f"{num_recordings} recordings in {corpus}, {num_made} of them made now")
        prepared = run_prepare(str(corpus), str(blocks), PrepareRecipe(), num_workers=settings.num_workers)
        num_pieces = sum(prepared.index.num_pieces.values())
        clock.stop("prepare", f"{num_pieces} pieces, {prepared.index.duration_s / 3600:.1f} hours, in {blocks}")
        _train(blocks, run, settings, verbose=verbose)
        checkpoint = load_checkpoint(run / "checkpoint")
        quality = "" if checkpoint.facts.valid_nll is None else f", {checkpoint.facts.valid_nll:.2f} nats an event"
        clock.stop("train", f"best at step {checkpoint.facts.step}{quality}, in {run}")
        order = folder / "order.toml"
        order.write_text(order_text(settings.tracks, checkpoint.facts.styles), encoding="utf-8")
        generated = run_generate(str(run), read_order(order), str(catalogue), GenerateRecipe(), verbose=verbose)
        clock.stop("generate", f"{generated.num_made} tracks made, {len(generated.records)} are in {catalogue}")
    return DemoResult(generated=generated, seconds=clock.seconds)


def order_text(tracks: tuple[DemoTrack, ...], styles: tuple[str, ...]) -> str:
    """The order of the demo as TOML; a style that the checkpoint does not know is replaced by one that it does."""
    lines = ["# The demo's order. Change it and run: tonemill generate demo/run demo/order.toml demo/catalogue", ""]
    lines += ['name = "demo"', "seed = 2026", ""]
    for number, track in enumerate(tracks):
        style = track.style if track.style in styles else styles[number % len(styles)] if styles else ""
        values = {**asdict(track), "style": style}
        lines += ["[[group]]", *(f"{name} = {_toml(value)}" for name, value in values.items() if value != ()), ""]
    return "\n".join(lines)


def _train(blocks: Path, run: Path, settings: DemoSettings, *, verbose: bool) -> None:
    """Trains, or goes on training, so that the run is complete, and of these blocks and settings."""
    has_base = settings.use_base and (BASE / JSON_NAME).exists()
    fine_tuning = FINE_TUNING if settings.from_scores else FINE_TUNING_ON_TRANSCRIPTIONS
    recipe = TrainRecipe(
        name="demo",
        representation=NOTES.name,  # of the base checkpoint
        minutes=settings.minutes,
        steps=settings.steps,
        num_workers=settings.num_workers,
        init_from="base" if has_base else "",
        valid_events=VALID_EVENTS,
        model=settings.model,
        train=fine_tuning if has_base else FROM_NOTHING,
    )
    parent = load_checkpoint(BASE).fingerprint if has_base else ""
    named = f"{read_index(blocks).fingerprint} {parent} {asdict(recipe)}"
    key = hashlib.sha256(named.encode()).hexdigest()
    mark = run / MARK_NAME
    if run.exists() and (not mark.exists() or mark.read_text() != key):
        shutil.rmtree(run)  # of other blocks or another base checkpoint
    run.mkdir(parents=True, exist_ok=True)
    mark.write_text(key)
    run_train(str(blocks), str(run), recipe, is_resumed=newest_state(run) is not None, verbose=verbose)


class _Clock:
    """Says what each stage did and how long it took."""

    def __init__(self) -> None:
        self.seconds: dict[str, float] = {}
        self._start = time.monotonic()

    def stop(self, stage: str, text: str) -> None:
        now = time.monotonic()
        self.seconds[stage], self._start = now - self._start, now
        print(f"{stage:9s} {self.seconds[stage]:5.1f} s   {text}", flush=True)


def _toml(value: object) -> str:
    return json.dumps(value)  # of text, numbers, booleans and lists of text JSON is TOML
